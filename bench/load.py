"""Requests, as a process of its own: python -m bench.load HOST PORT CONNECTIONS PAUSE TRIES

Each of so many clients pauses for PAUSE seconds after an answer, and asks up to TRIES times until
it has one. It asks until its standard input ends, then prints a line of JSON per request: [start,
end, kind, pid], in seconds on the monotonic clock, which is the same for all processes of a
machine. kind is 'ok', 'refused', or how else it failed.

Each request has a connection of its own. A connection that is kept stays with one worker: it would
not meet the others, and whether it breaks says more about its client, who has to know that an idle
connection may be closed.
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


class Request(NamedTuple):
    """One request; times in seconds on the monotonic clock, pid that of the worker or 0."""

    start: float
    end: float
    kind: str
    pid: int


def ask(host: str, port: int) -> tuple[str, int]:
    """GET / on a new connection. Returns what came of it and the pid that answered."""
    said = b''
    try:
        with socket.create_connection((host, port), TIMEOUT_SECONDS) as connection:
            connection.sendall(
                b'GET / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n' % host.encode()
            )
            while not judge(said) and (part := connection.recv(4096)):
                said += part
    except ConnectionRefusedError:
        return 'refused', 0
    except socket.timeout:
        return 'timeout', 0
    except (ConnectionResetError, BrokenPipeError):
        return 'reset', 0
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, 'error'), 0
    return judge(said) or ('cut off' if said else 'closed without an answer', 0)


def judge(said: bytes) -> tuple[str, int] | None:
    """What the answer says so far; None while more is needed."""
    match = ANSWER.match(said)
    if match and match[1] != b'200':
        return f'status {int(match[1])}', 0
    return ('ok', int(match[2])) if match and match[2] else None


def persist(host: str, port: int, tries: int) -> tuple[str, int]:
    """Ask so many times at the most; what came of it the last time."""
    for _ in range(tries - 1):
        kind, pid = ask(host, port)
        if kind == 'ok':
            return kind, pid
        time.sleep(PAUSE_SECONDS)
    return ask(host, port)


def keep_asking(
    host: str, port: int, pause: float, tries: int, stop: threading.Event, into: list[Request]
) -> None:
    """Ask again and again until `stop` is set."""
    while not stop.is_set():
        start = time.monotonic()
        kind, pid = persist(host, port, tries)
        into.append(Request(start, time.monotonic(), kind, pid))
        stop.wait(pause if kind == 'ok' else PAUSE_SECONDS)


def main() -> int:
    host, port, connections = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    pause, tries = float(sys.argv[4]), int(sys.argv[5])
    stop = threading.Event()
    requests: list[Request] = []
    threads = [
        threading.Thread(target=keep_asking, args=(host, port, pause, tries, stop, requests))
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    for request in requests:
        print(json.dumps(request))
    return 0


if __name__ == '__main__':
    sys.exit(main())
