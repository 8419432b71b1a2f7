"""What a page may ask: the part of an address behind '?', with one line for what makes no sense.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl

from supervisor_restarter.option_kinds import DECIMAL
from supervisor_restarter.text import shown

MOST_WAIT = 25.0  # seconds that a question waits for news; proxies give up after 30 or 60
MOST_BYTES = 65536  # of a log in one answer
USUAL_BYTES = 16384
MOST_FIELDS = 10
DIGITS = re.compile(r'[0-9]{1,15}')
PLACE = re.compile(r'-1|[0-9]{1,15}')
KNOWN_AS = re.compile(r'([0-9A-Za-z]{1,32}):([0-9]{1,15})')


class BadQuery(ValueError):
    """The query makes no sense; the text names what is wrong and what is allowed."""


class Wanted(NamedTuple):
    """A question for news. epoch, version: what the page knows. wait: for how many seconds, if
    there is none. restart: the id of the one whose processes it shows, '' for none; known: its
    version that the page knows, 0 for none.
    """

    epoch: str = ''
    version: int = 0
    wait: float = 0.0
    restart: str = ''
    known: int = 0


class LogWanted(NamedTuple):
    """A question for a log. offset: of the first byte, -1: the last `length` bytes."""

    process: str
    channel: str
    offset: int
    length: int


def wanted(query: str) -> Wanted:
    """since=EPOCH:VERSION, wait=SECONDS, restart=ID:VERSION; all may be left out. BadQuery."""
    values = _fields(query, ('since', 'wait', 'restart'))
    epoch, version = _known_as(values, 'since', 'EPOCH:VERSION, as the answer before had them')
    id, known = _known_as(values, 'restart', 'ID:VERSION, the version as the answer before had it')
    text = values.get('wait', '0')
    if not DECIMAL.fullmatch(text):
        raise BadQuery(f'wait = {shown(text)}: must be seconds, 0 to {MOST_WAIT:g}')
    return Wanted(epoch, version, min(float(text), MOST_WAIT), id, known)


def log_wanted(query: str) -> LogWanted:
    """process=GROUP:NAME, and channel, offset and length, which may be left out. BadQuery."""
    values = _fields(query, ('process', 'channel', 'offset', 'length'))
    if 'process' not in values:
        raise BadQuery('process is missing: must be GROUP:NAME')
    channel = values.get('channel', 'stdout')
    if channel not in ('stdout', 'stderr'):
        raise BadQuery(f'channel = {shown(channel)}: must be stdout or stderr')
    offset, length = values.get('offset', '-1'), values.get('length', str(USUAL_BYTES))
    if not PLACE.fullmatch(offset):
        raise BadQuery(f'offset = {shown(offset)}: must be a count of bytes, or -1 for the end')
    if not DIGITS.fullmatch(length):
        raise BadQuery(f'length = {shown(length)}: must be a count of bytes, at most {MOST_BYTES}')
    return LogWanted(values['process'], channel, int(offset), min(int(length), MOST_BYTES))


def _fields(query: str, known: Sequence[str]) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise BadQuery(f'more than {MOST_FIELDS} fields; known are {", ".join(known)}') from None
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise BadQuery(f'unknown field {shown(name)}; known are {", ".join(known)}')
        if name in values:
            raise BadQuery(f'{name} is given twice')
        values[name] = value
    return values


def _known_as(values: dict[str, str], name: str, allowed: str) -> tuple[str, int]:
    if name not in values:
        return '', 0
    match = KNOWN_AS.fullmatch(values[name])
    if match is None:
        raise BadQuery(f'{name} = {shown(values[name])}: must be {allowed}')
    return match[1], int(match[2])
