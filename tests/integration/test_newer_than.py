"""newer_than and method = start on a real supervisord: what is left alone, what is not, and that what
is left alone must be ready.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest

from bench.lab import script
from supervisor_restarter.engine.freshness import LATER_THAN_TOLD
from supervisor_restarter.faults import Code
from tests.integration.server import HELD, SECONDS, program, shared, worker

# Ready as long as there is a file of its number.
TEST = shutil.which('test')
PROBE = f'RESTARTER_READY="exec:{TEST} -e %(here)s/good%(process_num)d"'


@pytest.fixture(scope='module')
def server():
    sections = [
        program(count=3),
        program('probed', count=2, environment=PROBE),
        program('held', HELD, stopwaitsecs=600),
        program('dying', worker('--die', '2', '--exit', '1'), autorestart='true'),
    ]
    with shared(''.join(sections)) as server:
        for number in range(2):
            (server.dir / f'good{number}').touch()
        for group in ('web', 'probed', 'held'):
            server.wait_state(group)
        yield server
        server.let_stop()


@pytest.fixture
def stamp(server):
    """A file that has changed since everything was started."""
    path = server.dir / 'stamp'
    yield touch(server, path)
    path.unlink(missing_ok=True)


@pytest.fixture
def old(server):
    """A file that has not changed since anything was started."""
    path = server.dir / 'old'
    path.touch()
    os.utime(path, (1.0, 1.0))
    return path


def touch(server, path):
    """Change the file; what is started from now on is surely newer."""
    path.touch()
    wait_a_moment(server, path)
    return path


def wait_a_moment(server, path):
    later = os.lstat(path).st_mtime + LATER_THAN_TOLD
    server.wait(lambda: time.time() > later, 'the moment after the change')


def restart(server, names, path, **options):
    id = server.restarter.startRestart(names, {'newer_than': str(path), **options})
    return server.wait_finished(id)


def phases(struct):
    return {process['name']: process['phase'] for process in struct['processes']}


def renewed(server, before, group='web'):
    """The processes that have another pid than before."""
    return sorted(name for name, pid in server.pids(group).items() if before[name] != pid)


def command(server, *arguments, cwd=None):
    done = subprocess.run(
        [script('supervisorctl_restart_group'), '-c', str(server.conf), *arguments],
        cwd=cwd or server.dir,
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_only_what_is_older_is_restarted_and_then_nothing(server, stamp):
    server.wait_finished(server.restarter.startRestart('web:0'))
    before = server.pids()
    first = restart(server, 'web', stamp)
    assert (first['state'], first['options']['newer_than']) == ('succeeded', [str(stamp)])
    assert phases(first) == {'0': 'skipped', '1': 'ready', '2': 'ready'}
    assert renewed(server, before) == ['1', '2']
    left = first['processes'][0]
    assert (left['error'], left['note']) == ('', f'already newer than {stamp}')
    assert (left['old_pid'], left['new_pid']) == (before['0'], 0)

    before = server.pids()
    again = restart(server, 'web', stamp)
    assert (again['state'], set(phases(again).values())) == ('succeeded', {'skipped'})
    assert (again['done'], again['lowest_ready']) == (3, 3)
    assert server.restarter.restartProcessGroup('web', {'newer_than': [str(stamp)]}) is True
    assert server.pids() == before

    touch(server, stamp)
    restart(server, 'web', stamp)
    assert renewed(server, before) == ['0', '1', '2']


def test_a_link_that_is_switched_is_a_change_and_so_is_its_target(server):
    old, new, link = (server.dir / name for name in ('release1', 'release2', 'current'))
    for release in (old, new):
        release.mkdir()
        os.utime(release, (1.0, 1.0))
    link.symlink_to(old)
    os.utime(link, (1.0, 1.0), follow_symlinks=False)
    before = server.pids()
    restart(server, 'web', link)
    assert server.pids() == before
    (server.dir / 'next').symlink_to(new)
    (server.dir / 'next').rename(link)
    wait_a_moment(server, link)
    restart(server, 'web', link)
    assert renewed(server, before) == ['0', '1', '2']
    before = server.pids()
    restart(server, 'web', f'{link}/')
    assert server.pids() == before
    touch(server, new / 'file')
    restart(server, 'web', link)
    assert renewed(server, before) == ['0', '1', '2']


@pytest.mark.parametrize(('path', 'said'), [
    ('/no/where', 'newer_than = /no/where: No such file or directory'),
    ('stamp', "newer_than = 'stamp' is not allowed: it must be an absolute path or an array of them"),
])  # fmt: skip
def test_a_path_that_is_missing_or_relative_touches_nothing(server, stamp, path, said):
    before, known = server.pids(), server.restarter.listRestarts()
    options = {'newer_than': [str(stamp), path] if path[0] == '/' else path}
    for call in ('startRestart', 'planRestart', 'restartProcessGroup'):
        fault = server.fault(lambda call=call: getattr(server.restarter, call)('web', options))
        assert fault.faultCode == Code.BAD_OPTION
        assert fault.faultString.startswith(f'BAD_OPTION: {said}')
    assert (server.pids(), server.restarter.listRestarts()) == (before, known)


def test_a_queued_restart_looks_again_when_it_begins(server, stamp):
    server.wait_workers('held')
    first = server.restarter.startRestart('held')
    server.wait_phase(first, 'stopping')
    options = {'newer_than': str(stamp), 'if_busy': 'queue'}
    second = server.restarter.startRestart('held', options)
    stamp.unlink()
    server.let_stop()
    server.wait_finished(first)
    struct = server.wait_finished(second)
    assert (struct['state'], phases(struct)) == ('cancelled', {'held': 'skipped'})
    assert 'No such file or directory' in struct['processes'][0]['error']


def test_what_is_newer_and_not_ready_has_failed_until_it_is(server, stamp):
    good = server.dir / 'good0'
    good.unlink()
    for name, ready_timeout, phase in (('1', SECONDS, 'ready'), ('0', 1, 'failed')):
        first = restart(server, f'probed:{name}', stamp, ready_timeout=ready_timeout)
        assert phases(first) == {name: phase}
    pids = server.pids('probed')
    second = restart(server, 'probed:0', stamp, ready_timeout=1)
    assert (second['state'], phases(second)) == ('failed', {'0': 'failed'})
    failed = second['processes'][0]
    assert failed['error'].startswith(
        f'already newer than {stamp}, but not ready within 1 s: exec:{TEST} '
    )
    assert (failed['down_seconds'], failed['ready_seconds'], failed['note']) == (0, 0, '')
    assert failed['old_pid'] == failed['new_pid'] == pids['0'] == server.pids('probed')['0']
    good.touch()
    third = restart(server, 'probed', stamp, ready_timeout=SECONDS)
    assert (third['state'], set(phases(third).values())) == ('succeeded', {'skipped'})
    assert server.pids('probed') == pids
    # What failed is restarted, also if it is newer.
    options = {'ready_timeout': SECONDS}
    again = server.wait_finished(server.restarter.retryRestart(second['id'], options))
    assert (again['options']['newer_than'], phases(again)) == ([], {'0': 'ready'})
    assert renewed(server, pids, 'probed') == ['0']


def test_what_dies_again_and_again_is_not_called_good_whenever_it_is_up(server, old):
    for options in ({'newer_than': str(old)}, {'method': 'start'}):
        server.wait_state('dying')
        id = server.restarter.startRestart('dying', {**options, 'min_ready': SECONDS})
        struct = server.wait_finished(id)
        assert (struct['state'], phases(struct)) == ('failed', {'dying': 'failed'})
        assert 'already' in struct['processes'][0]['error']


def test_what_has_been_up_for_as_long_as_a_new_process_must_is_left_alone_at_once(server, old):
    server.wait(lambda: min_uptime(server) > 2, 'two seconds of the three')
    pids = server.pids()
    for options in ({'newer_than': str(old)}, {'method': 'start'}):
        id = server.restarter.startRestart('web', {**options, 'min_ready': 2, 'timeout': 1e6})
        assert server.restarter.getRestart(id)['state'] == 'succeeded'
    assert server.pids() == pids


def min_uptime(server, group='web'):
    infos = server.rpc().supervisor.getAllProcessInfo()
    return min(info['now'] - info['start'] for info in infos if info['group'] == group)


def test_the_command(server, stamp):
    server.wait_finished(server.restarter.startRestart(['web:0', 'web:1']))
    before = server.pids()
    newer = f'already newer than {server.dir}/./stamp'
    options = ['--newer-than', './stamp', '--newer-than', str(server.conf)]
    status, plan, _ = command(server, '--plan', *options, 'web')
    assert status == 0
    assert plan[:2] == [
        'web: would restart 1 process in 1 batch',
        f'newer_than = {server.dir}/./stamp, {server.conf}',
    ]
    assert plan[plan.index('left alone:') + 1] == f'web:0, web:1: RUNNING ({newer})'
    status, lines, _ = command(server, *options, 'web')
    assert (status, len(lines)) == (0, 3)
    assert lines[0].startswith('web:2: restarted (')
    assert lines[1] == f'web:0, web:1: skipped ({newer})'
    assert f', 2 left alone (all {newer}), at least ' in lines[2]
    assert renewed(server, before) == ['2']
    status, lines, _ = command(server, *options, 'web')
    assert lines[1:] == [f'web: nothing to restart, 3 processes left alone (all {newer})']
    status, lines, _ = command(server, '--status', server.restarter.listRestarts()[0]['id'])
    assert lines[2:] == [
        f'newer_than = {server.dir}/./stamp, {server.conf}',
        f'web:0, web:1, web:2: skipped ({newer})',
    ]
    status, output, _ = command(server, '--json', '--newer-than', 'nowhere', 'web')
    answer = json.loads('\n'.join(output))
    assert (status, answer['code']) == (2, Code.BAD_OPTION)
    assert f'newer_than = {server.dir}/nowhere: No such file or directory' in answer['error']


def test_a_start_starts_what_is_down_and_nothing_else(server):
    server.rpc().supervisor.stopProcess('web:1')
    before = server.pids()
    plan = server.restarter.planRestart('web', {'method': 'start'})
    assert [process['action'] for process in plan['batches'][0]['processes']] == ['start']
    assert [process['reason'] for process in plan['left']] == 2 * ['already started']
    status, lines, _ = command(server, '--method', 'start', 'web')
    assert (status, renewed(server, before)) == (0, ['1'])
    assert lines[1] == 'web:0, web:2: skipped (already started)'
    assert lines[2].startswith('web: started 1 process in ')
    status, lines, _ = command(server, '--method', 'start', 'web')
    assert lines[-1] == 'web: nothing to start, 3 processes left alone (all already started)'
    (server.dir / 'good1').unlink()
    struct = server.wait_finished(
        server.restarter.startRestart('probed:1', {'method': 'start', 'ready_timeout': '1'})
    )
    (server.dir / 'good1').touch()
    assert phases(struct) == {'1': 'failed'}
    assert struct['processes'][0]['error'].startswith('already started, but not ready within 1 s')


def test_numbers_may_come_as_strings(server):
    options = {'max_unavailable': '2', 'timeout': '30', 'min_ready': '0.1', 'stagger_factor': '1'}
    struct = server.wait_finished(server.restarter.startRestart('web', options))
    assert struct['state'] == 'succeeded'
    taken = {name: struct['options'][name] for name in options}
    assert taken == {'max_unavailable': 2, 'timeout': 30.0, 'min_ready': 0.1, 'stagger_factor': 1}
