"""Why a program cannot be started: what can be known of that without trying.

Questions to the file system alone, asked before a process is stopped that is to come back. What is
said is what Supervisor's spawn(), its child and the kernel would run into, in their order: the
command, the log files, the user, the directory, the file; then the commands that the program has
for its restarts. Only what is certain is an obstacle:
where it cannot be said, nothing is said.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from typing import Callable, NamedTuple, TypeVar, cast

from supervisor.options import ProcessException

from supervisor_restarter.commands import HOOK_VARIABLES, parse_command
from supervisor_restarter.programs.access import UnknownUser, ask, identity
from supervisor_restarter.programs.command_words import execv_args
from supervisor_restarter.programs.executable import HEAD, Needs, needs
from supervisor_restarter.programs.host import ProcessConfig, Subprocess
from supervisor_restarter.programs.reviewed import altered
from supervisor_restarter.text import printable

LINUX = sys.platform == 'linux'
SURE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)  # it is not there, whoever looks
DEEPEST = 4  # interpreters that are scripts; the kernel gives up, too
ENV = ('/bin/env', '/usr/bin/env')
NAME = re.compile(r'[^-=/\s][^=/\s]*')  # what env looks for in the PATH
VERBS = {os.X_OK: 'execute', os.R_OK: 'read'}
EFFECTIVE = os.access in os.supports_effective_ids
Kept = TypeVar('Kept')


class Child(NamedTuple):
    """As what a program is executed: by which user, in which directory, with which PATH."""

    uid: int | None
    directory: str
    path: str


class Obstacles:
    """What keeps programs from being started, as it is seen at one moment.

    Answers are kept, for the processes of a group mostly ask the same; so each turn of the loop and
    each request needs a new Obstacles.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], object] = {}

    def of(self, process: Subprocess) -> str:
        """Why the process could not be started, or a command that its program has for its restarts
        not be run, in one line; '' if nothing speaks against it.
        """
        return self._of(process, self._of_commands)

    def of_start(self, process: Subprocess) -> str:
        """... why it could not be started."""
        return self._of(process, lambda config: '')

    def harm(self, process: Subprocess) -> str:
        """Why it would do harm to try and start the process; '' if it would not.

        Supervisor loses the descriptors of pipes whenever it cannot open a log file. And with
        startsecs = 0 it takes a child that has not become its program for a process that ran, and
        starts the next one without a pause.
        """
        config = process.config
        usual = not altered(process)
        try:
            filename, argv = _command(process, usual)
        except ProcessException:
            return ''  # Supervisor tries nothing further
        without_end = config.startsecs == 0 and config.autorestart is not False

        def harm() -> str:
            of_logs = self._of_logs(config)
            return of_logs if of_logs or not without_end else self._of_child(config, filename, argv)

        return self._said(harm) if usual else ''

    def _of(self, process: Subprocess, further: Callable[[ProcessConfig], str]) -> str:
        """Why it could not be started, or what is said `further` of its configuration."""
        config, usual = process.config, not altered(process)
        try:
            filename, argv = _command(process, usual)
        except ProcessException as error:
            return printable(error.args[0])
        if not usual:
            return ''
        of_start = self._said(
            lambda: self._of_logs(config) or self._of_child(config, filename, argv)
        )
        return of_start or self._said(lambda: further(config))

    @staticmethod
    def _said(obstacle: Callable[[], str]) -> str:
        try:
            return printable(obstacle())
        except (OSError, ValueError):
            return ''  # whatever it is, it is not certain that the program would run into it

    # -- what supervisord does ---------------------------------------------------------------

    def _of_logs(self, config: ProcessConfig) -> str:
        stderr = None if config.redirect_stderr else config.stderr_logfile
        for path in (config.stdout_logfile, stderr):
            trouble = self._once(_log, path) if path and isinstance(path, str) else ''
            if trouble:
                return f"couldn't open its log {path}: {trouble}"
        return ''

    # -- what its child does -----------------------------------------------------------------

    def _of_child(self, config: ProcessConfig, filename: str, argv: list[str]) -> str:
        try:
            self._once(identity, config.uid)
        except UnknownUser as error:
            return f"couldn't setuid to {config.uid}: {error}"
        if config.directory is not None:
            trouble = self._once(self._directory, config.directory, config.uid)
            if trouble:
                return f"couldn't chdir to {config.directory}: {trouble}"
        trouble = self._once(self._execute, filename, _child(config)) if LINUX else ''
        return f"couldn't exec {argv[0]}: {trouble}" if trouble else ''

    def _of_commands(self, config: ProcessConfig) -> str:
        for variable in HOOK_VARIABLES.values():
            text = (config.environment or {}).get(variable)
            if text is not None and LINUX:
                (name, *_), child = parse_command(variable, text), _child(config)
                if '/' not in name and not self._once(self._is_in_path, name, child):
                    return f'{variable}: there is no {name} in its PATH'
                trouble = self._once(self._execute, name, child) if '/' in name else ''
                if trouble:
                    return f"{variable}: couldn't exec {name}: {trouble}"
        return ''

    def _directory(self, directory: str, uid: int | None) -> str:
        its, trouble = self._look(directory, uid)
        if its is not None and not stat.S_ISDIR(its.st_mode):
            return _error(errno.ENOTDIR)
        return trouble if its is None else self._refused(directory, uid, os.X_OK)

    def _execute(self, file: str, child: Child, depth: int = DEEPEST) -> str:
        """Why the child cannot become the program in the file."""
        here = os.path.join(child.directory, file)
        trouble = self._once(self._file, here, child.uid)
        if trouble:
            return trouble
        needed = self._once(_needs, here)
        if needed.nothing:
            return f'{_error(errno.ENOEXEC)}: {needed.nothing}'
        if not needed.helper or not depth:
            return ''
        if needed.kind == 'loader':
            helper = os.path.join(child.directory, needed.helper)
            trouble = self._once(self._file, helper, child.uid)
        else:
            trouble = self._execute(needed.helper, child, depth - 1)
        if trouble:
            return f'its {needed.kind} {needed.helper}: {trouble}'
        return self._read_by(needed, here, child) if needed.kind == 'interpreter' else ''

    def _file(self, file: str, uid: int | None) -> str:
        """Why the kernel would not even look into the file."""
        its, trouble = self._look(file, uid)
        if its is None:
            return trouble
        if not stat.S_ISREG(its.st_mode):
            return _error(errno.EACCES)
        if os.statvfs(file).f_flag & os.ST_NOEXEC:
            return f'{_error(errno.EACCES)}: its file system is mounted noexec'
        return self._refused(file, uid, os.X_OK)

    def _read_by(self, needed: Needs, script: str, child: Child) -> str:
        """Why the interpreter of the script would do nothing with it."""
        if needed.helper in ENV:
            found = self._is_in_path(needed.argument, child)
            return '' if found else f'env finds no {needed.argument} in its PATH'
        if _privileged(os.path.join(child.directory, needed.helper)):
            return ''
        return self._refused(script, child.uid, os.R_OK)

    def _is_in_path(self, name: str, child: Child) -> bool:
        """Whether there is such a file in the PATH; True also where that is not known."""
        if not child.path or not NAME.fullmatch(name):
            return True
        for place in child.path.split(os.pathsep):
            its, trouble = self._look(os.path.join(child.directory, place, name), child.uid)
            if its is not None or not trouble:
                return True
        return False

    # -- questions ---------------------------------------------------------------------------

    def _look(self, path: str, uid: int | None) -> tuple[os.stat_result | None, str]:
        """What is at the path, or why the user finds nothing there; neither if it is not known."""
        try:
            return os.stat(path), ''
        except OSError as error:
            ours = self._once(identity, uid) is None
            sure = error.errno in SURE or (ours and error.errno == errno.EACCES)
            return None, _error(error.errno) if sure else ''

    def _refused(self, path: str, uid: int | None, mode: int) -> str:
        """Why the user may not do there what `mode` says; '' also where that is not known."""
        user = self._once(identity, uid)
        if user is None:
            return '' if os.access(path, mode, effective_ids=EFFECTIVE) else _error(errno.EACCES)
        if not LINUX:
            return ''
        allowed, place = ask(path, user, mode)
        if allowed is not False:
            return ''
        verb = 'enter' if os.path.isdir(place) else VERBS[mode]
        return f'{_error(errno.EACCES)}: user {user.name} may not {verb} {place}'

    def _once(self, question: Callable[..., Kept], *about: object) -> Kept:
        key = (question, *about)
        if key not in self._kept:
            try:
                self._kept[key] = question(*about)
            except (OSError, ValueError, UnknownUser) as error:
                self._kept[key] = error
        answer = self._kept[key]
        if isinstance(answer, Exception):
            raise answer
        return cast(Kept, answer)


