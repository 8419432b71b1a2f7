"""The ends of logs: which lines are shown, and what is shown of a process that failed."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from supervisor_restarter.client import logtails
from supervisor_restarter.client.failures import MOST_LOGS, in_full
from supervisor_restarter.client.logtails import LAST_LINES, LENGTH, WIDEST, last_lines
from supervisor_restarter.client.screen import Colour
from tests.unit.client.samples import process, restart


@pytest.mark.parametrize(
    ('text', 'lines'),
    [
        (b'', []),
        (b'\n\n', []),
        (b'one\ntwo\n\n', ['one', 'two']),
        (b'  one', ['  one']),
        (b'a\r\nb\r\n', ['a', 'b']),
        (b'\x1b[31mred\x1b[0m \x1b[2Jx\n', ['red x']),
        (b'\x1b]0;title\x07\n', ['\\x1b]0;title\\x07']),
        (b'\xff\xc3\xa4\n', ['\ufffdä']),
        (b'a\tb\n', ['a       b']),
        (b'x' * 500, ['x' * WIDEST + '...']),
        (b''.join(b'%d\n' % n for n in range(50)), [str(n) for n in range(50 - LAST_LINES, 50)]),
        (b'cut' + b'\nwhole' * 300, ['whole'] * LAST_LINES),
    ],
)
def test_last_lines(text, lines):
    assert last_lines(text) == lines


def test_a_line_whose_beginning_is_missing_is_left_out():
    assert last_lines(b'x' * (LENGTH - 3) + b'\nok') == ['ok']
    assert last_lines(b'x' * LENGTH) == ['x' * WIDEST + '...']


class Connection:
    """An HTTP connection to a supervisord whose stderr is empty. answer: (status, stdout's end)."""

    def __init__(self, *answer):
        self.status, self.body = answer
        self.sock = self
        self.requests, self.closed = [], 0

    def connect(self):
        pass

    def settimeout(self, seconds):
        assert seconds > 0

    def request(self, method, path, headers):
        self.requests.append((method, path, headers))

    def getresponse(self):
        return self

    def read1(self, length):
        if 'stderr' in self.requests[-1][1]:
            raise socket.timeout  # supervisord waits for it to grow
        return self.body[-length:]

    def close(self):
        self.closed += 1


def tail_of(connection, username=None):
    transport = SimpleNamespace(
        username=username, password='pw', _get_connection=lambda: connection
    )
    return logtails.Logs(lambda: lambda wanted: transport).tail('web:a b')


def test_the_log_that_has_something_to_say_is_read():
    connection = Connection(200, b'one\ntwo\n')
    assert tail_of(connection) == ('stdout', ['one', 'two'])
    assert connection.requests == [
        ('GET', '/logtail/web%3Aa%20b/stderr', {}),
        ('GET', '/logtail/web%3Aa%20b/stdout', {}),
    ]
    assert connection.closed == 2


def test_the_password_is_sent_where_there_is_one():
    connection = Connection(200, b'')
    assert tail_of(connection, 'me') == ('stderr', [])
    assert connection.requests[0][2] == {'Authorization': 'Basic bWU6cHc='}


def test_a_process_without_logs_has_no_lines_and_another_answer_is_none():
    assert tail_of(Connection(404, b'')) == ('stderr', [])
    assert tail_of(Connection(500, b'')) is None


class Logs:
    def __init__(self, tail):
        self.asked: list[str] = []
        self._tail = tail

    def tail(self, name):
        self.asked.append(name)
        return self._tail


def command(*words):
    return ' '.join(['ctl', *words])


def lines(tail, *processes):
    logs = Logs(tail)
    shown = in_full(restart('failed', *processes), logs, command)  # type: ignore[arg-type]
    return [line for line, _ in shown], logs.asked


def failed(name, **others):
    return process(name, 'failed', 'exit status 1', **others)


def test_a_failed_process_with_the_end_of_its_log():
    assert lines(('stdout', ['one', 'two']), process('0'), failed('1')) == (
        ['web:1: ERROR (exit status 1)', '  stdout (ctl tail web:1 stdout):', '  | one', '  | two'],
        ['web:1'],
    )


def test_a_log_that_cannot_be_had_or_is_empty():
    assert lines(None, failed('1'))[0] == [
        'web:1: ERROR (exit status 1)',
        '  its log: ctl tail web:1 stderr',
    ]
    assert lines(('stderr', []), failed('1'))[0] == ['web:1: ERROR (exit status 1)']


def test_the_log_of_one_that_was_not_started_is_not_looked_into():
    assert lines(('stderr', ['of the old one']), failed('1', new_pid=0)) == (
        ['web:1: ERROR (exit status 1)'],
        [],
    )


def test_many_that_failed_in_the_same_way():
    shown, asked = lines(
        ('stderr', []), *(failed(str(n)) for n in range(9)), failed('x', new_pid=0)
    )
    assert len(asked) == MOST_LOGS
    assert shown[MOST_LOGS:] == [
        'web:3, web:4, web:5, web:6, web:7, web:8, web:x: ERROR (exit status 1)',
        '  their logs: ctl tail NAME stderr',
    ]


def test_the_group_and_process_of_one_name():
    shown, asked = lines(None, process('cron', 'failed', 'exit status 1', group='cron'))
    assert (asked, shown[1]) == (['cron:cron'], '  its log: ctl tail cron stderr')


def test_colours():
    both = in_full(restart('failed', failed('1')), Logs(None), command)  # type: ignore[arg-type]
    assert [colour for _, colour in both] == [Colour.BAD, Colour.PLAIN]
