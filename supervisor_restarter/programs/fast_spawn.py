"""Starting a process without Python in the child.

Supervisor forks, and its child then runs Python until it has become the program: it closes
descriptors one by one up to minfds, and swallows a signal that comes too soon. fast_spawn() is the
same Subprocess.spawn() with only the fork step replaced: subprocess.Popen does the child's part in
C, and returns when the child *is* its program, or says why it is not.

The child cannot tell the difference. Whatever is not exactly what was read in Supervisor's source
is left to Supervisor's own fork; its debug log says why.
"""

from __future__ import annotations

import copy
import errno
import os
import sys
import time
from typing import Any

from supervisor.compat import as_bytes
from supervisor.process import FastCGISubprocess

from supervisor_restarter.programs.access import ABSENT, identity, may_enter
from supervisor_restarter.programs.asides import program_name
from supervisor_restarter.programs.host import FcgiSubprocess, Pipes, Subprocess
from supervisor_restarter.programs.nursery import nursery
from supervisor_restarter.programs.reviewed import altered, unreviewed
from supervisor_restarter.text import printable

# supervisord's loop stands still until the child is its program. Where that takes longer than this
# (a slow user database, a directory on a slow network, a scanner that looks at what is executed),
# the waiting is left to the children for a while. Seconds.
SLOW = 0.25
SLOW_FOR = 60.0

_slow_until = 0.0  # monotonic


class Unusual(Exception):
    """Only Supervisor's own fork can be trusted with this process; the text says why."""


def fast_spawn(process: Subprocess) -> int | None:
    """process.spawn(), and the child is its program when this returns.

    Where the program cannot be executed, the process is as after any error in spawn(): in BACKOFF,
    with the reason in its spawnerr. Returns and raises what spawn() does.
    """
    why = unusual(process)
    if why:
        _own_fork(process, why)
        return own_spawn(process)
    starter = Starter(process)
    try:
        return _spawn_with(process, starter)
    finally:
        if starter.reason:
            process.spawnerr = starter.reason


def own_spawn(process: Subprocess) -> int | None:
    """process.spawn() with Supervisor's own fork; where it fails, nothing is left open."""
    return process.spawn() if unreviewed(process) else _spawn_with(process, Keeper(process))


def _spawn_with(process: Subprocess, keeper: Keeper) -> int | None:
    # The options belong to the whole supervisord, and a subscriber that is told of STARTING may
    # spawn, too. So only this process gets to see others, through a config of its own.
    config = process.config
    process.config = copy.copy(config)
    process.config.options = keeper
    process.config.restarter_original = getattr(config, 'restarter_original', config)
    try:
        return process.spawn()
    finally:
        process.config = config
        if not process.pid:
            keeper.close(process)


def unusual(process: Subprocess) -> str:
    """Why the process is to be started with Supervisor's own fork; '' if nothing speaks against the
    fast way.
    """
    if sys.platform != 'linux':
        return f'not tried on {sys.platform}'
    if sys.version_info < (3, 11):
        return 'subprocess knows process groups from Python 3.11 on'
    return altered(process)


class Keeper:
    """supervisord's options as one process sees them while it is spawned: what is opened for it is
    remembered.
    """

    def __init__(self, process: Subprocess) -> None:
        self._options = process.config.options
        self._pipes: Pipes = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)

    def make_pipes(self, stderr: bool = True) -> Pipes:
        """What make_dispatchers() calls at its beginning."""
        self._pipes = self._options.make_pipes(stderr)
        return self._pipes

    def close(self, process: Subprocess) -> None:
        """There is no child: leave nothing of it behind.

        spawn() closes the pipes if the fork fails, but not if a log file cannot be opened; and it
        leaves dispatchers of closed descriptors behind, which the loop would poll without a pause.
        """
        if process.pipes is not self._pipes:
            for descriptor in self._pipes.values():
                if descriptor is not None:
                    self._options.close_fd(descriptor)
        process.dispatchers, process.pipes = {}, {}


