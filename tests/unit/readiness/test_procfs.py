"""Which process descends from which, and which listens where, with real processes and sockets."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from supervisor_restarter.readiness import listeners, procfs, sockdiag
from supervisor_restarter.readiness.listeners import Listeners
from supervisor_restarter.readiness.procfs import MOST_ANCESTORS, lineage, start_ticks
from supervisor_restarter.readiness.spec import parse
from tests.unit.readiness.loop import PATIENCE, descriptors, needs_ipv6

pytestmark = pytest.mark.skipif(not os.path.exists('/proc/self/task'), reason='/proc is needed')

ME = os.getpid()
NOBODY_HAS = 2**22 + 1  # more than Linux ever gives


@contextlib.contextmanager
def child(*sockets):
    """The pid of a child of this process that has the sockets open; here they are closed."""
    passed = [sock.fileno() for sock in sockets]
    with subprocess.Popen(['cat'], stdin=subprocess.PIPE, pass_fds=passed) as process:
        for sock in sockets:
            sock.close()
        yield process.pid


def listener(address='127.0.0.1', port=0, *, only_v6=False, shared=False, listening=True):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    sock = socket.socket(family)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_v6)
    sock.bind((address, port))
    if listening:
        sock.listen()
    return sock


def port_of(sock):
    return sock.getsockname()[1]


def say_instead_of_proc(monkeypatch, tmp_path, content):
    def opened(path, mode):
        return open(tmp_path / 'content', mode)

    (tmp_path / 'content').write_text(content)
    for module in (procfs, listeners):
        monkeypatch.setattr(module, 'open', opened, raising=False)


def holds(pid, spec):
    """As it is now."""
    return procfs.holds(pid, spec, Listeners(), 0.0)


@pytest.fixture(params=['the kernel is asked', '/proc is read'])
def _both_ways(request, monkeypatch):
    if request.param == '/proc is read':
        monkeypatch.setattr(sockdiag, 'listening_at', refuse)


both_ways = pytest.mark.usefixtures('_both_ways')


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open():
    before = descriptors()
    yield
    assert descriptors() == before


# -- lineage -----------------------------------------------------------------------------------


def test_a_lineage():
    with child() as pid:
        assert list(lineage(pid))[:3] == [pid, ME, os.getppid()]


def test_who_does_not_exist_descends_from_nobody():
    assert list(lineage(NOBODY_HAS)) == [NOBODY_HAS]
    assert list(lineage(0)) == []
    assert list(lineage(-1)) == []


def test_a_name_that_looks_like_a_parent(tmp_path):
    program = tmp_path / 'x) S 1 1'
    program.write_text('#!/bin/sh\nread line\n')
    program.chmod(0o700)
    with subprocess.Popen([program], stdin=subprocess.PIPE) as process:
        assert list(lineage(process.pid))[1] == ME


@pytest.mark.parametrize('content', ['', '1 (x) S', '1 (x) S y'])
def test_a_line_that_is_none(monkeypatch, tmp_path, content):
    say_instead_of_proc(monkeypatch, tmp_path, content)
    assert list(lineage(7)) == [7]


def test_a_lineage_ends(monkeypatch, tmp_path):
    say_instead_of_proc(monkeypatch, tmp_path, '7 (x) S 7 ')
    assert len(list(lineage(7))) == MOST_ANCESTORS


def test_without_proc_only_the_process_itself_is_known(monkeypatch):
    def refuse(*args):
        raise FileNotFoundError

    with child() as pid:
        for module in (procfs, listeners):
            monkeypatch.setattr(module, 'open', refuse, raising=False)
        assert list(lineage(pid)) == [pid]
        assert holds(ME, parse('tcp://127.0.0.1:1')) is None


# -- its start -----------------------------------------------------------------------------------


def test_a_process_was_started_between_the_moments_before_and_after_its_start():
    def ticks_now():
        return time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf('SC_CLK_TCK')

    before = ticks_now()
    with child() as pid:
        started = start_ticks(pid)
        assert started is not None
        assert int(before) <= started <= ticks_now()


@pytest.mark.parametrize(('content', 'ticks'), [
    ('7 (x) 1 2) S' + ' 1' * 18 + ' 777 3', 777),
    ('7 (x) S' + ' 1' * 18, None),
    ('7 (x) S' + ' 1' * 18 + ' y', None),
])  # fmt: skip
def test_its_start_is_field_22(monkeypatch, tmp_path, content, ticks):
    say_instead_of_proc(monkeypatch, tmp_path, content)
    assert start_ticks(7) == ticks


def test_who_does_not_exist_was_never_started():
    assert start_ticks(NOBODY_HAS) is None


# -- tcp ---------------------------------------------------------------------------------------


@both_ways
def test_the_process_itself_or_another():
    with listener() as sock, child() as other:
        spec = parse(f'http://127.0.0.1:{port_of(sock)}')
        assert holds(ME, spec) is True
        assert holds(other, spec) is False


@both_ways
def test_a_child_holds_it():
    sock = listener()
    spec = parse(f'tcp://127.0.0.1:{port_of(sock)}')
    with child(sock) as pid, child() as other:
        assert holds(pid, spec) is True
        assert holds(ME, spec) is True
        assert holds(other, spec) is False
    assert holds(ME, spec) is None


@both_ways
def test_a_child_of_another_thread_holds_it():
    def start():
        with child(sock):
            started.set()
            assert over.wait(PATIENCE)

    started, over, sock = threading.Event(), threading.Event(), listener()
    spec = parse(f'tcp://127.0.0.1:{port_of(sock)}')
    thread = threading.Thread(target=start)
    thread.start()
    try:
        assert started.wait(PATIENCE)
        assert holds(ME, spec) is True
    finally:
        over.set()
        thread.join(PATIENCE)


@both_ways
def test_a_port_at_which_nobody_listens():
    with listener(listening=False) as sock:
        assert holds(ME, parse(f'tcp://127.0.0.1:{port_of(sock)}')) is None


@both_ways
def test_connections_are_no_listeners():
    with listener() as sock, socket.create_connection(sock.getsockname()) as connection:
        spec = parse(f'tcp://127.0.0.1:{port_of(sock)}')
        accepted = sock.accept()[0]
        sock.close()
        assert holds(ME, spec) is None
        assert holds(ME, parse(f'tcp://127.0.0.1:{port_of(connection)}')) is None
        accepted.close()


@both_ways
@pytest.mark.parametrize(
    ('address', 'asked', 'answer'),
    [
        ('127.0.0.1', '127.0.0.2', None),
        ('127.1.2.3', '127.1.2.3', True),
        ('0.0.0.0', '127.0.0.1', True),
        ('0.0.0.0', 'localhost', True),
        ('0.0.0.0', '[::ffff:127.0.0.1]', True),
        ('0.0.0.0', '[::1]', None),
        ('0.0.0.0', '192.0.2.1', None),  # an address that nobody has
        pytest.param('::', '127.0.0.1', True, marks=needs_ipv6),
        pytest.param('::', '[2001:db8::1]', None, marks=needs_ipv6),
        pytest.param('::1', '[::1]', True, marks=needs_ipv6),
        pytest.param('::1', '127.0.0.1', None, marks=needs_ipv6),
        pytest.param('::ffff:127.0.0.1', '[::ffff:127.0.0.1]', True, marks=needs_ipv6),
    ],
)
def test_addresses(address, asked, answer):
    with listener(address) as sock:
        assert holds(ME, parse(f'tcp://{asked}:{port_of(sock)}')) is answer


@both_ways
def test_a_listener_among_connections():
    with listener() as sock, contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(socket.create_connection(sock.getsockname()))
            stack.enter_context(sock.accept()[0])
        for late in [stack.enter_context(listener()) for _ in range(20)]:
            assert holds(ME, parse(f'tcp://127.0.0.1:{port_of(late)}')) is True


@both_ways
def test_the_exact_address_wins():
    with listener(shared=True) as mine:
        spec = parse(f'tcp://127.0.0.1:{port_of(mine)}')
        with child(listener('0.0.0.0', port_of(mine), shared=True)) as pid:
            assert holds(pid, spec) is False
            assert holds(pid, parse(f'tcp://127.0.0.2:{port_of(mine)}')) is True


@both_ways
def test_of_two_that_share_a_port_each_listens_and_a_third_one_does_not():
    """As a process and the one that is to replace it (SO_REUSEPORT)."""
    one = listener(shared=True)
    port = port_of(one)
    other, bound = (
        listener(port=port, shared=True),
        listener(port=port, shared=True, listening=False),
    )
    asked = parse(f'tcp://127.0.0.1:{port}')
    with child(one) as first, child(other) as second, child(bound) as third:
        assert [holds(pid, asked) for pid in (first, second, third)] == [True, True, False]


@both_ways
@needs_ipv6
def test_the_same_family_wins():
    mine = listener('0.0.0.0')
    port = port_of(mine)
    with mine, child(listener('::', port, only_v6=True)) as pid:
        assert holds(pid, parse(f'tcp://127.0.0.1:{port}')) is False
        assert holds(pid, parse(f'tcp://[::1]:{port}')) is True
        assert holds(pid, parse(f'tcp://localhost:{port}')) is False


# -- unix --------------------------------------------------------------------------------------


def test_unix(tmp_path):
    path = str(tmp_path / 's')
    spec = parse(f'unix://{path}')
    assert holds(ME, spec) is None
    with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as connection:
        sock.bind(path)
        assert holds(ME, spec) is None
        sock.listen()
        with child() as other:
            assert holds(ME, spec) is True
            assert holds(other, spec) is False
        assert holds(ME, replace(spec, addresses=((socket.AF_UNIX, path[-2:]),))) is None
        connection.connect(path)
        accepted = sock.accept()[0]
        sock.close()
        assert holds(ME, spec) is None
        accepted.close()


@pytest.mark.skipif(
    sys.getfilesystemencoding() != 'utf-8', reason='such a path cannot be expressed'
)
def test_unix_paths_with_blanks_and_beyond_ascii(tmp_path):
    path = str(tmp_path / 'ä  b ')
    spec = replace(parse('unix:///s'), addresses=((socket.AF_UNIX, path),))
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()
        assert holds(ME, spec) is True


# -- what cannot be told -----------------------------------------------------------------------


def test_a_process_that_is_gone():
    with listener() as sock:
        assert holds(NOBODY_HAS, parse(f'tcp://127.0.0.1:{port_of(sock)}')) is None


def test_notify_has_no_address():
    assert holds(ME, parse('notify')) is None


def refuse(*args):
    raise PermissionError


@pytest.mark.parametrize('name', ['scandir', 'readlink', 'listdir'])
def test_a_process_that_may_not_be_looked_at(monkeypatch, name):
    with listener() as sock, child() as other:
        spec = parse(f'tcp://127.0.0.1:{port_of(sock)}')
        monkeypatch.setattr(os, name, refuse)
        answer = holds(other, spec)
        monkeypatch.undo()
        assert answer is None


def test_a_child_that_may_not_be_looked_at(monkeypatch):
    scandir = os.scandir
    with child() as other, listener() as sock, child() as pid:
        spec = parse(f'tcp://127.0.0.1:{port_of(sock)}')
        monkeypatch.setattr(procfs, '_children', lambda pid: [other] if pid != other else [])
        assert holds(pid, spec) is False
        but_one = lambda path: refuse() if f'/{other}/' in path else scandir(path)  # noqa: E731
        monkeypatch.setattr(os, 'scandir', but_one)
        answer = holds(pid, spec)
        monkeypatch.undo()
        assert answer is None


def test_a_child_that_ends_meanwhile(monkeypatch):
    with listener() as sock, child() as pid:
        monkeypatch.setattr(procfs, '_children', lambda pid: [NOBODY_HAS])
        assert holds(pid, parse(f'tcp://127.0.0.1:{port_of(sock)}')) is False


def test_a_descriptor_that_is_closed_meanwhile(monkeypatch):
    def closed(path):
        raise FileNotFoundError

    with listener() as sock, child() as pid, monkeypatch.context() as patch:
        patch.setattr(os, 'readlink', closed)
        assert holds(pid, parse(f'tcp://127.0.0.1:{port_of(sock)}')) is False


def test_too_many_descriptors(monkeypatch):
    monkeypatch.setattr(procfs, 'MOST_DESCRIPTORS', 2)
    with listener() as sock, child() as pid:
        assert holds(pid, parse(f'tcp://127.0.0.1:{port_of(sock)}')) is None


@pytest.mark.parametrize(
    'content', ['', 'names\nrubbish\n', 'names\n0: z:0050 z:0 0A 0 0 0 0 0 7\n']
)
def test_a_table_that_is_none(monkeypatch, tmp_path, content):
    say_instead_of_proc(monkeypatch, tmp_path, content)
    monkeypatch.setattr(sockdiag, 'listening_at', refuse)
    assert holds(ME, parse('tcp://127.0.0.1:80')) is None


def test_a_machine_without_ipv6(monkeypatch):
    def without(path, mode):
        if path.endswith('tcp6'):
            raise FileNotFoundError
        return open(path, mode)

    monkeypatch.setattr(listeners, 'open', without, raising=False)
    with listener() as sock:
        assert holds(ME, parse(f'tcp://localhost:{port_of(sock)}')) is True
        assert holds(ME, parse(f'tcp://[::1]:{port_of(sock)}')) is None
