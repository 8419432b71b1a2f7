"""What a process inherits, and how to have it otherwise than a developer's terminal has it.

    python -m tests.conditions NAME DIRECTORY command ...

becomes the command under the condition of that name; DIRECTORY is a private one that the condition
may use.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
LONG = 100_000  # bytes of a long environment

Environment = dict[str, str]


class Condition(NamedTuple):
    """Something that processes inherit.

    environment: given the usual one and a new private directory, the one of the tests. prepare:
    called in the child. command: what runs the tests, before their own command. impossible: why it
    cannot be had here, '' if it can.
    """

    name: str
    environment: Callable[[Environment, Path], Environment] = lambda usual, directory: usual
    prepare: Callable[[], object] = lambda: None
    command: tuple[str, ...] = ()
    impossible: Callable[[], str] = lambda: ''


def with_values(**values: str | None) -> Callable[[Environment, Path], Environment]:
    """The usual environment with these values; None takes one away."""

    def changed(usual: Environment, directory: Path) -> Environment:
        return {key: value for key, value in {**usual, **values}.items() if value is not None}

    return changed


def slowly(who: str) -> Callable[[Environment, Path], Environment]:
    """The usual environment, in which supervisord or those who call it are slow."""

    def changed(usual: Environment, directory: Path) -> Environment:
        return {**usual, 'PYTHONPATH': str(ROOT / 'tests' / 'slowly'), 'TESTS_SLOW': who}

    return changed


def all_of(name: str, *conditions: Condition) -> Condition:
    """Conditions at once; a later one beats an earlier one."""

    def environment(usual: Environment, directory: Path) -> Environment:
        for one in conditions:
            usual = one.environment(usual, directory)
        return usual

    def prepare() -> None:
        for one in conditions:
            one.prepare()

    command = tuple(word for one in conditions for word in one.command)
    return Condition(
        name,
        environment,
        prepare,
        command,
        lambda: '; '.join(filter(None, (one.impossible() for one in conditions))),
    )


# -- signals -----------------------------------------------------------------------------------


def as_usual() -> None:
    """What a shell on a terminal gives to a command, whatever this one was started with."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except OSError:
            pass  # a number that the C library keeps for itself
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o022)


SIGNALS = [
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
]


def ignore(*numbers: int) -> Callable[[], None]:
    def prepare() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)

    return prepare


def block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


# -- files and descriptors ---------------------------------------------------------------------


def long_directory(usual: Environment, directory: Path) -> Environment:
    """A private TMPDIR whose path is too long for a unix socket, and has a blank and a percent sign
    in it.
    """
    place = directory / 'a long way' / 'to 100%s' / ('x' * 60)
    place.mkdir(parents=True, exist_ok=True)
    place.chmod(0o700)
    return {**usual, 'TMPDIR': str(place)}


def private_directory(usual: Environment, directory: Path) -> Environment:
    """A TMPDIR that other users cannot enter, as pam_tmpdir makes it."""
    place = directory / 'private'
    place.mkdir(mode=0o700, exist_ok=True)
    return {**usual, 'TMPDIR': str(place)}


def close_stdin() -> None:
    os.close(0)


