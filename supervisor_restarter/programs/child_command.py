"""A command of the operator's that is run for a process, and reaped by supervisord.

It runs as the process does: as its program's user, in its directory, with its environment and
umask; RESTARTER_PID is the process's pid. It leads a session of its own, so that it is killed with
all that it has started. supervisord reaps it like its other children: it finds the ChildCommand in
its table of pids, where it expects a process.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Any, Callable, Optional

from supervisor.options import decode_wait_status

from supervisor_restarter.programs import access, fast_spawn
from supervisor_restarter.programs.dispatcher import enter_loop, leave_loop
from supervisor_restarter.programs.host import ServerOptions, Subprocess
from supervisor_restarter.programs.nursery import nursery

MOST_SAID = 200  # characters of the last line that an error quotes
MOST_KEPT = 4096  # bytes of what was said last that are kept for it
PIPE = 65536  # bytes that a pipe holds
# supervisord is short of something; a later attempt may find it.
SHORT = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN}
Identities = dict[Optional[int], Optional[access.Identity]]  # by the uids of programs
# What is done with that which comes out of a command's 'stdout' or 'stderr'.
Ears = Mapping[str, Callable[[bytes], None]]

_unreaped: dict[int, ChildCommand] = {}  # by pid; survives a reload, as children do


def adopt(options: ServerOptions) -> None:
    """Have a supervisord that has reloaded itself know the commands that were killed before, and
    are still to be reaped.
    """
    for pid, command in _unreaped.items():
        options.pidhistory.setdefault(pid, command)


class CannotRun(Exception):
    """A command could not be started; the text says why. short: supervisord is short of something."""

    def __init__(self, why: str, short: bool = False) -> None:
        super().__init__(why)
        self.short = short


class ChildCommand:
    """A command, from its start until supervisord has reaped it. CannotRun if it cannot be started.

    process: for which it is run. identities: those that have been looked up, which may take long;
    added to. ears: what hears what it says; of a channel without ears it goes to /dev/null, or, if
    merged, with the other one. ended: called once, when it was reaped.

    killed_at: when (monotonic) it was killed, None: it was not. why: how it has ended, '' if with
    exit status 0.
    """

    def __init__(
        self,
        process: Subprocess,
        command: tuple[str, ...],
        identities: Identities,
        ears: Ears,
        ended: Callable[[], None],
        merged: bool = False,
    ) -> None:
        self._options = process.config.options
        self._ended = ended
        self._pid = 0  # while there is a child to be reaped
        self._pipes: list[Pipe] = []
        self.killed_at: float | None = None
        self.why = ''
        try:
            self._start(process, command, identities, ears, merged)
        except OSError as error:
            why = ': '.join(map(str, filter(None, (error.filename, error.strerror or error))))
            raise CannotRun(why, error.errno in SHORT) from None
        except Exception as error:  # noqa: BLE001 - whatever a command line may bring about
            raise CannotRun(f'it cannot be run: {error}') from None

    def finish(self, pid: int, status: int) -> None:
        """What supervisord calls when it has reaped the command."""
        for pipe in self._pipes:
            pipe.hear_the_rest()
        code, what = decode_wait_status(status)
        self.why = what if code else ''
        self._end()  # of what it has left behind
        _unreaped.pop(self._pid, None)
        self._pid = 0
        self._ended()

    def kill(self) -> None:
        """Kill it with all that it has started, and hear no more of it; nothing once it is reaped."""
        if self._pid and self.killed_at is None:
            self.killed_at = time.monotonic()
            self._end()

    def _start(
        self,
        process: Subprocess,
        command: tuple[str, ...],
        identities: Identities,
        ears: Ears,
        merged: bool,
    ) -> None:
        config, options = process.config, self._options
        if config.uid not in identities:
            identities[config.uid] = access.identity(config.uid)
        user = identities[config.uid]
        become: dict[str, Any] = {}
        if user is not None:
            become = {'user': user.uid, 'group': user.gid, 'extra_groups': user.groups}
        writing: dict[str, int] = {}
        try:
            writing['nobody'] = nobody = os.open(os.devnull, os.O_RDWR)
            for channel, hear in ears.items():
                reading, writing[channel] = os.pipe()
                self._pipes.append(Pipe(options, reading, hear))
                self._pipes[-1].enter()
            child = nursery.start(
                command,
                stdin=nobody,
                stdout=writing.get('stdout', nobody),
                stderr=writing.get('stderr', subprocess.STDOUT if merged else nobody),
                env={**fast_spawn.environment(process), b'RESTARTER_PID': b'%d' % process.pid},
                cwd=config.directory,
                umask=-1 if config.umask is None else config.umask,
                start_new_session=True,
                **become,
            )
        except BaseException:
            self._end()
            raise
        finally:
            for descriptor in writing.values():
                os.close(descriptor)
        child.returncode = 0  # or its destructor, or the next Popen, would reap the command
        self._pid = child.pid
        options.pidhistory[child.pid] = _unreaped[child.pid] = self

    def _end(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        if self._pid:
            with contextlib.suppress(OSError):  # none is left, or it runs as another user
                os.killpg(self._pid, signal.SIGKILL)


class Pipe:
    """What a command says, as one of the loop's dispatchers: passed on as it comes.

    reading: the descriptor of its end, which is closed with it.
    """

    def __init__(self, options: ServerOptions, reading: int, hear: Callable[[bytes], None]) -> None:
        self._options, self._hear = options, hear
        self._file: io.FileIO | None = io.FileIO(reading)
        os.set_blocking(reading, False)

    def enter(self) -> None:
        """Begin to listen; OSError if the loop cannot."""
        if self._file is not None:
            enter_loop(self._options, self, self._file)

    def hear_the_rest(self) -> None:
        """The command has ended. An exception out of here would end supervisord."""
        try:
            self.handle_read_event()
        except Exception:  # noqa: BLE001 - whoever hears it may raise anything
            self.close()

    def close(self) -> None:
        """Hear no more."""
        if self._file is not None:
            leave_loop(self._options, self, self._file)
            self._file = None

    # -- what the loop calls -----------------------------------------------------------------

    def readable(self) -> bool:
        return self._file is not None

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        if self._file is None:
            return
        try:
            data = self._file.read(PIPE)  # None: nothing has come
        except OSError:
            data = b''
        if data:
            self._hear(data)
        elif data is not None:
            self.close()

    def handle_write_event(self) -> None:
        """Never called: writable() is False."""

    def handle_error(self) -> None:
        self.close()


class LastLine:
    """Hears what a command says, and knows the last line of it that is not empty."""

    def __init__(self) -> None:
        self._kept = b''

    def hear(self, data: bytes) -> None:
        self._kept = (self._kept + data)[-MOST_KEPT:]

    def __str__(self) -> str:
        """For an error; '' if it has said nothing."""
        lines = self._kept.decode('utf-8', 'replace').strip().splitlines()
        return lines[-1].strip()[:MOST_SAID] if lines else ''
