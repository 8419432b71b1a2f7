"""What docs/fleet.md says of a new configuration, with the files of real supervisords."""

from __future__ import annotations

from functools import partial

import pytest

from tests.fleet import shown
from tests.fleet.configured import ConfiguredHost

APPLY = 'Apply it'
NOTHING = 'nothing to apply: what runs is what the files say'


@pytest.fixture
def start(start_host):
    """As start_host, for a host whose workers stand in a file of their own."""
    return partial(start_host, kind=ConfiguredHost)


def apply_with(controller, name, option):
    """Make a playbook of apply.yml and one more option."""
    text = (controller.place / 'apply.yml').read_text()
    (controller.place / name).write_text(f'{text.rstrip()}\n        {option}\n')


def applies(host):
    """The applies that this supervisord knows of and that had something to do, newest first."""
    return [one for one in host.restarts() if one['kind'] == 'apply' and one['total']]


def test_a_version_that_does_not_run_ends_at_its_first_host(start, controller):
    fleet = [start('host1'), start('host2', equipped=False), start('host3')]
    first, second, third = fleet
    old = [host.file.read_text() for host in fleet]
    before = [host.pids() for host in fleet]

    failed = controller.play('configure.yml', fleet, release=2)
    assert failed.status == 2
    assert failed.touched() == ['host1', 'host2']
    assert [host.serving() for host in fleet] == [['2', '2'], ['1', '1'], ['1', '1']]
    assert first.file.read_text() == old[0].replace('releases/1', 'releases/2')
    assert [host.file.read_text() for host in (second, third)] == old[1:]
    assert third.pids() == before[2]
    # the worker that was not reached is the one that it was
    assert second.pids()['1'] == before[1]['1']
    assert second.unread()['groups'] == []

    told = failed.of(second, APPLY)
    reason = f'not ready within 4 s: http://127.0.0.1:{second.ports[0]}/health: answered 503'
    assert told.event == 'failed'
    assert told.result['msg'].startswith(f'web:0: {reason}')
    assert told.result['restart']['state'] == 'rolled_back'
    assert told.result['lowest_ready'] == 1
    [process, missed] = told.result['processes']
    assert (process['action'], process['phase']) == ('restart', 'ready')
    assert process['reason'].startswith(reason)
    assert missed['reason'].startswith('not reached')
    assert failed.of(second, 'Stop here').result['msg'] == told.result['msg']
    assert not failed.of(second, 'What runs is').result['changed']
    page = 'ansible-playbook -i hosts.yml configure.yml -e release=2'
    assert shown.missing(page, failed.output, fleet) == []

    # the repair, and the same command twice
    second.equip()
    repaired = controller.play('configure.yml', fleet, release=2)
    assert repaired.status == 0
    assert all(host.serving() == ['2', '2'] for host in fleet)
    assert repaired.stats['host1']['changed'] == 0
    pids = [host.pids() for host in fleet]
    again = controller.play('configure.yml', fleet, release=2)
    assert (again.status, again.changed()) == (0, 0)
    assert [host.pids() for host in fleet] == pids


def test_the_rescue_brings_back_what_was_not_rolled_back(start, controller):
    playbook = controller.place / 'configure.yml'
    text = playbook.read_text()
    playbook.write_text(text.replace('max_unavailable: 1', 'rollback: false'))
    host = start('host1', equipped=False)
    old, pids = host.file.read_text(), host.pids()
    failed = controller.play('configure.yml', [host], release=2)
    assert failed.status == 2
    told = failed.of(host, APPLY).result
    assert [one['phase'] for one in told['processes']] == ['failed', 'skipped']
    assert told['msg'].endswith(
        'answered 503; not rolled back: the new configuration holds where it was reached'
    )
    assert failed.of(host, 'What runs is').result['msg'].startswith('applied web in ')
    assert (host.file.read_text(), host.unread()['groups']) == (old, [])
    assert (host.serving(), host.pids()['1']) == (['1', '1'], pids['1'])


