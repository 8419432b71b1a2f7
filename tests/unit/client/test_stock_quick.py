"""What quickstart, quickstop and quickrestart do next, by Supervisor's own calls."""

from __future__ import annotations

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.client.stock_quick import Quick, Verb
from supervisor_restarter.faults import Refusal
from tests.unit.client.samples import info

OK = True


def begun(verb, *states, names='all'):
    """A command over web:0, web:1, ... in these states."""
    return Quick.of(
        verb, names, [info(f'web:{number}', state) for number, state in enumerate(states)]
    )


def lines(quick):
    return [report.line for report in quick.fresh()]


# -- which processes -------------------------------------------------------------------------


@pytest.mark.parametrize(('verb', 'state', 'names', 'call'), [
    (Verb.START, 'STOPPED', 'web:0', 'startProcess'),
    (Verb.START, 'EXITED', 'all', 'startProcess'),
    (Verb.START, 'FATAL', 'web:0', 'startProcess'),
    (Verb.START, 'STOPPING', 'web:0', None),
    (Verb.STOP, 'RUNNING', 'web:0', 'stopProcess'),
    (Verb.STOP, 'STARTING', 'w*', 'stopProcess'),
    (Verb.STOP, 'BACKOFF', 'web:0', 'stopProcess'),
    (Verb.STOP, 'STOPPING', 'web:0', None),
    (Verb.RESTART, 'RUNNING', 'web:0', 'stopProcess'),
    (Verb.RESTART, 'BACKOFF', 'web:0', 'stopProcess'),
    (Verb.RESTART, 'STOPPING', 'web:0', None),
    (Verb.RESTART, 'EXITED', 'all', 'startProcess'),
    (Verb.RESTART, 'FATAL', 'w*', 'startProcess'),
    (Verb.RESTART, 'STOPPED', 'web:0', 'startProcess'),
    (Verb.RESTART, 'STOPPED', 'web', 'startProcess'),
])  # fmt: skip
def test_what_is_called_first(verb, state, names, call):
    quick = begun(verb, state, names=[names])
    assert quick.calls() == ([(call, 'web:0')] if call else [])
    assert not quick.over
    assert lines(quick) == []


@pytest.mark.parametrize(('verb', 'state', 'names', 'said'), [
    (Verb.START, 'RUNNING', 'web:0', ['web:0: ERROR (already started)']),
    (Verb.START, 'BACKOFF', 'web', []),
    (Verb.STOP, 'FATAL', 'web:0', ['web:0: ERROR (not running)']),
    (Verb.STOP, 'EXITED', '*', []),
    (Verb.RESTART, 'STOPPED', 'all', []),
    (Verb.RESTART, 'STOPPED', 'we*', []),
    (Verb.RESTART, 'UNKNOWN', 'web:0', ['web:0: ERROR (failed): state UNKNOWN']),
    (Verb.START, 'UNKNOWN', 'all', ['web:0: ERROR (failed): state UNKNOWN']),
])  # fmt: skip
def test_what_needs_nothing(verb, state, names, said):
    quick = begun(verb, state, names=[names])
    assert quick.over
    assert quick.calls() == []
    assert lines(quick) == said


def test_a_name_that_matches_nothing_refuses_all():
    with pytest.raises(Refusal, match="nothing is named or matched by 'foo', 'x\\*'"):
        begun(Verb.STOP, 'RUNNING', names=['web', 'foo', 'x*'])


# -- how it goes on --------------------------------------------------------------------------


def test_each_process_goes_its_own_way():
    quick = begun(Verb.RESTART, 'RUNNING', 'RUNNING')
    assert [method for method, _ in quick.calls()] == ['stopProcess'] * 2
    quick.answered([OK, OK])
    quick.seen([info('web:0', 'STOPPED'), info('web:1', 'STOPPING')])
    assert quick.calls() == [('startProcess', 'web:0')]
    quick.answered([OK])
    quick.seen([info('web:0', 'STARTING'), info('web:1', 'STOPPING')])
    quick.seen([info('web:0', 'RUNNING'), info('web:1', 'STOPPING')])
    assert lines(quick) == ['web:0: started']
    assert (quick.done, quick.total, quick.over) == (1, 2, False)
    assert quick.calls() == []
    quick.seen([info('web:0', 'RUNNING'), info('web:1', 'STOPPED')])
    assert quick.calls() == [('startProcess', 'web:1')]


def test_what_becomes_of_a_start():
    quick = begun(Verb.START, 'STOPPED')
    quick.calls()
    quick.answered([OK])
    quick.seen([info('web:0', 'STARTING')])
    assert not quick.over
    quick.seen([info('web:0', 'BACKOFF', 'Exited too quickly')])
    assert quick.over
    assert lines(quick) == ['web:0: ERROR (spawn error): Exited too quickly']


@pytest.mark.parametrize(
    ('verb', 'fault', 'text', 'said'),
    [
        (Verb.START, Faults.BAD_NAME, 'BAD_NAME: web:0', '(no such process)'),
        (Verb.START, Faults.NO_FILE, 'NO_FILE: no /x', '(no such file): no /x'),
        (Verb.STOP, Faults.FAILED, 'FAILED: bad', '(failed): bad'),
    ],
)
def test_faults(verb, fault, text, said):
    quick = begun(verb, 'STOPPED' if verb is Verb.START else 'RUNNING')
    quick.calls()
    quick.answered([{'faultCode': fault, 'faultString': text}])
    assert quick.over
    assert lines(quick) == [f'web:0: ERROR {said}']


