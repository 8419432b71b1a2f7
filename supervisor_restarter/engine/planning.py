"""What a restart would do: in which batches, how long each can take, and what its user should know.
Pure.

A plan looks at states and settings only. Whether a process that runs is ready is asked by the
restart itself.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from supervisor_restarter.engine.admission import Goal, left_alone, waves
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.engine.scout import scouting
from supervisor_restarter.engine.survey import Candidate, Survey, by_group, policy_of, survey
from supervisor_restarter.options import Options
from supervisor_restarter.text import listed, printable

# Workers that finish their task after SIGTERM while their children carry it out.
WARM_STOP = re.compile(r'\b(celery|rq|rqworker)\b')

# Seconds that a start, or dying of a signal, is given where startsecs is 0; also, 0 stands for 'no
# limit'.
AT_LEAST = 0.2


class Batch(NamedTuple):
    """Processes that are taken down at the same time, not before `after` seconds."""

    after: float
    candidates: list[Candidate]


class Choice(NamedTuple):
    """Which candidates get a turn, which of them are restarted then, why (by its id) each other one
    is left alone, and of which groups some are for want of room.
    """

    admitted: list[Candidate]
    concerned: list[Candidate]
    left: dict[int, str]
    full: list[str]


def plan(
    candidates: list[Candidate], neighbours: list[Candidate], options: Options
) -> dict[str, Any]:
    """The plan of a restart of the candidates (in the order of their turns) as a struct.

    neighbours: the other processes of their groups. Refusal as for survey().
    """
    known = survey(candidates, neighbours, options)
    choice = _choose(known)
    in_waves = _waves(choice.admitted, options)
    turn_at = {id(c): batch.after for batch in in_waves for c in batch.candidates}
    at_once = [
        Batch(batch.after, [c for c in batch.candidates if not policy_of(c, options).rolling])
        for batch in in_waves
    ]
    series = [[batch for batch in at_once if batch.candidates]]
    others = by_group([*neighbours, *(c for c in candidates if id(c) in choice.left)])
    for group, own in by_group(
        c for c in choice.concerned if policy_of(c, options).rolling
    ).items():
        series.append(_rolling(own, others.get(group, []), turn_at, options))
    return {
        'groups': known.groups,
        'options': options.struct(),
        'policies': [policy.struct() for policy in known.policies.values()],
        'total': len(choice.concerned),
        'batches': [
            _batch(
                number, [batches[number] for batches in series if number < len(batches)], options
            )
            for number in range(max(map(len, series), default=0))
        ],
        'left': [
            {**_process(c), 'reason': choice.left[id(c)]}
            for c in candidates
            if id(c) in choice.left
        ],
        'warnings': _warnings(known, choice),
    }


def warnings(known: Survey) -> list[str]:
    """What the user of such a restart should know: the warnings of its plan, without the work for
    the batches.

    That everything may be down at once is what was asked for, and would be said with every plain
    restart.
    """
    choice = _choose(known)
    return [*_malformed(known), *choice.full, *_doubts(choice.concerned, known.options)]


def _choose(known: Survey) -> Choice:
    left, admitted, full = {}, [], []
    hopeless = known.hopeless
    for c in known.candidates:
        reason = left_alone(Goal.RESTART, known.options, c.member.match, c.member.observed)
        if reason or (c.member.refused and not hopeless):
            left[id(c)] = reason or c.member.refused
        else:
            admitted.append(c)
    others = by_group([*known.neighbours, *(c for c in known.candidates if id(c) in left)])
    for group, own in by_group(admitted).items():
        blocked, text = _without_room(own, others.get(group, []), known.options)
        left.update((id(c), text) for c in blocked)
        full += [f'{printable(group)}: {text}'] if blocked else []
    return Choice(admitted, [c for c in admitted if id(c) not in left], left, full)


def _without_room(
    candidates: list[Candidate], others: list[Candidate], options: Options
) -> tuple[list[Candidate], str]:
    """Those of a group's candidates for which there is no room, and why there is none. Those of
    `others` that are starting are taken as ready, for they will be.
    """
    policy = policy_of(candidates[0], options)
    lost = [c for c in others if c.seen not in UP]
    allowed = policy.allowed(len(candidates) + len(others))
    if not policy.rolling or len(lost) < allowed:
        return [], ''
    return (
        [c for c in candidates if c.seen is Seen.READY],
        f'would be left as it is: not ready are {listed(c.member.namespec for c in lost)}, '
        f'and max_unavailable = {policy.max_unavailable} allows {allowed}',
    )


# -- batches ------------------------------------------------------------------------------------


def _waves(candidates: list[Candidate], options: Options) -> list[Batch]:
    """Those that are down at once, the others in waves."""
    waiting = [c for c in candidates if c.seen in UP]
    found = {0: [c for c in candidates if c.seen not in UP]}
    for candidate, wave in zip(waiting, waves(len(waiting), options.stagger_factor)):
        found.setdefault(wave, []).append(candidate)
    return [Batch(wave * options.delay, found[wave]) for wave in sorted(found) if found[wave]]


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
    up = sorted(
        (c for c in candidates if c.seen in UP),
        key=lambda c: (turn_at[id(c)], c.seen is Seen.READY),
    )
    batches = [Batch(0.0, down)] if down else []
    busy = sorted(
        (_back(0.0, c, options), 0) for c in down
    )  # when each can be ready again, and its batch
    for candidate in up:
        # One that is not ready costs no availability, but no more than are allowed are in hand at
        # once.
        room = allowed - lost if candidate.seen is Seen.READY else allowed
        after, batch = turn_at[id(candidate)], -1
        if scouting(options) and batches:
            after = max(after, _scout_back(batches[0], options))
        while len(busy) >= room:
            back, batch = busy.pop(0)
            after = max(after, back)
        if not batches or after > batches[-1].after or batch == len(batches) - 1:
            batches.append(Batch(after, []))
        batches[-1].candidates.append(candidate)
        bisect.insort(busy, (_back(after, candidate, options), len(batches) - 1))
    return batches


def _scout_back(first: Batch, options: Options) -> float:
    """When the first process of a group has been up for long enough, at the soonest."""
    return min(
        max(first.after + options.scout, _back(first.after, c, options)) for c in first.candidates
    )


def _back(after: float, candidate: Candidate, options: Options) -> float:
    """When a process whose turn comes then is ready again, at the soonest."""
    return after + candidate.startsecs + policy_of(candidate, options).min_ready


def _batch(number: int, parts: list[Batch], options: Options) -> dict[str, Any]:
    """The batch of that number of all groups, as a struct."""
    candidates = [candidate for part in parts for candidate in part.candidates]
    times = [_longest(candidate, options) for candidate in candidates]
    return {
        'number': number + 1,
        'after': min(part.after for part in parts),
        'longest': 0.0 if None in times else max(filter(None, times), default=0.0),
        'processes': [{**_process(c), 'action': _action(c, options)} for c in candidates],
    }


def _longest(candidate: Candidate, options: Options) -> float | None:
    """Seconds from its turn until the process is ready or has failed, at the most; None: no limit."""
    policy = policy_of(candidate, options)
    if candidate.probed and not policy.ready_timeout:
        return None
    stop = candidate.stopwaitsecs if options.stop_timeout is None else options.stop_timeout
    start = max(AT_LEAST, candidate.startsecs, policy.ready_timeout if candidate.probed else 0.0)
    stops = candidate.seen is Seen.STOPPING or _action(candidate, options) == 'restart'
    return (stop if stops else 0.0) + start + policy.min_ready


def _action(candidate: Candidate, options: Options) -> str:
    if candidate.seen not in UP:
        return 'start'
    return 'signal' if options.signal else 'restart'


def _process(candidate: Candidate) -> dict[str, Any]:
    member = candidate.member
    return {
        'group': member.group,
        'name': member.name,
        'state': candidate.state,
        'pid': member.observed.pid,
    }


# -- warnings -----------------------------------------------------------------------------------


def _warnings(known: Survey, choice: Choice) -> list[str]:
    standing = [*known.neighbours, *(c for c in known.candidates if id(c) in choice.left)]
    return [
        *_malformed(known),
        *choice.full,
        *_all_at_once(choice.concerned, standing, known.options),
        *_doubts(choice.concerned, known.options),
        *_in_vain(choice.concerned, known.options),
    ]


def _malformed(known: Survey) -> Iterator[str]:
    everyone = [*known.candidates, *known.neighbours]
    for text, names in _same((c.malformed, c) for c in everyone if c.malformed):
        if known.hopeless:
            yield f'this restart would be refused: {names}: {text}'
        else:
            groups = listed(
                printable(group) for group in by_group(c for c in everyone if c.malformed == text)
            )
            yield f'{groups}: would be left as it is: {names}: {text}'


def _all_at_once(
    candidates: list[Candidate], standing: list[Candidate], options: Options
) -> Iterator[str]:
    """Groups of which nothing is sure to keep running."""
    standing_in = by_group(standing)
    for group, own in by_group(candidates).items():
        name, others = printable(group), standing_in.get(group, [])
        size = len(own) + len(others)
        if (
            options.signal
            or policy_of(own[0], options).allowed(size) < size
            or any(c.seen is Seen.READY for c in others)
            or not any(c.seen is Seen.READY for c in own)
        ):
            continue
        yield (
            f'{name}: no process would keep running: its only one is restarted'
            if len(own) == 1
            else f'{name}: all {len(own)} processes may be down at once; a smaller max_unavailable keeps some ready'
        )


def _in_vain(candidates: Iterable[Candidate], options: Options) -> Iterator[str]:
    """Whether the restart would end before it has stopped anything."""
    names = [
        c.member.namespec
        for c in candidates
        if c.obstacle and (c.seen in UP or c.seen is Seen.BACKOFF)
    ]
    if names and options.on_failure == 'abort' and not options.signal:
        yield f'nothing would be stopped (on_failure = abort), for these could not be started again: {listed(names)}'


def _doubts(candidates: Iterable[Candidate], options: Options) -> Iterator[str]:
    """What may go wrong with single processes, those of the same trouble in one line."""
    for text, names in _same((text, c) for c in candidates for text in _doubts_of(c, options)):
        yield f'{names}: {text}'


def _same(troubles: Iterable[tuple[str, Candidate]]) -> Iterator[tuple[str, str]]:
    """Each trouble once, with the names of the processes that have it."""
    names: dict[str, list[str]] = {}
    for text, candidate in troubles:
        names.setdefault(text, []).append(candidate.member.namespec)
    return ((text, listed(concerned)) for text, concerned in names.items())


def _doubts_of(candidate: Candidate, options: Options) -> Iterator[str]:
    if candidate.obstacle:
        yield f'cannot be started: {candidate.obstacle}'
    if (
        candidate.stopasgroup
        and WARM_STOP.search(candidate.command)
        and _action(candidate, options) == 'restart'
    ):
        yield (
            'stopasgroup=true sends the stop signal to the children of this worker too, and their tasks are lost; '
            'its warm stop needs stopasgroup=false'
        )
    if not candidate.startsecs and not candidate.probed:
        yield 'with startsecs=0 and no RESTARTER_READY it counts as ready as soon as it is spawned'
    if not candidate.restarts:
        yield 'with autorestart=false nobody starts it if it dies later'
