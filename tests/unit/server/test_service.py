"""The service in a simulated world: queue, slices, wake times, history, rescue, clients that wait."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import pytest

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.phases import Phase, Seen
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.names import Match, group_members
from supervisor_restarter.options import CALL_TIMEOUT, Options
from supervisor_restarter.server import service as its_module
from supervisor_restarter.server.driver import EXEC_POLL_SECONDS
from supervisor_restarter.server.jobs import MOST_QUEUED, MOST_WATCHED
from supervisor_restarter.server.lookout import LOOK_AT_ALL
from supervisor_restarter.server.pacing import SLICE
from supervisor_restarter.server.request import Call, Selection, still_there
from tests.simulated import WALL, Defect, Simulation, slow
from tests.world import BEGINNING, MOMENT, SECOND, Life, Program

WEB = ('web:0', 'web:1', 'web:2')


def state(job):
    return job.operation.state.value


def phases(job):
    return {process['name']: process['phase'] for process in job.struct()['processes']}


@pytest.fixture
def web():
    """Three processes that take a tenth of a second to stop, and a second to be RUNNING."""
    return Simulation(*WEB)


def refused(call, *args, **options):
    with pytest.raises(Refusal) as info:
        call(*args, **options)
    return info.value


# -- one restart ---------------------------------------------------------------------------------


def test_a_restart_from_its_beginning_to_its_end(web):
    job = web.ask('web')
    assert state(job) == 'running'
    assert web.end() == pytest.approx(1.1, abs=0.01)
    assert state(job) == 'succeeded'
    assert web.done('stop') == dict.fromkeys(WEB, 0.0)
    assert web.done('start') == dict.fromkeys(WEB, 0.1)
    assert web.events == [(job.id, 'running'), (job.id, 'succeeded')]
    assert web.lines[0] == f'restarter: restart {job.id} of web begins: 3 processes (scout = 0)'
    assert web.lines[1].endswith('succeeded after 1.100 s: 3 of 3 done')


def test_what_is_shown_of_it_is_on_the_wall_clock(web):
    job = web.ask('web')
    web.to(0.5)
    struct = job.struct()
    assert (struct['requested_at'], struct['finished_at']) == ('2023-11-14T22:13:20.000Z', '')
    assert struct['duration'] == 0.5
    web.end()
    assert job.struct()['finished_at'].startswith('2023-11-14T22:13:21.1')
    assert job.struct()['duration'] == pytest.approx(1.1, abs=0.01)


def test_nothing_of_ours_is_in_the_loop_before_and_after(web):
    assert not web.reactor.attached
    web.ask('web')
    assert web.reactor.attached
    web.end()
    assert (web.reactor.attached, web.actions.part.held) == (False, set())


def test_all_are_attended_to_at_first_and_then_what_something_has_happened_to(web):
    attended = []
    act = web.actions.part.attend

    def attend(handle, now):
        attended.append((web.turns, handle.group.name))
        act(handle, now)

    web.actions.part.attend = attend
    web.ask('web', max_unavailable=1)
    web.to(0.5)
    assert web.processes.calls['hold'] == 3
    everyone = ['0', '1', '2']
    assert [name for turn, name in attended if turn == 0] == everyone  # as it begins
    assert [name for turn, name in attended if turn == 1] == everyone
    assert {name for turn, name in attended if turn > 1} == {'0'}
    assert len(attended) == len({*attended}), 'more than once in a turn'


def test_when_a_job_has_ended_the_others_look_at_all_of_theirs(web):
    """The obituary of a process may have been that job's."""
    rolling = web.ask('web', max_unavailable=1, min_ready=5)
    web.to(1.4)  # all were looked at a moment ago
    web.at(1.5, lambda: web.ask('web:2', Goal.START))
    attended = []
    act = web.actions.part.attend

    def attend(handle, now):
        attended.append(handle)
        act(handle, now)

    web.actions.part.attend = attend
    web.to(1.6)
    assert {*rolling.handles.values()} <= {*attended}


def test_now_and_then_all_are_attended_to_and_what_no_event_tells_is_seen(web):
    """Another plugin may change a process."""
    [job] = [web.ask('web', max_unavailable=1, min_ready=5)]
    web.to(2)
    web.jobs.note = lambda process: None
    web.at(2.5, lambda: web.world.processes['web:2'].stop(web.world.now))
    web.to(2.5 + 2 * LOOK_AT_ALL)
    assert job.operation.members[2].phase is Phase.TAKEN


