"""A release that is ready for a moment and dies: nothing further is taken down, and nobody says
that it succeeded.
"""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from bench.lab import script
from tests.integration.server import held, program, worker
from tests.integration.service import address, close_gate, marks, open_gate, order, service, unix
from tests.integration.test_group_events import listener, wait_events

# Dies two seconds after its start, once the file exists; startsecs is 1, so that it counts as ready
# before.
CRASHES = "/bin/sh -c 'test -f %(here)s/broken && { sleep 2; exit 1; }; exec sleep 1000'"
CALL = {'max_unavailable': 1, 'timeout': 0}


def break_it(server):
    (server.dir / 'broken').touch()


def wait_ready(server, count):
    """Wait until so many services have set themselves up: they read their orders before."""
    server.wait_state()
    server.wait(lambda: len(marks(server.dir, 'ready')) >= count, f'{count} services')


def ended(server, **options):
    """The restart of web, when it is over."""
    id = server.restarter.startRestart('web', options)
    return server.wait_finished(id)


def phases(struct):
    return [process['phase'] for process in struct['processes']]


def errors(struct):
    return [process['error'] for process in struct['processes']]


@pytest.mark.parametrize('autorestart', ['true', 'false'])
def test_a_rolling_restart_stops_at_the_first_process_that_dies_after_it_was_ready(
    start, autorestart
):
    server = start(
        program(command=CRASHES, count=5, startsecs=1, autorestart=autorestart), restarter='scout=4'
    )
    server.wait_state()
    before = server.pids()
    break_it(server)
    restart = ended(server, max_unavailable=1)
    assert restart['state'] == 'failed'
    assert phases(restart) == ['failed'] + 4 * ['skipped']
    assert errors(restart)[0].startswith('exit status 1; ')
    assert 'it had been ready for' in errors(restart)[0]
    assert errors(restart)[1] == 'not reached: web:0 failed first (on_failure = abort)'
    assert restart['lowest_ready'] == 4
    assert {name: pid for name, pid in server.pids().items() if name != '0'} == {
        name: pid for name, pid in before.items() if name != '0'
    }


def test_without_a_scout_it_stops_as_soon_as_the_first_has_died(start):
    server = start(program(command=CRASHES, count=6, startsecs=1, autorestart='true'))
    server.wait_state()
    break_it(server)
    restart = ended(server, max_unavailable=1)
    assert restart['state'] == 'failed'
    assert phases(restart)[-2:] == ['skipped', 'skipped']
    assert 'failed' in phases(restart)[:2]


