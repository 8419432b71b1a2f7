"""supervisorctl with our plugin: servers of both kinds, commands in the background, and sessions on
a terminal.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from bench.lab import CTLPLUGIN, script
from tests.integration.server import SECONDS, Server


class Ours(Server):
    """A server with the restarter interface, whose configuration names the plugin to supervisorctl."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        super().__init__(programs, restarter, CTLPLUGIN + extra)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """As begin_ctl."""
        return self.begin_ctl(*arguments)


class Stock(Ours):
    """The same without the interface."""

    interface = False


KINDS = [Ours, Stock]


Opened = TypeVar('Opened', bound='Terminal')


class Terminal:
    """A program on a terminal of its own.

    environment: what it has beside that of the tests.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 150
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 50, columns, 0, 0))
        self._text = ''
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, 'INPUTRC': os.devnull, **environment},
        )
        os.close(slave)

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """Keys; '\\t' is Tab, '\\x03' Ctrl-C, '\\x04' Ctrl-D."""
        os.write(self._master, text.encode())

    def expect(self, pattern: str) -> str:
        """Wait until the pattern appears; what has appeared until its end, since the last time."""
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self._text)):
            assert self._read(deadline), f'no {pattern!r} in {self._text!r}'
        text, self._text = self._text[: found.end()], self._text[found.end() :]
        return text

    def end(self) -> int:
        """Wait for the end of the program; its exit status."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        return self.process.wait(SECONDS)

    def shown(self) -> str:
        """What has appeared since the last time, after the end."""
        return self._text.replace('\r\n', '\n')

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            text = os.read(self._master, 65536).decode() if ready else ''
        except OSError:  # the other end is closed
            text = ''
        self._text += text
        return bool(text)


class Session(Terminal):
    """supervisorctl's interactive shell, or another program with its options."""

    def __init__(
        self,
        conf: Path,
        *arguments: str,
        program: str = 'supervisorctl',
        columns: int = 150,
        term: str = 'dumb',
    ) -> None:
        command = [script(program), '-c', str(conf), *arguments]
        super().__init__(command, {'TERM': term, 'NO_COLOR': ''}, columns)

    def run(self, line: str) -> list[str]:
        """Type the line; what the command prints until the next prompt."""
        self.type(f'{line}\n')
        shown = self.expect('supervisor> $').replace('\r\n', '\n')
        return [shown_line for shown_line in shown.split('\n')[1:-1] if shown_line]
