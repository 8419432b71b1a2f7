"""Which of Supervisor's connections write in large pieces."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from supervisor.http import deferring_http_channel

from supervisor_restarter.server.channels import write_large
from supervisor_restarter.web.replies import BYTES_IN_A_TURN


@pytest.fixture
def channels():
    """Two of Supervisor's own, over which nothing is asked."""
    return [deferring_http_channel.__new__(deferring_http_channel) for _ in range(2)]


@pytest.fixture
def options(channels):
    """Those in the loop, with something else."""
    sockets = dict(enumerate([object(), *channels]))
    return SimpleNamespace(get_socket_map=lambda: sockets)


def test_the_connection_that_a_call_comes_over_writes_in_large_pieces(options, channels):
    asked, other = channels
    asked.current_request = object()
    write_large(options)
    assert asked.ac_out_buffer_size == BYTES_IN_A_TURN
    assert other.ac_out_buffer_size == deferring_http_channel.ac_out_buffer_size


def test_what_supervisor_writes_elsewhere_stays(options, channels):
    before = deferring_http_channel.ac_out_buffer_size
    for channel in channels:
        channel.current_request = object()
    write_large(options)
    assert deferring_http_channel.ac_out_buffer_size == before < BYTES_IN_A_TURN
