"""Supervisor's own test suite, run beside the plugin: what passes without it has to pass with it.

    python -m tests.stock

Runs the tests that are shipped in the installed Supervisor with the plugin's modules loaded into
the same Python (they add to the XML-RPC marshaller and to what is done after a fork). If any fails,
the suite is run once more in a Python that cannot import the plugin, and only a test that fails
with the plugin alone counts; the others are named.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import supervisor.tests

MINUTES = 5.0  # for one run; it takes some seconds
MODULES = ('server.plugin', 'client.ctlplugin', 'client.cli')  # they import all others
LOADED = 'import importlib\nfor name in {names!r}: importlib.import_module(name)\n'
HIDDEN = "import sys\nsys.modules['supervisor_restarter'] = None\n"
RUN = 'import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))\n'
WITHOUT = ('cacheprovider', 'xdist', 'timeout', 'hypothesispytest')  # plugins of pytest
OPTIONS = ['-q', '-c', os.devnull, *(word for name in WITHOUT for word in ('-p', f'no:{name}'))]


class Outcome(NamedTuple):
    """What a run of the suite came to: how many tests passed, the names of those that did not, and
    what was printed.
    """

    passed: int
    failed: set[str]
    text: str


def run(preparation: str) -> Outcome:
    """Run the suite in a Python of its own, after `preparation` (source)."""
    with tempfile.TemporaryDirectory(prefix='restarter-') as directory:
        report = Path(directory, 'report.xml')
        # Neither our settings nor what other plugins of pytest do has a part in it.
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith('PYTEST_')
        }
        done = subprocess.run(
            [sys.executable, '-c', preparation + RUN, '--rootdir', directory]
            + [*OPTIONS, f'--junitxml={report}', *supervisor.tests.__path__],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            timeout=MINUTES * 60,
            check=False,
        )
        if not report.exists():
            raise SystemExit(f"Supervisor's tests could not be run:\n{done.stdout}")
        return outcome(report, done.stdout)


def outcome(report: Path, text: str) -> Outcome:
    """What pytest's report says."""
    passed, failed = 0, set()
    for case in ElementTree.parse(report).iter('testcase'):
        ends = {element.tag for element in case}
        if ends & {'failure', 'error'}:
            failed.add(f'{case.get("classname")}.{case.get("name")}')
        elif 'skipped' not in ends:
            passed += 1
    return Outcome(passed, failed, text)


def verdict(name: str, ours: Outcome, stock: Outcome | None) -> tuple[int, list[str]]:
    """Exit status and lines for a run with the plugin, and one without it if there was any."""
    lines = []
    fresh = ours.failed - (stock.failed if stock else set())
    for test in sorted(ours.failed - fresh):
        lines.append(f'fails without the plugin too: {test}')
    for test in sorted(fresh):
        lines.append(f'FAILS WITH THE PLUGIN ALONE: {test}')
    too_few = ours.passed == 0 or (stock is not None and ours.passed + len(fresh) < stock.passed)
    if too_few:
        without = f', {stock.passed} pass without the plugin' if stock else ''
        lines.append(f'only {ours.passed} tests were run{without}')
    lines.append(
        f"{name}'s own tests, with the plugin: {ours.passed} passed, {len(fresh)} failed"
        + (f', {len(ours.failed - fresh)} fail without it too' if stock else '')
    )
    return int(bool(fresh) or too_few), lines


def main() -> int:
    ours = run(LOADED.format(names=[f'supervisor_restarter.{module}' for module in MODULES]))
    stock = run(HIDDEN) if ours.failed or not ours.passed else None
    status, lines = verdict(f'Supervisor {version("supervisor")}', ours, stock)
    print('\n'.join([ours.text, *lines] if status else lines))
    return status


if __name__ == '__main__':
    sys.exit(main())
