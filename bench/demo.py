"""The same restart three times, with plain supervisorctl, with the plugin, and with the plugin
rolling: `make demo`, or `python -m bench.demo`. With --hold (`make demo HOLD=1`) supervisord stays up
afterwards, until Ctrl-C, so that its page can be tried.

All figures but the last are read from supervisord's own log, in the same way for each command: no
command measures itself.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

import supervisor.options

from bench.lab import Lab, LabError, downtimes, script

PROCESSES = 32
WAIT_SECONDS = 60.0  # for the group to be running, and for each command
ROLLING = '--max-unavailable 25%'

# Workers that start at once and take from 0 to 0.5 s to stop, as real ones do that finish their
# work first.
# The first line is of the restarter's own section: the page is for this machine alone, and `guard`
# keeps other pages of its browser away.
PROGRAMS = f"""\
guard=true

[inet_http_server]
port=127.0.0.1:{{port}}

[program:web]
command=/bin/sh -c 'trap "sleep 0.%(process_num)02d; exit 0" TERM; while :; do sleep 0.2; done'
process_name=%(process_num)02d
numprocs={PROCESSES}
startsecs=1
"""

COMMANDS = (
    ('supervisorctl', ['restart', 'web:*']),
    ('supervisorctl_restart_group', ['web']),
    ('supervisorctl_restart_group', [*ROLLING.split(), 'web']),
)

# INFO success: 07 entered RUNNING state, ...; INFO stopped: 07 (...); INFO exited: 07 (...)
CHANGE = re.compile(r' (?P<what>stopped|exited|success): (?P<name>\S+) ')

HEAD = """\
   seconds down     serving
   mean    most    at least    takes   command"""
RED, GREEN, BOLD, PLAIN = '\033[31m', '\033[32m', '\033[1m', '\033[0m'


@dataclass(frozen=True)
class Measurement:
    """One restart of the whole group; times in seconds."""

    command: str
    mean_down: float  # a process was down, on average
    most_down: float  # the longest a process was down
    serving: int  # the fewest processes that were RUNNING at any moment
    total: float  # the command from start to exit


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

    log = lab.log_text(mark)
    down = downtimes(log)
    if len(down) != PROCESSES:
        raise LabError(f'{name} restarted {len(down)} of {PROCESSES} processes')
    return Measurement(
        ' '.join([name, *arguments]),
        sum(down.values()) / len(down),
        max(down.values()),
        fewest_running(log, PROCESSES),
        total,
    )


def fewest_running(log: str, processes: int) -> int:
    """How many of so many processes, all RUNNING at first, were RUNNING at the worst moment."""
    away: set[str] = set()
    most_away = 0
    for change in CHANGE.finditer(log):
        if change['what'] == 'success':
            away.discard(change['name'])
        else:
            away.add(change['name'])
        most_away = max(most_away, len(away))
    return processes - most_away


def row(measured: Measurement, best: bool, colour: bool) -> str:
    """A line of the table. `best` says in which colour its first figure is."""
    mean = f'{measured.mean_down:>7.3f}'
    if colour:
        mean = f'{BOLD}{GREEN if best else RED}{mean}{PLAIN}'
    serving = f'{measured.serving} of {PROCESSES}'
    figures = f'{measured.most_down:>7.3f} {serving:>11} {measured.total:>6.2f} s'
    return f'{mean} {figures}   {short(measured.command)}'


def short(command: str) -> str:
    """The command, so short that its line fits 80 columns."""
    return command.replace(f'supervisorctl_restart_group {ROLLING}', f'... {ROLLING}')


def verdict(plain: Measurement, plugin: Measurement, rolling: Measurement) -> str:
    """What the figures come to. The log counts in milliseconds: less than one is taken for one."""
    times = plain.mean_down / max(plugin.mean_down, 0.001)
    return (
        f'Each process is down for {plugin.mean_down:.3f} s instead of {plain.mean_down:.3f} s: '
        f'{times:.0f} times less.\n'
        f'With {ROLLING} at least {rolling.serving} of {PROCESSES} serve throughout.'
    )


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port: int = probe.getsockname()[1]
        return port


def ending(measured: list[Measurement], port: int, hold: bool) -> str:
    """What stands below the table: what the figures come to, what they mean, where the page is."""
    page = f'http://127.0.0.1:{port}/restarter/'
    where = (
        f', until Ctrl-C: {page}' if hold else f': {page}\n(gone now; make demo HOLD=1 stays up)'
    )
    return (
        f'\n{verdict(*measured)}\n\n'
        'Down: from stopped to spawned; serving: RUNNING; both by the log of supervisord.\n'
        'The rolling restart watches its first process for 5 seconds before it goes on.\n\n'
        f'The same in a browser{where}'
    )


def interrupt(number: int, frame: FrameType | None) -> None:
    """Make a signal leave main() by way of its `with`, which cleans up, as Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> int:
    hold = '--hold' in sys.argv[1:]
    port = free_port()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    colour = sys.stdout.isatty() and 'NO_COLOR' not in os.environ
    print(
        f'Restarting {PROCESSES} processes (startsecs=1). Supervisor {supervisor.options.VERSION}, '
        f'Python {platform.python_version()}.\n\n{HEAD}',
        flush=True,
    )
    measured = []
    try:
        with Lab(PROGRAMS.format(port=port)) as lab:
            for name, arguments in COMMANDS:
                measured.append(measure(lab, name, arguments))
                print(row(measured[-1], len(measured) > 1, colour), flush=True)
            print(ending(measured, port, hold), flush=True)
            while hold:
                signal.pause()
    except LabError as error:
        print(f'demo: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if len(measured) == len(COMMANDS):
            return 0  # it was held
        print('demo: interrupted', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