@pytest.mark.parametrize('goal', [Goal.START, Goal.STOP])
def test_starts_and_stops_are_neither_listed_nor_told_of(web, goal):
    web.ask('web', goal)
    web.end()
    assert (web.service.restarts(), web.lines, web.events) == ([], [], [])


def test_a_stop_is_carried_out_before_its_request_is_answered(web):
    web.actions.part.cost = SLICE
    web.ask('web', Goal.STOP)
    assert set(web.done('stop')) == set(WEB)
    web.end()
    assert web.down() == list(WEB)


# -- newer_than ----------------------------------------------------------------------------------


class Stamp:
    """A file in a directory of the test's own."""

    def __init__(self, directory):
        self.path = directory / 'stamp'
        self.path.touch()
        self.at(-1000)

    def at(self, seconds) -> dict[str, Any]:
        """Have it changed so many seconds after the beginning; an option that names it."""
        at = WALL + BEGINNING + seconds
        os.utime(self.path, (at, at))
        return {'newer_than': (str(self.path),)}


@pytest.fixture
def stamp(tmp_path):
    return Stamp(tmp_path)


def test_what_is_new_enough_is_left_alone(web, stamp):
    web.world.processes['web:1'].laststart = BEGINNING - 50.0
    web.world.processes['web:2'].laststart = BEGINNING - 100.0
    job = web.ask('web', **stamp.at(-50.1))
    web.end()
    assert phases(job) == dict.fromkeys('01', 'skipped') | {'2': 'ready'}
    assert web.lines[0].endswith(f'(scout = 0, newer_than = {stamp.path})')
    plan = web.service.plan(Selection('web'), Options(**stamp.at(-1.0)))
    assert [process['name'] for process in plan['batches'][0]['processes']] == ['0', '1']
    assert web.service.plan(Selection('web'), Options(**stamp.at(-1000)))['total'] == 0


def test_a_path_that_is_missing_is_refused_before_anything_is_done(web, stamp):
    first = web.ask('web')
    lines = list(web.lines)
    gone: dict[str, Any] = {'newer_than': (*stamp.at(0)['newer_than'], '/no/where')}
    for options in (gone, {**gone, 'if_busy': 'queue'}):
        assert refused(web.ask, 'web', **options).code is Code.BAD_OPTION
    refusal = refused(web.service.plan, Selection('web'), Options(**gone))
    assert refusal.text == 'BAD_OPTION: newer_than = /no/where: No such file or directory'
    assert (web.lines, web.service.restarts()) == (lines, [first])


def test_a_queued_restart_looks_at_the_files_again_when_it_begins(web, stamp):
    web.ask('web', timeout=60.0)
    again = web.ask('web', if_busy='queue', **stamp.at(-1000))
    gone = web.ask('web', if_busy='queue', **stamp.at(-1000))
    web.at(0.5, lambda: stamp.at(0.6))
    web.to(1.5)
    assert phases(again) == dict.fromkeys('012', 'starting')
    stamp.path.unlink()
    web.end()
    assert (state(again), state(gone)) == ('succeeded', 'cancelled')
    assert gone.operation.why.endswith('No such file or directory')


def test_a_queued_restart_finds_nothing_to_do_if_the_first_has_done_it(web, stamp):
    web.ask('web')
    again = web.ask('web', if_busy='queue', **stamp.at(0.0))
    web.end()
    assert phases(again) == dict.fromkeys('012', 'skipped')


def test_a_retry_knows_nothing_of_files_unless_it_is_told(web, stamp):
    web.world.processes['web:0'].program.signal_status = 1
    web.world.processes['web:0'].laststart = BEGINNING - 5000.0
    job = web.ask('web:0', method='signal:HUP', **stamp.at(-1000))
    web.end()
    assert state(job) == 'failed'
    retried = web.service.retry(job.id, {'method': 'restart'})
    assert retried.asked.newer_than == ()
    web.end()
    assert phases(retried) == {'0': 'ready'}
    again = web.service.retry(job.id, stamp.at(-1000))
    web.end()
    assert phases(again) == {'0': 'skipped'}


def test_what_could_not_be_started_again_is_not_stopped(web):
    web.world.processes['web:1'].program.obstacle = 'no such file'
    job = web.ask('web')
    web.end()
    assert (web.done('stop'), web.down(), state(job)) == ({}, [], 'failed')
    assert 'failed: web:1 (left as it is: no such file)' in web.lines[1]


@pytest.fixture
def patient():
    """Twenty processes; to find out whether one of them could be started again takes 4 ms."""
    sim: Any = Simulation(*(f'web:{number}' for number in range(20)))
    sim.looked_at = []
    real = sim.processes.part.obstacle

    def obstacle(handle, obstacles):
        sim.world.now += 0.004
        sim.looked_at.append(handle.process)
        return real(handle, obstacles)

    sim.processes.part.obstacle = obstacle
    return sim


