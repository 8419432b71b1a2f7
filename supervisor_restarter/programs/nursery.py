"""Where children are started from: a thread whose table of descriptors is next to empty.

Each process of supervisord's holds five descriptors here or so. A new child begins with a copy of
them all and has to get rid of them: with 2,000 processes that is most of what a start costs. On
Linux a thread can have a table of its own, and its children begin with that one. What a child needs
it takes from the process's table by pidfd_getfd(), and forgets it afterwards.

A child cannot tell which thread has started it, but for what the kernel keeps for each thread:
niceness, processors, cgroup and the like. So the two threads are compared while this one is used.
It never ends, for a program may have asked for a signal at the end of its parent
(PR_SET_PDEATHSIG), and that is a thread. All signals are blocked in it, but while it starts a child,
which inherits the mask. And no finalizer may run in it, which would close a descriptor of the process
there: the garbage collector is off while it is at work, and otherwise it waits.

With few descriptors there is nothing to be gained, and no such thread.
"""

from __future__ import annotations

import gc
import itertools
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

# From which number of a descriptor on there are many.
MANY = 256
# Seconds after which the two threads are compared again.
ALIKE_FOR = 0.1
STANDARD = 3  # stdin, stdout and stderr, which every child gets
LAST = 2**32 - 1
UNSHARE = 2  # CLOSE_RANGE_UNSHARE, Linux 5.9
PIDFD_OPEN, CLOSE_RANGE, PIDFD_GETFD = 434, 436, 438
# sched_getattr and ioprio_get have other numbers on each machine; where they are not known, there is
# no thread.
OF_SCHEDULING = {'x86_64': (315, 252), 'aarch64': (275, 31)}
IOPRIO_OF_A_THREAD = 1
# What the kernel keeps for each thread, and a child inherits, in /proc; these lines of status.
OWN = ('cgroup', 'personality', 'attr/current')
LINES = ('Uid', 'Gid', 'Groups', 'Cap', 'NoNewPrivs', 'Seccomp', 'Cpus_allowed', 'Mems_allowed')
# A filter may kill who makes a call that it does not know.
NO_FILTER = 'Seccomp:\t0'
BYTES = (
    128  # of a sigset_t, and of what the kernel tells of scheduling: there are more on no machine
)


class Birth(NamedTuple):
    """A child to be started: what Popen is to be told, and the signals that are blocked in it."""

    arguments: Sequence[str]
    how: dict[str, Any]
    mask: bytes


class Unavailable(Exception):
    """The system does not allow what this needs. Nothing was started."""


class Kernel:
    """The way to it. ImportError, MemoryError, OSError or AttributeError where there is none."""

    def __init__(self) -> None:
        import ctypes

        library = ctypes.PyDLL(None)  # which keeps other threads from running meanwhile
        self._call, self._sigmask = library.syscall, library.pthread_sigmask
        self._call.argtypes, self._call.restype = [ctypes.c_long] * 5, ctypes.c_long
        self._sigmask.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p]
        self._buffer = ctypes.create_string_buffer(BYTES)
        self._address = ctypes.addressof(self._buffer)
        library.sigfillset(self._buffer)
        self.all_signals = self._buffer.raw
        self._sched_getattr, self._ioprio_get = OF_SCHEDULING[platform.machine()]

    def call(self, number: int, *arguments: int) -> int:
        """The system call of that number with up to four arguments; -1: an error."""
        return int(self._call(number, *[*arguments, 0, 0, 0][:4]))

    def scheduling(self, thread: int) -> object:
        """Niceness, policy, priority, slice and so on, and the priority for disks."""
        told = self.call(self._sched_getattr, thread, self._address, BYTES)
        return told, self._buffer.raw, self.call(self._ioprio_get, IOPRIO_OF_A_THREAD, thread)

    def blocked(self) -> bytes:
        """The signals that are blocked in this thread."""
        self._sigmask(signal.SIG_BLOCK, None, self._buffer)
        return self._buffer.raw

    def block(self, signals: bytes) -> None:
        """Have these blocked in this thread, and no others; signal.pthread_sigmask() makes objects of
        all that were, which takes longer than to start a child.
        """
        self._sigmask(signal.SIG_SETMASK, signals, None)


