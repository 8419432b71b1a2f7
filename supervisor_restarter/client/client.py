"""Talks to the `restarter` namespace of a supervisord, and says what came of it.

Nothing is printed here: the command supervisorctl_restart_group and supervisorctl's plugin show the
same answers and errors in their own ways. Whatever goes wrong between this process and supervisord
comes out as one ClientError with one line of text and the exit status that belongs to it.
"""

from __future__ import annotations

import errno
import http.client
import os
import re
import socket
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, Callable, cast
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, ProtocolError, ResponseError

from supervisor.xmlrpc import Faults

from supervisor_restarter.client.structs import (
    INFO_SHAPE,
    LISTED_SHAPE,
    PLAN_SHAPE,
    RESTART_SHAPE,
    Plan,
    Restart,
    conforms,
    ended,
)
from supervisor_restarter.faults import Code
from supervisor_restarter.text import NOT_XML, printable

# Seconds one waitRestart may take: short enough for proxies that drop idle connections.
LONGEST_WAIT = 20.0
# Seconds between two looks at a restart in motion. A look that waits for a change follows only on
# one that saw none, so that there are never more than 2 / LOOK_PAUSE = 10 looks per second, however many
# processes change.
LOOK_PAUSE = 0.2
# A version no restart reaches: waitRestart then returns when the restart has ended, or when its
# seconds are over.
AT_THE_END = 2**31 - 1


class Exit(IntEnum):
    """Exit statuses of supervisorctl_restart_group; those supervisorctl has too mean the same."""

    OK = 0
    FAILED = 1  # a process failed, or the restart was cancelled or timed out
    USAGE = 2  # bad usage, no such group or process, bad option
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


def exit_status(restart: Restart) -> Exit:
    """The exit status for a restart that has ended."""
    return Exit.OK if restart['state'] == 'succeeded' else Exit.FAILED


class Client:
    """The restarter namespace of one supervisord.

    `connect` makes a fresh proxy of the namespace (each with its own connection); `url` names the
    server in error texts. Every method raises ClientError, and nothing else but KeyboardInterrupt.
    """

    def __init__(self, connect: Callable[[], Any], url: str) -> None:
        self._connect = connect
        self._proxy: Any = None
        self._url = without_password(url)

    def call(self, method: str, *args: object) -> Any:
        """The answer of one call, as it came."""
        try:
            proxy = self._connect() if self._proxy is None else self._proxy
            # Kept only after an answer: an interrupted connection is good for nothing more.
            self._proxy = None
            answer = getattr(proxy, method)(*args)
            self._proxy = proxy
        except CALL_ERRORS as exc:
            raise explain(exc, self._url) from exc
        return answer

    def start(self, names: Sequence[str], options: dict[str, Any]) -> str:
        """Starts a restart, which then goes on by itself. Returns its id."""
        return cast(str, self._checked(str, 'startRestart', list(names), options))

    def retry(self, restart_id: str, options: dict[str, Any]) -> str:
        """Starts a restart of what failed or was not reached in another one. Returns its id."""
        given = [options] if options else []
        try:
            return cast(str, self._checked(str, 'retryRestart', restart_id, *given))
        except ClientError as exc:
            if exc.code != Faults.UNKNOWN_METHOD:
                raise
            # Raises the same if there is no interface at all.
            version = self._checked(str, 'getPluginVersion')
            raise ClientError(
                Exit.NO_INTERFACE,
                f'the restarter there ({version}) knows no retryRestart: it is older '
                'than this command; upgrade it, and restart supervisord',
            ) from exc

    def plan(self, names: Sequence[str], options: dict[str, Any]) -> Plan:
        """What `start` with the same arguments would do. Nothing is touched."""
        return cast(Plan, self._checked(PLAN_SHAPE, 'planRestart', list(names), options))

    def get(self, restart_id: str) -> Restart:
        """The restart as it is now."""
        return cast(Restart, self._checked(RESTART_SHAPE, 'getRestart', restart_id))

    def restarts(self) -> list[Restart]:
        """Running and past restarts, newest first, without their processes."""
        return cast('list[Restart]', self._checked([LISTED_SHAPE], 'listRestarts'))

    def cancel(self, restart_id: str) -> None:
        """Takes nothing further down; what is down comes back."""
        self.call('cancelRestart', restart_id)

    def follow(self, restart_id: str) -> Iterator[Restart]:
        """The restart several times a second while it changes, and last when it has ended."""
        version, moving = 0, True
        while True:
            until = (AT_THE_END, LOOK_PAUSE) if moving else (version, LONGEST_WAIT)
            restart = self._look(restart_id, *until)
            yield restart
            if ended(restart):
                return
            version, moving = restart['version'], restart['version'] != version

    def wait(self, restart_id: str) -> Restart:
        """The restart when it has ended, however long that takes."""
        while True:
            restart = self._look(restart_id, AT_THE_END, LONGEST_WAIT)
            if ended(restart):
                return restart

    def _look(self, restart_id: str, version: int, seconds: float) -> Restart:
        """One look at a restart in motion, over a new connection if the old one broke.

        Looking twice does no harm, and a broken connection alone says nothing about the restart:
        after a reload it is the new supervisord that knows whether it still has it.
        """
        try:
            looked = once_more(
                lambda: self._checked(RESTART_SHAPE, 'waitRestart', restart_id, version, seconds)
            )
        except ClientError as exc:
            raise in_mid_wait(exc, restart_id) from exc
        return cast(Restart, looked)

    def _checked(self, shape: Any, method: str, *args: object) -> Any:
        answer = self.call(method, *args)
        if not conforms(answer, shape):
            raise ClientError(
                Exit.NO_INTERFACE,
                f'{self._url} answered {method} with something unexpected: the '
                'restarter there and this command are not of the same version',
            )
        return answer


def process_infos(answer: object) -> list[dict[str, Any]]:
    """The processes that getAllProcessInfo has answered; ClientError if it is anything else."""
    if not conforms(answer, [INFO_SHAPE]):
        raise ClientError(
            Exit.FAILED, 'supervisord answered getAllProcessInfo with something unexpected'
        )
    return cast('list[dict[str, Any]]', answer)


def once_more(ask: Callable[[], Any]) -> Any:
    """What `ask` returns, which may do no harm if done twice: it is called again, over a new
    connection, if the old one broke.
    """
    try:
        return ask()
    except ClientError as exc:
        if not isinstance(exc.__cause__, ConnectionError):
            raise
        return ask()


def in_mid_wait(error: ClientError, restart_id: str) -> ClientError:
    """What `error` means when it comes while a restart, known to have begun, is waited for."""
    if error.code == Code.NO_SUCH_RESTART:
        return ClientError(
            Exit.FAILED,
            f'restart {restart_id} ended unfinished: supervisord does not know it any '
            'more, it was reloaded or restarted meanwhile',
            error.code,
        )
    if error.status == Exit.UNREACHABLE:
        return ClientError(
            error.status, f'supervisord went away during restart {restart_id}: {error}', error.code
        )
    return error


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