def test_before_the_first_stop_all_are_looked_at_over_several_turns(patient):
    job = patient.ask('web')
    looked_at = []
    while not patient.done('stop'):
        looked_at.append(len(patient.looked_at))
        patient.to(patient.world.now - BEGINNING)
    assert looked_at == [0, 3, 6, 9, 12, 15, 18]
    patient.end()
    assert state(job) == 'succeeded'


def test_nothing_is_stopped_where_the_last_of_them_could_not_be_started_again(patient):
    patient.world.processes['web:19'].program.obstacle = 'no such file'
    job = patient.ask('web')
    patient.end()
    assert (patient.done('stop'), state(job), len(patient.looked_at)) == ({}, 'failed', 20)


def test_cancelled_meanwhile_it_stops_nothing_and_looks_no_further(patient):
    job = patient.ask('web')
    patient.to(0)
    assert len(patient.looked_at) == 3
    patient.service.cancel(job.id)
    patient.end()
    assert (patient.done('stop'), state(job), len(patient.looked_at)) == ({}, 'cancelled', 3)


def test_after_the_deadline_it_stops_nothing_and_looks_no_further(patient):
    job = patient.ask('web', timeout=0.05)
    patient.end()
    assert (patient.done('stop'), state(job)) == ({}, 'timed_out')
    assert len(patient.looked_at) == 13


def test_what_is_stopped_by_others_meanwhile_stays_down(patient):
    patient.world.processes['web:7'].program.obstacle = 'no such file'
    job = patient.ask('web')
    patient.to(0)
    patient.stop_by_others('web:7')
    patient.end()
    assert (patient.down(), phases(job)['7'], job.struct()['done']) == (['web:7'], 'skipped', 19)


def test_a_restart_by_signal_takes_nothing_down(web):
    job = web.ask('web', method='signal:HUP')
    web.end()
    assert (web.done('signal'), web.done('stop')) == (dict.fromkeys(WEB, 0.0), {})
    assert state(job) == 'succeeded'


def test_what_was_killed_is_told(web):
    web.world.processes['web:1'].program = slow(None, stopwaitsecs=2.0)
    web.ask('web')
    web.end()
    assert '; killed: web:1 (killed after 2 s: did not stop within stopwaitsecs)' in web.lines[1]


# -- time ----------------------------------------------------------------------------------------


def test_the_loop_sleeps_until_something_is_due(web):
    job = web.ask('web', delay=60, stagger_factor=3)
    web.end()
    assert set(web.done('stop').values()) == {0.0, 60.0, 120.0}
    assert state(job) == 'succeeded'
    assert web.turns < 121 / SECOND + 30


def test_a_timeout_is_told_when_it_is_due_and_what_is_down_comes_back(web):
    web.world.add('web:3', program=slow(4.0))
    job = web.ask('web', timeout=1.5, stagger_factor=4, delay=1)
    web.to(1.5)
    assert (state(job), job.operation.finished) == ('timed_out', False)
    web.end()
    assert (state(job), web.down()) == ('timed_out', [])
    assert len(web.done('stop')) == 2


@pytest.mark.parametrize(
    ('call', 'options', 'limit'),
    [
        (Call.GROUP, {}, CALL_TIMEOUT),
        (Call.GROUP, {'max_unavailable': 1}, None),
        (Call.GROUP, {'max_unavailable': 1, 'timeout': 7.0}, 7.0),
        (Call.QUICK, {'max_unavailable': 1}, CALL_TIMEOUT),
        (Call.QUICK, {'timeout': 0.0}, None),
        (Call.DETACHED, {}, None),
        (Call.DETACHED, {'timeout': 7.0}, 7.0),
    ],
)
def test_how_long_a_call_may_take(web, call, options, limit):
    operation = web.ask('web', call=call, **options).operation
    assert operation.deadline == (None if limit is None else BEGINNING + limit)
    assert operation.options.timeout == (limit or 0.0)


def test_where_programs_say_that_their_group_rolls_a_call_takes_as_long_as_it_takes(web):
    web.processes.part.said['web'] = {'max_unavailable': 1}
    assert web.ask('web', call=Call.GROUP).operation.deadline is None


def test_only_so_much_is_done_in_one_turn():
    many = Simulation(*(f'web:{number}' for number in range(40)))
    many.actions.part.cost = SLICE / 3.5
    many.ask('web')
    done = []
    for _ in range(4):
        many.world.now = many._turn()
        done.append(len(many.actions.part.done))
    assert done == [4, 8, 12, 16]
    many.end()
    assert many.down() == []


