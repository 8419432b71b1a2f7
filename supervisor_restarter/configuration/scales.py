"""How many processes of a program there are to be, where a client has said so and not the file.

It is remembered in memory alone, and holds while the file's numprocs is the one that was there when
it was said: a changed file wins.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from supervisor_restarter.programs.host import Parser

KINDS_OF_SECTIONS = ('program', 'fcgi-program', 'eventlistener')
NUMPROCS = 'numprocs'


class Scale(NamedTuple):
    """in_file: numprocs in the file when it was said; wanted: instead of that."""

    in_file: int
    wanted: int


Scales = dict[str, Scale]  # by the name of the program


class ScaledReading:
    """Puts other numbers of processes into what was read of the files; see read_aside().

    programs: the names of all that are in the files, with how many sections define each. Of those
    that have a scale, or are `asked` for: in_file: the number in the file; groups: the name of the
    group. holds: the scales that do.
    """

    def __init__(self, scales: Scales, here: str | None, asked: Iterable[str] = ()) -> None:
        self._scales, self._here = scales, here
        self._of_interest = {*scales, *asked}
        self.programs: Counter[str] = Counter()
        self.in_file: dict[str, int] = {}
        self.groups: dict[str, str] = {}
        self.holds: Scales = {}

    def adjust(self, parser: Parser) -> None:
        """Set the numbers. What makes no sense is left as it is, for Supervisor to complain of."""
        sections = [section.partition(':') for section in parser.sections()]
        self.programs.update(name for kind, _, name in sections if kind in KINDS_OF_SECTIONS)
        if not self._of_interest & self.programs.keys():
            return
        for kind, _, name in sections:
            if kind == 'group':
                self._find_members(parser, name)
        for kind, _, name in sections:
            if kind in KINDS_OF_SECTIONS and name in self._of_interest:
                self._adjust(parser, f'{kind}:{name}', name)

    def _find_members(self, parser: Parser, group: str) -> None:
        try:
            programs = parser.saneget(
                f'group:{group}', 'programs', '', expansions={'here': self._here}
            )
        except ValueError:
            return
        for program in str(programs).split(','):
            self.groups[program.strip()] = group.strip()

    def _adjust(self, parser: Parser, section: str, program: str) -> None:
        group = self.groups.setdefault(program, program)
        expansions: dict[str, object] = {
            'here': self._here,
            'program_name': program,
            'host_node_name': platform.node(),
            'group_name': group,
        }
        try:
            number = int(str(parser.saneget(section, NUMPROCS, 1, expansions=expansions)))
        except ValueError:
            return
        self.in_file[program] = number
        scale = self._scales.get(program)
        if scale is not None and scale.in_file == number:
            self.holds[program] = scale
            parser.set(section, NUMPROCS, str(scale.wanted))
