"""What supervisord's log, and those who subscribe to events, are told of restarts."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import Callable

from supervisor_restarter.engine import answers
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.programs.host import ServerOptions
from supervisor_restarter.server.job import Job
from supervisor_restarter.text import listed, printable


class Journal:
    """options: supervisord's, for its logger. announce: sends the event that a restart has begun or
    ended. Starts and stops are not told of.
    """

    def __init__(self, options: ServerOptions, announce: Callable[[Job], None]) -> None:
        self._options = options
        self._announce = announce

    def begins(self, job: Job) -> None:
        """The job has begun."""
        options = job.described()
        options = f' ({options})' if options else ''
        self.note(job, f'begins: {len(job.operation.members)} processes{options}')
        self._tell(job)

    def ends(self, job: Job) -> None:
        """The job is over."""
        operation = job.operation
        seconds = answers.between(operation.begun_at or None, job.ended_at)
        text = f'{operation.state.value} after {seconds:.3f} s: '
        text += f'{operation.done} of {len(operation.members)} done'
        failed = listed(f'{member.namespec} ({member.errors})' for member in operation.failures)
        killed = listed(f'{m.namespec} ({m.note})' for m in operation.members if m.killed)
        text += f'; failed: {failed}' if failed else ''
        text += f'; killed: {killed}' if killed else ''
        self.note(job, text)
        self._tell(job)

    def note(self, job: Job, text: str) -> None:
        """A line about the job."""
        if job.operation.goal is Goal.RESTART:
            groups = listed(job.groups) or 'nothing'
            line = f'restarter: {job.kind} {job.id} of {groups} {text}'
            self._options.logger.info(printable(line))

    def warn(self, lines: Iterable[str]) -> None:
        """Log the lines. Finding them may meet with any error, which must not end supervisord."""
        try:
            for line in lines:
                self._options.logger.warn(f'restarter: {line}')
        except Exception:
            self.error()

    def error(self) -> None:
        """An exception that is being handled is a defect of ours."""
        self._options.logger.critical(f'restarter: {traceback.format_exc()}')

    def _tell(self, job: Job) -> None:
        if job.operation.goal is Goal.RESTART:
            self._announce(job)
