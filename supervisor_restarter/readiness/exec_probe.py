"""Asking whether a process is ready by a command of the operator's: exit status 0 says yes.

The command runs as the process it asks about does: as its program's user, in its directory, with
its environment. It leads a session of its own, so that it is killed with all that it has started.
supervisord reaps it like its other children: it finds the ExecProbe in its table of pids, where it
expects a process.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import subprocess
from typing import Any, Callable, Optional

from supervisor.options import decode_wait_status

from supervisor_restarter.programs import access, fast_spawn
from supervisor_restarter.programs.host import ServerOptions, Subprocess
from supervisor_restarter.readiness.dispatcher import enter_loop, leave_loop
from supervisor_restarter.readiness.question import SHORTAGES, Question
from supervisor_restarter.readiness.spec import Spec

MOST_SAID = 200  # characters of the last line on its stderr that an error quotes
MOST_READ = 4096  # bytes of it that are read in a turn of the loop; only the last ones are kept
PIPE = 65536  # bytes that a pipe holds
CANNOT_FORK = SHORTAGES | {errno.EAGAIN}
Identities = dict[Optional[int], Optional[access.Identity]]  # by the uids of programs

_unreaped: dict[int, ExecProbe] = {}  # by pid; survives a reload, as children do


def adopt(options: ServerOptions) -> None:
    """Have a supervisord that has reloaded itself know the commands that were killed before, and
    are still to be reaped.
    """
    for pid, probe in _unreaped.items():
        options.pidhistory.setdefault(pid, probe)


class ExecProbe(Question):
    """A Question that is asked by running spec.command; what it says on stderr is read in the loop.

    process: Supervisor's Subprocess that is asked about. identities: those that have been looked
    up, which may take long; added to. over: called once, when the command has been reaped, or could
    not be started.
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
        self._options = process.config.options
        self._pid = 0  # while there is a child to be reaped
        self._stderr: io.FileIO | None = None
        self._said = b''
        try:
            self._start(process, spec, identities)
        except OSError as error:
            self.blind = error.errno in CANNOT_FORK
            self._end(': '.join(map(str, filter(None, (error.filename, error.strerror or error)))))
        except Exception as error:  # noqa: BLE001 - whatever a command line may bring about
            self._end(f'it cannot be run: {error}')
        if not self._pid:
            self._over()

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

    def _start(self, process: Subprocess, spec: Spec, identities: Identities) -> None:
        config = process.config
        if config.uid not in identities:
            identities[config.uid] = access.identity(config.uid)
        user = identities[config.uid]
        become: dict[str, Any] = {}
        if user is not None:
            become = {'user': user.uid, 'group': user.gid, 'extra_groups': user.groups}
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
        enter_loop(self._options, self, self._stderr)

    def _read(self, most: int) -> None:
        """Keep the last bytes of what the command has said."""
        if self._stderr is None:
            return
        try:
            more = self._stderr.read(most)  # None: nothing has come
        except OSError:
            more = b''  # out of finish() it would end supervisord
        if more == b'':
            self._deafen()
        self._said = (self._said + (more or b''))[-MOST_READ:]

    def _clean_up(self) -> None:
        self._deafen()
        self._kill()  # and, if it has ended by itself, what it has left behind

    def _kill(self) -> None:
        if self._pid:
            with contextlib.suppress(OSError):  # none is left, or it runs as another user
                os.killpg(self._pid, signal.SIGKILL)

    def _deafen(self) -> None:
        """Hear no more of what it says."""
        if self._stderr is not None:
            leave_loop(self._options, self, self._stderr)
            self._stderr = None
