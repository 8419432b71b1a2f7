"""Commands of programs around their restarts, on a real supervisord: what runs when, and as what."""

from __future__ import annotations

import os
import pwd
from typing import Any

import pytest

from supervisor_restarter.faults import Code
from tests.integration.draining import AFTER, BEFORE, HOOK, VARIABLES, Hooks, drained
from tests.integration.server import SECONDS, program

BEFORE_ENDED, AFTER_ENDED = f'{BEFORE}-ended', f'{AFTER}-ended'
WHOLE = [BEFORE, BEFORE_ENDED, 'down', 'up', AFTER, AFTER_ENDED]  # of one process
NOBODY = pwd.getpwnam('nobody')
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root can run commands as others')


@pytest.fixture
def draining(start):
    """draining(count, programs): a server with a group 'web' of so many, and what the commands do;
    at the end of the test none of them is left.
    """
    all_hooks = []

    def begin(count=2, programs='', **settings):
        server = start(drained(count=count, **settings) + programs)
        hooks = Hooks(server)
        all_hooks.append(hooks)
        hooks.wait('up', count)
        hooks.forget()
        return server, hooks

    yield begin
    for hooks in all_hooks:
        hooks.wait_none_left()


def of(struct, key):
    """The values of the processes, in order."""
    return [process[key] for process in struct['processes']]


# -- when ----------------------------------------------------------------------------------------


def test_one_after_the_other_each_is_drained_stopped_started_and_told(draining):
    server, hooks = draining()
    before = server.pids()
    assert server.restarter.restartProcessGroup('web', {'max_unavailable': 1}) is True
    assert hooks.words() == WHOLE * 2
    now, events = server.pids(), hooks.events()
    assert [event.process for event in events] == ['0'] * 6 + ['1'] * 6
    meant = [event.pid for event in events if event.word in (BEFORE, AFTER)]
    assert meant == [before['0'], now['0'], before['1'], now['1']]


def test_while_it_is_drained_it_does_not_serve_and_runs_on(draining):
    server, hooks = draining(3)
    before = server.pids()
    hooks.hold(BEFORE)
    id = server.restarter.startRestart('web', {'max_unavailable': 1})
    hooks.wait(BEFORE)
    struct = server.wait_phase(id, 'draining')
    assert of(struct, 'phase') == ['draining', 'waiting', 'waiting']
    assert (struct['ready'], server.pids()) == (2, before)
    hooks.go(BEFORE)
    struct = server.wait_finished(id)
    assert (struct['state'], struct['lowest_ready']) == ('succeeded', 2)
    assert all(process['drain_seconds'] > 0 for process in struct['processes'])


def test_it_counts_as_ready_when_that_has_been_told(draining):
    server, hooks = draining(2)
    hooks.hold(AFTER)
    id = server.restarter.startRestart('web', {'max_unavailable': 1})
    hooks.wait(AFTER)
    struct = server.restarter.getRestart(id)
    assert (of(struct, 'phase'), struct['ready']) == (['starting', 'waiting'], 1)
    hooks.go(AFTER)
    struct = server.wait_finished(id)
    assert (struct['state'], struct['done']) == ('succeeded', 2)
    assert hooks.words() == WHOLE * 2


def test_only_the_commands_that_there_are(draining):
    server, hooks = draining(1, hooks=[BEFORE])
    assert server.restarter.restartProcessGroup('web') is True
    assert hooks.words() == WHOLE[:4]
    server, hooks = draining(1, hooks=[AFTER])
    assert server.restarter.restartProcessGroup('web') is True
    assert hooks.words() == WHOLE[2:]


def test_where_the_new_one_comes_first_it_is_ready_before_the_old_one_is_drained(draining):
    server, hooks = draining(1, more='RESTARTER_READY="notify",RESTARTER_SURGE="yes"')
    old = server.pids()['web']
    assert server.restarter.restartProcessGroup('web', {'max_surge': 1}) is True
    new = server.pids()['web']
    words = ['up', BEFORE, BEFORE_ENDED, AFTER, AFTER_ENDED, 'down']
    pids = [new, old, old, new, new, old]
    assert [event[:3] for event in hooks.events()] == [
        (word, 'web', pid) for word, pid in zip(words, pids)
    ]


