"""What makes a process ready, as its program says it in RESTARTER_READY; nothing is asked here.

Addresses are numeric, or `localhost`: looking up a name could hold up supervisord's loop.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import sys
from dataclasses import dataclass
from typing import Any

from supervisor_restarter.commands import check_characters, split_command
from supervisor_restarter.text import shown

ALLOWED = (
    'tcp://host:port, unix:///path, http://host:port/path, https://host:port/path, '
    'https+verify://host:port/path, http+unix:///path/to.sock:/path, exec:command or notify'
)
MOST_PATH_BYTES = 107 if sys.platform == 'linux' else 103  # sun_path without its final NUL
PORTS = {'http': 80, 'https': 443, 'https+verify': 443}  # where none is given
LOCALHOST = ('127.0.0.1', '::1')
# Programs that listen on every address write this; what is asked is this machine.
ANY_ADDRESS = {'0.0.0.0': '127.0.0.1', '::': '::1'}

AUTHORITY = re.compile(
    r'(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9A-Za-z.-]+))(?::(?P<port>[1-9][0-9]{0,4}))?'
)
TARGET = re.compile(r'/[!-~]*')


@dataclass(frozen=True)
class Spec:
    """What makes a process ready."""

    text: str  # as it was written
    kind: str  # what stands before the first colon
    addresses: tuple[tuple[int, Any], ...] = ()  # socket family and address, to be tried in turn
    target: str = ''  # HTTP of any kind: what follows GET
    host: str = ''  # HTTP of any kind: the Host header
    command: tuple[str, ...] = ()  # exec: the command and its arguments


def parse(text: str) -> Spec:
    """What `text` asks for; ValueError with one line that names the text and what is allowed."""
    wanted = text.strip(' \t')
    try:
        return _parse(wanted)
    except ValueError as error:
        raise ValueError(f'{shown(text)}: {error}; allowed: {ALLOWED}') from None


def _parse(text: str) -> Spec:
    check_characters(text)
    if text.startswith('exec:'):
        return Spec(text, 'exec', command=split_command(text[len('exec:') :]))
    if ' ' in text:
        raise ValueError('no blanks')
    if text == 'notify':
        return Spec(text, 'notify')
    kind, separator, rest = text.partition('://')
    if separator and kind == 'tcp':
        return Spec(text, kind, _addresses(rest))
    if separator and kind == 'unix':
        return Spec(text, kind, ((socket.AF_UNIX, _path(rest)),))
    if separator and kind == 'http+unix':
        # The first ':/' ends the path of the socket; what is asked for may have another.
        path, _, target = rest.partition(':/')
        if path.endswith(':'):
            raise ValueError(
                'what is asked for must begin with a slash, as in http+unix:///run/app.sock:/health'
            )
        address = (socket.AF_UNIX, _path(path))
        return Spec(text, kind, (address,), _target('/' + target), 'localhost')
    if separator and kind in PORTS:
        authority, slash, path = rest.partition('/')
        addresses = _addresses(authority, PORTS[kind])
        return Spec(text, kind, addresses, _target(slash + path or '/'), authority)
    raise ValueError('unknown kind')


def _target(target: str) -> str:
    if not TARGET.fullmatch(target) or '#' in target:
        raise ValueError('no fragment, and no characters beyond ASCII in the path')
    return target


def _addresses(authority: str, default_port: int = 0) -> tuple[tuple[int, Any], ...]:
    """Where 'host:port' leads; default_port 0: a port must be given."""
    match = AUTHORITY.fullmatch(authority)
    if not match:
        raise ValueError('host or port is bad')
    port = int(match['port'] or default_port)
    if not 1 <= port <= 65535:
        raise ValueError('a port from 1 to 65535 is needed')
    host = match['v6'] or match['v4']
    hosts = LOCALHOST if host == 'localhost' else (_numeric(host, 6 if match['v6'] else 4),)
    return tuple(
        (socket.AF_INET6 if ':' in host else socket.AF_INET, (host, port)) for host in hosts
    )


def _numeric(host: str, version: int) -> str:
    try:
        address = str(ipaddress.IPv6Address(host) if version == 6 else ipaddress.IPv4Address(host))
    except ValueError:
        allowed = 'localhost or a numeric address, [IPv6] in brackets'
        raise ValueError(f'the host must be {allowed}') from None
    return ANY_ADDRESS.get(address, address)


def _path(path: str) -> str:
    if not path.startswith('/'):
        raise ValueError('the path of a socket must be absolute, as in unix:///run/app.sock')
    try:
        length = len(os.fsencode(path))
    except UnicodeError:
        raise ValueError('the path cannot be written in the encoding of file names') from None
    if length > MOST_PATH_BYTES:
        raise ValueError(f'the path of a socket has at most {MOST_PATH_BYTES} bytes')
    return path
