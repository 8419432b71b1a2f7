"""What clients are answered: an operation as structs and arrays of the XML-RPC interface. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from enum import IntEnum
from typing import Any

from supervisor_restarter.engine.beside import STILL_STOPPING
from supervisor_restarter.engine.judging import NOT_REACHED, State, prospect
from supervisor_restarter.engine.member import Goal, Member, Times
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.phases import SETTLED, SHOWN, Phase
from supervisor_restarter.engine.waking import earliest
from supervisor_restarter.faults import Code, text_of
from supervisor_restarter.text import listed


class Status(IntEnum):
    """What Supervisor's own group calls answer (supervisor.xmlrpc.Faults), so that programs which
    read those can read ours.
    """

    SUCCESS = 80
    FAILED = 30
    SPAWN_ERROR = 50
    ALREADY_STARTED = 60
    NOT_RUNNING = 70


def iso(wall: float | None) -> str:
    """A time.time() as ISO 8601 UTC, '' for None."""
    if wall is None:
        return ''
    utc = datetime.fromtimestamp(wall, timezone.utc)
    return utc.isoformat(timespec='milliseconds').replace('+00:00', 'Z')


def between(start: float | None, end: float | None) -> float:
    """Seconds from start to end, 0 where one of them has not happened."""
    return 0.0 if start is None or end is None else round(max(0.0, end - start), 6)


def process_struct(operation: Operation, member: Member) -> dict[str, Any]:
    """A process of an operation as a struct; client/structs.py is what the other side expects."""
    there = member.way_there
    return {
        'group': member.group,
        'name': member.name,
        'action': action_on(operation, member),
        'phase': SHOWN.get(member.phase, member.phase).value,
        'old_pid': member.old_pid,
        'new_pid': member.new_pid,
        **spans(operation, member, member.times),
        'error': member.errors,
        'stop_limit': member.stop_limit,
        'killed': member.killed,
        'note': member.note,
        'way_there': {} if there is None else spans(operation, member, there),
    }


def spans(operation: Operation, member: Member, times: Times) -> dict[str, float]:
    """Where the time of a process has gone, one span after the other from the operation's begin on;
    0 for what has not come, and for what lasts still. failed_seconds is from that begin, too.
    """
    begun, (stop_at, exit_at, start_at, ready_at, failed_at, drain_at, drained_at) = (
        operation.begun_at,
        times,
    )
    ends = (drained_at, stop_at, exit_at)  # the last: it has died of its own
    drain_end = next((at for at in ends if at is not None), None)
    if not member.old_pid and exit_at is None and stop_at is None and drain_at is None:
        exit_at = begun
    elif exit_at is not None:
        exit_at = max(exit_at, begun)  # it has been down for longer, which is not counted
    turn_at = earliest(drain_at, stop_at, exit_at, start_at)
    return {
        'waited_seconds': between(begun, turn_at),
        'drain_seconds': between(drain_at, drain_end),
        'stop_seconds': between(stop_at, exit_at),
        'down_seconds': between(exit_at, start_at),
        'ready_seconds': between(start_at, ready_at),
        'failed_seconds': between(begun, failed_at),
    }


def action_on(operation: Operation, member: Member) -> str:
    """What the operation does to a process when its turn comes: 'restart', 'surge', 'start',
    'signal' or 'remove'.
    """
    if member.leaving and not member.reverted:
        return 'remove'
    # Before it begins, what was seen last.
    if not (member.old_pid if operation.begun_at else member.observed.pid):
        return 'start'
    if operation.options.signal:
        return 'signal'
    return 'surge' if member.surges else 'restart'


def failures(operation: Operation) -> list[dict[str, Any]]:
    """An entry {group, name, code, text} for each process that failed and, after a timeout, for
    each that was pending then.
    """
    pending = {id(member): text for member, text in operation.pending}
    entries = []
    for member in operation.members:
        if id(member) in pending:
            entries.append((member, Code.TIMEOUT, pending[id(member)]))
        else:
            code = member.first_code or member.code
            entries += [(member, code, member.errors)] if code is not None else []
    return [_entry(*entry) for entry in entries]


def outcome(operation: Operation) -> list[dict[str, Any]]:
    """As failures(), for an operation that is over: what became of those that were pending at the
    timeout.
    """
    pending = {id(member): text for member, text in operation.pending}

    def late(member: Member) -> str:
        still_stopping = pending[id(member)] == STILL_STOPPING
        what = 'its old process had exited' if still_stopping else 'it was ready'
        return f'{what} only after the timeout'

    return [
        _entry(
            member, member.first_code or member.code or Code.TIMEOUT, member.errors or late(member)
        )
        for member in operation.members
        if member.failed or id(member) in pending
    ]


def unfinished(operation: Operation) -> list[Member]:
    """What failed or was not reached, of an operation that is over: what there is to retry. What
    another client has decided otherwise about is not.
    """
    return [
        member
        for member in operation.members
        if member.phase is Phase.FAILED
        or (member.phase is Phase.SKIPPED and member.error.startswith(NOT_REACHED))
    ]


def _entry(member: Member, code: Code, why: str) -> dict[str, Any]:
    return {
        'group': member.group,
        'name': member.name,
        'code': int(code),
        'text': text_of(code, why),
    }


def timeout_text(operation: Operation) -> str:
    """Which processes were pending at the timeout, and what becomes of them."""
    return (
        f'{len(operation.pending)} of {len(operation.members)} processes were pending: '
        + listed(f'{member.namespec} ({why})' for member, why in operation.pending)
    )


def statuses(operation: Operation) -> list[dict[str, Any]]:
    """{name, group, status, description} per process, as Supervisor's own group calls return them.

    Those calls pass over processes that are as wanted already; a process named by its own name is
    reported all the same, as startProcess and stopProcess would.
    """
    pending = {id(member): text for member, text in operation.pending}
    rows = []
    for member in operation.members:
        late = pending.get(id(member))
        status = _status_of(operation, member) if late is None else _of_code(Code.TIMEOUT, late)
        if status is not None:
            who = {'name': member.name, 'group': member.group}
            rows.append({**who, 'status': int(status[0]), 'description': status[1]})
    return rows


def _status_of(operation: Operation, member: Member) -> tuple[int, str] | None:
    """The status and description of a process that was not pending; None: it is passed over."""
    if member.code is not None:
        return _of_failure(member.code, member.error)
    coming_back = not operation.finished and member.phase not in SETTLED
    if operation.state is State.CANCELLED and coming_back:
        return _of_code(Code.CANCELLED, prospect(member))
    if member.phase not in (Phase.SKIPPED, Phase.TAKEN) or member.ready_at is not None:
        return Status.SUCCESS, 'OK'
    if member.error:
        return _of_code(Code.CANCELLED, member.error)
    if not member.match.single:
        return None
    started = operation.goal is Goal.START or member.kept
    return _of_status(Status.ALREADY_STARTED if started else Status.NOT_RUNNING, member.namespec)


def _of_failure(code: Code, why: str) -> tuple[int, str]:
    if code is Code.START_FAILED:
        return _of_status(Status.SPAWN_ERROR, why)
    if code in (Code.STOP_FAILED, Code.BAD_STATE):
        return _of_status(Status.FAILED, why)
    return _of_code(code, why)


def _of_code(code: Code, why: str) -> tuple[int, str]:
    return code, text_of(code, why)


def _of_status(status: Status, why: str) -> tuple[int, str]:
    return status, f'{status.name}: {why}'
