"""The tests under conditions that are not those of a developer's terminal, while two busy loops hold the processors.

    python -m tests.shake [--quick] [--rounds N] [--only CONDITION ...] [--jobs N] [target ...]

What a process inherits differs between a terminal, cron, nohup, a CI job and a container: which signals are ignored or
blocked, umask, locale, TMPDIR, HOME, the environment's size, stdin, the user, open descriptors, the time zone. No test
may depend on it, nor on one process being quicker than another. Each condition is made in a child, which becomes
pytest. A line for each says ok, or names the tests that failed and where the output is; so does a process that was
left behind. The exit status is 1 if anything failed.

target: files or tests as for pytest; all tests without any. --quick: a combination of conditions instead of each one,
for the unit tests and the integration tests that are the most sensitive; it is part of `make test`.
"""
from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tests.leftovers import MARK, end_leftovers

ROOT = Path(__file__).parents[1]
MINUTES = 90.0            # for one run of pytest
LOOPS = 2                 # busy loops beside it
LONG = 100_000            # bytes of a long environment
SHOWN = 10                # how many failed tests a line names
ALL = ['tests/unit', 'tests/integration']
# The quick part: what failed first when conditions were strange or the machine was busy.
SENSITIVE = [
    'tests/integration/test_surroundings.py',
    'tests/integration/test_fast_spawn.py::test_a_program_says_the_same_of_itself',
    'tests/integration/test_races.py',
    'tests/integration/test_signals.py',
]
BUSY = 'import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(100_000): pass\n'

Environment = dict[str, str]


class Condition(NamedTuple):
    """Something that processes inherit.

    environment: given the usual one and a new private directory, the one of the tests. prepare: called in the child.
    command: what runs the tests, before their own command. impossible: why it cannot be had here, '' if it can.
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
    return Condition(name, environment, prepare, command,
                     lambda: '; '.join(filter(None, (one.impossible() for one in conditions))))


# -- signals -----------------------------------------------------------------------------------

def usual() -> None:
    """What a shell on a terminal gives to a command, whatever this one was started with."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except OSError:
            pass      # a number that the C library keeps for itself
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.umask(0o022)


SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD,
           signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM]


def ignore(*numbers: int) -> Callable[[], None]:
    def prepare() -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
    return prepare


def block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


# -- files and descriptors ---------------------------------------------------------------------

def long_directory(usual: Environment, directory: Path) -> Environment:
    """A private TMPDIR whose path is too long for a unix socket, and has a blank and a percent sign in it."""
    place = directory / 'a long way' / 'to 100%s' / ('x' * 60)
    place.mkdir(parents=True, mode=0o700)
    return {**usual, 'TMPDIR': str(place)}


def close_stdin() -> None:
    os.close(0)


def inherit_descriptors() -> None:
    """Descriptors that nobody has closed on exec, below and above those that Supervisor closes."""
    for number in (*range(5, 40), 900, 1500):
        os.dup2(1, number, inheritable=True)


# -- the environment ---------------------------------------------------------------------------

def no_home(usual: Environment, directory: Path) -> Environment:
    usual = with_values(USER=None, LOGNAME=None, USERNAME=None, XDG_CACHE_HOME=None)(usual, directory)
    return {**usual, 'HOME': str(directory / 'no such home')}


def almost_empty(usual: Environment, directory: Path) -> Environment:
    return {'PATH': '/usr/local/bin:/usr/bin:/bin'}


def much(usual: Environment, directory: Path) -> Environment:
    """Many variables, one of them very long, and some with what configuration files and shells give a meaning."""
    strange = {'SHAKE_PERCENT': '100% %(here)s %s %%', 'SHAKE_BYTES': os.fsdecode(b'\xff\xfe\xe4'),
               'SHAKE_LINES': 'one\ntwo\n[program:x]\ncommand=/bin/false\n', 'SHAKE_QUOTES': '\'"$HOME`id`;,',
               'SHAKE_EMPTY': '', 'SHAKE_UML\u00c4UT': '\u00e4\u4e2d'}
    many = {f'SHAKE_{number}': f'{number} ' * 10 for number in range(500)}
    return {**usual, **strange, **many, 'SHAKE_LONG': 'x' * LONG}


