"""What quickrestart saves beside supervisorctl's own restart, with and without the restarter
interface.

`python -m bench.quick`. When processes stopped and started is read from supervisord's log, for all
three alike.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time
from datetime import datetime
from typing import NamedTuple

import supervisor.options

from bench.lab import CTLPLUGIN, LOG_LINE, Lab, LabError, downtimes, script

PROCESSES = 32
REPEATS = 5
WAIT_SECONDS = 60.0  # for the group to be running, and for each command

# %-formatted by supervisord; the worker starts and stops at once, so that what remains is the
# restart's own cost.
PROGRAMS = f"""\
[program:app]
command=/bin/sleep 100000
process_name=%(process_num)02d
numprocs={PROCESSES}
startsecs=1
"""

COMMANDS = [
    ('supervisorctl restart app:*', ['restart', 'app:*'], False),
    ('quickrestart app:  (no interface)', ['quickrestart', 'app:'], False),
    ('quickrestart app:  (interface)', ['quickrestart', 'app:'], True),
]


class Figures(NamedTuple):
    """One restart of the whole group; times in seconds, from the moment the command was given."""

    command: float  # until the command has ended
    last_new: float  # until the last new process was spawned
    mean_down: float  # a process was down, on average


def measure(lab: Lab, arguments: list[str]) -> Figures:
    """Restart the group by `supervisorctl *arguments`."""
    lab.wait_running('app', PROCESSES, WAIT_SECONDS)
    mark = lab.log_size()
    given, began = datetime.now(), time.monotonic()
    done = subprocess.run(
        [script('supervisorctl'), '-c', str(lab.conf), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WAIT_SECONDS,
    )
    took = time.monotonic() - began
    log = lab.log_text(mark)
    down = downtimes(log)
    if done.returncode != 0 or len(down) != PROCESSES:
        raise LabError(
            f'{arguments} ended with status {done.returncode}, {len(down)} restarted:\n{done.stdout}'
        )
    spawned = [
        datetime.strptime(line['time'], '%Y-%m-%d %H:%M:%S,%f')
        for line in filter(None, map(LOG_LINE.match, log.splitlines()))
        if line['come']
    ]
    return Figures(took, (max(spawned) - given).total_seconds(), statistics.mean(down.values()))


def main() -> int:
    print(
        f'Restarting {PROCESSES} processes (startsecs=1), median of {REPEATS}. '
        f'Supervisor {supervisor.options.VERSION}, Python {platform.python_version()}.\n'
    )
    print(f'{"command":<36}{"seconds":>9}{"last new":>10}{"mean down":>11}', flush=True)
    for name, arguments, interface in COMMANDS:
        try:
            with Lab(PROGRAMS + CTLPLUGIN, interface=interface) as lab:
                runs = [measure(lab, arguments) for _ in range(REPEATS)]
        except (LabError, subprocess.TimeoutExpired) as error:
            print(f'quick: {error}', file=sys.stderr)
            return 1
        middle = Figures(*map(statistics.median, zip(*runs)))
        print(
            f'{name:<36}{middle.command:>9.2f}{middle.last_new:>10.2f}{middle.mean_down:>11.3f}',
            flush=True,
        )
    print(
        '\nlast new: from the command until the last new process is spawned; mean down: from stopped to spawned.'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