def test_what_cannot_be_signalled_yet_is_looked_at_soon_again(web):
    web.processes.part.young[web.world.processes['web:1'].pid] = 0.02
    web.ask('web')
    web.to(0.019)
    assert set(web.done('stop')) == {'web:0', 'web:2'}
    assert web.turns <= 8
    web.end()
    assert web.done('stop')['web:1'] == pytest.approx(0.02, abs=EXEC_POLL_SECONDS)


def test_after_a_change_the_next_turn_comes_at_once(web):
    web.ask('web')
    first, second = (web.service.step() for _ in range(2))
    assert first == 0.0  # the orders are carried out; that fewer are ready is known, too
    assert second > 1.0  # Supervisor's SIGKILL is the next thing that is known


# -- clients that wait ---------------------------------------------------------------------------


def test_a_waiting_client_is_asked_as_soon_as_something_has_changed(web):
    job = web.ask('web')
    first = web.client(lambda: job.operation.version > 4 or None)
    last = web.client(lambda: job.operation.finished or None)
    web.end()
    web._turn()
    assert first == [pytest.approx(0.0, abs=0.01)]
    assert last == [pytest.approx(1.1, abs=0.01)]


def test_no_client_is_asked_while_nothing_changes(web):
    web.world.add('web:3', program=slow(9.5))
    web.ask('web:3')
    web.to(0.1)
    asked = []
    web.client(lambda: asked.append(web.world.now))
    web.to(9.0)
    assert len(asked) == 1


@pytest.mark.parametrize('what', ['a restart is asked for, which waits', 'one is cancelled'])
def test_a_waiting_client_is_told_of_what_another_has_asked_for(web, what):
    web.world.processes['web:0'].program = slow(9.5)
    job = web.ask('web:0')
    web.to(0.1)
    if what == 'one is cancelled':
        answered = web.client(lambda: state(job) == 'cancelled' or None)
        web.at(1.0, lambda: web.service.cancel(job.id))
    else:
        answered = web.client(lambda: len(web.service.restarts()) == 2 or None)
        web.at(1.0, lambda: web.ask('web', if_busy='queue'))
    web.to(9.0)
    assert answered == [pytest.approx(1.0, abs=0.01)]


def test_a_timer_is_over_in_time(web):
    web.ask('web', delay=60, stagger_factor=2)
    waited = web.service.timer(2.5)
    answered = web.client(lambda: waited() or None)
    web.to(5)
    assert answered == [pytest.approx(2.5, abs=0.01)]


def test_a_client_of_supervisors_sees_a_process_stopped_before_it_is_started_again(web):
    web.stop_by_others('web:1')
    web.world.processes['web:1'].program.stop_seconds = 0.5
    web.ask('web:1')
    seen = web.client(lambda: web.world.processes['web:1'].state is Seen.STOPPED or None)
    web.end()
    assert seen == [pytest.approx(0.1, abs=0.01)]
    assert web.down() == []


def test_a_client_that_waits_for_a_stop_is_asked_twice_before_the_process_is_started(web):
    web.world.add('web:3', Seen.STOPPED)
    asked = []
    web.client(lambda: asked.append(len(web.actions.part.done)))
    web.ask('web:3')
    web.to(0.1)
    assert asked[:4] == [0, 0, 0, 1]


# -- several at once -----------------------------------------------------------------------------


def test_a_group_that_is_busy_is_refused_and_others_are_not(web):
    web.world.add('app:0')
    first = web.ask('web')
    assert refused(web.ask, 'web:1').text == (
        f"BUSY: process group 'web' is being restarted already (restart {first.id})"
    )
    assert refused(web.ask, 'all').code is Code.BUSY
    assert state(web.ask('app')) == 'running'
    assert state(web.ask('web', Goal.START)) == 'running'


def test_queued_restarts_run_one_after_the_other(web):
    web.world.add('app:0')
    names = ['web', ['web', 'app'], 'app', 'web']
    jobs = [web.ask(name, if_busy='queue') for name in names]
    assert [state(job) for job in jobs] == ['running', 'queued', 'queued', 'queued']
    assert f'restart {jobs[2].id} of app waits for restart {jobs[1].id}' in web.lines[-2]
    assert web.end() == pytest.approx(3.3, abs=0.05)
    assert [state(job) for job in jobs] == ['succeeded'] * 4
    assert jobs[0].finished <= jobs[1].started
    assert abs(jobs[2].started - jobs[3].started) < 0.01  # both wait for the second alone


