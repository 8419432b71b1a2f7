"""A new configuration that does not come up, or is not wanted any more: the old one holds again, and
what nobody had touched is never touched.
"""

from __future__ import annotations

import re

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.faults import Code
from tests.integration.applying import NOTHING, at_once, by_name, held_by, section, variable
from tests.integration.service import marks, ready_after, unix


def web(site, arguments='', release=1, name=None, **settings):
    """Four services, ready by a unix socket each, which are not started again by Supervisor."""
    given = unix()
    given['environment'] += f',RELEASE="{release}"'
    given['command'] += arguments
    return section(name or site.name, **{'count': 4, 'autorestart': 'false', **given, **settings})


def set_up(site, *sections, count=4, group=None):
    old = site.set_up(*sections, count=count, group=group)
    pids = set(old.values())
    site.server.wait(
        lambda: {one.pid for one in marks(site.server.dir, 'ready')} >= pids, 'services'
    )
    return old


def releases(site, group=None):
    return {name: variable(pid, 'RELEASE') for name, pid in site.pids(group).items()}


def check_old(site, old, struct, touched, group=None):
    """The old configuration runs: the touched processes with new pids, the others with the old; the
    files still say the new thing.
    """
    assert struct['state'] == 'rolled_back', struct
    group = group or site.name
    now = site.pids(group)
    assert {name for name in now if now[name] != old.get(name)} == set(touched)
    assert set(site.server.states(group).values()) == {'RUNNING'}
    assert releases(site, group) == dict.fromkeys(old, '1')
    assert group in [one['group'] for one in site.server.restarter.planConfig()['groups']]
    site.check_bystanders()


# -- a version that does not come up -------------------------------------------------------------

# fmt: off
BROKEN = [
    (' --exit 3',            {},                     'exit status 3'),
    (' --never',             {'ready_timeout': 0.5}, 'not ready within 0.5 s'),
    (' --last 0.2 --exit 4', {'min_ready': 1},       'Bad exit code 4'),
]
# fmt: on


@pytest.mark.parametrize(('arguments', 'options', 'reason'), BROKEN)
def test_a_broken_version_goes_back(site, arguments, options, reason):
    old = set_up(site, web(site))
    site.write(web(site, arguments, 2))
    struct = site.apply(**options)
    check_old(site, old, struct, '0')
    assert reason in struct['why']
    assert f'{site.name}:0' in struct['why']
    assert reason in by_name(struct, 'error')['0']
    assert by_name(struct, 'phase')['0'] == 'ready'
    assert struct['lowest_ready'] == 3
    assert min(ready_after(site.server.dir, site.name)) == 3


def test_what_had_come_up_already_goes_back_one_by_one(site):
    """The third one fails, whose file of the new version is missing: two have it by then."""
    folder = site.server.dir / f'{site.name}.files'
    folder.mkdir()
    for number in '013':
        (folder / number).touch()
    old = set_up(site, web(site))
    new = unix()['command']
    test = f'/bin/sh -c "test -e {folder}/$0 || exit 9; exec {new}" %(process_num)d'
    site.write(web(site, release=2, command=test))
    struct = site.apply(max_unavailable=1)
    check_old(site, old, struct, '012')
    assert 'exit status 9' in struct['why']
    notes = by_name(struct, 'note')
    assert [notes[name] for name in '01'] == ['rolled back', 'rolled back']
    assert by_name(struct, 'phase') == {**dict.fromkeys('012', 'ready'), '3': 'skipped'}
    assert struct['lowest_ready'] == 3
    assert min(ready_after(site.server.dir, site.name)) == 3


def test_added_processes_go_and_names_come_back(site):
    """numprocs 4 -> 5, renamed, and broken: everything is as it was called before."""
    old = set_up(site, web(site))
    site.write(
        web(
            site,
            ' --exit 3',
            2,
            count=1,
            numprocs=5,
            process_name='new%(process_num)d',
            stopwaitsecs=7,
        )
    )
    struct = site.apply()
    assert struct['state'] == 'rolled_back', struct
    now = site.pids()
    assert list(now) == list('0123')
    assert len({name for name in now if now[name] != old[name]}) <= 1
    assert releases(site) == dict.fromkeys('0123', '1')
    id = site.server.restarter.startRestart(f'{site.name}:3')
    assert by_name(site.server.wait_finished(id), 'stop_limit') == {'3': 10}


