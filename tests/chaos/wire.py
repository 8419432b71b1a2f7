"""One XML-RPC call on a connection of its own, with everything that can become of it."""

from __future__ import annotations

import http.client
import socket
import time
import xmlrpc.client
from typing import Any, NamedTuple, Union
from xml.parsers.expat import ExpatError

Address = Union[str, tuple[str, int]]  # a unix socket, or host and port


class Outcome(NamedTuple):
    """What became of a call.

    kind: 'result' and 'fault' are answers; 'lost' (refused, or closed without an answer), 'broken'
    (an answer that is none: HTTP 500, no XML), 'silent' (nothing within the deadline), and 'hung
    up' by ourselves. sent, answered: monotonic times; without an answer, answered is infinite. A
    call that was hung up may have come to act until then.
    """

    kind: str
    value: Any
    sent: float
    answered: float

    def __str__(self) -> str:
        text = repr(self.value)
        return f'{self.kind} {text if len(text) <= 300 else text[:300] + "..."}'


def ask(
    address: Address,
    method: str,
    arguments: tuple[Any, ...] = (),
    deadline: float = 30.0,
    hang_up: float | None = None,
) -> Outcome:
    """Call the method. hang_up: seconds after which the connection is closed, without reading the
    answer.
    """
    sent = time.monotonic()
    try:
        with _connected(address, deadline) as connection:
            body = xmlrpc.client.dumps(arguments, method).encode()
            connection.sendall(
                b'POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nConnection: close\r\n'
                b'Content-Length: %d\r\n\r\n%s' % (len(body), body)
            )
            sent = time.monotonic()
            if hang_up is not None:
                time.sleep(hang_up)
                return Outcome('hung up', None, time.monotonic(), float('inf'))
            return _answer(connection, sent)
    except (socket.timeout, TimeoutError):
        return Outcome('silent', None, sent, float('inf'))
    except (OSError, http.client.HTTPException) as error:
        return Outcome('lost', repr(error), sent, float('inf'))


def _connected(address: Address, deadline: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    connection.settimeout(deadline)
    try:
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _answer(connection: socket.socket, sent: float) -> Outcome:
    response = http.client.HTTPResponse(connection)
    response.begin()
    text = response.read()
    answered = time.monotonic()
    if response.status != 200:
        return Outcome('broken', f'HTTP {response.status}: {text[:500]!r}', sent, answered)
    try:
        return Outcome('result', xmlrpc.client.loads(text)[0][0], sent, answered)
    except xmlrpc.client.Fault as fault:
        return Outcome('fault', fault, sent, answered)
    except (ExpatError, ValueError, xmlrpc.client.Error):
        return Outcome('broken', f'no XML-RPC: {text[:500]!r}', sent, answered)
