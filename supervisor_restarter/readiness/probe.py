"""Asking a process whether it is ready: connections that live in supervisord's own loop.

The loop goes through a copy of the socket map that it makes at the beginning of each turn. So a
closed dispatcher may still be handed an event, even one that belongs to a new socket under the same
number: after the end every handler does nothing. And a socket that is made after the copy is polled
in this turn only if it registers itself, which is what _open() does.

After each handler the loop unregisters what is no longer readable() or writable(), which fails for
a descriptor that is unregistered already, and then calls handle_error(): at the end it means
nothing.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import socket
import time
from typing import Any, Callable, Protocol

from supervisor_restarter.readiness.spec import Spec
from supervisor_restarter.readiness.tls import Tls, TlsError
from supervisor_restarter.text import printable

MOST_ANSWER = 4096  # bytes that are read of an answer; a status line is far shorter
MOST_INTERIM = 10  # interim answers (103 Early Hints) that are passed over
MOST_BYTES = 262144  # of TLS that are read in all; certificates are long
FIRST_RETRY_SECONDS = 0.05  # seconds until a full queue of connections is tried again
MOST_NAME = 120  # characters of the spec in an error; every unix path fits
SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}
PROTOCOL = b'HTTP/'
STATUS_LINE = re.compile(rb'HTTP/[0-9]\.[0-9] ([1-5][0-9][0-9])[ \r\n]')
END_OF_HEAD = re.compile(rb'\r?\n\r?\n')
SWITCHING = 101  # the one status below 200 after which no other answer comes


def leave_loop(options: Any, dispatcher: Any, sock: socket.socket | io.FileIO) -> None:
    """Close `sock`, which `dispatcher` serves, so that nothing of it stays behind in the loop."""
    descriptor = sock.fileno()
    if options.get_socket_map().get(descriptor) is dispatcher:
        del options.get_socket_map()[descriptor]
    # The poller remembers descriptors from turn to turn, and the number will be used again.
    for forget in (options.poller.unregister_readable, options.poller.unregister_writable):
        with contextlib.suppress(KeyError, OSError):
            forget(descriptor)
    with contextlib.suppress(OSError):
        sock.close()


class QueueFull(OSError):
    """Somebody listens there and does not get round to accepting."""


class Question(Protocol):
    """One question 'are you ready?', on its way from the start. Never raises, never waits.

    done: whether there is an answer. ready: whether it is a yes. error: why it is not or not yet
    one, '' if it is. blind: supervisord could not ask, for it is short of something. Whoever asks
    calls look() at the deadline, and at again_at unless that is None (monotonic times), and close()
    in the end.
    """

    deadline: float
    again_at: float | None
    done: bool
    blind: bool

    @property
    def ready(self) -> bool: ...

    @property
    def error(self) -> str: ...

    def look(self, now: float) -> None: ...

    def close(self) -> None: ...


class Attempt:
    """A Question that is asked by a connection.

    waits: a full queue of connections, which says that somebody listens and is busy, is no answer
    but waited out. over: called once, when the connection is closed for good.
    """

    def __init__(
        self,
        options: Any,
        spec: Spec,
        deadline: float,
        waits: bool = False,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        self.deadline = deadline
        self.again_at: float | None = None
        self.done = False
        self.blind = False
        self._error = ''
        self._options, self._spec, self._waits, self._over = options, spec, waits, over
        self._begun = time.monotonic()
        self._name = name(spec)
        self._addresses = iter(spec.addresses)
        self._refusal = ''
        self._socket: socket.socket | None = None
        self._connected = False
        self._unsent = b''
        self._tls: Tls | None = None
        self._received = self._interim = 0
        self._answer = b''
        try:
            self._prepare()
        except TlsError as error:
            self._end(f'TLS: {error}')
        else:
            self._connect()

    @property
    def ready(self) -> bool:
        return self.done and not self._error

    @property
    def error(self) -> str:
        """Why the process is not ready, in one short line; '' if it is."""
        return self._error if self.done else f'{self._name}: no answer yet'

    def look(self, now: float) -> None:
        """End the attempt if its deadline has passed; try again where the queue was full."""
        if now >= self.deadline:
            seconds = f'{max(0.0, self.deadline - self._begun):.3g} s'
            full = self.again_at is not None
            self._end(
                f'its queue of connections was full for {seconds}'
                if full
                else f'no answer within {seconds}'
            )
        elif self.again_at is not None and now >= self.again_at:
            self.again_at = None
            self._addresses = iter(self._spec.addresses)
            self._connect()

    def close(self) -> None:
        """Give up, if there is no answer yet."""
        self._end('given up')

    # -- what the loop calls -----------------------------------------------------------------

    def readable(self) -> bool:
        return not self.done and self._connected and not self._unsent

    def writable(self) -> bool:
        return not self.done and not self.readable()

    def handle_write_event(self) -> None:
        """The connection stands or has failed, or there is room for more of the request."""
        if self._socket is None or not self.writable():
            return
        try:
            self._connected = self._connected or self._is_connected(self._socket)
            if self._connected and self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            if self._connected:
                self._end(_reason(error))
            else:
                self._refused(error)
                self._connect()
            return
        if self._connected and not self._spec.target:
            self._end('')

    def handle_read_event(self) -> None:
        """There is more of the answer, or the other end has closed."""
        if self._socket is None or not self.readable():
            return
        try:
            more = self._socket.recv(MOST_ANSWER - len(self._answer))
        except BlockingIOError:
            return
        except OSError as error:
            self._end(_reason(error))
            return
        try:
            self._answer += self._decoded(more)
        except TlsError as error:
            self._end(f'TLS: {error}')
        else:
            self._judge(closed=not more)

    def handle_error(self) -> None:
        """A handler has raised, or the end was an end twice; see above."""
        self._end('the probe broke off')

    # -- connecting --------------------------------------------------------------------------

    def _prepare(self) -> None:
        spec = self._spec
        if not spec.target:
            return
        self._unsent = (
            f'GET {spec.target} HTTP/1.1\r\nHost: {spec.host}\r\n'
            'User-Agent: supervisor-restarter\r\nConnection: close\r\n\r\n'
        ).encode('ascii')
        if spec.kind in ('https', 'https+verify'):
            named = 'localhost' if spec.host.startswith('localhost') else spec.addresses[0][1][0]
            self._tls = Tls(self._unsent, named if spec.kind == 'https+verify' else '')
            self._unsent = self._tls.receive(b'')[1]

    def _connect(self) -> None:
        """Turn to the next address; without any left the attempt has failed."""
        for family, address in self._addresses:
            try:
                self._open(family, address)
            except OSError as error:
                self.blind = self.blind or error.errno in SHORTAGES
                self._refused(error)
                if self._waits and isinstance(error, QueueFull):
                    self.again_at, self._refusal = time.monotonic() + FIRST_RETRY_SECONDS, ''
                    return
            else:
                return
        self._end(self._refusal or 'there is no address to connect to')

    def _open(self, family: int, address: Any) -> None:
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        code = self._socket.connect_ex(address)
        if code == errno.EAGAIN and family == socket.AF_UNIX:
            raise QueueFull(code, 'its queue of connections is full')
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
        self._options.get_socket_map()[self._socket.fileno()] = self
        self._options.poller.register_writable(self._socket.fileno())
        if code == 0:
            self.handle_write_event()

    @staticmethod
    def _is_connected(sock: socket.socket) -> bool:
        """False while connecting; OSError if that has failed."""
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        try:
            peer = sock.getpeername()
        except OSError:
            return False  # the event was meant for a former owner of the number
        if peer == sock.getsockname():
            # TCP connects a socket to itself when its own port, picked at random, is the one asked
            # for
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return True

    def _refused(self, error: OSError) -> None:
        # with localhost it is the first refusal that counts: many machines have no IPv6
        self._refusal = self._refusal or _reason(error)
        self._let_go()

    # -- the answer --------------------------------------------------------------------------

    def _decoded(self, more: bytes) -> bytes:
        """What is said in the bytes that have come."""
        if self._tls is None or not more:
            return more
        self._received += len(more)
        if self._received > MOST_BYTES:
            raise TlsError('too many bytes without an answer')
        said, reply = self._tls.receive(more)
        self._unsent += reply
        return said

    def _judge(self, closed: bool) -> None:
        """End the attempt if the bytes so far tell enough. closed: no more will come."""
        status = STATUS_LINE.match(self._answer)
        while status and 100 <= int(status[1]) < 200 and int(status[1]) != SWITCHING:
            end = END_OF_HEAD.search(self._answer)
            self._interim += 1 if end else 0
            if self._interim > MOST_INTERIM or (end is None and self._is_all(closed)):
                self._end(f'answered {int(status[1])}, and nothing final')
            if end is None or self.done:
                return
            self._answer = self._answer[end.end() :]
            status = STATUS_LINE.match(self._answer)
        at_end = self._is_all(closed)
        if status:
            code = int(status[1])
            self._end('' if 200 <= code < 400 else f'answered {code}')
        elif not self._answer and at_end:
            self._end('closed the connection without an answer')
        elif (
            at_end
            or b'\n' in self._answer
            or not PROTOCOL.startswith(self._answer[: len(PROTOCOL)])
        ):
            self._end('answered with something that is not HTTP')

    def _is_all(self, closed: bool) -> bool:
        """Whether nothing further of the answer will be read."""
        return closed or len(self._answer) >= MOST_ANSWER

    def _end(self, why: str) -> None:
        """The attempt is over, '' for ready; nothing if it is over already."""
        if self.done:
            return
        self.done = True
        self.again_at = None
        self._error = printable(f'{self._name}: {why}') if why else ''
        self._let_go()
        self._over()

    def _let_go(self) -> None:
        if self._socket is not None:
            leave_loop(self._options, self, self._socket)
            self._socket = None


def name(spec: Spec) -> str:
    """What a probe is called in an error."""
    return spec.text if len(spec.text) <= MOST_NAME else f'{spec.text[:MOST_NAME]}...'


def _reason(error: OSError) -> str:
    why = error.strerror or str(error)
    return why[:1].lower() + why[1:]
