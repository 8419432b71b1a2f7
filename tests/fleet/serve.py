"""A worker of the fleet's tests: serve.py PORT APP [RELEASE]

It serves the release in that directory, or the one that APP/current leads to when it starts.

GET /          its pid; a line with it is in the file APP/shared/met from the first time on
GET /pid       the same, without a trace
GET /release   the name of its release
GET /health    200; or 503 while a file is missing below APP/shared that the release needs (its file
               `needs` has the name)

On SIGHUP it writes a line with its pid to the file APP/shared/signalled, and serves on. On SIGTERM it
finishes what it has begun, but not before the file APP/shared/hold is gone.
"""

from __future__ import annotations

import os
import signal
import socketserver
import sys
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path

APP = Path(sys.argv[2])
RELEASE = Path(sys.argv[3]) if len(sys.argv) > 3 else (APP / 'current').resolve()
NEEDS = (RELEASE / 'needs').read_text().strip()


class Answer(BaseHTTPRequestHandler):
    """What is asked for, on a connection of its own."""

    timeout = 10  # seconds, for a client that connects and says nothing

    def do_GET(self) -> None:
        status, text = 200, f'{os.getpid()}'
        if self.path == '/':
            meet()
        elif self.path == '/release':
            text = RELEASE.name
        elif self.path == '/health' and NEEDS and not (APP / 'shared' / NEEDS).exists():
            status, text = 503, f'{NEEDS} is missing'
        body = f'{text}\n'.encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Closing it waits for the answers that are on their way."""

    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up, as a proxy's health check does, is none."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def tell(name: str) -> None:
    """A line with our pid for the file of this name."""
    with (APP / 'shared' / name).open('a') as file:
        file.write(f'{os.getpid()}\n')


@cache
def meet() -> None:
    """The first client has come."""
    tell('met')


def main() -> None:
    told = threading.Event()
    signal.signal(signal.SIGHUP, lambda number, frame: tell('signalled'))
    signal.signal(signal.SIGTERM, lambda number, frame: told.set())
    with Server(('127.0.0.1', int(sys.argv[1])), Answer) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        while not told.wait(0.05):
            pass  # a signal that comes in another thread does not wake this one
        while (APP / 'shared' / 'hold').exists():
            time.sleep(0.01)
        server.shutdown()
        serving.join()


if __name__ == '__main__':
    main()
