"""Which sockets of this machine listen at an address, as /proc/net says (Linux).

The tables there are long, and what is asked after a yes of a probe is asked of many processes at
once: those that have answered by the same turn of the loop. So a table that was read is good for
every answer that had come by then, and only for these.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import time
from typing import Callable, Union

from supervisor_restarter.readiness.spec import Spec

LISTENING = b'0A'  # the state TCP_LISTEN in /proc/net/tcp
ACCEPTING = b'00010000'  # the flag SO_ACCEPTCON in /proc/net/unix, the only one shown there
IPAddress = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
# Of each socket that listens its address and its inode, as they are written there; by the port, or by
# the path, which is all of the address of a unix socket.
Table = dict[bytes, list[tuple[bytes, bytes]]]


class Listeners:
    """The tables of /proc/net, as they were when they were read last. clock: the monotonic one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tables: dict[str, tuple[float, Table]] = {}

    def at(self, spec: Spec, since: float) -> set[str]:
        """The listening sockets that a connection as in `spec` arrives at, at the monotonic time
        `since` or later, each as the link by which it shows in /proc/<pid>/fd. OSError without
        /proc, ValueError or IndexError if a table there is none.
        """
        for family, address in spec.addresses:
            look = self._at_path if family == socket.AF_UNIX else self._at_port
            inodes = look(address, since)
            if inodes:  # the first that listens is the one that is asked
                return {f'socket:[{int(inode)}]' for inode in inodes}
        return set()

    def forget(self) -> None:
        """Keep nothing: nobody asks for now."""
        self._tables.clear()

    def _at_path(self, path: str, since: float) -> list[bytes]:
        return [inode for _, inode in self._listening('unix', os.fsencode(path), since)]

    def _at_port(self, address: tuple[str, int], since: float) -> list[bytes]:
        """Of several listeners at one port the kernel prefers one of the same family, then the one
        with the exact address.
        """
        target, port = _unmapped(ipaddress.ip_address(address[0])), b'%04X' % address[1]
        tables = [('tcp', ipaddress.ip_address('0.0.0.0')), ('tcp6', ipaddress.ip_address('::'))]
        for name, wildcard in tables if target.version == 4 else tables[1:]:
            listeners = [
                (_address(digits), inode) for digits, inode in self._listening(name, port, since)
            ]
            for wanted in (target, wildcard):
                inodes = [inode for bound, inode in listeners if bound == wanted]
                if inodes and (wanted == target or _is_ours(target)):
                    return inodes
        return []

    def _listening(self, name: str, where: bytes, since: float) -> list[tuple[bytes, bytes]]:
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
                    table.setdefault(columns[7], []).append((b'', columns[6]))
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
            table.setdefault(port, []).append((address, columns[9]))
    return table


def _address(digits: bytes) -> IPAddress:
    """From the kernel's notation: words of 32 bits, each a number in this machine's order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = b''.join(word.to_bytes(4, sys.byteorder) for word in words)
    return _unmapped(ipaddress.ip_address(packed))


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
