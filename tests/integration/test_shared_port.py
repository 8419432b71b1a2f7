"""A surge of a single server on a port that old and new share (SO_REUSEPORT): nobody is refused, where
a plain restart refuses. Requests that the old one is answering are cut off: it is rude.
"""

from __future__ import annotations

import sys
from collections import Counter

import pytest

from bench.load import ask
from bench.rolling import load
from tests.integration.server import free_port, program
from tests.integration.test_haproxy import RUDE

CLIENTS, PAUSE = 4, 0.005
SURGE = 'RESTARTER_READY="notify",RESTARTER_SURGE="yes"'


@pytest.fixture
def listening(start):
    """listening(commands='') gives a supervisord with one such server, and its port. The next one of
    it listens only when there is the file `go` again.
    """

    def begin(commands=''):
        port = free_port()
        command = f'{sys.executable} -S -E {RUDE} {port} --shared %(here)s/go'
        server = start(program(command=command, environment=SURGE + commands))
        (server.dir / 'go').touch()
        server.wait(lambda: ask('127.0.0.1', port)[0] == 'ok', 'the server')
        server.wait_state()
        (server.dir / 'go').unlink()
        return server, port

    return begin


def surged(server, port):
    """What became of requests during a surge, by their kind; the restart; the pids before and after."""
    [before] = server.pids().values()
    with load(port, CLIENTS, PAUSE) as requests:
        id = server.restarter.startRestart('web', {'max_surge': 1})
        server.wait_phase(id, 'starting')
        assert ask('127.0.0.1', port) == ('ok', before)
        (server.dir / 'go').touch()
        ended = server.wait_finished(id)
        [after] = server.pids().values()
        server.wait(
            lambda: ask('127.0.0.1', port) == ('ok', after), 'an answer of the one there is'
        )
    kinds = Counter(request.kind for request in requests)
    assert kinds['refused'] == 0 < kinds['ok'], kinds
    assert ended['lowest_ready'] == 1
    return ended, before, after


def test_new_before_old_refuses_nobody(listening):
    ended, before, after = surged(*listening())
    assert ended['state'] == 'succeeded'
    assert before != after


def test_a_plain_restart_refuses(listening):
    server, port = listening()
    id = server.restarter.startRestart('web')
    server.wait(lambda: ask('127.0.0.1', port)[0] == 'refused', 'a refusal')
    (server.dir / 'go').touch()
    ended = server.wait_finished(id)
    assert (ended['state'], ended['lowest_ready']) == ('succeeded', 0)


def test_a_release_that_fails_never_touches_the_old_one(listening):
    # what is to call it ready fails, so that it has answered, too
    ended, before, after = surged(*listening(',RESTARTER_AFTER_READY="/bin/false"'))
    assert ended['state'] == 'failed'
    assert before == after
