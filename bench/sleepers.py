"""Many processes that sleep, for benches of what supervisord itself costs."""

from __future__ import annotations

from typing import Any

from bench.lab import Lab

LONGEST = 120.0  # seconds that a restart may take


def program(name: str, count: int, command: str = '/bin/sleep 1000', **settings: object) -> str:
    """A section of `count` processes, ready as soon as they are spawned, without logs of their own."""
    settings = {
        'startsecs': 0,
        'stdout_logfile': 'NONE',
        'stderr_logfile': 'NONE',
        'stopwaitsecs': 60,
        **settings,
    }
    lines = [
        f'[program:{name}]',
        f'command={command}',
        f'numprocs={count}',
        f'process_name={name}%(process_num)04d',
    ]
    return '\n'.join([*lines, *(f'{key}={value}' for key, value in settings.items()), '', ''])


def supervisord(lab: Lab) -> int:
    return int(lab.rpc().supervisor.getPID())


def wait_restart(server: Any, group: str, **options: object) -> None:
    """Restart the group. The answer is a single value: a struct of 1000 processes would be measured
    as well.
    """
    assert server.restarter.restartProcessGroup(group, {'timeout': 0, **options}) is True


def minfds(count: int) -> int:
    return 5 * count + 200
