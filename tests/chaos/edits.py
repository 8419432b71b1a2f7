"""What the configuration file may become. Everything is drawn from the generator alone, so that a seed
repeats it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from random import Random
from typing import Any, Callable

from tests.chaos.programs import GROUPS, Group

Settings = dict[str, object]
# At the end of the file: nobody can read it then.
BROKEN = '[program:broken]\ncommand=/bin/true\nnumprocs=many\n'
MISSING = '/nonexistent/worker'


@dataclass(frozen=True)
class Edit:
    """What the file says, where that is not what programs.py does.

    settings: by group. absent: guests that it does not have. broken: what makes it unreadable, or ''.
    """

    settings: dict[str, Settings] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    broken: str = ''


def draw_edit(random: Random) -> Edit:
    """Another file: most groups as they were, some otherwise, and sometimes it makes no sense."""
    settings = {group.name: _of_group(random, group) for group in GROUPS}
    absent = tuple(group.name for group in GROUPS if group.guest and random.random() < 0.3)
    broken = BROKEN if random.random() < 0.1 else ''
    return Edit({name: found for name, found in settings.items() if found}, absent, broken)


def sane(edit: Edit) -> Edit:
    """The edit without what cannot be read or started: what is done to it is done at once and
    without a way back.
    """
    settings = {
        name: {key: value for key, value in found.items() if value != MISSING}
        for name, found in edit.settings.items()
    }
    return Edit(settings, edit.absent)


def sparing(edit: Edit, groups: Collection[str]) -> Edit:
    """The edit without what it changes of these groups. An apply does not count what was stopped on
    purpose, and so takes down more of them than a restart may.
    """
    settings = {name: found for name, found in edit.settings.items() if name not in groups}
    return Edit(settings, edit.absent, edit.broken)


def _of_group(random: Random, group: Group) -> Settings:
    # every draw is made, whatever came of the one before
    found: Settings = {}
    for likely, kind in KINDS:
        one = kind(random, group)
        if random.random() < likely:
            found.update(one)
    return found


def _live(random: Random, group: Group) -> Settings:
    return {
        'priority': random.randint(1, 4),
        'startretries': random.randint(10, 12),
        'stopwaitsecs': random.randint(2, 4),
    }


def _log(random: Random, group: Group) -> Settings:
    return {
        'stdout_logfile': f'%(here)s/{group.name}%(process_num)d.{random.randint(1, 3)}.out',
        'stdout_logfile_maxbytes': random.choice(['2MB', '3MB']),
    }


def _restart(random: Random, group: Group) -> Settings:
    return {'directory': random.choice(['/', '/tmp', '/usr'])}


def _missing(random: Random, group: Group) -> Settings:
    return {'command': MISSING}


def _numprocs(random: Random, group: Group) -> Settings:
    number = random.randint(1, group.size + 2)
    return {'numprocs': number} if group.elastic else {}


def _socket(random: Random, group: Group) -> Settings:
    mode = random.choice(['0700', '0770'])
    return {'socket_mode': mode} if group.shared else {}


KINDS: list[tuple[float, Callable[[Random, Group], dict[str, Any]]]] = [
    (0.25, _live),
    (0.2, _log),
    (0.25, _restart),
    (0.05, _missing),
    (0.5, _numprocs),
    (0.4, _socket),
]