def test_a_spawn_error_is_explained_by_the_look_that_follows():
    quick = begun(Verb.START, 'STOPPED')
    quick.calls()
    quick.answered([{'faultCode': Faults.SPAWN_ERROR, 'faultString': 'SPAWN_ERROR: web:0'}])
    quick.seen([info('web:0', 'BACKOFF', 'no more memory')])
    assert lines(quick) == ['web:0: ERROR (spawn error): no more memory']


@pytest.mark.parametrize(
    ('verb', 'state', 'said'),
    [
        (Verb.STOP, 'STOPPED', ['web:0: stopped']),
        (Verb.STOP, 'EXITED', ['web:0: stopped']),
        (Verb.STOP, 'STOPPING', []),
        (Verb.STOP, 'RUNNING', ['web:0: ERROR (somebody else started it again meanwhile)']),
        (Verb.STOP, 'UNKNOWN', ['web:0: ERROR (failed): state UNKNOWN']),
        (Verb.RESTART, 'UNKNOWN', ['web:0: ERROR (failed): state UNKNOWN']),
        (Verb.RESTART, 'RUNNING', ['web:0: started']),  # somebody else was quicker
        (Verb.RESTART, 'STARTING', []),
        (Verb.RESTART, 'BACKOFF', ['web:0: ERROR (spawn error)']),
    ],
)
def test_what_becomes_of_a_stop(verb, state, said):
    quick = begun(verb, 'RUNNING')
    quick.calls()
    quick.answered([OK])
    quick.seen([info('web:0', state)])
    assert lines(quick) == said
    assert quick.over == bool(said)


def test_a_process_that_exits_and_is_restarted_by_supervisor_before_the_stop_is_stopped_then():
    quick = begun(Verb.STOP, 'RUNNING')
    quick.calls()
    quick.answered([{'faultCode': Faults.NOT_RUNNING, 'faultString': 'NOT_RUNNING: web:0'}])
    quick.seen([info('web:0', 'STARTING')])
    assert quick.calls() == [('stopProcess', 'web:0')]


def test_what_is_being_stopped_already_is_started_when_it_is_down():
    quick = begun(Verb.START, 'STOPPING')
    quick.seen([info('web:0', 'STOPPING')])
    assert quick.calls() == []
    quick.seen([info('web:0', 'STOPPED')])
    assert quick.calls() == [('startProcess', 'web:0')]
    quick.answered([{'faultCode': Faults.ALREADY_STARTED, 'faultString': 'ALREADY_STARTED: web:0'}])
    quick.seen([info('web:0', 'RUNNING')])
    assert lines(quick) == ['web:0: started']


def test_a_process_that_is_no_longer_there():
    quick = begun(Verb.RESTART, 'RUNNING', 'RUNNING')
    quick.calls()
    quick.answered([OK, OK])
    quick.seen([info('web:1', 'STOPPING')])
    assert lines(quick) == ['web:0: ERROR (no such process)']
    assert not quick.over


# -- as the server has begun it --------------------------------------------------------------


def row(status, text='OK', name='0'):
    return {'group': 'web', 'name': name, 'status': status, 'description': text}


def test_a_start_by_the_server_is_watched():
    quick = Quick.begun(Verb.START, [row(80), row(80, name='1')])
    assert quick.calls() == []
    quick.seen([info('web:0', 'RUNNING'), info('web:1', 'STARTING')])
    assert lines(quick) == ['web:0: started']
    assert not quick.over


def test_a_stop_by_the_server_is_watched():
    quick = Quick.begun(Verb.STOP, [row(80)])
    quick.seen([info('web:0', 'STOPPING')])
    assert lines(quick) == []
    quick.seen([info('web:0', 'STOPPED')])
    assert lines(quick) == ['web:0: stopped']


def test_what_the_server_could_not_do_is_over():
    quick = Quick.begun(Verb.STOP, [row(70, 'NOT_RUNNING: web:0'), row(80, name='1')])
    assert (quick.total, quick.over) == (1, False)
    assert lines(quick) == ['web:0: ERROR (not running)']


# -- what was as wanted ----------------------------------------------------------------------


def test_what_was_as_wanted_is_one_line():
    quick = Quick.begun(Verb.START, [])
    infos = [info('web:0'), info('web:1'), info('web:2', 'STOPPED'), info('app')]
    assert quick.as_wanted(['web'], lambda: infos) == 'web:0, web:1: already started'
    assert quick.as_wanted(['gone'], lambda: infos) == ''
    assert Quick.begun(Verb.RESTART, []).as_wanted(['web'], pytest.fail) == ''


def test_what_was_seen_is_not_asked_for_again():
    quick = begun(Verb.STOP, 'STOPPED', 'EXITED', names=['web'])
    assert quick.as_wanted(['web'], pytest.fail) == 'web:0, web:1: not running'


def test_what_was_told_by_its_name_is_not_told_again():
    quick = begun(Verb.STOP, 'STOPPED', names=['web:0'])
    assert quick.as_wanted(['web:0'], pytest.fail) == ''
