"""A program that misbehaves while the file DIR/storm exists, and writes down what becomes of it.

worker.py DIR [trait ...]

Its name, group:process, is what supervisord says in its environment. It appends 'TIME PID PPID NAME
WHAT' (TIME monotonic) to DIR/records when it is 'up', 'ready' (a moment before others can see it),
has got SIGTERM ('term') or SIGHUP ('hup'; it is not ready then), and when it finds that another
process of its name is alive ('double').

--deaf          ignores SIGTERM
--stop S        takes up to S seconds to stop
--slow S        becomes ready after S seconds, and again after SIGHUP if it has --renew
--renew         on SIGHUP it is not ready for --slow seconds; without it, it does not mind SIGHUP
--frail         dies of SIGHUP
--mortal        dies at random
--leave         ends at random, with exit status 0
--third         every third start of it fails
--children      forks children that keep its pipes open, 'child' in the records
--loud          writes about 1 MB/s
--beside        another one of its name may live: none is a double
--unix PATH     listens there once it is ready
--notify        says READY=1
--counts S      has no probe: the time of its 'up' is S seconds after its birth. supervisord calls it RUNNING after
                startsecs, whether Python has come to its first line by then or not
"""

from __future__ import annotations

import argparse
import fcntl
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TURN = 0.1  # seconds between two looks at the weather
LOUD = b'x' * 999 + b'\n'


# -- for the observer ------------------------------------------------------------------------


class Record(NamedTuple):
    """What a worker has written down."""

    time: float
    pid: int
    parent: int
    name: str
    what: str


def records(directory: Path) -> Iterator[Record]:
    """All that workers have written down, in order."""
    file = directory / 'records'
    for line in file.read_text().splitlines() if file.exists() else []:
        time_, pid, parent, name, what = line.split()
        yield Record(float(time_), int(pid), int(parent), name, what)


# -- the program -----------------------------------------------------------------------------


class Worker:
    """Lives until it is stopped, or its traits say otherwise."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.directory = Path(options.directory)
        self.name = f'{os.environ["SUPERVISOR_GROUP_NAME"]}:{os.environ["SUPERVISOR_PROCESS_NAME"]}'
        self.records = os.open(self.directory / 'records', os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.listener: socket.socket | None = None
        self.renewing = False
        self.lock = os.open(
            self.directory / f'lock.{self.name}', os.O_RDWR | os.O_APPEND | os.O_CREAT
        )
        self.start = os.fstat(self.lock).st_size  # which of its starts this is
        self.random = random.Random(f'{os.environ.get("CHAOS_SEED")} {self.name} {self.start}')

    @property
    def storm(self) -> bool:
        return os.path.exists(self.directory / 'storm')

    def record(self, what: str, at: float | None = None) -> None:
        at = time.monotonic() if at is None else at
        # one write with O_APPEND: records of several processes do not mix
        os.write(
            self.records, f'{at:.6f} {os.getpid()} {os.getppid()} {self.name} {what}\n'.encode()
        )

    def claim(self) -> None:
        """Nobody else may live under this name. The kernel gives the lock back before a parent can
        learn of the end of its child, and forked children do not inherit it.
        """
        try:
            fcntl.lockf(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if not self.options.beside:
                self.record('double')
        os.write(self.lock, b'.')

    def stop(self, signum: int, frame: object) -> None:
        self.record('term')
        if self.listener:
            self.listener.close()
        time.sleep(self.random.uniform(0, self.options.stop))
        os._exit(0)

    def renew(self, signum: int, frame: object) -> None:
        self.record('hup')
        self.renewing = True

    def run(self) -> int:
        options = self.options
        signal.signal(signal.SIGTERM, signal.SIG_IGN if options.deaf else self.stop)
        signal.signal(
            signal.SIGHUP,
            self.renew if options.renew else signal.SIG_DFL if options.frail else signal.SIG_IGN,
        )
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children of its own leave no zombies
        self.claim()
        self.record('up', None if options.counts is None else born() + options.counts)
        if options.third and self.storm and self.start % 3 == 2:
            return 3
        time.sleep(options.slow)
        self.get_ready()
        ends = time.monotonic() + self.random.uniform(0.3, 6.0)
        while True:
            if self.renewing:
                self.renewing = False
                self.get_unready()
                time.sleep(options.slow)
                self.get_ready()
            self.wait(TURN)
            if (options.mortal or options.leave) and time.monotonic() > ends and self.storm:
                return 0 if options.leave else self.die()
            if options.children and self.storm and self.random.random() < TURN / 2:
                self.fork()
            if options.loud and self.storm:
                for _ in range(int(TURN * 1000)):
                    os.write(1, LOUD)

    def die(self) -> int:
        if self.random.random() < 0.5:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1

    def fork(self) -> None:
        lasts = self.random.uniform(0.3, 2.5)
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self.record('child')
            time.sleep(lasts)
            os._exit(0)

    # -- readiness -------------------------------------------------------------------------------

    def get_ready(self) -> None:
        self.record('ready')
        if self.options.unix:
            path = self.options.unix
            if os.path.exists(path):
                os.unlink(path)
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            self.listener.listen(100)
        if self.options.notify and 'NOTIFY_SOCKET' in os.environ:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(b'READY=1\n', os.environ['NOTIFY_SOCKET'])

    def get_unready(self) -> None:
        if self.listener:
            self.listener.close()
            self.listener = None

    def wait(self, seconds: float) -> None:
        """Serve for so many seconds, or do nothing."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.listener is None:
                time.sleep(left)
            elif select.select([self.listener], [], [], left)[0]:
                self.listener.accept()[0].close()


def born() -> float:
    """When this process was made, on the monotonic clock."""
    with open('/proc/self/stat', 'rb') as stat:
        ticks = int(stat.read().rpartition(b')')[2].split()[19])
    since_boot = ticks / os.sysconf('SC_CLK_TCK')
    return time.monotonic() - (time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument('directory')
    for flag in (
        'deaf',
        'renew',
        'frail',
        'mortal',
        'leave',
        'third',
        'children',
        'loud',
        'notify',
        'beside',
    ):
        parser.add_argument(f'--{flag}', action='store_true')
    for seconds in ('stop', 'slow'):
        parser.add_argument(f'--{seconds}', type=float, default=0.0)
    parser.add_argument('--counts', type=float)
    parser.add_argument('--unix')
    return Worker(parser.parse_args()).run()


if __name__ == '__main__':
    sys.exit(main())
