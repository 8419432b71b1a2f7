"""What the many descriptors of supervisord cost each start of a program, and how to save most of it.

Each process of supervisord's holds five descriptors here or so, and a new child has to get rid of
all of them. subprocess.Popen lets its parent run on when the child has its program's memory; but
then it waits for the end of a pipe, through which the child would tell why it cannot be executed.
The kernel closes that pipe together with all the others, from the lowest number to the highest, and
Popen's pipe, which is the latest, has the highest. So two low numbers are kept for it.

It helps only where the *kernel* closes them, at the exec, and not the child's own code before: where
all are close-on-exec, which the kernel can see to itself, however many there are.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Callable

FIRST = 3  # after stdin, stdout and stderr
LAST = 2**32 - 1
CLOEXEC = 4  # CLOSE_RANGE_CLOEXEC, Linux 5.11


def _close_range() -> Callable[[int, int, int], int] | None:
    """The system call of that name; None where there is no way to it."""
    try:
        import ctypes

        # A PyDLL keeps other threads from running meanwhile.
        found = ctypes.PyDLL(None).close_range
    except (ImportError, MemoryError, OSError, AttributeError):
        # A Python without ctypes, a system that forbids what it needs, an older C library.
        return None
    found.argtypes = (ctypes.c_uint, ctypes.c_uint, ctypes.c_int)
    return found


_call = _close_range()


def none_is_inherited() -> bool:
    """Have the kernel close all descriptors but the first three when a child becomes its program.

    False where that is not certain: the system cannot do it, or another thread may open one now.
    """
    return _call is not None and threading.active_count() == 1 and _call(FIRST, LAST, CLOEXEC) == 0


class LowNumbers:
    """Two low descriptor numbers, kept until they are lent to what is opened next.

    To be taken while few descriptors are open. Without them all works, but slower.
    """

    def __init__(self) -> None:
        self._pipe: tuple[int, ...] = ()
        self._inode = (0, 0)

    def take(self) -> None:
        """Keep the two lowest numbers that are free; none if there are none."""
        self.give_back()
        with contextlib.suppress(OSError):
            self._pipe = os.pipe()
            self._inode = _inode(self._pipe[0])

    def give_back(self) -> None:
        """Keep none. Where others have closed ours, the number may mean something of theirs."""
        for number in self._pipe:
            with contextlib.suppress(OSError):
                if _inode(number) == self._inode:
                    os.close(number)
        self._pipe = ()

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """They are free meanwhile; nothing if none are kept. None are kept from then on if they cannot
        be taken again.
        """
        kept = bool(self._pipe)
        self.give_back()
        try:
            yield
        finally:
            if kept:
                self.take()


low_numbers = LowNumbers()  # for the error pipe of the next Popen


def start_child(arguments: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
    """subprocess.Popen(arguments, **how) of a child that inherits three descriptors and no more.

    What Popen would open itself (DEVNULL, PIPE) would take the low numbers, so it must not have to.
    """
    with low_numbers.lent():
        return subprocess.Popen(arguments, close_fds=not none_is_inherited(), **how)


def _inode(number: int) -> tuple[int, int]:
    """What both ends of a pipe, and nothing else, have in common."""
    its = os.fstat(number)
    return its.st_dev, its.st_ino
