"""Applies: the engine, the rollout and Supervisor's own objects together. With real processes:
tests/integration/test_apply*.py.
"""

from __future__ import annotations

import pytest
from supervisor import events
from supervisor.states import ProcessStates

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.options import Options
from supervisor_restarter.server.request import Call, Request, Selection
from tests.integration.server import free_port
from tests.unit.configuration.running import program
from tests.unit.server.applied import BROKEN, Applied

CALM = {'startsecs': 0, 'autorestart': 'false'}


def web(count=3, **keys):
    return program('web', numprocs=count, **{**CALM, **keys})


@pytest.fixture
def applied(tmp_path, monkeypatch):
    monkeypatch.setattr(events, 'callbacks', [])
    return Applied(tmp_path, web())


def ends(job):
    return {
        member.name: (member.phase.value, member.error or member.note)
        for member in job.operation.members
    }


def actions(job):
    return [(one['group'], one['name'], one['action']) for one in job.struct()['at_once']]


def test_nothing_to_apply_is_a_success_of_nothing(applied):
    struct = applied.apply().struct()
    assert (struct['kind'], struct['state'], struct['total']) == ('apply', 'succeeded', 0)
    assert (struct['groups'], struct['at_once']) == ([], [])
    assert (struct['options']['rollback'], struct['options']['prune']) == (True, True)
    assert any('of nothing begins' in line for line in applied.log)


def test_what_needs_a_restart_is_restarted_one_after_the_other(applied):
    before = applied.running()
    job = applied.apply(web(environment='A="1"'))
    assert job.operation.state.value == 'succeeded'
    assert job.operation.lowest_ready == 2
    after = applied.running()
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert applied.process('web:0').config.environment == {'A': '1'}
    assert applied.different() == []


def test_what_needs_none_is_changed_at_once(applied):
    before = applied.running()
    job = applied.apply(web(stopwaitsecs=3))
    assert actions(job) == [('web', name, 'live') for name in '012']
    assert (applied.running(), applied.process('web:1').config.stopwaitsecs) == (before, 3)


def test_numprocs_touch_the_surplus_alone(applied):
    before = applied.running()
    applied.apply(web(5))
    assert len(applied.running()) == 5
    job = applied.apply(web(2))
    assert job.operation.state.value == 'succeeded'
    assert {member.leaving for member in job.operation.members} == {True}
    assert applied.running() == {name: before[name] for name in ('web:0', 'web:1')}
    assert applied.different() == []


def test_a_renamed_process_takes_the_place_of_its_predecessor(applied):
    job = applied.apply(web(process_name='w%(process_num)s'))
    assert [member.name for member in job.operation.members] == ['w0', 'w1', 'w2']
    assert set(applied.running()) == {'web:w0', 'web:w1', 'web:w2'}
    assert job.operation.lowest_ready == 2


def test_a_version_that_does_not_come_up_is_rolled_back(applied):
    before = applied.running()
    job = applied.apply(web(command=BROKEN, process_name='w%(process_num)s'))
    struct = job.struct()
    assert (struct['state'], struct['lowest_ready']) == ('rolled_back', 2)
    assert 'exit status 1' in struct['why']
    assert 'failed: web:0 (exit status 1; ' in applied.log[-1]
    after = applied.running()
    assert set(after) == {'web:0', 'web:1', 'web:2'}
    assert [name for name in before if before[name] == after[name]] == ['web:1', 'web:2']
    assert applied.different() == ['web']


def test_what_cannot_be_started_is_found_before_anything_is_touched(applied):
    before = applied.running()
    text = web(command='/no/where') + web(stopwaitsecs=3).replace('web', 'app')
    job = applied.apply(text + program('new', command='/no/thing'))
    assert job.operation.state.value == 'rolled_back'
    assert applied.running() == before
    assert set(applied.supervisord.process_groups) == {'web'}
    assert {one['error'] for one in job.struct()['processes']} == {
        'not reached',  # app
        "it cannot be started: can't find command '/no/where'",
        "it cannot be started: can't find command '/no/thing'",
    }