class Nursery:
    """switched_on: whether the thread may be used. wake_up_fd: what signal.set_wakeup_fd() was told
    last; -1: there is none.
    """

    def __init__(self) -> None:
        self.switched_on = True
        self.wake_up_fd = -1
        self._usable = True
        self._kernel: Kernel | None = None
        self._thread = 0
        self._slack = ''
        self._compared_at, self._alike = 0.0, False
        self._ordered, self._done = threading.Lock(), threading.Lock()
        self._birth = Birth((), {}, b'')
        self._result: subprocess.Popen[bytes] | BaseException | None = None

    def start(self, arguments: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        """subprocess.Popen(arguments, **how) of a child that inherits three descriptors and no more.

        stdin, stdout and stderr: descriptors; stderr may be STDOUT.
        """
        latest = max(how['stdin'], how['stdout'], how['stderr'])
        if self.switched_on and latest >= MANY and self._may_be_used():
            try:
                return self._have_started(Birth(arguments, how, self.kernel.blocked()))
            except Unavailable:
                self._usable = False
        return subprocess.Popen(arguments, **how)

    # -- in the main thread ------------------------------------------------------------------

    def _may_be_used(self) -> bool:
        if self._usable and not self._thread:
            self._usable = False  # should that raise
            self._usable = self._begin()
        if not self._usable:
            return False
        now = time.monotonic()
        if not now < self._compared_at + ALIKE_FOR:
            self._compared_at = now
            self._alike = self._compare()
        return self._alike

    def _compare(self) -> bool:
        """Whether a child inherits the same of both threads."""
        try:
            ours = self._nature(os.getpid())
            # Nobody may look at another one's without a right to change it.
            slack = _content(Path('/proc/self/timerslack_ns'))
            return slack == self._slack and ours == self._nature(self._thread)
        except OSError:
            return False

    def _begin(self) -> bool:
        """Have the thread; whether that can be."""
        self._kernel = known_kernel()
        if self._kernel is None or threading.current_thread() is not threading.main_thread():
            return False
        self._slack = _content(Path('/proc/self/timerslack_ns'))
        self._ordered.acquire()
        self._done.acquire()
        mask = self.kernel.blocked()
        self.kernel.block(self.kernel.all_signals)
        try:
            with uncollected():
                threading.Thread(target=self._live, name='restarter-nursery', daemon=True).start()
                self._done.acquire()
        except RuntimeError:
            return False  # there may be no more threads
        finally:
            self.kernel.block(mask)
        return bool(self._thread)

    @property
    def kernel(self) -> Kernel:
        assert self._kernel is not None, 'we have begun'
        return self._kernel

    def _have_started(self, birth: Birth) -> subprocess.Popen[bytes]:
        self._usable = False  # should a signal handler raise while we wait
        self._birth = birth
        # Popen lets go of those that have ended, which closes what they have: not in the thread.
        ended = [*getattr(subprocess, '_active', ())]
        with uncollected():
            self._ordered.release()
            try:
                self._done.acquire()
            except BaseException:
                self._done.acquire()  # it still needs the descriptors
                raise
        self._usable = True
        del ended
        result, self._result = self._result, None
        if isinstance(result, BaseException):
            raise result
        assert result is not None, 'there is a child or an error'
        return result

    def _nature(self, thread: int) -> list[object]:
        """What a child inherits of the thread; OSError if that cannot be seen."""
        proc = Path('/proc', str(thread))
        lines = (proc / 'status').read_text().splitlines()
        return [
            [line for line in lines if line.startswith(LINES)],
            [_content(proc / name) for name in OWN],
            self.kernel.scheduling(thread),
        ]

    # -- in the thread -----------------------------------------------------------------------

    def _live(self) -> None:
        # From here on it has a table of its own, in which there is nothing.
        if self.kernel.call(CLOSE_RANGE, 0, LAST, UNSHARE) == 0:
            self._thread = threading.get_native_id()
        self._done.release()
        while self._thread:
            self._ordered.acquire()
            try:
                self._result = self._carry_out(self._birth)
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                self._result = error
            self._done.release()

    def _carry_out(self, birth: Birth) -> subprocess.Popen[bytes]:
        ends = {birth.how[name] for name in ('stdin', 'stdout', 'stderr')} - {subprocess.STDOUT}
        try:
            # Python writes to the one that wakes up in whichever thread a signal comes to.
            self._take({*range(STANDARD), *ends, self.wake_up_fd})
            self.kernel.block(birth.mask)
            return subprocess.Popen(birth.arguments, **birth.how)
        finally:
            self.kernel.block(self.kernel.all_signals)
            self.kernel.call(CLOSE_RANGE, 0, LAST)

    def _take(self, numbers: set[int]) -> None:
        """Have these descriptors of the process, with the same numbers; -1 is none, and there may be no
        standard ones. None has another meaning than there, for an audit hook may write to it.
        """
        process = self.kernel.call(PIDFD_OPEN, os.getpid())
        if process < 0:
            raise Unavailable('pidfd_open')
        spare = next(number for number in itertools.count() if number not in numbers)
        _move(process, spare)
        for number in sorted(numbers):
            found = self.kernel.call(PIDFD_GETFD, spare, number)
            if found >= 0:
                _move(found, number)
            elif number >= STANDARD:
                raise Unavailable(f'pidfd_getfd of {number}')
        os.close(spare)


nursery = Nursery()


def known_kernel() -> Kernel | None:
    """The kernel of this machine; None where its numbers are not known, there is no way to it, or
    somebody filters what it is asked.
    """
    if sys.platform != 'linux' or sys.maxsize < LAST or platform.machine() not in OF_SCHEDULING:
        return None
    try:
        is_filtered = NO_FILTER not in Path('/proc/self/status').read_text().splitlines()
        return None if is_filtered else Kernel()
    except (ImportError, MemoryError, OSError, AttributeError):
        return None  # a Python without ctypes, a system that forbids what it needs


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected meanwhile."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _move(descriptor: int, number: int) -> None:
    """Let it have this number; Unavailable if the limit forbids it."""
    if descriptor != number:
        try:
            os.dup2(descriptor, number, inheritable=False)
        except OSError as error:
            raise Unavailable(str(error)) from None
        os.close(descriptor)


def _content(path: Path) -> str:
    """What the file holds, or why it cannot be read."""
    try:
        return path.read_text(errors='replace')
    except OSError as error:
        return str(error.errno)
