"""supervisords of every kind: servers, daemons, reloads, many processes, and names and sections of
every kind.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import socket
import xmlrpc.client
from typing import Any

import pytest

from supervisor_restarter.faults import Code
from tests.integration.probe import SECTION as PROBE
from tests.integration.server import ROOT, Daemon, Server, free_port, held, program, shared, worker

# For two processes: the second one's turn does not come.
ENDLESS = {'stagger_factor': 2, 'delay': 3600}
ZERO = {
    'wake_up_fd': -1,
    'poll_is_wrapped': False,
    'foreign_dispatchers': 0,
    'stand_ins': 0,
    'wrapped_calls': 0,
}


def inet():
    """The section of an inet server on a free port, and that port."""
    port = free_port()
    return f'[inet_http_server]\nport=127.0.0.1:{port}\n\n', port


def assert_restarts(server, group='web'):
    """A restart gives every process of the group a new pid."""
    before = server.pids(group)
    assert server.restarter.restartProcessGroup(group, {'timeout': 60}) is True
    after = server.pids(group)
    assert after.keys() == before.keys()
    assert not set(after.values()) & {0, *before.values()}


# -- several ways to one supervisord ---------------------------------------------------------


def test_unix_and_inet_server_share_one_engine(start):
    section, port = inet()
    server = start(program(count=2) + program('api'), extra=section)
    server.wait_state()
    server.wait_state('api')
    over_unix: Any = server.restarter
    over_inet: Any = xmlrpc.client.ServerProxy(f'http://127.0.0.1:{port}').restarter
    for here, there in itertools.permutations([over_unix, over_inet]):
        id = here.startRestart('web', ENDLESS)
        server.wait(lambda here=here, id=id: here.getRestart(id)['done'] == 1, 'the first process')
        (seen,) = [struct for struct in there.listRestarts() if not struct['finished_at']]
        assert (seen['id'], seen['groups'], seen['done']) == (id, ['web'], 1)
        assert (
            server.fault(lambda there=there: there.restartProcessGroup('web')).faultCode
            == Code.BUSY
        )
        assert there.restartProcessGroup('api') is True
        assert there.cancelRestart(id) is True
        assert here.waitRestart(id, 2**31 - 1, 20)['state'] == 'cancelled'
    ids = [int(struct['id']) for struct in over_inet.listRestarts()]
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == 4


def test_two_sections_with_different_defaults_share_one_engine(start):
    section = (
        '[rpcinterface:gentle]\nsupervisor.rpcinterface_factory=supervisor_restarter:make_rpcinterface\n'
        'stagger_factor=2\ndelay=3600\n'
    )
    server = start(program(count=2), extra=section)
    server.wait_state()
    gentle, plain = server.proxy().gentle, server.restarter
    assert [len(one.planRestart('web')['batches']) for one in (gentle, plain)] == [2, 1]
    id = gentle.startRestart('web')
    assert [struct['id'] for struct in plain.listRestarts()] == [id]
    assert server.fault(lambda: plain.restartProcessGroup('web')).faultCode == Code.BUSY
    plain.cancelRestart(id)
    server.wait_finished(id)
    assert plain.restartProcessGroup('web') is True


# -- lifetime --------------------------------------------------------------------------------


def reload_by_signal(server):
    os.kill(server.rpc().supervisor.getPID(), signal.SIGHUP)


def reload_by_supervisorctl(server):
    assert server.ctl('reload').stdout == 'Restarted supervisord\n'


def reload(server, how):
    """Reload and wait until all processes of `web` are new ones."""
    before = set(server.pids().values())
    how(server)

    def over():
        try:
            return (
                set(server.states('web').values()) == {'RUNNING'}
                and not set(server.pids().values()) & before
            )
        except xmlrpc.client.Fault:
            return False  # SHUTDOWN_STATE

    server.wait(over, 'the end of a reload')


def idle(server):
    """What the probe sees when nothing is going on any more; nothing is hooked in then."""
    server.wait(lambda: ZERO.items() <= server.proxy().probe.look().items(), 'an unhooked loop')
    return server.proxy().probe.look()


@pytest.mark.parametrize(
    ('kind', 'how'), [(Server, reload_by_supervisorctl), (Daemon, reload_by_signal)]
)
def test_restarts_before_and_after_reloads_leave_nothing_behind(start, monkeypatch, kind, how):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    server = start(program(count=3), extra=PROBE, kind=kind)
    server.wait_state()
    at_first = idle(server)
    for _ in range(2):
        for _ in range(2):
            assert_restarts(server)
            server.restarter.quickRestart('web', True)
            server.wait(
                lambda: all(one['finished_at'] for one in server.restarter.listRestarts()), 'an end'
            )
        assert idle(server) == at_first
        reload(server, how)
        assert idle(server) == at_first


def test_what_is_hooked_in_while_a_restart_runs(start, monkeypatch):
    """The probe can see what it is to miss in the test above."""
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    server = start(held(count=2), extra=PROBE)
    server.wait_workers()
    at_first = idle(server)
    id = server.restarter.startRestart('web')
    server.wait_phase(id, 'stopping')
    busy = server.proxy().probe.look()
    assert busy['poll_is_wrapped']
    assert (busy['wake_up_fd'] >= 0, busy['foreign_dispatchers'], busy['stand_ins']) == (True, 1, 2)
    assert busy['descriptors'] == at_first['descriptors'] + 2
    server.let_stop()
    server.wait_finished(id)
    assert idle(server) == at_first


def test_reload_in_the_middle_of_a_restart_leaves_nothing_hooked_in(start, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    server = start(program(command=worker('--stop', '0.3'), count=2), extra=PROBE)
    server.wait_workers()
    at_first = idle(server)
    for _ in range(2):
        server.wait_workers()
        id = server.restarter.startRestart('web')
        server.wait_phase(id, 'stopping')
        reload(server, reload_by_signal)
        assert idle(server) == at_first
        assert_restarts(server)


def test_daemon(start):
    server = start(program(count=2), kind=Daemon)
    server.wait_state()
    assert server.rpc().supervisor.getPID() == server.pid
    assert os.getsid(server.pid) != os.getsid(0)
    assert_restarts(server)
    assert re.search(r'daemonizing the supervisord process', server.log_text())


# -- names -----------------------------------------------------------------------------------

NAMED = ''.join(
    [
        program('my.app', process_name='v1.2'),
        program('größenträger', process_name='straße☃'),
        program('перезапуск'),
        program('zerstört', '/nonexistent/größer', autostart='false'),
        program('langsam', process_name='späté', startsecs=3600),
    ]
)


@pytest.fixture(scope='module')
def named():
    with shared(NAMED) as server:
        for group in ('my.app', 'größenträger', 'перезапуск'):
            server.wait_state(group)
        yield server


NAMESPECS = [('my.app', 'v1.2'), ('größenträger', 'straße☃'), ('перезапуск', 'перезапуск')]


@pytest.mark.parametrize(('group', 'name'), NAMESPECS)
def test_names_with_dots_and_non_ascii_letters(named, group, name):
    assert_restarts(named, group)
    assert named.restarter.planRestart(group)['batches'][0]['processes'][0]['name'] == name
    id = named.restarter.startRestart(f'{group[0]}*')
    struct = named.restarter.waitRestart(id, 2**31 - 1, 20)
    assert struct['groups'] == [group]
    assert [
        (process['group'], process['name'], process['phase']) for process in struct['processes']
    ] == [(group, name, 'ready')]
    assert named.restarter.getRestart(id) == struct
    assert named.restarter.listRestarts()[0]['groups'] == [group]
    for method in ('quickRestart', 'quickStop', 'quickStart'):
        assert getattr(named.restarter, method)(f'{group}:{name}', True) == [
            {'name': name, 'group': group, 'status': 80, 'description': 'OK'}
        ]


def test_non_ascii_text_in_failures_and_faults(named):
    restarter = named.restarter
    (entry,) = restarter.restartProcessGroup('zerstört')  # deferred
    assert (entry['group'], entry['name']) == ('zerstört', 'zerstört')
    assert "can't find command '/nonexistent/größer'" in entry['text']
    # deferred
    fault = named.fault(lambda: restarter.restartProcessGroup('langsam', {'timeout': 0.2}))
    assert fault.faultCode == Code.TIMEOUT
    assert 'langsam:späté (' in fault.faultString
    fault = named.fault(lambda: restarter.restartProcessGroup('unauffindbár'))  # at once
    assert fault.faultString == "BAD_GROUP: no process group named 'unauffindbár'"
    assert "command '/nonexistent/größer'" in restarter.planRestart('zerstört')['warnings'][0]


def test_non_ascii_text_in_a_multicall(named):
    """Its answer is deferred, with answers in it that were given at once."""
    calls = [
        {'methodName': f'restarter.{method}', 'params': params}
        for method, params in [
            ('restartProcessGroup', ['größenträger']),
            ('planRestart', ['größenträger']),
            ('listRestarts', []),
            ('getRestart', ['größer']),
        ]
    ]
    answers = named.proxy().system.multicall(calls)
    assert answers[0] is True
    assert answers[1]['groups'] == ['größenträger']
    assert answers[2][0]['groups'] == ['größenträger']
    assert "'größer'" in answers[3]['faultString']


# -- sections --------------------------------------------------------------------------------


def test_event_listener_pool_whose_name_has_a_space(start):
    # Supervisor strips a process's name and not the pool's: the group is ' ears'.
    server = start(program(' ears', kind='eventlistener', count=2, events='TICK_3600'))
    server.wait_state(' ears')
    assert_restarts(server, ' ears')
    rows = server.restarter.quickRestart([' ears:0', ' e*:1'], True)
    assert [(row['group'], row['name'], row['status']) for row in rows] == [
        (' ears', '0', 80),
        (' ears', '1', 80),
    ]
    assert {name for one in server.restarter.listRestarts() for name in one['groups']} == {' ears'}


def test_group_of_different_programs(start):
    server = start(
        program('front') + program('back', count=2) + '[group:site]\nprograms=front,back\n'
    )
    server.wait_state('site')
    assert sorted(server.pids('site')) == ['0', '1', 'front']
    assert_restarts(server, 'site')
    assert (
        server.fault(lambda: server.restarter.restartProcessGroup('back')).faultCode
        == Code.BAD_GROUP
    )


def test_fcgi_program(start):
    server = start(program('app', kind='fcgi-program', count=2, socket='unix://%(here)s/fcgi'))
    server.wait_state('app')
    for _ in range(2):
        assert_restarts(server, 'app')
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(server.dir / 'fcgi'))
    server.restarter.quickStop('app')
    assert table(server.restarter.quickStart('app', True)) == {'0': 80, '1': 80}


def table(rows):
    return {row['name']: row['status'] for row in rows}
