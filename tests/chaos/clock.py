"""A wall clock that can be put forward and back, inside one supervisord.

    [rpcinterface:clock]
    supervisor.rpcinterface_factory = tests.chaos.clock:make_clock

The repository must be on supervisord's PYTHONPATH. Every time.time() of supervisord, and so of the plugin, is then the
real one plus an offset, which `clock.step(seconds)` changes; the monotonic clock goes on as it does on a real machine.
"""
from __future__ import annotations

import time
from typing import Any

_real = time.time
_offset = 0.0


def _shifted() -> float:
    return _real() + _offset


class ClockRPCInterface:
    """Puts the clock."""

    def step(self, seconds: float) -> float:
        """ Put the clock forward (or back, if negative)

        @param double seconds   By how much.
        @return double offset   What it is off by, from now on.
        """
        global _offset
        _offset += seconds
        return _offset


def make_clock(supervisord: Any) -> ClockRPCInterface:
    """The factory. It is called for each HTTP server and again at each reload; the offset stays."""
    time.time = _shifted
    return ClockRPCInterface()
