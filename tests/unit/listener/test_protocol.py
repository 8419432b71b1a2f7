"""How events are read from Supervisor."""

from __future__ import annotations

import io

import pytest

from supervisor_restarter.listener.protocol import (
    MOST_HEADER,
    MOST_PAYLOAD,
    BadProtocol,
    Event,
    next_event,
)

HEADER = 'ver:3.0 server:supervisor serial:1 pool:x poolserial:1 eventname:{} len:{}\n'


def read(text):
    stdout = io.StringIO()
    try:
        return next_event(io.StringIO(text, newline='\n'), stdout), stdout.getvalue()
    except BadProtocol as error:
        return str(error), stdout.getvalue()


@pytest.mark.parametrize('payload', ['', 'when:1', 'zwei\nZeilen\r\nü'])
def test_an_event(payload):
    assert read(HEADER.format('TICK_5', len(payload)) + payload + 'more') == (
        Event('TICK_5', payload, '1'),
        'READY\n',
    )


@pytest.mark.parametrize('server', ['host:9001', 'a poolserial:7 eventname:x len:9'])
def test_any_identifier_and_pool_name(server):
    text = f'ver:3.0 server:{server} serial:1 pool:a\xa0b poolserial:4 eventname:TICK_5 len:1\nx'
    assert read(text)[0] == Event('TICK_5', 'x', '4')


@pytest.mark.parametrize('text', ['', 'ver:3.0 serv', HEADER.format('TICK_5', 7) + 'when:1'])
def test_the_end_of_supervisord(text):
    assert read(text) == (None, 'READY\n')


@pytest.mark.parametrize(
    'text', ['\n', 'a:b:c len:1\n', 'len:5\n', HEADER.format('x', 'y'), 'x' * (MOST_HEADER + 1)]
)
def test_a_malformed_header(text):
    error, stdout = read(text)
    assert error.startswith('malformed header: ')
    assert len(error) < 200
    assert stdout == 'READY\n'


@pytest.mark.parametrize('length', [-1, MOST_PAYLOAD + 1])
def test_an_oversized_payload_is_not_read_and_not_sent_again(length):
    error, stdout = read(HEADER.format('x', length) + 'payload')
    assert error.startswith(f'a payload of {length} characters')
    assert stdout == 'READY\nRESULT 2\nOK'
