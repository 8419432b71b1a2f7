"""supervisor_restart_listener with the test in supervisord's place at its stdin and stdout: the
test decides which events come, and when; its calls go to a real supervisord.
"""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

from bench.lab import script
from tests.integration.server import SECONDS, Server, lines_of

TICK = 'TICK_5'


class Hand:
    """A listener at hand. arguments: its rules. command: the program. url: what it calls instead of
    the server.
    """

    def __init__(
        self, server: Server, *arguments: str, command: tuple[str, ...] = (), url: str = ''
    ) -> None:
        environment = {**os.environ, 'SUPERVISOR_SERVER_URL': url or f'unix://{server.dir}/sock'}
        self._errors: Path = server.dir / f'listener.{id(self)}'
        self._server = server
        with self._errors.open('wb') as stderr:
            program = command or (script('supervisor_restart_listener'),)
            self.process = subprocess.Popen(
                [*program, *arguments],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self._serial = 0
        # No read may wait for ever.
        self._alarm = threading.Timer(3 * SECONDS, self.process.kill)
        self._alarm.start()

    def __enter__(self) -> Hand:
        return self

    def __exit__(self, *error: object) -> None:
        self._alarm.cancel()
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()

    def send(self, event: str = TICK, payload: str = 'when:1') -> list[str]:
        """Send an event, as Supervisor does, when the listener is ready for it; what it says until
        it has obeyed.
        """
        before = len(self.lines())
        self.expect(b'READY\n')
        self._serial += 1
        self.write(
            f'ver:3.0 server:supervisor serial:{self._serial} pool:x poolserial:{self._serial} '
            f'eventname:{event} len:{len(payload)}\n{payload}'.encode()
        )
        self.expect(b'RESULT 2\nOK')
        return self.lines()[before:]

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def expect(self, data: bytes) -> None:
        assert self.process.stdout is not None
        got = self.process.stdout.read(len(data))
        assert got == data, (got, self.lines())

    def hang_up(self) -> int:
        """End it as the end of supervisord does; its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(SECONDS)

    def lines(self) -> list[str]:
        """What it has said, without the line at its start and without the time in each."""
        return [line.split(' ', 2)[2] for line in lines_of(self._errors)][1:]

    def until(self, words: str, **event: Any) -> str:
        """Send an event again and again until a line with these words is said; that line."""
        found: list[str] = []

        def said() -> bool:
            found.extend(line for line in self.send(**event) if words in line)
            return bool(found)

        self._server.wait(said, f'line with {words!r}')
        return found[0]
