"""The listener program without a supervisord: its protocol, its command line, its decisions."""

from __future__ import annotations

import io
import sys
import time

import pytest
from supervisor import childutils

from supervisor_restarter.client.client import ClientError, Exit
from supervisor_restarter.faults import Code
from supervisor_restarter.listener import program, rules
from supervisor_restarter.listener.listener import RETRY_SECONDS, Listener, Supervisord
from supervisor_restarter.listener.protocol import (
    MOST_HEADER,
    MOST_PAYLOAD,
    BadProtocol,
    Event,
    next_event,
)
from supervisor_restarter.listener.rulebook import ProcessInfo, RuleBook
from supervisor_restarter.listener.rules import When

HEADER = 'ver:3.0 server:supervisor serial:1 pool:x poolserial:1 eventname:{} len:{}\n'
URL = {'SUPERVISOR_SERVER_URL': 'unix:///nonexistent'}
BUSY = ClientError(
    Exit.BUSY, "BUSY: process group 'web' is being restarted already (restart 3)", Code.BUSY
)
GONE = ClientError(Exit.UNREACHABLE, 'unix:///sock refused connection')
TICK = Event('TICK_5', 'when:1')


class FakeServer:
    """Answers as told: `refusals` are raised by the next starts, `gone` by all calls."""

    def __init__(self):
        self.refusals = []
        self.gone = False
        self.asked = []
        self.everything = [
            ProcessInfo('web', '0', 'RUNNING', 100, 0, 900),
            ProcessInfo('app', 'app', 'RUNNING', 7, 0, 900),
        ]

    def processes(self):
        if self.gone:
            raise GONE
        return self.everything

    def start(self, names, options):
        if self.refusals:
            raise self.refusals.pop(0)
        self.asked.append((tuple(names), options))
        return str(len(self.asked))


def make(server, *whens, watched=(), dry_run=False, sizes=None):
    said: list[str] = []
    made = Listener(
        server,
        [rules.when_rule(when) for when in whens],
        RuleBook(list(watched)),
        {'max_unavailable': 1},
        lambda pids: sizes or {},
        said.append,
        dry_run,
    )
    return made, said


# -- the protocol ----------------------------------------------------------------------------


def event(text):
    stdout = io.StringIO()
    try:
        return next_event(io.StringIO(text, newline='\n'), stdout), stdout.getvalue()
    except BadProtocol as error:
        return str(error), stdout.getvalue()


@pytest.mark.parametrize('payload', ['', 'when:1', 'zwei\nZeilen\r\nü'])
def test_an_event(payload):
    assert event(HEADER.format('TICK_5', len(payload)) + payload + 'more') == (
        Event('TICK_5', payload, '1'),
        'READY\n',
    )


@pytest.mark.parametrize('server', ['my host', 'host:9001', 'a poolserial:7 eventname:x len:9'])
def test_any_identifier_and_pool_name(server):
    text = f'ver:3.0 server:{server} serial:1 pool:a\xa0b poolserial:4 eventname:TICK_5 len:1\nx'
    assert event(text)[0] == Event('TICK_5', 'x', '4')


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


@pytest.mark.parametrize('text', ['', 'ver:3.0 serv', HEADER.format('TICK_5', 7) + 'when:1'])
def test_the_end_of_supervisord(text):
    assert event(text) == (None, 'READY\n')


@pytest.mark.parametrize(
    'text',
    [
        '\n',
        'nonsense\n',
        'a:b:c len:1\n',
        'len:5\n',
        'eventname:x\n',
        HEADER.format('x', 'y'),
        'x' * (MOST_HEADER + 1),
    ],
)
def test_a_malformed_header(text):
    error, stdout = event(text)
    assert error.startswith('malformed header: ')
    assert len(error) < 200
    assert stdout == 'READY\n'


@pytest.mark.parametrize('length', [-1, MOST_PAYLOAD + 1, 10**30])
def test_an_oversized_payload_is_not_read_and_not_sent_again(length):
    error, stdout = event(HEADER.format('x', length) + 'payload')
    assert error.startswith(f'a payload of {length} characters')
    assert stdout == 'READY\nRESULT 2\nOK'


# -- decisions -------------------------------------------------------------------------------


def test_an_event_restarts_the_group():
    server = FakeServer()
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    made.obey(Event('REMOTE_COMMUNICATION', 'type:deploy\n'))
    assert server.asked == [(('web',), {'max_unavailable': 1})]
    assert said == ['REMOTE_COMMUNICATION came: restart 1 of web']


def test_other_events_do_nothing():
    server = FakeServer()
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    for name in ('TICK_5', 'PROCESS_STATE_EXITED', 'NEVER_HEARD_OF'):
        made.obey(Event(name, 'any thing: '))
    assert (server.asked, said) == ([], [])


@pytest.mark.parametrize('error', [BUSY, GONE])
@pytest.mark.parametrize(
    ('next_event', 'after'), [(TICK, 0), (Event('PROCESS_LOG_STDOUT', 'x'), RETRY_SECONDS)]
)
def test_what_is_refused_for_now_is_tried_at_the_next_tick_or_a_later_event(
    monkeypatch, error, next_event, after
):
    now = [1000.0]
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    server = FakeServer()
    server.refusals = [error]
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    made.obey(Event('REMOTE_COMMUNICATION', ''))
    made.obey(Event('PROCESS_LOG_STDOUT', 'x'))  # too soon
    assert server.asked == []
    now[0] += after
    made.obey(next_event)
    made.obey(next_event)
    assert len(server.asked) == 1
    assert said[0].startswith(f'REMOTE_COMMUNICATION came: restart of web refused: {error}')
    assert said[1:] == ['REMOTE_COMMUNICATION came: restart 1 of web']


