"""The batches of a plan: which processes go down together, when, and for how long. Pure."""

from __future__ import annotations

import bisect
from typing import NamedTuple

from supervisor_restarter.engine.admission import waves
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.engine.scout import scouting
from supervisor_restarter.engine.survey import Candidate, by_group, policy_of
from supervisor_restarter.options import Options

# Seconds that a start, or dying of a signal, is given where startsecs is 0: 0 would say 'no limit'.
AT_LEAST = 0.2


class Batch(NamedTuple):
    """Processes that are taken down at the same time, not before `after` seconds."""

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
        Batch(wave.after, [c for c in wave.candidates if not policy_of(c, options).rolling])
        for wave in waved
    ]
    series = [[batch for batch in plain if batch.candidates]]
    others = by_group(standing)
    rolling = by_group(c for c in concerned if policy_of(c, options).rolling)
    for group, own in rolling.items():
        series.append(_rolling(own, others.get(group, []), turn_at, options))
    most = max(map(len, series))
    return [[one[number] for one in series if number < len(one)] for number in range(most)]


def action(candidate: Candidate, options: Options) -> str:
    """What is done to the process: 'start', 'restart' or 'signal'."""
    if candidate.seen not in UP:
        return 'start'
    return 'signal' if options.signal else 'restart'


def longest(candidates: list[Candidate], options: Options) -> float:
    """The most seconds from the turn of these processes until each is ready or has failed; 0: no
    limit.
    """
    times = [_longest(candidate, options) for candidate in candidates]
    return 0.0 if None in times else max(filter(None, times), default=0.0)


def _longest(candidate: Candidate, options: Options) -> float | None:
    policy = policy_of(candidate, options)
    if candidate.probed and not policy.ready_timeout:
        return None
    stop = candidate.stopwaitsecs if options.stop_timeout is None else options.stop_timeout
    start = max(AT_LEAST, candidate.startsecs, policy.ready_timeout if candidate.probed else 0.0)
    stops = candidate.seen is Seen.STOPPING or action(candidate, options) == 'restart'
    return (stop if stops else 0.0) + start + policy.min_ready


def _waves(candidates: list[Candidate], options: Options) -> list[Batch]:
    """Those that are down at once, the others in waves."""
    waiting = [c for c in candidates if c.seen in UP]
    found = {0: [c for c in candidates if c.seen not in UP]}
    for candidate, wave in zip(waiting, waves(len(waiting), options.stagger_factor)):
        found.setdefault(wave, []).append(candidate)
    return [Batch(wave * options.delay, found[wave]) for wave in sorted(found)]


def _rolling(
    candidates: list[Candidate],
    others: list[Candidate],
    turn_at: dict[int, float],
    options: Options,
) -> list[Batch]:
    """The batches of one group, for each process of which there is room.

    turn_at: when the wave of each candidate (its id) is due.
    """
    allowed = policy_of(candidates[0], options).allowed(len(candidates) + len(others))
    lost = sum(c.seen not in UP for c in others)
    down = [c for c in candidates if c.seen not in UP]
    up = [c for c in candidates if c.seen in UP]
    found = [Batch(0.0, down)] if down else []
    # What is in hand: when each can be ready again, and its batch; the first is the soonest.
    in_hand = sorted((_back(0.0, c, options), 0) for c in down)
    for candidate in sorted(up, key=lambda c: (turn_at[id(c)], c.seen is Seen.READY)):
        # One that is not ready costs no availability, but never are more in hand than are allowed.
        room = allowed - lost if candidate.seen is Seen.READY else allowed
        after, batch = turn_at[id(candidate)], -1
        if scouting(options) and found:
            after = max(after, _scout_back(found[0], options))
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
