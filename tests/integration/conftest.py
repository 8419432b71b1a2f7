"""For all integration tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

# What was skipped because a program is not installed is said at the end.
from tests.fleet.conftest import pytest_terminal_summary  # noqa: F401
from tests.integration.applying import Site, new_site, shared_sites
from tests.integration.server import Server


@pytest.fixture
def start() -> Iterator[Callable[..., Any]]:
    """start(programs, restarter='', extra='') gives a running Server; its log is checked at the
    end.
    """
    servers: list[Server] = []

    def begin(
        programs: str, restarter: str = '', extra: str = '', kind: type[Server] = Server
    ) -> Server:
        server = kind(programs, restarter, extra)
        servers.append(server)
        server.__enter__()
        return server

    yield begin
    try:
        for server in servers:
            if server._dir is not None:
                server.check_log()
    finally:
        for server in servers:
            server.close()


@pytest.fixture(scope='module')
def sites() -> Iterator[Server]:
    """A supervisord for the sites of a file's tests; see applying.py."""
    with shared_sites() as server:
        yield server


@pytest.fixture
def site(sites: Server) -> Iterator[Site]:
    """Groups of that supervisord in a file of their own, for one test."""
    with new_site(sites) as one:
        yield one
