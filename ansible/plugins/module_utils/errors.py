# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""What can go wrong between a module and supervisord. Each error is one line that the user is told."""

from __future__ import annotations

# The faults of the plugin and of Supervisor that are told apart here; docs/xmlrpc.md lists all.
UNKNOWN_METHOD = 1
SHUTDOWN_STATE = 6
CANT_REREAD = 92
BAD_GROUP = 0x400
TIMEOUT = 0x420
BUSY = 0x440
BAD_OPTION = 0x450
NO_SUCH_RESTART = 0x460


class Trouble(Exception):
    """The reason why a module fails: one line, without a password and without control characters."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


class Refused(Trouble):
    """supervisord has answered with a fault. `code` is the fault's."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


class Unreachable(Trouble):
    """No answer has come, or none that makes sense.

    gone: there is no supervisord that listens, so that what it was doing has ended with it.
    sent: the call may have been carried out all the same.
    """

    def __init__(self, text: str, gone: bool = False, sent: bool = True) -> None:
        self.gone = gone
        self.sent = sent
        super().__init__(text)


def one_line(text: str) -> str:
    """`text` with escapes for everything that could begin a new line or change a terminal."""
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode('ascii') for c in text
    )
