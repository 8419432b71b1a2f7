"""docs/speed.svg: where every process of the group is, over time, supervisorctl beside this plugin.

A panel for each, a line for each process, on the same scale; below them, how long every supervisor
of the same run took. Drawn like docs/rolling.svg, and in its colours.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from bench.apps.picture import GAP, LEAST_WIDTH, MARGIN, opening, rect, text
from bench.apps.picture import STYLE as COMMON_STYLE
from bench.peers.worker import Note

# In pixels. A panel has, from top to bottom: two lines of text, the lanes and the times.
PANEL_WIDTH, LEFT, RIGHT = (LEAST_WIDTH - 2 * MARGIN - GAP) // 2, 16, 16
LANES_TOP, LANES_HEIGHT, AXIS_HEIGHT = 58, 300, 30
HEAD = 112  # above the panels
BARS_HEAD, BAR_STEP = 40, 20
BAR_LEFT, BAR_RIGHT = 270, 70
FOOT = 20  # for each line below
LEAD_SECONDS = 0.25  # shown before the command

STYLE = (
    COMMON_STYLE
    + """
.old { stroke: #9fb8d3 }
.stopping { stroke: #e3a32b }
.down { stroke: #d1242f }
.new { stroke: #4aa564 }
.box-old { fill: #9fb8d3 }
.box-stopping { fill: #e3a32b }
.box-down { fill: #d1242f }
.box-new { fill: #4aa564 }"""
)
MEANING = {
    'old': 'runs, the old process',
    'stopping': 'is stopping',
    'down': 'is down',
    'new': 'runs, the new process',
}


class Course(NamedTuple):
    """One restart over time; moments are seconds on the monotonic clock."""

    way: str
    notes: list[Note]
    began: float  # when the command was given
    ended: float  # when it had ended


class Bar(NamedTuple):
    """A line of the lower part."""

    words: str
    kind: str  # of box: a class of STYLE
    seconds: float


class Span(NamedTuple):
    """What a process does from one moment to another, in seconds from the command's start."""

    what: str  # a key of MEANING
    start: float
    end: float


def lanes(course: Course, last: float) -> dict[str, list[Span]]:
    """What each process does, by its name, from LEAD_SECONDS before the command until `last`."""
    moments: dict[str, dict[str, float]] = defaultdict(dict)
    for note in course.notes:
        moments[note.name][note.what] = note.at - course.began
    return {
        name: [
            Span('old', -LEAD_SECONDS, at['T']),
            Span('stopping', at['T'], at['E']),
            Span('down', at['E'], at['S']),
            Span('new', at['S'], last),
        ]
        for name, at in sorted(moments.items())
    }


def draw(courses: list[Course], bars: list[Bar], heading: str, foot: list[str]) -> str:
    """The picture. The bars are seconds to the last new process."""
    last = (
        math.ceil(
            2 * max(max(note.at for note in course.notes) - course.began for course in courses)
            + 0.5
        )
        / 2
    )
    panel_height = LANES_TOP + LANES_HEIGHT + AXIS_HEIGHT
    bars_top = HEAD + panel_height + BARS_HEAD
    height = bars_top + len(bars) * BAR_STEP + 12 + FOOT * len(foot)
    width = LEAST_WIDTH
    parts = [
        *opening(width, height, heading, STYLE),
        text('title', MARGIN, 38, heading),
        *legend(MARGIN, 62),
    ]
    for number, course in enumerate(courses):
        parts.append(f'<g transform="translate({MARGIN + number * (PANEL_WIDTH + GAP)} {HEAD})">')
        parts += [rect('panel', 0, 0, PANEL_WIDTH, panel_height, 6), *panel(course, last)]
        parts.append('</g>')
    parts.append(
        text('column', MARGIN, bars_top - 14, 'Seconds to the last new process, the same workers')
    )
    parts += draw_bars(bars, bars_top, width)
    return '\n'.join([*parts, *footnotes(foot, height), '</svg>']) + '\n'


def footnotes(lines: list[str], height: float) -> Iterator[str]:
    """The lines at the bottom of a picture that is so high."""
    for number, line in enumerate(lines):
        yield text('dim', MARGIN, height + FOOT * (number - len(lines)) + 6, line)


def panel(course: Course, last: float) -> Iterator[str]:
    """One restart: its name and figures, the lanes and the times."""

    def x(seconds: float) -> float:
        share = (seconds + LEAD_SECONDS) / (last + LEAD_SECONDS)
        return LEFT + min(max(share, 0), 1) * (PANEL_WIDTH - LEFT - RIGHT)

    found = lanes(course, last)
    down = sum(
        span.end - span.start for spans in found.values() for span in spans if span.what == 'down'
    ) / len(found)
    newest = max(span.start for spans in found.values() for span in spans if span.what == 'new')
    yield text('way', LEFT, 24, course.way)
    yield text(
        '',
        LEFT,
        43,
        f'last new process after {newest:.2f} s; each down for {1000 * down:.0f} ms on average',
    )
    step = LANES_HEIGHT / len(found)
    for what in MEANING:
        # One path for all processes: a rectangle for each would make the file ten times as large.
        path = ''.join(
            f'M{x(span.start):.1f} {LANES_TOP + (number + 0.5) * step:.1f}H{x(span.end):.1f}'
            for number, spans in enumerate(found.values())
            for span in spans
            if span.what == what and span.end > span.start
        )
        yield f'<path class="{what}" stroke-width="{max(step * 0.8, 0.6):.2f}" d="{path}"/>'
    bottom = LANES_TOP + LANES_HEIGHT
    for half in range(int(2 * last) + 1):
        where = x(half / 2)
        yield f'<path class="zero" d="M{where:.1f} {bottom}v4"/>'
        yield text('dim', where, bottom + 18, f'{half / 2:g} s', 'middle')
    yield f'<path class="zero" d="M{x(0):.1f} {LANES_TOP - 4}V{bottom}"/>'


def draw_bars(bars: list[Bar], top: float, width: float) -> Iterator[str]:
    """A bar for each supervisor."""
    longest = max(bar.seconds for bar in bars)
    for number, bar in enumerate(bars):
        y = top + number * BAR_STEP
        length = (width - MARGIN - BAR_LEFT - BAR_RIGHT) * bar.seconds / longest
        yield text('', BAR_LEFT - 8, y + 11, bar.words, 'end')
        yield rect(f'box-{bar.kind}', BAR_LEFT, y, length, BAR_STEP - 6, 2)
        yield text('', BAR_LEFT + length + 6, y + 11, f'{bar.seconds:.2f}')


def legend(x: float, y: float) -> Iterable[str]:
    """What the colours of the lanes mean."""
    for what, words in MEANING.items():
        yield rect(f'box-{what}', x, y + 2, 12, 12, 2)
        yield text('', x + 18, y + 12, words)
        x += 46 + 6.3 * len(words)
