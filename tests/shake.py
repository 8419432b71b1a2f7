"""The tests under conditions that are not those of a developer's terminal, while two busy loops
hold the processors.

    python -m tests.shake [--quick] [--rounds N] [--only CONDITION ...] [--jobs N] [target ...]

What a process inherits differs between a terminal, cron, nohup, a CI job and a container: which
signals are ignored or blocked, umask, locale, TMPDIR, HOME, the environment's size, stdin, the
user, open descriptors, the time zone. No test may depend on it, nor on one process being quicker
than another. Each condition is made in a child, which becomes pytest. A line for each says ok, or
names the tests that failed and where the output is; so does a process that was left behind. The
exit status is 1 if anything failed.

target: files or tests as for pytest; all tests without any. --quick: the unit tests under most of
the conditions at once, and a handful of sensitive integration tests under the others; this is part
of `make test-all`.
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
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from tests.conditions import BY_NAME, USUAL, Condition, Environment, all_of
from tests.leftovers import MARK, end_leftovers

ROOT = Path(__file__).parents[1]
MINUTES = 90.0  # for one run of pytest
LOOPS = 2  # busy loops beside it
SHOWN = 10  # how many failed tests a line names
ALL = ['tests/unit', 'tests/integration']
# What failed first where conditions were strange or the machine was busy.
SENSITIVE = [
    'tests/integration/test_fast_spawn.py::test_a_program_says_the_same_of_itself',
    'tests/integration/test_interference.py::test_supervisorctl_stop_while_processes_are_stopping',
    'tests/integration/test_interference.py::test_shutdown_in_the_middle',
    'tests/integration/test_ctl_commands.py::test_without_the_interface_an_interrupt_leaves_nothing_down',
    'tests/integration/test_ctl_session.py::test_the_terminal_of_a_session_goes_away',
    'tests/integration/test_signals.py::test_no_ready_is_lost_however_fast_it_follows_the_signal',
]
QUICK = {'crowded': ['tests/unit'], 'bare': SENSITIVE}  # what runs under which condition
BUSY = 'import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(100_000): pass\n'


def command(condition: Condition, targets: list[str], jobs: int, report: Path) -> list[str]:
    pytest = [sys.executable, '-m', 'pytest', '-v', '-n', str(jobs), '-p', 'no:cacheprovider']
    return [*condition.command, *pytest, f'--junitxml={report}', *targets]


def environment(condition: Condition, directory: Path) -> Environment:
    """What the tests find; the hash seed is another one in each round unless the condition has its
    own.
    """
    seed = {'PYTHONHASHSEED': str(random.randrange(1, 2**32))}
    return {**condition.environment({**os.environ, **seed}, directory), MARK: str(directory)}


def run(condition: Condition, targets: list[str], jobs: int) -> tuple[bool, str]:
    """Run the tests under the condition: whether all passed, and a line about it."""
    directory = Path(tempfile.mkdtemp(prefix='shake-', dir='/tmp'))
    directory.chmod(0o755)
    report, output = directory / 'report.xml', directory / 'output'
    with output.open('wb') as file:
        process = subprocess.Popen(
            command(condition, targets, jobs, report),
            cwd=ROOT,
            env=environment(condition, directory),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            close_fds=False,
            preexec_fn=all_of('', USUAL, condition).prepare,
        )
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
    loops = [
        subprocess.Popen([sys.executable, '-S', '-E', '-c', BUSY], stdin=subprocess.DEVNULL)
        for _ in range(number)
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def arguments_of(given: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m tests.shake', description=__doc__.partition('\n')[0]
    )
    option = parser.add_argument
    option('targets', nargs='*', metavar='target', help='what to run (default: everything)')
    option('--quick', action='store_true', help='combinations alone, and the most sensitive tests')
    option('--rounds', type=int, default=1, metavar='N', help='how often (default 1)')
    option('--only', action='append', choices=BY_NAME, metavar='CONDITION', help=', '.join(BY_NAME))
    option(
        '--jobs', type=int, default=4, metavar='N', help='how many tests run at once (default 4)'
    )
    option('--loops', type=int, default=LOOPS, metavar='N', help=f'busy loops (default {LOOPS})')
    return parser.parse_args(given)


def main(arguments: list[str] | None = None) -> int:
    options = arguments_of(sys.argv[1:] if arguments is None else arguments)

    wanted: dict[str, list[str]] = QUICK if options.quick else dict.fromkeys(BY_NAME, ALL)
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, end)
    good = True
    with busy_loops(options.loops):
        for number in range(options.rounds):
            for name in options.only or wanted:
                targets = options.targets or wanted.get(name, ALL)
                good &= tell(BY_NAME[name], targets, options.jobs, number + 1)
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
    seconds = f'{time.monotonic() - began:.0f} s'
    print(
        f'{number} {condition.name}: {line} in {seconds}, Supervisor {version("supervisor")}',
        flush=True,
    )
    return good


if __name__ == '__main__':
    sys.exit(main())
