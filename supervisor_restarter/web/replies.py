"""Answers over Supervisor's own HTTP connections, at once and later.

Supervisor's request.done() is not used: it writes a line for each answer, and logs it as an error
where the address has 'error' in it, and it cannot say afterwards how long the answer is. Nor do its
handlers read a body that they do not want: it would be taken for further requests.
"""

from __future__ import annotations

import re
import time
from typing import Callable, NamedTuple

from supervisor.http import NOT_DONE_YET

from supervisor_restarter.programs.host import HttpRequest

# Supervisor writes 4096 bytes in a turn of its loop, and each turn costs about a millisecond where
# there are 500 processes.
BYTES_IN_A_TURN = 1 << 18
SECURITY_HEADERS = {
    'Content-Security-Policy': '; '.join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
}
MOST_UNWANTED = 1 << 20  # bytes of a body that are read in vain
BODY_LENGTH = re.compile('[0-9]{1,15}')
END_OF_HEADER = b'\r\n\r\n'
TEXT = 'text/plain; charset=utf-8'
NO_STORE = {'Cache-Control': 'no-store'}


class Reply(NamedTuple):
    """headers: those that are not the same for all."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = {}


def line(status: int, text: str, **headers: str) -> Reply:
    """A reply of one line; a header's name with _ for -."""
    named = {name.replace('_', '-'): value for name, value in headers.items()}
    return Reply(status, TEXT, f'{text}\n'.encode(), {**NO_STORE, **named})


def header_of(request: HttpRequest, name: str) -> str | None:
    """The value of the first header of that name."""
    for entry in request.header:
        key, colon, value = entry.partition(':')
        if colon and key.strip().lower() == name:
            return value.strip()
    return None


def send(request: HttpRequest, reply: Reply) -> None:
    """Answer at once."""
    send_later(request, lambda: reply, lambda: 0.0)


def send_later(
    request: HttpRequest, ask: Callable[[], Reply | None], seconds: Callable[[], float]
) -> Pending:
    """Answer as soon as ask() has an answer. It is asked at once, then whenever the connection is
    told to look, and after so many seconds. It must not raise.

    Requests that come on the same connection meanwhile are answered after this one.
    """
    channel = request.channel
    channel.ac_out_buffer_size = BYTES_IN_A_TURN
    last = _is_last(request)
    pending = Pending(request, ask, seconds, last)
    channel.push_with_producer(pending)
    if _body_length(request) is None:
        channel.set_terminator(None)  # this request gets all that still comes, and drops it
    else:
        channel.current_request = None
    if last:
        channel.close_when_done()
    return pending


def without_body(request: HttpRequest, act: Callable[[], None]) -> None:
    """Answer by act() once the request's body, which nobody wants, has been read.

    To answer and close before would break the connection of a client that still writes. A body of
    unknown length, or a very long one, is not waited for.
    """
    length = _body_length(request)
    if length:
        request.collector = _Unwanted(request, act)
        request.channel.set_terminator(length)
    else:
        act()


class _Unwanted:
    """What a request's body is read by, and thrown away."""

    def __init__(self, request: HttpRequest, act: Callable[[], None]) -> None:
        self._request, self._act = request, act

    def collect_incoming_data(self, data: bytes) -> None:
        pass

    def found_terminator(self) -> None:
        self._request.collector = None
        self._request.channel.set_terminator(END_OF_HEADER)
        self._act()


class Pending:
    """An answer that is on its way, as the connection's producer."""

    def __init__(
        self,
        request: HttpRequest,
        ask: Callable[[], Reply | None],
        seconds: Callable[[], float],
        last: bool,
    ) -> None:
        self.request = request
        self.delay = 0.0
        self.sent = False
        self._ask, self._seconds, self._last = ask, seconds, last

    def more(self) -> object:
        if self.sent:
            return b''
        reply = self._ask()
        if reply is None:
            self.delay = max(0.05, self._seconds())
            return NOT_DONE_YET
        self.sent = True
        return _head(self.request, reply, self._last) + (
            b'' if self.request.command == 'HEAD' or reply.status == 304 else reply.body
        )

    def look(self) -> None:
        """Have the loop ask again in its next turn."""
        self.request.channel.last_writable_check = 0


def _head(request: HttpRequest, reply: Reply, last: bool) -> bytes:
    request.reply_code = reply.status
    request['Content-Type'] = reply.content_type
    request['Content-Length'] = len(reply.body)
    if last:
        request['Connection'] = 'close'
    elif request.version == '1.0':
        request['Connection'] = 'Keep-Alive'
    for name, value in {**SECURITY_HEADERS, **reply.headers}.items():
        request[name] = value
    return request.build_reply_header()


def _is_last(request: HttpRequest) -> bool:
    """Whether the connection is closed after the answer."""
    tokens = {
        token.strip() for token in (header_of(request, 'connection') or '').lower().split(',')
    }
    stays = request.version == '1.1' and 'close' not in tokens
    stays = stays or (request.version == '1.0' and 'keep-alive' in tokens)
    return not stays or _body_length(request) is None


def _body_length(request: HttpRequest) -> int | None:
    """Bytes; None: nobody can know, or it is more than is read of a body that is not wanted."""
    text = header_of(request, 'content-length') or '0'
    if header_of(request, 'transfer-encoding') or not BODY_LENGTH.fullmatch(text):
        return None
    return int(text) if int(text) <= MOST_UNWANTED else None


def until(seconds: float) -> Callable[[], float]:
    """A clock that tells how much of the seconds is left; below 0 once they are over."""
    at = time.monotonic() + seconds
    return lambda: at - time.monotonic()
