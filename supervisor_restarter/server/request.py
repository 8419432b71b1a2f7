"""What a client asks for: which processes, what is to become of them, how long that may take."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Callable, NamedTuple

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.member import Member
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.names import Groups, Match, resolve
from supervisor_restarter.options import CALL_TIMEOUT, Options
from supervisor_restarter.text import listed


class Selection(NamedTuple):
    """Names as a client has given them, and how they become processes.

    Groups come, go and change: a selection is resolved when it is asked for and, if the restart was
    queued, once more when it begins.
    """

    names: Any
    how: Callable[[Groups, Any], list[Match]] = resolve

    def resolved(self, groups: Groups) -> list[Match]:
        """The processes, each once; Refusal BAD_GROUP if there are none."""
        return self.how(groups, self.names)


def still_there(groups: Groups, matches: Sequence[Match]) -> list[Match]:
    """Those of the processes that there are, as if each was named outright; Refusal BAD_GROUP if
    none of them is there any more.
    """
    keys = {(group, name) for group, names in groups.items() for name in names}
    found = [Match(*match.key, True, True) for match in matches if match.key in keys]
    if not found:
        gone = listed(Member(match).namespec for match in matches)
        raise Refusal(Code.BAD_GROUP, f'nothing is there any more of what is to be retried: {gone}')
    return found


class Call(Enum):
    """How the client asks, which decides how long it may take if no timeout is set."""

    GROUP = 'it waits, and for as long as it takes if some processes are to stay ready'
    QUICK = 'it waits'
    DETACHED = 'it does not wait'


class Request(NamedTuple):
    """until_ordered: the client does not wait until processes are ready; see Operation."""

    goal: Goal
    selection: Selection
    options: Options
    call: Call
    until_ordered: bool = False

    def limit(self, rolling: bool = False) -> float | None:
        """Seconds after which nothing further is taken down, None: no limit.

        This is the one place that knows what holds where `timeout` is not set. rolling: whether
        some processes are to stay ready.
        """
        patient = self.call is Call.DETACHED or (self.call is Call.GROUP and rolling)
        return self.options.timeout_or(0.0 if patient else CALL_TIMEOUT)
