"""What an HTTP server is asked, and what its answer means."""

from __future__ import annotations

import pytest

from supervisor_restarter.readiness.http_answer import (
    MOST_ANSWER,
    MOST_INTERIM,
    HttpAnswer,
    request,
)
from supervisor_restarter.readiness.spec import parse

NOT_HTTP = 'answered with something that is not HTTP'
NOTHING = 'closed the connection without an answer'
OK = b'HTTP/1.1 200 OK\r\n\r\n'
CONTINUE = b'HTTP/1.1 100 Continue\r\n\r\n'
HINTS = b'HTTP/1.1 103 Early Hints\r\n'


def judge(received, closed=True):
    """The verdict on an answer, of which no more is read than there is room for at once."""
    answer, why = HttpAnswer(), None
    while received and why is None:
        part, received = received[: answer.room], received[answer.room :]
        why = answer.add(part, closed=False)
    return answer.add(b'', closed=True) if why is None and closed else why


def test_the_request():
    assert request(parse('http://localhost:8001/up?x=1')) == (
        b'GET /up?x=1 HTTP/1.1\r\nHost: localhost:8001\r\n'
        b'User-Agent: supervisor-restarter\r\nConnection: close\r\n\r\n'
    )


# fmt: off
@pytest.mark.parametrize(('received', 'why'), [
    (b'HTTP/1.0 200 OK\r\n\r\n',                       ''),
    (b'HTTP/1.1 204 \r\n',                             ''),
    (b'HTTP/1.0 301\n',                                ''),
    (b'HTTP/1.1 399 \xff\x00\x1b no end of line',      ''),
    (CONTINUE + OK,                                    ''),
    (b'HTTP/1.1 103 x\n\nHTTP/1.1 302 \n',             ''),
    (CONTINUE * MOST_INTERIM + OK,                     ''),
    (HINTS + b'x' * (MOST_ANSWER - 30) + b'\r\n\r\n' + OK, ''),
    (OK + b'9' * 10_000,                               ''),
    (b'HTTP/1.1 400\r\n',                              'answered 400'),
    (b'HTTP/1.1 404 \x1b]0;title\x07\r\n\r\n',         'answered 404'),
    (b'HTTP/1.1 101 Switching Protocols\r\n\r\n' + OK, 'answered 101'),
    (HINTS + b'\r\nHTTP/1.1 503 x\r\n\r\n',            'answered 503'),
    (HINTS + b'\r\nSSH-2.0\r\n',                       NOT_HTTP),
    (HINTS + b'\r\n',                                  NOTHING),
    (HINTS + b'Link: <x>',                             'answered 103, and nothing final'),
    (HINTS + b'x' * 100_000,                           'answered 103, and nothing final'),
    (CONTINUE * (MOST_INTERIM + 1) + OK,               'answered 100, and nothing final'),
    (b'',                                              NOTHING),
    (b'H',                                             NOT_HTTP),
    (b'HTTP/1.1 200',                                  NOT_HTTP),
    (b'HTTP/1.1 \xb2\xb0\xb0 OK\r\n',                  NOT_HTTP),
    (b'HTTP/1.1 600 OK\r\n',                           NOT_HTTP),
])
# fmt: on
def test_the_whole_of_an_answer(received, why):
    assert judge(received) == why


# fmt: off
@pytest.mark.parametrize(('received', 'why'), [
    (b'',                          None),
    (b'HTTP/1.1 200',              None),
    (CONTINUE + b'HTTP/1.1 20',    None),
    (HINTS,                        None),
    (b'HTTP/1.1 200 ',             ''),
    (b'SSH',                       NOT_HTTP),
    (b'http/1.1 200 OK\r\n',       NOT_HTTP),
    (b'\r\nHTTP/1.1 200 OK\r\n',   NOT_HTTP),
    (b'HTTP/1.1  200 OK\r\n',      NOT_HTTP),
    (b'HTTP/1.1 2000 OK\r\n',      NOT_HTTP),
    (b'HTTP/1.0\n',                NOT_HTTP),
    (b'HTTP/'.ljust(MOST_ANSWER, b'9'), NOT_HTTP),
])
# fmt: on
def test_what_has_come_so_far(received, why):
    """What can be told is told, although more may come."""
    assert judge(received, closed=False) == why


@pytest.mark.parametrize('received', [OK[:13], HINTS + b'Link: x\r\n\r\n' + OK[:13]])
def test_an_answer_that_comes_byte_by_byte(received):
    answer = HttpAnswer()
    told = [answer.add(received[at : at + 1], closed=False) for at in range(len(received))]
    assert told == [None] * (len(received) - 1) + ['']
