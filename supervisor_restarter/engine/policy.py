"""What a program says of its own restarts in its environment, and what therefore holds for each
process. Pure.

For each of the three options the call's value comes before the program's, and the program's before
the configuration's. max_unavailable is the group's: of the values that hold for its processes the
strictest one. The two times are each process's own, so that a slow program does not fail by the
limit of a fast one beside it. Whether a process may be there twice at once, the old one and the new
one, says the program alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from supervisor_restarter.commands import HOOK_VARIABLES
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.option_kinds import DECLARED, FLAG, of_text
from supervisor_restarter.options import CALL, DEFAULT, EVERYTHING, Options, allowed_of, surge_of
from supervisor_restarter.spelling import closest, did_you_mean
from supervisor_restarter.text import listed, plainly, printable, shown

PROGRAM = 'program'  # where a value can come from, beside CALL, CONFIGURATION and DEFAULT
VARIABLES = {
    name: f'RESTARTER_{name.upper()}' for name in ('max_unavailable', 'min_ready', 'ready_timeout')
}
SURGE, YES_OR_NO = 'RESTARTER_SURGE', FLAG._replace(allowed='yes or no')
# All that a program can say of its restarts.
PREFIX = 'RESTARTER_'
KNOWN_VARIABLES = ('RESTARTER_READY', *VARIABLES.values(), *HOOK_VARIABLES.values(), SURGE)


class Policy(NamedTuple):
    """What holds for one process; the times are in seconds. max_surge: how many of its group may be
    there twice at once. surge: whether it may.
    """

    max_unavailable: int | str = EVERYTHING
    min_ready: float = 0.0
    ready_timeout: float = 30.0
    max_surge: int = 0
    surge: bool = False

    @property
    def rolling(self) -> bool:
        """Whether some processes of its group are to stay ready while others are restarted."""
        return self.max_unavailable != EVERYTHING

    def allowed(self, size: int) -> int:
        """How many processes of its group, of that size, may be not ready at once."""
        return allowed_of(self.max_unavailable, size)

    def surging(self, size: int) -> int:
        """How many processes of its group may be there twice at once, whatever part of them the
        `size` is.
        """
        return self.max_surge


class Held(NamedTuple):
    """A value that holds, and where it comes from."""

    value: Any
    origin: str


class GroupPolicy(NamedTuple):
    """What holds for the processes of one group, by their names.

    summary: each option once, for users to see; where processes differ, the longest of their times.
    """

    group: str
    processes: Mapping[str, Policy]
    summary: Mapping[str, Held]

    @property
    def size(self) -> int:
        return len(self.processes)

    @property
    def rolling(self) -> bool:
        """Whether some of its processes are to stay ready while others are restarted."""
        return bool(self.summary['max_unavailable'].value != EVERYTHING)

    def struct(self) -> dict[str, Any]:
        """The policy as XML-RPC clients see it."""
        values = {name: held.value for name, held in self.summary.items()}
        allowed = allowed_of(values['max_unavailable'], self.size)
        return {
            'group': self.group,
            'size': self.size,
            'allowed': min(self.size, allowed),
            **values,
            'from': {name: held.origin for name, held in self.summary.items()},
        }

    def of_programs(self) -> str:
        """What its programs have decided, as 'web: max_unavailable = 1'; '' if nothing."""
        said = [
            f'{name} = {plainly(held.value)}'
            for name, held in self.summary.items()
            if held.origin == PROGRAM
        ]
        return f'{self.group}: {", ".join(said)}' if said else ''


def said_by(environment: Mapping[str, str] | None) -> dict[str, Any]:
    """The options that a program gives for itself, and `surge`, whether it may be there twice at
    once; ValueError with one line if one of them makes no sense.
    """
    if not environment:
        return {}
    said = {
        name: of_text(variable, DECLARED[name], environment[variable])
        for name, variable in VARIABLES.items()
        if variable in environment
    }
    if SURGE in environment:
        said['surge'] = of_text(SURGE, YES_OR_NO, environment[SURGE])
    return said


def unheard(environment: Mapping[str, str] | None) -> str:
    """The variables of a program that look like those with which it speaks of its restarts, and are
    none: a slip of the pen, which nobody would notice; '' if there are none.
    """
    unknown = [
        name
        for name in environment or ()
        if name.startswith(PREFIX) and name not in KNOWN_VARIABLES
    ]
    if not unknown:
        return ''
    meant = did_you_mean(closest(name, KNOWN_VARIABLES) for name in unknown)
    return f'{listed(map(printable, unknown))} in its environment means nothing{meant}'


def of_group(group: str, said: Mapping[str, Mapping[str, Any]], options: Options) -> GroupPolicy:
    """What holds in a group of which each process says this (by its name); it has one process at
    least.
    """
    held = {
        process: {name: _held(name, values, options) for name in VARIABLES}
        for process, values in said.items()
    }
    every = {name: [each[name] for each in held.values()] for name in VARIABLES}
    summary = {
        # Of equally strict ones a program's: the others may change, and it would still hold.
        'max_unavailable': min(
            every['max_unavailable'],
            key=lambda one: (allowed_of(one.value, len(said)), one.origin != PROGRAM),
        ),
        'min_ready': max(every['min_ready'], key=lambda one: one.value),
        # 0 is no limit, and so the longest.
        'ready_timeout': max(every['ready_timeout'], key=lambda one: one.value or math.inf),
    }
    strictest = summary['max_unavailable'].value
    processes = {
        process: Policy(
            strictest,
            each['min_ready'].value,
            each['ready_timeout'].value,
            surge_of(options.max_surge, len(said)),
            said[process].get('surge', False),
        )
        for process, each in held.items()
    }
    return GroupPolicy(group, processes, summary)


def _held(name: str, said: Mapping[str, Any], options: Options) -> Held:
    """What holds for a process whose program says this, whatever the others of its group say."""
    origin = options.origin.get(name, DEFAULT)
    if origin != CALL and name in said:
        return Held(said[name], PROGRAM)
    return Held(getattr(options, name), origin)


def refuse_too_many(options: Options, sizes: Mapping[str, int]) -> None:
    """Refusal BAD_OPTION for a max_unavailable that the call gives as a count, if no group has so
    many processes.

    It is a slip of the pen, such as 25 for 25%, and would take everything down at once.
    """
    count, most = options.max_unavailable, max(sizes.values())
    if options.origin.get('max_unavailable') != CALL or not isinstance(count, int):
        return
    if count <= most:
        return
    processes = f'{most} process' if most == 1 else f'{most} processes'
    if len(sizes) == 1:
        groups = f'{shown(next(iter(sizes)))} has ({processes})'
    else:
        groups = f'any of {listed(map(shown, sizes))} has (at most {processes})'
    raise Refusal(
        Code.BAD_OPTION,
        f'max_unavailable = {count} is more than {groups}: give at most {most}, or a '
        f'percentage such as {count if count < 100 else 25}%',
    )


def refuse_vain_surge(options: Options, may_surge: Mapping[str, Iterable[bool]]) -> None:
    """Refusal BAD_OPTION for a max_surge that the call gives, if none of its processes may be there
    twice at once. may_surge: whether they may, by their groups.
    """
    given = options.max_surge and options.origin.get('max_surge') == CALL
    if not given or not may_surge or any(map(any, may_surge.values())):
        return
    groups = listed(map(shown, may_surge))
    raise Refusal(
        Code.BAD_OPTION,
        f'max_surge = {options.max_surge} is for programs that say {SURGE}="yes", and for fcgi '
        f'programs: {f"{groups} has none" if len(may_surge) == 1 else f"none of {groups} has one"}',
    )
