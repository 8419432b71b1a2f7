"""Requests, as a process of its own: python -m bench.load HOST PORT CONNECTIONS PAUSE TRIES KEPT

Each of so many clients pauses for PAUSE seconds after an answer, and asks up to TRIES times until
it has one. It asks until its standard input ends, then prints a line of JSON per request: [start,
end, kind, pid], in seconds on the monotonic clock, which is the same for all processes of a
machine. kind is 'ok', 'refused', or how else it failed. Before that, an empty line says that all
clients ask.

Each request has a connection of its own, except those of the first KEPT clients: they keep theirs for
the next request as long as the server does not say that it closes it. Without a proxy, a connection
that is kept stays with one worker: it would not meet the others, and whether it breaks says more
about its client, who has to know that an idle connection may be closed.
"""

from __future__ import annotations

import errno
import json
import re
import socket
import sys
import threading
import time
from typing import NamedTuple

TIMEOUT_SECONDS = 10.0
# after a failure: as long as a good answer takes; else the loop's own speed would be counted
PAUSE_SECONDS = 0.01

ANSWER = re.compile(rb'HTTP/1\.[01] (\d+).*?\r\n\r\n(?:(\d+)\n)?', re.DOTALL)
CLOSES = re.compile(rb'\r\nconnection: *close\r\n', re.IGNORECASE)


class Request(NamedTuple):
    """One request; times in seconds on the monotonic clock, pid that of the worker or 0."""

    start: float
    end: float
    kind: str
    pid: int


class Client:
    """Asks one request after the other.

    keeps: whether it keeps its connection as long as the server does, instead of a new one each.
    """

    def __init__(self, host: str, port: int, keeps: bool = False) -> None:
        self._address = (host, port)
        close = b'' if keeps else b'Connection: close\r\n'
        self._request = b'GET / HTTP/1.1\r\nHost: %b\r\n%b\r\n' % (host.encode(), close)
        self._keeps = keeps
        self._connection: socket.socket | None = None

    def ask(self) -> tuple[str, int]:
        """GET /. Returns what came of it and the pid that answered."""
        try:
            said = self._answer()
        except OSError as error:
            self.close()
            return failure(error), 0
        outcome = judge(said) or ('cut off' if said else 'closed without an answer', 0)
        if not self._keeps or outcome[0] != 'ok' or CLOSES.search(said):
            self.close()
        return outcome

    def _answer(self) -> bytes:
        if self._connection is None:
            self._connection = socket.create_connection(self._address, TIMEOUT_SECONDS)
        self._connection.sendall(self._request)
        said = b''
        while judge(said) is None and (part := self._connection.recv(4096)):
            said += part
        return said

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def failure(error: OSError) -> str:
    """The kind of a request that met this error."""
    if isinstance(error, ConnectionRefusedError):
        return 'refused'
    if isinstance(error, socket.timeout):
        return 'timeout'
    if isinstance(error, (ConnectionResetError, BrokenPipeError)):
        return 'reset'
    return errno.errorcode.get(error.errno or 0, 'error')


def ask(host: str, port: int) -> tuple[str, int]:
    """GET / on a new connection. Returns what came of it and the pid that answered."""
    return Client(host, port).ask()


def judge(said: bytes) -> tuple[str, int] | None:
    """What the answer says so far; None while more is needed."""
    match = ANSWER.match(said)
    if match and match[1] != b'200':
        return f'status {int(match[1])}', 0
    return ('ok', int(match[2])) if match and match[2] else None


def persist(client: Client, tries: int) -> tuple[str, int]:
    """Ask so many times at the most; what came of it the last time."""
    for _ in range(tries - 1):
        kind, pid = client.ask()
        if kind == 'ok':
            return kind, pid
        time.sleep(PAUSE_SECONDS)
    return client.ask()


def keep_asking(
    client: Client, pause: float, tries: int, stop: threading.Event, into: list[Request]
) -> None:
    """Ask again and again until `stop` is set."""
    while not stop.is_set():
        start = time.monotonic()
        kind, pid = persist(client, tries)
        into.append(Request(start, time.monotonic(), kind, pid))
        stop.wait(pause if kind == 'ok' else PAUSE_SECONDS)
    client.close()


def main() -> int:
    host, port, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    pause, tries, kept = float(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
    stop = threading.Event()
    requests: list[Request] = []
    threads = [
        threading.Thread(
            target=keep_asking,
            args=(Client(host, port, number < kept), pause, tries, stop, requests),
        )
        for number in range(connections)
    ]
    for thread in threads:
        thread.start()
    print(flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    for request in requests:
        print(json.dumps(request))
    return 0


if __name__ == '__main__':
    sys.exit(main())
