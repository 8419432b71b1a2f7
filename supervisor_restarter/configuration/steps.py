"""What begin() of a rollout has done so far, and how it is undone."""

from __future__ import annotations

from functools import partial
from typing import Callable

from supervisor_restarter.configuration.logs import NewLogs


class Steps:
    """finished: begin() has come to its end."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []
        self._logs: list[NewLogs] = []
        self.finished = False

    def undo_by(self, function: Callable[..., object], *arguments: object) -> None:
        """What undoes a step, to be told as soon as there is something to be undone."""
        self._undo.append(partial(function, *arguments))

    def add_logs(self, logs: NewLogs) -> None:
        """Opened, and in use from finish() on."""
        self._logs.append(logs)

    def finish(self) -> None:
        """All has succeeded: what cannot fail, nor be taken back without a trace, comes last."""
        self.finished = True
        for logs in self._logs:
            logs.exchange()
        self._close_logs()

    def take_back(self) -> list[Exception]:
        """Undo it all, in the reverse order; what could not be undone, and why, is returned."""
        self._close_logs()
        errors = []
        while self._undo:
            try:
                self._undo.pop()()
            except Exception as error:  # noqa: BLE001
                # Whatever it is, the others are undone.
                errors.append(error)
        return errors

    def _close_logs(self) -> None:
        for logs in self._logs:
            logs.close()
        self._logs.clear()
