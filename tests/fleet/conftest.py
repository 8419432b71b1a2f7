"""For the tests of a fleet: three hosts, a controller, and what is said when something is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.host import Host
from tests.fleet.play import Controller, ansible_playbook

NOT_TESTED = 'NOT TESTED: '


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line('markers', 'quick: the short form of the fleet, for `make test`')
    try:
        ansible_playbook()
    except FileNotFoundError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What was skipped because a program is not installed, once more and last."""
    skipped = [
        f'{report.nodeid}: {report.longrepr[2].partition(NOT_TESTED)[2]}'
        for report in terminalreporter.stats.get('skipped', [])
        if isinstance(report.longrepr, tuple) and NOT_TESTED in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.section('not everything was tested', bold=True, yellow=True)
    for line in skipped:
        terminalreporter.line(line)


def skip_aloud(what: str) -> None:
    """Skip this test, and say so at the end of the run."""
    pytest.skip(f'{NOT_TESTED}{what}')


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    """What plays the playbooks. Nothing that it starts outlives its play."""
    made = Controller(tmp_path / 'controller')
    yield made
    left = made.close()
    assert left == set(), 'a play left processes behind'


@pytest.fixture
def start_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """start_host(name, ...) gives a running Host; its log is checked at the end."""
    hosts: list[Host] = []
    with ExitStack() as stack:

        def start(name: str, kind: type[Host] = Host, **settings: Any) -> Host:
            host = stack.enter_context(kind(name, tmp_path, **settings))
            hosts.append(host)
            return host

        yield start
        for host in hosts:
            host.check_log()


@pytest.fixture
def fleet(start_host: Callable[..., Host]) -> list[Host]:
    """Three hosts with release 1. The second one lacks what release 2 needs."""
    return [start_host('host1'), start_host('host2', equipped=False), start_host('host3')]