def test_a_queued_restart_takes_the_processes_that_are_there_when_it_begins(web):
    web.ask('web')
    queued = web.ask('web', if_busy='queue')
    web.at(0.5, lambda: web.world.add('web:9'))
    web.end()
    assert set(phases(queued)) == {'0', '1', '2', '9'}
    assert queued.struct()['policies'][0]['size'] == 4


def test_a_queued_restart_waits_also_for_a_group_that_has_come_since(web):
    web.ask('web')
    queued = web.ask('all', if_busy='queue')
    web.at(0.5, lambda: web.world.add('app:0', program=slow(3.0)))
    later = []
    web.at(0.6, lambda: later.append(web.ask('app')))
    web.end()
    assert queued.groups == ['app', 'web']
    assert queued.started >= later[0].finished


@pytest.mark.parametrize(
    ('change', 'why'),
    [
        (lambda web: web.world.removed.add('web'), 'its process group was removed or replaced'),
        (
            lambda web: web.processes.part.malformed_groups.update(web='RESTARTER_READY = x'),
            'BAD_OPTION: web:0: RESTARTER_READY = x',
        ),
    ],
)
def test_a_queued_restart_that_cannot_begin_any_more_is_cancelled(web, change, why):
    web.ask('web')
    queued = web.ask('web', if_busy='queue')
    web.at(0.5, lambda: change(web))
    web.end()
    assert state(queued) == 'cancelled'
    assert queued.operation.why.startswith(why)


def test_a_queued_restart_ends_at_its_timeout_and_by_a_cancel(web):
    web.world.processes['web:0'].program = slow(9.0)
    web.ask('web')
    late, unwanted = (web.ask('web', if_busy='queue', timeout=t) for t in (2.0, None))
    web.at(3.0, lambda: web.service.cancel(unwanted.id))
    web.to(2.0)
    assert state(late) == 'timed_out'
    assert late.operation.finished
    web.to(3.0)
    assert state(unwanted) == 'cancelled'
    assert [job.id for job in web.jobs.queue] == []


def test_only_so_many_are_queued(web):
    web.ask('web')
    for _ in range(MOST_QUEUED):
        web.ask('web', if_busy='queue')
    assert refused(web.ask, 'web', if_busy='queue').text == (
        f'BUSY: {MOST_QUEUED} restarts are queued already, and no more can be'
    )


def test_only_the_latest_of_many_quick_calls_are_watched(web):
    web.world.processes['web:0'].program = slow(9.0)
    for _ in range(MOST_WATCHED + 5):
        web.ask('web:0', Goal.STOP, Call.QUICK, until_ordered=True)
    restart = web.ask('web:1')
    web.to(0.01)
    assert len(web.jobs.running) == MOST_WATCHED + 1
    assert restart in web.jobs.running


# -- history -------------------------------------------------------------------------------------


def test_the_latest_restarts_are_remembered_and_listed_newest_first():
    few = Simulation('web:0', history=2)
    jobs = [few.ask('web', if_busy='queue') for _ in range(4)]
    assert few.service.restarts() == jobs[::-1]
    few.end()
    assert few.service.restarts() == [jobs[3], jobs[2]]
    assert few.service.get(jobs[3].id) is jobs[3]
    for unknown in (jobs[0].id, '', 7, None):
        assert refused(few.service.get, unknown).code is Code.NO_SUCH_RESTART


def test_what_was_told_of_a_restart_is_kept_until_another_one_is_over():
    few = Simulation('web:0', 'web:1')
    first = few.ask('web', stagger_factor=2, delay=3.0)
    few.to(2.5)
    version = first.struct()['version']  # web:0 is ready
    few.end()
    assert [process['name'] for process in first.struct_since(version)['processes']] == ['1']
    few.ask('web')
    few.end()
    assert [process['name'] for process in first.struct_since(version)['processes']] == ['0', '1']
    assert first.struct_since(first.operation.version)['processes'] == []
    assert first.told is None  # also if somebody asks


def test_who_knows_a_version_that_has_not_come_yet_is_told_everything(web):
    job = web.ask('web')
    web.to(0.5)
    told = job.struct_since(job.operation.version + 1)
    assert ([process['index'] for process in told['processes']], 'policies' in told) == (
        [0, 1, 2],
        True,
    )


def test_without_a_history_who_waits_is_told_all_the_same():
    none = Simulation('web:0', history=0)
    job = none.ask('web')
    answered = none.client(lambda: job.operation.finished or None)
    assert none.service.restarts() == [job]
    none.end()
    none._turn()
    assert (none.service.restarts(), len(answered)) == ([], 1)


