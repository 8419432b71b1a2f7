"""Other wills in the middle of an apply: stop, update, reload, shutdown, a killed client, another apply."""

from __future__ import annotations

import subprocess
import xmlrpc.client

import pytest
from supervisor.xmlrpc import Faults

from bench.lab import script
from supervisor_restarter.faults import Code
from tests.integration.applying import BYSTANDER, INCLUDE, Site, by_name, held_by, section, variable
from tests.integration.service import marks, unix


@pytest.fixture
def own(start):
    """A site of a supervisord that no other test has."""
    server = start(BYSTANDER, extra=INCLUDE)
    server.wait_state('bystander')
    return Site(server, 'web')


def web(site, release=1, arguments='', **settings):
    given = unix()
    given['environment'] += f',RELEASE="{release}"'
    given['command'] += arguments
    return section(site.name, **{'count': 4, 'autorestart': 'false', **given, **settings})


def rolling(site, **options):
    """In the middle of an apply of a new version: 0 has it, 1 is starting until open_gate(), 2 and 3
    wait. The pids before, and the id.
    """
    old = site.set_up(web(site), count=4)
    site.server.wait(
        lambda: {one.pid for one in marks(site.server.dir, 'ready')} >= set(old.values()),
        'services',
    )
    gate = site.server.dir / f'{site.name}.gate'
    wait = f'while [ $0 = 1 ] && ! [ -e {gate} ]; do sleep 0.02; done'
    command = f'/bin/sh -c "{wait}; exec {unix()["command"]}" %(process_num)d'
    site.write(web(site, 2, command=command))
    id = site.begin(max_unavailable=1, **options)
    site.server.wait(
        lambda: by_name(site.server.restarter.getRestart(id), 'phase').get('1') == 'starting',
        'the second',
    )
    return old, id


def open_gate(site):
    (site.server.dir / f'{site.name}.gate').touch()


def releases(site):
    return {name: variable(pid, 'RELEASE') for name, pid in site.pids().items() if pid}


# -- stop ----------------------------------------------------------------------------------------


@pytest.mark.parametrize('name', ['1', '3'])
def test_a_process_that_is_stopped_is_left_and_the_rest_goes_on(site, name):
    """... with its new configuration, which it starts with the next time."""
    _, id = rolling(site)
    site.server.rpc().supervisor.stopProcess(f'{site.name}:{name}')
    open_gate(site)
    struct = site.server.wait_finished(id)
    assert struct['state'] == 'failed'
    assert by_name(struct, 'phase')[name] == 'skipped'
    assert site.server.states(site.name) == {**dict.fromkeys('0123', 'RUNNING'), name: 'STOPPED'}
    assert releases(site) == dict.fromkeys(set('0123') - {name}, '2')
    site.check()
    site.server.rpc().supervisor.startProcess(f'{site.name}:{name}')
    assert releases(site) == dict.fromkeys('0123', '2')


def test_the_whole_group_is_stopped(site):
    _, id = rolling(site)
    site.server.rpc().supervisor.stopProcessGroup(site.name)
    struct = site.server.wait_finished(id)
    assert struct['state'] == 'failed'
    assert set(site.server.states(site.name).values()) == {'STOPPED'}
    site.check()


# -- update, reload, shutdown --------------------------------------------------------------------


def test_stock_update_brings_up_the_files_and_the_apply_gives_up(site):
    _, id = rolling(site)
    done = site.server.ctl('update', site.name)
    assert f'{site.name}: updated process group' in done.stdout, done
    struct = site.server.wait_finished(id)
    assert struct['state'] in ('cancelled', 'failed')
    open_gate(site)
    site.server.wait_state(site.name)
    assert releases(site) == dict.fromkeys('0123', '2')
    site.check()


def test_the_group_is_removed(site):
    _, id = rolling(site)
    calls = [
        {'methodName': 'supervisor.stopProcess', 'params': [f'{site.name}:{name}']}
        for name in '0123'
    ]
    remove = {'methodName': 'supervisor.removeProcessGroup', 'params': [site.name]}
    site.server.rpc().system.multicall([*calls, remove])
    assert site.server.wait_finished(id)['state'] in ('cancelled', 'failed')
    assert site.server.states(site.name) == {}
    site.check_bystanders()


@pytest.mark.parametrize('ending', ['reload', 'shutdown'])
def test_supervisord_leaves(own, ending):
    server = own.server
    _, id = rolling(own)
    waiting = server.in_background(lambda: server.restarter.waitRestart(id, 10**6, 60))
    server.rpc().supervisor.getState()
    spawned = server.log_text().count('spawned')
    server.ctl(ending)
    with pytest.raises(xmlrpc.client.Fault) as caught:
        waiting.result()
    assert caught.value.faultCode == Faults.SHUTDOWN_STATE
    if ending == 'shutdown':
        assert server.process.wait(20) == 0
        assert server.log_text().count('spawned') == spawned
        return
    open_gate(own)
    server.wait(lambda: server.log_text().count('supervisord started') == 2, 'reload')
    server.wait_state('web')
    assert releases(own) == dict.fromkeys('0123', '2')
    assert server.restarter.planConfig()['groups'] == []


# -- the client ----------------------------------------------------------------------------------


