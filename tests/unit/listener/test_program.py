"""The listener as a program: its command line, its loop, its end."""

from __future__ import annotations

import io
import socket
import sys

import pytest

from supervisor_restarter.client.errors import Exit
from supervisor_restarter.listener import program
from tests.unit.listener.test_listener import TICK, FakeServer, make
from tests.unit.listener.test_protocol import HEADER

URL = {'SUPERVISOR_SERVER_URL': 'unix:///nonexistent'}


@pytest.mark.parametrize(
    ('arguments', 'text'),
    [
        ([], 'give a rule'),
        (
            ['--memory', 'web'],
            "'web' is not NAME=LIMIT with a size in KB, MB or GB, such as web=512MB",
        ),
        (['--age', 'web=1x'], 'a time in s, m, h or d'),
        (['--fatal', 'web=0s'], 'must be more than 0'),
        (['--when', 'web'], 'is not EVENT=NAME'),
        (['--max-unavailable', '0', '--age', 'web=1h'], 'max_unavailable = 0 is not allowed'),
        (
            ['--max-unavailable', '200%', '--age', 'web=1h'],
            "max_unavailable = '200%' is not allowed",
        ),
        (['--mem', 'web=1MB'], 'unrecognized arguments'),
        (['--memory', 'web\x01=1MB'], 'control character'),
        (['web'], 'unrecognized arguments: web'),
    ],
)
def test_bad_rules_are_one_clear_line(arguments, text, capsys):
    assert program.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert err.count('\n') == 1
    assert text in err
    assert 'Traceback' not in err


def test_without_supervisord_it_says_so(monkeypatch, capsys):
    monkeypatch.delenv('SUPERVISOR_SERVER_URL', raising=False)
    assert program.main(['--age', 'web=1h']) == 2
    assert 'SUPERVISOR_SERVER_URL is not set' in capsys.readouterr().err


def test_without_psutil_it_says_so(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'psutil', None)
    monkeypatch.delitem(sys.modules, 'supervisor_restarter.listener.memory', raising=False)
    assert program.main(['--memory', 'web=1MB']) == 2
    err = capsys.readouterr().err
    assert "--memory needs psutil: pip install 'supervisor-restarter[memory]'" in err
    assert err.count('\n') == 1


def test_help(capsys):
    assert program.main(['-h']) == 0
    assert '--max-unavailable N|N%' in capsys.readouterr().out


def test_the_rules_are_told_at_the_start(capsys):
    program.make(
        ['--age', 'web=1h', '--when', 'tick_5=app', '--memory', 'web=1GB', '--dry-run'], URL
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(' rules: --memory web=1GB --age web=1h --when TICK_5=app (dry run)')


def test_an_event_that_nobody_knows_is_told_at_the_start(capsys):
    program.make(
        ['--when', 'TICK_7=web', '--when', 'GROUP_RESTART_FAILED=web', '--when', 'EVENT=web'], URL
    )
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert '--when TICK_7: neither Supervisor nor the restarter has such an event' in lines[1]


@pytest.mark.parametrize('given', ['3', '25%'])
def test_max_unavailable_reaches_the_restart(given, monkeypatch):
    server = FakeServer()
    monkeypatch.setattr(program, 'Supervisord', lambda environment: server)
    program.make(['--when', 'TICK=web', '--max-unavailable', given], URL).obey(TICK)
    value = int(given) if given.isdecimal() else given
    assert server.asked == [(('web',), {'max_unavailable': value, 'if_busy': 'fail'})]


# -- the loop --------------------------------------------------------------------------------


def test_an_event_that_is_sent_twice_is_obeyed_once():
    server = FakeServer()
    made, said = make(server, 'TICK=web')
    one = HEADER.format('TICK_5', 1) + 'x'
    stdout = io.StringIO()
    assert (
        program.run(made, io.StringIO(one + one + one.replace('serial:1', 'serial:2')), stdout)
        == Exit.OK
    )
    assert len(server.asked) == 2
    assert stdout.getvalue() == 'READY\nRESULT 2\nOK' * 3 + 'READY\n'


def test_what_is_no_event_ends_it_with_a_line(capsys):
    made, _ = make(FakeServer(), 'TICK=web')
    assert program.run(made, io.StringIO('nonsense\n'), io.StringIO()) == Exit.FAILED
    assert capsys.readouterr().err.endswith("malformed header: 'nonsense\\n'\n")


def test_a_supervisord_that_is_gone_is_no_error():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

        def close(self):
            raise BrokenPipeError

    made, _ = make(FakeServer(), 'TICK=web')
    assert program.run(made, io.StringIO(), Gone()) == Exit.OK


class Stdin:
    """sys.stdin with these bytes to read."""

    def __init__(self, data):
        self.buffer = io.BytesIO(data)


def test_it_reads_utf_8_until_the_end(monkeypatch, capsys):
    server = FakeServer()
    timeouts: list[float] = []
    monkeypatch.setattr(program, 'Supervisord', lambda environment: server)
    monkeypatch.setattr(socket, 'setdefaulttimeout', timeouts.append)
    monkeypatch.setenv('SUPERVISOR_SERVER_URL', 'unix:///x')
    payload = 'zwölf\r\n'
    event = HEADER.format('TICK_5', len(payload)) + payload
    monkeypatch.setattr(sys, 'stdin', Stdin(event.encode()))
    assert program.main(['--when', 'TICK=web']) == 0
    assert len(server.asked) == 1
    assert timeouts == [program.CALL_SECONDS]
    assert capsys.readouterr().out == 'READY\nRESULT 2\nOKREADY\n'


def test_ctrl_c_ends_it(monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(program, 'make', interrupted)
    assert program.main([]) == Exit.DETACHED
