"""planConfig on a real supervisord: what it tells, that it touches nothing, and what stock commands do
after it.
"""

from __future__ import annotations

import pytest
from supervisor.xmlrpc import Faults

from supervisor_restarter.faults import Code
from tests.integration.server import held, program

INCLUDE = '[include]\nfiles=conf.d/*.conf\n\n'


def actions(plan):
    return {
        f'{group["group"]}:{process["name"]}': process['action']
        for group in plan['groups']
        for process in group['processes']
    }


def write(server, *changes):
    """Change texts of the main file."""
    text = server.conf.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    server.conf.write_text(text)


def all_there_is(server):
    """Everything that Supervisor tells of its processes, without times."""
    return [
        {key: value for key, value in info.items() if key not in ('now', 'description')}
        for info in server.rpc().supervisor.getAllProcessInfo()
    ]


@pytest.fixture
def server(start):
    """One with processes in several states."""
    one = start(
        program('web', count=2)
        + program('asleep')
        + program('done', '/bin/true', autorestart='false')
        + program('broken', '/nonexistent', startretries=0)
        + program('gone'),
        extra=INCLUDE,
    )
    (one.dir / 'conf.d').mkdir()
    for group in ('web', 'asleep', 'gone'):
        one.wait_state(group)
    one.wait_state('done', 'EXITED')
    one.wait_state('broken', 'FATAL')
    one.rpc().supervisor.stopProcess('asleep')
    return one


def test_a_plan_tells_all_and_touches_nothing_and_then_stock_update_does_its_work(server):
    before, mark = all_there_is(server), server.log_size()
    nothing = {'groups': [], 'total': 0, 'unchanged': 6, 'reload': [], 'warnings': []}
    [warning] = server.restarter.planConfig()['warnings']
    assert 'conf.d/*.conf' in warning
    (server.dir / 'conf.d' / 'added.conf').write_text(program('added'))
    write(
        server,
        ('sleep 1000', 'sleep 2000'),
        ('numprocs=2', 'numprocs=3'),
        ('[program:gone]', '[program:new]'),
    )
    write(server, ('/bin/true', '/bin/true x'), ('/nonexistent', '/nonexistent x'))
    planned = server.restarter.planConfig()
    assert actions(planned) == {
        'web:0': 'restart',
        'web:1': 'restart',
        'web:2': 'start',
        'asleep:asleep': 'later',
        'done:done': 'later',
        'broken:broken': 'start',
        'added:added': 'start',
        'new:new': 'start',
        'gone:gone': 'remove',
    }
    first = server.restarter.planConfig(['web'])['groups'][0]['processes'][0]
    assert first == {
        'name': '0',
        'action': 'restart',
        'state': 'RUNNING',
        'pid': server.pids('web')['0'],
        'follows': '',
        'changes': [
            {
                'key': 'command',
                'what': 'changed',
                'old': '/bin/sleep 1000',
                'new': '/bin/sleep 2000',
                'effect': 'restart',
            }
        ],
    }

    bad = server.dir / 'conf.d' / 'bad.conf'
    bad.write_text('[program:bad]\ncommand=x\nnumprocs=größer\n')
    fault = server.fault(lambda: server.restarter.planConfig('web'))
    assert fault.faultCode == Faults.CANT_REREAD
    assert fault.faultString.startswith('CANT_REREAD: invalid literal')
    assert fault.faultString.endswith(f"'größer' in section 'program:bad' (file: '{bad}')")
    bad.unlink()

    # As if nothing had been read.
    assert server.fault(lambda: server.rpc().supervisor.addProcessGroup('new')).faultCode == (
        Faults.BAD_NAME
    )
    assert all_there_is(server) == before
    assert server.log_text(mark) == ''
    assert server.ctl('update').returncode == 0
    server.wait_state('web')
    assert len(server.pids('web')) == 3
    assert server.restarter.planConfig() == {**nothing, 'unchanged': 8}


def test_what_it_refuses(server):
    for call, code, text in (
        (lambda: server.restarter.planConfig('wep'), Code.BAD_GROUP, "did you mean 'web'?"),
        (lambda: server.restarter.planConfig([7]), Code.BAD_GROUP, 'not [7]'),
        (lambda: server.restarter.planConfig('', {'x': 1}), Code.BAD_OPTION, "unknown option 'x'"),
        (
            lambda: server.restarter.planConfig('', {'secrets': 'x'}),
            Code.BAD_OPTION,
            "secrets = 'x'",
        ),
    ):
        fault = server.fault(call)
        assert fault.faultCode == code
        assert text in fault.faultString


def test_a_plan_in_the_middle_of_a_restart_is_of_what_is_configured(start):
    server = start(held())
    server.wait_workers()
    id = server.restarter.startRestart('web', {'stop_timeout': 300})
    server.wait_phase(id, 'stopping')
    assert server.restarter.planConfig()['total'] == 0
    write(server, ('stopwaitsecs=600', 'stopwaitsecs=500'))
    [group] = server.restarter.planConfig()['groups']
    [change] = group['processes'][0]['changes']
    assert (change['key'], change['old'], change['new']) == ('stopwaitsecs', '600', '500')
    server.let_stop()
    assert server.wait_finished(id)['state'] == 'succeeded'


def test_what_needs_a_reload_does_so_until_there_was_one(start):
    server = start(program())
    server.wait_state()
    write(server, ('minfds=1024', 'minfds=1023'))
    server.rpc().supervisor.reloadConfig()
    assert server.restarter.planConfig()['reload'] == ['[supervisord] minfds']
    server.rpc().supervisor.restart()
    server.wait(lambda: server.log_text().count("spawned: 'web'") == 2, 'the end of the reload')
    assert server.restarter.planConfig()['reload'] == []