SUPERVISED = with_values(
    SUPERVISOR_ENABLED='1', SUPERVISOR_PROCESS_NAME='outer', SUPERVISOR_GROUP_NAME='outer',
    SUPERVISOR_SERVER_URL='http://127.0.0.1:9', SUPERVISOR_USERNAME='outer', SUPERVISOR_PASSWORD='outer',
    NOTIFY_SOCKET='/nonexistent/notify', RESTARTER_READY='tcp://127.0.0.1:9', LISTEN_FDS='1', LISTEN_PID='1',
    http_proxy='http://127.0.0.1:9', https_proxy='http://127.0.0.1:9', no_proxy=None, NO_PROXY=None)
STRANGE_TERMINAL = with_values(TERM='no-such-terminal', COLUMNS='20', LINES='3', NO_COLOR=None, FORCE_COLOR='1')
ASCII = with_values(LC_ALL='POSIX', LANG='C', PYTHONUTF8='0', PYTHONCOERCECLOCALE='0', PYTHONIOENCODING=None)


# -- the user ----------------------------------------------------------------------------------

# In a namespace of one's own one can be somebody else, and still read a checkout that only root may.
NOT_ROOT = ('unshare', '--user', '--map-user=1000', '--map-group=1000', '--')


def cannot_leave_root() -> str:
    if os.getuid() != 0:
        return 'this is not root'
    tried = shutil.which('unshare') and subprocess.run([*NOT_ROOT, sys.executable, '-c', ''], check=False,
                                                       stdin=subprocess.DEVNULL, capture_output=True).returncode
    return '' if tried == 0 else 'unshare --user is not allowed here'


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
PYTHON = Condition('python', with_values(PYTHONUNBUFFERED='1', PYTHONHASHSEED='1', PYTHONDONTWRITEBYTECODE=None))
KATHMANDU = Condition('kathmandu', with_values(TZ='Asia/Kathmandu'))
UNPRIVILEGED = Condition('not-root', with_values(USER='user', LOGNAME='user'), command=NOT_ROOT,
                         impossible=cannot_leave_root)
CONDITIONS = [
    PLAIN, NOHUP, IGNORED, BLOCKED, UMASK_077, UMASK_000, LOCALE_C, LOCALE_ASCII, UTF8_MODE, LONG_TMPDIR, NO_HOME,
    TERMINAL, DUMB, STDIN_CLOSED, DESCRIPTORS, MUCH, LITTLE, SUPERVISED_TOO, PYTHON, KATHMANDU, UNPRIVILEGED,
    all_of('crowded', IGNORED, UMASK_077, LOCALE_ASCII, LONG_TMPDIR, NO_HOME, TERMINAL, DESCRIPTORS, MUCH,
           SUPERVISED_TOO, PYTHON, KATHMANDU),
    all_of('bare', LITTLE, BLOCKED, UMASK_000, STDIN_CLOSED),
]
QUICK = ['crowded', 'bare']


# -- running -----------------------------------------------------------------------------------

def command(condition: Condition, targets: list[str], jobs: int, report: Path) -> list[str]:
    return [*condition.command, sys.executable, '-m', 'pytest', '-q', '-n', str(jobs), '-p', 'no:cacheprovider',
            f'--junitxml={report}', *targets]


def environment(condition: Condition, directory: Path) -> Environment:
    """What the tests find; the hash seed is another one in each round unless the condition has its own."""
    seed = {'PYTHONHASHSEED': str(random.randrange(1, 2 ** 32))}
    return {**condition.environment({**os.environ, **seed}, directory), MARK: str(directory)}


