"""The loops on which probes are asked."""

from __future__ import annotations

import pytest
from supervisor.poller import PollPoller, SelectPoller

from tests.unit.readiness.loop import StrictPoller, clean_loop


@pytest.fixture
def loop():
    with clean_loop() as loop:
        yield loop


@pytest.fixture(params=[PollPoller, SelectPoller, StrictPoller])
def any_loop(request):
    with clean_loop(request.param) as loop:
        yield loop
