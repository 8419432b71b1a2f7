"""Probes against real sockets, on the installed release's own loop."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from supervisor.poller import PollPoller, SelectPoller
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from supervisor_restarter.readiness.probe import (
    FIRST_RETRY_SECONDS,
    MOST_ANSWER,
    MOST_INTERIM,
    MOST_NAME,
    Attempt,
)
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

    def ask(self, spec, seconds=PATIENCE):
        """A finished attempt."""
        attempt = Attempt(
            self, parse(spec) if isinstance(spec, str) else spec, time.monotonic() + seconds
        )
        self.until(lambda: attempt.done)
        return attempt

    def is_clean(self):
        return not self.map and not self.poller.readables and not self.poller.writables


def descriptors():
    return sorted(os.listdir('/proc/self/fd'), key=int)


@pytest.fixture(params=[PollPoller, SelectPoller, StrictPoller])
def loop(request):
    """A loop; at the end of the test nothing may be left in it, and no descriptor open."""
    before = descriptors()
    loop = Loop(request.param)
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
    """A port whose listener accepts nobody, with its queue full: who connects gets no answer at
    all.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def without_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(('::1', 0))
    except OSError:
        return True
    return False


needs_ipv6 = pytest.mark.skipif(without_ipv6(), reason='this machine has no IPv6')

# -- connecting --------------------------------------------------------------------------------


def test_tcp_is_ready_when_it_connects(loop):
    with serving(silent) as other:
        attempt = loop.ask(f'tcp://127.0.0.1:{other.port}')
    assert attempt.ready
    assert attempt.error == ''


@needs_ipv6
def test_tcp_over_ipv6(loop):
    with serving(silent, ('::1', 0), socket.AF_INET6) as other:
        assert loop.ask(f'tcp://[::1]:{other.port}').ready


def test_a_connection_that_is_closed_at_once_is_one(loop):
    with serving(lambda connection, over: None) as other:
        assert loop.ask(f'tcp://127.0.0.1:{other.port}').ready


def test_nobody_listens(loop):
    with nobody_there() as port:
        attempt = loop.ask(f'tcp://127.0.0.1:{port}')
    assert not attempt.ready
    assert attempt.error == f'tcp://127.0.0.1:{port}: connection refused'


def test_unix_is_ready_at_once(loop, tmp_path):
    path = str(tmp_path / 's')
    with serving(silent, path, socket.AF_UNIX):
        attempt = Attempt(loop, parse(f'unix://{path}'), time.monotonic())
        assert attempt.done
        assert attempt.ready


def test_unix_without_a_socket(loop, tmp_path):
    attempt = Attempt(loop, parse(f'unix://{tmp_path}/s'), time.monotonic())
    assert attempt.done
    assert attempt.error == f'unix://{tmp_path}/s: no such file or directory'
    (tmp_path / 's').touch()
    assert loop.ask(f'unix://{tmp_path}/s').error == f'unix://{tmp_path}/s: connection refused'


def test_unix_with_a_full_queue(loop, tmp_path):
    path = str(tmp_path / 's')
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(path)
        listener.listen(0)
        filler.connect(path)
        assert (
            loop.ask(f'unix://{path}').error == f'unix://{path}: its queue of connections is full'
        )


