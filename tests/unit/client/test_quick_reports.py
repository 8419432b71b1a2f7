"""What the quick commands say of each process, and supervisorctl's code for it."""

from __future__ import annotations

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.client import quick_reports
from supervisor_restarter.client.quick_reports import STOPPED_BY_OTHERS
from supervisor_restarter.faults import Code
from tests.unit.client import samples


@pytest.mark.parametrize(('state', 'why', 'said', 'code'), [
    ('RUNNING', '', 'started', Faults.SUCCESS),
    ('EXITED', '', 'started', Faults.SUCCESS),
    ('EXITED', 'code 3', 'ERROR (abnormal termination): code 3', Faults.ABNORMAL_TERMINATION),
    ('BACKOFF', 'too quick', 'ERROR (spawn error): too quick', Faults.SPAWN_ERROR),
    ('FATAL', 'too\x1bbad', 'ERROR (spawn error): too\\x1bbad', Faults.SPAWN_ERROR),
    ('STOPPED', '', f'ERROR ({STOPPED_BY_OTHERS})', Code.CANCELLED),
    ('STOPPING', '', f'ERROR ({STOPPED_BY_OTHERS})', Code.CANCELLED),
    ('UNKNOWN', '', 'ERROR (failed): state UNKNOWN', Faults.FAILED),
])  # fmt: skip
def test_what_comes_of_a_start(state, why, said, code):
    report = quick_reports.of_start('web', '0', state, why)
    assert (report.line, report.code) == (f'web:0: {said}', code)


BAD = 'SPAWN_ERROR: exit status 3; state'


@pytest.mark.parametrize(('status', 'text', 'said', 'code'), [
    (60, 'ALREADY_STARTED: web:0', '(already started)', 60),
    (70, 'NOT_RUNNING: web:0', '(not running)', 70),
    (50, f'{BAD} BACKOFF', '(spawn error): exit status 3; state BACKOFF', 50),
    (50, f'{BAD} EXITED', '(abnormal termination): exit status 3; state EXITED',
     Faults.ABNORMAL_TERMINATION),
    (50, "SPAWN_ERROR: can't find command '/x'; state STOPPED",
     "(no such file): can't find command '/x'; state STOPPED", Faults.NO_FILE),
    (50, "SPAWN_ERROR: command at '/' is a directory",
     "(file is not executable): command at '/' is a directory", Faults.NOT_EXECUTABLE),
    (30, 'FAILED: it cannot be signalled', '(failed): it cannot be signalled', 30),
    (int(Code.TIMEOUT), 'TIMEOUT: its turn', '(timed out): its turn', Code.TIMEOUT),
    (int(Code.CANCELLED), 'CANCELLED: gone', '(cancelled): gone', Code.CANCELLED),
])  # fmt: skip
def test_what_the_server_could_not_do(status, text, said, code):
    row = {'group': 'web', 'name': '0', 'status': status, 'description': text}
    report = quick_reports.of_row(row)
    assert (report.line, report.code) == (f'web:0: ERROR {said}', code)


def process(phase, error='', **others):
    return samples.process('0', phase, error, **others)


# What was never stopped: it was running, and was not replaced.
STAYED = {'new_pid': 0, 'stop_seconds': 0.0}
COMES_BACK = 'what is down still comes back'


@pytest.mark.parametrize(('state', 'process', 'said', 'code'), [
    ('running', process('ready'), 'started', Faults.SUCCESS),
    ('running', process('ready', new_pid=10), 'signalled', Faults.SUCCESS),
    ('running', process('ready', note='by others'), 'started (by others)', Faults.SUCCESS),
    ('running', process('starting'), None, None),
    ('succeeded', process('skipped'), None, None),
    ('failed', process('skipped', 'not reached: web:1 failed first'), None, None),
    ('running', process('skipped', note='left so'), None, None),
    ('failed', process('skipped', note='left so'), 'skipped (left so)', Faults.SUCCESS),
    ('failed', process('skipped', 'left so'), 'ERROR (left so)', Code.CANCELLED),
    ('running', process('failed', 'exit status 3; state BACKOFF'),
     'ERROR (spawn error): exit status 3; state BACKOFF', Faults.SPAWN_ERROR),
    ('running', process('failed', "left as it is: can't find command '/x'", **STAYED),
     "ERROR (no such file): left as it is: can't find command '/x'", Faults.NO_FILE),
    ('running', process('failed', 'it cannot be signalled', **STAYED),
     'ERROR (failed): it cannot be signalled', Faults.FAILED),
    # A command of the program is not the program: no word of Supervisor's is for it.
    ('running', process('failed', "RESTARTER_BEFORE_STOP: can't find command '/x'", **STAYED),
     "ERROR (failed): RESTARTER_BEFORE_STOP: can't find command '/x'", Faults.FAILED),
    ('running', process('failed', 'RESTARTER_AFTER_READY: exit status 1'),
     'ERROR (failed): RESTARTER_AFTER_READY: exit status 1', Faults.FAILED),
    ('running', process('draining'), None, None),
    ('timed_out', process('stopping'), f'ERROR (timed out): stopping; {COMES_BACK}', Code.TIMEOUT),
    ('cancelled', process('starting'), f'ERROR (cancelled): starting; {COMES_BACK}',
     Code.CANCELLED),
])  # fmt: skip
def test_processes_of_a_restart(state, process, said, code):
    reports = quick_reports.of_restart(samples.restart(state, process))
    expected = [(f'web:0: {said}', code)] if said else []
    assert [(report.line, report.code) for report in reports] == expected
