"""Asking whether a process is ready by a connection, which lives in supervisord's own loop.

See question.py for what is asked and answered, dispatcher.py for how the loop treats connections,
http_answer.py for what an answer means.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import Any, Callable

from supervisor_restarter.programs.dispatcher import enter_loop, leave_loop
from supervisor_restarter.programs.host import ServerOptions
from supervisor_restarter.readiness.http_answer import HttpAnswer, request
from supervisor_restarter.readiness.question import SHORTAGES, Question
from supervisor_restarter.readiness.spec import Spec
from supervisor_restarter.readiness.tls import Tls, TlsError

MOST_TLS_BYTES = 262144  # that are read in all; certificates are long
FIRST_RETRY_SECONDS = 0.05  # until a full queue of connections is tried again


class QueueFull(OSError):
    """Something listens there, and does not get round to accepting."""


class ConnectProbe(Question):
    """A Question that is asked by a connection, and by a request over it for HTTP.

    waits: a full queue of connections, which says that something listens and is busy, is no answer
    but waited out. over: called once, when the connection is closed for good.
    """

    def __init__(
        self,
        options: ServerOptions,
        spec: Spec,
        deadline: float,
        waits: bool = False,
        over: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(spec, deadline, over)
        self._options, self._spec, self._waits = options, spec, waits
        self._addresses = iter(spec.addresses)
        self._refusal = ''
        self._socket: socket.socket | None = None
        self._connected = False
        self._unsent = b''
        self._tls: Tls | None = None
        self._tls_bytes = 0
        self._answer = HttpAnswer()
        try:
            self._prepare()
        except TlsError as error:
            self._end(f'TLS: {error}')
        else:
            self._connect()

    def look(self, now: float) -> None:
        """End the question if its deadline has passed; try again where the queue was full."""
        super().look(now)
        if self.again_at is not None and now >= self.again_at:
            self.again_at = None
            self._addresses = iter(self._spec.addresses)
            self._connect()

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
                self._end(_os_reason(error))
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
            more = self._socket.recv(self._answer.room)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(_os_reason(error))
            return
        try:
            why = self._answer.add(self._decoded(more), closed=not more)
        except TlsError as error:
            why = f'TLS: {error}'
        if why is not None:
            self._end(why)

    def handle_error(self) -> None:
        """A handler has raised, or the end was an end twice; see dispatcher.py."""
        self._end('the probe broke off')

    # -- connecting --------------------------------------------------------------------------

    def _prepare(self) -> None:
        spec = self._spec
        if not spec.target:
            return
        self._unsent = request(spec)
        if spec.kind in ('https', 'https+verify'):
            named = 'localhost' if spec.host.startswith('localhost') else spec.addresses[0][1][0]
            self._tls = Tls(self._unsent, named if spec.kind == 'https+verify' else '')
            self._unsent = self._tls.receive(b'')[1]

    def _connect(self) -> None:
        """Turn to the next address; without any left the process is not ready."""
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
        enter_loop(self._options, self, self._socket, writing=True)
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
            # TCP connects a socket to itself when its own port, picked at random, is that one.
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return True

    def _refused(self, error: OSError) -> None:
        # With localhost it is the first refusal that counts: many machines have no IPv6.
        self._refusal = self._refusal or _os_reason(error)
        self._let_go()

    # -- inside ------------------------------------------------------------------------------

    def _decoded(self, more: bytes) -> bytes:
        """What is said in the bytes that have come."""
        if self._tls is None or not more:
            return more
        self._tls_bytes += len(more)
        if self._tls_bytes > MOST_TLS_BYTES:
            raise TlsError('too many bytes without an answer')
        said, reply = self._tls.receive(more)
        self._unsent += reply
        return said

    def _why_late(self, seconds: str) -> str:
        if self.again_at is not None:
            return f'its queue of connections was full for {seconds}'
        return super()._why_late(seconds)

    def _clean_up(self) -> None:
        self._let_go()
        self._over()

    def _let_go(self) -> None:
        if self._socket is not None:
            leave_loop(self._options, self, self._socket)
            self._socket = None


def _os_reason(error: OSError) -> str:
    why = error.strerror or str(error)
    return why[:1].lower() + why[1:]
