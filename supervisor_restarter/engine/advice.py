"""What the user of a restart should know before it begins: the warnings of a plan. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.engine.survey import Candidate, Survey, by_group, policy_of
from supervisor_restarter.options import Options
from supervisor_restarter.text import brief, listed, printable


def malformed(known: Survey) -> Iterator[str]:
    """What is wrong with what the programs say of their restarts, and what follows from it."""
    everyone = [*known.candidates, *known.neighbours]
    for text, names in gathered((c.malformed, c.member) for c in everyone if c.malformed):
        if known.hopeless:
            yield f'this restart would be refused: {names}: {text}'
        else:
            groups = by_group(c for c in everyone if c.malformed == text)
            yield f'{listed(map(printable, groups))}: would be left as it is: {names}: {text}'


def of_freshness(known: Survey) -> Iterator[str]:
    """What makes every run of such a restart do its work again, although nothing has changed."""
    change, signal = known.change, known.options.signal
    if change is None:
        return
    if change.at > change.seen_at:
        ahead = math.ceil(change.at - change.seen_at)
        yield (
            f'newer_than: {brief(change.path)} says that it changed {ahead} s from now: '
            'until then every process counts as older'
        )
    if signal:
        yield (
            f'newer_than: a signal starts no process, so every run sends {signal} again to those '
            'that are older'
        )


def all_at_once(
    candidates: list[Candidate], standing: list[Candidate], options: Options
) -> Iterator[str]:
    """Groups of which nothing is sure to keep running. standing: what is not restarted of them."""
    others = by_group(standing)
    for group, own in by_group(candidates).items():
        size = len(own) + len(others.get(group, []))
        kept = any(c.seen is Seen.READY for c in others.get(group, []))
        missed = any(c.seen is Seen.READY for c in own)
        kept = kept or any(c.member.surges and c.seen is Seen.READY for c in own)
        if options.signal or kept or not missed or policy_of(own[0], options).allowed(size) < size:
            continue
        if len(own) == 1:
            text = 'no process would keep running: its only one is restarted'
        else:
            text = (
                f'all {len(own)} processes may be down at once; '
                'a smaller max_unavailable keeps some ready'
            )
        yield f'{printable(group)}: {text}'


def doubts(candidates: Iterable[Candidate]) -> Iterator[str]:
    """What may go wrong with single processes, those of the same trouble in one line."""
    for text, names in gathered((text, c.member) for c in candidates for text in _doubts_of(c)):
        yield f'{names}: {text}'


def of_surge(candidates: Iterable[Candidate], options: Options) -> Iterator[str]:
    """What max_surge means for processes that one might have thought of otherwise."""
    troubles = ((text, c.member) for c in candidates for text in _surge_of(c) if options.max_surge)
    for text, names in gathered(troubles):
        yield f'{names}: {text}'


def _surge_of(candidate: Candidate) -> Iterator[str]:
    if candidate.listener and candidate.said.get('surge'):
        yield 'an event listener is never there twice, whatever its RESTARTER_SURGE says'
    if candidate.member.surges and candidate.seen in UP and candidate.either_answers:
        yield (
            'max_surge: the old process may answer the RESTARTER_READY of the new one; '
            'exec: and notify know which of them it is'
        )


def in_vain(candidates: Iterable[Candidate], options: Options) -> Iterator[str]:
    """Whether the restart would end before it has stopped anything."""
    running = UP | {Seen.BACKOFF}
    names = [c.member.namespec for c in candidates if c.obstacle and c.seen in running]
    if names and options.on_failure == 'abort' and not options.signal:
        yield (
            'nothing would be stopped (on_failure = abort), for these could not be started again: '
            f'{listed(names)}'
        )


def _doubts_of(candidate: Candidate) -> Iterator[str]:
    if candidate.obstacle:
        yield f'cannot be started: {candidate.obstacle}'
    if not candidate.startsecs and not candidate.probed:
        yield 'with startsecs=0 and no RESTARTER_READY it counts as ready as soon as it is spawned'
    if not candidate.restarts:
        yield 'with autorestart=false nobody starts it if it dies later'
    if candidate.unheard:
        yield candidate.unheard


def gathered(troubles: Iterable[tuple[str, Member]]) -> Iterator[tuple[str, str]]:
    """Each trouble once, with the names of the processes that have it."""
    names: dict[str, list[str]] = {}
    for text, member in troubles:
        names.setdefault(text, []).append(member.namespec)
    return ((text, listed(concerned)) for text, concerned in names.items())