def test_starts_and_stops_push_no_restart_out_of_the_history():
    few = Simulation('web:0', history=1)
    job = few.ask('web')
    few.end()
    few.ask('web', Goal.STOP)
    few.end()
    assert few.service.restarts() == [job]


# -- cancel, retry, plan -------------------------------------------------------------------------


def test_a_cancel_brings_back_what_is_down_and_takes_nothing_further_down(web):
    job = web.ask('web', stagger_factor=3, delay=5)
    web.at(0.05, lambda: web.service.cancel(job.id))
    web.end()
    assert (state(job), phases(job)) == (
        'cancelled',
        {'0': 'ready', '1': 'skipped', '2': 'skipped'},
    )
    assert (list(web.done('stop')), web.down()) == (['web:0'], [])
    assert 'cancelled; what is down comes back' in web.lines[1]
    assert 'has ended already: cancelled' in refused(web.service.cancel, job.id).text


def test_a_second_cancel_says_nothing(web):
    job = web.ask('web')
    web.to(0.05)
    web.service.cancel(job.id)
    web.service.cancel(job.id)
    web.end()
    assert len([line for line in web.lines if 'cancelled; ' in line]) == 1


def test_a_cancel_from_within_an_order_comes_after_that(web):
    job = web.ask('web')
    web.actions.part.told['web:0'] = lambda: web.service.cancel(job.id)
    web.end()
    assert (list(web.done('stop')), web.down(), state(job)) == (['web:0'], [], 'cancelled')


def test_a_retry_takes_what_failed_and_what_was_not_reached():
    some = Simulation()
    some.world.add('web:0', program=Program(lives=[Life(), Life(0.1, 1)], startretries=0))
    some.world.add('web:1')
    some.world.add('web:2', Seen.STOPPED)
    job = some.ask('web', stagger_factor=2, delay=3, only_running=True)
    assert 'has not ended yet' in refused(some.service.retry, job.id, None).text
    some.end()
    assert (state(job), list(some.done('stop'))) == ('failed', ['web:0'])
    again = some.service.retry(job.id, {'delay': 0})
    assert set(phases(again)) == {'0', '1'}
    assert (again.asked.delay, again.asked.only_running) == (0.0, False)
    some.end()
    assert (state(again), some.down()) == ('succeeded', ['web:2'])
    assert 'nothing failed or was left out' in refused(some.service.retry, again.id, None).text
    some.world.removed.add('web')
    assert refused(some.service.retry, job.id, None).text == (
        'BAD_GROUP: nothing is there any more of what is to be retried: web:0, web:1'
    )


def test_a_retry_takes_over_no_time_limit_that_was_not_set():
    bad = Simulation()
    bad.world.add('web:0', program=Program(lives=[Life(), Life(0.1, 1)], startretries=0))
    job = bad.ask('web', call=Call.GROUP)
    bad.end()
    again = bad.service.retry(job.id, None)
    limits = [one.operation.options.timeout for one in (job, again)]
    assert limits == [CALL_TIMEOUT, 0.0]


def test_what_is_retried_is_named_outright():
    matches = [Match('web', '0', False, False), Match('web', '1', False, False)]
    assert still_there({'web': ['0']}, matches) == [Match('web', '0', True, True)]


def test_a_plan_touches_nothing(web):
    web.warning = 'the files have changed'
    plan = web.service.plan(Selection('web'), Options(max_unavailable=1))
    assert (plan['total'], len(plan['batches'])) == (3, 3)
    assert plan['options']['timeout'] == 0.0
    assert plan['warnings'][-1] == 'the files have changed'
    assert (web.actions.calls, web.reactor.attached) == ({}, False)
    assert (
        refused(web.service.plan, Selection('w', group_members), Options()).code is Code.BAD_GROUP
    )


# -- refusals ------------------------------------------------------------------------------------


def test_a_request_is_refused_where_there_are_no_descriptors(web):
    web.reactor.short = True
    assert refused(web.ask, 'web').text.startswith('BAD_STATE: supervisord has no descriptors left')
    assert web.jobs.active == []


def test_a_request_with_a_program_that_makes_no_sense_is_refused(web):
    web.processes.part.malformed_groups['web'] = 'RESTARTER_READY = x'
    assert refused(web.ask, 'web').text == 'BAD_OPTION: web:0: RESTARTER_READY = x'
    assert web.jobs.active == []


# -- others --------------------------------------------------------------------------------------


