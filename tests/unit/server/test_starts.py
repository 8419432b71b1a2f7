"""When real processes were started."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from supervisor_restarter.server import starts
from supervisor_restarter.server.starts import started_at

needs_proc = pytest.mark.skipif(not os.path.exists('/proc/self/stat'), reason='/proc is needed')
TICK = 1 / os.sysconf('SC_CLK_TCK')


@pytest.fixture
def child():
    """A process, and the moment before it was started."""
    before = time.time()
    with subprocess.Popen(['cat'], stdin=subprocess.PIPE) as process:
        yield process.pid, before


@needs_proc
def test_supervisors_time_is_taken_where_it_can_be_right(child):
    pid, before = child
    after = time.time()
    start = started_at(pid, before)
    assert start == before or before <= start <= after  # a tick may lie between the two


@needs_proc
@pytest.mark.parametrize('wrong', [-3600.0, 3600.0])
def test_the_kernels_is_taken_where_the_clock_was_wrong(child, wrong):
    pid, before = child
    after = time.time()
    assert before - TICK - 0.001 <= started_at(pid, before + wrong) <= after + 0.001


def test_without_the_kernel_supervisors_is_taken(child, monkeypatch):
    pid, before = child
    monkeypatch.setattr(starts, 'start_ticks', lambda pid: None)
    assert started_at(pid, before - 3600) == before - 3600


def test_without_a_clock_since_the_boot_supervisors_is_taken(child, monkeypatch):
    pid, before = child
    monkeypatch.setattr(starts, 'start_ticks', lambda pid: 7)
    monkeypatch.delattr(time, 'CLOCK_BOOTTIME', raising=False)
    assert started_at(pid, before - 3600) == before - 3600


def test_what_does_not_run_was_not_started():
    assert started_at(0, time.time()) == 0.0