def test_a_new_group_that_cannot_be_started_beside_others_that_do_not_change(applied):
    before = applied.running()
    job = applied.apply(web(4) + program('new', command='/no/thing'))
    assert job.struct()['why'] == "new: it cannot be started: can't find command '/no/thing'"
    assert (job.operation.state.value, applied.running()) == ('rolled_back', before)


def test_a_plan_warns_of_what_an_apply_would_not_touch_anything_for(applied):
    text = web(command='/no/where', environment='RESTARTER_READY="http://me:pw@h:1/"')
    applied.write(text.replace('pw@h:1/', 'pw@h:x/') + program('new', command='/no/thing'))
    before = applied.running()
    found = applied.service.plan_config('', False)['warnings']
    assert len(found) == 3
    assert found[0].startswith("web:0, web:1, web:2: RESTARTER_READY = 'http://(hidden)@h:x/'")
    assert found[0].endswith('; an apply would be refused')
    cannot = "cannot be started: can't find command"
    assert set(found[1:]) == {
        f"new: {cannot} '/no/thing'; an apply would touch nothing",
        f"web:0, web:1, web:2: {cannot} '/no/where'; an apply would touch nothing",
    }
    assert 'me:pw@h:x' in applied.service.plan_config('web', True)['warnings'][0]
    assert applied.running() == before
    applied.write(web(command='/bin/cat -n'))
    assert applied.service.plan_config('', False)['warnings'] == []


@pytest.mark.parametrize('more', ['', ',A="1"'])
def test_a_new_configuration_that_says_nonsense_of_restarts_is_refused(applied, more):
    before = applied.running()
    with pytest.raises(Refusal, match="BAD_OPTION: web:0: RESTARTER_READY = 'x'"):
        applied.apply(web(environment=f'RESTARTER_READY="x"{more}', stopwaitsecs=3))
    assert applied.running() == before
    assert applied.process('web:0').config.stopwaitsecs == 10


def test_each_process_is_asked_as_its_own_configuration_says(applied):
    ready = f'RESTARTER_READY="tcp://127.0.0.1:{free_port()}"'
    job = applied.begin(web(4, environment=ready + ',A="1"'), ready_timeout=0)
    specs = {member.name: handle.monitor is not None for member, handle in job.handles.items()}
    assert specs == {'0': False, '1': False, '2': False, '3': True}
    applied.until(lambda: 'web:3' in applied.running())
    for _ in range(3):
        applied.turn()
    assert ends(job)['3'][0] == 'starting'
    applied.service.shut_down()


def test_an_old_configuration_that_says_nonsense_is_no_hindrance(tmp_path, monkeypatch):
    monkeypatch.setattr(events, 'callbacks', [])
    applied = Applied(tmp_path, web(environment='RESTARTER_READY="x"'))
    assert applied.apply(web(command='/bin/true')).operation.state.value == 'succeeded'


def test_without_a_rollback_it_ends_as_a_restart_does(applied):
    job = applied.apply(web(command=BROKEN), rollback=False)
    assert job.operation.state.value == 'failed'
    assert [member.phase.value for member in job.operation.members] == [
        'failed',
        'skipped',
        'skipped',
    ]
    assert applied.process('web:0').config.command == BROKEN
    assert applied.process('web:1').config.command == '/bin/cat'


def test_what_is_left_is_settled_also_if_the_last_order_fails(applied, monkeypatch):
    def fork():
        raise OSError('no more')

    applied.process('web:2').stop()
    applied.turn()
    job = applied.begin(web(2, environment='A="1"'), rollback=False, on_failure='continue')
    applied.until(lambda: ends(job)['1'][0] == 'stopping')
    monkeypatch.setattr(applied.options, 'fork', fork)
    applied.end(job)
    assert ends(job)['1'][0] == 'failed'
    assert list(applied.supervisord.process_groups['web'].processes) == ['0', '1']


def test_without_a_rollback_nothing_is_touched_if_it_is_known_to_fail(applied):
    before = applied.running()
    job = applied.apply(web(5, command='/no/where'), rollback=False)
    assert job.operation.state.value == 'failed'
    assert applied.running() == before
    assert len(job.operation.failures) == 5


