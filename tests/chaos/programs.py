"""The groups of the storm: what their processes do wrong, and what may be asked of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

WORKER = Path(__file__).with_name('worker.py')
HOOK = Path(__file__).with_name('hook.py')


@dataclass(frozen=True)
class Group:
    """A process group.

    traits: of its workers, see worker.py. guarded: in some phases it is restarted only by rolling
    restarts, and max_unavailable is checked. probed: it says itself when it is ready. leaves:
    EXITED is as good as RUNNING. shared: its processes have a listening socket in common. guest: it
    is added and removed while supervisord runs. merged: its output and its errors go through one
    pipe. elastic: the number of its processes changes while supervisord runs; `size` is what it is in
    the end. surges: the new process may start beside the old one.
    """

    name: str
    size: int
    traits: str = ''
    settings: dict[str, object] = field(default_factory=dict)
    guarded: bool = False
    probed: bool = False
    leaves: bool = False
    shared: bool = False
    guest: bool = False
    merged: bool = False
    elastic: bool = False
    surges: bool = False

    @property
    def processes(self) -> list[str]:
        """The names of its processes, as group:process."""
        return [f'{self.name}:{self.name}{number}' for number in range(self.size)]

    def section(self, **more: object) -> str:
        """Its section of the configuration."""
        settings = {
            'command': f'{sys.executable} -S -E {WORKER} %(here)s {self.traits}',
            'numprocs': self.size,
            'process_name': '%(program_name)s%(process_num)d',
            'autorestart': 'true',
            'startsecs': 0,
            'startretries': 10,
            'stopwaitsecs': 3,
            'stdout_logfile': f'%(here)s/{self.name}%(process_num)d.out',
            'stderr_logfile': f'%(here)s/{self.name}%(process_num)d.err',
            'stdout_logfile_maxbytes': '3MB',
            'stdout_logfile_backups': 1,
            **self.settings,
            **more,
        }
        if self.merged:
            settings.update(redirect_stderr='true')
            del settings['stderr_logfile']
        kind = 'fcgi-program' if self.shared else 'program'
        return '\n'.join(
            [
                f'[{kind}:{self.name}]',
                *(f'{key}={value}' for key, value in settings.items()),
                '',
                '',
            ]
        )


def hooks(traits: str) -> str:
    """The hooks of a program, in its environment; for their traits see hook.py."""
    command = f'{sys.executable} -S -E {HOOK} %(here)s'
    return (
        f'RESTARTER_BEFORE_STOP="{command} drain {traits}",'
        f'RESTARTER_AFTER_READY="{command} told {traits}"'
    )


SOCKET = '%(here)s/%(group_name)s.%(process_num)d'

GROUPS = [
    Group(
        'web',
        4,
        f'--slow 0.3 --stop 0.3 --renew --unix {SOCKET}',
        {'environment': f'RESTARTER_READY="unix://{SOCKET}"'},
        guarded=True,
        probed=True,
    ),
    Group(
        'bell',
        3,
        '--slow 0.3 --stop 0.2 --renew --notify',
        {'environment': 'RESTARTER_READY="notify"'},
        guarded=True,
        probed=True,
    ),
    Group(
        'lb',
        3,
        f'--slow 0.2 --stop 0.2 --renew --unix {SOCKET}',
        {'environment': f'RESTARTER_READY="unix://{SOCKET}",{hooks("--slow 0.4")}'},
        guarded=True,
        probed=True,
    ),
    Group(
        'twin',
        3,
        '--slow 0.3 --stop 1.0 --renew --notify --beside',
        {'environment': 'RESTARTER_READY="notify",RESTARTER_SURGE="yes"'},
        guarded=True,
        probed=True,
        surges=True,
    ),
    Group(
        'pair',
        2,
        '--stop 0.6 --third --mortal --notify --beside',
        {
            'environment': 'RESTARTER_READY="notify",RESTARTER_SURGE="yes",'
            + hooks('--slow 0.3 --fails')
        },
        surges=True,
    ),
    Group('plain', 4, '--stop 0.5 --counts 0.5', {'startsecs': 1}, guarded=True),
    Group('deaf', 2, '--deaf', {'stopwaitsecs': 1}),
    Group('mortal', 3, '--mortal --frail', {'startsecs': 1}),
    Group('slow', 3, '--stop 1.5 --slow 0.5', {'startsecs': 2}, elastic=True),
    Group('parent', 2, '--children --stop 0.2', merged=True),
    Group('loud', 1, '--loud'),
    Group('third', 2, '--third --frail', {'startsecs': 1}),
    Group('leaver', 2, '--leave', {'autorestart': 'unexpected'}, leaves=True),
    Group(
        'pool',
        3,
        '--stop 0.3 --mortal --beside',
        {'socket': 'unix://%(here)s/pool.sock'},
        shared=True,
        elastic=True,
        surges=True,
    ),
    Group('guest', 2, '--stop 0.3', guest=True),
    Group('lodger', 1, '--stop 0.3 --mortal', {'startsecs': 1}, guest=True, merged=True),
]
BY_NAME = {group.name: group for group in GROUPS}


def group_of(process: str) -> Group:
    """The group of the process of that name, group:process."""
    return BY_NAME[process.partition(':')[0]]
