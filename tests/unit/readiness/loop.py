"""supervisord's own loop of the installed release, and others at the far end of its connections."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
import time
from typing import Any, cast

import pytest
from supervisor.poller import PollPoller
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from supervisor_restarter.readiness.probe import ConnectProbe
from supervisor_restarter.readiness.spec import parse

PATIENCE = 30.0  # seconds in which everything must have happened
NAP = 0.02  # seconds that the loop sleeps at most, so that its turns do not make the tests slow


class StrictPoller(PollPoller):
    """As unkind as kqueue: what is not registered is not reported and cannot be unregistered."""

    def poll(self, timeout):
        readables, writables = super().poll(timeout)
        return [fd for fd in readables if fd in self.readables], [
            fd for fd in writables if fd in self.writables
        ]

    def unregister_readable(self, fd):
        if fd not in self.readables:
            raise OSError(errno.ENOENT, 'No such filter')
        super().unregister_readable(fd)

    def unregister_writable(self, fd):
        if fd not in self.writables:
            raise OSError(errno.ENOENT, 'No such filter')
        super().unregister_writable(fd)


class Loop:
    """supervisord's options, and a supervisord without processes: turn() is one turn of its
    runforever().

    before_poll is called between the making of the loop's copy of the socket map and its poll, as
    a restart's step is; `seen` is what that poll has returned.
    """

    mood = SupervisorStates.RUNNING
    test = True  # runforever() ends after one turn

    def __init__(self, poller=PollPoller):
        self.logger = self
        self.map = {}
        self.nap = NAP
        self.before_poll = lambda: None
        self.poller = poller(self)
        self._poll = self.poller.poll
        self.poller.poll = self._before_and_poll
        self._supervisord = Supervisor(self)
        self.seen: tuple[list[int], list[int]] = ([], [])

    def _before_and_poll(self, timeout):
        self.before_poll()
        self.seen = self._poll(self.nap)
        return self.seen

    def blather(self, *args, **kwargs):
        """Supervisor's most talkative log level."""

    def get_socket_map(self):
        return self.map

    def waitpid(self):
        return None, None

    def get_signal(self):
        return None

    def turn(self):
        self._supervisord.runforever()

    def until(self, condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, 'it never came to pass'
            self.turn()

    def begin(self, spec, seconds=PATIENCE, **more):
        """A question by a connection."""
        spec = parse(spec) if isinstance(spec, str) else spec
        return ConnectProbe(cast(Any, self), spec, time.monotonic() + seconds, **more)

    def ask(self, spec):
        """A finished one."""
        question = self.begin(spec)
        self.until(lambda: question.done)
        return question

    def is_clean(self):
        return not self.map and not self.poller.readables and not self.poller.writables


def descriptors():
    return sorted(os.listdir('/proc/self/fd'), key=int)


@contextlib.contextmanager
def clean_loop(poller=PollPoller):
    """A loop; in the end nothing may be left in it, and no descriptor open."""
    before = descriptors()
    loop = Loop(poller)
    yield loop
    assert loop.is_clean()
    del loop
    assert descriptors() == before


class Other:
    """The other end: calls behave(connection) for each connection, in a thread."""

    def __init__(self, behave, address, family):
        self.over = threading.Event()
        self.behave = behave
        self.failure = None
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen()
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over.is_set():
            connection = self.listener.accept()[0]
            connection.settimeout(PATIENCE)
            with connection:
                if not self.over.is_set():
                    self.one(connection)

    def one(self, connection):
        try:
            self.behave(connection, self.over)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the probe has heard enough
        except BaseException as error:  # told by the test
            self.failure = error


@contextlib.contextmanager
def serving(behave, address=('127.0.0.1', 0), family=socket.AF_INET):
    other = Other(behave, address, family)
    other.thread.start()
    try:
        yield other
    finally:
        other.over.set()
        with socket.socket(family) as last:  # ends its accept()
            last.connect(other.listener.getsockname())
        other.thread.join(PATIENCE)
        other.listener.close()
    assert not other.thread.is_alive()
    assert other.failure is None


def silent(connection, over):
    assert over.wait(PATIENCE)


def answering(answer):
    def behave(connection, over):
        connection.recv(65536)
        connection.sendall(answer)

    return behave


@contextlib.contextmanager
def nobody_there():
    """A port that is taken, but at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(('127.0.0.1', 0))
        yield bound.getsockname()[1]


@contextlib.contextmanager
def no_room():
    """A port whose listener has a full queue: a connection to it gets no answer at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def why(question):
    """The error, without the name of the probe."""
    return question.error.partition(': ')[2]


def without_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(('::1', 0))
    except OSError:
        return True
    return False


needs_ipv6 = pytest.mark.skipif(without_ipv6(), reason='this machine has no IPv6')