def test_a_cancelled_one_goes_back(applied):
    before = applied.running()
    applied.deaf.add(before['web:0'])
    job = applied.begin(web(environment='A="1"', stopwaitsecs=3))
    applied.turn()
    applied.service.cancel(job.id)
    applied.turn()
    with pytest.raises(Refusal, match='is being rolled back already: the apply was cancelled'):
        applied.service.cancel(job.id)
    applied.ending[before['web:0']] = 15
    applied.end(job)
    assert (job.operation.state.value, job.operation.why) == (
        'rolled_back',
        'the apply was cancelled',
    )
    assert applied.process('web:0').config.environment is None or (
        'A' not in applied.process('web:0').config.environment
    )
    assert applied.running()['web:1'] == before['web:1']


def test_what_is_only_removed_is_not_cancelled_any_more(applied):
    applied.deaf.add(applied.running()['web:2'])
    job = applied.begin(web(2))
    applied.turn()
    with pytest.raises(Refusal, match='only what it removes is still stopping'):
        applied.service.cancel(job.id)


def test_what_others_have_stopped_gets_its_configuration_silently(applied):
    applied.deaf.update(applied.running().values())
    job = applied.begin(web(environment='A="1"'))
    applied.turn()
    applied.service._jobs.heed([('web', '2')])
    applied.process('web:2').stop()
    applied.deaf.clear()
    for process in ('web:0', 'web:2'):
        applied.ending[applied.process(process).pid] = 15
    applied.end(job)
    assert ends(job)['2'] == ('taken', 'somebody else stopped it meanwhile; it was left so')
    assert set(applied.running()) == {'web:0', 'web:1'}
    assert applied.different() == []


def test_one_that_others_have_stopped_is_renamed_when_it_is_down_and_followers_hear_of_it(applied):
    applied.deaf.update(applied.running().values())  # so that nothing else happens
    job = applied.begin(web(process_name='w%(process_num)s'))
    applied.turn()
    applied.service._jobs.heed([('web', '2')])
    applied.process('web:2').stop()
    applied.turn()
    version = job.operation.version
    exits(applied, 'web:2')
    applied.turn()
    assert job.operation.version > version
    assert job.struct_since(version)['processes'][0]['name'] == 'w2'
    exits(applied, 'web:0')
    applied.deaf.clear()
    applied.end(job)


def test_what_dies_as_it_begins_is_started_by_supervisor_with_the_new_configuration(applied):
    applied.apply(web(autorestart='true'))
    process = applied.process('web:1')
    process.finish(process.pid, 3 << 8)
    job = applied.apply(web(autorestart='true', environment='A="1"'))
    assert job.operation.state.value == 'succeeded'
    assert process.config.environment == {'A': '1'}
    assert applied.different() == []


def exits(applied, *names):
    for name in names:
        applied.ending[applied.process(name).pid] = 15


def stopped_by_others(applied, name):
    """As `supervisorctl stop` has it."""
    group, _, process = name.partition(':')
    applied.service._jobs.heed([(group, process)])
    applied.process(name).stop()
    exits(applied, name)
    applied.turn()


def test_what_is_to_be_gone_and_is_stopped_by_others_is_gone_all_the_same(applied):
    applied.deaf.update(applied.running().values())
    job = applied.begin(web(2, environment='A="1"'))
    applied.turn()
    stopped_by_others(applied, 'web:2')
    for name in ('web:0', 'web:1'):
        process = applied.process(name)
        applied.deaf.discard(process.pid)
        if process.killing:
            applied.ending[process.pid] = 15
    applied.end(job)
    assert (job.operation.state.value, ends(job)['2'][1]) == ('succeeded', '')
    assert set(applied.running()) == {'web:0', 'web:1'}
    assert applied.different() == []


def test_what_was_added_and_is_stopped_by_others_is_gone_after_a_rollback(applied):
    applied.deaf.add(applied.running()['web:0'])
    job = applied.begin(web(4, environment='A="1"'))
    applied.until(lambda: applied.process('web:0').killing)
    stopped_by_others(applied, 'web:3')
    applied.turn()
    applied.service.cancel(job.id)
    applied.turn()
    applied.ending[applied.process('web:0').pid] = 15
    applied.end(job)
    assert job.operation.state.value == 'rolled_back'
    assert set(applied.supervisord.process_groups['web'].processes) == {'0', '1', '2'}


