"""HTTP clients: of a Server, polite ones and raw bytes; and of what its programs serve."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.integration.server import SECONDS, Server


class Answer(NamedTuple):
    """An answer. The names of its headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.status == 200, self
        return json.loads(self.body)

    @property
    def line(self) -> str:
        """The one line of an error."""
        assert self.headers['content-type'] == 'text/plain; charset=utf-8'
        text = self.body.decode()
        assert (text.count('\n'), text[-1]) == (1, '\n'), text
        return text[:-1]


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: str | int) -> None:
        super().__init__('localhost', timeout=SECONDS)
        self._address = address

    def connect(self) -> None:
        self.sock = connected(self._address)


def connected(address: str | int) -> socket.socket:
    """A connection to a unix socket by its path, or to a port of this machine."""
    if isinstance(address, str):
        made, to = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), address
    else:
        made, to = socket.socket(), ('127.0.0.1', address)  # type: ignore[assignment]
    made.settimeout(SECONDS)
    made.connect(to)
    return made


def ask(
    server: Server | str | int,
    path: str,
    method: str = 'GET',
    body: bytes | None = None,
    **headers: str,
) -> Answer:
    """Ask a Server at its unix socket, or another address. A header's name has _ for -."""
    address = str(server.dir / 'sock') if isinstance(server, Server) else server
    connection = _Connection(address)
    try:
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


def state(server: Server | str | int, known: dict[str, Any] | None = None, **query: object) -> Any:
    """restarter/state, as a page asks that knows an earlier answer."""
    if known is not None:
        query['since'] = f'{known["epoch"]}:{known["version"]}'
    return ask(server, f'/restarter/state?{urlencode(query)}').json


def basic(text: str) -> str:
    """The Authorization header of user:password."""
    return 'Basic ' + base64.b64encode(text.encode()).decode()


class Raw:
    """A client that sends bytes, and reads answers of which each has a Content-Length."""

    def __init__(self, server: Server, *parts: bytes) -> None:
        self.socket = connected(str(server.dir / 'sock'))
        self._buffer = b''
        for part in parts:
            self.socket.sendall(part)

    def answer(self, body: bool = True) -> Answer:
        """The next answer. body: False if it is of a HEAD, or 304."""
        head = self._until(b'\r\n\r\n')
        first, *lines = head.decode().split('\r\n')
        headers = {name.lower(): value for name, value in (row.split(': ', 1) for row in lines)}
        length = int(headers['content-length']) if body else 0
        while len(self._buffer) < length:
            self._read()
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(int(first.split()[1]), headers, taken)

    def is_closed(self) -> bool:
        """Whether the server closes the connection now, with nothing more to say."""
        assert self._buffer == b''
        return self.socket.recv(1) == b''

    def hang_up(self) -> None:
        self.socket.close()

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._read()
        taken, _, self._buffer = self._buffer.partition(end)
        return taken

    def _read(self) -> None:
        data = self.socket.recv(65536)
        assert data, 'the connection was closed too soon'
        self._buffer += data


class Asker(threading.Thread):
    """Asks without a pause at the first of the addresses that takes its connection, until it is told
    to stop. Answers are counted; what no address took is in `refused`.
    """

    def __init__(self, *addresses):
        super().__init__(daemon=True)
        self.addresses = addresses
        self.answers = 0
        self.refused: list[str] = []
        self.over = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exception):
        self.over.set()
        self.join(20)

    def run(self):
        while not self.over.is_set():
            errors = []
            for address_ in self.addresses:
                try:
                    self.ask(address_)
                    break
                except ConnectionResetError:
                    break  # taken, by a process that stopped before it could answer
                except OSError as error:
                    errors.append(repr(error))
            else:
                self.refused.append(' '.join(errors))

    def ask(self, address_):
        family = socket.AF_UNIX if isinstance(address_, str) else socket.AF_INET
        with socket.socket(family) as connection:
            connection.settimeout(20)
            connection.connect(address_)
            connection.sendall(b'GET / HTTP/1.0\r\n\r\n')
            self.answers += connection.recv(100).startswith(b'HTTP/1.0 200')