@pytest.mark.parametrize('word', [BEFORE, AFTER])
def test_where_the_old_one_does_not_hand_over_it_is_put_back(draining, word):
    server, hooks = draining(1, more='RESTARTER_READY="notify",RESTARTER_SURGE="yes"')
    old = server.pids()
    hooks.hold(word)
    id = server.restarter.startRestart('web', {'max_surge': 1})
    (held,) = hooks.wait(word)
    assert server.restarter.cancelRestart(id) is True
    hooks.wait('down')
    if word == AFTER:
        hooks.go(word)
    struct = server.wait_finished(id)
    assert (struct['state'], server.pids()) == ('cancelled', old)
    assert (AFTER_ENDED, old['web']) in [(one.word, one.pid) for one in hooks.events()]
    assert not [event for event in hooks.events() if event.own == held.own and event != held]


def test_what_was_down_is_told_and_not_drained(draining):
    server, hooks = draining(1)
    server.rpc().supervisor.stopProcess('web')
    hooks.forget()
    assert server.restarter.restartProcessGroup('web') is True
    assert hooks.words() == WHOLE[3:]


def test_what_is_no_restart_runs_none(draining):
    server, hooks = draining(1)
    rpc = server.rpc()
    rpc.restarter.quickStop('web:*', True)
    rpc.restarter.quickStart('web:*', True)
    hooks.wait('up', 1)
    assert server.ctl('restart', 'web').returncode == 0
    hooks.wait('up', 2)
    rpc.supervisor.stopProcessGroup('web')
    rpc.supervisor.startProcessGroup('web')
    hooks.wait('up', 3)
    id = rpc.restarter.startRestart('web', {'method': 'signal:WINCH', 'timeout': 0})
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert hooks.words() == ['down', 'up'] * 3


def test_a_quick_restart_is_a_restart(draining):
    server, hooks = draining(1)
    server.restarter.quickRestart('web:*', True)
    assert hooks.words() == WHOLE


def test_many_at_once(draining):
    """They take their turns, fifty of a group at a time, and all of them are run."""
    count = 60
    server, hooks = draining(count)
    hooks.hold(BEFORE)
    id = server.restarter.startRestart('web', {'hook_timeout': 0, 'ready_timeout': SECONDS})
    hooks.wait(BEFORE, 50)
    assert server.restarter.getRestart(id)['ready'] == count - 50
    assert server.rpc().supervisor.getState()['statename'] == 'RUNNING'
    assert len(hooks.words()) == 50
    hooks.go(BEFORE)
    assert server.wait_finished(id)['state'] == 'succeeded'
    for name in server.pids():
        assert hooks.words(name) == WHOLE


def test_two_restarts_in_a_queue(draining):
    server, hooks = draining(1)
    hooks.hold(BEFORE)
    first = server.restarter.startRestart('web')
    hooks.wait(BEFORE)
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    assert server.restarter.getRestart(second)['state'] == 'queued'
    hooks.go(BEFORE)
    assert server.wait_finished(first)['state'] == 'succeeded'
    assert server.wait_finished(second)['state'] == 'succeeded'
    assert hooks.words() == WHOLE * 2


# -- as what -------------------------------------------------------------------------------------

# Supervisor takes quotes off the end of a value, so something stands behind the last one.
LOOK = (
    "sh -c 'id -u; id -g; umask; pwd; echo $RESTARTER_PID $SUPERVISOR_PROCESS_NAME $A;"
    " read x || echo none' sh"
)