def test_a_section_that_was_not_there_before_leaves_no_trace(start, controller):
    host = start('host1', equipped=False)
    apply_with(controller, 'kept.yml', 'prune: false')
    host.file.unlink()
    kept = controller.play('kept.yml', [host]).of(host, 'Apply').result
    assert (kept['changed'], kept['msg']) == (False, NOTHING)
    removed = controller.play('apply.yml', [host]).of(host, 'Apply what').result
    assert removed['msg'].startswith('applied web in ')
    assert [one['action'] for one in removed['processes']] == ['remove', 'remove']
    assert host.serving() == ['', '']

    failed = controller.play('configure.yml', [host], release=2)
    assert failed.status == 2
    assert 'answered 503; rolled back: ' in failed.of(host, APPLY).result['msg']
    assert (host.pids(), list(host.conf_d.glob('*.conf'))) == ({}, [])
    assert host.unread()['groups'] == []


@pytest.mark.quick
def test_what_would_be_applied_is_shown_and_nothing_is_touched(start, controller):
    host = start('host1')
    before = host.touched()
    host.write(release='2')
    host.edit('stopwaitsecs = 60', 'stopwaitsecs = 30')
    checked = controller.play('apply.yml', [host], '--check', '--diff')
    assert (checked.status, checked.changed()) == (0, 1)
    assert host.touched() == before
    assert checked.of(host, 'Apply').result['msg'] == 'would apply web: 2 restarted'
    page = 'ansible-playbook -i hosts.yml apply.yml --check --diff'
    assert shown.missing(page, checked.output, [host]) == []

    # what is applied is what was shown; and then nothing is left to be shown
    applied = controller.play('apply.yml', [host], '--diff')
    assert applied.of(host, 'Apply').result['diff'] == checked.of(host, 'Apply').result['diff']
    assert host.serving() == ['2', '2']
    checked = controller.play('apply.yml', [host], '--check', '--diff')
    assert (checked.status, checked.changed()) == (0, 0)


def test_what_needs_no_restart_changes_under_the_same_pids(start, controller):
    host = start('host1')
    host.rpc().supervisor.stopProcess('web:1')
    pids = host.pids()
    host.edit('stopwaitsecs = 60', 'stopwaitsecs = 30')
    host.edit('environment = ', 'environment = RESTARTER_MIN_READY="0",')
    live = controller.play('apply.yml', [host])
    result = live.of(host, 'Apply').result
    assert (live.status, result['changed'], result['processes']) == (0, True, [])
    assert {(one['name'], one['action']) for one in result['at_once']} == {
        ('web:0', 'live'),
        ('web:1', 'live'),
    }
    assert host.pids() == pids

    # what was stopped on purpose stays so
    host.write(release='2')
    part = controller.play('apply.yml', [host]).of(host, 'Apply').result
    assert [one['name'] for one in part['processes']] == ['web:0']
    assert ('web:1', 'later') in {(one['name'], one['action']) for one in part['at_once']}
    assert host.serving() == ['2', '']
    host.rpc().supervisor.startProcess('web:1')
    host.wait(lambda: host.serving() == ['2', '2'], 'the new configuration of web:1')


def test_secrets_are_shown_only_when_asked_for(start, controller):
    host = start('host1')
    host.edit('environment = ', 'environment = DB_PASSWORD="sesame",')
    hidden = controller.play('apply.yml', [host], '--check', '--diff', '-vvv')
    assert '+  environment.DB_PASSWORD: (hidden)\n' in hidden.output
    assert 'sesame' not in hidden.output + str(hidden.results)
    apply_with(controller, 'clear.yml', 'secrets: true')
    clear = controller.play('clear.yml', [host], '--check', '--diff')
    assert '+  environment.DB_PASSWORD: sesame\n' in clear.output


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        (
            'numprocs = 2',
            'numprocs = two',
            "CANT_REREAD: invalid literal for int() with base 10: 'two' in section 'program:web' "
            "(file: '{file}'); nothing was touched",
        ),
        (
            '/serve',
            '/server',
            "web:0: it cannot be started: can't find command '{app}/releases/2/server' (and 1 more); "
            'rolled back: nothing was restarted, and the files still hold the new configuration',
        ),
    ],
)
def test_what_cannot_work_touches_nothing(start, controller, old, new, said):
    host = start('host1')
    before = host.pids()
    host.write(release='2')
    host.edit(old, new)
    failed = controller.play('apply.yml', [host])
    result = failed.of(host, 'Apply').result
    assert (failed.status, result['changed']) == (2, False)
    assert result['msg'].startswith(said.format(file=host.file, app=host.app))
    assert '\n' not in result['msg']
    assert (host.pids(), host.serving()) == (before, ['1', '1'])


