"""What chaos takes for Supervisor's own trouble: a descriptor that is polled for ever."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from supervisor.poller import PollPoller

from tests.chaos.clock import ClockRPCInterface


class Pipe:
    """The end of a stdin that only writes."""

    def __init__(self, by_plugin):
        self.process = SimpleNamespace(
            config=SimpleNamespace(name='web'), spawned_by_plugin=by_plugin
        )

    def readable(self):
        return False


@pytest.fixture
def stdin():
    """The writing end of a pipe that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def spinning(stdin, by_plugin):
    """A clock in a supervisord that polls the stdin of a process for reading."""
    poller = PollPoller(None)
    poller.register_readable(stdin)
    return poller, ClockRPCInterface(
        SimpleNamespace(
            options=SimpleNamespace(poller=poller), get_process_map=lambda: {stdin: Pipe(by_plugin)}
        )
    )


def wakes_at_once(poller):
    return bool(poller._poller.poll(0))


def test_what_supervisor_has_mixed_up_is_mended(stdin):
    poller, clock = spinning(stdin, by_plugin=False)
    assert wakes_at_once(poller)
    assert clock.mend() == [f'{stdin} of web']
    assert not wakes_at_once(poller)
    assert clock.mend() == []


def test_what_the_plugin_has_mixed_up_is_not_excused(stdin):
    poller, clock = spinning(stdin, by_plugin=True)
    assert clock.mend() == []
    assert wakes_at_once(poller)
