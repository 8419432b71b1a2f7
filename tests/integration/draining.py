"""Programs with a BEFORE_STOP and an AFTER_READY (hook.sh), which note down what happens to them.

As a program: a worker that notes down its start, says READY=1, and notes down its stop on SIGTERM.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tests.integration.server import Server

HOOK = Path(__file__).with_name('hook.sh')
FIELD_OF_SESSION = 3  # of /proc/x/stat, after the name
BEFORE, AFTER = 'before', 'after'
VARIABLES = {BEFORE: 'RESTARTER_BEFORE_STOP', AFTER: 'RESTARTER_AFTER_READY'}


class Event(NamedTuple):
    """word: 'up' and 'down' of a worker; 'before', 'before-ended', 'before-failed', 'after' and so on
    of a command. process: its name. pid: of the worker; own: of the one that has noted it down.
    """

    word: str
    process: str
    pid: int
    own: int


def drained(
    name: str = 'web', count: int = 1, hooks: Any = (BEFORE, AFTER), **settings: Any
) -> str:
    """A [program:x] section of such workers.

    hooks: the commands that there are; a dictionary gives them other words. here: where they note
    down what happens, that of the configuration file unless it is given. more: of the environment.
    """
    from tests.integration.server import program

    words = hooks if isinstance(hooks, dict) else {hook: hook for hook in hooks}
    own = [f'{VARIABLES[hook]}="/bin/sh {HOOK} {word}"' for hook, word in words.items()]
    here = f'HERE="{settings.pop("here", "%(here)s")}"'
    more = settings.pop('more', 'RESTARTER_READY="notify"')
    environment = ','.join(filter(None, [here, *own, more]))
    settings = {'command': f'{sys.executable} -S -E {__file__}', **settings}
    return program(name, count=count, environment=environment, **settings)


class Hooks:
    """What the commands do on a server, and what they have done. here: as for drained()."""

    def __init__(self, server: Server, here: Path | None = None) -> None:
        self._server, self._here = server, here or server.dir

    def hold(self, word: str) -> None:
        """Let these commands last until go()."""
        (self._here / f'hold-{word}').touch()

    def go(self, word: str) -> None:
        (self._here / f'hold-{word}').unlink()

    def fail(self, word: str, text: str = 'no such server\n') -> None:
        """Let these commands fail with this text on their stderr."""
        (self._here / f'fail-{word}').write_text(text)

    def events(self) -> list[Event]:
        """All that was noted down, in order."""
        try:
            lines = (self._here / 'events').read_text().splitlines()
        except FileNotFoundError:
            return []
        rows = [line.split() for line in lines]
        return [Event(word, process, int(pid), int(own)) for word, process, pid, own in rows]

    def words(self, process: str = '') -> list[str]:
        """What has happened to the process, or to all, in order."""
        return [event.word for event in self.events() if process in ('', event.process)]

    def forget(self) -> None:
        """... up to now."""
        (self._here / 'events').write_text('')

    def wait(self, word: str, times: int = 1) -> list[Event]:
        """Wait until it has happened so often; these events."""

        def found() -> list[Event]:
            return [event for event in self.events() if event.word == word]

        self._server.wait(lambda: len(found()) >= times, f'{times} times {word}')
        return found()

    def wait_none_left(self) -> None:
        """Wait until nothing that any of the commands has started is there any more."""
        commands = [event.own for event in self.events() if event.word not in ('up', 'down')]
        started = (self._here / 'children').read_text().split() if commands else []
        theirs = {*commands, *map(int, started)}
        self._server.wait(lambda: not alive() & theirs, 'end of all commands')


def alive() -> set[int]:
    """The pids and the sessions of all processes, but for those that only wait to be reaped."""
    found = set()
    for path in Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = path.read_text().rpartition(')')[2].split()
        except OSError:
            continue  # it is gone
        if fields[0] != 'Z':
            found |= {int(path.parent.name), int(fields[FIELD_OF_SESSION])}
    return found


def main() -> None:
    """The worker."""
    here, name, pid = os.environ['HERE'], os.environ['SUPERVISOR_PROCESS_NAME'], os.getpid()

    def note(word: str) -> None:
        with open(f'{here}/events', 'a') as file:
            file.write(f'{word} {name} {pid} {pid}\n')

    def stop(signum: int, frame: object) -> None:
        note('down')
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    note('up')
    if 'NOTIFY_SOCKET' in os.environ:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])
    while True:
        signal.pause()


if __name__ == '__main__':
    main()
