"""planRestart, and the options of a call against those of the configuration, as the plan shows
them.
"""

from __future__ import annotations

import pytest

from supervisor_restarter.faults import Code
from tests.integration.server import program, shared

PLANNED = ''.join(
    [
        program('late', priority=20),
        program('early', priority=10),
        '[group:mixed]\nprograms=late,early\npriority=500\n\n',
        program('app', count=12),
        program('asleep', autostart='false'),
        program('broken', '/nonexistent', autostart='false'),
    ]
)


def shape(struct):
    return {key: type(value) for key, value in struct.items()}


def order(batch):
    return [f'{process["group"]}:{process["name"]}' for process in batch['processes']]


# -- planRestart -----------------------------------------------------------------------------


def test_plan_tells_everything_and_touches_nothing(start):
    server = start(PLANNED)
    server.wait_state('app')
    server.wait_state('mixed')
    before = server.rpc().supervisor.getAllProcessInfo()
    pids = {**server.pids('app'), **server.pids('mixed')}

    plan = server.restarter.planRestart(
        ['app', 'mixed:*', 'a*'], {'stagger_factor': 3, 'delay': 1.5}
    )
    assert shape(plan) == {
        'groups': list,
        'options': dict,
        'total': int,
        'batches': list,
        'left': list,
        'warnings': list,
        'policies': list,
    }
    apps = [f'app:{number}' for number in range(12)]  # 10 after 9
    assert [order(batch) for batch in plan['batches']] == [
        ['mixed:early', 'mixed:late', *apps[:3]],
        apps[3:8],
        apps[8:],
    ]
    assert [(batch['number'], batch['after']) for batch in plan['batches']] == [
        (1, 0.0),
        (2, 1.5),
        (3, 3.0),
    ]
    assert (plan['groups'], plan['total']) == (['mixed', 'app', 'asleep'], 14)
    assert [
        warning
        for warning in plan['warnings']
        if 'may be down at once' in warning and 'app: all 12' in warning
    ]
    process = plan['batches'][0]['processes'][0]
    assert process == {
        'group': 'mixed',
        'name': 'early',
        'state': 'RUNNING',
        'pid': pids['early'],
        'action': 'restart',
        'hooks': [],
    }
    assert [shape(process) for process in plan['left']] == [
        {'group': str, 'name': str, 'state': str, 'pid': int, 'reason': str}
    ]
    assert (plan['left'][0]['name'], plan['left'][0]['state']) == ('asleep', 'STOPPED')
    assert 'stopped on purpose' in plan['left'][0]['reason']

    plan = server.restarter.planRestart(['asleep', 'broken'])
    assert [process['action'] for process in plan['batches'][0]['processes']] == ['start', 'start']
    assert [
        warning
        for warning in plan['warnings']
        if 'broken' in warning and "can't find command '/nonexistent'" in warning
    ]
    plan = server.restarter.planRestart('asleep', {'only_running': True})
    assert (plan['total'], plan['batches'], plan['left'][0]['reason']) == (0, [], 'not running')

    volatile = ('now', 'description')  # times
    after = server.rpc().supervisor.getAllProcessInfo()
    for info in before + after:
        for key in volatile:
            info.pop(key)
    assert after == before
    assert server.restarter.listRestarts() == []


def test_a_restart_goes_as_planned(start):
    server = start(PLANNED)
    server.wait_state('app')
    server.wait_state('mixed')
    options = {'stagger_factor': 2, 'delay': 60}
    first, second = map(order, server.restarter.planRestart(['app', 'mixed'], options)['batches'])
    id = server.restarter.startRestart(['app', 'mixed'], options)
    server.wait(lambda: server.restarter.getRestart(id)['done'] == len(first), 'the first batch')
    ended = [
        f'{process["group"]}:{process["name"]}'
        for process in server.restarter.getRestart(id)['processes']
        if process['phase'] == 'ready'
    ]
    assert ended == first
    assert len(second) == 14 - len(first)


def test_a_plan_of_a_rolling_restart_tells_its_batches_and_what_is_in_its_way(start):
    server = start(PLANNED + program('fcgi', count=1))
    server.wait_state('app')
    server.wait_state('mixed')
    options = {'max_unavailable': '50%', 'min_ready': 2}
    plan = server.restarter.planRestart(['app', 'mixed'], options)
    apps = [f'app:{number}' for number in range(12)]
    assert [order(batch) for batch in plan['batches']] == [
        ['mixed:early', *apps[:6]],
        ['mixed:late', *apps[6:]],
    ]
    assert [batch['after'] for batch in plan['batches']] == [0.0, 2.0]
    assert all('startsecs=0' in warning for warning in plan['warnings'])

    server.rpc().supervisor.stopProcess('app:7')
    first = server.restarter.planRestart('app', options)['batches'][0]
    assert (first['processes'][0]['name'], first['processes'][0]['action']) == ('7', 'start')
    plan = server.restarter.planRestart(['app:1', 'app:2'], {'max_unavailable': 1})
    assert (plan['total'], plan['batches'], [process['name'] for process in plan['left']]) == (
        0,
        [],
        ['1', '2'],
    )
    assert 'app:7' in plan['left'][0]['reason']