def test_what_held_at_once_goes_back_as_well(site):
    """Another group, of which only live keys and the log change."""
    live, log = f'{site.name}live', f'{site.server.dir}/{site.name}.log.'
    beside = section(live, stdout_logfile=f'{log}1', priority=5, stopwaitsecs=10)
    old = set_up(site, web(site), beside)
    before = site.pids(live)
    site.write(web(site, ' --exit 3', 2), beside)
    site.edit((f'{log}1', f'{log}2'), ('priority=5', 'priority=6'), ('secs=10', 'secs=7'))
    struct = site.apply([site.name, live])
    check_old(site, old, struct, '0')
    assert at_once(struct) == {f'{live}:{live}': 'live', f'{live}:': 'live'}
    assert site.pids(live) == before
    assert site.server.info(live)['stdout_logfile'] == f'{log}1'
    left = {one['group']: one for one in site.server.restarter.planConfig()['groups']}
    assert {change['key'] for change in left[live]['processes'][0]['changes']} == {
        'priority',
        'stdout_logfile',
        'stopwaitsecs',
    }
    assert [change['key'] for change in left[live]['changes']] == ['priority']
    id = site.server.restarter.startRestart(live)
    assert by_name(site.server.wait_finished(id), 'stop_limit') == {live: 10}


def test_a_group_that_is_taken_back_can_be_added_by_others(site):
    never, added = site.name, f'{site.name}added'
    site.write(web(site, ' --never'), section(added, count=2))
    id = site.begin([never, added])
    site.server.wait_state(added)
    assert site.server.fault(lambda: site.begin(added)).faultCode == Code.BUSY
    site.server.restarter.cancelRestart(id)
    assert site.server.wait_finished(id)['state'] == 'rolled_back'
    assert site.server.states(added) == {}
    site.server.rpc().supervisor.reloadConfig()
    site.server.rpc().supervisor.addProcessGroup(added)
    assert set(site.pids(added)) == {'0', '1'}


def test_of_three_groups_the_second_fails_and_all_go_back(site):
    names = [f'{site.name}{letter}' for letter in 'abc']

    def all_three(release, broken=''):
        return [
            web(
                site,
                broken if number == 1 else '',
                release,
                name,
                count=1,
                process_name='%(process_num)d',
                priority=number + 1,
            )
            for number, name in enumerate(names)
        ]

    site.write(*all_three(1))
    site.stock_add()
    old = {}
    for name in names:
        site.server.wait_state(name)
        old[name] = site.pids(name)
    site.server.wait(
        lambda: sum(one.name[:-2] in names for one in marks(site.server.dir, 'ready')) == 3,
        'services',
    )
    site.write(*all_three(2, ' --exit 3'))
    struct = site.apply(names)
    assert struct['state'] == 'rolled_back'
    for name in names:
        assert set(site.server.states(name).values()) == {'RUNNING'}
        assert releases(site, name) == {'0': '1'}
    phases = {one['group']: one['phase'] for one in struct['processes']}
    assert phases[names[1]] == 'ready'
    assert f'{names[1]}:0' in struct['why']


def test_without_rollback_a_failure_ends_it_there(site):
    old = set_up(site, web(site))
    site.write(web(site, ' --exit 3', 2))
    struct = site.apply(rollback=False)
    assert struct['state'] == 'failed'
    assert site.server.state(f'{site.name}:0') == 'EXITED'
    assert {name: site.pids()[name] for name in '123'} == {name: old[name] for name in '123'}
    assert (
        site.server.fault(lambda: site.begin(on_failure='continue', rollback=True)).faultCode
        == Code.BAD_OPTION
    )


def test_the_rollback_itself_fails(site):
    """The old command has been removed meanwhile: the end says both reasons."""
    command = site.server.dir / f'{site.name}.old'
    command.symlink_to('/bin/sleep')
    site.set_up(section(site.name, f'{command} 1000', startretries=0))
    command.rename(command.with_suffix('.running'))
    site.write(section(site.name, '/bin/false', startretries=0, startsecs=1))
    struct = site.apply()
    assert struct['state'] == 'failed'
    error = by_name(struct, 'error')[site.name]
    assert 'exit status 1' in error
    assert "can't find command" in error or 'no such' in error.lower()
    assert 'exit status 1' in struct['why']


# -- what is found before anything is touched ----------------------------------------------------


def test_a_command_that_does_not_exist_stops_nothing(site):
    old = set_up(site, web(site))
    mark = site.server.log_size()
    site.edit(('command=', 'command=/nonexistent '), ('stopwaitsecs=10', 'stopwaitsecs=7'))
    struct = site.apply()
    check_old(site, old, struct, '')
    assert '/nonexistent' in struct['why']
    assert all('/nonexistent' in error for error in by_name(struct, 'error').values())
    assert not re.search('stopped:|exited:|spawned:', site.server.log_text(mark))
    [group] = site.server.restarter.planConfig(site.name)['groups']
    assert {change['key'] for change in group['processes'][0]['changes']} == {
        'command',
        'stopwaitsecs',
    }


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('="unix://', '="gopher://'), 'RESTARTER_READY'),
        (('environment=', 'environment=RESTARTER_MAX_UNAVAILABLE="most",'), 'MAX_UNAVAILABLE'),
    ],
)
@pytest.mark.parametrize('release', [1, 2])
def test_what_the_restarter_does_not_understand_is_refused(site, change, words, release):
    """... also where nothing else changes, which would need no restart."""
    old = set_up(site, web(site))
    mark = site.server.log_size()
    site.edit(change, ('RELEASE="1"', f'RELEASE="{release}"'))
    fault = site.server.fault(site.begin)
    assert fault.faultCode == Code.BAD_OPTION
    assert words in fault.faultString
    assert site.pids() == old
    assert not re.search('stopped:|exited:|spawned:', site.server.log_text(mark))


