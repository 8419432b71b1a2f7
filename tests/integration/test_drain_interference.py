"""Other wills in the middle of a command of a program's own: nothing is lost, nothing is left."""

from __future__ import annotations

import os
import signal

import pytest

from tests.chaos.proc import children
from tests.integration.draining import AFTER, BEFORE, Hooks, alive, drained
from tests.integration.server import SECONDS, Telling

BEFORE_ENDED, AFTER_ENDED = f'{BEFORE}-ended', f'{AFTER}-ended'
PUT_BACK = [BEFORE, AFTER, AFTER_ENDED]
NEW = ['up', AFTER, AFTER_ENDED]


@pytest.fixture
def held(start):
    """held(word, count, **options): a server in the middle of a restart one after the other, the
    hooks of it, and the restart's id: the first process is in the command `word`, which lasts.
    """
    all_hooks = []

    def begin(word, count=2, more='RESTARTER_READY="notify"', kind=Telling, **options):
        server = start(drained(count=count, autorestart='false', more=more), kind=kind)
        hooks = Hooks(server)
        all_hooks.append(hooks)
        hooks.wait('up', count)
        hooks.forget()
        hooks.hold(word)
        id = server.restarter.startRestart('web', {'max_unavailable': 1, **options})
        hooks.wait(word)
        return server, hooks, id

    yield begin
    for hooks in all_hooks:
        hooks.wait_none_left()


def errors(struct):
    return [process['error'] for process in struct['processes']]


# -- the restart is not to go on -----------------------------------------------------------------


def test_cancelled_while_it_is_drained_it_is_put_back(held):
    server, hooks, id = held(BEFORE)
    before = server.pids()
    assert server.restarter.cancelRestart(id) is True
    struct = server.wait_finished(id)
    assert (struct['state'], server.pids()) == ('cancelled', before)
    assert all(error.startswith('not reached') for error in errors(struct))
    assert hooks.words() == PUT_BACK


def test_at_its_timeout_what_is_drained_is_put_back(held):
    server, hooks, id = held(BEFORE, timeout=1)
    before = server.pids()
    struct = server.wait_finished(id)
    assert (struct['state'], server.pids()) == ('timed_out', before)
    assert errors(struct) == ['not reached before the timeout'] * 2
    assert hooks.words() == PUT_BACK


def test_where_another_one_fails_first_what_is_drained_is_put_back(held):
    server, hooks, id = held(BEFORE, 3, max_unavailable=2)
    hooks.wait(BEFORE, 2)
    first = next(event for event in hooks.events() if event.process == '0')
    os.kill(first.own, signal.SIGKILL)
    struct = server.wait_finished(id)
    assert struct['state'] == 'failed'
    why = 'RESTARTER_BEFORE_STOP: terminated by SIGKILL'
    assert errors(struct)[0] == why
    assert all('web:0 failed first' in error for error in errors(struct)[1:])
    assert (hooks.words('0'), hooks.words('1'), hooks.words('2')) == (PUT_BACK, PUT_BACK, [])


def test_cancelled_while_that_is_told_it_is_told(held):
    server, hooks, id = held(AFTER)
    assert server.restarter.cancelRestart(id) is True
    hooks.go(AFTER)
    struct = server.wait_finished(id)
    assert struct['state'] == 'cancelled'
    assert [process['phase'] for process in struct['processes']] == ['ready', 'skipped']
    assert hooks.words() == [BEFORE, BEFORE_ENDED, 'down', *NEW]


@pytest.mark.parametrize('end', ['stop', 'death', 'time'])
def test_what_is_being_put_back_need_not_stay(held, end):
    """It is stopped, it dies, or its command does not end."""
    server, hooks, id = held(BEFORE, 1, hook_timeout=1 if end == 'time' else 0)
    hooks.hold(AFTER)
    server.restarter.cancelRestart(id)
    hooks.wait(AFTER)
    if end == 'stop':
        server.rpc().supervisor.stopProcess('web')
    elif end == 'death':
        os.kill(server.pids()['web'], signal.SIGKILL)
    struct = server.wait_finished(id)
    assert struct['state'] == 'cancelled'
    (error,) = errors(struct)
    assert error.startswith('not reached')
    late = '; then: RESTARTER_AFTER_READY: not finished within 1 s'
    assert error.endswith(late) is (end == 'time')
    assert (server.state('web') == 'RUNNING') is (end == 'time')
    assert hooks.words() == [BEFORE, AFTER, *(['down'] if end == 'stop' else [])]


# -- other clients -------------------------------------------------------------------------------


