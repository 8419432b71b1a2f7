"""RESTARTER_MAX_UNAVAILABLE, RESTARTER_MIN_READY and RESTARTER_READY_TIMEOUT of a program, on a
real supervisord.
"""

from __future__ import annotations

from supervisor_restarter.faults import Code
from tests.integration.server import Server, program


def says(**values):
    """A program's environment with these policies."""
    return ','.join(f'RESTARTER_{name.upper()}="{value}"' for name, value in values.items())


def policy(struct, group='web'):
    (found,) = [each for each in struct['policies'] if each['group'] == group]
    return found


def origins(struct, group='web'):
    return policy(struct, group)['from']


def test_a_forgotten_rolling_takes_nothing_down(start):
    server = start(program(count=4, environment=says(max_unavailable='25%%')))
    server.wait_state()
    assert server.restarter.restartProcessGroup('web') is True
    (restart,) = server.restarter.listRestarts()
    assert restart['lowest_ready'] == 3
    assert 'policies' not in restart
    restart = server.restarter.getRestart(restart['id'])
    assert policy(restart) == {
        'group': 'web',
        'size': 4,
        'allowed': 1,
        'max_unavailable': '25%',
        'min_ready': 0.0,
        'ready_timeout': 30.0,
        'from': {'max_unavailable': 'program', 'min_ready': 'default', 'ready_timeout': 'default'},
    }
    # what the call and the configuration say
    assert restart['options']['max_unavailable'] == '100%'
    assert policy(server.restarter.planRestart('web')) == policy(restart)


def test_it_holds_for_every_way_to_restart_unless_the_call_says_otherwise(start):
    server = start(
        program(count=3, environment=says(max_unavailable=1)), restarter='max_unavailable=100%%'
    )
    server.wait_state()
    restarter = server.restarter
    for call, allowed in [
        (lambda: restarter.restartProcessGroup('web'), 1),
        (lambda: restarter.quickRestart('all', True), 1),
        (lambda: restarter.restartProcessGroup('web', {'method': 'signal:CONT'}), 1),
        (lambda: restarter.restartProcessGroup('web', {'max_unavailable': 2}), 2),
        (lambda: restarter.restartProcessGroup('web', {'max_unavailable': '100%'}), 3),
    ]:
        call()
        restart = restarter.getRestart(restarter.listRestarts()[0]['id'])
        assert policy(restart)['allowed'] == allowed
        # How many were down at the same moment is also a matter of how quick they were.
        assert restart['lowest_ready'] >= 3 - allowed


def test_the_call_comes_before_the_program_and_the_program_before_the_configuration(start):
    server = start(
        program(count=3, environment=says(max_unavailable=2, min_ready='0.2', ready_timeout=7))
        + program('api'),
        restarter='max_unavailable=1\nmin_ready=0.1\nready_timeout=9',
    )
    server.wait_state()
    server.wait_state('api')
    plan = server.restarter.planRestart('all')
    assert set(origins(plan).values()) == {'program'}
    assert set(origins(plan, 'api').values()) == {'configuration'}
    assert (policy(plan)['min_ready'], policy(plan, 'api')['min_ready']) == (0.2, 0.1)
    options = {'max_unavailable': 3, 'min_ready': 0, 'ready_timeout': 5}
    restart = server.wait_finished(server.restarter.startRestart('all', options))
    for group in ('web', 'api'):
        assert set(origins(restart, group).values()) == {'call'}
        assert {name: policy(restart, group)[name] for name in options} == options


def test_in_a_group_of_programs_the_strictest_limit_holds_and_each_keeps_its_own_times(start):
    server = start(
        program('slow', environment=says(max_unavailable=2, min_ready='1.0'))
        + program('fast', environment=says(max_unavailable=1))
        + program('third')
        + '[group:web]\nprograms=slow,fast,third\n'
    )
    server.wait_state()
    restart = server.wait_finished(server.restarter.startRestart('web'))
    assert (restart['state'], restart['lowest_ready']) == ('succeeded', 2)
    seconds = {process['name']: process['ready_seconds'] for process in restart['processes']}
    assert all((seconds[name] >= 1.0) == name.startswith('slow') for name in seconds), seconds
    shown = policy(restart)
    assert (shown['max_unavailable'], shown['allowed'], shown['size'], shown['min_ready']) == (
        1,
        1,
        3,
        1.0,
    )


