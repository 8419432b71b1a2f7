"""Other wills in the middle of a rolling restart: cancel, timeout, stop, update, remove, reload."""

from __future__ import annotations

import shutil
import tempfile
import xmlrpc.client
from pathlib import Path

import pytest
from supervisor.xmlrpc import Faults

from tests.integration.server import RudeClient, program
from tests.integration.service import address, open_gate, order, ready_after, service
from tests.integration.test_rolling_restarts import PATIENT, by_name, ready, renewed


@pytest.fixture
def rolling(start):
    """rolling(**options): a server in the middle of a rolling restart, the pids before, and the
    restart's id: 0 is restarted, 1 is starting until open_gate(), 2 and 3 wait.
    """

    def begin(**options):
        server = start(program(count=4, **PATIENT) + program('other'))
        ready(server, 4)
        before = server.pids()
        order(server.dir, 'web:1', '--gate')
        id = server.restarter.startRestart('web', {'max_unavailable': 1, **options})
        server.wait(
            lambda: by_name(server.restarter.getRestart(id), 'phase')['1'] == 'starting',
            'the second',
        )
        return server, before, id

    return begin


def test_cancel_in_mid_batch(rolling):
    server, before, id = rolling()
    assert server.restarter.cancelRestart(id) is True
    open_gate(server.dir)
    struct = server.wait_finished(id)
    assert struct['state'] == 'cancelled'
    assert list(by_name(struct, 'phase').values()) == ['ready', 'ready', 'skipped', 'skipped']
    assert renewed(server, before) == {'0', '1'}


def test_timeout_in_mid_roll(rolling):
    server, before, id = rolling(timeout=3)
    server.wait(
        lambda: by_name(server.restarter.getRestart(id), 'phase')['2'] == 'skipped', 'timeout'
    )
    open_gate(server.dir)
    struct = server.wait_finished(id)
    assert struct['state'] == 'timed_out'
    assert list(by_name(struct, 'phase').values()) == ['ready', 'ready', 'skipped', 'skipped']
    assert by_name(struct, 'error')['2'] == 'not reached before the timeout'
    assert renewed(server, before) == {'0', '1'}


def test_client_killed_in_mid_roll(start):
    server = start(program(count=4, **PATIENT))
    ready(server, 4)
    before = server.pids()
    client = RudeClient(
        server, 'restarter.restartProcessGroup', 'web', {'max_unavailable': 1, 'timeout': 0}
    )
    server.wait_phase(server.only_restart(), 'starting', 'ready')
    client.hang_up()
    assert server.wait_finished(server.only_restart())['state'] == 'succeeded'
    assert renewed(server, before) == set(before)
    assert min(ready_after(server.dir)) == 3


def test_a_process_that_is_stopped_and_started_in_mid_roll_gives_its_room_back(rolling):
    server, before, id = rolling()
    server.rpc().supervisor.stopProcess('web:3')
    server.rpc().supervisor.startProcess('web:3')
    open_gate(server.dir)
    struct = server.wait_finished(id)
    assert struct['state'] == 'succeeded'
    assert set(by_name(struct, 'phase').values()) == {'ready'}
    assert by_name(struct, 'note')['3'] == 'somebody else restarted it meanwhile'
    assert renewed(server, before) == set('0123')


@pytest.mark.parametrize('name', ['1', '3'])
def test_supervisorctl_stop_in_mid_roll_is_heeded_and_takes_up_room(rolling, name):
    server, before, id = rolling()
    assert server.ctl('stop', f'web:{name}').stdout == f'web:{name}: stopped\n'
    open_gate(server.dir)
    struct = server.wait_finished(id)
    assert struct['state'] == 'failed'
    assert by_name(struct, 'phase')[name] == 'skipped'
    assert server.state(f'web:{name}') == 'STOPPED'
    assert renewed(server, before) == set('01') - {name}
    assert f'web:{name} (STOPPED)' in by_name(struct, 'error')['2']


def test_update_in_mid_roll_brings_up_the_new_configuration(rolling):
    server, _, id = rolling()
    server.conf.write_text(server.conf.read_text().replace('numprocs=4', 'numprocs=2'))
    done = server.ctl('update', 'web')
    assert 'web: updated process group' in done.stdout
    server.wait_state()
    assert set(server.states('web')) == {'0', '1'}
    assert server.wait_finished(id)['state'] in ('failed', 'cancelled')
    open_gate(server.dir)
    assert server.restarter.restartProcessGroup('web', {'max_unavailable': 1}) is True


def test_remove_in_mid_roll(rolling):
    server, _, id = rolling()
    calls = [{'methodName': 'supervisor.stopProcess', 'params': [f'web:{name}']} for name in '0123']
    server.rpc().system.multicall(
        [*calls, {'methodName': 'supervisor.removeProcessGroup', 'params': ['web']}]
    )
    assert server.wait_finished(id)['state'] in ('failed', 'cancelled')
    assert server.states('web') == {}
    assert server.state('other') == 'RUNNING'


@pytest.fixture
def open_directory():
    """A directory that everybody can enter, with a short path: what the socket for READY=1 needs."""
    directory = Path(tempfile.mkdtemp(dir='/tmp'))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.parametrize(('kind', 'ending'), [('notify', 'reload'), ('silent', 'shutdown')])
def test_reload_and_shutdown_in_mid_roll_leave_nothing_behind(
    start, monkeypatch, open_directory, kind, ending
):
    temporary = open_directory
    monkeypatch.setenv('TMPDIR', str(temporary))
    at = address()
    settings = {'command': service('--notify'), 'environment': 'RESTARTER_READY="notify"'}
    if kind == 'silent':
        settings = {
            'command': service('--tcp', f'{at}:80%(process_num)02d'),
            'environment': f'RESTARTER_READY="http://{at}:80%(process_num)02d"',
        }
    server = start(program(count=3, **settings))
    ready(server, 3)
    order(server.dir, 'web:1', *(['--never'] if kind == 'notify' else ['--answer', 'silent']))
    descriptors = server.descriptors()
    call = server.in_background(
        lambda: server.restarter.restartProcessGroup('web', {'max_unavailable': 1})
    )
    id = server.only_restart()
    server.wait(
        lambda: by_name(server.restarter.getRestart(id), 'phase')['1'] == 'starting', 'the second'
    )
    before = server.pids()
    spawned = server.log_text().count('spawned')
    assert len(list(temporary.glob('supervisor-restarter-*'))) == (kind == 'notify')
    server.ctl(ending)
    with pytest.raises(xmlrpc.client.Fault) as caught:
        call.result()
    assert caught.value.faultCode == Faults.SHUTDOWN_STATE
    if ending == 'shutdown':
        assert server.process.wait(20) == 0
        assert server.log_text().count('spawned') == spawned
    else:
        server.wait(lambda: server.log_text().count('supervisord started') == 2, 'reload')
        server.wait_state()
        assert not set(server.pids().values()) & set(before.values())
        server.wait(lambda: server.descriptors() == descriptors, 'the same descriptors')
    assert list(temporary.glob('supervisor-restarter-*')) == []
