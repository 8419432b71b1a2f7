"""The last lines that a process has written, as supervisord has kept them: why it failed is often
said there.
"""

from __future__ import annotations

import base64
import re
import socket
from typing import Any, Callable
from urllib.parse import quote

from supervisor_restarter.client.errors import CALL_ERRORS
from supervisor_restarter.text import printable

LAST_LINES = 8
WIDEST = 200  # characters of a line
LENGTH = 1024  # bytes that supervisord sends at once
# Seconds to wait for an answer, and then for what is in the log. Nothing comes of an empty one:
# supervisord waits for it to grow.
ANSWER_TIMEOUT = 2.0
EMPTY_AFTER = 0.3
# Colours and the like; what else could do things to a terminal is escaped.
SEQUENCES = re.compile('\x1b\\[[0-?]*[ -/]*[@-~]|\r')


class Logs:
    """The logs of processes, at the server to which `proxy` (Supervisor's own ServerProxy) leads.

    They are asked for as by `supervisorctl tail -f`: supervisord's XML-RPC calls meet a log with
    colours in it with an answer that is no XML, and one that begins in the middle of a letter with
    a traceback in its own log.
    """

    def __init__(self, proxy: Callable[[], Any]) -> None:
        self._proxy = proxy

    def tail(self, name: str) -> tuple[str, list[str]] | None:
        """Which log of the process group:name has something to say (stderr or stdout), and its last
        lines.

        No lines where there are no logs or they are empty; None if that cannot be found out.
        """
        try:
            for channel in ('stderr', 'stdout'):
                text = self._read(name, channel)
                if text.strip():
                    return channel, last_lines(text)
            return 'stderr', []
        except CALL_ERRORS:
            return None

    def _read(self, name: str, channel: str) -> bytes:
        """The end of the log; b'' if it is empty, or there is none. Raises one of CALL_ERRORS."""
        transport = self._proxy()('transport')
        connection = transport._get_connection()
        try:
            connection.connect()
            connection.sock.settimeout(ANSWER_TIMEOUT)
            connection.request(
                'GET', f'/logtail/{quote(name, safe="")}/{channel}', headers=_credentials(transport)
            )
            response = connection.getresponse()
            if response.status == 404:
                return b''
            if response.status != 200:
                raise OSError(f'HTTP {response.status}')
            connection.sock.settimeout(EMPTY_AFTER)
            return bytes(response.read1(LENGTH))
        except socket.timeout:
            return b''
        finally:
            connection.close()


def _credentials(transport: Any) -> dict[str, str]:
    if transport.username is None or transport.password is None:
        return {}
    pair = f'{transport.username}:{transport.password}'.encode()
    return {'Authorization': 'Basic ' + base64.b64encode(pair).decode('ascii')}


def last_lines(text: bytes) -> list[str]:
    """The last of the whole lines, safe to print. text: the end of a log, of LENGTH bytes if it is
    longer.
    """
    lines = text.decode('utf-8', 'replace').split('\n')
    if len(text) >= LENGTH and len(lines) > 1:
        lines = lines[1:]  # it may have begun before
    clean = [printable(SEQUENCES.sub('', line).expandtabs()).rstrip() for line in lines]
    while clean and not clean[-1]:
        clean.pop()
    return [line if len(line) <= WIDEST else line[:WIDEST] + '...' for line in clean[-LAST_LINES:]]
