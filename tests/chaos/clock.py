"""A wall clock that can be put forward and back, inside one supervisord, and what keeps its loop
awake.

    [rpcinterface:clock]
    supervisor.rpcinterface_factory = tests.chaos.clock:make_clock

The repository must be on supervisord's PYTHONPATH. Every time.time() of supervisord, and so of the
plugin, is then the real one plus an offset, which `clock.step(seconds)` changes; the monotonic
clock goes on as it does on a real machine.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from supervisor import events

from supervisor_restarter.programs import nursery

_real = time.time
_offset = 0.0


def _shifted() -> float:
    return _real() + _offset


def _note(event: Any) -> None:
    """Note down whether the plugin is starting this process."""
    frame, callers = sys._getframe(1), set()
    while frame is not None:
        callers.add(frame.f_globals.get('__name__', '').partition('.')[0])
        frame = frame.f_back  # type: ignore[assignment]
    event.process.spawned_by_plugin = 'supervisor_restarter' in callers


def crowded(seed: int) -> bool:
    """Whether programs are started as if many descriptors were open."""
    return seed % 2 == 1


class ClockRPCInterface:
    """Puts the clock, and tells what keeps the loop awake."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def busy(self) -> str:
        """Tell what the loop would find to do at this moment, beside answering this

        @return string what   The descriptors that are ready, whose they are, and the dispatchers with a delay.
        """
        options = self._supervisord.options
        dispatchers = {**options.get_socket_map(), **self._supervisord.get_process_map()}
        ready = type(options.poller).poll(options.poller, 0)
        lines = [
            f'{what} {fd} {os.path.realpath(f"/proc/self/fd/{fd}")} {type(dispatchers.get(fd)).__name__}'
            for what, found in zip(('read', 'write'), ready)
            for fd in found
        ]
        waiting = [
            f'{fd} asks again every {dispatcher.delay} s'
            for fd, dispatcher in dispatchers.items()
            if hasattr(dispatcher, 'delay') and dispatcher.producer_fifo
        ]
        return '; '.join([*lines, *waiting, f'poll is {options.poller.poll!r}'])

    def mend(self) -> list[str]:
        """Mend what Supervisor itself has mixed up (its issue 807), as far as the plugin has no part in it

        A client hangs up, its descriptor is closed and stays registered for reading; in the same turn Supervisor
        starts a process, whose stdin takes the number. When nobody reads that any more, the loop never sleeps again.

        @return array mended   A line for each descriptor.
        """
        poller, mended = self._supervisord.options.poller, []
        for fd, dispatcher in self._supervisord.get_process_map().items():
            stale = fd in poller.readables and not dispatcher.readable()
            if stale and not getattr(dispatcher.process, 'spawned_by_plugin', True):
                poller.unregister_readable(fd)
                mended.append(f'{fd} of {dispatcher.process.config.name}')
        return mended

    def step(self, seconds: float) -> float:
        """Put the clock forward (or back, if negative)

        @param double seconds   By how much.
        @return double offset   What it is off by, from now on.
        """
        global _offset
        _offset += seconds
        return _offset


def make_clock(supervisord: Any) -> ClockRPCInterface:
    """The factory. It is called for each HTTP server and again at each reload; the offset stays."""
    time.time = _shifted
    if crowded(int(os.environ['CHAOS_SEED'])):
        nursery.MANY = 0
    events.subscribe(events.ProcessStateStartingEvent, _note)
    return ClockRPCInterface(supervisord)