def test_what_others_restart_before_its_turn_has_the_new_configuration(applied):
    applied.deaf.update(applied.running().values())
    job = applied.begin(web(environment='A="1"'))
    applied.turn()
    stopped_by_others(applied, 'web:2')
    applied.turn()
    applied.process('web:2').spawn()
    applied.deaf.clear()
    exits(applied, 'web:0')
    applied.end(job)
    assert ends(job)['2'] == ('ready', 'somebody else restarted it meanwhile')
    assert job.operation.state.value == 'succeeded'
    assert applied.different() == []


def test_what_others_start_while_its_group_is_replaced_is_stopped_once_more(applied):
    applied.deaf.update(applied.running().values())
    job = applied.begin(web(3, events='TICK_5').replace('[program', '[eventlistener'))
    # On a busy machine they are not all stopped in one turn.
    applied.until(lambda: {end[0] for end in ends(job).values()} == {'stopping'})
    exits(applied, 'web:1')
    applied.until(lambda: ends(job)['1'][0] == 'stopped')
    applied.process('web:1').spawn()
    applied.turn()
    applied.deaf.clear()
    exits(applied, 'web:0', 'web:2')
    applied.end(job)
    assert job.operation.state.value == 'succeeded'
    assert len(applied.running()) == 3
    assert applied.different() == []


def test_what_was_failing_is_as_it_was_after_a_rollback(applied):
    applied.ending[applied.running()['web:0']] = 3 << 8
    applied.turn()
    process = applied.process('web:0')
    process.state = ProcessStates.FATAL
    job = applied.apply(web(command=BROKEN))
    assert job.operation.state.value == 'rolled_back'
    assert process.state == ProcessStates.FATAL
    assert process.config.command == '/bin/cat'


def test_a_group_that_becomes_something_else_is_another_one(applied):
    old = applied.supervisord.process_groups['web']
    text = web(2, events='TICK_5').replace('[program', '[eventlistener')
    job = applied.apply(text, max_unavailable=1)
    assert job.operation.state.value == 'succeeded'
    assert applied.supervisord.process_groups['web'] is not old
    assert set(applied.running()) == {'web:0', 'web:1'}
    assert applied.different() == []


def listeners(count):
    return web(count, events='TICK_5').replace('[program', '[eventlistener')


def test_a_group_that_cannot_be_replaced_any_more_stays_what_it_was(applied):
    applied.deaf.update(applied.running().values())
    job = applied.begin(listeners(4), rollback=False, stagger_factor=3, delay=60)
    applied.until(lambda: ends(job)['0'][0] == 'stopping')
    applied.service.cancel(job.id)
    exits(applied, 'web:0')
    applied.end(job)
    why = 'its group stays what it is, for of its processes run: 1, 2'
    assert (ends(job)['0'], ends(job)['3']) == (('failed', why), ('failed', why))
    assert set(applied.running()) == {'web:0', 'web:1', 'web:2'}
    assert list(applied.supervisord.process_groups['web'].processes) == ['0', '1', '2']
    applied.deaf.clear()
    assert applied.apply().operation.state.value == 'succeeded'
    assert len(applied.running()) == 4


@pytest.mark.parametrize('back', [True, False])
def test_one_that_is_no_member_and_is_started_keeps_a_group_from_being_replaced(applied, back):
    stopped_by_others(applied, 'web:2')
    applied.until(lambda: len(applied.running()) == 2)
    applied.deaf.update(applied.running().values())
    job = applied.begin(listeners(3), min_ready=60 * back)

    def both(phase):
        # On a busy machine they do not come to it in one turn.
        applied.until(lambda: {ends(job)[name][0] for name in '01'} == {phase})

    both('stopping')
    if back:
        exits(applied, 'web:0', 'web:1')
        both('starting')
        applied.deaf.update(applied.running().values())
        applied.service.cancel(job.id)
        both('stopping')
    applied.process('web:2').spawn()
    exits(applied, 'web:0', 'web:1')
    applied.end(job)
    assert job.operation.state.value == ('failed' if back else 'rolled_back')
    assert set(applied.running()) == {'web:0', 'web:1', 'web:2'}


