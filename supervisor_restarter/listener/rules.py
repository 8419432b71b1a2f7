"""The rules of supervisor_restart_listener: how they are written, and what follows from them. Pure.

    web=512MB   web:1?=12h   all=60s        a target, as startRestart takes it, and a limit
    REMOTE_COMMUNICATION=web                an event and a target

RuleBook decides for the rules that look at processes. At each tick it gets what supervisord and the
machine say of them, and answers with wishes: restarts to ask for. What must not be asked for twice
it remembers by the process's pid, everything else it sees again at the next tick: so a listener
that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from supervisor_restarter.faults import Refusal
from supervisor_restarter.names import natural, resolve
from supervisor_restarter.options import MOST_SECONDS
from supervisor_restarter.text import listed, shown

KILOBYTE = 1024
BYTES = {'KB': KILOBYTE, 'MB': KILOBYTE**2, 'GB': KILOBYTE**3}
SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}

JITTER = 0.1  # of the age: so much older, at the most, a process may become
# seconds after which --memory and --age may ask for a process again; doubled each time
AGAIN = 60.0
LONGEST_PAUSE = 3600.0  # seconds; pauses between two attempts with a process double up to this
ANY_EVENT = 'EVENT'  # Supervisor's name for the type of all events

# States (Supervisor's names) in which a process is in no condition to let another one go down.
UNSETTLED = frozenset({'STARTING', 'STOPPING', 'BACKOFF', 'FATAL', 'UNKNOWN'})

Key = tuple[str, str]  # group and name of a process


class Rule(NamedTuple):
    """A rule of --memory (limit in bytes), --age or --fatal (limit in seconds); `text` as the user
    wrote it.
    """

    kind: str
    target: str
    limit: float
    text: str


class When(NamedTuple):
    """A rule of --when."""

    event: str
    target: str

    def matches(self, event: str) -> bool:
        """Whether an event of that name is meant: this one or, as with PROCESS_STATE, one of its
        kind.
        """
        return self.event in (event, ANY_EVENT) or event.startswith(f'{self.event}_')


class Process(NamedTuple):
    """A process as getAllProcessInfo tells of it; pid 0: it has none. start: seconds since 1970."""

    group: str
    name: str
    state: str
    pid: int
    start: int
    age: int

    @property
    def key(self) -> Key:
        return self.group, self.name


class Wish(NamedTuple):
    """A restart to ask for: of these processes of one group, and why."""

    kind: str
    names: tuple[str, ...]
    why: str
    keys: tuple[Key, ...] = ()


# -- how rules are written --------------------------------------------------------------------


def memory_rule(text: str) -> Rule:
    """'web=512MB' as a rule; ValueError with what is allowed."""
    return _rule('memory', text, BYTES, 'a size in KB, MB or GB, such as web=512MB')


def age_rule(text: str) -> Rule:
    """'web=12h' as a rule; ValueError with what is allowed."""
    return _rule('age', text, SECONDS, 'a time in s, m, h or d, such as web=12h')


def fatal_rule(text: str) -> Rule:
    """'web=60s' as a rule; ValueError with what is allowed."""
    return _rule('fatal', text, SECONDS, 'a time in s, m, h or d, such as web=60s')


def when_rule(text: str) -> When:
    """'TICK_3600=web' as a rule; ValueError with what is allowed."""
    event, _, target = text.partition('=')
    if not re.fullmatch('[A-Za-z][A-Za-z0-9_]*', event) or not target:
        raise ValueError(f'{shown(text)} is not EVENT=NAME, such as TICK_3600=web')
    return When(event.upper(), target)


def _rule(kind: str, text: str, units: Mapping[str, int], allowed: str) -> Rule:
    target, _, limit = text.rpartition('=')
    number = re.fullmatch(r'([0-9]{1,12}(?:\.[0-9]{1,6})?)([A-Za-z]+)', limit, re.ASCII)
    unit = (
        {name.lower(): factor for name, factor in units.items()}.get(number[2].lower())
        if number
        else None
    )
    if not target or number is None or unit is None:
        raise ValueError(f'{shown(text)} is not NAME=LIMIT with {allowed}')
    value = float(number[1]) * unit
    if value <= 0:
        raise ValueError(f'{shown(text)}: the limit must be more than 0')
    if units is SECONDS and value > MOST_SECONDS:
        raise ValueError(f'{shown(text)}: the limit must be at most {MOST_SECONDS} seconds')
    return Rule(kind, target, value, text)


# -- what follows from them ------------------------------------------------------------------


def processes(infos: Iterable[Mapping[str, Any]]) -> list[Process]:
    """What getAllProcessInfo answers, as Processes."""
    return [
        Process(
            info['group'],
            info['name'],
            info['statename'],
            info['pid'],
            info['start'],
            info['now'] - info['start'],
        )
        for info in infos
    ]


def selected(everything: Iterable[Process], target: str) -> list[Process]:
    """The processes that the target names; Refusal if there are none."""
    found = {process.key: process for process in everything}
    groups = defaultdict(list)
    for group, name in found:
        groups[group].append(name)
    return [found[match.group, match.name] for match in resolve(groups, target)]


def ripe_age(process: Process, limit: float) -> float:
    """Seconds at which the process is old: the limit and up to JITTER more, always the same for
    this process.
    """
    digest = hashlib.sha256(repr(process[:2] + process[3:5]).encode()).digest()
    return limit * (1 + JITTER * int.from_bytes(digest[:4], 'big') / 2**32)


@dataclass
class Trial:
    """What is remembered of a process that was FATAL: the pause before the next attempt, the pause
    before the last one (0: none yet), and when (monotonic) the next is due (None: it is not FATAL
    now).
    """

    pause: float
    last: float = 0.0
    due: float | None = None


class Request(NamedTuple):
    """What is remembered of the last restart that --memory or --age asked for: of which process,
    and when (monotonic) the next one may be asked for under its name; pause: seconds between the
    two.
    """

    process: Process
    due: float
    pause: float

    def is_over(self, now: float) -> bool:
        """Whether it is forgotten: the name could have been asked for again for as long as it was
        not, and was not.
        """
        return now >= self.due + self.pause


@dataclass
class RuleBook:
    """The rules that look at processes, and what they remember between two ticks.

    notes: lines about the last tick that are no decision, but that someone who waits for one should
    know.
    """

    rules: list[Rule]
    notes: list[str] = field(default_factory=list)
    _asked: dict[Key, Request] = field(default_factory=dict)
    _trials: dict[Key, Trial] = field(default_factory=dict)

    def to_measure(self, everything: list[Process]) -> set[int]:
        """The pids whose memory the rules need to know."""
        return {
            process.pid
            for rule in self.rules
            if rule.kind == 'memory'
            for process in self._selected(rule, everything)
            if process.pid
        }

    def due(self, everything: list[Process], sizes: Mapping[int, int], now: float) -> list[Wish]:
        """What to ask for now, one wish for each group at the most; what is left comes at a later
        tick.

        sizes: bytes of memory by pid; a pid that is missing could not be measured. now: monotonic.
        """
        self.notes.clear()
        self._asked = {
            key: request for key, request in self._asked.items() if not request.is_over(now)
        }
        wishes: dict[str, Wish] = {}
        for group, wish in [
            *self._fatal(everything, now),
            *self._memory(everything, sizes, now),
            *self._age(everything, now),
        ]:
            wishes.setdefault(group, wish)
        return list(wishes.values())

    def granted(self, wish: Wish, everything: list[Process], now: float) -> None:
        """The restart was begun."""
        for process in everything:
            if process.key in wish.keys and wish.kind != 'fatal':
                before = self._asked.get(process.key)
                pause = AGAIN if before is None else min(2 * before.pause, LONGEST_PAUSE)
                self._asked[process.key] = Request(_identity(process), now + pause, pause)
        for key in wish.keys if wish.kind == 'fatal' else ():
            trial = self._trials[key]
            trial.last, trial.due = trial.pause, None
            trial.pause = max(trial.pause, min(2 * trial.pause, LONGEST_PAUSE))

    # -- inside ------------------------------------------------------------------------------

    def _selected(self, rule: Rule, everything: list[Process]) -> list[Process]:
        try:
            return selected(everything, rule.target)
        except Refusal as refusal:
            self.notes.append(f'--{rule.kind} {rule.text}: {refusal.text}')
            return []

    def _of_kind(self, kind: str, everything: list[Process]) -> Iterator[tuple[Rule, Process]]:
        """Each process that rules of this kind name, with the first rule that does."""
        seen = set()
        for rule in self.rules:
            for process in self._selected(rule, everything) if rule.kind == kind else ():
                if process.key not in seen:
                    seen.add(process.key)
                    yield rule, process

    def _may_ask(self, process: Process, now: float) -> bool:
        """Whether it is time: a limit below what a process needs from the start must not restart it
        without end.
        """
        return process.key not in self._asked or now >= self._asked[process.key].due

    def _memory(
        self, everything: list[Process], sizes: Mapping[int, int], now: float
    ) -> Iterator[tuple[str, Wish]]:
        heavy = defaultdict(list)
        for rule, process in self._of_kind('memory', everything):
            if not process.pid or process.state != 'RUNNING':
                continue
            if process.pid not in sizes:
                self.notes.append(
                    f'--memory {rule.text}: the memory of {_shown(process)} (pid {process.pid}) '
                    'cannot be measured'
                )
            elif sizes[process.pid] > rule.limit and self._may_ask(process, now):
                heavy[process.group].append(
                    (
                        process,
                        f'{_shown(process)} uses {_size(sizes[process.pid])} '
                        f'(more than {_size(rule.limit)})',
                    )
                )
        for group, found in heavy.items():
            yield (
                group,
                _wish('memory', [process for process, _ in found], listed(why for _, why in found)),
            )

    def _age(self, everything: list[Process], now: float) -> Iterator[tuple[str, Wish]]:
        unsettled = {process.group: process for process in everything if process.state in UNSETTLED}
        # One at a time: the one before is still there.
        asked = {
            process.group
            for process in everything
            if not self._may_ask(process, now)
            and _identity(process) == self._asked[process.key].process
        }
        old = defaultdict(list)
        for rule, process in self._of_kind('age', everything):
            old_enough = process.state == 'RUNNING' and process.age > ripe_age(process, rule.limit)
            if old_enough and self._may_ask(process, now):
                old[process.group].append((process, rule))
        for group, found in old.items():
            process, rule = min(found, key=lambda one: (one[0].start, natural(one[0].name)))
            if group in unsettled:
                # It would only add to the trouble; and after a start that failed, the whole group
                # would go so.
                self.notes.append(
                    f'--age {rule.text}: {_shown(process)} is left alone while '
                    f'{_shown(unsettled[group])} is {unsettled[group].state}'
                )
            elif group not in asked:
                yield (
                    group,
                    _wish(
                        'age',
                        [process],
                        f'{_shown(process)} is {process.age} s old '
                        f'(more than {rule.text.rpartition("=")[2]})',
                    ),
                )

    def _fatal(self, everything: list[Process], now: float) -> Iterator[tuple[str, Wish]]:
        present, down = set(), defaultdict(list)
        for rule, process in self._of_kind('fatal', everything):
            present.add(process.key)
            trial = self._trials.setdefault(process.key, Trial(rule.limit))
            if process.state != 'FATAL':
                trial.due = None
            elif trial.due is None:
                trial.due = now + trial.pause
            elif now >= trial.due:
                down[process.group].append((process, trial))
            recovered = process.state == 'RUNNING' and process.age >= trial.last
            if (
                recovered or process.state == 'STOPPED'
            ):  # it has lived, or somebody takes care of it
                trial.pause, trial.last = rule.limit, 0.0
        self._trials = {key: trial for key, trial in self._trials.items() if key in present}
        for group, found in down.items():
            yield (
                group,
                _wish(
                    'fatal',
                    [process for process, _ in found],
                    listed(
                        f'{_shown(process)} has been FATAL for {trial.pause:g} s'
                        for process, trial in found
                    ),
                ),
            )


def _identity(process: Process) -> Process:
    """The same for as long as it has the same pid: without what changes meanwhile, also when the
    clock is set.
    """
    return process._replace(state='', start=0, age=0)


def _wish(kind: str, found: list[Process], why: str) -> Wish:
    keys = tuple(process.key for process in found)
    return Wish(kind, tuple(f'{group}:{name}' for group, name in keys), why, keys)


def _shown(process: Process) -> str:
    return f'{process.group}:{process.name}'


def _size(value: float) -> str:
    unit = max(
        (name for name in BYTES if value >= BYTES[name]), key=BYTES.__getitem__, default='KB'
    )
    return f'{value / BYTES[unit]:.4g}{unit}'
