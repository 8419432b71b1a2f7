"""Another plugin, for tests, that acts inside supervisord when it is told of an event.

    [rpcinterface:subscriber]
    supervisor.rpcinterface_factory = tests.integration.subscriber:make_subscriber

The repository must be on supervisord's PYTHONPATH.
"""

from __future__ import annotations

from typing import Any

from supervisor import events
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.xmlrpc import RPCError

from supervisor_restarter.server.plugin import make_rpcinterface
from supervisor_restarter.server.service import Service

SECTION = '[rpcinterface:subscriber]\nsupervisor.rpcinterface_factory=tests.integration.subscriber:make_subscriber\n\n'


class SubscriberRPCInterface:
    """Does what it was told to do when an event comes."""

    def __init__(self, supervisord: Any) -> None:
        self._interfaces = {
            'restarter': make_rpcinterface(supervisord),
            'supervisor': SupervisorNamespaceRPCInterface(supervisord),
        }
        self._results: list[str] = []

    def when(self, event: str, process: str, method: str, arguments: list[Any]) -> bool:
        """When the event comes, of this process ('' for any or none): call 'supervisor.stopProcess'
        or so. Once.
        """
        namespace, name = method.split('.')
        done: list[bool] = []

        def act(its: Any) -> None:
            if done or (process and its.process.config.name != process):
                return
            done.append(True)
            try:
                result = getattr(self._interfaces[namespace], name)(*arguments)
            except RPCError as error:
                result = error.text
            self._results.append(str(result))

        events.subscribe(getattr(events.EventTypes, event), act)
        return True

    def results(self) -> list[str]:
        """What the calls have returned, or the text of their faults."""
        return self._results

    def breakTurns(self, times: int) -> bool:
        """Have the next turns meet with an error that no single restart is to blame for, so many
        times.
        """
        sound, left = Service._let_some_go, [times]

        def broken(service: Any) -> None:
            if left[0]:
                left[0] -= 1
                raise RuntimeError('a defect')
            sound(service)

        Service._let_some_go = broken  # type: ignore[method-assign, assignment]
        return True


def make_subscriber(supervisord: Any, **config: str) -> SubscriberRPCInterface:
    """The factory that supervisord calls."""
    return SubscriberRPCInterface(supervisord)