@pytest.mark.parametrize('seconds', [0.05, 0.5])
def test_a_stop_of_others_is_heeded(web, seconds):
    web.world.processes['web:1'].program = slow(0.2)
    job = web.ask('web')
    web.at(seconds, lambda: web.stop_by_others('web:1'))
    web.end()
    assert web.down() == ['web:1']
    assert phases(job)['1'] == 'skipped'


def test_stops_of_others_need_not_be_heeded():
    deaf = Simulation('web:0', heed_stops=False)
    deaf.ask('web')
    deaf.end()
    assert (deaf.down(), deaf.reactor.attached) == ([], False)


def test_a_stop_and_a_start_of_others_leave_the_process_running(web):
    web.world.processes['web:1'].program = slow(0.2)
    job = web.ask('web')
    web.at(0.05, lambda: web.stop_by_others('web:1'))
    web.at(0.4, lambda: web.world.others_start('web:1'))
    web.end()
    assert (web.down(), job.wanted_down) == ([], set())


def test_a_stop_that_was_asked_for_while_a_restart_was_queued_holds(web):
    web.ask('web')
    queued = web.ask('all', if_busy='queue')  # not named outright
    web.at(0.05, lambda: web.stop_by_others('web:1'))
    web.end()
    assert web.down() == ['web:1']
    assert phases(queued)['1'] == 'skipped'


def test_a_start_after_a_stop_while_a_restart_was_queued_is_the_newer_will(web):
    web.ask('web:0')
    web.ask('web', if_busy='queue')
    web.at(0.05, lambda: web.stop_by_others('web:1'))
    web.at(0.5, lambda: web.world.others_start('web:1'))
    web.end()
    assert web.done('start')['web:1'] > 1
    assert web.down() == []


def test_which_processes_were_taken_down_is_told_to_who_stops_them(web):
    web.world.add('app:0')
    web.ask('web', stagger_factor=3, delay=1)
    web.ask('app')
    web.to(0.05)
    keys = [('web', '0'), ('web', '1'), ('app', '0'), ('no', 'such')]
    assert web.jobs.heed(keys) == {('web', '0'), ('app', '0')}


def test_only_in_groups_that_roll_the_others_count(web):
    for name in ('app:0', 'app:1'):
        web.world.add(name)
    web.processes.part.said['web'] = {'max_unavailable': 1}
    job = web.ask(['web:0', 'app:0'])
    assert {member.namespec for member in job.operation.neighbours} == {'web:1', 'web:2'}


def test_a_quick_stop_is_heeded_by_a_restart(web):
    web.ask('web', delay=5, stagger_factor=3)
    web.at(0.05, lambda: web.ask('web:0', Goal.STOP))
    web.end()
    assert web.down() == ['web:0']


def test_a_process_that_others_change_in_the_middle_of_a_turn_is_looked_at_anew(web):
    job = web.ask('web')
    web.actions.part.told['web:0'] = lambda: web.stop_by_others('web:1')
    web.end()
    assert [name for _, word, name in web.actions.part.done if word == 'stop'] == ['web:0', 'web:2']
    assert (phases(job)['1'], web.down()) == ('skipped', ['web:1'])


def test_a_group_that_is_removed_ends_the_restart(web):
    job = web.ask('web')
    web.at(0.05, lambda: web.world.removed.add('web'))
    assert web.end() < 1
    assert (state(job), web.actions.part.held) == ('cancelled', set())


@pytest.mark.parametrize('way', ['leaving', 'stopping event'])
def test_a_shutdown_ends_everything_at_once_and_starts_nothing(web, way):
    jobs = [web.ask('web'), web.ask('web', if_busy='queue')]
    answered = web.client(lambda: jobs[1].operation.finished or None)
    web.to(0.05)
    if way == 'leaving':
        web.leaving = True
    else:
        web.service.shut_down()
        assert web.lines[-1] == 'the socket is closed'
    web.to(0.2)
    assert [state(job) for job in jobs] == ['cancelled', 'cancelled']
    assert (web.done('start'), web.actions.part.held, web.reactor.attached) == ({}, set(), False)
    assert answered != []


def test_a_shared_socket_is_kept_open_only_while_its_group_is_busy(web):
    web.world.add('app:0', program=slow(5.0))
    web.processes.part.sockets['web'] = socket = object()
    job = web.ask('all')
    web.to(0.5)
    assert job.sockets == {'web': socket}
    web.to(2)
    assert job.sockets == {}


def test_a_subscriber_may_ask_for_the_next_restart_from_within_an_event(web):
    following = []
    job = web.ask('web')
    web.on_event[(job.id, 'succeeded')] = lambda: following.append(web.ask('web'))
    web.end()
    assert state(following[0]) == 'succeeded'