def test_the_same_busy_group_is_told_once():
    server = FakeServer()
    server.refusals = [BUSY] * 3
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    made.obey(Event('REMOTE_COMMUNICATION', ''))
    for _ in range(3):
        made.obey(TICK)
    assert len(said) == 2


def test_what_is_refused_for_good_is_not_tried_again():
    server = FakeServer()
    server.refusals = [ClientError(Exit.USAGE, 'BAD_GROUP: nothing', Code.BAD_GROUP)]
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    made.obey(Event('REMOTE_COMMUNICATION', ''))
    made.obey(TICK)
    assert said == ['REMOTE_COMMUNICATION came: restart of web refused: BAD_GROUP: nothing']


def test_an_unreachable_supervisord_is_told_with_each_attempt():
    server = FakeServer()
    server.gone = True
    made, said = make(server, 'PROCESS_STATE=web')
    made.obey(Event('PROCESS_STATE_EXITED', 'processname:app groupname:app'))
    made.obey(TICK)
    assert len(said) == 2
    server.gone = False
    made.obey(TICK)
    assert [names for names, _ in server.asked] == [('web',)]


def test_several_events_are_one_restart():
    server = FakeServer()
    server.refusals = [BUSY]
    made, said = make(server, 'PROCESS_STATE=web')
    for name in ('PROCESS_STATE_STOPPED', 'PROCESS_STATE_STARTING'):
        made.obey(Event(name, 'processname:app groupname:app'))
    made.obey(TICK)
    assert len(server.asked) == 1
    assert said[-1] == 'PROCESS_STATE_STOPPED, PROCESS_STATE_STARTING came: restart 1 of web'


@pytest.mark.parametrize('target', ['web', 'web:', 'web:0', 'we*', '*:0', 'all', '0'])
@pytest.mark.parametrize(
    ('name', 'payload'),
    [
        ('PROCESS_STATE_EXITED', 'processname:0 groupname:web from_state:RUNNING'),
        ('GROUP_RESTART_SUCCEEDED', 'id:1 groupname:app,web total:2'),
        ('PROCESS_GROUP_ADDED', 'groupname:web\n'),
    ],
)
def test_what_is_about_the_group_itself_is_not_obeyed(target, name, payload):
    server = FakeServer()
    made, said = make(server, f'{name}={target}')
    for _ in range(3):
        made.obey(Event(name, payload))
    assert server.asked == []
    assert len(said) == 1
    assert 'is not obeyed, for it is about ' in said[0]


def test_what_is_about_another_group_is_obeyed():
    server = FakeServer()
    made, said = make(server, 'GROUP_RESTART=web')
    made.obey(Event('GROUP_RESTART_SUCCEEDED', 'id:1 groupname:app total:1'))
    assert len(server.asked) == 1


def test_the_rules_are_looked_at_with_each_tick_and_no_other_event():
    server = FakeServer()
    made, said = make(server, watched=[rules.memory_rule('web=1MB')], sizes={100: 2**21})
    made.obey(Event('PROCESS_STATE_EXITED', 'processname:x groupname:x'))
    assert server.asked == []
    made.obey(Event('TICK_60', ''))
    # What the configuration says does not make a signal of it, and does not leave it down.
    assert server.asked == [
        (('web:0',), {'max_unavailable': 1, 'method': 'restart', 'only_running': False})
    ]
    assert said == ['web:0 uses 2MB (more than 1MB): restart 1 of web:0']
    made.obey(TICK)
    assert len(server.asked) == 1


def test_a_dry_run_says_what_it_would_do():
    server = FakeServer()
    made, said = make(server, 'TICK_5=app', watched=[rules.age_rule('web=1s')], dry_run=True)
    made.obey(TICK)
    assert server.asked == []
    assert said == [
        'TICK_5 came: would restart app (dry run)',
        'web:0 is 900 s old (more than 1s): would restart web:0 (dry run)',
    ]


def test_a_name_that_matches_nothing_is_told_once_for_as_long_as_it_does():
    server = FakeServer()
    made, said = make(server, watched=[rules.memory_rule('wbe=1MB')])
    for _ in range(3):
        made.obey(TICK)
    assert said == [
        "--memory wbe=1MB: BAD_GROUP: nothing is named or matched by 'wbe'; did you mean 'web'?"
    ]
    server.everything.append(ProcessInfo('wbe', 'wbe', 'STOPPED', 0, 0, 0))
    made.obey(TICK)
    del server.everything[-1]
    made.obey(TICK)
    assert len(said) == 2


def test_no_answer_of_supervisord_is_a_traceback(monkeypatch):
    class Odd:
        def getAllProcessInfo(self):
            return [{'group': 'web'}]

    monkeypatch.setattr(
        childutils, 'getRPCInterface', lambda env: type('P', (), {'supervisor': Odd()})
    )
    with pytest.raises(ClientError, match='something unexpected'):
        Supervisord(URL).processes()


# -- the command line ------------------------------------------------------------------------


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


def test_when_is_written_back_as_it_was():
    assert When('TICK_5', 'web') == rules.when_rule('tick_5=web')