def test_a_group_that_is_nowhere(start, controller):
    host = start('host1')
    apply_with(controller, 'nowhere.yml', 'name: nowhere')
    [failure] = controller.play('nowhere.yml', [host]).results
    assert failure.event == 'failed'
    assert failure.result['msg'].startswith('BAD_GROUP: ')
    assert 'nowhere' in failure.result['msg']


def test_a_handler_applies_all_files_at_once_and_a_lost_one_is_made_good(start, controller):
    host = start('host1')
    blocking = host.conf_d / 'jobs.conf'
    blocking.mkdir()
    assert controller.play('notify.yml', [host], release=2).status == 2
    assert host.serving() == ['1', '1']
    blocking.rmdir()
    made_good = controller.play('apply.yml', [host])
    assert (made_good.status, host.serving()) == (0, ['2', '2'])

    done = len(applies(host))
    host.release('3')
    together = controller.play('notify.yml', [host], release=3)
    assert together.status == 0
    assert (host.serving(), host.states('jobs')) == (['3', '3'], {'jobs': 'RUNNING'})
    assert len(applies(host)) == done + 1
    again = controller.play('notify.yml', [host], release=3)
    assert (again.status, again.changed(), len(applies(host))) == (0, 0, done + 1)


def test_busy_is_refused_and_the_apply_goes_on_without_its_controller(start, controller):
    host = start('host1', telling=True)
    host.write(release='2')
    host.hold.touch()
    killed = controller.begin('apply.yml', [host])
    id = host.only_restart()
    host.wait_phase(id, 'stopping')
    killed.kill()
    [refused] = controller.play('apply.yml', [host]).results
    assert refused.result['msg'].startswith('BUSY: ')
    assert refused.result['msg'].endswith('applies the files after it')
    assert host.serving() == ['1', '1']
    host.let_stop()
    host.wait_finished(id)
    assert host.serving() == ['2', '2']


@pytest.mark.parametrize('if_busy', ['queue', 'wait'])
def test_the_files_are_applied_after_what_keeps_the_group_busy(start, controller, if_busy):
    apply_with(controller, 'patient.yml', f'if_busy: {if_busy}')
    host = start('host1', telling=True)
    host.write(release='2')
    host.hold.touch()
    id = host.rpc().restarter.startRestart('web:0', {})
    host.wait_phase(id, 'stopping')
    mark = host.log_size()
    playing = controller.begin('patient.yml', [host])
    host.wait(lambda: 'restarter.waitRestart()' in host.log_text(mark), 'somebody who waits')
    assert len(host.restarts()) == (2 if if_busy == 'queue' else 1)
    host.let_stop()
    played = playing.end()
    result = played.of(host, 'Apply').result
    assert (played.status, result['changed'], result['restart']['kind']) == (0, True, 'apply')
    assert host.serving() == ['2', '2']


def test_a_restart_waits_for_the_apply_and_begins_then(start, controller):
    playbook = controller.place / 'resume.yml'
    playbook.write_text(playbook.read_text().replace('if_busy: queue', 'if_busy: wait'))
    host = start('host1', telling=True)
    host.write(release='2')
    host.hold.touch()
    id = host.rpc().restarter.startApply('', {})
    host.wait_phase(id, 'stopping')
    mark = host.log_size()
    playing = controller.begin('resume.yml', [host])
    host.wait(lambda: 'restarter.waitRestart()' in host.log_text(mark), 'somebody who waits')
    host.let_stop()
    result = playing.end().of(host, 'Restart').result
    assert (result['followed'], result['restart']['kind']) == (False, 'restart')
    # all of them are newer than the release, for the apply has restarted them
    assert not result['changed']
    assert host.serving() == ['2', '2']
