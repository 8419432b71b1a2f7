"""What all methods of the interface share: how they are called, refuse, and answer late."""

from __future__ import annotations

import functools
import inspect
import traceback
from typing import Any, Callable, TypeVar

from supervisor.http import NOT_DONE_YET
from supervisor.states import SupervisorStates
from supervisor.xmlrpc import Faults, RPCError, getFaultDescription

from supervisor_restarter.faults import Refusal
from supervisor_restarter.programs.host import ServerOptions, Supervisor
from supervisor_restarter.server.ascii_text import plain
from supervisor_restarter.server.channels import write_large
from supervisor_restarter.text import printable

# The service asks for a look at every deferred answer when something has changed. This is only the
# longest that one could be late if that went wrong.
LONGEST_DELAY = 1.0

Method = TypeVar('Method', bound=Callable[..., Any])


class Fault(RPCError):
    """A Refusal as Supervisor's XML-RPC handler knows it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(int(refusal.code))
        self.text = plain(printable(refusal.text))


class SupervisorsFault(RPCError):
    """A fault of Supervisor's own, with a text of ours."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.text = plain(printable(f'{getFaultDescription(code)}: {text}'))


def is_leaving(options: ServerOptions) -> bool:
    """Whether supervisord is shutting down or restarting."""
    return bool(options.mood < SupervisorStates.RUNNING)


def published(method: Method) -> Method:
    """Make a method fit to be called from outside: refusals become faults, a wrong number of
    arguments is told from a TypeError inside, and during shutdown there is one answer to
    everything. What it answers, now or later, is sent in large pieces.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def call(self: Any, *args: Any) -> Any:
        self._refuse_in_shutdown()
        try:
            signature.bind(self, *args)
        except TypeError:
            raise RPCError(Faults.INCORRECT_PARAMETERS) from None
        write_large(self._supervisord.options)
        # Also what is answered at once may become part of a deferred answer, that of a multicall.
        return plain(self._guarded(functools.partial(method, self, *args)))

    return call  # type: ignore[return-value]


class Interface:
    """A class whose published methods clients may call."""

    def __init__(self, supervisord: Supervisor) -> None:
        self._supervisord = supervisord

    def _refuse_in_shutdown(self) -> None:
        if is_leaving(self._supervisord.options):
            raise RPCError(Faults.SHUTDOWN_STATE)

    def _guarded(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Refusal as refusal:
            raise Fault(refusal) from None
        except SupervisorsFault:
            raise
        except Exception as error:
            # A defect of ours. Supervisor would take a TypeError for wrong parameters and anything
            # else for an HTTP 500; the client shall know what happened, and the log where.
            self._supervisord.options.logger.critical(f'restarter: {traceback.format_exc()}')
            raise RPCError(Faults.FAILED, f'internal error: {error!r}') from error

    def _deferred(self, ask: Callable[[], Any]) -> Any:
        """The function that Supervisor calls until it returns something else than NOT_DONE_YET.
        `ask` returns None for 'not yet', and may raise a Refusal.
        """

        def answer() -> Any:
            self._refuse_in_shutdown()
            value = self._guarded(ask)
            return NOT_DONE_YET if value is None else plain(value)

        answer.delay = LONGEST_DELAY  # type: ignore[attr-defined]
        answer.rpcinterface = self  # type: ignore[attr-defined]
        return answer