def test_the_command_says_so_by_its_exit_status_and_the_event_by_its_name(start):
    server = start(
        listener() + program(command=CRASHES, count=3, startsecs=1, autorestart='true'),
        restarter='scout=4',
    )
    server.wait_state()
    break_it(server)
    done = subprocess.run(
        [script('supervisorctl_restart_group'), '-c', str(server.conf), '--rolling', 'web'],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done
    assert 'web:0' in done.stderr
    _, failed = wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_FAILED')
    assert 'web:0 START_FAILED: exit status 1' in failed


def test_an_end_as_exitcodes_say_is_no_failure_unless_the_process_is_to_run_always(start):
    jobs = "/bin/sh -c 'test -f %(here)s/broken && { sleep 1.5; exit 0; }; exec sleep 1000'"
    # the restart still lasts when the jobs end
    slow = worker('--hold', '%(here)s/%(program_name)s.stop')
    server = start(
        ''.join(
            program(name, jobs, startsecs=1, autorestart=autorestart)
            + program(f'{name}-slow', slow, stopwaitsecs=600)
            for name, autorestart in (('once', 'unexpected'), ('always', 'true'))
        )
    )
    for group in ('once', 'always'):
        server.wait_state(group)
        server.wait_workers(f'{group}-slow')
    break_it(server)

    def restart(name):
        mark = server.log_size()
        id = server.restarter.startRestart([name, f'{name}-slow'])
        server.wait(lambda: f'exited: {name} ' in server.log_text(mark), 'the end of the job')
        (server.dir / f'{name}-slow.stop').touch()
        return server.wait_finished(id)

    ended = restart('once')
    assert (ended['state'], phases(ended)) == ('succeeded', ['ready', 'ready'])
    assert server.state('once') == 'EXITED'
    ended = restart('always')
    assert ended['state'] == 'failed'
    assert errors(ended)[0].startswith('exit status 0')


@pytest.mark.parametrize('kind', ['unix', 'http', 'notify'])
def test_one_whose_probe_says_yes_and_that_dies_after_that_is_the_only_one_that_goes(start, kind):
    where, path = f'{address()}:9%(process_num)03d', '%(here)s/%(group_name)s.%(process_num)d'
    listens = {'unix': f'--unix {path}', 'http': f'--tcp {where}', 'notify': '--notify'}[kind]
    ready = {'unix': f'unix://{path}', 'http': f'http://{where}/', 'notify': 'notify'}[kind]
    server = start(
        program(
            command=service(listens),
            count=4,
            environment=f'RESTARTER_READY="{ready}"',
            autorestart='true',
        ),
        restarter='scout=4',
    )
    wait_ready(server, 4)
    before = server.pids()
    for name in '0123':
        order(server.dir, f'web:{name}', '--last', '1', '--exit', '3')
    restart = ended(server, max_unavailable=1)
    assert restart['state'] == 'failed'
    assert phases(restart) == ['failed', 'skipped', 'skipped', 'skipped']
    assert errors(restart)[0].startswith('exit status 3')
    now = server.pids()
    assert {name: now[name] for name in '123'} == {name: before[name] for name in '123'}


def test_one_that_is_ready_and_does_not_answer_any_more_has_failed(start):
    where = f'{address()}:9%(process_num)03d'
    server = start(
        program(
            command=service('--tcp', where),
            count=3,
            environment=f'RESTARTER_READY="http://{where}/"',
        ),
        restarter='scout=4',
    )
    wait_ready(server, 3)
    before = server.pids()
    order(server.dir, 'web:0', '--first', 'ok', '--until', '1', '--answer', 'busy')
    restart = ended(server, max_unavailable=1)
    assert restart['state'] == 'failed'
    assert phases(restart) == ['failed', 'skipped', 'skipped']
    assert errors(restart)[0].startswith('no longer ready for 3 s: http://')
    assert errors(restart)[0].endswith('answered 503')
    assert server.pids()['1'] == before['1']


def test_one_that_is_not_ready_for_a_moment_has_not_failed(start):
    where = f'{address()}:9%(process_num)03d'
    server = start(
        program(
            command=service('--tcp', where, '--gate', '--hup', 'renew'),
            count=2,
            environment=f'RESTARTER_READY="tcp://{where}"',
            autostart='false',
        ),
        restarter='scout=5',
    )
    open_gate(server.dir)
    server.restarter.quickStart('web')
    wait_ready(server, 2)
    id = server.restarter.startRestart('web', {'max_unavailable': 1})
    server.wait_phase(id, 'ready')
    close_gate(server.dir)
    os.kill(server.pids()['0'], signal.SIGHUP)
    server.wait(lambda: phases(server.restarter.getRestart(id))[0] == 'starting', 'the moment')
    open_gate(server.dir)
    restart = server.wait_finished(id)
    assert (restart['state'], phases(restart)) == ('succeeded', ['ready', 'ready'])


def test_a_plain_restart_judges_at_its_end_over_all_processes(start):
    server = start(program('web', CRASHES, startsecs=1) + held('slow'))
    server.wait_state()
    server.wait_workers('slow')
    break_it(server)
    id = server.restarter.startRestart(['web', 'slow'])
    server.wait(lambda: 'exited: web ' in server.log_text(), 'the end of the first')
    server.let_stop()
    restart = server.wait_finished(id)
    assert restart['state'] == 'failed'
    assert sorted(phases(restart)) == ['failed', 'ready']
    names = {process['name']: process['error'] for process in restart['processes']}
    assert names['slow'] == ''
    assert names['web'].startswith('exit status 1')


def test_what_is_healthy_goes_on_after_the_scout(start):
    server = start(program(count=4, **unix()), restarter='scout=1')
    server.wait_state()
    before = server.pids()
    assert server.restarter.restartProcessGroup('web', CALL) is True
    after = server.pids()
    assert all(after[name] not in (0, before[name]) for name in before)
