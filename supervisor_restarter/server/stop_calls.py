"""Hearing of stop requests that Supervisor itself would ignore.

A process that is STOPPING is 'not running' for Supervisor: stopProcess refuses it and the group
calls pass over it. `supervisorctl stop web:*` in the middle of a restart would say that there is
nothing to stop, and the restart would start everything again. So while a restart is under way, the
three stop calls of Supervisor's own interface (the web page uses them too) tell the service, and
report the processes that the restart was stopping as stopped when they are. `heed_stops = false`
leaves Supervisor's calls as they are.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable
from typing import Any, Callable

from supervisor.http import NOT_DONE_YET
from supervisor.options import split_namespec
from supervisor.rpcinterface import SupervisorNamespaceRPCInterface
from supervisor.states import STOPPED_STATES
from supervisor.xmlrpc import Faults, RPCError

from supervisor_restarter.programs.host import Subprocess, Supervisor
from supervisor_restarter.server.hooks import Replacement, replaced

# Takes the processes that are to be stopped, as (group, name); returns those of them that a restart
# has taken down.
Heed = Callable[[Iterable[tuple[str, str]]], 'set[tuple[str, str]]']
TakenDown = dict[tuple[str, str], Subprocess]  # what a restart has taken down

METHODS = ('stopProcess', 'stopProcessGroup', 'stopAllProcesses')


class StopRequests:
    """Wraps Supervisor's stop calls for one supervisord between install() and remove()."""

    def __init__(self, supervisord: Supervisor, heed: Heed) -> None:
        self._supervisord = supervisord
        self._heed = heed
        self._hooks: list[Replacement] = []

    def install(self) -> None:
        """Wrap the calls. If that is done already: see to it that they still are."""
        for hook in self._hooks:
            hook.keep()
        if not self._hooks:
            self._hooks = [
                replaced(
                    SupervisorNamespaceRPCInterface, name, functools.partial(self._wrapped, name)
                )
                for name in METHODS
            ]

    def remove(self) -> None:
        """Take the wrappers off; nothing if not installed."""
        for hook in self._hooks:
            hook.undo()
        self._hooks.clear()

    def _wrapped(self, method: str, original: Callable[..., Any]) -> Callable[..., Any]:
        place_of_wait = 0 if method == 'stopAllProcesses' else 1

        def stop(interface: object, *args: Any, **kwargs: Any) -> Any:
            wait = args[place_of_wait] if len(args) > place_of_wait else kwargs.get('wait', True)
            keys = self._keys(method, args[0] if args else kwargs.get('name'))
            try:
                answer = original(interface, *args, **kwargs)
            except RPCError as error:
                held = self._held(keys) if error.code == Faults.NOT_RUNNING else {}
                if not held:
                    raise
                answer = True
            else:
                held = self._held(keys)
            return _joined(interface, answer, held, wait) if held else answer

        return stop

    def _held(self, keys: list[tuple[str, str]]) -> TakenDown:
        return {
            (group, name): self._supervisord.process_groups[group].processes[name]
            for group, name in sorted(self._heed(keys))
        }

    def _keys(self, method: str, name: Any) -> list[tuple[str, str]]:
        """The processes that the call is about."""
        groups = self._supervisord.process_groups
        process = None
        if method == 'stopProcess' and isinstance(name, str):
            name, process = split_namespec(name)
            if process is None:
                return []  # 'web:*': Supervisor passes it on to stopProcessGroup
        if method != 'stopAllProcesses':
            groups = {name: groups[name]} if isinstance(name, str) and name in groups else {}
        return [
            (group_name, member)
            for group_name, group in groups.items()
            for member in group.processes
            if process is None or member == process
        ]


def _joined(interface: object, answer: Any, held: TakenDown, wait: object) -> Callable[[], Any]:
    """A deferred answer: Supervisor's own one, joined by the processes that a restart was stopping
    once each of these has exited (at once, if the caller does not wait).

    The next restart may start one while another still stops, so that they are never down together.
    """
    answers = [NOT_DONE_YET if isinstance(answer, types.FunctionType) else answer]
    stopping = [(process, process.pid) for process in held.values() if wait]

    def both() -> Any:
        stopping[:] = [
            (process, pid)
            for process, pid in stopping
            if process.pid == pid and process.get_state() not in STOPPED_STATES
        ]
        if answers[0] is NOT_DONE_YET:
            answers[0] = answer()
        if stopping or answers[0] is NOT_DONE_YET:
            return NOT_DONE_YET
        if not isinstance(answers[0], list):
            return answers[0]
        return answers[0] + [
            {'name': name, 'group': group, 'status': Faults.SUCCESS, 'description': 'OK'}
            for group, name in held
        ]

    both.delay = 0.05  # type: ignore[attr-defined]
    both.rpcinterface = interface  # type: ignore[attr-defined]
    return both
