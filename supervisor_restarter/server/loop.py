"""Exact wake-ups on supervisord's own loop, while something is going on; nothing otherwise.

supervisord's loop sleeps up to a second in options.poller.poll(), and a child's exit does not end
that sleep. While the reactor is attached,

* a pipe is registered with signal.set_wakeup_fd and sits in the loop's socket map, so that SIGCHLD
  ends the sleep at once, and
* poll() of this one poller is wrapped: before each sleep `step` is called, and the sleep is
  shortened to the time that `step` asks for.

So `step` runs once in each turn of the loop, after supervisord has reaped and before it sleeps.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import Callable, NamedTuple, Optional

from supervisor.http import deferring_http_channel

from supervisor_restarter.programs.host import HttpChannel, Subprocess, Supervisor
from supervisor_restarter.programs.nursery import nursery
from supervisor_restarter.server.hooks import Replacement, replaced
from supervisor_restarter.server.pacing import Pacing

# Between fork and exec a child of supervisord runs its signal handlers, with the pipe closed
# already; Python would complain about that in the program's own log.
_attached: set[int] = set()
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1) if _attached else None)

# What clients can cost is bounded: of more waiting ones than this, those with the most time left
# are told up to a second late. Not the latest to come: clients that asked for months and went away
# would keep all others out.
MOST_ALARMS = 1000
# In one turn the loop asks a dispatcher at most twice whether it is readable.
MOST_MISSED = 2

Step = Callable[[], Optional[float]]
Poll = Callable[[float], tuple[Sequence[int], Sequence[int]]]


class WakeUp:
    """The reading end of the wake-up pipe, as one of the loop's dispatchers.

    each_turn: called in each turn of the loop, before it sleeps.
    """

    def __init__(self, each_turn: Callable[[], None]) -> None:
        self._each_turn = each_turn
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, False)
        self.closed = False

    def readable(self) -> bool:
        self._each_turn()
        return not self.closed

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.reader, 65536)  # what was written does not matter

    def handle_write_event(self) -> None:
        """Never called: writable() is False."""

    def handle_error(self) -> None:
        # Only a descriptor that others have closed leads here. supervisord goes on with its own
        # turns of a second; an exception from here would end it.
        self.closed = True

    def close(self) -> None:
        self.closed = True
        os.close(self.reader)
        os.close(self.writer)


class Attached(NamedTuple):
    """What is in the loop of ours. former_fd: the wake-up descriptor that was there before."""

    wake_up: WakeUp
    former_fd: int
    poll: Replacement


class Reactor:
    """Calls `step` before each sleep of supervisord's loop and wakes it exactly, while attached.

    step: returns the seconds after which it wants to be called again, None: when something happens.
    """

    def __init__(self, supervisord: Supervisor, step: Step) -> None:
        self._supervisord = supervisord
        self._step = step
        self._hooked: Attached | None = None
        self._missed = 0  # how often the loop has asked our dispatcher since our poll() was called
        self._alarms: list[float] = []  # in order
        self._polled_at: float | None = None
        # Since the last poll(): the processes that have changed their states, with the descriptors
        # that they had. The sockets that there were then.
        self._changed: list[tuple[Subprocess, list[int]]] = []
        self._sockets: set[int] | None = None
        self.pacing = Pacing()

    @property
    def attached(self) -> bool:
        return self._hooked is not None

    def attach(self) -> None:
        """Hook into the loop; nothing if that is done. OSError if there are no descriptors left."""
        if self._hooked is not None:
            return
        options, wake_up = self._supervisord.options, WakeUp(self._keep)
        self._missed = 0
        options.get_socket_map()[wake_up.reader] = wake_up
        former_fd = signal.set_wakeup_fd(wake_up.writer, warn_on_full_buffer=False)
        nursery.wake_up_fd = wake_up.writer
        _attached.add(id(self))
        poll = replaced(
            options.poller,
            'poll',
            lambda below: lambda timeout: self._step_and_poll(timeout, below),
        )
        self._hooked = Attached(wake_up, former_fd, poll)

    def detach(self) -> None:
        """Leave the loop as it was; nothing if not attached."""
        if self._hooked is None:
            return
        options, (wake_up, former_fd, poll) = self._supervisord.options, self._hooked
        self._hooked = self._sockets = self._polled_at = None
        self._alarms.clear()
        self._changed.clear()
        _attached.discard(id(self))
        newest = signal.set_wakeup_fd(former_fd)
        if newest != wake_up.writer:
            signal.set_wakeup_fd(newest)  # set by others, after ours
        nursery.wake_up_fd = former_fd if newest == wake_up.writer else newest
        poll.undo()
        options.get_socket_map().pop(wake_up.reader, None)
        # The poller remembers descriptors from turn to turn, and the number will be used again.
        with contextlib.suppress(KeyError, OSError):
            options.poller.unregister_readable(wake_up.reader)
        wake_up.close()

    def alarm(self, at: float) -> None:
        """Ask waiting clients again at the monotonic time `at`. While detached there are none."""
        if self.attached:
            insort(self._alarms, at)
            del self._alarms[MOST_ALARMS:]

    def poke(self) -> None:
        """Let every waiting client be answered in the next turn, if there is an answer.

        A channel with a deferred answer is asked again only after its `delay`; with the time of
        the last question forgotten it is asked at once. A question too many does no harm.
        """
        for dispatcher in list(self._supervisord.options.get_socket_map().values()):
            if isinstance(dispatcher, deferring_http_channel):
                channel: HttpChannel = dispatcher
                channel.last_writable_check = 0

    def note(self, process: Subprocess) -> None:
        """The process changes its state. If it has ended, Supervisor is about to close what it has."""
        if self.attached and hasattr(process, 'dispatchers'):  # an event may be another plugin's
            self._changed.append((process, [*process.dispatchers]))

    def forget_closed(self) -> None:
        """Have the poller forget the descriptors of processes that were reaped in this turn.

        To be called before a process is spawned. Supervisor leaves it to the next poll() to find
        out that they are closed, and never spawns between reap() and poll(). We do, and the pipes
        and log files of a new process take the numbers of the old ones: a log file that is polled
        for reading wakes the loop without end, and so does the writing end of a stdin that the
        program closes.
        """
        poller = self._supervisord.options.poller
        for descriptor in self._closed():
            for forget in (poller.unregister_readable, poller.unregister_writable):
                with contextlib.suppress(KeyError, OSError):
                    forget(descriptor)

    def _closed(self) -> set[int]:
        """What was closed since the last poll()."""
        options = self._supervisord.options
        sockets, poller = options.get_socket_map().keys(), options.poller
        if self._sockets is None:  # since we are attached there was none
            polled = poller.readables | poller.writables
            return polled - sockets - self._supervisord.get_process_map().keys()
        had = {number for _, numbers in self._changed for number in numbers}
        # A process that was started since may have got the number of a socket.
        have = {number for process, _ in self._changed for number in process.dispatchers}
        return (had | self._sockets) - sockets - have

    def _keep(self) -> None:
        # Without poll() there would be no further step, and what is down would stay down.
        if self._hooked is not None:
            self._hooked.poll.keep(missed=self._missed > MOST_MISSED)
            self._missed += 1

    def _step_and_poll(self, timeout: float, poll: Poll) -> tuple[Sequence[int], Sequence[int]]:
        self._missed = 0
        if self._polled_at is not None:
            self.pacing.note(time.monotonic() - self._polled_at)
        wait = self._step()
        if self._alarms:
            now = time.monotonic()
            if self._alarms[0] <= now:
                del self._alarms[: bisect_right(self._alarms, now)]
                self.poke()
                wait = 0.0
            if self._alarms:
                until = self._alarms[0] - now
                wait = until if wait is None else min(wait, until)
        self._changed.clear()
        if self.attached:
            self._sockets = {*self._supervisord.options.get_socket_map()}
        found = poll(timeout if wait is None else max(0.0, min(timeout, wait)))
        if self.attached:
            self._polled_at = time.monotonic()
        return found
