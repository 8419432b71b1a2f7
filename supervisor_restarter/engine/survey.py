"""What is known of processes before a restart: how they are, what their programs say, what
therefore holds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from supervisor_restarter.engine.freshness import Change, kept
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.engine.policy import (
    GroupPolicy,
    Policy,
    of_group,
    refuse_too_many,
    refuse_vain_surge,
)
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.options import Options


class Candidate(NamedTuple):
    """A process that a restart would concern, with what is known of its program.

    obstacle: why it cannot be started, '' if it can. probed: whether RESTARTER_READY says what
    makes it ready; said: the options that its program gives for itself; hooks: for what it gives
    commands, of HOOK_VARIABLES; surge: whether it may be there twice at once; malformed: what is
    wrong with any of these; unheard: what looks like one of these, and is none. restarts: whether
    Supervisor starts it when it dies. started_at: when it was started, in wall time; 0.0: nobody
    wants to know, or it does not run. listener: whether it is an event listener. either_answers:
    whether it is asked by its address, where another process that listens there, too, may answer
    instead.
    """

    member: Member
    state: str = ''
    obstacle: str = ''
    malformed: str = ''
    unheard: str = ''
    probed: bool = False
    restarts: bool = True
    startsecs: float = 1.0
    stopwaitsecs: float = 10.0
    started_at: float = 0.0
    said: Mapping[str, Any] = MappingProxyType({})
    hooks: tuple[str, ...] = ()
    surge: bool = False
    listener: bool = False
    either_answers: bool = False

    @property
    def seen(self) -> Seen:
        return self.member.observed.seen


class Survey(NamedTuple):
    """What is known of the processes that are to be restarted (in the order of their turns) and of
    the others of their groups, before anything is done.

    policies: what holds in each group that can be restarted. refused: why the others cannot.
    change: than which a process must be older to be restarted.
    """

    candidates: list[Candidate]
    neighbours: list[Candidate]
    options: Options
    policies: dict[str, GroupPolicy]
    refused: dict[str, str]
    change: Change | None = None

    @property
    def groups(self) -> list[str]:
        return list(dict.fromkeys(c.member.group for c in self.candidates))

    @property
    def rolling(self) -> bool:
        """Whether some processes are to stay ready while others are restarted, or are not stopped
        before their new ones are ready.
        """
        surging = any(candidate.member.surges for candidate in self.candidates)
        return surging or any(policy.rolling for policy in self.policies.values())

    @property
    def hopeless(self) -> bool:
        """Whether nothing can be restarted."""
        return bool(self.candidates) and all(c.member.refused for c in self.candidates)

    def refuse(self) -> None:
        """Refusal BAD_OPTION if nothing can be restarted."""
        if self.hopeless:
            raise Refusal(Code.BAD_OPTION, next(iter(self.refused.values())))


def survey(
    candidates: list[Candidate],
    neighbours: list[Candidate],
    options: Options,
    change: Change | None = None,
) -> Survey:
    """Look at what the programs say, and tell their processes what holds for them.

    Refusal BAD_OPTION for a max_unavailable that is more than there are processes, and for a
    max_surge where none may be there twice.
    """
    groups = by_group([*candidates, *neighbours])
    if groups:
        refuse_too_many(options, {group: len(own) for group, own in groups.items()})
    policies, refused = {}, {}
    for group, own in groups.items():
        bad = next((c for c in own if c.malformed), None)
        if bad is not None:
            refused[group] = f'{bad.member.namespec}: {bad.malformed}'
        else:
            said = {c.member.name: {**c.said, 'surge': c.surge} for c in own}
            policies[group] = of_group(group, said, options)
    sound = by_group(c for c in candidates if c.member.group in policies)
    refuse_vain_surge(options, {group: [c.surge for c in own] for group, own in sound.items()})
    for candidate in [*candidates, *neighbours]:
        member = candidate.member
        if member.group in refused:
            member.refused = f'left as it is: {refused[member.group]}'
        else:
            member.policy = policies[member.group].processes[member.name]
    for candidate in candidates:
        member = candidate.member
        member.surges = bool(options.max_surge) and candidate.surge and not member.refused
        member.kept = kept(options, change, candidate.seen, candidate.started_at)
    return Survey(candidates, neighbours, options, policies, refused, change)


def by_group(candidates: Iterable[Candidate]) -> dict[str, list[Candidate]]:
    """The candidates of each group, by its name."""
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.member.group, []).append(candidate)
    return groups


def policy_of(candidate: Candidate, options: Options) -> Policy | Options:
    """What holds for the candidate."""
    return candidate.member.policy or options
