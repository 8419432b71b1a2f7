"""The same restart twice, with plain supervisorctl and with the plugin: `make demo`, or `python -m
bench.demo`.

Downtime is read from supervisord's own log, for both in the same way: neither command measures
itself.
"""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

import supervisor.options

from bench.lab import Lab, LabError, downtimes, script

PROCESSES = 32
WAIT_SECONDS = 60.0  # for the group to be running, and for each command

# Workers that start at once and take from 0 to 0.5 s to stop, as real ones do who finish what they
# are at.
PROGRAMS = f"""\
[program:web]
command=/bin/sh -c 'trap "sleep 0.%(process_num)02d; exit 0" TERM; while :; do sleep 0.2; done'
process_name=%(process_num)02d
numprocs={PROCESSES}
startsecs=1
"""


@dataclass(frozen=True)
class Measurement:
    """One restart of the whole group; times in seconds."""

    command: str
    total: float  # the command from start to exit
    mean_down: float  # a process was down, on average
    max_down: float  # the longest a process was down


def measure(lab: Lab, name: str, arguments: list[str]) -> Measurement:
    """Run the command `name -c conf *arguments` on a group that is running, and see what it did to
    the group.
    """
    lab.wait_running('web', PROCESSES, WAIT_SECONDS)
    mark = lab.log_size()
    started = time.monotonic()
    try:
        done = subprocess.run(
            [script(name), '-c', str(lab.conf), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WAIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise LabError(f'{name} has not finished after {WAIT_SECONDS:g} s') from None
    total = time.monotonic() - started
    if done.returncode != 0:
        raise LabError(f'{name} ended with status {done.returncode}:\n{done.stdout}')

    down = downtimes(lab.log_text(mark))
    if len(down) != PROCESSES:
        raise LabError(f'{name} restarted {len(down)} of {PROCESSES} processes')
    return Measurement(
        ' '.join([name, *arguments]), total, sum(down.values()) / len(down), max(down.values())
    )


def show(plain: Measurement, plugin: Measurement) -> None:
    """Print the two side by side, and how many times less the plugin took."""
    print(f'{"command":<36}{"seconds":>10}{"mean down":>12}{"max down":>12}')
    for row in (plain, plugin):
        print(f'{row.command:<36}{row.total:>10.2f}{row.mean_down:>12.3f}{row.max_down:>12.3f}')
    print(
        f'{"times less":<36}{ratio(plain.total, plugin.total):>10}'
        f'{ratio(plain.mean_down, plugin.mean_down):>12}{ratio(plain.max_down, plugin.max_down):>12}'
    )


def ratio(plain: float, plugin: float) -> str:
    """'67.5x'. The log counts in milliseconds: less than one is taken for one."""
    return f'{plain / max(plugin, 0.001):.1f}x'


def interrupt(number: int, frame: FrameType | None) -> None:
    """Make a signal leave main() by way of its `with`, which cleans up, as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    print(
        f'Restarting {PROCESSES} processes (startsecs=1). Supervisor {supervisor.options.VERSION}, '
        f'Python {platform.python_version()}.\n',
        flush=True,
    )
    try:
        with Lab(PROGRAMS) as lab:
            plain = measure(lab, 'supervisorctl', ['restart', 'web:*'])
            plugin = measure(lab, 'supervisorctl_restart_group', ['web'])
    except LabError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('demo: interrupted', file=sys.stderr)
        return 130
    show(plain, plugin)
    print(
        '\nseconds: the whole command; down: from stopped to spawned, per process, by the log of supervisord.'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