@contextlib.contextmanager
def full_queue(path):
    """A unix socket whose queue is full; what is yielded makes room."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(path)
        listener.listen(0)
        filler.connect(path)
        yield lambda: listener.accept()[0].close()


def test_a_full_queue_that_is_waited_out(loop, tmp_path):
    path, begun, over = str(tmp_path / 's'), time.monotonic(), []
    with full_queue(path) as make_room:
        attempt: Any = Attempt(
            loop, parse(f'unix://{path}'), begun + 5, True, lambda: over.append(True)
        )
        for _ in range(3):
            assert (attempt.done, attempt.error, over) == (
                False,
                f'unix://{path}: no answer yet',
                [],
            )
            assert begun < attempt.again_at <= time.monotonic() + FIRST_RETRY_SECONDS
            assert loop.is_clean()
            attempt.look(attempt.again_at - 0.001)
            attempt.look(attempt.again_at)
        make_room()
        attempt.look(attempt.again_at)
        assert attempt.ready
        assert attempt.again_at is None
        assert over == [True]


@pytest.mark.parametrize('end', ['look', 'close', 'gone'])
def test_a_full_queue_is_not_waited_out_for_ever(loop, tmp_path, end):
    path, over = str(tmp_path / 's'), []
    with full_queue(path):
        attempt: Any = Attempt(
            loop,
            parse(f'http+unix://{path}'),
            time.monotonic() + 5,
            True,
            lambda: over.append(True),
        )
        assert not attempt.done
        if end == 'close':
            attempt.close()
        elif end == 'look':
            attempt.look(attempt.deadline)
            assert attempt.error == f'http+unix://{path}: its queue of connections was full for 5 s'
    if end == 'gone':
        os.unlink(path)
        attempt.look(attempt.again_at)
        assert attempt.error == f'http+unix://{path}: no such file or directory'
    assert attempt.done
    assert attempt.again_at is None
    assert over == [True]


@needs_ipv6
def test_localhost_is_either_address(loop):
    with serving(silent, ('::1', 0), socket.AF_INET6) as other:
        assert loop.ask(f'tcp://localhost:{other.port}').ready
        assert loop.ask(f'tcp://127.0.0.1:{other.port}').error.endswith('connection refused')
    with serving(silent) as other:
        assert loop.ask(f'tcp://localhost:{other.port}').ready


def test_localhost_tells_the_first_refusal(loop):
    with nobody_there() as port:
        spec = parse(f'tcp://localhost:{port}')
        spec = replace(spec, addresses=(spec.addresses[0], (socket.AF_UNIX, '/nowhere/at/all')))
        assert loop.ask(spec).error == f'tcp://localhost:{port}: connection refused'


def test_an_attempt_without_an_address_has_failed(loop):
    assert loop.ask('notify').error == 'notify: there is no address to connect to'


def test_no_descriptors_left(loop, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EMFILE, 'Too many open files')

    monkeypatch.setattr(socket, 'socket', refuse)
    attempt = loop.ask('tcp://127.0.0.1:1')
    assert attempt.error == 'tcp://127.0.0.1:1: too many open files'


def test_a_poller_that_takes_no_more(loop, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOMEM, 'Cannot allocate memory')

    with serving(silent) as other:
        monkeypatch.setattr(loop.poller, 'register_writable', refuse)
        attempt = Attempt(loop, parse(f'tcp://127.0.0.1:{other.port}'), time.monotonic() + PATIENCE)
    assert attempt.error.endswith('cannot allocate memory')


def test_a_socket_that_is_connected_to_itself_is_nobody_else(loop, monkeypatch):
    class Selfish(socket.socket):
        def connect_ex(self, address):
            self.bind(address)  # what the kernel may pick for itself
            return super().connect_ex(address)

    with nobody_there() as port:
        pass
    monkeypatch.setattr(socket, 'socket', Selfish)
    assert (
        loop.ask(f'tcp://127.0.0.1:{port}').error == f'tcp://127.0.0.1:{port}: connection refused'
    )


# -- http --------------------------------------------------------------------------------------


def short(value):
    return repr(value[:30])


@pytest.mark.parametrize(
    'answer',
    [
        b'HTTP/1.0 200 OK\r\n\r\n',
        b'HTTP/1.1 204 \r\n',
        b'HTTP/1.1 200\r\n',
        b'HTTP/1.0 301\n',
        b'HTTP/1.1 399 x',
        b'HTTP/1.1 200 \xff\x00\x1b no end of line',
        b'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
        b'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 302 Found\r\n',
        b'HTTP/1.1 103 x\n\nHTTP/1.1 204 \n',
        b'HTTP/1.1 100 Continue\r\n\r\n' * MOST_INTERIM + b'HTTP/1.1 200 OK\r\n',
        b'HTTP/1.1 103 x\r\nLink: ' + b'x' * (MOST_ANSWER - 30) + b'\r\n\r\nHTTP/1.1 200 OK\r\n',
    ],
    ids=short,
)
def test_http_is_ready_when_it_answers_2xx_or_3xx(loop, answer):
    with serving(answering(answer)) as other:
        assert loop.ask(f'http://127.0.0.1:{other.port}/up').ready


@pytest.mark.parametrize(
    ('answer', 'why'),
    [
        (b'HTTP/1.1 503 Service Unavailable\r\n\r\n', 'answered 503'),
        (b'HTTP/1.1 404 \x1b]0;title\x07\r\n\r\n', 'answered 404'),
        (b'HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n\r\n', 'answered 101'),
        (b'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 x\r\n\r\n', 'answered 503'),
        (
            b'HTTP/1.1 103 Early Hints\r\n\r\nSSH-2.0\r\n',
            'answered with something that is not HTTP',
        ),
        (b'HTTP/1.1 103 Early Hints\r\n\r\n', 'closed the connection without an answer'),
        (b'HTTP/1.1 103 Early Hints\r\nLink: <x>', 'answered 103, and nothing final'),
        (b'HTTP/1.1 103 Early Hints\r\nLink: ' + b'x' * 100_000, 'answered 103, and nothing final'),
        (
            b'HTTP/1.1 100 Continue\r\n\r\n' * (MOST_INTERIM + 1) + b'HTTP/1.1 200 OK\r\n',
            'answered 100, and nothing final',
        ),
        (b'HTTP/1.1 400\r\n', 'answered 400'),
        (b'', 'closed the connection without an answer'),
        (b'\n', 'answered with something that is not HTTP'),
        (b'H', 'answered with something that is not HTTP'),
        (b'HTTP/1.1 200', 'answered with something that is not HTTP'),
        (b'HTTP/1.1 2000 OK\r\n', 'answered with something that is not HTTP'),
        (b'HTTP/1.1 \xb2\xb0\xb0 OK\r\n', 'answered with something that is not HTTP'),
        (b'HTTP/1.1  200 OK\r\n', 'answered with something that is not HTTP'),
        (b'HTTP/1.1 600 OK\r\n', 'answered with something that is not HTTP'),
        (b'http/1.1 200 OK\r\n', 'answered with something that is not HTTP'),
        (b'\r\nHTTP/1.1 200 OK\r\n', 'answered with something that is not HTTP'),
        (b'SSH-2.0-OpenSSH_9.2 HTTP/1.1 200 OK\r\n', 'answered with something that is not HTTP'),
    ],
    ids=short,
)
def test_other_answers(loop, answer, why):
    with serving(answering(answer)) as other:
        attempt = loop.ask(f'http://127.0.0.1:{other.port}/up')
        assert attempt.error == f'http://127.0.0.1:{other.port}/up: {why}'
    assert not attempt.ready


@pytest.mark.parametrize('begin', ['', 'HTTP/', 'HTTP/1.1 20'])
def test_megabytes_of_garbage(loop, begin):
    with serving(answering(begin.encode() + b'9' * 10_000_000)) as other:
        assert loop.ask(f'http://127.0.0.1:{other.port}/').error.endswith(
            '/: answered with something that is not HTTP'
        )


@pytest.mark.parametrize(
    'answer',
    ['SSH-2.0', 'SSH', '\n', 'HTTP/1.0\n', 'HTTP/'.ljust(MOST_ANSWER, '9')],
    ids=['ssh', 'part', 'empty', 'line', 'much'],
)
def test_garbage_is_known_at_once(loop, answer):
    def behave(connection, over):
        connection.sendall(answer.encode())
        silent(connection, over)

    with serving(behave) as other:
        assert loop.ask(f'http://127.0.0.1:{other.port}/').error.endswith(
            '/: answered with something that is not HTTP'
        )


def test_megabytes_after_the_status_line(loop):
    with serving(
        answering(b'HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n' + b'9' * 10_000_000)
    ) as other:
        assert loop.ask(f'http://127.0.0.1:{other.port}/').ready


def test_the_request(loop):
    received: list = []

    def behave(connection, over):
        while b'\r\n\r\n' not in b''.join(received):
            received.append(connection.recv(65536))
        connection.sendall(b'HTTP/1.0 200 OK\r\n\r\n')

    with serving(behave) as other:
        assert loop.ask(f'http://localhost:{other.port}/up?x=1').ready
    assert (
        b''.join(received)
        == (
            f'GET /up?x=1 HTTP/1.1\r\nHost: localhost:{other.port}\r\n'
            'User-Agent: supervisor-restarter\r\nConnection: close\r\n\r\n'
        ).encode()
    )


def test_a_request_that_leaves_in_parts(loop):
    size = 20_000_000
    received: list = []

    def behave(connection, over):
        while sum(received) < size:
            received.append(len(connection.recv(65536)))
        connection.sendall(b'HTTP/1.0 200 OK\r\n\r\n')

    with serving(behave) as other:
        spec = replace(parse(f'http://127.0.0.1:{other.port}/'), target='/' * size)
        assert loop.ask(spec).ready
    assert sum(received) > size


@pytest.mark.parametrize(
    ('answer', 'needed'),
    [(b'HTTP/1.0 200 OK', 13), (b'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.0 200 OK', 50)],
)
def test_an_answer_that_comes_byte_by_byte(loop, answer, needed):
    def behave(connection, over):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(needed):
            connection.sendall(answer[at : at + 1])
            taken.acquire(timeout=PATIENCE)

    taken = threading.Semaphore(0)
    with serving(behave) as other:
        attempt = Attempt(
            loop, parse(f'http://127.0.0.1:{other.port}'), time.monotonic() + PATIENCE
        )
        turns = 0
        while not attempt.done and turns < 100:
            loop.turn()
            turns += attempt.readable() and bool(loop.seen[0])
            if loop.seen[0]:
                taken.release()
    assert attempt.ready
    assert turns == needed - 1  # each byte but the last left it waiting


def test_a_reset_instead_of_an_answer(loop):
    def behave(connection, over):
        connection.recv(65536)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

    with serving(behave) as other:
        attempt = loop.ask(f'http://127.0.0.1:{other.port}/')
    assert attempt.error == f'http://127.0.0.1:{other.port}/: connection reset by peer'


def test_a_reset_while_the_request_leaves(loop):
    def behave(connection, over):
        connection.recv(10)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

    asked: list = []
    with (
        serving(behave) as other,
        serving(lambda connection, over: asked.append(connection)) as never_asked,
    ):
        addresses = [
            (socket.AF_INET, ('127.0.0.1', port)) for port in (other.port, never_asked.port)
        ]
        spec = parse(f'http://127.0.0.1:{other.port}/')
        attempt = loop.ask(replace(spec, addresses=tuple(addresses), target='/' * 20_000_000))
    assert attempt.error.partition('/: ')[2] in ('connection reset by peer', 'broken pipe')
    assert not asked


def test_no_more_is_read_than_a_status_line_may_have(loop, monkeypatch):
    read, here = [], threading.get_ident()

    class Counting(socket.socket):
        def recv(self, size, *flags):
            data = super().recv(min(size, 1000), *flags)
            if threading.get_ident() == here:
                read.append(len(data))
            return data

    with serving(answering(b'HTTP/' + b'9' * 100_000)) as other:
        monkeypatch.setattr(socket, 'socket', Counting)
        assert loop.ask(f'http://127.0.0.1:{other.port}/').error.endswith('not HTTP')
        monkeypatch.undo()
    assert sum(read) == MOST_ANSWER


def test_http_over_a_unix_socket(loop, tmp_path):
    path, received = str(tmp_path / 's'), []

    def behave(connection, over):
        received.append(connection.recv(65536))
        connection.sendall(b'HTTP/1.0 200 OK\r\n\r\n')

    with serving(behave, path, socket.AF_UNIX):
        assert loop.ask(f'http+unix://{path}:/up?x=1').ready
    assert received[0].startswith(b'GET /up?x=1 HTTP/1.1\r\nHost: localhost\r\n')
    assert loop.ask(f'http+unix://{path}').error == f'http+unix://{path}: connection refused'


# -- no answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize('begins', [b'', b'HTTP/1.1 20', b'HTTP/'])
def test_who_says_nothing_runs_out_of_time(loop, begins):
    def behave(connection, over):
        connection.sendall(begins)
        silent(connection, over)

    with serving(behave) as other:
        name = f'http://127.0.0.1:{other.port}/'
        attempt = Attempt(loop, parse(name), time.monotonic() + 5)
        loop.until(attempt.readable)
        loop.turn()
        attempt.look(attempt.deadline - 0.01)
        assert not attempt.done
        assert not attempt.ready
        assert attempt.error == f'{name}: no answer yet'
        attempt.look(attempt.deadline)
        assert attempt.done
        assert attempt.error == f'{name}: no answer within 5 s'
        assert loop.is_clean()


def test_a_connection_that_does_not_come_about_runs_out_of_time(loop):
    with no_room() as port:
        attempt = Attempt(loop, parse(f'tcp://127.0.0.1:{port}'), time.monotonic() + 0.2)
        loop.turn()
        attempt.handle_write_event()  # meant for a former owner of the number
        assert not attempt.done
        while not attempt.done:
            loop.turn()
            attempt.look(time.monotonic())
        assert attempt.error == f'tcp://127.0.0.1:{port}: no answer within 0.2 s'


def test_no_turn_of_the_loop_waits_for_anybody(loop):
    flood = answering(b'HTTP/' + b'9' * 10_000_000)
    with serving(silent) as mute, serving(flood) as loud, no_room() as port:
        specs = [
            f'http://127.0.0.1:{mute.port}/',
            f'http://127.0.0.1:{loud.port}/',
            f'tcp://127.0.0.1:{port}',
        ]
        attempts = [Attempt(loop, parse(spec), 0.0) for spec in specs]
        loop.nap = 0.0
        for _ in range(200):
            before = time.thread_time()
            loop.turn()
            assert time.thread_time() - before < 1.0
        for attempt in attempts:
            attempt.close()


def test_close_gives_up_and_may_be_called_again(loop):
    with no_room() as port:
        attempt = Attempt(loop, parse(f'tcp://127.0.0.1:{port}'), time.monotonic() + PATIENCE)
        for _ in range(2):
            attempt.close()
            assert attempt.error == f'tcp://127.0.0.1:{port}: given up'
            assert loop.is_clean()


def test_what_is_over_stays_as_it_was(loop):
    with serving(silent) as other:
        attempt = loop.ask(f'tcp://127.0.0.1:{other.port}')
        attempt.look(attempt.deadline)
        attempt.close()
        attempt.handle_error()
        assert attempt.ready


def test_the_error_is_short_whatever_the_spec(loop):
    with nobody_there() as port:
        spec = f'http://127.0.0.1:{port}/' + 'x' * 900
        assert loop.ask(spec).error == f'{spec[:MOST_NAME]}...: connection refused'


# -- in the loop -------------------------------------------------------------------------------


def test_an_attempt_made_before_the_poll_ends_its_sleep(loop):
    made = []
    loop.nap = PATIENCE
    with serving(silent) as other:

        def make():
            loop.before_poll = lambda: None
            made.append(
                Attempt(loop, parse(f'tcp://127.0.0.1:{other.port}'), time.monotonic() + PATIENCE)
            )

        loop.before_poll = make
        began = time.monotonic()
        loop.turn()
        loop.turn()
        assert made[0].ready
        assert time.monotonic() - began < PATIENCE / 2


def test_a_number_that_is_used_again_in_the_same_turn(loop):
    with serving(silent) as other, no_room() as port:
        old = Attempt(loop, parse(f'tcp://127.0.0.1:{port}'), time.monotonic() + PATIENCE)
        (number,) = loop.map
        made = []

        def replace_it():
            old.close()
            made.append(
                Attempt(loop, parse(f'tcp://127.0.0.1:{other.port}'), time.monotonic() + PATIENCE)
            )
            assert list(loop.map) == [number]
            loop.before_poll = lambda: None

        loop.before_poll = replace_it
        loop.nap = PATIENCE
        loop.turn()
        assert loop.seen == ([], [number])  # it went to the old one
        assert old.error.endswith('given up')
        loop.until(lambda: made[0].done)
        assert made[0].ready


def test_localhost_uses_its_number_again(loop):
    with serving(silent) as other, nobody_there() as port:
        addresses = [
            (socket.AF_INET, ('127.0.0.1', number)) for number in (port, port, port, other.port)
        ]
        assert loop.ask(replace(parse(f'tcp://localhost:{port}'), addresses=tuple(addresses))).ready


def test_after_the_end_no_event_means_anything(loop):
    with serving(silent) as other, nobody_there() as port:
        for spec in (
            f'tcp://127.0.0.1:{other.port}',
            f'tcp://127.0.0.1:{port}',
            f'http://127.0.0.1:{port}',
        ):
            attempt = loop.ask(spec)
            ready = attempt.ready
            assert not attempt.readable()
            assert not attempt.writable()
            attempt.handle_read_event()
            attempt.handle_write_event()
            assert attempt.ready is ready


def test_events_that_are_not_asked_for_mean_nothing(loop):
    with serving(silent) as other, no_room() as port:
        connecting = Attempt(loop, parse(f'http://127.0.0.1:{port}'), time.monotonic() + PATIENCE)
        connecting.handle_read_event()
        assert not connecting.done
        connecting.close()
        reading = Attempt(
            loop, parse(f'http://127.0.0.1:{other.port}'), time.monotonic() + PATIENCE
        )
        loop.until(reading.readable)
        reading.handle_write_event()
        reading.handle_read_event()  # there is nothing to read
        assert not reading.done
        reading.close()


def test_who_has_the_number_in_the_map_keeps_it(loop):
    with no_room() as port:
        attempt = Attempt(loop, parse(f'tcp://127.0.0.1:{port}'), time.monotonic() + PATIENCE)
        (number,) = loop.map
        loop.map[number] = somebody = object()
        attempt.close()
        assert loop.map.pop(number) is somebody


def test_a_handler_that_raises_ends_the_attempt_only(loop, monkeypatch):
    def fail(self, closed):
        raise RuntimeError('a mistake')

    monkeypatch.setattr(Attempt, '_judge', fail)
    with serving(answering(b'HTTP/1.0 200 OK\r\n\r\n')) as other:
        assert loop.ask(f'http://127.0.0.1:{other.port}/').error.endswith('/: the probe broke off')


def test_handle_error_ends_the_attempt_even_if_nothing_can_be_unregistered(loop, monkeypatch):
    with no_room() as port:
        attempt = Attempt(loop, parse(f'tcp://127.0.0.1:{port}'), time.monotonic() + PATIENCE)
        loop.poller.unregister_writable(*loop.map)
        attempt.handle_error()
        assert attempt.error.endswith('the probe broke off')


def test_many_at_once(loop):
    with serving(answering(b'HTTP/1.0 200 OK\r\n\r\n')) as other, nobody_there() as port:
        specs = [
            f'http://127.0.0.1:{other.port}/',
            f'tcp://127.0.0.1:{port}',
            f'tcp://127.0.0.1:{other.port}',
        ] * 20
        attempts = [Attempt(loop, parse(spec), time.monotonic() + PATIENCE) for spec in specs]
        loop.until(lambda: all(attempt.done for attempt in attempts))
    assert [attempt.ready for attempt in attempts] == [True, False, True] * 20