def inherit_descriptors() -> None:
    """Descriptors that nobody has closed on exec, below and above those that Supervisor closes."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for number in (*range(5, 40), 900, 1500):
        if number < most:
            os.dup2(1, number, inheritable=True)


# -- the environment ---------------------------------------------------------------------------


def no_home(usual: Environment, directory: Path) -> Environment:
    usual = with_values(USER=None, LOGNAME=None, USERNAME=None, XDG_CACHE_HOME=None)(
        usual, directory
    )
    return {**usual, 'HOME': str(directory / 'no such home')}


def almost_empty(usual: Environment, directory: Path) -> Environment:
    return {'PATH': '/usr/local/bin:/usr/bin:/bin'}


def much(usual: Environment, directory: Path) -> Environment:
    """Many variables, one of them very long, and some with what configuration files and shells give
    a meaning.
    """
    strange = {
        'SHAKE_PERCENT': '100% %(here)s %s %%',
        'SHAKE_BYTES': os.fsdecode(b'\xff\xfe\xe4'),
        'SHAKE_LINES': 'one\ntwo\n[program:x]\ncommand=/bin/false\n',
        'SHAKE_QUOTES': '\'"$HOME`id`;,',
        'SHAKE_EMPTY': '',
        'SHAKE_UML\u00c4UT': '\u00e4\u4e2d',
    }
    many = {f'SHAKE_{number}': f'{number} ' * 10 for number in range(500)}
    return {**usual, **strange, **many, 'SHAKE_LONG': 'x' * LONG}


SUPERVISED = with_values(
    SUPERVISOR_ENABLED='1',
    SUPERVISOR_PROCESS_NAME='outer',
    SUPERVISOR_GROUP_NAME='outer',
    SUPERVISOR_SERVER_URL='http://127.0.0.1:9',
    SUPERVISOR_USERNAME='outer',
    SUPERVISOR_PASSWORD='outer',
    NOTIFY_SOCKET='/nonexistent/notify',
    RESTARTER_READY='tcp://127.0.0.1:9',
    LISTEN_FDS='1',
    LISTEN_PID='1',
    http_proxy='http://127.0.0.1:9',
    https_proxy='http://127.0.0.1:9',
    no_proxy=None,
    NO_PROXY=None,
)
STRANGE_TERMINAL = with_values(
    TERM='no-such-terminal', COLUMNS='20', LINES='3', NO_COLOR=None, FORCE_COLOR='1'
)
ASCII = with_values(
    LC_ALL='POSIX', LANG='C', PYTHONUTF8='0', PYTHONCOERCECLOCALE='0', PYTHONIOENCODING=None
)


# -- the user ----------------------------------------------------------------------------------

# In a namespace of one's own one can be somebody else, and still read a checkout that only root
# may.
NOT_ROOT = ('unshare', '--user', '--map-user=1000', '--map-group=1000', '--')


def cannot_leave_root() -> str:
    if os.getuid() != 0:
        return 'this is not root'
    tried = (
        shutil.which('unshare')
        and subprocess.run(
            [*NOT_ROOT, sys.executable, '-c', ''],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        ).returncode
    )
    return '' if tried == 0 else 'unshare --user is not allowed here'


USUAL = Condition('usual', prepare=as_usual)
PLAIN = Condition('plain')
NOHUP = Condition('nohup', prepare=ignore(signal.SIGHUP))
IGNORED = Condition('ignored-signals', prepare=ignore(*SIGNALS))
BLOCKED = Condition('blocked-signals', prepare=block)
UMASK_077 = Condition('umask-077', prepare=lambda: os.umask(0o077))
UMASK_000 = Condition('umask-000', prepare=lambda: os.umask(0o000))
LOCALE_C = Condition('locale-c', with_values(LC_ALL=None, LC_CTYPE=None, LANG='C', LANGUAGE=None))
LOCALE_ASCII = Condition('locale-ascii', ASCII)
UTF8_MODE = Condition('utf8-mode', with_values(LC_ALL='C', PYTHONUTF8='1'))
LONG_TMPDIR = Condition('long-tmpdir', long_directory)
NO_HOME = Condition('no-home', no_home)
TERMINAL = Condition('strange-terminal', STRANGE_TERMINAL)
DUMB = Condition('dumb-terminal', with_values(TERM='dumb', COLUMNS=None, LINES=None, NO_COLOR='1'))
STDIN_CLOSED = Condition('stdin-closed', prepare=close_stdin)
DESCRIPTORS = Condition('descriptors', prepare=inherit_descriptors)
MUCH = Condition('long-environment', much)
LITTLE = Condition('empty-environment', almost_empty)
SUPERVISED_TOO = Condition('supervised', SUPERVISED)
PYTHON = Condition(
    'python', with_values(PYTHONUNBUFFERED='1', PYTHONHASHSEED='1', PYTHONDONTWRITEBYTECODE=None)
)
NICE = Condition('nice', prepare=lambda: os.nice(7))
PRIVATE_TMPDIR = Condition('private-tmpdir', private_directory)
KATHMANDU = Condition('kathmandu', with_values(TZ='Asia/Kathmandu'))
SLOW_SUPERVISORD = Condition('slow-supervisord', slowly('supervisord'))
SLOW_CLIENTS = Condition('slow-clients', slowly('clients'))
UNPRIVILEGED = Condition(
    'not-root',
    with_values(USER='user', LOGNAME='user'),
    command=NOT_ROOT,
    impossible=cannot_leave_root,
)
CONDITIONS = [
    PLAIN,
    NOHUP,
    IGNORED,
    BLOCKED,
    UMASK_077,
    UMASK_000,
    LOCALE_C,
    LOCALE_ASCII,
    UTF8_MODE,
    LONG_TMPDIR,
    PRIVATE_TMPDIR,
    NO_HOME,
    TERMINAL,
    DUMB,
    STDIN_CLOSED,
    DESCRIPTORS,
    MUCH,
    LITTLE,
    SUPERVISED_TOO,
    PYTHON,
    NICE,
    KATHMANDU,
    SLOW_SUPERVISORD,
    SLOW_CLIENTS,
    UNPRIVILEGED,
    all_of(
        'crowded',
        IGNORED,
        UMASK_077,
        LOCALE_ASCII,
        LONG_TMPDIR,
        NO_HOME,
        TERMINAL,
        DESCRIPTORS,
        MUCH,
        SUPERVISED_TOO,
        PYTHON,
        KATHMANDU,
    ),
    all_of('bare', LITTLE, BLOCKED, UMASK_000, STDIN_CLOSED),
]
BY_NAME = {condition.name: condition for condition in CONDITIONS}


def become(name: str, directory: str, command: list[str]) -> None:
    """Become the command, under the condition."""
    condition = BY_NAME[name]
    command = [*condition.command, *command]
    environment = condition.environment(dict(os.environ), Path(directory))
    condition.prepare()
    os.execvpe(command[0], command, environment)


if __name__ == '__main__':
    become(sys.argv[1], sys.argv[2], sys.argv[3:])
