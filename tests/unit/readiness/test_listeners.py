"""When the kernel is asked who listens, how often the tables of sockets are read instead, and for
whom that is good. What real sockets amount to is in test_procfs.py.
"""

from __future__ import annotations

import builtins
import errno
import ipaddress
import socket
import sys

import pytest

from supervisor_restarter.readiness import listeners, sockdiag
from supervisor_restarter.readiness.listeners import Listeners
from supervisor_restarter.readiness.spec import parse


def written(address):
    """As the kernel writes it: words of 32 bits in this machine's order."""
    packed = ipaddress.ip_address(address).packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return ''.join(f'{int.from_bytes(word, sys.byteorder):08X}' for word in words)


HEAD = 'sl local remote state queues timer retransmits uid timeout inode\n'
ONE, SIX = written('127.0.0.1'), written('::1')
# Ports are hexadecimal, inodes are in the 70s: 8001 and 8002 listen, 8003 is a connection.
# fmt: off
SOCKETS = {
    'tcp': [f'0: {ONE}:1F41 0:0 0A 0 0 0 0 0 71', f'1: {ONE}:1F42 0:0 0A 0 0 0 0 0 72',
            f'2: {ONE}:1F43 0:0 01 0 0 0 0 0 73'],
    'tcp6': [f'0: {SIX}:1F44 0:0 0A 0 0 0 0 0 74'],
    'unix': ['0: 2 0 00010000 1 1 75 /run/it', '0: 3 0 00000000 1 3 76 /run/it',
             '0: 2 0 00000000 1 3 77 /run/00010000'],
}
# fmt: on
IT = 'unix:///run/it'


class Machine:
    """Its tables, a Listeners that reads them, and a clock. To read a table takes a second.

    refusal: why its kernel cannot be asked; None: it can be.
    """

    def __init__(self, monkeypatch, place):
        self.now, self.place = 0.0, place
        self.reads: list[str] = []
        self.asked: list[int] = []
        self.refusal: int | None = errno.ENOENT
        self.listeners = Listeners(lambda: self.now)
        for name, lines in SOCKETS.items():
            (place / name).write_text(HEAD + ''.join(f' {line}\n' for line in lines))
        monkeypatch.setattr(listeners, 'open', self._open, raising=False)
        monkeypatch.setattr(sockdiag, 'listening_at', self._answer)

    def _open(self, path, mode):
        self.now += 1.0
        self.reads.append(path.rpartition('/')[2])
        return builtins.open(self.place / self.reads[-1], mode)

    def _answer(self, family, port):
        self.asked.append(port)
        if self.refusal is not None:
            raise OSError(self.refusal, 'no')
        return [(socket.inet_pton(family, '127.0.0.1'), 91)] if family == socket.AF_INET else []

    def at(self, text, since=0.0):
        return self.listeners.at(parse(text), since)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    return Machine(monkeypatch, tmp_path)


@pytest.mark.parametrize(('text', 'inodes'), [
    ('tcp://127.0.0.1:8001', ['71']),
    ('tcp://127.0.0.1:8002', ['72']),
    ('tcp://127.0.0.1:8003', []),
    ('tcp://[::1]:8004', ['74']),
    ('tcp://localhost:8004', ['74']),
    (IT, ['75']),
    ('unix:///run/00010000', []),
    ('notify', []),
])  # fmt: skip
def test_who_listens(machine, text, inodes):
    assert machine.at(text) == {f'socket:[{inode}]' for inode in inodes}


def test_those_that_have_answered_before_share_one_look(machine):
    for port in (8001, 8002, 8001):
        assert len(machine.at(f'tcp://127.0.0.1:{port}')) == 1
    assert machine.reads == ['tcp']


def test_for_a_later_answer_it_is_looked_again(machine):
    machine.at(IT)  # it is as it was at 0.0, as far as is certain
    machine.now = 5.0
    machine.at(IT, 5.0)
    machine.at(IT, 5.0)
    assert machine.reads == ['unix', 'unix']


def test_what_begins_to_listen_while_the_table_is_read_is_not_missed(machine):
    machine.at(IT)
    machine.at(IT, 0.5)
    assert machine.reads == ['unix', 'unix']


def test_each_table_has_its_own_time(machine):
    machine.at('tcp://127.0.0.1:8001')
    machine.at('tcp://localhost:8004')  # tcp6 is not read before it is needed
    assert machine.reads == ['tcp', 'tcp6']
    machine.at('tcp://[::1]:8004', 1.0)
    assert machine.reads == ['tcp', 'tcp6']
    machine.at('tcp://127.0.0.1:8001', 1.0)
    assert machine.reads == ['tcp', 'tcp6', 'tcp']


def test_what_cannot_be_read_is_tried_again(machine):
    (machine.place / 'unix').rename(machine.place / 'away')
    with pytest.raises(FileNotFoundError):
        machine.at(IT)
    (machine.place / 'away').rename(machine.place / 'unix')
    assert machine.at(IT)


def test_what_is_forgotten_is_read_again(machine):
    machine.at(IT)
    machine.listeners.forget()
    machine.at(IT)
    assert machine.reads == ['unix', 'unix']


def test_where_the_kernel_can_be_asked_no_table_is_read(machine):
    machine.refusal = None
    assert machine.at('tcp://127.0.0.1:8001') == {'socket:[91]'}
    assert machine.at('tcp://[::1]:8002') == set()
    assert machine.at('tcp://127.0.0.2:8003') == set()  # nobody listens at this address
    assert (machine.asked, machine.reads) == ([8001, 8002, 8003, 8003], [])


@pytest.mark.parametrize(('refusal', 'asked'), [
    (errno.ENOENT, [8001]),
    (errno.EACCES, [8001]),
    (errno.EMFILE, [8001, 8002]),  # next time there may be room
])  # fmt: skip
def test_a_kernel_that_cannot_be_asked_is_not_asked_again(machine, refusal, asked):
    machine.refusal = refusal
    assert machine.at('tcp://127.0.0.1:8001') == {'socket:[71]'}
    assert machine.at('tcp://127.0.0.1:8002') == {'socket:[72]'}
    assert (machine.asked, machine.reads) == (asked, ['tcp'])
