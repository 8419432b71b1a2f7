"""docs/flat.svg: what a restart takes with more and more processes, before and after.

Two panels: the last new process as a multiple of the floor's, and supervisord's processor time per
process. Drawn like docs/speed.svg, and in its colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench.apps.picture import GAP, LEAST_WIDTH, MARGIN, opening, rect, text
from bench.apps.picture import STYLE as COMMON_STYLE
from bench.chart import FOOT, footnotes
from bench.flat_figures import AFTER, BEFORE, FLOOR, Row
from bench.peers.aims import OF_FLOOR

# In pixels. A panel has, from top to bottom: its name, the lines, the numbers of processes.
PANEL_WIDTH, LEFT, RIGHT = (LEAST_WIDTH - 2 * MARGIN - GAP) // 2, 52, 104
TOP, HEIGHT, AXIS_HEIGHT = 44, 240, 48
HEAD = 60  # above the panels
CLOSEST = 14  # lines of text
STEPS = (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10)  # of a scale
MOST_STEPS = 6

STYLE = (
    COMMON_STYLE
    + """
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
.before { stroke: #e3a32b; fill: #e3a32b }
.after { stroke: #4aa564; fill: #4aa564 }
.floor { stroke: #8c959f; fill: #8c959f }
.aim { stroke: #1f2328; stroke-width: 2 }"""
)


class Panel(NamedTuple):
    """What one panel shows."""

    name: str
    value: Callable[[Row], float]
    who: tuple[str, ...]
    aims: dict[int, float]  # by the number of processes; marks, if there are any


PANELS = (
    Panel(
        'Last new process, as a multiple of the floor',
        lambda row: row.of_floor,
        (BEFORE, AFTER, FLOOR),
        OF_FLOOR,
    ),
    Panel(
        "supervisord's processor per process, in milliseconds",
        lambda row: row.each,
        (BEFORE, AFTER),
        {},
    ),
)


class Scale(NamedTuple):
    """Where a number of processes and a value are in a panel."""

    workers: int  # the most
    top: float
    step: float

    def x(self, workers: int) -> float:
        return LEFT + workers / self.workers * (PANEL_WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + HEIGHT * (1 - value / self.top)


def draw(rows: list[Row], versions: dict[str, str], rounds: int, cores: int) -> str:
    """The picture."""
    counts = sorted({row.workers for row in rows})
    heading = f'Restarting {counts[0]:,} to {counts[-1]:,} processes, all at once'
    foot = [
        f'Medians of {rounds}, in turns with a bare loop of posix_spawn, the floor, in one run on {cores} cores. '
        'Dashes: the aims.',
        ', '.join(f'{name} {version}' for name, version in versions.items() if version),
    ]
    panel_height = TOP + HEIGHT + AXIS_HEIGHT
    height = HEAD + panel_height + 16 + FOOT * len(foot)
    width = LEAST_WIDTH
    parts = [*opening(width, height, heading, STYLE), text('title', MARGIN, 38, heading)]
    for number, panel in enumerate(PANELS):
        parts.append(f'<g transform="translate({MARGIN + number * (PANEL_WIDTH + GAP)} {HEAD})">')
        parts += [rect('panel', 0, 0, PANEL_WIDTH, panel_height, 6), *draw_panel(panel, rows)]
        parts.append('</g>')
    return '\n'.join([*parts, *footnotes(foot, height), '</svg>']) + '\n'


def scale_of(values: list[float], workers: int) -> Scale:
    """Begins at 0 and has few round steps."""
    step = next((step for step in STEPS if max(values) / step <= MOST_STEPS), STEPS[-1])
    return Scale(workers, step * math.ceil(max(values) / step), step)


def draw_panel(panel: Panel, rows: list[Row]) -> Iterator[str]:
    """Its name, the axes, a line for each, and marks for the aims."""
    shown = [row for row in rows if row.who in panel.who]
    scale = scale_of([panel.value(row) for row in shown], max(row.workers for row in rows))
    yield text('column', 16, 26, panel.name)
    yield from draw_axes(scale, sorted({row.workers for row in rows}))
    for workers, aim in panel.aims.items():
        if any(row.workers == workers for row in rows):
            x, y = scale.x(workers), scale.y(aim)
            yield f'<path class="aim" d="M{x - 9:.1f} {y:.1f}h18"/>'
    ends = []
    for who in panel.who:
        points = [
            (scale.x(row.workers), scale.y(panel.value(row))) for row in shown if row.who == who
        ]
        line = 'L'.join(f'{x:.1f} {y:.1f}' for x, y in points)
        yield f'<path class="line {who}" style="fill: none" d="M{line}"/>'
        for x, y in points:
            yield f'<circle class="{who}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
        last = [row for row in shown if row.who == who][-1]
        ends.append((points[-1][1], f'{who} {panel.value(last):.2f}'))
    for y, words in apart(ends):
        yield text('', PANEL_WIDTH - RIGHT + 10, y + 4, words)


def draw_axes(scale: Scale, counts: list[int]) -> Iterator[str]:
    """Lines and numbers: values to the left, processes below."""
    bottom = TOP + HEIGHT
    for number in range(round(scale.top / scale.step) + 1):
        y = scale.y(number * scale.step)
        yield f'<path class="{"grid" if number else "zero"}" d="M{LEFT} {y:.1f}H{PANEL_WIDTH - RIGHT}"/>'
        yield text('dim', LEFT - 8, y + 4, f'{number * scale.step:g}', 'end')
    for count in counts:
        yield f'<path class="zero" d="M{scale.x(count):.1f} {bottom}v4"/>'
        yield text('dim', scale.x(count), bottom + 18, f'{count:,}', 'middle')
    yield text('dim', (LEFT + PANEL_WIDTH - RIGHT) / 2, bottom + 38, 'processes', 'middle')


def apart(ends: list[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    """Texts at these heights, moved down where they would touch."""
    last = -math.inf
    for y, words in sorted(ends):
        last = max(y, last + CLOSEST)
        yield last, words
