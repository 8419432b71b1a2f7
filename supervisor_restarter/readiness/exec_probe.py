"""Asking whether a process is ready by a command of the operator's: exit status 0 says yes."""

from __future__ import annotations

from typing import Callable

from supervisor_restarter.programs.child_command import (
    CannotRun,
    ChildCommand,
    Identities,
    LastLine,
)
from supervisor_restarter.programs.host import Subprocess
from supervisor_restarter.readiness.question import Question
from supervisor_restarter.readiness.spec import Spec


class ExecProbe(Question):
    """A Question that is asked by running spec.command; of what it says the stderr is heard.

    process: Supervisor's Subprocess that is asked about. identities: as for a ChildCommand. over: called
    once, when the command has been reaped, or could not be started.
    """

    def __init__(
        self,
        process: Subprocess,
        spec: Spec,
        deadline: float,
        identities: Identities,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(spec, deadline, over)
        self._said = LastLine()
        self._command: ChildCommand | None = None
        ears = {'stderr': self._said.hear}
        try:
            self._command = ChildCommand(process, spec.command, identities, ears, self._ended)
        except CannotRun as error:
            self.blind = error.short
            self._end(str(error))
            self._over()

    def _ended(self) -> None:
        if self._command is not None:
            why = self._command.why
            self._end(': '.join(filter(None, (why, str(self._said)))) if why else '')
        self._over()

    def _clean_up(self) -> None:
        if self._command is not None:
            self._command.kill()
