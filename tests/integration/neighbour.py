"""Another plugin beside ours, for tests: it wraps what we wrap, and takes part in what happens
inside supervisord.

    [rpcinterface:neighbour]
    supervisor.rpcinterface_factory = tests.integration.neighbour:make_neighbour
    wraps = true            as soon as supervisord starts (default: when it is told to)

The repository must be on supervisord's PYTHONPATH.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from typing import Any, Callable

from supervisor.rpcinterface import SupervisorNamespaceRPCInterface

SECTION = '[rpcinterface:neighbour]\nsupervisor.rpcinterface_factory=tests.integration.neighbour:make_neighbour\n'
STOPS = ('stopProcess', 'stopProcessGroup', 'stopAllProcesses')


def files() -> list[str]:
    """The functions that are being called, from the innermost on, each as file:name without the
    directories.
    """
    found, frame = [], sys._getframe(2)
    while frame is not None:
        found.append(f'{frame.f_code.co_filename.rpartition("/")[2]}:{frame.f_code.co_name}')
        frame = frame.f_back  # type: ignore[assignment]
    return found


class NeighbourRPCInterface:
    """Wraps poller.poll and Supervisor's stop calls, and counts."""

    def __init__(self, supervisord: Any) -> None:
        self._calls: Counter[str] = Counter()
        self._chains: dict[str, list[str]] = {}
        self._found: list[tuple[Any, str, Any]] = []
        self._places = [(supervisord.options.poller, 'poll')]
        self._places += [(SupervisorNamespaceRPCInterface, name) for name in STOPS]
        self._note_chain(type(supervisord.options.poller), 'poll')  # the very bottom
        for name in STOPS:
            self._note_chain(SupervisorNamespaceRPCInterface, name)

    def wrap(self) -> bool:
        """Wrap everything, as plugins do: around what is there now."""
        for obj, name in self._places:
            self._found.append((obj, name, getattr(obj, name)))
            setattr(obj, name, self._counting(name, self._found[-1][2]))
        return True

    def putBack(self) -> bool:
        """Put back what was found by the last wrap(), without a look at what is there by now."""
        for obj, name, found in self._found[-len(self._places) :]:
            setattr(obj, name, found)
        del self._found[-len(self._places) :]
        return True

    def calls(self) -> dict[str, int]:
        """How often each wrapper was called."""
        return dict(self._calls)

    def chain(self, name: str) -> list[str]:
        """What the last call went through, from the bottom up to Supervisor; 'ours' and 'theirs'."""
        chain = []
        for place in self._chains.get(name, []):
            if place == 'neighbour.py:counted':
                chain.append('theirs')
            elif place == 'hooks.py:function':
                chain.append('ours')
            elif not place.startswith(('neighbour.py', 'loop.py', 'stop_calls.py')):
                break
        return chain

    def onTop(self) -> list[str]:
        """What is ours on top of the four."""
        return [
            name
            for obj, name in self._places
            if getattr(obj, name).__code__.co_filename.endswith('hooks.py')
        ]

    def _counting(self, name: str, below: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(below)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._calls[name] += 1
            return below(*args, **kwargs)

        return counted

    def _note_chain(self, kind: type, name: str) -> None:
        bottom = getattr(kind, name)

        def noted(*args: Any, **kwargs: Any) -> Any:
            self._chains[name] = files()
            return bottom(*args, **kwargs)

        noted.__doc__ = bottom.__doc__
        setattr(kind, name, noted)


def make_neighbour(supervisord: Any, wraps: str = 'false') -> NeighbourRPCInterface:
    """The factory that supervisord calls."""
    neighbour = NeighbourRPCInterface(supervisord)
    if wraps == 'true':
        neighbour.wrap()
    return neighbour
