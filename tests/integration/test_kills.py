"""Processes that do not heed their stop signal: that they were killed is said, everywhere, and only
of them.
"""

from __future__ import annotations

import os
import signal

from tests.integration.server import HELD, Telling, held, program, worker
from tests.integration.test_group_events import listener, wait_events


def processes(restart):
    return {process['name']: process for process in restart['processes']}


def test_a_worker_that_was_killed_is_named_with_its_limit(start):
    server = start(listener() + program('deaf', HELD, stopwaitsecs=1) + program('web', worker()))
    server.wait_workers('deaf')
    server.wait_workers('web')
    restart = server.wait_finished(server.restarter.startRestart(['deaf', 'web']))
    assert restart['state'] == 'succeeded'
    assert restart['killed'] == 1
    deaf, web = (processes(restart)[name] for name in ('deaf', 'web'))
    assert (deaf['killed'], deaf['stop_limit'], deaf['phase']) == (True, 1.0, 'ready')
    assert (
        deaf['note']
        == f'killed after {round(deaf["stop_seconds"], 1):g} s: did not stop within stopwaitsecs'
    )
    assert (web['killed'], web['note']) == (False, '')
    _, done = wait_events(server, 'GROUP_RESTART_STARTED', 'GROUP_RESTART_SUCCEEDED')
    assert ' killed:1 ' in done
    assert f'killed: deaf ({deaf["note"]})' in server.log_text()


def test_stop_timeout_is_named_where_it_was_the_limit(start):
    server = start(program('deaf', HELD, stopwaitsecs=600))
    server.wait_workers('deaf')
    restart = server.wait_finished(server.restarter.startRestart('deaf', {'stop_timeout': 0.3}))
    [deaf] = restart['processes']
    assert (deaf['killed'], deaf['stop_limit']) == (True, 0.3)
    assert deaf['note'].endswith('did not stop within stop_timeout')


def test_a_kill_by_somebody_else_is_none_of_supervisors(start):
    server = start(program('deaf', HELD, stopwaitsecs=600))
    server.wait_workers('deaf')
    id = server.restarter.startRestart('deaf')
    server.wait_phase(id, 'stopping')
    os.kill(server.pids('deaf')['deaf'], signal.SIGKILL)
    [deaf] = server.wait_finished(id)['processes']
    assert (deaf['killed'], deaf['note'], deaf['phase']) == (False, '', 'ready')


def test_a_stop_signal_that_is_sigkill_is_none(start):
    server = start(program('web', worker(), stopsignal='KILL', stopwaitsecs=5))
    server.wait_workers()
    [web] = server.wait_finished(server.restarter.startRestart('web'))['processes']
    assert (web['killed'], web['note']) == (False, '')


def test_a_process_that_is_still_stopping_at_the_end_of_a_restart_keeps_the_longer_stop_timeout(
    start,
):
    # Its own stopwaitsecs is shorter: back in force, Supervisor would take the rest for a clock
    # that was put back.
    server = start(held('slow', command=f'{HELD} --stop 2', stopwaitsecs=1), kind=Telling)
    server.wait_workers('slow')
    pid = server.pids('slow')['slow']
    id = server.restarter.startRestart('slow', {'stop_timeout': 600})
    server.wait_phase(id, 'stopping')
    with server.begin_ctl('stop', 'slow') as ctl:  # the newer will: the restart is over at once
        server.wait_call('stopProcess')
        server.let_stop()  # and it takes twice its own stopwaitsecs
        ctl.communicate()
    assert ctl.returncode == 0
    server.wait_state('slow', 'STOPPED')
    assert 'with SIGKILL' not in server.log_text()
    assert 'stopped: slow (exit status 0)' in server.log_text()
    # ... and afterwards everything is as configured again
    assert server.rpc().supervisor.startProcess('slow') is True
    server.wait_workers('slow')
    assert server.rpc().supervisor.reloadConfig() == [[[], [], []]]
    assert server.pids('slow')['slow'] != pid
    (server.dir / 'may-stop').unlink()  # it would not stop by itself
    assert server.proxy().supervisor.stopProcess('slow') is True
    assert 'with SIGKILL' in server.log_text()