@pytest.mark.parametrize('word', [BEFORE, AFTER])
@pytest.mark.parametrize('quick', [False, True])
def test_stopped_by_another_client_it_stays_down(held, word, quick):
    server, hooks, id = held(word, 1)
    so_far = hooks.words()
    if quick:
        server.restarter.quickStop('web', True)
    else:
        server.rpc().supervisor.stopProcess('web')
    assert 'stopped it' in errors(server.wait_finished(id))[0]
    assert server.state('web') == 'STOPPED'
    assert hooks.words() == [*so_far, 'down']


def test_restarted_by_another_client_while_it_is_drained(held):
    server, hooks, id = held(BEFORE, 1)
    assert server.ctl('restart', 'web').returncode == 0
    server.wait_finished(id)
    assert server.state('web') == 'RUNNING'
    words = hooks.words()
    assert words[:2] == [BEFORE, 'down']
    assert BEFORE_ENDED not in words


def test_its_group_is_removed_while_it_is_drained(held):
    server, hooks, id = held(BEFORE, 1)
    rpc = server.rpc()
    rpc.supervisor.stopProcessGroup('web')
    rpc.supervisor.removeProcessGroup('web')
    server.wait_finished(id)
    assert hooks.words() == [BEFORE, 'down']


# -- the process ---------------------------------------------------------------------------------


def test_what_dies_while_it_is_drained_is_started(held):
    server, hooks, id = held(BEFORE, 1)
    os.kill(server.pids()['web'], signal.SIGKILL)
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert hooks.words() == [BEFORE, *NEW]


def test_what_dies_while_that_is_told_has_failed(held):
    server, hooks, id = held(AFTER, 1)
    os.kill(server.pids()['web'], signal.SIGKILL)
    struct = server.wait_finished(id)
    assert struct['state'] == 'failed'
    assert 'terminated by SIGKILL' in errors(struct)[0]
    assert hooks.words() == [BEFORE, BEFORE_ENDED, 'down', 'up', AFTER]


def test_a_command_that_stops_its_own_process(start):
    """It ends well, and the process has died of it: that is as good as a stop."""
    command = "sh -c 'kill -9 $RESTARTER_PID' sh"
    more = f'RESTARTER_READY="notify",RESTARTER_BEFORE_STOP="{command}"'
    server = start(drained(hooks=[AFTER], autorestart='false', more=more))
    hooks = Hooks(server)
    hooks.wait('up')
    hooks.forget()
    assert server.restarter.restartProcessGroup('web') is True
    assert hooks.words() == NEW


def test_what_cannot_be_started_again_any_more_is_put_back_or_not_drained_at_all(start, tmp_path):
    """The program of two goes away while the first one is drained."""
    shell = tmp_path / 'shell'
    shell.symlink_to(os.path.realpath('/bin/sh'))
    section = drained(count=2)
    server = start(section.replace('command=', f'command={shell} -c \'exec "$@"\' sh '))
    hooks = Hooks(server)
    hooks.wait('up', 2)
    hooks.forget()
    before = server.pids()
    hooks.hold(BEFORE)
    options = {'max_unavailable': 1, 'on_failure': 'continue'}
    id = server.restarter.startRestart('web', options)
    hooks.wait(BEFORE)
    shell.unlink()
    hooks.go(BEFORE)
    struct = server.wait_finished(id)
    assert (struct['state'], server.pids()) == ('failed', before)
    for error in errors(struct):
        assert error.startswith('left as it is, for it could not be started again')
    assert hooks.words('0') == [BEFORE, BEFORE_ENDED, AFTER, AFTER_ENDED]
    assert hooks.words('1') == []
    hooks.wait_none_left()


# -- supervisord ---------------------------------------------------------------------------------


@pytest.mark.parametrize('word', [BEFORE, AFTER])
def test_a_reload_leaves_no_command_behind(held, word):
    server, hooks, _ = held(word, 2)
    supervisord = server.pid
    server.rpc().supervisor.restart()
    hooks.wait_none_left()
    server.wait(
        lambda: len(hooks.words()) and hooks.words().count('up') >= 2 + (word == AFTER), 'up'
    )
    server.wait_state('web')
    assert server.pid == supervisord
    # They were reaped, too.
    server.wait(lambda: children(supervisord) == set(server.pids().values()), 'no zombies')
    assert f'{word}-ended' not in hooks.words()
    hooks.go(word)
    id = server.restarter.startRestart('web')
    assert server.wait_finished(id)['state'] == 'succeeded'


@pytest.mark.parametrize('word', [BEFORE, AFTER])
def test_a_shutdown_leaves_no_command_behind(held, word):
    server, hooks, _ = held(word, 2)
    server.rpc().supervisor.shutdown()
    assert server.process.wait(SECONDS) == 0
    hooks.wait_none_left()
    assert f'{word}-ended' not in hooks.words()
    assert {event.pid for event in hooks.events()}.isdisjoint(alive())
