"""How events come: on stdin, as Supervisor sends them to an [eventlistener:x] program.

    ver:3.0 server:supervisor serial:21 pool:x poolserial:10 eventname:TICK_5 len:15
    when:1700000000

A listener says READY on stdout, gets one event and answers RESULT before it gets the next.
"""

from __future__ import annotations

from typing import NamedTuple, TextIO

from supervisor import childutils

from supervisor_restarter.text import shown

MOST_HEADER = 64 * 1024  # characters; a header has about 100
MOST_PAYLOAD = 16 * 1024 * 1024  # characters


class Event(NamedTuple):
    """An event as it came."""

    name: str
    payload: str
    serial: str = ''  # in its pool

    @property
    def is_tick(self) -> bool:
        return self.name.startswith('TICK_')


class BadProtocol(Exception):
    """Something came that is no event; the text says what."""


def next_event(stdin: TextIO, stdout: TextIO) -> Event | None:
    """Say that we are ready and wait for an event; None: supervisord is gone. BadProtocol for
    anything else.

    childutils.listener.wait() would do, if it did not read a payload of any length.
    """
    childutils.listener.ready(stdout)
    line = stdin.readline(MOST_HEADER)
    if not line.endswith('\n') and len(line) < MOST_HEADER:
        return None
    try:
        # From poolserial on: before it are supervisord's identifier and the pool's name, which may
        # hold any character.
        _, found, rest = line.rpartition(' poolserial:')
        headers = childutils.get_headers(f'poolserial:{rest}' if found else line)
        name, length = headers['eventname'], int(headers['len'])
    except (KeyError, ValueError):
        raise BadProtocol(f'malformed header: {shown(line)}') from None
    if not 0 <= length <= MOST_PAYLOAD:
        childutils.listener.ok(stdout)  # or our successor would be given the same event
        raise BadProtocol(f'a payload of {length} characters; the most are {MOST_PAYLOAD}')
    payload = stdin.read(length)
    return Event(name, payload, headers.get('poolserial', '')) if len(payload) == length else None
