"""A program's environment that makes no sense: its group is left as it is, and told why; all others
are restarted.
"""

from __future__ import annotations

import pytest

from supervisor_restarter.faults import Code
from tests.integration.server import program, shared

# Of the first, web:0 has a bad port; the second is spoiled by one of its programs; the others have a
# bad policy, an empty text, commands that are none, and no yes or no.
MALFORMED = {
    'web': "web:0: RESTARTER_READY = 'tcp://127.0.0.1:0': ",
    'mixed': "mixed:bad: RESTARTER_READY = 'nonsense': unknown kind; allowed: tcp://",
    'lots': "lots: RESTARTER_MAX_UNAVAILABLE = 'lots' is not allowed: it must be a count from 1 to 10000, or a ",
    'empty': "empty: RESTARTER_READY = '': ",
    'drained': "drained: RESTARTER_BEFORE_STOP = '': it is empty; allowed: a command and its ",
    'told': 'told: RESTARTER_AFTER_READY = "echo \'x": the command cannot be split into words: ',
    'twice': "twice: RESTARTER_SURGE = 'maybe' is not allowed: it must be yes or no",
}


@pytest.fixture(scope='module')
def malformed():
    with shared(
        ''.join(
            [
                program(count=2, environment='RESTARTER_READY="tcp://127.0.0.1:%(process_num)d"'),
                program('fine'),
                program('bad', environment='RESTARTER_READY="nonsense"'),
                program('lonely'),
                program('lots', environment='RESTARTER_MAX_UNAVAILABLE="lots"'),
                program('empty', environment='RESTARTER_READY=""'),
                program('drained', environment='RESTARTER_BEFORE_STOP=""'),
                program('told', environment='RESTARTER_AFTER_READY="echo \'x"'),
                program('twice', environment='RESTARTER_SURGE="maybe"'),
                '[group:mixed]\nprograms=fine,bad\n',
            ]
        )
    ) as server:
        server.wait_state('mixed')
        server.wait_state('web')
        yield server


def assert_refused(server, method, names, group, *options):
    """A call for these names is refused because of the group, and nothing is touched."""
    before = every_pid(server)
    fault = server.fault(lambda: getattr(server.restarter, method)(names, *options))
    assert fault.faultCode == Code.BAD_OPTION
    assert fault.faultString.startswith(f'BAD_OPTION: {MALFORMED[group]}')
    assert fault.faultString.isprintable()
    assert every_pid(server) == before


def every_pid(server):
    infos = server.rpc().supervisor.getAllProcessInfo()
    return {(info['group'], info['name']): info['pid'] for info in infos}


@pytest.mark.parametrize(
    ('names', 'group'),
    [
        ('web', 'web'),
        ('mixed:*', 'mixed'),
        (['web', 'lots'], 'lots'),
        # one of the group that makes no sense says little good of the others
        ('web:1', 'web'),
        ('*:fine', 'mixed'),
        ('empty', 'empty'),
        ('drained', 'drained'),
        ('told', 'told'),
        ('twice', 'twice'),
    ],
)
def test_a_malformed_readiness_of_one_process_refuses_every_restart_of_its_group(
    malformed, names, group
):
    assert_refused(malformed, 'restartProcessGroup', group, group)
    assert_refused(malformed, 'quickRestart', names, group)
    assert_refused(malformed, 'startRestart', names, group)
    # to be overridden by the call is no excuse
    options = {'max_unavailable': 1, 'min_ready': 0, 'ready_timeout': 1}
    assert_refused(malformed, 'startRestart', names, group, options)


@pytest.mark.parametrize('names', ['all', ['lonely', *MALFORMED]])
def test_of_several_groups_only_those_that_make_no_sense_are_left_alone(malformed, names):
    before = {group: malformed.pids(group) for group in (*MALFORMED, 'lonely')}
    planned = malformed.restarter.planRestart(names)
    restart = malformed.wait_finished(malformed.restarter.startRestart(names))
    after = {group: malformed.pids(group) for group in before}
    assert [group for group in before if before[group] != after[group]] == ['lonely']
    assert (restart['state'], restart['done']) == ('failed', 1)
    for process in restart['processes']:
        if process['group'] == 'lonely':
            assert (process['phase'], process['error']) == ('ready', '')
        else:
            assert process['phase'] == 'failed'
            assert process['error'].startswith(f'left as it is: {MALFORMED[process["group"]]}')
    assert {policy['group'] for policy in restart['policies']} == {'lonely'}
    for plan_of in (planned, restart):
        for group, text in MALFORMED.items():
            assert [
                warning
                for warning in plan_of['warnings']
                if warning.startswith(f'{group}: would be left as it is: {text}')
            ]
    assert [process['name'] for batch in planned['batches'] for process in batch['processes']] == [
        'lonely'
    ]
    assert {process['group'] for process in planned['left']} == set(MALFORMED)


def test_what_would_be_left_alone_anyway_does_not_fail_for_its_groups_environment(malformed):
    malformed.restarter.quickStop('lots', True)
    restart = malformed.wait_finished(malformed.restarter.startRestart(['lonely', 'lot*']))
    assert (restart['state'], [process['phase'] for process in restart['processes']]) == (
        'succeeded',
        ['ready', 'skipped'],
    )
    malformed.restarter.quickStart('lots', True)


def test_a_quick_restart_of_several_groups_answers_bad_option_for_those_alone(malformed):
    rows = malformed.restarter.quickRestart(['lonely', 'mixed', 'lots'], True)
    assert {row['name']: row['status'] for row in rows} == {
        'lonely': 80,
        'fine': Code.BAD_OPTION,
        'bad': Code.BAD_OPTION,
        'lots': Code.BAD_OPTION,
    }


def test_a_plan_says_that_it_would_be_refused(malformed):
    for names in ('web', 'web:1'):
        warning = malformed.restarter.planRestart(names)['warnings'][0]
        assert warning.startswith(f'this restart would be refused: {MALFORMED["web"]}')
    warnings = malformed.restarter.planRestart('lonely')['warnings']
    assert [text for text in warnings if 'refused' in text] == []


def test_a_malformed_readiness_keeps_nobody_from_starting_and_stopping(malformed):
    for method, state in (('quickStop', 'STOPPED'), ('quickStart', 'RUNNING')):
        rows = getattr(malformed.restarter, method)([*MALFORMED], True)
        assert {row['description'] for row in rows} == {'OK'}
        for group in MALFORMED:
            malformed.wait_state(group, state)


def test_what_makes_no_sense_is_logged_when_supervisord_starts(malformed):
    lines = [line for line in malformed.log_text().splitlines() if ' WARN restarter: ' in line]
    for text in MALFORMED.values():
        assert len([line for line in lines if f' WARN restarter: {text}' in line]) == 1
    assert len(lines) == len(MALFORMED)


def test_a_malformed_readiness_keeps_no_other_group_from_being_restarted(malformed):
    before = malformed.pids('lonely')
    assert malformed.restarter.restartProcessGroup('lonely') is True
    assert malformed.pids('lonely') != before


def test_a_variable_that_means_nothing_is_told_and_refuses_nothing():
    said = (
        'slip:0, slip:1: RESTARTER_BEFORESTOP in its environment means nothing; '
        "did you mean 'RESTARTER_BEFORE_STOP'?"
    )
    environment = 'RESTARTER_BEFORESTOP="/srv/lb drain"'
    with shared(program('slip', count=2, environment=environment)) as server:
        server.wait_state('slip')
        assert f' WARN restarter: {said}\n' in server.log_text()
        assert said in server.restarter.planRestart('slip')['warnings']
        assert server.restarter.restartProcessGroup('slip') is True
