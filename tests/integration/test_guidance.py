"""What is said to those who ask for a restart: the warnings, the log, and what they may have meant."""

from __future__ import annotations

import os

from supervisor_restarter.faults import Code
from tests.integration.server import program

CHANGED = 'changed since supervisord read'


def file_warnings(struct):
    return [warning for warning in struct['warnings'] if CHANGED in warning]


def restarted(server, names='web', options=None):
    """A restart that has ended."""
    return server.wait_finished(server.restarter.startRestart(names, options or {}))


# -- warnings ------------------------------------------------------------------------------------


def test_a_restart_has_the_warnings_of_its_plan_but_for_what_was_asked_for_as_of_its_request(start):
    server = start(program(count=2) + program('api', startsecs=1, autorestart='false'))
    server.wait_state()
    server.wait_state('api')
    planned = server.restarter.planRestart('all')['warnings']
    assert len(planned) == 4
    warnings = [
        text
        for text in planned
        if 'at once' not in text and 'no process would keep running' not in text
    ]
    assert len(warnings) == 2
    id = server.restarter.startRestart('all')
    assert server.restarter.getRestart(id)['warnings'] == warnings
    assert server.wait_finished(id)['warnings'] == warnings
    assert server.restarter.waitRestart(id, 0, 0)['warnings'] == warnings
    assert ['warnings' in struct for struct in server.restarter.listRestarts()] == [False]
    assert server.restarter.planRestart('all')['warnings'] == planned


def test_a_configuration_file_that_has_changed_is_told(start):
    server = start(program())
    server.wait_state()
    assert file_warnings(restarted(server)) == []
    server.conf.write_text(server.conf.read_text() + program('more'))
    told = [
        f'the configuration file {server.conf} has changed since supervisord read it; a restart does not apply '
        'that (supervisorctl apply does)'
    ]
    assert file_warnings(restarted(server)) == told
    assert file_warnings(server.restarter.planRestart('web')) == told
    server.ctl('reread')  # from here on nobody knows what has changed since
    assert file_warnings(restarted(server)) == []


def test_a_reread_that_fails_applies_nothing(start):
    server = start(program())
    server.wait_state()
    server.conf.write_text(server.conf.read_text() + '[program:bad]\n')
    assert 'ERROR' in server.ctl('reread').stdout
    assert len(file_warnings(restarted(server))) == 1


def test_included_files_are_looked_at(start, tmp_path):
    for name in ('b', 'a'):
        (tmp_path / f'{name}.conf').write_text(program(name))
    server = start(program(), extra=f'[include]\nfiles={tmp_path}/*.conf\n')
    server.wait_state('a')
    server.wait_state()
    assert file_warnings(restarted(server)) == []
    with (tmp_path / 'a.conf').open('a') as file:
        file.write('stopwaitsecs=1\n')
    (tmp_path / 'b.conf').unlink()
    assert file_warnings(restarted(server)) == [
        f'the configuration files {tmp_path}/a.conf, {tmp_path}/b.conf have changed since supervisord read them; a '
        'restart does not apply that (supervisorctl apply does)'
    ]


def test_with_very_many_included_files_only_the_main_one_is_looked_at(start, tmp_path):
    for number in range(21):
        (tmp_path / f'{number}.conf').write_text(program(f'p{number}', autostart='false'))
    server = start(program(), extra=f'[include]\nfiles={tmp_path}/*.conf\n')
    server.wait_state()
    (tmp_path / '1.conf').unlink()
    assert file_warnings(restarted(server)) == []
    os.utime(server.conf, (1, 1))
    assert len(file_warnings(restarted(server))) == 1


# -- the log -------------------------------------------------------------------------------------


def test_the_log_tells_the_options_that_are_not_the_defaults(start):
    server = start(
        program(count=2) + program('api', environment='RESTARTER_MIN_READY="0.1"'),
        restarter='stop_timeout=3',
    )
    server.wait_state()
    server.wait_state('api')
    restarted(
        server,
        'web',
        {'max_unavailable': 1, 'min_ready': 0.25, 'only_running': True, 'on_failure': 'abort'},
    )
    restarted(server, ['web', 'api'], {'max_unavailable': '50%'})
    server.restarter.restartProcessGroup('web')
    begins = [
        line.partition('restarter: ')[2]
        for line in server.log_text().splitlines()
        if ' begins: ' in line
    ]
    assert [line.partition(' begins: ')[2] for line in begins] == [
        '2 processes (max_unavailable = 1, scout = 0, min_ready = 0.25, stop_timeout = 3, only_running = true)',
        '3 processes (max_unavailable = 50%, scout = 0, stop_timeout = 3; api: min_ready = 0.1)',
        '2 processes (scout = 0, stop_timeout = 3)',
    ]


def test_a_group_that_is_added_with_nonsense_is_logged(start):
    server = start(program())
    server.wait_state()
    server.conf.write_text(
        server.conf.read_text()
        + program('api', environment='RESTARTER_MIN_READY="soon"')
        + program('fine', environment='RESTARTER_MIN_READY="1"')
    )
    server.ctl('update')
    server.wait_state('api')
    lines = [line for line in server.log_text().splitlines() if 'WARN restarter' in line]
    assert [line.partition(' WARN restarter: ')[2] for line in lines] == [
        "api: RESTARTER_MIN_READY = 'soon' is not allowed: it must be a number of seconds from 0 to 10000000"
    ]


def test_one_line_is_logged_for_all_processes_with_the_same_nonsense(start):
    server = start(
        program(count=12, autostart='false', environment='RESTARTER_READY="tcp://web:1"')
    )
    lines = [line for line in server.log_text().splitlines() if 'WARN restarter' in line]
    assert len(lines) == 1
    assert 'web:0, web:1, web:2, ' in lines[0]
    assert ' and 2 more: RESTARTER_READY = ' in lines[0]
    server.rpc().supervisor.restart()
    server.wait(lambda: server.log_text().count('WARN restarter') == 2, 'the line after a reload')
    # before, a SIGTERM would be lost
    server.wait(lambda: server.rpc().supervisor.getPID() > 0, 'an answer')


# -- what may have been meant --------------------------------------------------------------------


def test_what_is_not_known(start):
    server = start(program(count=2) + program('nginx'))
    for method, name, meant in [
        ('startRestart', 'wep', 'web'),
        ('quickStop', 'wep:1', 'web:1'),
        ('planRestart', 'wep:*', 'web:*'),
        ('restartProcessGroup', 'wep', 'web'),
        ('quickStart', ['web', 'ngixn'], 'nginx'),
    ]:
        call = getattr(server.restarter, method)
        fault = server.fault(lambda call=call, name=name: call(name))
        assert fault.faultCode == Code.BAD_GROUP
        assert fault.faultString.endswith(f"; did you mean '{meant}'?")
    fault = server.fault(lambda: server.restarter.startRestart('web', {'max_unavail': 1}))
    assert fault.faultCode == Code.BAD_OPTION
    assert fault.faultString.startswith("BAD_OPTION: unknown option 'max_unavail'; known are ")
    assert fault.faultString.endswith("; did you mean 'max_unavailable'?")
