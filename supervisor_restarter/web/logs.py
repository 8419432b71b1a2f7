"""The end of a process's log, as the page follows it."""

from __future__ import annotations

import os
import stat

from supervisor_restarter.programs.asides import residents
from supervisor_restarter.programs.host import Subprocess, Supervisor
from supervisor_restarter.web.queries import LogWanted


def process_called(supervisord: Supervisor, namespec: str) -> Subprocess | None:
    """The process GROUP:NAME, whatever characters its names have; None if there is none."""
    for name, group in supervisord.process_groups.items():
        if namespec.startswith(f'{name}:'):
            process = residents(group).get(namespec[len(name) + 1 :])
            if process is not None:
                return process
    return None


def log_path(process: Subprocess, channel: str) -> str | None:
    """The file that its output is written to; None: to none."""
    path = process.config.stdout_logfile if channel == 'stdout' else process.config.stderr_logfile
    return path if isinstance(path, str) and path else None


def tail(path: str, asked: LogWanted) -> dict[str, object]:
    """A part of the log: {text, offset, overflow}. OSError if it cannot be read.

    offset: where to read on. overflow: what was between is left out, for it is more than asked for,
    or the file was begun anew. Supervisor's own tail would raise at what is no UTF-8, and wait
    where the log is a pipe.
    """
    # To open a terminal could make it that of supervisord, which it would then end with.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f'{path} is no file that can be read')
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, 'rb') as file:
        size = os.fstat(descriptor).st_size
        begin = max(0, size - asked.length)
        overflow = 0 <= asked.offset < begin or asked.offset > size
        if begin <= asked.offset <= size:
            begin = asked.offset
        file.seek(begin)
        data = file.read(size - begin)
    whole = _whole_characters(data)
    text = data[:whole].decode('utf-8', 'replace')
    return {'text': text, 'offset': begin + whole, 'overflow': overflow}


def _whole_characters(data: bytes) -> int:
    """How many bytes there are before a character of which the end is not written yet."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if back < needed else len(data)
    return len(data)
