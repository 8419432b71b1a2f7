"""setNumprocs on a real supervisord: another number of processes than the files say, in memory."""

from __future__ import annotations

from supervisor_restarter.faults import Code
from tests.integration.applying import by_name, section
from tests.integration.service import address


def scale(site, number, **options):
    """Scale the site's program; the apply at its end."""
    id = site.server.restarter.setNumprocs(site.name, number, {'scout': 0, **options})
    return site.server.wait_finished(id)


def test_up_and_down_touches_the_surplus_alone_and_no_file(site):
    old = site.set_up(section(site.name, count=2), count=2)
    text = site.file.read_text()
    struct = scale(site, 4)
    assert (struct['kind'], struct['state']) == ('apply', 'succeeded')
    assert by_name(struct, 'action') == {'2': 'start', '3': 'start'}
    assert site.server.states(site.name) == dict.fromkeys('0123', 'RUNNING')
    struct = scale(site, 1)
    assert by_name(struct, 'action') == dict.fromkeys('123', 'remove')
    assert site.pids() == {'0': old['0']}
    assert scale(site, 2)['state'] == 'succeeded'
    assert site.pids()['0'] == old['0']
    assert site.file.read_text() == text
    site.check()


def test_it_is_kept_until_the_number_in_the_file_changes(site):
    site.set_up(section(site.name, count=2), count=2)
    scale(site, 3)
    old = site.pids()
    plan = site.server.restarter.planConfig(site.name)
    assert plan['groups'] == []
    assert any(site.name in warning and '3' in warning for warning in plan['warnings'])

    site.edit(('sleep 1000', 'sleep 2000'))
    struct = site.apply()
    assert by_name(struct, 'action') == dict.fromkeys('012', 'restart')
    assert site.apply()['total'] == 0
    assert not set(site.pids().values()) & set(old.values())

    site.edit(('numprocs=2', 'numprocs=4'))
    assert by_name(site.apply(), 'action') == {'3': 'start'}
    assert not any(
        site.name in warning for warning in site.server.restarter.planConfig()['warnings']
    )
    site.check()
    site.edit(('numprocs=4', 'numprocs=2'))
    assert by_name(site.apply(), 'action') == dict.fromkeys('23', 'remove')
    site.check()


def test_the_next_stock_update_brings_the_number_of_the_file_back(site):
    site.set_up(section(site.name, count=2), count=2)
    scale(site, 3)
    assert site.server.rpc().supervisor.reloadConfig() == [[[], [site.name], []]]
    assert site.server.ctl('update', site.name).returncode == 0
    site.server.wait_state(site.name)
    assert list(site.pids()) == ['0', '1']
    assert site.server.rpc().supervisor.reloadConfig() == [[[], [], []]]


def test_a_number_that_cannot_come_up_is_forgotten_again(site):
    """The added process fails: it is gone again, and the next apply does not want it either."""
    command = '/bin/sh -c "test $0 -lt 2 || exit 9; exec /bin/sleep 1000" %(process_num)d'
    old = site.set_up(
        section(site.name, command, 2, startretries=0, startsecs=1, autorestart='false'), count=2
    )
    struct = scale(site, 3)
    assert struct['state'] == 'rolled_back'
    assert site.pids() == old
    site.check()


def test_a_program_of_a_group_and_an_fcgi_program(site):
    at, one, two = address(), f'{site.name}one', f'{site.name}two'
    site.write(
        f'[group:{site.name}]\nprograms={one},{two}\n\n',
        section(one),
        section(two, numprocs=1, process_name=f'{two}%(process_num)d'),
        section(f'{site.name}f', count=2, kind='fcgi-program', socket=f'tcp://{at}:8000'),
    )
    site.stock_add()
    site.server.wait_state(site.name)
    site.server.wait_state(f'{site.name}f')
    old = site.pids()
    id = site.server.restarter.setNumprocs(two, 2)
    assert site.server.wait_finished(id)['state'] == 'succeeded'
    assert set(site.pids()) == {one, f'{two}0', f'{two}1'}
    assert {name: site.pids()[name] for name in old} == old
    id = site.server.restarter.setNumprocs(f'{site.name}f', '3')
    assert site.server.wait_finished(id)['state'] == 'succeeded'
    assert set(site.pids(f'{site.name}f')) == set('012')


def test_what_is_refused_and_why(site):
    site.set_up(section(site.name))
    file = site.file.read_text()

    def refused(code, *arguments):
        fault = site.server.fault(lambda: site.server.restarter.setNumprocs(*arguments))
        assert fault.faultCode == code, fault
        assert '\n' not in fault.faultString
        return fault.faultString

    assert 'process_num' in refused(Code.BAD_OPTION, site.name, 2)
    for number in (0, -1, 'many', 1.5, True):
        assert 'numprocs' in refused(Code.BAD_OPTION, site.name, number)
    assert 'no-such' in refused(Code.BAD_GROUP, 'no-such', 2)
    site.write(section(site.name, '/bin/sleep 2000', 2))
    assert 'apply' in refused(Code.BAD_STATE, site.name, 3)
    site.write(file)
    site.check()
    assert list(site.pids()) == [site.name]
