"""Which sockets of this machine listen at an address (Linux).

The kernel is asked for a TCP port. Where it cannot be asked, and for unix sockets, there are the
tables in /proc/net. They are long, and many processes are asked about at once: those whose probes
have answered by the same turn of the loop. So a table that was read is good for every answer that had
come by then, and only for these.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import time
from typing import Callable, Union

from supervisor_restarter.readiness import sockdiag
from supervisor_restarter.readiness.question import SHORTAGES
from supervisor_restarter.readiness.spec import Spec

LISTENING = b'0A'  # the state TCP_LISTEN in /proc/net/tcp
ACCEPTING = b'00010000'  # the flag SO_ACCEPTCON in /proc/net/unix, the only one shown there
IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
# The tables and families of TCP, and the address that means all of this machine's. Of several that
# listen at a port the kernel prefers one of the same family.
TCP4 = ('tcp', socket.AF_INET, ipaddress.ip_address('0.0.0.0'))
TCP6 = ('tcp6', socket.AF_INET6, ipaddress.ip_address('::'))
# Of each socket that listens its address and its inode, as they are written there; by the port, or by
# the path, which is all of the address of a unix socket.
Table = dict[bytes, list[tuple[bytes, int]]]


class Listeners:
    """Who listens now; keeps the tables of /proc/net as they were when they were read last.

    clock: the monotonic one.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tables: dict[str, tuple[float, Table]] = {}
        self._may_ask = True  # once refused, it would be refused again, after a look for a module

    def at(self, spec: Spec, since: float) -> set[str]:
        """The listening sockets that a connection as in `spec` arrives at, at the monotonic time
        `since` or later, each as the link by which it shows in /proc/<pid>/fd. OSError without
        /proc, ValueError or IndexError if a table there is none.
        """
        for family, address in spec.addresses:
            look = self._at_path if family == socket.AF_UNIX else self._at_port
            inodes = look(address, since)
            if inodes:  # the first that listens is the one that is asked
                return {f'socket:[{inode}]' for inode in inodes}
        return set()

    def forget(self) -> None:
        """Keep nothing: nobody asks for now."""
        self._tables.clear()

    def _at_path(self, path: str, since: float) -> list[int]:
        return [inode for _, inode in self._read('unix', os.fsencode(path), since)]

    def _at_port(self, address: tuple[str, int], since: float) -> list[int]:
        """Of several listeners in one family the kernel prefers the one with the exact address."""
        host, port = address
        target = _unmapped(ipaddress.ip_address(host))
        for name, family, wildcard in (TCP4, TCP6) if target.version == 4 else (TCP6,):
            listeners = self._asked(family, port)
            if listeners is None:
                there = self._read(name, b'%04X' % port, since)
                listeners = [(_packed(digits), inode) for digits, inode in there]
            bound = [(_unmapped(ipaddress.ip_address(at)), inode) for at, inode in listeners]
            for wanted in (target, wildcard):
                inodes = [inode for at, inode in bound if at == wanted]
                if inodes and (wanted == target or _is_ours(target)):
                    return inodes
        return []

    def _asked(self, family: int, port: int) -> list[tuple[bytes, int]] | None:
        """What the kernel says; None if it cannot be asked."""
        try:
            return sockdiag.listening_at(family, port) if self._may_ask else None
        except OSError as error:  # a sandbox may refuse it, a module be missing
            self._may_ask = error.errno in SHORTAGES
            return None

    def _read(self, name: str, where: bytes, since: float) -> list[tuple[bytes, int]]:
        known = self._tables.get(name)
        if known is None or known[0] < since:
            # The time before: what begins to listen while the table is read may be missing.
            known = self._clock(), _unix_table() if name == 'unix' else _tcp_table(name)
            self._tables[name] = known
        return known[1].get(where, [])


def _unix_table() -> Table:
    table: Table = {}
    with open('/proc/net/unix', 'rb') as lines:
        next(lines, b'')  # the names of the columns
        for line in lines:
            # Num RefCount Protocol Flags Type St Inode Path
            if ACCEPTING in line:
                columns = line.rstrip(b'\n').split(maxsplit=7)
                if columns[3] == ACCEPTING and columns[7:]:
                    table.setdefault(columns[7], []).append((b'', int(columns[6])))
    return table


def _tcp_table(name: str) -> Table:
    """Only the beginning is read: the kernel takes milliseconds for the many connections behind
    it.
    """
    table: Table = {}
    with open(f'/proc/net/{name}', 'rb') as lines:
        next(lines, b'')  # the names of the columns
        for line in lines:
            # sl local remote state queues timer retransmits uid timeout inode ...
            columns = line.split(maxsplit=10)
            if columns[3] != LISTENING:
                break  # the listening ones come first
            address, _, port = columns[1].partition(b':')
            table.setdefault(port, []).append((address, int(columns[9])))
    return table


def _packed(digits: bytes) -> bytes:
    """From the notation of /proc: words of 32 bits, each a number in this machine's order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    return b''.join(word.to_bytes(4, sys.byteorder) for word in words)


def _unmapped(address: IPAddress) -> IPAddress:
    """An IPv4 address that is written as IPv6 as what it is."""
    return getattr(address, 'ipv4_mapped', None) or address


def _is_ours(address: IPAddress) -> bool:
    """Whether the address is one of this machine's: only those can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
