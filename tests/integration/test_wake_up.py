"""The wake-up pipe and the children of supervisord."""

from __future__ import annotations

import os
import signal
from types import SimpleNamespace

import pytest
from supervisor.poller import PollPoller

from supervisor_restarter.server.loop import Reactor


class Options:
    def __init__(self):
        self.map, self.poller = {}, PollPoller(self)

    def get_socket_map(self):
        return self.map


def in_child(question):
    """What a forked child answers: True or False."""
    pid = os.fork()
    if pid == 0:
        os._exit(0 if question() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize('attached', [True, False])
def test_a_child_has_no_wake_up_descriptor_of_ours(attached):
    reactor = Reactor(SimpleNamespace(options=Options()), lambda: None)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)  # somebody else's
    try:
        if attached:
            reactor.attach()
        assert in_child(lambda: signal.set_wakeup_fd(-1) == (-1 if attached else writing))
        reactor.detach()
        assert signal.set_wakeup_fd(before) == writing
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)
