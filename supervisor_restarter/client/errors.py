"""What can be wrong between a client and supervisord: one line of text, and its exit status."""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
from enum import IntEnum
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, ProtocolError, ResponseError

from supervisor.xmlrpc import Faults

from supervisor_restarter.faults import Code
from supervisor_restarter.text import NOT_XML, printable


class Exit(IntEnum):
    """Exit statuses of supervisorctl_restart_group; those supervisorctl has too mean the same."""

    OK = 0
    FAILED = 1  # a process failed, or the restart was cancelled, rolled back or timed out
    USAGE = 2  # bad usage, no such group or process, bad option, unreadable configuration files
    NO_INTERFACE = 3  # supervisord runs without the restarter interface
    REFUSED = 4  # authentication refused
    BUSY = 5  # that group is being restarted already
    UNREACHABLE = 7  # supervisord cannot be reached
    DETACHED = 130  # detached by Ctrl-C


STATUS_OF_FAULT = {
    int(Code.BAD_GROUP): Exit.USAGE,
    int(Code.BAD_OPTION): Exit.USAGE,
    int(Code.NO_SUCH_RESTART): Exit.USAGE,
    int(Code.BUSY): Exit.BUSY,
    Faults.UNKNOWN_METHOD: Exit.NO_INTERFACE,
    Faults.INCORRECT_PARAMETERS: Exit.USAGE,
    Faults.BAD_ARGUMENTS: Exit.USAGE,
    Faults.CANT_REREAD: Exit.USAGE,
    Faults.SHUTDOWN_STATE: Exit.UNREACHABLE,
}
TEXT_OF_FAULT = {
    Faults.UNKNOWN_METHOD: 'supervisord runs without the restarter interface: its configuration '
    'file needs a section [rpcinterface:restarter] with supervisor.rpcinterface_factory = '
    'supervisor_restarter:make_rpcinterface, and then a reload (supervisorctl reload, which '
    'restarts all programs) or a restart of supervisord',
    Faults.SHUTDOWN_STATE: 'supervisord is shutting down or being reloaded',
}
TEXT_OF_ERRNO = {errno.ECONNREFUSED: 'refused connection', errno.ENOENT: 'no such file'}

# What a call can raise: the server's faults, the sockets' and http.client's errors, and what
# xmlrpc.client raises when it reads (TypeError to ValueError) something that is not an answer to an
# XML-RPC call.
CALL_ERRORS = (
    Fault,
    ProtocolError,
    OSError,
    http.client.HTTPException,
    ResponseError,
    ExpatError,
    TypeError,
    LookupError,
    ValueError,
)


class ClientError(Exception):
    """Something the user has to be told: one line of text without control characters.

    `status` is the exit status that belongs to it; `code` the fault's code, 0 where there is none.
    """

    def __init__(self, status: Exit, text: str, code: int = 0) -> None:
        self.status = status
        self.code = code
        super().__init__(printable(text))


def without_password(text: str) -> str:
    """`text` without the user part of URLs in it: http://user:secret@host becomes http://host."""
    return re.sub(r'//[^/\s]*@', '//', text)


def sendable(word: str) -> str:
    """A word of the command line, as it can be sent: without bytes undecoded by an ASCII locale.

    Raises ClientError (USAGE) for an empty one, or one that XML cannot carry.
    """
    if not word:
        raise ClientError(Exit.USAGE, 'a name may not be empty')
    try:
        word = os.fsencode(word).decode('utf-8') if NOT_XML.search(word) else word
    except UnicodeError:
        raise ClientError(Exit.USAGE, f'{word!r} is not valid UTF-8') from None
    if NOT_XML.search(word):
        raise ClientError(Exit.USAGE, f'{word!r} contains a control character')
    return word


def explain(exc: Exception, url: str) -> ClientError:
    """The ClientError for an exception of CALL_ERRORS. `url` is named in the text."""
    if isinstance(exc, Fault):
        code = exc.faultCode if isinstance(exc.faultCode, int) else 0
        status = STATUS_OF_FAULT.get(code, Exit.FAILED)
        return ClientError(status, TEXT_OF_FAULT.get(code, str(exc.faultString)), code)
    if isinstance(exc, ProtocolError) and exc.errcode == 401:
        return ClientError(
            Exit.REFUSED, f'{url} requires authentication: user name or password missing or wrong'
        )
    return ClientError(Exit.UNREACHABLE, f'{url} {_complaint(exc)}')


def _complaint(exc: Exception) -> str:
    """What the server, or the way to it, did wrong."""
    if isinstance(exc, ProtocolError):
        return f'answered HTTP {exc.errcode} {exc.errmsg}'
    if isinstance(exc, http.client.RemoteDisconnected):
        return 'closed the connection without an answer'
    if isinstance(exc, socket.gaierror):
        return f'unknown host ({exc.strerror or exc})'
    if isinstance(exc, OSError):
        return TEXT_OF_ERRNO.get(
            exc.errno or 0, (exc.strerror or str(exc) or type(exc).__name__).lower()
        )
    if isinstance(exc, http.client.HTTPException):
        return f'does not speak HTTP as it should ({type(exc).__name__})'
    if isinstance(exc, UnicodeError) and not isinstance(exc, UnicodeDecodeError):
        return f'cannot be called ({type(exc).__name__} in host, user name or password)'
    return f'answered with something that is not XML-RPC ({type(exc).__name__})'


def in_mid_wait(error: ClientError, begun: str) -> ClientError:
    """What `error` means when it comes while `begun` ('restart 7') is waited for."""
    if error.code == Code.NO_SUCH_RESTART:
        return ClientError(
            Exit.FAILED,
            f'{begun} ended unfinished: supervisord does not know it any '
            'more, it was reloaded or restarted meanwhile',
            error.code,
        )
    if error.status == Exit.UNREACHABLE:
        return ClientError(
            error.status, f'supervisord went away during {begun}: {error}', error.code
        )
    return error
