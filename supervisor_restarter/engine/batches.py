"""The batches of a plan: which processes have their turn together, when, and for how long. Pure."""

from __future__ import annotations

import bisect
import itertools
from typing import NamedTuple

from supervisor_restarter.engine.admission import waves
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.engine.scout import scouting
from supervisor_restarter.engine.survey import Candidate, by_group, policy_of
from supervisor_restarter.options import Options

# Seconds that a start, or dying of a signal, is given where startsecs is 0: 0 would say 'no limit'.
AT_LEAST = 0.2


class Batch(NamedTuple):
    """Processes that have their turn at the same time, not before `after` seconds."""

    after: float
    candidates: list[Candidate]


def batches(
    admitted: list[Candidate],
    concerned: list[Candidate],
    standing: list[Candidate],
    options: Options,
) -> list[list[Batch]]:
    """The n-th batches of all groups together, for each n.

    admitted: which get a turn (in this order), and so a place in a wave; concerned: which of them
    are restarted then. standing: the other processes of their groups, which count for
    max_unavailable.
    """
    waved = _waves(admitted, options)
    turn_at = {id(c): wave.after for wave in waved for c in wave.candidates}
    plain = [
        Batch(wave.after, [c for c in wave.candidates if not _counted(c, options)])
        for wave in waved
    ]
    series = [[batch for batch in plain if batch.candidates]]
    others = by_group([*standing, *(c for c in concerned if not _counted(c, options))])
    counted = by_group(c for c in concerned if _counted(c, options))
    for group, own in counted.items():
        series.append(_of_group(own, others.get(group, []), turn_at, options))
    most = max(map(len, series))
    return [[one[number] for one in series if number < len(one)] for number in range(most)]


def action(candidate: Candidate, options: Options) -> str:
    """What is done to the process: 'start', 'restart', 'surge' or 'signal'."""
    if candidate.seen not in UP:
        return 'start'
    if options.signal:
        return 'signal'
    return 'surge' if candidate.member.surges else 'restart'


def hooks(candidate: Candidate, options: Options) -> list[str]:
    """For what commands of the program are run when its turn comes, of HOOK_VARIABLES."""
    if options.signal:
        return []
    stops = candidate.seen in UP
    return [purpose for purpose in candidate.hooks if stops or purpose != 'before_stop']


def longest(candidates: list[Candidate], options: Options) -> float:
    """The most seconds from the turn of these processes until each is ready or has failed, and the
    old ones of those that are there twice have exited; 0: no limit.
    """
    times = [_longest(candidate, options) for candidate in candidates]
    return 0.0 if None in times else max(filter(None, times), default=0.0)


def _longest(candidate: Candidate, options: Options) -> float | None:
    policy = policy_of(candidate, options)
    commands = len(hooks(candidate, options))
    if (candidate.probed and not policy.ready_timeout) or (commands and not options.hook_timeout):
        return None
    stop = candidate.stopwaitsecs if options.stop_timeout is None else options.stop_timeout
    start = max(AT_LEAST, candidate.startsecs, policy.ready_timeout if candidate.probed else 0.0)
    stops = candidate.seen is Seen.STOPPING or action(candidate, options) in ('restart', 'surge')
    return (stop if stops else 0.0) + start + policy.min_ready + commands * options.hook_timeout


def _counted(candidate: Candidate, options: Options) -> bool:
    """Whether there is a limit to how many of its kind have their turn at once."""
    return policy_of(candidate, options).rolling or candidate.member.surges


def _waves(candidates: list[Candidate], options: Options) -> list[Batch]:
    """Those that are down at once, the others in waves."""
    waiting = [c for c in candidates if c.seen in UP]
    found = {0: [c for c in candidates if c.seen not in UP]}
    for candidate, wave in zip(waiting, waves(len(waiting), options.stagger_factor)):
        found.setdefault(wave, []).append(candidate)
    return [Batch(wave * options.delay, found[wave]) for wave in sorted(found)]


def _of_group(
    candidates: list[Candidate],
    others: list[Candidate],
    turn_at: dict[int, float],
    options: Options,
) -> list[Batch]:
    """The batches of one group, of what is there twice meanwhile and of all else.

    turn_at: when the wave of each candidate (its id) is due.
    """
    down = [c for c in candidates if c.seen not in UP]
    up = [c for c in candidates if c.seen in UP]
    up.sort(key=lambda c: (turn_at[id(c)], c.seen is Seen.READY))
    due = {id(c): turn_at[id(c)] for c in up}
    if scouting(options):
        first = Batch(0.0, down) if down else Batch(due[id(up[0])], [up[0]])
        for candidate in up if down else up[1:]:
            due[id(candidate)] = max(due[id(candidate)], _scout_back(first, options))
    twice = [c for c in up if action(c, options) == 'surge']
    once = [c for c in up if action(c, options) != 'surge']
    size = len(candidates) + len(others)
    policy = policy_of(candidates[0], options)
    return _side_by_side(
        _rolling(once, down, others, due, policy.allowed(size), options),
        _rolling(twice, [], [], due, policy.surging(size), options),
    )


def _side_by_side(*series: list[Batch]) -> list[Batch]:
    """One series of all batches in their order, those of the same moment together."""
    found = []
    for after in sorted({batch.after for one in series for batch in one}):
        then = ([batch.candidates for batch in one if batch.after == after] for one in series)
        for parts in itertools.zip_longest(*then, fillvalue=[]):
            found.append(Batch(after, [candidate for part in parts for candidate in part]))
    return found


def _rolling(
    up: list[Candidate],
    down: list[Candidate],
    others: list[Candidate],
    due: dict[int, float],
    allowed: int,
    options: Options,
) -> list[Batch]:
    """The batches of processes of one group, of which so many are allowed at once.

    due: when each of those that are up (its id) may have its turn, but for that.
    """
    lost = sum(c.seen not in UP for c in others)
    found = [Batch(0.0, down)] if down else []
    # What is in hand: when each can be ready again, and its batch; the first is the soonest.
    in_hand = sorted((_back(0.0, c, options), 0) for c in down)
    for candidate in up:
        # One that is not ready costs no availability, but never are more in hand than are allowed.
        room = allowed - lost if candidate.seen is Seen.READY else allowed
        after, batch = due[id(candidate)], -1
        while len(in_hand) >= room:
            back, batch = in_hand.pop(0)
            after = max(after, back)
        if not found or after > found[-1].after or batch == len(found) - 1:
            found.append(Batch(after, []))
        found[-1].candidates.append(candidate)
        bisect.insort(in_hand, (_back(after, candidate, options), len(found) - 1))
    return found


def _scout_back(first: Batch, options: Options) -> float:
    """When the first process of a group has been up for long enough, at the soonest."""
    return min(
        max(first.after + options.scout, _back(first.after, c, options)) for c in first.candidates
    )


def _back(after: float, candidate: Candidate, options: Options) -> float:
    """When a process whose turn comes then is ready again, at the soonest."""
    return after + candidate.startsecs + policy_of(candidate, options).min_ready
