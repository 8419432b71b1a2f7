"""How long supervisord serves nobody else while it reads its configuration files, of 500 processes:
`make heldup`, or python -m bench.heldup [--rounds N]

supervisord has one thread. One client has it read the files, another asks supervisor.getState() again
and again. Two figures of each call, in milliseconds, as median and maximum of the rounds:

    held up    the longest that the other client waits for an answer, from the call to its end
    processor  the processor time that supervisord uses for the call, from beginning to end

Everything else that runs on the machine adds to the first, and hardly to the second. `nothing` is
the other client alone: Supervisor's loop looks at each process in each of its turns.
"""

from __future__ import annotations

import argparse
import platform
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import supervisor.options

from bench.demo import interrupt
from bench.lab import Lab, LabError

GROUPS, PROCESSES = 10, 50  # and how many in each
ROUNDS = 10
WAIT_SECONDS = 120.0  # for all processes to be running, and for what was begun to be over
REST_SECONDS = 0.3  # between two measurements
POLL_SECONDS = 0.05
# A real section has more keys than its command: what is set, Supervisor expands for each process.
SECTION = """\
[program:{name}]
command=/bin/sleep 100000
process_name={name}%(process_num)02d
numprocs={count}
directory=/
environment=PORT="81%(process_num)02d",RELEASE="{release}"
startsecs=0
stopwaitsecs={seconds}
stdout_logfile=NONE
stderr_logfile=NONE

"""


class Figures(NamedTuple):
    """One call; both in milliseconds."""

    held_up: float
    processor: float


class Case(NamedTuple):
    """Something that supervisord is asked to do."""

    name: str
    call: Callable[[Any], object]  # given a connection
    release: bool = False  # whether RELEASE, for which all must be started anew, differs each time
    seconds: bool = False  # whether stopwaitsecs does, which holds at once


def cases() -> list[Case]:
    """What is measured, in this order."""
    return [
        Case('nothing', lambda server: time.sleep(REST_SECONDS)),
        Case('reloadConfig, as for reread', lambda server: server.supervisor.reloadConfig()),
        Case('planConfig, nothing changed', lambda server: server.restarter.planConfig()),
        Case('planConfig, all restart', lambda server: server.restarter.planConfig(), release=True),
        Case('startApply, nothing changed', applied),
        Case('startApply, all live', applied, seconds=True),
        Case('startApply, all restart', applied, release=True),
    ]


def applied(server: Any) -> None:
    """Apply the files, and wait for that without asking for all that is known of each process."""
    id = server.restarter.startApply('', {'max_unavailable': '25%', 'scout': 0})
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        [state] = [
            one['state']
            for one in server.restarter.listRestarts()
            if one['id'] == id and one['finished_at']
        ] or ['']
        if state:
            break
        if time.monotonic() > deadline:
            raise LabError(f'an apply is not over after {WAIT_SECONDS:g} s')
        time.sleep(POLL_SECONDS)
    if state != 'succeeded':
        raise LabError(f'an apply has {state}')


class Lot:
    """A supervisord with that many processes, and the files that it is to read."""

    def __init__(self) -> None:
        self._turn = 0
        self._texts = self.sections()
        self.lab = Lab(self._texts, minfds=GROUPS * PROCESSES * 4 + 200)

    def sections(self, release: int = 0, seconds: int = 10) -> str:
        """The programs, with these values."""
        return ''.join(
            SECTION.format(name=f'web{number}', count=PROCESSES, release=release, seconds=seconds)
            for number in range(GROUPS)
        )

    def wait_running(self) -> None:
        """Wait until all are."""
        rpc = self.lab.rpc()

        def running() -> bool:
            states = [info['statename'] for info in rpc.supervisor.getAllProcessInfo()]
            return states == ['RUNNING'] * GROUPS * PROCESSES

        self.lab.wait_until(running, WAIT_SECONDS, 'running processes')

    def write(self, case: Case) -> None:
        """Write the files for the next round of the case."""
        self._turn += 1
        texts = self.sections(
            self._turn if case.release else 0, 10 + self._turn if case.seconds else 10
        )
        text = self.lab.conf.read_text(encoding='utf-8')
        self.lab.conf.write_text(text.replace(self._texts, texts), encoding='utf-8')
        self._texts = texts

    def measure(self, case: Case) -> Figures:
        """Ask for it twice: beside the other client, and alone."""
        return Figures(1000 * self.held_up(case), 1000 * self.processor(case))

    def held_up(self, case: Case) -> float:
        """The seconds that the other client waits for an answer, at most."""
        self.write(case)
        rpc, state = self.lab.rpc(WAIT_SECONDS), self.lab.rpc(WAIT_SECONDS).supervisor.getState
        state()  # it is connected
        time.sleep(REST_SECONDS)
        asking, longest = Asking(lambda: case.call(rpc)), 0.0
        asking.start()
        while asking.is_alive():
            begun = time.monotonic()
            state()
            longest = max(longest, time.monotonic() - begun)
        if asking.error is not None:
            raise asking.error
        return longest

    def processor(self, case: Case) -> float:
        """The seconds of the processor that supervisord uses for it."""
        self.write(case)
        rpc = self.lab.rpc(WAIT_SECONDS)
        pid = rpc.supervisor.getPID()
        time.sleep(REST_SECONDS)
        before = used(pid)
        case.call(rpc)
        return used(pid) - before


class Asking(threading.Thread):
    """Makes the call, beside the other client."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self._call = call
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._call()
        except Exception as error:  # for the one who has started this
            self.error = error


def used(pid: int) -> float:
    """Seconds of processor time that the process has used, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)


def show(name: str, rounds: list[Figures]) -> None:
    """Print a line of the table."""
    columns = [
        f'{statistics.median(values):>8.1f} ({max(values):>5.1f})' for values in zip(*rounds)
    ]
    print(f'{name:<30}{"".join(columns)}', flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog='python -m bench.heldup')
    parser.add_argument(
        '--rounds', type=int, default=ROUNDS, help='of each call (default: %(default)s)'
    )
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error('--rounds: at least 1')
    signal.signal(signal.SIGTERM, interrupt)
    print(
        f'{GROUPS * PROCESSES} processes in {GROUPS} programs, milliseconds, median and maximum of {rounds}. '
        f'Supervisor {supervisor.options.VERSION}, Python {platform.python_version()}.\n'
        f'{"":<30}{"held up":>16}{"processor":>16}',
        flush=True,
    )
    lot = Lot()
    try:
        with lot.lab:
            lot.wait_running()
            for case in cases():
                lot.measure(case)  # once to warm up
                show(case.name, [lot.measure(case) for _ in range(rounds)])
    except LabError as error:
        print(f'heldup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('heldup: interrupted', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
