"""An XML-RPC interface for tests, which tells what the plugin has hooked into supervisord.

    [rpcinterface:probe]
    supervisor.rpcinterface_factory = tests.integration.probe:make_probe

The repository must be on supervisord's PYTHONPATH.
"""

from __future__ import annotations

import gc
import os
import signal
import tracemalloc
from typing import Any

from supervisor.http import deferring_http_channel
from supervisor.process import Subprocess
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface

from supervisor_restarter.engine.operation import Operation

SECTION = (
    '[rpcinterface:probe]\nsupervisor.rpcinterface_factory=tests.integration.probe:make_probe\n\n'
)


class ProbeRPCInterface:
    """Looks at supervisord from the inside, and can have the engine meet with errors."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord

    def look(self) -> dict[str, Any]:
        """What is hooked in now, and how many descriptors are open apart from clients' connections."""
        options = self._supervisord.options
        dispatchers = list(options.get_socket_map().values())
        wake_up_fd = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wake_up_fd, warn_on_full_buffer=False)
        return {
            'descriptors': len(os.listdir('/proc/self/fd'))
            - self._count(dispatchers, deferring_http_channel),
            'wake_up_fd': wake_up_fd,
            'poll_is_wrapped': 'poll' in vars(options.poller),
            'foreign_dispatchers': sum(
                1 for one in dispatchers if not type(one).__module__.startswith('supervisor.')
            ),
            'stand_ins': len(options.pidhistory)
            - self._count(options.pidhistory.values(), Subprocess),
            'wrapped_calls': sum(
                1
                for value in vars(SupervisorNamespaceRPCInterface).values()
                if hasattr(value, '__wrapped__')
            ),
        }

    def breakSteps(self, times: int) -> bool:
        """Have the next steps of restarts raise an exception, so many times."""
        step, left = Operation.step, [times]

        def broken(restart: Any, *arguments: Any) -> None:
            if left[0]:
                left[0] -= 1
                raise RuntimeError('a defect')
            step(restart, *arguments)

        Operation.step = broken  # type: ignore[method-assign, assignment]
        return True

    def kept(self) -> list[int]:
        """How many objects there are in supervisord, and how many bytes of those that the plugin's code
        has made since this was first asked.
        """
        tracemalloc.start()
        gc.collect()
        ours = tracemalloc.Filter(True, '*/supervisor_restarter/*')
        traces = tracemalloc.take_snapshot().filter_traces([ours]).traces
        return [len(gc.get_objects()), sum(trace.size for trace in traces)]

    @staticmethod
    def _count(things: Any, kind: type) -> int:
        return sum(1 for thing in things if isinstance(thing, kind))


def make_probe(supervisord: Any, **config: str) -> ProbeRPCInterface:
    """The factory that supervisord calls."""
    return ProbeRPCInterface(supervisord)