def test_groups_come_and_go(applied):
    job = applied.apply(web().replace('web', 'app'))
    assert [(m.group, m.leaving) for m in job.operation.members][2:4] == [
        ('app', False),
        ('web', True),
    ]
    assert set(applied.supervisord.process_groups) == {'app'}
    assert applied.different() == []


def test_groups_that_are_gone_from_the_files_may_stay(applied):
    applied.apply(web().replace('web', 'app'), prune=False)
    assert set(applied.supervisord.process_groups) == {'app', 'web'}


def test_a_group_that_others_remove_ends_it(applied):
    applied.deaf.update(applied.running().values())
    job = applied.begin(web(environment='A="1"'))
    applied.turn()
    del applied.supervisord.process_groups['web']
    applied.end(job)
    assert job.operation.state.value == 'cancelled'


# -- busy, and in the queue ----------------------------------------------------------------------


def restart(applied, **options):
    return applied.service.request(
        Request(Goal.RESTART, Selection('web'), Options(**options), Call.DETACHED)
    )


def test_one_at_a_time(applied):
    job = applied.begin(web(environment='A="1"'))
    text = rf'process group .web. is being changed already \(apply {job.id}\)'
    with pytest.raises(Refusal, match=text):
        applied.begin()
    with pytest.raises(Refusal, match=text) as info:
        restart(applied)
    assert info.value.code is Code.BUSY
    applied.end(job)
    restarting = restart(applied)
    assert applied.apply().operation.state.value == 'succeeded'  # nothing changes in web
    with pytest.raises(Refusal, match='is being restarted already'):
        applied.begin(web(environment='A="2"'))
    applied.end(restarting)


def test_a_queued_one_is_planned_when_it_begins(applied):
    restarting = restart(applied)
    job = applied.begin(web(environment='A="1"'), if_busy='queue')
    assert job.struct()['state'] == 'queued'
    applied.write(web(stopwaitsecs=3))
    applied.end(restarting)
    applied.end(job)
    assert (job.struct()['total'], len(actions(job))) == (0, 3)
    assert job.operation.state.value == 'succeeded'


def test_one_that_stops_nothing_waits_in_the_queue_too(applied):
    restarting = restart(applied)
    job = applied.begin(web(stopwaitsecs=3), if_busy='queue')
    applied.turn()
    assert (job.operation.state.value, job.operation.finished) == ('queued', False)
    applied.end(restarting)
    applied.end(job)
    assert job.operation.state.value == 'succeeded'


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('[program:web]\nnumprocs=x\n', 'the configuration files could not be read: '),
        (program('app'), 'its process group was removed or replaced'),
    ],
)
def test_a_queued_one_that_cannot_begin_is_cancelled(applied, text, why):
    restarting = restart(applied)
    job = applied.begin(web(environment='A="1"'), 'web', if_busy='queue')
    applied.write(text)
    if 'app' in text:
        applied.end(restarting)
        applied.supervisord.process_groups.clear()
    applied.end(job)
    assert job.operation.state.value == 'cancelled'
    assert job.operation.why.startswith(why)


def test_what_cannot_be_put_in_place_is_refused_and_in_the_queue_cancelled(applied, tmp_path):
    bad = web().replace('web', 'fpm').replace('[program', '[fcgi-program')
    bad = web() + bad + f'socket=unix://{tmp_path}/none/such\n'
    with pytest.raises(Refusal, match='BAD_STATE: fpm: .*nothing was changed'):
        applied.begin(bad)
    restarting = restart(applied)
    job = applied.begin(web(environment='A="1"') + bad[len(web()) :], if_busy='queue')
    applied.end(restarting)
    applied.end(job)
    assert (job.operation.state.value, set(applied.supervisord.process_groups)) == (
        'cancelled',
        {'web'},
    )


def test_an_apply_is_not_retried(applied):
    with pytest.raises(Refusal, match='cannot be retried: apply again'):
        applied.service.retry(applied.apply().id, None)


# -- scale ---------------------------------------------------------------------------------------