class Starter(Keeper):
    """... and with another way to fork."""

    def __init__(self, process: Subprocess) -> None:
        super().__init__(process)
        self._process = process
        self._command: tuple[str, list[str]] = ('', [])
        self.reason = ''  # why there is no child, once fork() has found out

    def check_execv_args(self, filename: str, argv: list[str], status: object) -> None:
        """What get_execv_args() calls at its end: the command is noted, so that it is not searched
        for again.
        """
        self._command = filename, argv
        self._options.check_execv_args(filename, argv, status)

    def fork(self) -> int:
        """Start the process and return its pid; OSError with the reason if it cannot be executed.

        What turns out to be unusual is Supervisor's own fork, which returns twice.
        """
        global _slow_until
        begun = time.monotonic()
        try:
            if begun < _slow_until:
                raise Unusual('it took long a moment ago')
            return self._start()
        except OSError:
            raise  # the reason; spawn() knows what to do
        except Exception as error:  # noqa: BLE001
            # Whatever it is: an exception out of spawn() would leave a process that is neither up
            # nor down.
            _own_fork(self._process, str(error) or repr(error))
            return int(self._options.fork())
        finally:
            if time.monotonic() - begun > SLOW:
                _slow_until = time.monotonic() + SLOW_FOR

    def _start(self) -> int:
        config = self._process.config
        filename, argv = self._command
        if '/' not in filename:
            raise Unusual('Popen would search the PATH for it')
        try:
            child = nursery.start(argv, executable=filename, **popen_arguments(self._process))
        except OSError as error:
            if error.filename == filename:
                raise self._failure(f"couldn't exec {argv[0]}", error) from None
            # Supervisor's child becomes the user before it changes the directory; this one after.
            if error.filename == config.directory is not None and (
                config.uid is None or error.errno in ABSENT
            ):
                raise self._failure(f"couldn't chdir to {config.directory}", error) from None
            raise Unusual(str(error)) from None
        child.returncode = 0  # or its destructor, or the next Popen, would reap the process
        self._process.restarter_execed = child.pid, self._process.laststart
        return child.pid

    def _failure(self, what: str, error: OSError) -> OSError:
        """Note down the reason, and have the process's log say what Supervisor's child would say
        there.
        """
        process, code = self._process, errno.errorcode.get(error.errno or 0, str(error.errno))
        self.reason = f'{what}: {code} ({error.strerror})'
        lines = f'supervisor: {what}: {code}\nsupervisor: child process was not spawned\n'
        os.write(_ends(process)[2], as_bytes(lines))
        process.drain()
        return OSError(self.reason)  # without an errno: it is not that of a fork


def _ends(process: Subprocess) -> tuple[int, int, int]:
    """The descriptors that become the child's stdin, stdout and stderr; Unusual if these are not
    free.
    """
    pipes = process.pipes
    stdin, stdout = pipes['child_stdin'], pipes['child_stdout']
    if isinstance(process, FastCGISubprocess):
        shared: FcgiSubprocess = process
        stdin = shared.fcgi_sock.fileno()
    stderr = stdout if process.config.redirect_stderr else pipes['child_stderr']
    if stdin is None or stdout is None or stderr is None or min(stdin, stdout, stderr) < 3:
        raise Unusual('supervisord runs without its standard descriptors')
    return stdin, stdout, stderr


def popen_arguments(process: Subprocess) -> dict[str, Any]:
    """What Popen has to know so that the child sees what Supervisor's child would see.

    Unusual, UnknownUser, OSError, TypeError or ValueError where that is not known.
    """
    config = process.config
    stdin, stdout, stderr = _ends(process)
    arguments: dict[str, Any] = {
        'stdin': stdin,
        'stdout': stdout,
        'stderr': stderr,
        'env': environment(process),
        'cwd': config.directory,
        'umask': -1 if config.umask is None else config.umask,
        'process_group': 0,
        'restore_signals': False,
    }
    user = identity(config.uid)
    if user is not None:
        if config.directory is not None and not may_enter(config.directory, user):
            raise Unusual(
                f'the user may not enter {config.directory}, as far as can be seen from outside'
            )
        arguments.update(user=user.uid, group=user.gid, extra_groups=user.groups)
    return arguments


def environment(process: Subprocess) -> dict[bytes, bytes]:
    """What Subprocess._spawn_as_child() makes of the environment, in the same order; of a process
    that lies aside, what it was started with.

    As bytes, for these are what supervisord has and what its child gets.
    """
    config = process.config
    ours = {'SUPERVISOR_ENABLED': '1'}
    serverurl = config.options.serverurl if config.serverurl is None else config.serverurl
    if serverurl:
        ours['SUPERVISOR_SERVER_URL'] = serverurl
    ours['SUPERVISOR_PROCESS_NAME'] = program_name(process)
    if process.group:
        ours['SUPERVISOR_GROUP_NAME'] = process.group.config.name
    ours.update(config.environment or {})
    made = dict(os.environb)
    made.update({os.fsencode(name): os.fsencode(value) for name, value in ours.items()})
    return made


def _own_fork(process: Subprocess, why: object) -> None:
    process.config.options.logger.debug(
        printable(f"restarter: {process.config.name} gets Supervisor's own fork: {why}")
    )
