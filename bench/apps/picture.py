"""docs/rolling.svg: for each way of restarting, answers over time and the workers' readiness, drawn
by hand; and docs/rolling-small.svg, its left column.

A column for each setting, or several settings in a column; a panel for each way. All panels have
the same scales. Colours are given for a light background, which the picture brings along, so that
it is legible on a dark page too.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from bench.apps.watch import Changes, spans
from bench.load import Request

BIN_SECONDS = 0.1

# In pixels. A panel has, from top to bottom: two lines of text, the bars, the lanes and the times.
MARGIN, GAP = 24, 20
PANEL_WIDTH, LEFT, RIGHT = 510, 70, 18
BARS_TOP, BARS_HEIGHT = 62, 104
LANES_TOP, LANE, LANE_STEP = BARS_TOP + BARS_HEIGHT + 12, 9, 14
AXIS_HEIGHT = 28
MOST_SECONDS = 14  # on the axis of a panel
HEAD, FOOT = 108, 22  # above and below the panels
TITLE = 16  # between the panels of one setting and the next one's title, in a column
LEAST_WIDTH = 1000  # for the lines of text above and below
NARROW_HEAD = 110  # above the panels of the narrow picture

# What the colours mean: classes of STYLE, and words.
KEY = (
    ('good', f'good answers per {BIN_SECONDS:g} s'),
    ('failed', 'refused or failed'),
    ('ready', 'worker serves'),
    ('lane', 'worker does not'),
    ('command', 'the command runs'),
)

STYLE = """\
text { font: 12px -apple-system, "Segoe UI", "Noto Sans", "DejaVu Sans", Helvetica, Arial, sans-serif; fill: #1f2328 }
.title { font-size: 20px; font-weight: 600 }
.column { font-size: 14px; font-weight: 600 }
.way { font: 600 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.dim { fill: #59636e; font-size: 11px }
.bad { fill: #c4161c; font-weight: 600 }
.fine { fill: #1a7f37; font-weight: 600 }
.page { fill: #f6f8fa }
.panel { fill: #ffffff; stroke: #d1d9e0 }
.command { fill: #fff4d6 }
.grid { stroke: #e4e8ec }
.zero { stroke: #8c959f }
.good { fill: #4c86c6 }
.failed { fill: #d1242f }
.lane { fill: #eaeef2 }
.ready { fill: #4aa564 }"""


class Course(NamedTuple):
    """One restart over time; moments are seconds on the monotonic clock."""

    requests: list[Request]
    changes: list[Changes]  # of each worker: when it became ready, or no longer was
    began: float  # when the command was given
    ended: float  # when the command had ended


class Row(NamedTuple):
    """One way of restarting in one setting."""

    title: str  # of the setting
    way: str  # the command
    figures: dict[str, Any]  # of all rounds, see bench.rolling.Figures
    course: Course  # of one of the rounds


class Scale(NamedTuple):
    """What all panels have in common; times count from the command's start."""

    first: float
    last: float
    most: int  # answers in a bin

    def x(self, seconds: float) -> float:
        """Where this moment is in a panel."""
        share = (seconds - self.first) / (self.last - self.first)
        return LEFT + min(max(share, 0), 1) * (PANEL_WIDTH - LEFT - RIGHT)

    def height(self, answers: int) -> float:
        """How high a bar of so many answers is."""
        return BARS_HEIGHT * answers / self.most


def draw(rows: list[Row], heading: str, foot: list[str], columns: int = 0) -> str:
    """The picture, with a line of text above and some below.

    columns: into how many the settings are spread; 0: one for each.
    """
    scale = common_scale([row.course for row in rows])
    height = LANES_TOP + max(len(row.course.changes) for row in rows) * LANE_STEP + AXIS_HEIGHT
    drawn: list[str] = []
    bottoms: list[float] = []  # of each column: where the next setting begins
    for number, title in enumerate(dict.fromkeys(row.title for row in rows)):
        if not columns or number < columns:
            bottoms.append(HEAD)
            column = number
        else:
            column = bottoms.index(min(bottoms))
            bottoms[column] += TITLE
        left, top = MARGIN + column * (PANEL_WIDTH + GAP), bottoms[column]
        drawn.append(text('column', left, top - 10, title))
        for row in (row for row in rows if row.title == title):
            drawn.append(f'<g transform="translate({left} {top})">')
            drawn += [rect('panel', 0, 0, PANEL_WIDTH, height, 6), *panel(row, scale, height)]
            drawn.append('</g>')
            top += height + GAP
        bottoms[column] = top
    width_all = max(LEAST_WIDTH, 2 * MARGIN + len(bottoms) * (PANEL_WIDTH + GAP) - GAP)
    height_all = max(bottoms) - GAP + FOOT + len(foot) * 17
    return '\n'.join(
        [
            *opening(width_all, height_all, heading),
            text('title', MARGIN, 38, heading),
            *legend(MARGIN, 52, KEY),
            *drawn,
            *(
                text('dim', MARGIN, height_all + 17 * (number - len(foot)), line)
                for number, line in enumerate(foot)
            ),
            '</svg>\n',
        ]
    )


def opening(width: float, height: float, heading: str, style: str = STYLE) -> Iterable[str]:
    """The beginning of a picture: its size, what it is about, and the page."""
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img">'
    )
    yield f'<title>{escape(heading)}</title>'
    yield f'<style>{style}</style>'
    yield rect('page', 0, 0, width, height, 8)


def common_scale(courses: list[Course]) -> Scale:
    """The scale in which all courses fit."""
    most = max(sum(both) for course in courses for both in bins(course).values())
    first = min(request.start - course.began for course in courses for request in course.requests)
    last = max(request.end - course.began for course in courses for request in course.requests)
    return Scale(
        math.floor(2 * first + 0.5) / 2, math.ceil(2 * last - 0.5) / 2, 20 * math.ceil(most / 20)
    )


def bins(course: Course) -> dict[int, tuple[int, int]]:
    """Good answers and failures by the number of the bin in which they ended; bin 0 begins with the
    command.
    """
    good: Counter[int] = Counter()
    failed: Counter[int] = Counter()
    for request in course.requests:
        (good if request.kind == 'ok' else failed)[
            math.floor((request.end - course.began) / BIN_SECONDS)
        ] += 1
    return {number: (good[number], failed[number]) for number in sorted(good | failed)}


def panel(row: Row, scale: Scale, height: float) -> Iterable[str]:
    """One way: its name and figures, bars, lanes and times."""
    course, bottom = row.course, BARS_TOP + BARS_HEIGHT
    lanes_end = LANES_TOP + len(course.changes) * LANE_STEP
    yield text('way', 16, 26, row.way)
    yield text('way', PANEL_WIDTH - RIGHT, 26, f'{row.figures["seconds"]:.1f} s', 'end')
    yield summary(row.figures)
    yield span(
        'command', scale, 0, course.ended - course.began, BARS_TOP - 6, lanes_end - BARS_TOP + 4
    )
    yield from axes(scale, bottom, lanes_end, height)
    for number, (good, failed) in bins(course).items():
        start, end = number * BIN_SECONDS, (number + 1) * BIN_SECONDS
        for kind, below, count in (('good', 0, good), ('failed', good, failed)):
            if count and start < scale.last:
                yield span(
                    kind,
                    scale,
                    start,
                    end,
                    bottom - scale.height(below + count),
                    scale.height(count),
                    0.8,
                )
    begin, finish = scale.first + course.began, max(request.end for request in course.requests)
    for number, changes in enumerate(course.changes):
        top = LANES_TOP + number * LANE_STEP
        yield text('dim', LEFT - 8, top + LANE, f'worker {number}', 'end')
        yield span('lane', scale, scale.first, finish - course.began, top, LANE)
        for start, end in spans(changes, begin, finish):
            yield span('ready', scale, start - course.began, end - course.began, top, LANE)


def summary(figures: dict[str, Any]) -> str:
    """The line below the name of the way."""
    failed = sum(figures['failed'].values())
    refused = figures['refused']
    kind = 'bad' if refused + failed else 'fine'
    said = ', '.join(
        f'{count} {what}' for count, what in ((refused, 'refused'), (failed, 'failed')) if count
    )
    rest = (
        f'of {figures["requests"]} requests · at least {figures["lowest_ready"]} ready · '
        f'gap {figures["longest_gap"]:.2f} s'
    )
    return (
        f'<text x="16" y="45"><tspan class="{kind}">{said or "none failed"}</tspan> {rest}</text>'
    )


def axes(scale: Scale, bottom: float, lanes_end: float, height: float) -> Iterable[str]:
    """Lines and numbers: answers to the left, seconds below."""
    for answers in (0, scale.most // 2, scale.most):
        y = bottom - scale.height(answers)
        yield f'<path class="{"grid" if answers else "zero"}" d="M{LEFT} {y:.1f}H{PANEL_WIDTH - RIGHT}"/>'
        yield text('dim', LEFT - 8, y + 4, str(answers), 'end')
    begin, end = math.ceil(scale.first), math.floor(scale.last)
    step = math.ceil((end - begin + 1) / MOST_SECONDS)
    for seconds in (second for second in range(begin, end + 1) if second % step == 0):
        x = scale.x(seconds)
        yield f'<path class="{"grid" if seconds else "zero"}" d="M{x:.1f} {BARS_TOP - 6}V{lanes_end}"/>'
        yield text('dim', x, height - 9, f'{seconds} s', 'middle')


def legend(x: float, y: float, key: Iterable[tuple[str, str]]) -> Iterable[str]:
    """What the colours mean."""
    for kind, words in key:
        yield rect(kind, x, y + 2, 12, 12, 2)
        yield text('', x + 18, y + 12, words)
        x += 46 + 6.3 * len(words)


def span(
    kind: str, scale: Scale, start: float, end: float, top: float, height: float, gap: float = 0
) -> str:
    """A box from one moment to another."""
    left = scale.x(start)
    return rect(kind, left, top, max(scale.x(end) - left - gap, 0.5), height)


def rect(kind: str, x: float, y: float, width: float, height: float, radius: float = 0) -> str:
    """A box."""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        + (f' rx="{radius:g}"' if radius else '')
        + '/>'
    )


def text(kind: str, x: float, y: float, words: str, anchor: str = 'start') -> str:
    """A line of text."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def left_column(picture: str, ways: list[str], heading: str, foot: list[str]) -> str:
    """These ways of the first column of a picture that draw() has made, as a narrow picture."""
    title = re.search(r'<text class="column".*</text>', picture)
    column = re.findall(
        rf'<g transform="translate\({MARGIN} \d+\)">\n(.*?)</g>', picture, re.DOTALL
    )
    panels = [drawn for drawn in column if any(f'>{escape(way)}</text>' in drawn for way in ways)]
    if title is None or not panels:
        raise ValueError('not a picture of draw()')
    step = GAP + max(
        float(re.search(r'class="panel".* height="([\d.]+)"', drawn)[1])  # type: ignore[index]
        for drawn in panels
    )
    width = 2 * MARGIN + PANEL_WIDTH
    height = NARROW_HEAD + len(panels) * step - GAP + FOOT + len(foot) * 17
    first, second = KEY[:3], KEY[3:]
    return '\n'.join(
        [
            *opening(width, height, heading),
            text('column', MARGIN, 30, heading),
            *legend(MARGIN, 42, first),
            *legend(MARGIN, 62, second),
            text('dim', MARGIN, NARROW_HEAD - 10, ElementTree.fromstring(title[0]).text or ''),
            *(
                f'<g transform="translate({MARGIN} {NARROW_HEAD + number * step:g})">\n{drawn}</g>'
                for number, drawn in enumerate(panels)
            ),
            *(
                text('dim', MARGIN, height + 17 * (number - len(foot)), line)
                for number, line in enumerate(foot)
            ),
            '</svg>\n',
        ]
    )