def test_a_syntax_error_in_another_file_is_one_line_and_touches_nothing(site):
    old = set_up(site, web(site))
    site.write(web(site, release=2))
    bad = site.file.with_name('zzz.site')
    bad.write_text('[program:bad]\ncommand=/bin/sleep 1000\nnumprocs=many\n')
    mark = site.server.log_size()
    try:
        fault = site.server.fault(site.begin)
    finally:
        bad.unlink()
    assert fault.faultCode == Faults.CANT_REREAD
    assert str(bad) in fault.faultString
    assert 'program:bad' in fault.faultString
    assert '\n' not in fault.faultString
    assert site.pids() == old
    assert 'stopped:' not in site.server.log_text(mark)
    assert site.apply()['state'] == 'succeeded'
    site.check()


# -- it is called off ----------------------------------------------------------------------------


def test_cancelled_it_goes_back(site):
    old = set_up(site, web(site))
    site.write(web(site, ' --gate', 2))  # the gate is never opened
    id = site.begin()
    site.server.wait_phase(id, 'starting')
    assert site.server.restarter.cancelRestart(id) is True
    during = site.server.restarter.getRestart(id)
    assert during['state'] in ('running', 'rolled_back')
    struct = site.server.wait_finished(id)
    check_old(site, old, struct, '0')
    assert 'cancel' in struct['why']
    assert struct['lowest_ready'] == 3


def test_when_its_time_is_over_it_goes_back(site):
    old = set_up(site, web(site))
    site.write(web(site, ' --gate', 2))
    struct = site.apply(timeout=0.6)
    check_old(site, old, struct, '0')
    assert '0.6 s' in struct['why']


def test_what_is_still_stopping_comes_back(site):
    """Cancelled before the first process has stopped: it comes back with its old configuration."""
    site.set_up(section(site.name, held_by(site.name), stopwaitsecs=600))
    site.server.wait_workers(site.name)
    site.write(section(site.name, held_by(site.name, '--exit', '0'), stopwaitsecs=600))
    id = site.begin()
    site.server.wait_phase(id, 'stopping')
    site.server.restarter.cancelRestart(id)
    site.let_stop()
    assert site.server.wait_finished(id)['state'] == 'rolled_back'
    assert site.server.state(site.name) == 'RUNNING'
    [group] = site.server.restarter.planConfig()['groups']
    [change] = group['processes'][0]['changes']
    assert change['key'] == 'command'


def test_when_only_removals_are_left_it_is_not_called_off(site):
    """All that stays is as the files say: what goes cannot be had back."""
    site.set_up(section(site.name, held_by(site.name), 2, stopwaitsecs=600), count=2)
    site.server.wait_workers(site.name)
    site.edit(('numprocs=2', 'numprocs=1'))
    id = site.begin(timeout=0.5)
    site.server.wait_phase(id, 'stopping')
    fault = site.server.fault(lambda: site.server.restarter.cancelRestart(id))
    assert fault.faultCode == Code.BAD_STATE
    version = site.server.restarter.getRestart(id)['version']
    struct = site.server.restarter.waitRestart(id, version, 0.7)  # its time is over
    assert struct['finished_at'] == ''
    site.let_stop()
    assert site.server.wait_finished(id)['state'] == 'succeeded'
    assert list(site.pids()) == ['0']
    site.check()


def test_after_a_rollback_the_same_files_can_be_applied_once_they_are_right(site):
    old = set_up(site, web(site))
    site.write(web(site, ' --exit 3', 2))
    assert site.apply()['state'] == 'rolled_back'
    site.write(web(site))
    struct = site.apply()
    assert (struct['state'], struct['total'], at_once(struct)) == ('succeeded', 0, {})
    assert {name: site.pids()[name] for name in '123'} == {name: old[name] for name in '123'}
    assert site.server.rpc().supervisor.reloadConfig() == NOTHING
    site.write(web(site, release=3))
    assert site.apply()['state'] == 'succeeded'
    assert releases(site) == dict.fromkeys('0123', '3')
    site.check()
