"""What the kernel says of listening sockets, and what is made of an answer that is none."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct

import pytest

from supervisor_restarter.readiness.sockdiag import listening_at
from tests.unit.readiness.loop import descriptors, needs_ipv6

LOCAL = socket.inet_aton('127.0.0.1')
ERROR, DONE = 2, 3
MANY = 500  # more than fit into one part of an answer


def _can_be_asked():
    """Whether the kernel answers a question for all that listen, as written here once more."""
    question = struct.pack('=IHHIIBBHI48x', 72, 20, 0x301, 1, 0, socket.AF_INET, 6, 0, 1 << 10)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 4) as kernel:
            kernel.setblocking(False)
            kernel.send(question)
            return struct.unpack_from('=4xH', kernel.recv(65536)) != (ERROR,)
    except (OSError, AttributeError):
        return False


needs_kernel = pytest.mark.skipif(not _can_be_asked(), reason='this kernel cannot be asked')


def listener(port=0, family=socket.AF_INET):
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(('127.0.0.1' if family == socket.AF_INET else '::1', port))
    sock.listen()
    return sock


def inode(sock):
    return os.fstat(sock.fileno()).st_ino


@needs_kernel
def test_those_that_listen_at_a_port_and_no_others():
    before = descriptors()
    with listener() as one, listener() as other, socket.create_connection(one.getsockname()):
        for sock in (one, other):
            at = listening_at(socket.AF_INET, sock.getsockname()[1])
            assert at == [(LOCAL, inode(sock))]
    assert descriptors() == before


@needs_kernel
def test_nobody_listens_there():
    with socket.socket() as bound:
        bound.bind(('127.0.0.1', 0))
        assert listening_at(socket.AF_INET, bound.getsockname()[1]) == []


@needs_kernel
@needs_ipv6
def test_each_family_by_itself():
    with listener(family=socket.AF_INET6) as sock:
        port = sock.getsockname()[1]
        assert listening_at(socket.AF_INET6, port) == [(bytes(15) + b'\1', inode(sock))]
        assert listening_at(socket.AF_INET, port) == []


@needs_kernel
def test_an_answer_in_several_parts():
    with listener() as first:
        port = first.getsockname()[1]
        socks = [first] + [listener(port) for _ in range(MANY - 1)]
        found = listening_at(socket.AF_INET, port)
        assert sorted(found) == sorted((LOCAL, inode(sock)) for sock in socks)
        for sock in socks:
            sock.close()


def part(kind, number):
    return struct.pack('=IHHIIi', 20, kind, 0, 1, 0, number)


@pytest.mark.parametrize(('kind', 'number'), [
    (ERROR, -errno.EACCES),  # the question was refused
    (DONE, -errno.EACCES),  # it was begun to be answered
])  # fmt: skip
def test_a_kernel_that_cannot_tell(monkeypatch, kind, number):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.send(part(kind, number))
    monkeypatch.setattr(socket, 'socket', lambda *args: ours)
    with theirs, pytest.raises(PermissionError):
        listening_at(socket.AF_INET, 1)
    assert ours.fileno() == -1


@pytest.mark.parametrize('answer', [b'', part(DONE, 0)[:18], struct.pack('=IHHII', 0, 20, 0, 1, 0)])
def test_an_answer_that_makes_no_sense_ends(monkeypatch, answer):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    theirs.send(answer and answer + b'\0' * (0 if len(answer) == 18 else 200))
    monkeypatch.setattr(socket, 'socket', lambda *args: ours)
    with theirs, contextlib.suppress(OSError):
        assert listening_at(socket.AF_INET, 1) == []


def test_a_kernel_that_says_nothing_is_not_waited_for(monkeypatch):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.setattr(socket, 'socket', lambda *args: ours)
    with theirs, pytest.raises(BlockingIOError):
        listening_at(socket.AF_INET, 1)


def test_another_system(monkeypatch):
    monkeypatch.delattr(socket, 'AF_NETLINK')
    with pytest.raises(OSError, match='family'):
        listening_at(socket.AF_INET, 1)
