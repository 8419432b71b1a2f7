"""Probes by connections to real sockets, on the installed release's own loop."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import threading
import time
from dataclasses import replace

import pytest

from supervisor_restarter.readiness.http_answer import MOST_ANSWER
from supervisor_restarter.readiness.probe import FIRST_RETRY_SECONDS
from supervisor_restarter.readiness.question import MOST_NAME
from supervisor_restarter.readiness.spec import parse
from tests.unit.readiness.loop import (
    PATIENCE,
    answering,
    needs_ipv6,
    no_room,
    nobody_there,
    serving,
    silent,
    why,
)

OK = b'HTTP/1.0 200 OK\r\n\r\n'
RESET = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))  # when it is closed


# -- connecting --------------------------------------------------------------------------------


def test_tcp_is_ready_when_it_connects(any_loop):
    with serving(silent) as other:
        question = any_loop.ask(f'tcp://127.0.0.1:{other.port}')
    assert (question.ready, question.error) == (True, '')


def test_a_connection_that_is_closed_at_once_is_one(loop):
    with serving(lambda connection, over: None) as other:
        assert loop.ask(f'tcp://127.0.0.1:{other.port}').ready


def test_nobody_listens(any_loop):
    with nobody_there() as port:
        question = any_loop.ask(f'tcp://127.0.0.1:{port}')
    assert not question.ready
    assert question.error == f'tcp://127.0.0.1:{port}: connection refused'


def test_unix_is_ready_at_once(loop, tmp_path):
    with serving(silent, f'{tmp_path}/s', socket.AF_UNIX):
        assert loop.begin(f'unix://{tmp_path}/s').ready


def test_unix_without_a_socket(loop, tmp_path):
    question = loop.begin(f'unix://{tmp_path}/s')
    assert question.error == f'unix://{tmp_path}/s: no such file or directory'
    (tmp_path / 's').touch()
    assert why(loop.begin(f'unix://{tmp_path}/s')) == 'connection refused'


@contextlib.contextmanager
def full_queue(path):
    """A unix socket whose queue is full; what is yielded makes room."""
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as filler:
        listener.bind(path)
        listener.listen(0)
        filler.connect(path)
        yield lambda: listener.accept()[0].close()


def test_a_full_queue_is_a_no_where_it_is_not_waited_out(loop, tmp_path):
    with full_queue(f'{tmp_path}/s'):
        assert why(loop.begin(f'unix://{tmp_path}/s')) == 'its queue of connections is full'


def test_a_full_queue_that_is_waited_out(loop, tmp_path):
    name, begun, over = f'unix://{tmp_path}/s', time.monotonic(), []
    with full_queue(f'{tmp_path}/s') as make_room:
        question = loop.begin(name, waits=True, over=lambda: over.append(True))
        for _ in range(3):
            assert (question.done, question.error, over) == (False, f'{name}: no answer yet', [])
            assert begun < question.again_at <= time.monotonic() + FIRST_RETRY_SECONDS
            assert loop.is_clean()
            question.look(question.again_at - 0.001)
            question.look(question.again_at)
        make_room()
        question.look(question.again_at)
    assert (question.ready, question.again_at, over) == (True, None, [True])


@pytest.mark.parametrize(
    ('end', 'error'),
    [
        ('look', 'its queue of connections was full for 5 s'),
        ('close', 'given up'),
        ('gone', 'no such file or directory'),
    ],
)
def test_a_full_queue_is_not_waited_out_for_ever(loop, tmp_path, end, error):
    over: list = []
    with full_queue(f'{tmp_path}/s'):
        question = loop.begin(f'unix://{tmp_path}/s', 5, waits=True, over=lambda: over.append(True))
        if end == 'close':
            question.close()
        elif end == 'look':
            question.look(question.deadline)
    if end == 'gone':
        os.unlink(f'{tmp_path}/s')
        question.look(question.again_at)
    assert (why(question), question.done, question.again_at) == (error, True, None)
    assert over == [True]


@needs_ipv6
def test_localhost_is_either_address(loop):
    with serving(silent, ('::1', 0), socket.AF_INET6) as other:
        assert loop.ask(f'tcp://[::1]:{other.port}').ready
        assert loop.ask(f'tcp://localhost:{other.port}').ready
        assert why(loop.ask(f'tcp://127.0.0.1:{other.port}')) == 'connection refused'
    with serving(silent) as other:
        assert loop.ask(f'tcp://localhost:{other.port}').ready


def test_of_several_addresses_the_first_refusal_is_told(loop):
    with nobody_there() as port:
        spec = parse(f'tcp://localhost:{port}')
        spec = replace(spec, addresses=(spec.addresses[0], (socket.AF_UNIX, '/nowhere/at/all')))
        assert why(loop.ask(spec)) == 'connection refused'


def test_without_an_address_there_is_no_yes(loop):
    assert loop.ask('notify').error == 'notify: there is no address to connect to'


def test_no_descriptors_left(loop, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EMFILE, 'Too many open files')

    monkeypatch.setattr(socket, 'socket', refuse)
    question = loop.ask('tcp://127.0.0.1:1')
    assert (why(question), question.blind) == ('too many open files', True)


def test_a_poller_that_takes_no_more(loop, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOMEM, 'Cannot allocate memory')

    with serving(silent) as other:
        monkeypatch.setattr(loop.poller, 'register_writable', refuse)
        assert why(loop.begin(f'tcp://127.0.0.1:{other.port}')) == 'cannot allocate memory'


def test_a_socket_that_is_connected_to_itself_is_nobody_else(loop, monkeypatch):
    class Selfish(socket.socket):
        def connect_ex(self, address):
            self.bind(address)  # what the kernel may pick for itself
            return super().connect_ex(address)

    with nobody_there() as port:
        pass
    monkeypatch.setattr(socket, 'socket', Selfish)
    assert why(loop.ask(f'tcp://127.0.0.1:{port}')) == 'connection refused'


# -- http --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('answer', 'error'),
    [
        (OK + b'9' * 10_000_000, ''),
        (b'HTTP/1.1 503 Service Unavailable\r\n\r\n', 'answered 503'),
        (b'', 'closed the connection without an answer'),
        (b'HTTP/' + b'9' * 10_000_000, 'answered with something that is not HTTP'),
    ],
    ids=['yes', 'no', 'nothing', 'garbage'],
)
def test_answers(any_loop, answer, error):
    with serving(answering(answer)) as other:
        name = f'http://127.0.0.1:{other.port}/up'
        question = any_loop.ask(name)
    assert question.error == (f'{name}: {error}' if error else '')
    assert question.ready is not bool(error)


def test_a_request_that_leaves_in_parts(loop):
    size = 20_000_000
    received: list = []

    def behave(connection, over):
        while sum(received) < size:
            received.append(len(connection.recv(65536)))
        connection.sendall(OK)

    with serving(behave) as other:
        spec = parse(f'http://127.0.0.1:{other.port}/')
        assert loop.ask(replace(spec, target='/' * size)).ready


def test_an_answer_that_comes_byte_by_byte(loop):
    def behave(connection, over):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(13):
            connection.sendall(OK[at : at + 1])
            taken.acquire(timeout=PATIENCE)

    taken, turns = threading.Semaphore(0), 0
    with serving(behave) as other:
        question = loop.begin(f'http://127.0.0.1:{other.port}')
        while not question.done and turns < 100:
            loop.turn()
            turns += question.readable() and bool(loop.seen[0])
            if loop.seen[0]:
                taken.release()
    assert question.ready
    assert turns == 12  # each byte but the last left it waiting


def test_a_reset_instead_of_an_answer(loop):
    def behave(connection, over):
        connection.recv(65536)
        connection.setsockopt(*RESET)

    with serving(behave) as other:
        assert why(loop.ask(f'http://127.0.0.1:{other.port}/')) == 'connection reset by peer'


def test_after_a_reset_while_the_request_leaves_no_other_address_is_asked(loop):
    def behave(connection, over):
        connection.recv(10)
        connection.setsockopt(*RESET)

    asked: list = []
    with (
        serving(behave) as other,
        serving(lambda connection, over: asked.append(connection)) as never_asked,
    ):
        spec = parse(f'http://127.0.0.1:{other.port}/')
        second = (socket.AF_INET, ('127.0.0.1', never_asked.port))
        question = loop.ask(
            replace(spec, addresses=(*spec.addresses, second), target='/' * 20_000_000)
        )
    assert question.error.partition('/: ')[2] in ('connection reset by peer', 'broken pipe')
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
        assert why(loop.ask(f'http://127.0.0.1:{other.port}/')).endswith('not HTTP')
        monkeypatch.undo()
    assert sum(read) == MOST_ANSWER


def test_http_over_a_unix_socket(loop, tmp_path):
    path, received = f'{tmp_path}/s', []

    def behave(connection, over):
        received.append(connection.recv(65536))
        connection.sendall(OK)

    with serving(behave, path, socket.AF_UNIX):
        assert loop.ask(f'http+unix://{path}:/up?x=1').ready
    assert received[0].startswith(b'GET /up?x=1 HTTP/1.1\r\nHost: localhost\r\n')
    assert loop.ask(f'http+unix://{path}').error == f'http+unix://{path}: connection refused'


# -- no answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize('begins', [b'', b'HTTP/1.1 20'])
def test_who_says_nothing_runs_out_of_time(loop, begins):
    def behave(connection, over):
        connection.sendall(begins)
        silent(connection, over)

    with serving(behave) as other:
        name = f'http://127.0.0.1:{other.port}/'
        question = loop.begin(name, 5)
        loop.until(question.readable)
        loop.turn()
        question.look(question.deadline - 0.01)
        assert (question.done, question.ready) == (False, False)
        assert question.error == f'{name}: no answer yet'
        question.look(question.deadline)
        assert (question.done, question.error) == (True, f'{name}: no answer within 5 s')
        assert loop.is_clean()


def test_a_connection_that_does_not_come_about_runs_out_of_time(any_loop):
    with no_room() as port:
        question = any_loop.begin(f'tcp://127.0.0.1:{port}', 5)
        any_loop.turn()
        question.handle_write_event()  # meant for a former owner of the number
        assert not question.done
        question.look(question.deadline)
        assert why(question) == 'no answer within 5 s'


def test_no_turn_of_the_loop_waits_for_anybody(loop):
    flood = answering(b'HTTP/' + b'9' * 10_000_000)
    with serving(silent) as mute, serving(flood) as loud, no_room() as port:
        http = [f'http://127.0.0.1:{other.port}/' for other in (mute, loud)]
        questions = [loop.begin(spec) for spec in (*http, f'tcp://127.0.0.1:{port}')]
        loop.nap = 0.0
        for _ in range(200):
            before = time.thread_time()
            loop.turn()
            assert time.thread_time() - before < 1.0
        for question in questions:
            question.close()


def test_close_gives_up_and_may_be_called_again(loop):
    with no_room() as port:
        question = loop.begin(f'tcp://127.0.0.1:{port}')
        for _ in range(2):
            question.close()
            assert why(question) == 'given up'
            assert loop.is_clean()


def test_what_is_over_stays_as_it_was(loop):
    with serving(silent) as other:
        question = loop.ask(f'tcp://127.0.0.1:{other.port}')
        question.look(question.deadline)
        question.close()
        question.handle_error()
        assert question.ready


def test_the_error_is_short_whatever_the_spec(loop):
    with nobody_there() as port:
        spec = f'http://127.0.0.1:{port}/' + 'x' * 900
        assert loop.ask(spec).error == f'{spec[:MOST_NAME]}...: connection refused'
