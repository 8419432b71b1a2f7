"""Asking whether a process is ready by a command of the operator's: exit status 0 says yes.

The command runs as the process it asks about does: as its program's user, in its directory, with
its environment. It leads a session of its own, so that it is killed with all that it has started.
supervisord reaps it like its other children: it finds the Command in its table of pids, where it
expects a process.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import subprocess
import time
from typing import Any, Callable, Optional

from supervisor.options import decode_wait_status

from supervisor_restarter.programs import access, fast_spawn
from supervisor_restarter.readiness.probe import SHORTAGES, leave_loop, name
from supervisor_restarter.readiness.spec import Spec
from supervisor_restarter.text import printable

MOST_SAID = 200  # characters of the last line on its stderr that are told
MOST_READ = 4096  # bytes of it that are read in a turn of the loop; only the last ones are kept
PIPE = 65536  # bytes that a pipe holds
CANNOT_FORK = SHORTAGES | {errno.EAGAIN}
Identities = dict[
    Optional[int], Optional[access.Identity]
]  # who the users of programs are, by their uids


_unreaped: dict[int, Command] = {}  # by pid; survives a reload, as children do


def adopt(options: Any) -> None:
    """Have a supervisord that has reloaded itself know the commands that were killed before, and
    are still to be reaped.
    """
    for pid, command in _unreaped.items():
        options.pidhistory.setdefault(pid, command)


class Command:
    """A Question (see probe.py) that is asked by running spec.command; what it says on stderr is
    read in the loop.

    process: Supervisor's Subprocess that is asked about. identities: those that have been looked
    up, which may take long; added to. over: called once, when the command has been reaped, or could
    not be started.
    """

    again_at: float | None = None

    def __init__(
        self,
        process: Any,
        spec: Spec,
        deadline: float,
        identities: Identities,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        self.deadline = deadline
        self.done = False
        self.blind = False
        self._error = ''
        self._options = process.config.options
        self._name, self._begun, self._over = name(spec), time.monotonic(), over
        self._pid = 0  # while there is a child to be reaped
        self._stderr: io.FileIO | None = None
        self._said = b''
        try:
            self._start(process, spec, identities)
        except OSError as error:
            self.blind = error.errno in CANNOT_FORK
            self._end(': '.join(map(str, filter(None, (error.filename, error.strerror or error)))))
        except Exception as error:  # noqa: BLE001
            self._end(f'it cannot be run: {error}')
        if not self._pid:
            over()

    @property
    def ready(self) -> bool:
        return self.done and not self._error

    @property
    def error(self) -> str:
        """Why the process is not ready, in one short line; '' if it is."""
        return self._error if self.done else f'{self._name}: no answer yet'

    def look(self, now: float) -> None:
        """Kill the command if its deadline has passed."""
        if now >= self.deadline:
            self._end(f'no answer within {max(0.0, self.deadline - self._begun):.3g} s')

    def close(self) -> None:
        """Kill the command, if there is no answer yet."""
        self._end('given up')

    def finish(self, pid: int, status: int) -> None:
        """What supervisord calls when it has reaped the command."""
        self._read(PIPE)
        lines = self._said.decode('utf-8', 'replace').strip().splitlines()
        said = f': {lines[-1].strip()[:MOST_SAID]}' if lines else ''
        code, what = decode_wait_status(status)
        self._end(f'{what}{said}' if code else '')
        _unreaped.pop(self._pid, None)
        self._pid = 0
        self._over()

    # -- what the loop calls -----------------------------------------------------------------

    def readable(self) -> bool:
        return self._stderr is not None

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self._read(MOST_READ)

    def handle_write_event(self) -> None:
        """Never called: writable() is False."""

    def handle_error(self) -> None:
        self._deafen()

    # -- inside ------------------------------------------------------------------------------

    def _start(self, process: Any, spec: Spec, identities: Identities) -> None:
        config = process.config
        if config.uid not in identities:
            identities[config.uid] = access.identity(config.uid)
        user = identities[config.uid]
        become: dict[str, Any] = (
            {}
            if user is None
            else {'user': user.uid, 'group': user.gid, 'extra_groups': user.groups}
        )
        reading, writing = os.pipe()
        self._stderr = io.FileIO(reading)
        try:
            child = subprocess.Popen(
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=writing,
                env={**fast_spawn.environment(process), 'RESTARTER_PID': str(process.pid)},
                cwd=config.directory,
                umask=-1 if config.umask is None else config.umask,
                start_new_session=True,
                **become,
            )
        finally:
            os.close(writing)
        child.returncode = 0  # or its destructor, or the next Popen, would reap the command
        self._pid = child.pid
        self._options.pidhistory[child.pid] = _unreaped[child.pid] = self
        os.set_blocking(reading, False)
        self._options.get_socket_map()[reading] = self
        self._options.poller.register_readable(reading)

    def _read(self, most: int) -> None:
        """Keep the last bytes of what the command has said."""
        if self._stderr is None:
            return
        try:
            more = self._stderr.read(most)
        except OSError:
            more = b''
        if more == b'':
            self._deafen()
        self._said = (self._said + (more or b''))[-MOST_READ:]

    def _end(self, why: str) -> None:
        """There is an answer, '' for ready; nothing if there was one before."""
        if self.done:
            return
        self.done = True
        self._error = printable(f'{self._name}: {why}') if why else ''
        self._deafen()
        self._kill()  # and, if it has ended by itself, what it has left behind

    def _kill(self) -> None:
        if self._pid:
            with contextlib.suppress(OSError):  # nobody is left, or it has become somebody else
                os.killpg(self._pid, signal.SIGKILL)

    def _deafen(self) -> None:
        """Hear no more of what it says."""
        if self._stderr is not None:
            leave_loop(self._options, self, self._stderr)
            self._stderr = None
