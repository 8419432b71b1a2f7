"""What all supervisors of bench.speed have in common: a place, ways to restart, a pause, a size,
and an end.

Most of them run during the whole measurement, so that they can take turns; those whose turn it is
not are halted by SIGSTOP, so that what they do between restarts is not charged to others. Peers
that are `alone` come after them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.lab import LabError
from bench.peers import worker

WAIT_SECONDS = 120.0  # for all workers to be there, and for each command
STOP_SECONDS = 10.0  # from the stop signal to SIGKILL, in all supervisors; Supervisor's default
POLL_SECONDS = 0.05


class Place(NamedTuple):
    """Where one supervisor works, and on what."""

    dir: Path  # its own; short, as sockets are made there
    worker: Path
    workers: int
    milliseconds: int  # that a worker takes to stop

    @property
    def file(self) -> Path:
        """Where the workers write."""
        return self.dir / 'notes'

    def command(self, name: str) -> list[str]:
        """The command of the worker of that name."""
        return [str(self.worker), str(self.file), name, str(self.milliseconds)]

    def names(self) -> list[str]:
        """Names for all workers."""
        return [f'w{number:03d}' for number in range(self.workers)]


class Way(NamedTuple):
    """One way of restarting all workers."""

    name: str
    role: str  # floor, command or rpc (of the plugin), peer, or aside: for information
    restart: Callable[[], object]  # returns when the command has ended or the call was answered
    # does nothing, by the same command: what its start alone takes
    empty: Callable[[], object] | None = None


class Peer:
    """A supervisor that runs the workers of its place. Use open(), then ways(), then close()."""

    # It looks through all processes of the machine for each one that it stops: those of the others,
    # some thousands, would be charged to it (pm2 with 200 workers: 8.8 s instead of 2.7).
    alone = False

    def __init__(self, place: Place) -> None:
        self.place = place

    def open(self) -> None:
        """Start the supervisor with its workers, and return when all are there."""
        raise NotImplementedError

    def ways(self) -> list[Way]:
        """The ways to restart them."""
        raise NotImplementedError

    def root(self) -> int:
        """The pid of the supervisor, or of the first of its processes."""
        raise NotImplementedError

    def close(self) -> None:
        """End the supervisor and its workers at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.root(), signal.SIGKILL)
        sweep(self.place.dir)

    def wait_started(self, count: int, mark: int = 0) -> list[worker.Note]:
        """Wait until so many workers have started since the mark; gives all notes since then."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            found = worker.notes(self.place.file, mark)
            if sum(note.what == 'S' for note in found) >= count:
                return found
            if time.monotonic() > deadline:
                raise LabError(
                    f'{type(self).__name__}: no {count} workers within {WAIT_SECONDS:g} s'
                )
            time.sleep(POLL_SECONDS)

    def halt(self) -> None:
        """Keep the supervisor from doing anything until go_on()."""
        os.kill(self.root(), signal.SIGSTOP)

    def go_on(self) -> None:
        """End the halt."""
        os.kill(self.root(), signal.SIGCONT)

    def peak(self) -> float:
        """The most memory, in MiB, that all processes of the supervisor together have had; not its
        workers.

        For each: what it has now, memory shared with others divided by the number of those who
        share it (Pss), and how much more it has had at its peak (VmHWM - VmRSS).
        """
        sizes = [memory(pid) for pid in tree(self.root()) if not runs(pid, self.place.worker)]
        return sum(sizes) / 1024


class Loop(Peer):
    """A process of ours or of a peer that is a child of this one, started by `command`."""

    process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """The command of the supervisor; it stays in the foreground."""
        raise NotImplementedError

    def open(self) -> None:
        with (self.place.dir / 'output').open('wb') as output:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=self.place.dir,
                start_new_session=True,
            )
        self.wait_started(self.place.workers)

    def root(self) -> int:
        if self.process is None:
            raise ProcessLookupError
        return self.process.pid

    def close(self) -> None:
        super().close()
        if self.process is not None:
            self.process.communicate()
            self.process = None


def run(command: list[str], env: dict[str, str] | None = None) -> None:
    """Run a command. LabError if it fails."""
    words = ' '.join(command[:4])
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=WAIT_SECONDS,
            env={**os.environ, **(env or {})},
        )
    except subprocess.TimeoutExpired:
        raise LabError(f'{words} has not finished after {WAIT_SECONDS:g} s') from None
    if done.returncode != 0:
        raise LabError(f'{words} ended with status {done.returncode}:\n{done.stdout[-2000:]}')


def sweep(directory: Path) -> None:
    """Kill every process that was started from the directory, works in it or names it in its
    command line.
    """
    deadline = time.monotonic() + STOP_SECONDS
    while found := list(users(directory)):
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise LabError(f'cannot kill {found}')
        time.sleep(POLL_SECONDS)


def users(directory: Path) -> Iterator[int]:
    """The processes that sweep() means."""
    inside = os.fsencode(directory) + b'/'
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        with contextlib.suppress(OSError):
            own = Path(f'/proc/{pid}')
            words = (own / 'cmdline').read_bytes()
            works_in = os.fsencode(os.readlink(own / 'cwd')) + b'/'
            if words and pid != os.getpid() and (inside in words or works_in.startswith(inside)):
                yield pid


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for pid in map(int, filter(str.isdigit, os.listdir('/proc'))):
        with contextlib.suppress(OSError):
            stat = Path(f'/proc/{pid}/stat').read_text()
            children.setdefault(int(stat.rpartition(')')[2].split()[1]), []).append(pid)
    found = [root]
    for pid in found:  # grows as it goes
        found += children.get(pid, [])
    return found


def runs(pid: int, program: Path) -> bool:
    """Whether the process executes that program."""
    try:
        return os.readlink(f'/proc/{pid}/exe') == str(program)
    except OSError:
        return False


def memory(pid: int) -> int:
    """In KiB: see Peer.peak. 0 for a process that is gone."""
    try:
        lines = [
            *Path(f'/proc/{pid}/status').read_text().splitlines(),
            *Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:],
        ]
    except OSError:
        return 0
    size = {
        name: int(rest.split()[0])
        for name, _, rest in (line.partition(':') for line in lines)
        if name in ('VmHWM', 'VmRSS', 'Pss')
    }
    return size.get('Pss', 0) + size.get('VmHWM', 0) - size.get('VmRSS', 0)