def run(condition: Condition, targets: list[str], jobs: int) -> tuple[bool, str]:
    """Run the tests under the condition: whether all passed, and a line about it."""
    directory = Path(tempfile.mkdtemp(prefix='shake-', dir='/tmp'))
    directory.chmod(0o755)
    report, output = directory / 'report.xml', directory / 'output'
    with output.open('wb') as file:
        process = subprocess.Popen(
            command(condition, targets, jobs, report), cwd=ROOT, env=environment(condition, directory),
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, close_fds=False,
            preexec_fn=lambda: (usual(), condition.prepare()))
        try:
            status = process.wait(MINUTES * 60)
        except subprocess.TimeoutExpired:
            status = -1
        finally:
            process.kill()
            process.wait()
            left = end_leftovers(str(directory))
    passed, failed = outcome(report)
    if status == 0 and passed and not failed and not left:
        shutil.rmtree(directory, ignore_errors=True)
        return True, f'ok: {passed} passed'
    return False, f'FAILED: {", ".join(words(status, failed, left))} (output: {output})'


def words(status: int, failed: list[str], left: list[str]) -> list[str]:
    """What went wrong."""
    if not failed and not left:
        return [f'pytest ended with {status}']
    more = [f'and {len(failed) - SHOWN} more'] if len(failed) > SHOWN else []
    return failed[:SHOWN] + more + [f'left behind: {process}' for process in left]


def outcome(report: Path) -> tuple[int, list[str]]:
    """How many tests passed, and the names of those that failed, from pytest's report."""
    passed, failed = 0, []
    try:
        cases = list(ElementTree.parse(report).iter('testcase'))
    except (OSError, ElementTree.ParseError):
        return 0, []
    for case in cases:
        ends = {element.tag for element in case}
        if ends & {'failure', 'error'}:
            failed.append(f'{str(case.get("classname")).rpartition(".")[2]}::{case.get("name")}')
        elif 'skipped' not in ends:
            passed += 1
    return passed, failed


@contextmanager
def busy_loops(number: int) -> Iterator[None]:
    """So many processes that do nothing as fast as they can; they end with this one."""
    loops = [subprocess.Popen([sys.executable, '-S', '-E', '-c', BUSY], stdin=subprocess.DEVNULL)
             for _ in range(number)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def main(arguments: list[str] | None = None) -> int:
    names = [condition.name for condition in CONDITIONS]
    parser = argparse.ArgumentParser(prog='python -m tests.shake', description=__doc__.partition('\n')[0])
    parser.add_argument('targets', nargs='*', metavar='target', help='what to run (default: everything)')
    parser.add_argument('--quick', action='store_true', help='combinations alone, and the most sensitive tests')
    parser.add_argument('--rounds', type=int, default=1, metavar='N', help='how often (default 1)')
    parser.add_argument('--only', action='append', choices=names, metavar='CONDITION', help=', '.join(names))
    parser.add_argument('--jobs', type=int, default=4, metavar='N', help='how many tests run at once (default 4)')
    parser.add_argument('--loops', type=int, default=LOOPS, metavar='N', help=f'busy loops (default {LOOPS})')
    options = parser.parse_args(arguments)

    wanted = options.only or (QUICK if options.quick else names)
    targets = options.targets or (['tests/unit', *SENSITIVE] if options.quick else ALL)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    good = True
    with busy_loops(options.loops):
        for number in range(options.rounds):
            for condition in (one for one in CONDITIONS if one.name in wanted):
                good &= tell(condition, targets, options.jobs, number + 1)
    return 0 if good else 1


def end(number: int, frame: object) -> None:
    """Leave by way of every `finally`, so that nothing is left behind."""
    sys.exit(128 + number)


def tell(condition: Condition, targets: list[str], jobs: int, number: int) -> bool:
    """Run the tests under the condition and print a line."""
    reason = condition.impossible()
    if reason:
        print(f'{number} {condition.name}: left out, {reason}', flush=True)
        return True
    began = time.monotonic()
    good, line = run(condition, targets, jobs)
    print(f'{number} {condition.name}: {line} in {time.monotonic() - began:.0f} s, '
          f'Supervisor {version("supervisor")}', flush=True)
    return good


if __name__ == '__main__':
    sys.exit(main())