@pytest.mark.parametrize('user', ['', pytest.param('nobody', marks=needs_root)])
def test_as_the_user_of_the_process_in_its_directory_with_its_environment(start, user):
    settings: dict[str, Any] = {'user': user} if user else {}
    environment = f'A="b c",RESTARTER_BEFORE_STOP="{LOOK}"'
    server = start(
        program('web', umask='027', directory='/usr', environment=environment, **settings)
    )
    server.wait_state('web')
    pid = server.pids()['web']
    assert server.restarter.restartProcessGroup('web') is True
    uid, gid = (NOBODY.pw_uid, NOBODY.pw_gid) if user else (os.geteuid(), os.getegid())
    said = server.rpc().supervisor.readProcessStdoutLog('web', 0, 0)
    expected = [uid, gid, '0027', '/usr', f'{pid} web b c', 'none']
    assert said.splitlines() == list(map(str, expected))


SAY = "sh -c 'echo out; echo err >&2; echo out again' sh"


@pytest.mark.parametrize(
    ('settings', 'stdout', 'stderr'),
    [
        ({}, 'out\nout again\n', 'err\n'),
        ({'redirect_stderr': 'true'}, 'out\nerr\nout again\n', ''),
        ({'stdout_capture_maxbytes': '1MB'}, 'out\nout again\n', 'err\n'),
    ],
)
def test_what_it_says_is_in_the_logs_of_the_process(start, settings, stdout, stderr):
    server = start(program('web', environment=f'RESTARTER_AFTER_READY="{SAY}"', **settings))
    server.wait_state('web')
    assert server.restarter.restartProcessGroup('web') is True
    supervisor = server.rpc().supervisor
    assert supervisor.readProcessStdoutLog('web', 0, 0) == stdout
    if not settings.get('redirect_stderr'):
        assert supervisor.readProcessStderrLog('web', 0, 0) == stderr


def test_a_process_without_logs(start):
    log: dict[str, Any] = dict.fromkeys(['stdout_logfile', 'stderr_logfile'], 'NONE')
    server = start(program('web', environment=f'RESTARTER_BEFORE_STOP="{SAY}"', **log))
    server.wait_state('web')
    assert server.restarter.restartProcessGroup('web') is True


def test_a_listener_goes_on_listening(start):
    """Its stdout is for supervisord, which would take anything else there for an error."""
    listener = program(
        'ears',
        "sh -c 'echo READY; exec sleep 1000'",
        kind='eventlistener',
        events='TICK_3600',
        environment=f'RESTARTER_BEFORE_STOP="{SAY}",RESTARTER_AFTER_READY="{SAY}"',
    )
    server = start(listener)
    server.wait(
        lambda: server.rpc().supervisor.readProcessStdoutLog('ears', 0, 0) == 'READY\n', 'READY'
    )
    mark = server.log_size()
    assert server.restarter.restartProcessGroup('ears') is True
    supervisor = server.rpc().supervisor
    server.wait(lambda: supervisor.readProcessStdoutLog('ears', 0, 0) == 'READY\n' * 2, 'READY')
    said = supervisor.readProcessStderrLog('ears', 0, 0).splitlines()
    assert sorted(said) == ['err'] * 2 + ['out'] * 2 + ['out again'] * 2
    assert 'UNKNOWN' not in server.log_text(mark)


# -- where it fails ------------------------------------------------------------------------------


def test_what_cannot_be_drained_is_left_running_and_put_back(draining):
    server, hooks = draining(2)
    before = server.pids()
    hooks.fail(BEFORE)
    struct = server.wait_finished(server.restarter.startRestart('web', {'max_unavailable': 1}))
    assert (struct['state'], server.pids()) == ('failed', before)
    why = 'RESTARTER_BEFORE_STOP: exit status 7: no such server'
    first, second = struct['processes']
    assert (first['phase'], first['error']) == ('failed', why)
    assert second['error'].startswith('not reached')
    assert [e[:3] for e in hooks.events()] == [
        (word, '0', before['0']) for word in (BEFORE, f'{BEFORE}-failed', AFTER, AFTER_ENDED)
    ]


def test_what_it_says_is_told_in_one_safe_line(draining):
    server, hooks = draining(1)
    hooks.fail(BEFORE, 'fine\n\033]0;title\a\033[2Jno such server\n')
    mark = server.log_size()
    (result,) = server.restarter.restartProcessGroup('web')
    assert result['text'].endswith('exit status 7: \\x1b]0;title\\x07\\x1b[2Jno such server')
    assert all(line.isprintable() for line in server.log_text(mark).splitlines())


