"""Names and globs -> processes, as users of supervisorctl write them.

web  web:  web:*      all processes of the group
web:3                 one process
nginx                 a group of that name, or else the process of that name
we*  web:1?           a glob over `group:process`
all                   every process of every group
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.spelling import closest, did_you_mean
from supervisor_restarter.text import listed, shown

# What one call may cost supervisord's one thread is bounded. A glob is compared with every process:
# with 2,000 of them, 500 globs take about a second, as long as none is very long.
MOST_NAMES = 10_000
MOST_GLOBS = 500
LONGEST_GLOB = 200  # characters
MOST_GUESSES = 2  # unknown names for which a refusal says what may have been meant
GLOB = '*?['

Groups = Mapping[str, Sequence[str]]  # group name -> names of its processes
Homes = Mapping[str, Sequence[str]]  # name of a process -> the groups that have one of that name


class Match(NamedTuple):
    """One process and how it was named.

    outright: by its own or its group's name, not by a glob or 'all'.
    single: by its own name.
    """

    group: str
    name: str
    outright: bool
    single: bool

    @property
    def key(self) -> tuple[str, str]:
        """Its group and its name: what it is known by, however it was named."""
        return self.group, self.name


def group_members(groups: Groups, name: Any) -> list[Match]:
    """All processes of the group `name`; Refusal BAD_GROUP if there is no such group, or it is
    empty.
    """
    if not isinstance(name, str):
        raise Refusal(
            Code.BAD_GROUP, f'the name of a process group must be a string, not {shown(name)}'
        )
    if name not in groups:
        raise Refusal(
            Code.BAD_GROUP,
            f'no process group named {shown(name)}{did_you_mean([closest(name, groups)])}',
        )
    if not groups[name]:
        raise Refusal(Code.BAD_GROUP, f'process group {shown(name)} has no processes')
    return [Match(name, process, True, False) for process in groups[name]]


def resolve(groups: Groups, names: Any) -> list[Match]:
    """The processes that `names` (a string or an array of strings) stand for, each once.

    Refusal BAD_GROUP if names is of another type, empty or too long, if anything in it matches
    nothing, or if a bare word is the name of processes in several groups: one bad name refuses the
    whole call.
    """
    found: dict[tuple[str, str], Match] = {}
    missing = []
    homes = _homes(groups)
    globs = 0
    for name in _as_list(names):
        matches = _called(groups, homes, name)
        if matches is None and any(character in name for character in GLOB):
            globs += 1
            if globs > MOST_GLOBS:
                text = f'too many patterns: at most {MOST_GLOBS} in one call'
                raise Refusal(Code.BAD_GROUP, text)
            matches = _matched(groups, name)
        if not matches:
            missing.append(name)
        for match in matches or ():
            before = found.get(match.key, match)
            found[match.key] = match._replace(
                outright=match.outright or before.outright, single=match.single or before.single
            )
    if missing:
        meant = did_you_mean(_meant(groups, homes, name) for name in missing[:MOST_GUESSES])
        raise Refusal(
            Code.BAD_GROUP, f'nothing is named or matched by {listed(map(shown, missing))}{meant}'
        )
    return list(found.values())


def _meant(groups: Groups, homes: Homes, name: str) -> str:
    """The name most like one that matches nothing, '' if there is none."""
    group, colon, process = name.partition(':')
    if any(character in group + process.removeprefix('*') for character in GLOB):
        return ''
    owner = group if group in groups else closest(group, groups)
    if not colon:
        return owner or closest(name, homes)
    if not owner or process in ('', '*'):
        return owner and f'{owner}:{process}'
    member = process if process in groups[owner] else closest(process, groups[owner])
    return f'{owner}:{member}' if member else ''


def _as_list(names: Any) -> list[str]:
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise Refusal(
            Code.BAD_GROUP, f'names must be a string or an array of strings, not {shown(names)}'
        )
    if not names:
        raise Refusal(Code.BAD_GROUP, 'no names given')
    if len(names) > MOST_NAMES:
        raise Refusal(
            Code.BAD_GROUP, f'{len(names)} names are too many: at most {MOST_NAMES} in one call'
        )
    return list(dict.fromkeys(names))


def _homes(groups: Groups) -> Homes:
    homes: dict[str, list[str]] = {}
    for group, process in _pairs(groups):
        homes.setdefault(process, []).append(group)
    return homes


def _called(groups: Groups, homes: Homes, name: str) -> list[Match] | None:
    """The processes that are called `name`, or whose group is; None if there are none.

    To be asked before `name` is taken for a glob: a name may contain the characters of one.
    """
    if name == 'all':
        return [Match(group, process, False, False) for group, process in _pairs(groups)]
    group, colon, process = name.partition(':')
    if group in groups and process in ('', '*'):
        # The one process of a program without numprocs has its group's name: 'nginx' means both.
        single = not colon and list(groups[group]) == [group]
        return [Match(group, member, True, single) for member in groups[group]]
    if colon and process in groups.get(group, ()):
        return [Match(group, process, True, True)]
    owners = () if colon else homes.get(name, ())
    if len(owners) > 1:
        spelled = listed(f'{owner}:{name}' for owner in owners)
        raise Refusal(Code.BAD_GROUP, f'{shown(name)} is the name of several processes: {spelled}')
    return [Match(owners[0], name, True, True)] if owners else None


def _matched(groups: Groups, glob: str) -> list[Match]:
    """The processes that match a glob over `group:process`."""
    if len(glob) > LONGEST_GLOB:
        raise Refusal(
            Code.BAD_GROUP,
            f'the pattern {shown(glob)} is too long: at most {LONGEST_GLOB} characters',
        )
    try:
        return [
            Match(owner, member, False, False)
            for owner, member in _pairs(groups)
            if fnmatch.fnmatchcase(f'{owner}:{member}', glob)
        ]
    except re.error:  # pragma: no cover: '[z-a]', before Python 3.11
        return []


def _pairs(groups: Groups) -> Iterable[tuple[str, str]]:
    return ((group, process) for group, members in groups.items() for process in members)


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key with numbers in the order of their value: 'app:2' before 'app:10'."""
    return [
        (0, int(part), '') if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in re.split(r'([0-9]+)', text)
        if part
    ]