def test_each_process_fails_by_its_own_limit(start):
    nobody = 'RESTARTER_READY="unix:///nonexistent/sock"'
    server = start(
        program('quick', environment=f'{nobody},{says(ready_timeout="0.3")}')
        + program('slow', environment=f'{nobody},{says(ready_timeout="1.2")}')
        + '[group:web]\nprograms=quick,slow\n'
    )
    server.wait_state()
    restart = server.wait_finished(server.restarter.startRestart('web', {'on_failure': 'continue'}))
    errors = {process['name']: process['error'] for process in restart['processes']}
    assert errors['quick'].startswith('not ready within 0.3 s: ')
    assert errors['slow'].startswith('not ready within 1.2 s: ')


def test_one_group_rolls_while_another_restarts_at_once(start):
    server = start(
        program(count=3, startsecs=1, environment=says(max_unavailable=1))
        + program('api', count=3, startsecs=1)
    )
    server.wait_state()
    server.wait_state('api')
    plan = server.restarter.planRestart('all')
    assert [
        [(process['group'], process['name']) for process in batch['processes']]
        for batch in plan['batches']
    ] == [[('api', '0'), ('api', '1'), ('api', '2'), ('web', '0')], [('web', '1')], [('web', '2')]]
    id = server.restarter.startRestart('all')
    server.wait(lambda: 'RUNNING' not in server.states('api').values(), 'all of api on their way')
    restart = server.wait_finished(id)
    assert (restart['state'], restart['done']) == ('succeeded', 6)
    assert restart['lowest_ready'] == 2  # of web's three, and none of api's


def test_those_beside_the_restart_count_where_the_program_says_how_many_may_be_down(start):
    server = start(program(count=3, environment=says(max_unavailable=1)))
    server.wait_state()
    server.rpc().supervisor.stopProcess('web:2')
    plan = server.restarter.planRestart('web:0')
    assert (plan['total'], plan['left'][0]['name']) == (0, '0')
    restart = server.wait_finished(server.restarter.startRestart('web:0'))
    assert restart['processes'][0]['error'] == (
        'left as it is: not ready are web:2 (STOPPED), and max_unavailable = 1 allows 1'
    )
    assert restart['warnings'][0].startswith('web: would be left as it is: not ready are web:2')


class EveryProgram(Server):
    """A supervisord that says in its own section how many of each group may be down."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        super().__init__(programs, restarter, extra)
        self._text = self._text.replace(
            '[supervisord]', f'[supervisord]\nenvironment={says(max_unavailable=1)}'
        )


def test_a_policy_of_the_supervisord_section_holds_for_all_programs(start):
    server = start(
        program(count=2) + program('api', count=2, environment=says(max_unavailable=2)),
        kind=EveryProgram,
    )
    server.wait_state()
    plan = server.restarter.planRestart('all')
    assert (policy(plan)['max_unavailable'], policy(plan, 'api')['max_unavailable']) == (1, 2)


def test_a_count_that_the_group_does_not_have_is_refused(start):
    server = start(program(count=4) + program('api', count=30), restarter='max_unavailable=10000')
    server.wait_state()
    pids = server.pids()
    for method in ('restartProcessGroup', 'startRestart', 'planRestart'):
        for given in (5, 25):
            call = getattr(server.restarter, method)
            fault = server.fault(
                lambda call=call, given=given: call('web', {'max_unavailable': given})
            )
            assert (fault.faultCode, fault.faultString) == (
                Code.BAD_OPTION,
                f"BAD_OPTION: max_unavailable = {given} is more than 'web' has (4 processes): "
                f'give at most 4, or a percentage such as {given}%',
            )
    assert (server.pids(), server.restarter.listRestarts()) == (pids, [])
    assert server.restarter.planRestart('web', {'max_unavailable': 4})['total'] == 4
    assert server.restarter.planRestart('web:0', {'max_unavailable': 4})['total'] == 1
    assert server.restarter.planRestart('all', {'max_unavailable': 25})['total'] == 34
    # a count of the configuration is no slip
    assert server.restarter.planRestart('web')['total'] == 4
