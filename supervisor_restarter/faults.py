"""The codes with which the restarter refuses a call or reports a failed process, and their texts.

Nothing of Supervisor is imported here, so that the pure parts and the client can use it alike;
rpcinterface.py turns a Refusal into the RPCError that Supervisor's XML-RPC handler understands.
"""

from __future__ import annotations

import errno
from enum import IntEnum


class Code(IntEnum):
    """Fault codes of the `restarter` namespace. The first five are those of the original plugin;
    all lie above every code of Supervisor's own (supervisor.xmlrpc.Faults ends at 92).
    """

    BAD_GROUP = 0x400  # no such group or process, or nothing matched
    BAD_STATE = 0x410  # what is asked does not fit the state the thing is in
    TIMEOUT = 0x420  # not finished within `timeout`; what is down still comes back
    START_FAILED = 0x430  # a process did not come up
    STOP_FAILED = 0x431  # a process could not be signalled
    BUSY = 0x440  # the group is being restarted already
    BAD_OPTION = 0x450  # an unknown option, a wrong type or a bad value
    NO_SUCH_RESTART = 0x460  # no restart with that id, or it is forgotten
    CANCELLED = 0x470  # the restart was cancelled, or another client decided about the process


class Refusal(Exception):
    """A call that cannot be carried out; nothing has been touched.

    `text` begins with the code's name: "BAD_GROUP: no process group named 'web'".
    """

    def __init__(self, code: Code, detail: str) -> None:
        self.code = code
        self.text = text_of(code, detail)
        super().__init__(self.text)


def text_of(code: Code, detail: str) -> str:
    """The text under which `code` is reported, e.g. 'TIMEOUT: still stopping after 1.0 s'."""
    return f'{code.name}: {detail}'


def shortage(error: BaseException | None) -> str:
    """The text for an error that is, or is caused by, a supervisord that can open no more
    descriptors; '' for any other.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return (
                f'supervisord has no descriptors left ({errno.errorcode[error.errno]}): '
                'minfds, or the limit of open files, is too low; nothing was touched'
            )
        error = error.__cause__
    return ''
