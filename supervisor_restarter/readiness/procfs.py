"""Which process descends from which, which has a listening socket open, and when one was started, as
/proc says (Linux).

For READY=1: whether its sender descends from a process that is waited for. For a probe that says
yes: whether the process in question listens at the address, or something else does. For newer_than:
when it was started.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from typing import Union

from supervisor_restarter.readiness.spec import Spec

MOST_ANCESTORS = 32  # how far up a lineage is followed
# So many are looked at, which takes supervisord some 20 ms; then it cannot be told.
MOST_DESCRIPTORS = 4000
# Fields of /proc/PID/stat; the third is the first after the command.
STATE, PPID, STARTTIME = 3, 4, 22
LISTENING = b'0A'  # the state TCP_LISTEN in /proc/net/tcp
ACCEPTING = 0x10000  # the flag SO_ACCEPTCON in /proc/net/unix
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def lineage(pid: int) -> Iterator[int]:
    """`pid`, its parent, its parent's parent and so on; `pid` alone where /proc does not tell."""
    for _ in range(MOST_ANCESTORS):
        if pid <= 0:
            return
        yield pid
        try:
            pid = _field(pid, PPID)
        except (OSError, ValueError, IndexError):
            return


def start_ticks(pid: int) -> int | None:
    """When the process was started: clock ticks (SC_CLK_TCK per second) since the boot, rounded
    down; None where /proc does not tell.
    """
    try:
        return _field(pid, STARTTIME)
    except (OSError, ValueError, IndexError):
        return None


def _field(pid: int, field: int) -> int:
    """A number out of /proc/PID/stat. field: counted from 1, as in proc(5)."""
    with open(f'/proc/{pid}/stat', 'rb') as stat:
        # "pid (command) state ppid ...": the command may contain anything, also brackets
        return int(stat.read().rpartition(b')')[2].split()[field - STATE])


def holds(pid: int, spec: Spec) -> bool | None:
    """Whether `pid` or one of its descendants has a listening socket open at which `spec` arrives.

    None where that cannot be told: no /proc, descriptors that may not be looked at, or nothing on
    this machine that listens at the address.
    """
    try:
        sockets = _listeners(spec)
        return _has_open(pid, sockets) if sockets else None
    except (OSError, ValueError, IndexError):
        return None


def _has_open(pid: int, links: set[str]) -> bool | None:
    conclusive, seen = True, 0
    pending = [pid]
    while pending:
        member = pending.pop()
        try:
            with os.scandir(f'/proc/{member}/fd') as descriptors:
                for descriptor in descriptors:
                    if _link(descriptor.path) in links:
                        return True
                    seen += 1
                    if seen > MOST_DESCRIPTORS:
                        return None
            pending += _children(member)
        except OSError:
            ended_meanwhile = member != pid and not os.path.exists(f'/proc/{member}')
            conclusive = conclusive and ended_meanwhile
    return False if conclusive else None


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ''  # closed meanwhile


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/children', 'rb') as names:
            children += map(int, names.read().split())
    return children


def _listeners(spec: Spec) -> set[str]:
    """The listening sockets of this machine that a connection as in `spec` arrives at, each as the
    link by which it shows in /proc/<pid>/fd.
    """
    for family, address in spec.addresses:
        inodes = _unix_listeners(address) if family == socket.AF_UNIX else _tcp_listeners(*address)
        if inodes:  # the first that listens is the one that is asked
            return {f'socket:[{inode}]' for inode in inodes}
    return set()


def _unix_listeners(path: str) -> list[int]:
    wanted, found = os.fsencode(path), []
    with open('/proc/net/unix', 'rb') as table:
        for line in table:
            if line.rstrip(b'\n').endswith(wanted):
                # Num RefCount Protocol Flags Type St Inode Path
                columns = line.rstrip(b'\n').split(maxsplit=7)
                if columns[7:] == [wanted] and int(columns[3], 16) & ACCEPTING:
                    found.append(int(columns[6]))
    return found


def _tcp_listeners(host: str, port: int) -> list[int]:
    """Of several listeners at one port the kernel prefers one of the same family, then the one with
    the exact address.
    """
    target = _unmapped(ipaddress.ip_address(host))
    tables = [('tcp', ipaddress.ip_address('0.0.0.0')), ('tcp6', ipaddress.ip_address('::'))]
    for name, wildcard in tables if target.version == 4 else tables[1:]:
        listeners = list(_listening(name, port))
        for address in (target, wildcard):
            inodes = [inode for bound, inode in listeners if bound == address]
            if inodes and (address == target or _is_ours(target)):
                return inodes
    return []


def _listening(name: str, port: int) -> Iterator[tuple[Address, int]]:
    """Address and inode of each socket that listens at `port`.

    Only the beginning is read: the kernel takes milliseconds for the many connections behind it.
    """
    ending = b':%04X' % port
    with open(f'/proc/net/{name}', 'rb') as table:
        next(table, b'')  # the names of the columns
        for line in table:
            # sl local remote state queues timer retransmits uid timeout inode ...
            columns = line.split(maxsplit=10)
            if columns[3] != LISTENING:
                return  # the listening ones come first
            if columns[1].endswith(ending):
                yield _address(columns[1][: -len(ending)]), int(columns[9])


def _address(digits: bytes) -> Address:
    """From the kernel's notation: words of 32 bits, each a number in this machine's order."""
    words = [int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)]
    packed = b''.join(word.to_bytes(4, sys.byteorder) for word in words)
    return _unmapped(ipaddress.ip_address(packed))


def _unmapped(address: Address) -> Address:
    """An IPv4 address that is written as IPv6 as what it is."""
    return getattr(address, 'ipv4_mapped', None) or address


def _is_ours(address: Address) -> bool:
    """Whether the address is one of this machine's: only those can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True