def scale(applied, number):
    return applied.end(applied.service.scale('web', number, applied.taken()))


def test_a_scale_is_kept_until_the_number_of_the_file_changes(applied):
    scale(applied, 5)
    assert len(applied.running()) == 5
    applied.apply(web(environment='A="1"'))
    assert len(applied.running()) == 5
    assert applied.plan()['warnings'] == [
        'numprocs of web is 5, as setNumprocs has set it; the file has 3'
    ]
    applied.apply(web(2, environment='A="1"'))
    assert len(applied.running()) == 2


def test_a_scale_is_forgotten_when_others_make_the_group_anew(applied):
    scale(applied, 5)
    applied.apply(web(4).replace('web', 'app') + web())
    for process in applied.supervisord.process_groups['web'].processes.values():
        process.stop()
    applied.until(lambda: not any(name.startswith('web') for name in applied.running()))
    assert applied.supervisord.remove_process_group('web')
    read = applied.planner.compare('web').read['web']
    assert len(read.process_configs) == 3
    applied.options.process_config(do_usage=False)
    [config] = [one for one in applied.options.process_group_configs if one.name == 'web']
    applied.supervisord.add_process_group(config)
    applied.until(lambda: len(applied.running()) == 7)
    assert applied.different() == []


def test_a_scale_is_kept_by_a_group_that_becomes_something_else(applied):
    scale(applied, 5)
    text = web(events='TICK_5').replace('[program', '[eventlistener')
    applied.apply(text)
    assert (len(applied.running()), applied.different()) == (5, [])


def test_a_scale_that_is_rolled_back_is_not_kept(applied):
    job = applied.begin(web(command=BROKEN), rollback=False)
    applied.end(job)  # the new ones would die
    applied.write(web())
    applied.apply()
    applied.write(web())
    before = applied.running()
    applied.deaf.clear()
    starting = applied.service.scale('web', 4, applied.taken())
    applied.service.cancel(starting.id)
    applied.end(starting)
    assert starting.operation.state.value == 'rolled_back'
    assert (applied.running(), applied.different()) == (before, [])


def test_a_scale_waits_for_the_apply_of_its_group(applied):
    applied.deaf.update(applied.running().values())
    job = applied.begin(web(environment='A="1"'))
    applied.turn()
    with pytest.raises(Refusal, match=rf'BUSY: .*web. is being changed already \(apply {job.id}\)'):
        applied.service.scale('web', 5, applied.taken())
    scales = [applied.service.scale('web', n, applied.taken(if_busy='queue')) for n in (5, 4)]
    applied.deaf.clear()
    exits(applied, 'web:0')
    for one in (job, *scales):
        assert applied.end(one).operation.state.value == 'succeeded'
    assert len(applied.running()) == 4


def test_a_scale_is_kept_also_if_others_stop_a_process_of_it(applied):
    job = applied.service.scale('web', 5, applied.taken())
    applied.service._jobs.heed([('web', '4')])
    applied.end(job)
    assert (job.operation.state.value, ends(job)['4'][0]) == ('failed', 'taken')
    assert applied.different() == []


def test_a_scale_is_about_the_number_that_was_in_the_file_then(applied):
    job = applied.service.scale('web', 5, applied.taken())
    applied.write(web(4))
    with pytest.raises(Refusal, match='BUSY'):
        applied.service.scale('web', 6, applied.taken())
    applied.end(job)
    applied.apply()
    assert len(applied.running()) == 4


def test_what_is_being_changed_is_not_called_applied(applied):
    job = applied.service.scale('web', 5, applied.taken())
    assert applied.different() == ['web']
    applied.write(web(5))
    assert applied.different() == []
    with pytest.raises(Refusal, match=rf'is being changed already \(apply {job.id}\)'):
        applied.begin()
    applied.service.shut_down()


def test_changed_files_are_no_longer_told_of_when_all_is_applied(applied):
    applied.write(web(environment='A="1"'))
    assert 'has changed since' in restart(applied).warnings[-1]
    applied.until(lambda: not applied.service._jobs.active)
    applied.apply(groups='web')
    assert applied.service._intake._of_files() != []
    applied.apply()
    assert applied.service._intake._of_files() == []
