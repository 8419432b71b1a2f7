"""For all integration tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.server import ROOT, Server

# The tests whose supervisords and commands are measured for `make coverage`. That costs 0.2 s of
# processor time for each, and more tests would find little more.
MEASURED = ('test_fast_spawn.py', 'test_hooks.py', 'test_listener_program.py', 'test_probing.py')
assert all((ROOT / 'tests' / 'integration' / name).exists() for name in MEASURED)


@pytest.fixture(autouse=True, scope='module')
def _measured(request: pytest.FixtureRequest) -> Iterator[None]:
    """Processes that the module's tests start write down their coverage, if MEASURE is set."""
    with pytest.MonkeyPatch.context() as patch:
        if 'MEASURE' in os.environ and request.path.name in MEASURED:
            patch.setenv('COVERAGE_PROCESS_START', str(ROOT / 'pyproject.toml'))
        yield


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
