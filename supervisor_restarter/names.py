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

from supervisor_restarter.faults import Code, Refusal, listed
from supervisor_restarter.options import shown

Groups = Mapping[str, Sequence[str]]    # group name -> names of its processes


class Match(NamedTuple):
    """One process and how it was named.

    outright: by its own or its group's name, not by a glob or 'all'.
    single: by its own name.
    """

    group: str
    name: str
    outright: bool
    single: bool


def group_members(groups: Groups, name: Any) -> list[Match]:
    """All processes of the group `name`; Refusal BAD_GROUP if there is none of that name, or it is empty."""
    if not isinstance(name, str):
        raise Refusal(Code.BAD_GROUP, f'the name of a process group must be a string, not {shown(name)}')
    if name not in groups:
        raise Refusal(Code.BAD_GROUP, f'no process group named {shown(name)}')
    if not groups[name]:
        raise Refusal(Code.BAD_GROUP, f'process group {shown(name)} has no processes')
    return [Match(name, process, True, False) for process in groups[name]]


def resolve(groups: Groups, names: Any) -> list[Match]:
    """The processes that `names` (a string or an array of strings) stand for, each once.

    Refusal BAD_GROUP if names is of another type or empty, if anything in it matches nothing, or
    if a bare word is the name of processes in several groups: one bad name refuses the whole call.
    """
    found: dict[tuple[str, str], Match] = {}
    missing = []
    for name in _as_list(names):
        matches = _resolve_one(groups, name)
        if not matches:
            missing.append(name)
        for match in matches:
            before = found.get(match[:2], match)
            found[match[:2]] = Match(match.group, match.name,
                                     match.outright or before.outright, match.single or before.single)
    if missing:
        raise Refusal(Code.BAD_GROUP, f'nothing is named or matched by {listed(map(shown, missing))}')
    return list(found.values())


def _as_list(names: Any) -> list[str]:
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise Refusal(Code.BAD_GROUP, f'names must be a string or an array of strings, not {shown(names)}')
    if not names:
        raise Refusal(Code.BAD_GROUP, 'no names given')
    return list(names)


def _resolve_one(groups: Groups, name: str) -> list[Match]:
    # Exact names come before patterns: a name may contain the characters of a glob.
    if name == 'all':
        return [Match(group, process, False, False) for group, process in _pairs(groups)]
    group, colon, process = name.partition(':')
    if group in groups and process in ('', '*'):
        # The one process of a program without numprocs is named as its group is: 'nginx' means both.
        single = not colon and list(groups[group]) == [group]
        return [Match(group, member, True, single) for member in groups[group]]
    if colon and process in groups.get(group, ()):
        return [Match(group, process, True, True)]
    if not colon:
        homes = [owner for owner, member in _pairs(groups) if member == name]
        if len(homes) > 1:
            spelled = ', '.join(f'{owner}:{name}' for owner in homes)
            raise Refusal(Code.BAD_GROUP, f'{shown(name)} is the name of several processes: {spelled}')
        if homes:
            return [Match(homes[0], name, True, True)]
    if any(character in name for character in '*?['):
        try:
            return [Match(owner, member, False, False) for owner, member in _pairs(groups)
                    if fnmatch.fnmatchcase(f'{owner}:{member}', name)]
        except re.error:
            return []               # '[z-a]', before Python 3.11
    return []


def _pairs(groups: Groups) -> Iterable[tuple[str, str]]:
    return ((group, process) for group, members in groups.items() for process in members)


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key with numbers in the order of their value: 'app:2' before 'app:10'."""
    return [(0, int(part), '') if part.isdecimal() and part.isascii() else (1, 0, part)
            for part in re.split(r'([0-9]+)', text) if part]
