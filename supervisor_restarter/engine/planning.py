"""The plan of a restart: which processes it takes down in which batches, and which it leaves. Pure.

A plan looks at states and settings only. Whether a process that runs is ready is asked by the
restart itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from supervisor_restarter.engine import advice
from supervisor_restarter.engine.admission import left_alone
from supervisor_restarter.engine.batches import Batch, action, batches, hooks, longest
from supervisor_restarter.engine.freshness import Change
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.engine.survey import Candidate, Survey, by_group, policy_of, survey
from supervisor_restarter.options import Options
from supervisor_restarter.text import listed, printable


class Choice(NamedTuple):
    """Which candidates get a turn, which of them are restarted then, why (by its id) each other one
    is left alone, and of which groups some are for want of room.
    """

    admitted: list[Candidate]
    concerned: list[Candidate]
    left: dict[int, str]
    full: list[str]


def plan(
    candidates: list[Candidate],
    neighbours: list[Candidate],
    options: Options,
    change: Change | None = None,
) -> dict[str, Any]:
    """The plan of a restart of the candidates (in the order of their turns) as a struct.

    neighbours: the other processes of their groups. change: what options.newer_than amounts to.
    Refusal as for survey().
    """
    known = survey(candidates, neighbours, options, change)
    choice = _choose(known)
    left = [c for c in candidates if id(c) in choice.left]
    standing = [*neighbours, *left]
    in_batches = batches(choice.admitted, choice.concerned, standing, options)
    return {
        'groups': known.groups,
        'options': options.struct(),
        'policies': [policy.struct() for policy in known.policies.values()],
        'total': len(choice.concerned),
        'batches': [_batch(number, parts, options) for number, parts in enumerate(in_batches, 1)],
        'left': [{**_process(c), 'reason': choice.left[id(c)]} for c in left],
        'warnings': [
            *advice.malformed(known),
            *advice.of_freshness(known),
            *choice.full,
            *advice.all_at_once(choice.concerned, standing, options),
            *advice.doubts(choice.concerned),
            *advice.of_surge(choice.concerned, options),
            *advice.in_vain(choice.concerned, options),
        ],
    }


def warnings(known: Survey) -> list[str]:
    """What the user of such a restart should know: the warnings of its plan, without the work for
    the batches.

    That everything may be down at once is what was asked for, and would be said with every plain
    restart.
    """
    choice = _choose(known)
    return [
        *advice.malformed(known),
        *advice.of_freshness(known),
        *choice.full,
        *advice.doubts(choice.concerned),
        *advice.of_surge(choice.concerned, known.options),
    ]


def _choose(known: Survey) -> Choice:
    left, admitted, full = {}, [], []
    hopeless = known.hopeless
    for c in known.candidates:
        reason = left_alone(known.options, c.member)
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
        [c for c in candidates if c.seen is Seen.READY and not c.member.surges],
        f'would be left as it is: not ready are {listed(c.member.namespec for c in lost)}, '
        f'and max_unavailable = {policy.max_unavailable} allows {allowed}',
    )


def _batch(number: int, parts: list[Batch], options: Options) -> dict[str, Any]:
    """The batch of that number of all groups, as a struct."""
    candidates = [candidate for part in parts for candidate in part.candidates]
    return {
        'number': number,
        'after': min(part.after for part in parts),
        'longest': longest(candidates, options),
        'processes': [
            {**_process(c), 'action': action(c, options), 'hooks': hooks(c, options)}
            for c in candidates
        ],
    }


def _process(candidate: Candidate) -> dict[str, Any]:
    member = candidate.member
    return {
        'group': member.group,
        'name': member.name,
        'state': candidate.state,
        'pid': member.observed.pid,
    }
