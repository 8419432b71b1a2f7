"""The times that run for one process: until it counts as ready, or as failed, and so when an
operation must be looked at again though nothing has happened. All are monotonic. Pure.
"""

from __future__ import annotations

from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import UNPROVEN, UP, Phase, Seen

# Seconds that a process has to become ready after a timeout or cancel, if nothing else is set: what
# is down has to come back, and that must have an end.
LONGEST_RETURN = 30.0
# Seconds in which a process that was ready and does not answer its probe must be ready again: one
# bad answer of a busy server is no failure, but nothing further is taken down meanwhile.
LONGEST_WAVERING = 3.0
NO_ANSWER = 'its probe has not answered'


def steady_at(member: Member, min_ready: float) -> float | None:
    """When it will have been ready for min_ready seconds; None if its probe has to say so."""
    if member.ready_since is None or member.observed.asked_at is not None:
        return None
    return member.ready_since + min_ready if member.phase in UNPROVEN else None


def ready_by(member: Member, ready_timeout: float) -> float | None:
    """When it has failed, if its probe still does not call it ready then."""
    if member.phase is Phase.KEPT and member.kept_at is not None and ready_timeout:
        # It cannot be proven before kept_until, however soon it is ready.
        at = max(member.kept_at + ready_timeout, member.kept_until)
        return at if _unproven(member) else None
    if member.start_at is None or not member.unready or not ready_timeout:
        return None
    if member.phase not in UNPROVEN or member.observed.seen not in UP:
        return None
    return member.start_at + ready_timeout


def _unproven(member: Member) -> bool:
    """Whether one that is left alone is not ready, or only taken as ready."""
    return bool(member.unready) or not member.observed.confirmed


def back_by(member: Member) -> float | None:
    """When it has failed, if it was ready and is still not so again then."""
    handing_over = member.phase is Phase.HANDING_OVER and member.observed.seen is Seen.RUNNING
    wavers = handing_over or member.phase is Phase.WAVERING
    return member.wavering_since + LONGEST_WAVERING if wavers else None


def hook_by(member: Member, hook_timeout: float) -> float | None:
    """When a command of its own has failed, if it still runs then."""
    return member.hook_at + hook_timeout if member.hook is not None and hook_timeout else None


def overdue(member: Member, ready_timeout: float, now: float) -> str:
    """Why it has failed, if one of its times is over; '' if none is."""
    at, back_at = ready_by(member, ready_timeout), back_by(member)
    if at is not None and now >= at:
        kept = f'{member.kept}, but ' if member.phase is Phase.KEPT else ''
        return f'{kept}not ready within {ready_timeout:g} s: {member.unready or NO_ANSWER}'
    if back_at is not None and now >= back_at:
        return f'no longer ready for {LONGEST_WAVERING:g} s: {member.unready}'
    return ''


def look_at(
    member: Member, looked_at: float, min_ready: float, ready_timeout: float, hook_timeout: float
) -> float | None:
    """When a process that was looked at then must be looked at again, though nothing has happened to
    it; None: at no time.
    """
    if member.phase is Phase.WAITING:
        return member.turn_at if member.turn_at > looked_at else None
    if member.settled:
        return None
    kept = member.phase is Phase.KEPT and member.kept_until > looked_at
    return earliest(
        member.kept_until if kept else None,
        member.observed.due,
        steady_at(member, min_ready),
        ready_by(member, ready_timeout),
        back_by(member),
        hook_by(member, hook_timeout),
    )


def earliest(*times: float | None) -> float | None:
    """The first of these times; None: there is none."""
    return min((at for at in times if at is not None), default=None)