def test_what_cannot_be_put_back_either_has_both_reasons(draining):
    server, hooks = draining(1)
    hooks.fail(BEFORE)
    hooks.fail(AFTER, 'nor there\n')
    result = server.restarter.restartProcessGroup('web')
    assert [one['text'] for one in result] == [
        'STOP_FAILED: RESTARTER_BEFORE_STOP: exit status 7: no such server; '
        'then: RESTARTER_AFTER_READY: exit status 7: nor there'
    ]


def test_what_cannot_be_told_has_failed_and_runs_on(draining):
    server, hooks = draining(2)
    hooks.fail(AFTER)
    struct = server.wait_finished(server.restarter.startRestart('web', {'max_unavailable': 1}))
    first, second = struct['processes']
    why = 'RESTARTER_AFTER_READY: exit status 7: no such server'
    assert (first['phase'], first['error']) == ('failed', why)
    assert first['new_pid'] == server.pids()['0'] != first['old_pid']
    assert second['error'].startswith('not reached')
    assert hooks.words() == [*WHOLE[:5], f'{AFTER}-failed']


@pytest.mark.parametrize('word', [BEFORE, AFTER])
def test_after_its_time_it_is_killed_with_all_that_it_has_started(draining, word):
    server, hooks = draining(1)
    before = server.pids()
    hooks.hold(word)
    (result,) = server.restarter.restartProcessGroup('web', {'hook_timeout': 3, 'timeout': 0})
    variable = VARIABLES[word]
    code = 'STOP_FAILED' if word == BEFORE else 'START_FAILED'
    assert result['text'].startswith(f'{code}: {variable}: not finished within 3 s')
    assert hooks.words()[-1] != f'{word}-ended'
    assert (server.pids() == before) is (word == BEFORE)
    hooks.wait_none_left()
    assert server.state('web') == 'RUNNING'


@pytest.mark.parametrize('word', [BEFORE, AFTER])
@pytest.mark.parametrize(
    ('command', 'why'),
    [
        ('/no/such/lb', "couldn't exec /no/such/lb: ENOENT (No such file or directory)"),
        ('no-such-lb', 'there is no no-such-lb in its PATH'),
    ],
)
def test_where_a_command_cannot_be_run_nothing_is_touched(draining, word, command, why):
    other = AFTER if word == BEFORE else BEFORE
    variable = VARIABLES[word]
    server, hooks = draining(1, hooks=[other], more=f'{variable}="{command} web"')
    before = server.pids()
    (result,) = server.restarter.restartProcessGroup('web')
    assert result['text'].endswith(f'could not be started again: {variable}: {why}')
    assert (server.pids(), hooks.words()) == (before, [])
    assert why in str(server.restarter.planRestart('web')['warnings'])


def test_a_command_that_goes_away_meanwhile(draining, tmp_path):
    """Neither can be run when its time has come."""
    lb = tmp_path / 'lb'
    lb.symlink_to(HOOK)
    server, hooks = draining(2, hooks=[BEFORE], more=f'RESTARTER_AFTER_READY="{lb} {AFTER}"')
    hooks.hold(BEFORE)
    id = server.restarter.startRestart('web', {'max_unavailable': 1})
    hooks.wait(BEFORE)
    lb.unlink()
    server.restarter.cancelRestart(id)
    first, second = server.wait_finished(id)['processes']
    assert first['error'].startswith('not reached')
    assert first['error'].endswith(
        f'; then: RESTARTER_AFTER_READY: {lb}: No such file or directory'
    )
    assert second['error'].startswith('not reached')


def test_a_command_that_makes_no_sense_is_refused(start):
    server = start(program('web', environment='RESTARTER_BEFORE_STOP="lb \'drain"'))
    server.wait_state('web')
    before = server.pids()
    fault = server.fault(lambda: server.restarter.restartProcessGroup('web'))
    assert fault.faultCode == Code.BAD_OPTION
    assert 'RESTARTER_BEFORE_STOP = "lb \'drain"' in fault.faultString
    assert server.pids() == before