# -- defects of ours -----------------------------------------------------------------------------

# Which call of each method comes when one process has been stopped and two wait for their turns.
PARTS = {
    'processes': ['is_as_seen', 'has_execed'],
    'actions': ['attend', 'start', 'release'],
    'resources': ['let_sockets_go', 'release'],
}


@pytest.mark.parametrize(
    ('part', 'method'), [(part, method) for part, methods in PARTS.items() for method in methods]
)
def test_an_error_of_ours_takes_nothing_further_down_and_brings_back_what_is_down(
    web, part, method
):
    job = web.ask('web', stagger_factor=3, delay=1.5)
    web.to(0.05)
    broken = getattr(web, part)
    number = broken.calls.get(method, 0) + 1
    broken.breaks[method] = range(number, number + 1)
    web.end()
    assert broken.calls[method] >= number
    assert any(f'a defect in {method}' in line for line in web.lines)
    assert (web.down(), web.jobs.active, web.reactor.attached) == ([], [], False)
    assert (
        method == 'release' or list(web.done('stop')) == ['web:0'] or method in PARTS['processes']
    )
    assert state(job) == ('succeeded' if method == 'release' else 'cancelled')
    assert state(web.ask('web')) == 'running'


def test_after_a_second_error_the_restart_is_given_up_after_one_more_start(web):
    job = web.ask('web', stagger_factor=3, delay=5)
    web.to(0.05)
    web.actions.breaks['start'] = range(1, 3)  # the third attempt is the last one
    web.end()
    assert (state(job), job.operation.finished) == ('cancelled', True)
    assert (web.actions.calls['start'], web.down()) == (3, [])


def test_a_queued_restart_that_meets_an_error_harms_no_other(web):
    web.world.add('app:0')
    first = web.ask('web', stagger_factor=2, delay=2)
    web.ask('app')
    queued = web.ask('app', if_busy='queue')
    web.resources.breaks['party'] = range(4, 5)
    web.end()
    assert (state(queued), state(first)) == ('cancelled', 'succeeded')
    assert web.down() == []


def test_a_restart_that_has_left_the_queue_as_an_error_comes_is_over(web):
    web.ask('web')
    queued = web.ask('web', if_busy='queue')
    web.on_event[(queued.id, 'running')] = lambda: 1 / 0
    web.end()
    assert (state(queued), web.down()) == ('cancelled', [])
    assert web.service.restarts()[0] is queued


def test_an_error_while_a_job_is_given_back_harms_no_other(web):
    web.world.add('app:0')
    web.resources.breaks['release'] = range(1, 2)
    jobs = [web.ask('web'), web.ask('app', delay=3, stagger_factor=1, min_ready=3)]
    web.end()
    assert [state(job) for job in jobs] == ['succeeded', 'succeeded']


def test_a_request_that_meets_with_an_error_holds_nothing(web):
    web.actions.breaks['attend'] = range(1, 2)
    with pytest.raises(Defect):
        web.ask('web')
    assert (web.jobs.active, web.actions.part.held) == ([], set())


def test_an_error_before_the_first_stop_takes_nothing_down(web):
    web.processes.breaks['obstacle'] = range(2, 3)
    job = web.ask('web')
    web.end()
    assert (state(job), web.done('stop'), web.actions.part.held) == ('cancelled', {}, set())


def test_an_error_that_no_job_is_to_blame_for_ends_all_of_them_and_nothing_that_comes_after(web):
    jobs = [web.ask('web'), web.ask('web', if_busy='queue')]
    following = []
    web.on_event[(jobs[0].id, 'cancelled')] = lambda: following.append(web.ask('web'))
    web.to(0.05)
    web.service._leaving = lambda: 1 / 0
    web._turn()
    web.service._leaving = lambda: False
    assert [state(job) for job in jobs] == ['cancelled', 'cancelled']
    assert 'ZeroDivisionError' in web.lines[2]
    web.end()
    assert (state(following[0]), web.down()) == ('succeeded', [])


# -- the house -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'module', ['service', 'job', 'jobs', 'intake', 'driver', 'journal', 'request']
)
def test_the_heart_touches_nothing_of_supervisor_and_reads_no_clock(module):
    path = Path(its_module.__file__).with_name(f'{module}.py')
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module))
    roots = {name.split('.')[0] for name in imported}
    assert roots.isdisjoint({'supervisor', 'time', 'datetime', 'os', 'socket'})


def test_a_moment_is_shorter_than_any_pause():
    assert MOMENT < EXEC_POLL_SECONDS
