"""BEFORE_STOP and AFTER_READY in a surge, where there are two processes of one name."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.draining import AFTER, BEFORE, Hooks, drained
from tests.integration.server import Server
from tests.integration.surging import YES, begin, by_name


@pytest.fixture
def web():
    """web:0, with its pid; no command is left behind, whatever the test does."""
    with Server(drained(more=YES, process_name='%(process_num)d')) as server:
        hooks = Hooks(server)
        [up] = hooks.wait('up')
        hooks.forget()
        yield server, hooks, up.pid
        hooks.wait_none_left()
        server.check_log()


def said(hooks):
    """(what, pid) of all events."""
    return [(event.word, event.pid) for event in hooks.events()]


def commands(hooks):
    """... of all that is not about the workers themselves."""
    return [one for one in said(hooks) if one[0] not in ('up', 'down')]


def test_the_old_one_is_drained_then_the_new_one_told_of_then_the_old_one_stopped(web):
    server, hooks, old = web
    restart = server.wait_finished(begin(server))
    new = server.pids()['0']
    server.wait(lambda: 'up' in hooks.words(), 'the new worker')  # which may be slow
    assert [one for one in said(hooks) if one[0] != 'up'] == [
        (BEFORE, old),
        (f'{BEFORE}-ended', old),
        (AFTER, new),
        (f'{AFTER}-ended', new),
        ('down', old),
    ]
    assert {event.process for event in hooks.events()} == {'0'}  # also of the one that lies aside
    [process] = restart['processes']
    assert (restart['lowest_ready'], process['error']) == (1, '')
    assert process['drain_seconds'] > 0


def kept(server, hooks, old, restart, reason):
    """The old process has its name and serves; the new one was stopped."""
    assert restart['state'] == 'failed'
    [process] = restart['processes']
    assert reason in process['error']
    server.wait(lambda: server.pids() == {'0': old}, 'the old one alone')
    assert by_name(server) == {'web:0': 'RUNNING'}
    assert ('down', old) not in said(hooks)


def test_where_draining_fails_the_old_one_is_put_back(web):
    server, hooks, old = web
    hooks.fail(BEFORE)
    restart = server.wait_finished(begin(server))
    kept(server, hooks, old, restart, 'RESTARTER_BEFORE_STOP: exit status 7: no such server')
    assert commands(hooks)[-2:] == [(AFTER, old), (f'{AFTER}-ended', old)]


def test_where_telling_fails_the_old_one_is_put_back(web):
    server, hooks, old = web
    hooks.fail(AFTER)
    restart = server.wait_finished(begin(server))
    kept(server, hooks, old, restart, 'RESTARTER_AFTER_READY: exit status 7: no such server')
    assert [one for one in said(hooks) if one[0] == AFTER][-1] == (AFTER, old)


def test_a_cancel_while_the_old_one_is_drained(web):
    server, hooks, old = web
    hooks.hold(BEFORE)
    id = begin(server)
    hooks.wait(BEFORE)
    server.restarter.cancelRestart(id)
    restart = server.wait_finished(id)
    assert (restart['state'], restart['processes'][0]['phase']) == ('cancelled', 'skipped')
    server.wait(lambda: server.pids() == {'0': old}, 'the old one alone')
    assert commands(hooks)[-2:] == [(AFTER, old), (f'{AFTER}-ended', old)]
    assert ('down', old) not in said(hooks)


@pytest.mark.parametrize('word', [BEFORE, AFTER])
def test_a_stop_while_a_command_runs_stops_both(web, word):
    server, hooks, old = web
    hooks.hold(word)
    id = begin(server)
    hooks.wait(word)
    server.ctl('stop', 'web:0')
    restart = server.wait_finished(id)
    assert restart['processes'][0]['phase'] == 'skipped'
    server.wait(lambda: by_name(server) == {'web:0': 'STOPPED'}, 'both to be stopped')
    assert ('down', old) in said(hooks)
    assert f'{word}-ended' not in hooks.words()


def test_where_the_old_one_dies_while_it_is_drained_the_new_one_is_told_of(web):
    server, hooks, old = web
    hooks.hold(BEFORE)
    id = begin(server)
    hooks.wait(BEFORE)
    os.kill(old, signal.SIGKILL)
    restart = server.wait_finished(id)
    new = server.pids()['0']
    assert restart['state'] == 'succeeded'
    assert commands(hooks)[-2:] == [(AFTER, new), (f'{AFTER}-ended', new)]
    assert f'{BEFORE}-ended' not in hooks.words()


def test_a_new_one_that_dies_while_the_old_one_is_drained(web):
    server, hooks, old = web
    hooks.hold(BEFORE)
    id = begin(server)
    hooks.wait(BEFORE)
    os.kill(server.pids()['0'], signal.SIGKILL)
    restart = server.wait_finished(id)
    kept(server, hooks, old, restart, 'SIGKILL')
    assert commands(hooks)[-2:] == [(AFTER, old), (f'{AFTER}-ended', old)]