def test_the_client_is_killed(site):
    """It runs on in supervisord."""
    old = site.set_up(held(site))
    site.server.wait_workers(site.name)
    site.write(held(site, '--exit', '0'))
    command = [script('supervisorctl_restart_group'), '-c', str(site.server.conf), '--apply']
    with subprocess.Popen([*command, site.name], stdin=subprocess.DEVNULL) as client:
        site.server.wait(lambda: site.server.state(site.name) == 'STOPPING', 'the apply')
        client.kill()
    site.let_stop()
    [struct] = [one for one in site.server.restarter.listRestarts() if one['groups'] == [site.name]]
    assert struct['kind'] == 'apply'
    assert site.server.wait_finished(struct['id'])['state'] == 'succeeded'
    assert site.pids() != old
    site.check()


# -- others at the same time ---------------------------------------------------------------------


def held(site, *arguments, **settings):
    return section(site.name, held_by(site.name, *arguments), **{'stopwaitsecs': 600, **settings})


def restarting(site):
    """A restart of the group that waits until it is let."""
    site.set_up(held(site))
    site.server.wait_workers(site.name)
    id = site.server.restarter.startRestart(site.name)
    site.server.wait_phase(id, 'stopping')
    return id


def test_busy_is_what_changes(site):
    id = restarting(site)
    mark = site.server.log_size()
    assert site.apply()['total'] == 0  # nothing differs: nobody is in the way
    site.write(held(site, '--exit', '0'))
    assert site.server.fault(site.begin).faultCode == Code.BUSY
    other = f'{site.name}other'
    site.write(held(site, '--exit', '0'), section(other))
    assert site.apply(other)['state'] == 'succeeded'
    assert site.server.fault(lambda: site.begin('all')).faultCode == Code.BUSY
    assert 'stopped:' not in site.server.log_text(mark)
    site.let_stop()
    assert site.server.wait_finished(id)['state'] == 'succeeded'


def test_while_a_group_is_applied_it_is_busy(site):
    site.set_up(held(site))
    site.server.wait_workers(site.name)
    site.write(held(site, '--exit', '0'))
    id = site.begin()
    site.server.wait_phase(id, 'stopping')
    restart = site.server.fault(lambda: site.server.restarter.startRestart(site.name))
    site.write(held(site, '--exit', '1'))
    again = site.server.fault(site.begin)
    assert (restart.faultCode, again.faultCode) == (Code.BUSY, Code.BUSY)
    site.let_stop()
    assert site.server.wait_finished(id)['state'] == 'succeeded'


def test_in_the_queue_it_applies_the_files_as_they_are_when_it_begins(site):
    id = restarting(site)
    site.write(held(site, '--exit', '0', environment='RELEASE="2"'))
    queued = site.begin(if_busy='queue')
    assert site.server.restarter.getRestart(queued)['state'] == 'queued'
    site.write(held(site, '--exit', '0', environment='RELEASE="3"'))
    site.let_stop()
    assert site.server.wait_finished(id)['state'] == 'succeeded'
    assert site.server.wait_finished(queued)['state'] == 'succeeded'
    assert releases(site) == {site.name: '3'}
    site.check()


def test_in_the_queue_the_files_break(site):
    id = restarting(site)
    site.write(held(site, '--exit', '0'))
    queued = site.begin(if_busy='queue')
    site.file.write_text('[program:bad]\ncommand=x\nnumprocs=many\n')
    site.let_stop()
    assert site.server.wait_finished(id)['state'] == 'succeeded'
    struct = site.server.wait_finished(queued)
    assert struct['state'] == 'cancelled'
    assert "'many'" in struct['why']
    assert str(site.file) in struct['why']
    site.write(held(site))
    site.check()


# -- calls that make no sense --------------------------------------------------------------------


@pytest.mark.parametrize(
    ('arguments', 'code', 'words'),
    [
        (('no-such-group',), Code.BAD_GROUP, 'no-such-group'),
        (([7],), Code.BAD_GROUP, '7'),
        (('', {'method': 'start'}), Code.BAD_OPTION, 'method'),
        (('', {'only_running': True}), Code.BAD_OPTION, 'only_running'),
        (('', {'newer_than': ['/tmp']}), Code.BAD_OPTION, 'newer_than'),
        (('', {'rollback': 'perhaps'}), Code.BAD_OPTION, 'rollback'),
        (('', {'prune': 2}), Code.BAD_OPTION, 'prune'),
        (('', {'max_unavailable': 0}), Code.BAD_OPTION, 'max_unavailable'),
        (('', 'max_unavailable'), Code.BAD_OPTION, 'struct'),
    ],
)
def test_bad_calls(site, arguments, code, words):
    before = len(site.server.restarter.listRestarts())
    fault = site.server.fault(lambda: site.server.restarter.startApply(*arguments))
    assert fault.faultCode == code
    assert words in fault.faultString
    assert '\n' not in fault.faultString
    assert len(site.server.restarter.listRestarts()) == before


def test_an_apply_is_not_retried(site):
    site.set_up(section(site.name))
    id = site.begin()
    site.server.wait_finished(id)
    fault = site.server.fault(lambda: site.server.restarter.retryRestart(id))
    assert fault.faultCode == Code.BAD_STATE
