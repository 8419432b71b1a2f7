"""Whether an HTTP server says yes: the bytes to send, and what the bytes that come back mean. Pure.

Only the status line counts, 2xx and 3xx are a yes. Interim answers (103 Early Hints) are passed
over.
"""

from __future__ import annotations

import re

from supervisor_restarter.readiness.spec import Spec

MOST_ANSWER = 4096  # bytes that are read of an answer; a status line is far shorter
MOST_INTERIM = 10  # interim answers that are passed over
PROTOCOL = b'HTTP/'
STATUS_LINE = re.compile(rb'HTTP/[0-9]\.[0-9] ([1-5][0-9][0-9])[ \r\n]')
END_OF_HEAD = re.compile(rb'\r?\n\r?\n')
SWITCHING = 101  # the one status below 200 after which no other answer comes


def request(spec: Spec) -> bytes:
    """What is sent to ask."""
    return (
        f'GET {spec.target} HTTP/1.1\r\nHost: {spec.host}\r\n'
        'User-Agent: supervisor-restarter\r\nConnection: close\r\n\r\n'
    ).encode('ascii')


class HttpAnswer:
    """The answer of an HTTP server, as far as it has come."""

    def __init__(self) -> None:
        self._bytes = b''
        self._interim = 0

    @property
    def room(self) -> int:
        """How many bytes more may be read."""
        return MOST_ANSWER - len(self._bytes)

    def add(self, more: bytes, closed: bool) -> str | None:
        """Why the answer is no yes, '' if it is one; None if it cannot be told yet.

        more: what else has come of it. closed: nothing further will.
        """
        self._bytes += more
        status = self._status()
        while status is not None and 100 <= status < 200 and status != SWITCHING:
            head = END_OF_HEAD.search(self._bytes)
            self._interim += 1 if head else 0
            if self._interim > MOST_INTERIM or (head is None and self._is_all(closed)):
                return f'answered {status}, and nothing final'
            if head is None:
                return None
            self._bytes = self._bytes[head.end() :]
            status = self._status()
        if status is not None:
            return '' if 200 <= status < 400 else f'answered {status}'
        return self._without_status(closed)

    def _without_status(self, closed: bool) -> str | None:
        if self._is_all(closed):
            if not self._bytes:
                return 'closed the connection without an answer'
        elif b'\n' not in self._bytes and PROTOCOL.startswith(self._bytes[: len(PROTOCOL)]):
            return None
        return 'answered with something that is not HTTP'

    def _status(self) -> int | None:
        line = STATUS_LINE.match(self._bytes)
        return int(line[1]) if line else None

    def _is_all(self, closed: bool) -> bool:
        """Whether nothing further of the answer will be read."""
        return closed or self.room <= 0
