"""Each rule of supervisor_restart_listener on a real supervisord; the test sends the events."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest

from supervisor_restarter.listener.memory import measure
from tests.integration.listening import Hand
from tests.integration.server import free_port, program, shared, worker

MEGABYTE = 1024 * 1024
GROWER = Path(__file__).with_name('grower.py')


@pytest.fixture(scope='module')
def quiet():
    """A server for all tests that leave it as it is."""
    with shared(program(count=2)) as server:
        server.wait_state()
        yield server


def grow(server, name, megabytes):
    """Have the process of that name use so much memory from now on."""
    file = server.dir / f'size.{name}'
    file.with_suffix('.new').write_text(str(megabytes))
    file.with_suffix('.new').rename(file)


def changed(before, after):
    """The processes that have another pid."""
    return {name for name in before if after[name] != before[name]}


# -- memory ----------------------------------------------------------------------------------


@pytest.mark.parametrize('keeper', ['self', 'child'])
def test_processes_that_grow_are_restarted_alone_and_together(start, keeper):
    server = start(
        program(
            command=f'{sys.executable} {GROWER} %(here)s/size {keeper}', count=4, stopasgroup='true'
        )
    )
    server.wait_state()
    before = server.pids()
    with Hand(server, '--memory', 'web=100MB') as hand:
        assert hand.send() == []  # they are small
        grow(server, '1', 150)
        grow(server, '3', 150)
        server.wait(
            lambda: min(measure([before['1'], before['3']]).values()) > 150 * MEGABYTE,
            'two large processes',
        )
        (line,) = hand.send()
        (server.dir / 'size.1').unlink()
        (server.dir / 'size.3').unlink()
        id = line.partition(': restart ')[2].split()[0]
        restart = server.wait_finished(id)
    assert line.startswith('web:1 uses ')
    assert line.endswith(f' (more than 100MB): restart {id} of web:1, web:3')
    assert (restart['state'], restart['total'], restart['lowest_ready']) == ('succeeded', 2, 1)
    assert changed(before, server.pids()) == {'1', '3'}


def test_a_process_that_is_still_there_is_not_asked_for_again(start):
    server = start(program(command=f'{sys.executable} {GROWER} %(here)s/size self', count=2))
    server.wait_state()
    # so that max_unavailable has no room for the other one
    server.proxy().supervisor.stopProcess('web:1')
    before = server.pids()
    grow(server, '0', 60)
    with Hand(server, '--memory', 'web=40MB') as hand:
        id = hand.until('restart ').partition(': restart ')[2].split()[0]
        assert server.wait_finished(id)['state'] == 'failed'
        assert hand.send() == []
    assert server.pids()['0'] == before['0']
    assert len(server.restarter.listRestarts()) == 1


# -- age -------------------------------------------------------------------------------------


def test_old_processes_are_recycled_one_by_one(start):
    server = start(program(count=3))
    server.wait_state()
    before = server.pids()
    with Hand(server, '--age', 'web=6s') as hand:
        assert hand.send() == []  # they are young
        replaced: list[str] = []
        while len(replaced) < 3:
            line = hand.until(' s old ')
            server.wait_finished(line.partition(': restart ')[2].split()[0])
            replaced.append(line.rpartition(' of ')[2])
    assert sorted(replaced) == ['web:0', 'web:1', 'web:2']
    assert changed(before, server.pids()) == {'0', '1', '2'}
    assert {restart['total'] for restart in server.restarter.listRestarts()} == {1}


def test_no_process_follows_one_that_did_not_come_up(start):
    command = worker('--unless', '%(here)s/good')
    server = start(
        program(command=command, count=3, startsecs=1, startretries=1, autostart='false')
    )
    (server.dir / 'good').touch()
    server.restarter.quickStart('web', True)
    before = server.pids()
    (server.dir / 'good').unlink()
    with Hand(server, '--age', 'web=1s', '--max-unavailable', '3') as hand:
        first = hand.until(' s old ')
        line = hand.until('is left alone while')
        server.wait(lambda: 'FATAL' in server.states('web').values(), 'failed process')
        for _ in range(3):
            hand.send()
        assert sum('restart ' in line for line in hand.lines()) == 1
    assert line.startswith('--age web=1s: web:')
    assert changed(before, server.pids()) == {first.rpartition(':')[2]}


# -- fatal -----------------------------------------------------------------------------------


def test_a_fatal_process_is_started_again(start):
    server = start(
        program(command=worker('--unless', '%(here)s/good'), count=2, startsecs=1, startretries=0)
        + program('app', command=worker('--unless', '%(here)s/good'), startsecs=1, startretries=0)
    )
    server.wait_state('web', 'FATAL')
    server.wait_state('app', 'FATAL')
    with Hand(server, '--fatal', 'web=1s') as hand:
        hand.send()
        line = hand.until('FATAL')
        assert line.startswith(
            'web:0 has been FATAL for 1 s, web:1 has been FATAL for 1 s: restart '
        )
        server.wait_finished(line.partition(': restart ')[2].split()[0])
        (server.dir / 'good').touch()
        assert 'has been FATAL for 2 s' in hand.until('FATAL')
        server.wait_state()
    assert server.state('app') == 'FATAL'


# -- when ------------------------------------------------------------------------------------


def test_an_event_restarts_a_group(start):
    server = start(program(count=2) + program('app'))
    server.wait_state()
    app, web = server.pids('app'), server.pids()
    with Hand(server, '--when', 'REMOTE_COMMUNICATION=web') as hand:
        assert hand.send() == []
        assert hand.send('REMOTE_COMMUNICATION', 'type:deploy\nnow') == [
            'REMOTE_COMMUNICATION came: restart 1 of web'
        ]
        restart = server.wait_finished('1')
    assert (restart['state'], restart['lowest_ready']) == ('succeeded', 1)
    assert changed(web, server.pids()) == {'0', '1'}
    assert server.pids('app') == app


def test_an_event_about_the_group_itself_does_not(quiet):
    restarts = quiet.restarter.listRestarts()
    with Hand(quiet, '--when', 'PROCESS_STATE=we*', '--when', 'GROUP_RESTART=we*') as hand:
        (line,) = hand.send(
            'PROCESS_STATE_EXITED',
            'processname:0 groupname:web from_state:RUNNING expected:0 pid:1',
        )
        assert 'is not obeyed' in line
        hand.send('GROUP_RESTART_FAILED', 'id:1 groupname:web total:1')
    assert quiet.restarter.listRestarts() == restarts


# -- common ----------------------------------------------------------------------------------


def test_a_busy_group_is_asked_for_again(start):
    server = start(program(command=worker('--stop', '0.5'), count=2))
    server.wait_workers()
    first = server.restarter.startRestart('web', {'stagger_factor': 2, 'delay': 60})
    with Hand(server, '--when', 'REMOTE_COMMUNICATION=web', '--memory', 'web:1=1KB') as hand:
        (line,) = hand.send('REMOTE_COMMUNICATION')
        assert line == (
            "REMOTE_COMMUNICATION came: restart of web refused: BUSY: process group 'web' is being "
            f'restarted already (restart {first}); tried again at the next tick or event'
        )
        (line,) = hand.send()
        assert "restart of web:1 refused: BUSY: process group 'web'" in line
        assert hand.send() == []  # it is refused again, which has been said
        server.restarter.cancelRestart(first)
        server.wait_finished(first)
        second = (
            hand.until('REMOTE_COMMUNICATION came: restart ').partition(': restart ')[2].split()[0]
        )
        assert server.wait_finished(second)['total'] == 2
        hand.until('web:1 uses ')


def test_a_dry_run_touches_nothing(start):
    server = start(program(count=2) + program('bad', '/nonexistent', startretries=0))
    server.wait_state()
    server.wait_state('bad', 'FATAL')
    with Hand(
        server, '--when', 'TICK_5=bad', '--memory', 'web=1KB', '--fatal', 'bad=1s', '--dry-run'
    ) as hand:
        lines = hand.send()
        assert len(lines) == 2
        assert all(line.endswith(' (dry run)') for line in lines)
        hand.until('bad:bad has been FATAL for 1 s: would restart bad:bad')
    assert server.restarter.listRestarts() == []


def test_wrong_names_get_a_line_each(quiet):
    with Hand(quiet, '--when', 'TICK_5=wbe', '--age', 'wbe:*=1s') as hand:
        assert hand.send() == [
            "TICK_5 came: restart of wbe refused: BAD_GROUP: nothing is named or matched by 'wbe'; did you mean "
            "'web'?",
            "--age wbe:*=1s: BAD_GROUP: nothing is named or matched by 'wbe:*'; did you mean 'web:*'?",
        ]


def test_a_supervisord_that_is_gone_gets_a_line(start):
    server = start(program())
    server.wait_state()
    with Hand(server, '--age', 'web=1h') as hand:
        server.process.terminate()
        server.process.wait(20)
        (line,) = hand.send()
        assert line.startswith(f'unix://{server.dir}/sock ')
        assert line.endswith('; tried again at the next tick or event')
        assert hand.hang_up() == 0
        assert len(hand.lines()) == 1


IMPATIENT = (
    'import sys; from supervisor_restarter.listener import program as p; '
    'p.CALL_SECONDS = 0.5; sys.exit(p.main())'
)


def test_a_supervisord_that_does_not_answer_does_not_hold_it_up(quiet):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(quiet.dir / 'silent'))
        silent.listen()
        url = f'unix://{quiet.dir}/silent'
        with Hand(
            quiet, '--when', 'TICK=web', command=(sys.executable, '-c', IMPATIENT), url=url
        ) as hand:
            assert hand.send() == [
                f'TICK_5 came: restart of web refused: {url} timed out; '
                'tried again at the next tick or event'
            ]


def test_a_password_is_sent_and_a_wrong_one_gets_a_line(start, monkeypatch):
    port = free_port()
    server = start(
        program(), extra=f'[inet_http_server]\nport=127.0.0.1:{port}\nusername=ann\npassword=good\n'
    )
    monkeypatch.setenv('SUPERVISOR_USERNAME', 'ann')
    for password, words in (
        ('good', 'TICK_5 came: restart 1 of web'),
        ('bad', 'requires authentication'),
    ):
        monkeypatch.setenv('SUPERVISOR_PASSWORD', password)
        with Hand(server, '--when', 'TICK=web', url=f'http://127.0.0.1:{port}') as hand:
            (line,) = hand.send()
            assert words in line


# -- the protocol ----------------------------------------------------------------------------


def test_a_malformed_header_ends_it(quiet):
    with Hand(quiet, '--age', 'web=1h') as hand:
        hand.expect(b'READY\n')
        hand.write(b'this is no header\n')
        assert hand.process.wait(20) == 1
        assert hand.lines() == [r"malformed header: 'this is no header\n'"]


def test_an_oversized_payload_ends_it(quiet):
    with Hand(quiet, '--age', 'web=1h') as hand:
        hand.expect(b'READY\n')
        hand.write(b'eventname:TICK_5 len:16777217\n')
        assert hand.process.wait(20) == 1
        assert hand.lines() == ['a payload of 16777217 characters; the most are 16777216']


def test_a_sigterm_waits_until_the_event_is_answered(quiet):
    """Or the event would be sent again, to the next one; here it comes while the listener waits for
    an answer.
    """
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(quiet.dir / 'mute'))
        silent.listen()
        silent.settimeout(20)
        with Hand(quiet, '--when', 'TICK=web', url=f'unix://{quiet.dir}/mute') as hand:
            hand.expect(b'READY\n')
            hand.write(b'eventname:TICK_5 len:0\n')
            connection, _ = silent.accept()
            hand.process.terminate()
            connection.close()
            hand.expect(b'RESULT 2\nOK')
            assert hand.process.wait(20) == -signal.SIGTERM


def test_it_ends_quietly_when_supervisord_no_longer_reads(quiet):
    with Hand(quiet, '--when', 'TICK=web') as hand:
        hand.expect(b'READY\n')
        assert hand.process.stdout is not None
        hand.process.stdout.close()
        hand.write(b'eventname:TICK_5 len:0\n')
        assert hand.process.wait(20) == 0
        assert hand.lines() == [
            f'TICK_5 came: restart {quiet.restarter.listRestarts()[0]["id"]} of web'
        ]


def test_a_payload_of_any_characters_and_an_unknown_event_are_taken(quiet):
    with Hand(quiet, '--when', 'REMOTE_COMMUNICATION=web') as hand:
        assert hand.send('NEVER_HEARD_OF', 'no colon here\r\nüber € 𝄞\n') == []
        assert hand.send('PROCESS_LOG', 'x' * 100_000) == []
        assert len(hand.send('REMOTE_COMMUNICATION', 'type:\r\r\nö\n')) == 1
        assert hand.hang_up() == 0
