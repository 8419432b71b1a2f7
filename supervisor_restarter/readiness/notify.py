"""The socket at which processes say READY=1, as they do to systemd: $NOTIFY_SOCKET of sd_notify(3).

There is one for all processes of a supervisord. Every user of the machine can send to it, since
programs run as other users. The kernel tells which process has sent a message, and only a process
that is waited for, or a descendant of one, is believed. See dispatcher.py for how the loop treats
the socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Iterable

from supervisor_restarter.programs.dispatcher import enter_loop, leave_loop
from supervisor_restarter.programs.host import ServerOptions
from supervisor_restarter.readiness.procfs import lineage

LONGEST_MESSAGE = 8192  # bytes; what is longer is ignored
MOST_MESSAGES = 20  # in one turn of the loop: others want to be served
# Bytes of $TMPDIR. Where it is longer, the socket is elsewhere: its path has little room.
LONGEST_DIRECTORY = 60
# Where the socket can be, if $TMPDIR is no place for it. An abstract address needs no directory,
# but programs that are put into a network of their own do not reach it, and every user sees it.
ELSEWHERE = ('/tmp', '/var/tmp', '/run')
CREDENTIALS = struct.Struct('iII')  # struct ucred: pid, uid, gid
READY = b'READY=1'


class NotifySocket:
    """One datagram socket in supervisord's loop, and which processes have said READY=1 on it."""

    def __init__(self, options: ServerOptions) -> None:
        self.path = ''
        self._options = options
        self._directory = ''
        self._socket: socket.socket | None = None
        self._ready: dict[int, bool] = {}

    def open(self, for_others: bool = False) -> None:
        """Make the socket and listen; nothing if that is done. OSError with one line if that fails.

        for_others: programs that run as other users than supervisord are to reach it.
        """
        if self._socket is not None and not os.path.exists(self.path):
            self.close()  # a cleaner of temporary files was here
        if not hasattr(socket, 'SO_PASSCRED'):
            raise OSError('notify needs Linux: no other system tells who has sent a message')
        if self._socket is None:
            try:
                self._make()
            except OSError as error:
                self.close()
                raise OSError(f'notify: no socket could be made: {error}') from error
        if for_others and not open_to_all(self._directory):
            raise OSError(
                f'notify: programs of other users cannot reach {self.path}, and there is no better '
                f'place: let everybody enter $TMPDIR or one of {", ".join(ELSEWHERE)}'
            )

    def _make(self) -> None:
        self._directory = _directory()
        os.chmod(self._directory, 0o711)  # all may reach what is inside, none may replace it
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.path = os.path.join(self._directory, 'notify')
        self._socket.bind(self.path)
        os.chmod(self.path, 0o666)
        enter_loop(self._options, self, self._socket)

    def close(self) -> None:
        """Close and remove the socket; nothing if that is done. No process is waited for then."""
        self._ready.clear()
        if self._socket is not None:
            leave_loop(self._options, self, self._socket)
            self._socket = None
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        with contextlib.suppress(OSError):
            os.rmdir(self._directory)
        self.path = self._directory = ''

    # -- who is waited for -------------------------------------------------------------------

    def expect(self, pid: int) -> None:
        """From now on a READY=1 of `pid` counts; none has come yet. To be called right after the
        process was started, or before it is told to do something after which it says READY=1
        again.
        """
        if pid in self._ready:
            self._receive()  # what it said before is not what is waited for
        self._ready[pid] = False

    def forget(self, pid: int) -> None:
        """The process is gone or of no interest any more."""
        self._ready.pop(pid, None)

    def forget_others(self, pids: Iterable[int]) -> None:
        """All but these processes are gone."""
        for pid in self._ready.keys() - set(pids):
            del self._ready[pid]

    def is_ready(self, pid: int) -> bool | None:
        """Whether READY=1 has come since expect(pid); None if that was never called."""
        return self._ready.get(pid)

    # -- what the loop calls -----------------------------------------------------------------

    def readable(self) -> bool:
        return self._socket is not None

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        self._receive()

    def handle_write_event(self) -> None:
        """Never called: writable() is False."""

    def handle_error(self) -> None:
        # Only a socket that was broken by other means leads here. An exception would end
        # supervisord, and a socket that stays unread would keep its loop from sleeping.
        self.close()

    def _receive(self) -> None:
        for _ in range(MOST_MESSAGES):
            if self._socket is None:
                return
            try:
                # There is room for the credentials and nothing else: descriptors that come with a
                # message (BARRIER=1 of systemd-notify) do not fit, and the kernel closes them.
                message, extra, flags, _ = self._socket.recvmsg(
                    LONGEST_MESSAGE, socket.CMSG_SPACE(CREDENTIALS.size)
                )
            except BlockingIOError:
                return
            if False not in self._ready.values():
                continue  # what is not waited for shall cost nothing
            if not flags & socket.MSG_TRUNC and READY in message.rstrip(b'\0').split(b'\n'):
                self._believe(_sender(extra))

    def _believe(self, sender: int) -> None:
        """Note READY=1 of the nearest process above the sender that is waited for, if any is."""
        for pid in lineage(sender):
            if pid in self._ready:
                self._ready[pid] = True
                return


def _sender(extra: list[tuple[int, int, bytes]]) -> int:
    """The pid of the process that has sent a message, 0 if the kernel does not say."""
    for level, kind, data in extra:
        known = (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS)
        if known and len(data) == CREDENTIALS.size:
            return int(CREDENTIALS.unpack(data)[0])
    return 0


def open_to_all(directory: str) -> bool:
    """Whether every user may reach what is in the directory, as far as permission bits say it."""
    here = os.path.realpath(directory)
    while os.stat(here).st_mode & stat.S_IXOTH:
        if here == '/':
            return True
        here = os.path.dirname(here)
    return False


def _directory() -> str:
    """A new directory where all users can reach it; if there is no such place, where at least
    supervisord's can.
    """
    failure, usual = None, tempfile.gettempdir()
    there = filter(os.path.isdir, (usual, *ELSEWHERE))
    places = [place for place in there if len(os.fsencode(place)) <= LONGEST_DIRECTORY]
    for place in sorted(places, key=open_to_all, reverse=True):  # among equals, the first
        try:
            return tempfile.mkdtemp(prefix='supervisor-restarter-', dir=place)
        except OSError as error:
            failure = failure or error
    raise failure or FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), usual)