def _command(process: Subprocess, usual: bool) -> tuple[str, list[str]]:
    """The file and the words of its command. usual: Supervisor's own code looks for it."""
    return execv_args(process) if usual else process.get_execv_args()


def _child(config: ProcessConfig) -> Child:
    path = (config.environment or {}).get('PATH', os.environ.get('PATH', ''))
    return Child(config.uid, config.directory or '', path)


def _needs(file: str) -> Needs:
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return needs(file, os.read(descriptor, HEAD))
    finally:
        os.close(descriptor)


def _log(path: str) -> str:
    """Why supervisord cannot open the log file for writing."""
    try:
        its = os.stat(path)
    except FileNotFoundError:
        place = os.path.dirname(os.path.realpath(path))
        if not os.path.isdir(place):
            return _error(errno.ENOENT)
        writable = os.access(place, os.W_OK | os.X_OK, effective_ids=EFFECTIVE)
        return '' if writable else _unwritable(place)
    except OSError as error:
        return _error(error.errno) if error.errno in (*SURE, errno.EACCES) else ''
    if stat.S_ISDIR(its.st_mode):
        return _error(errno.EISDIR)
    if not stat.S_ISREG(its.st_mode) or os.access(path, os.W_OK, effective_ids=EFFECTIVE):
        return ''  # a terminal or a pipe has rules of its own
    return _unwritable(path)


def _unwritable(path: str) -> str:
    return _error(errno.EROFS if os.statvfs(path).f_flag & os.ST_RDONLY else errno.EACCES)


def _privileged(file: str) -> bool:
    """Whether a program may do more than the user who executes it."""
    if os.stat(file).st_mode & (stat.S_ISUID | stat.S_ISGID):
        return True
    return 'security.capability' in os.listxattr(file)


def _error(code: int | None) -> str:
    return f'{errno.errorcode.get(code or 0, code)} ({os.strerror(code or 0)})'
