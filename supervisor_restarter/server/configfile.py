"""Whether the configuration files have changed since supervisord read them: a restart does not
apply that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Optional

from supervisor_restarter.configuration.twin import Unreadable, included, main_file
from supervisor_restarter.programs.host import ServerOptions
from supervisor_restarter.text import listed, printable

MOST_INCLUDED = 20  # included files that are looked at; each costs a system call with each restart

Mark = Optional[tuple[int, int, int]]  # None: there is no such file
Marks = dict[str, Mark]


class ConfigurationFiles:
    """The files of one supervisord, as they were when this was made, which is when supervisord
    starts, or when all that they said was applied.

    Only their times and sizes are looked at. Of included files those count that were there at the start; if
    there are more than MOST_INCLUDED, only the main file does.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._groups = getattr(options, 'process_group_configs', None)
        self._marks = self.marks()

    def marks(self) -> Marks:
        """What the files look like now."""
        return {path: _mark(path) for path in _files(self._options)}

    def applied(self, marks: Marks) -> None:
        """All that the files said when they looked like this is applied."""
        self._marks = marks

    def warning(self) -> str:
        """That a restart does not apply what was changed; '' if nothing is known to be."""
        if getattr(self._options, 'process_group_configs', None) is not self._groups:
            return ''  # they were read again, and it is not known when
        changed = [
            printable(path)
            for path, mark in self._marks.items()
            if mark is not None and _mark(path) != mark
        ]
        if not changed:
            return ''
        names, they = listed(changed), 'it' if len(changed) == 1 else 'them'
        have = f'file {names} has' if len(changed) == 1 else f'files {names} have'
        return (
            f'the configuration {have} changed since supervisord read {they}; '
            'a restart does not apply that (supervisorctl apply does)'
        )


def _files(options: ServerOptions) -> Iterator[str]:
    try:
        main = main_file(options)
    except Unreadable:  # there is none
        return
    yield main
    more = included(getattr(options, 'parse_infos', ()))
    if len(more) <= MOST_INCLUDED:
        yield from more


def _mark(path: str) -> Mark:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