COMMANDS = 'RESTARTER_BEFORE_STOP="/bin/true",RESTARTER_AFTER_READY="/bin/true a"'
BESIDE = ''.join(
    [
        program('web', count=2, startsecs=1, environment='RESTARTER_SURGE="yes"'),
        program('drained', environment=COMMANDS),
        program('plain'),
        program('fcgi', kind='fcgi-program', socket='unix://%(here)s/fcgi.sock'),
        program(
            'ears', kind='eventlistener', events='TICK_3600', environment='RESTARTER_SURGE="1"'
        ),
    ]
)


def test_a_plan_tells_what_is_there_twice_and_which_commands_are_run(start):
    server = start(BESIDE)
    for name in ('web', 'drained', 'plain', 'fcgi', 'ears'):
        server.wait_state(name)
    plan = server.restarter.planRestart('*', {'max_surge': 1})
    actions = {
        f'{one["group"]}:{one["name"]}': (one['action'], one['hooks'])
        for batch in plan['batches']
        for one in batch['processes']
    }
    assert actions == {
        'web:0': ('surge', []),
        'web:1': ('surge', []),
        'drained:drained': ('restart', ['before_stop', 'after_ready']),
        'plain:plain': ('restart', []),
        'fcgi:fcgi': ('surge', []),
        'ears:ears': ('restart', []),
    }
    last = [order(batch) for batch in plan['batches']][-1]
    assert last == ['web:1']  # after web:0
    listener = 'ears: an event listener is never there twice, whatever its RESTARTER_SURGE says'
    assert listener in plan['warnings']
    longest = server.restarter.planRestart('drained', {'hook_timeout': 100})['batches'][0][
        'longest'
    ]
    assert longest == pytest.approx(210.2)  # two commands, stopwaitsecs and a moment


@pytest.mark.parametrize(
    ('names', 'options', 'text'),
    [
        (
            'plain',
            {'max_surge': 1},
            'max_surge = 1 is for programs that say RESTARTER_SURGE="yes", and for fcgi programs: \'plain\' has none',
        ),
        (
            'web',
            {'max_surge': '50%', 'method': 'signal:HUP'},
            'max_surge = 50% contradicts method = signal:HUP: nothing is replaced',
        ),
    ],
)
def test_max_surge_where_it_has_no_use_is_refused(configured, names, options, text):
    for method in ('planRestart', 'startRestart', 'restartProcessGroup'):
        call = getattr(configured.restarter, method)
        fault = configured.fault(lambda call=call: call(names, options))
        assert (fault.faultCode, fault.faultString) == (Code.BAD_OPTION, f'BAD_OPTION: {text}')


# -- options of a call -----------------------------------------------------------------------

CONFIGURED = {
    'delay': 7.0,
    'timeout': 7.0,
    'stagger_factor': 7,
    'stop_timeout': 7.0,
    'on_failure': 'continue',
    'if_busy': 'queue',
    'only_running': True,
    'max_unavailable': '50%',
    'min_ready': 0.1,
    'ready_timeout': 7.0,
    'hook_timeout': 7.0,
    'max_surge': '50%',
}


@pytest.fixture(scope='module')
def configured():
    """A server with a configuration in which every option differs from its default."""
    with shared(
        program() + program('plain'),
        restarter='\n'.join(f'{key}={value}' for key, value in CONFIGURED.items()).replace(
            '%', '%%'
        ),
    ) as server:
        server.wait_state()
        yield server


def test_options_of_a_call_override_the_configuration(configured):
    restarter = configured.restarter

    def shown(struct):
        return {key: struct['options'][key] for key in CONFIGURED}

    each: list[dict[str, object]] = [
        {},
        {'delay': 0.5},
        {'timeout': 0},
        {'stagger_factor': 2},
        {'stop_timeout': 0.5},
        {'on_failure': 'abort'},
        {'if_busy': 'fail'},
        {'only_running': False},
        {'max_unavailable': 1},
        {'max_unavailable': '100%'},
        {'min_ready': 0},
        {'ready_timeout': 0},
        {'hook_timeout': 0},
        {'max_surge': 0},
        {'delay': 0, 'stagger_factor': 1, 'timeout': 60},
    ]
    for given in each:
        expected = {**CONFIGURED, **given}
        assert shown(restarter.planRestart('web', given)) == expected
        id = restarter.startRestart('web', given)
        assert shown(configured.wait_finished(id)) == expected
        restarter.restartProcessGroup('web', given)
        assert shown(restarter.listRestarts()[0]) == expected


def test_options_of_a_call_are_obeyed(start):
    server = start(program(count=2), restarter='stagger_factor=2\ndelay=60\ntimeout=0.3')
    server.wait_state()
    assert (
        server.fault(lambda: server.restarter.restartProcessGroup('web')).faultCode == Code.TIMEOUT
    )
    assert server.restarter.restartProcessGroup('web', {'stagger_factor': 1, 'timeout': 0}) is True
    assert server.restarter.restartProcessGroup('web', {'delay': 0, 'timeout': 20}) is True
