"""What follows from the rules that look at processes: --memory, --age and --fatal. Pure.

At each tick the RuleBook gets what supervisord and the machine say of the processes, and answers
with wishes: restarts to ask for. What must not be asked for twice it remembers by the process's
pid. Everything else it sees again at the next tick, so a listener that was killed goes on where it
was.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from supervisor_restarter.faults import Refusal
from supervisor_restarter.listener.rules import SIZE_UNITS, Rule
from supervisor_restarter.names import natural, resolve
from supervisor_restarter.text import listed

JITTER = 0.1  # of the age: a process may become so much older
# Seconds after which --memory and --age may ask for a process again. The pause is doubled each
# time, and so is that between two attempts of --fatal, up to LONGEST_RETRY_PAUSE.
FIRST_RETRY_PAUSE = 60.0
LONGEST_RETRY_PAUSE = 3600.0
# States (Supervisor's names) in which a process is in no condition to let another one go down.
UNSETTLED = frozenset({'STARTING', 'STOPPING', 'BACKOFF', 'FATAL', 'UNKNOWN'})

ProcessKey = tuple[str, str]  # group and name


class ProcessInfo(NamedTuple):
    """A process as getAllProcessInfo tells of it; pid 0: it has none. start: seconds since 1970."""

    group: str
    name: str
    state: str
    pid: int
    start: int
    age: int

    @property
    def key(self) -> ProcessKey:
        return self.group, self.name

    @property
    def spec(self) -> str:
        """The name that startRestart takes."""
        return f'{self.group}:{self.name}'


class Wish(NamedTuple):
    """A restart to ask for: of these processes of one group, and why."""

    kind: str
    names: tuple[str, ...]
    why: str
    keys: tuple[ProcessKey, ...]

    @property
    def group(self) -> str:
        return self.keys[0][0]


def seen(infos: Iterable[Mapping[str, Any]]) -> list[ProcessInfo]:
    """The processes, out of what getAllProcessInfo answers."""
    found = []
    for info in infos:
        what = (info['group'], info['name'], info['statename'], info['pid'], info['start'])
        found.append(ProcessInfo(*what, age=info['now'] - info['start']))
    return found


def selected(everything: Iterable[ProcessInfo], target: str) -> list[ProcessInfo]:
    """The processes that the target names; Refusal if there are none."""
    found = {process.key: process for process in everything}
    groups = defaultdict(list)
    for group, name in found:
        groups[group].append(name)
    return [found[match.key] for match in resolve(groups, target)]


def ripe_age(process: ProcessInfo, limit: float) -> float:
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


class Asked(NamedTuple):
    """What is remembered of the last restart that --memory or --age asked for: of which process,
    and when (monotonic) the next one may be asked for under its name; pause: seconds between the
    two.
    """

    process: ProcessInfo
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

    notes: lines about the last tick that are no decision: why there was none.
    """

    rules: list[Rule]
    notes: list[str] = field(default_factory=list)
    _asked: dict[ProcessKey, Asked] = field(default_factory=dict)
    _trials: dict[ProcessKey, Trial] = field(default_factory=dict)

    def to_measure(self, everything: list[ProcessInfo]) -> set[int]:
        """The pids whose memory the rules need to know."""
        return {
            process.pid
            for rule in self.rules
            if rule.kind == 'memory'
            for process in self._selected(rule, everything)
            if process.pid
        }

    def due(
        self, everything: list[ProcessInfo], sizes: Mapping[int, int], now: float
    ) -> list[Wish]:
        """What to ask for now, at most one wish for each group; what is left comes at a later
        tick.

        sizes: bytes of memory by pid; a pid that is missing could not be measured. now: monotonic.
        """
        self.notes.clear()
        self._asked = {
            key: request for key, request in self._asked.items() if not request.is_over(now)
        }
        wishes: dict[str, Wish] = {}
        found = (
            *self._fatal(everything, now),
            *self._memory(everything, sizes, now),
            *self._age(everything, now),
        )
        for wish in found:
            wishes.setdefault(wish.group, wish)
        return list(wishes.values())

    def granted(self, wish: Wish, everything: list[ProcessInfo], now: float) -> None:
        """The restart was begun."""
        for process in everything:
            if process.key in wish.keys and wish.kind != 'fatal':
                before, pause = self._asked.get(process.key), FIRST_RETRY_PAUSE
                if before is not None:
                    pause = min(2 * before.pause, LONGEST_RETRY_PAUSE)
                self._asked[process.key] = Asked(_identity(process), now + pause, pause)
        for key in wish.keys if wish.kind == 'fatal' else ():
            trial = self._trials[key]
            trial.last, trial.due = trial.pause, None
            trial.pause = max(trial.pause, min(2 * trial.pause, LONGEST_RETRY_PAUSE))

    # -- inside ------------------------------------------------------------------------------

    def _selected(self, rule: Rule, everything: list[ProcessInfo]) -> list[ProcessInfo]:
        try:
            return selected(everything, rule.target)
        except Refusal as refusal:
            self.notes.append(f'--{rule.kind} {rule.text}: {refusal.text}')
            return []

    def _of_kind(
        self, kind: str, everything: list[ProcessInfo]
    ) -> Iterator[tuple[Rule, ProcessInfo]]:
        """Each process that rules of this kind name, with the first rule that does."""
        seen = set()
        for rule in self.rules:
            for process in self._selected(rule, everything) if rule.kind == kind else ():
                if process.key not in seen:
                    seen.add(process.key)
                    yield rule, process

    def _may_ask(self, process: ProcessInfo, now: float) -> bool:
        """Whether it is time: a limit below what a process needs from the start must not restart it
        without end.
        """
        return process.key not in self._asked or now >= self._asked[process.key].due

    def _memory(
        self, everything: list[ProcessInfo], sizes: Mapping[int, int], now: float
    ) -> Iterator[Wish]:
        heavy = defaultdict(list)
        for rule, process in self._of_kind('memory', everything):
            if not process.pid or process.state != 'RUNNING':
                continue
            size = sizes.get(process.pid)
            if size is None:
                self.notes.append(
                    f'--memory {rule.text}: the memory of {process.spec} (pid {process.pid}) '
                    'cannot be measured'
                )
            elif size > rule.limit and self._may_ask(process, now):
                why = f'{process.spec} uses {_size(size)} (more than {_size(rule.limit)})'
                heavy[process.group].append((process, why))
        for found in heavy.values():
            yield _wish('memory', found)

    def _age(self, everything: list[ProcessInfo], now: float) -> Iterator[Wish]:
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
            limit = rule.text.rpartition('=')[2]
            if group in unsettled:
                # It would only add to the trouble, and after a failed start the whole group would
                # go, one by one.
                other = unsettled[group]
                self.notes.append(
                    f'--age {rule.text}: {process.spec} is left alone while '
                    f'{other.spec} is {other.state}'
                )
            elif group not in asked:
                why = f'{process.spec} is {process.age} s old (more than {limit})'
                yield _wish('age', [(process, why)])

    def _fatal(self, everything: list[ProcessInfo], now: float) -> Iterator[Wish]:
        present, down = set(), defaultdict(list)
        for rule, process in self._of_kind('fatal', everything):
            present.add(process.key)
            trial = self._trials.setdefault(process.key, Trial(rule.limit))
            if process.state != 'FATAL':
                trial.due = None
            elif trial.due is None:
                trial.due = now + trial.pause
            elif now >= trial.due:
                why = f'{process.spec} has been FATAL for {trial.pause:g} s'
                down[process.group].append((process, why))
            recovered = process.state == 'RUNNING' and process.age >= trial.last
            if recovered or process.state == 'STOPPED':  # STOPPED: it is taken care of
                trial.pause, trial.last = rule.limit, 0.0
        self._trials = {key: trial for key, trial in self._trials.items() if key in present}
        for found in down.values():
            yield _wish('fatal', found)


def _identity(process: ProcessInfo) -> ProcessInfo:
    """The same for as long as it has the same pid: without what changes meanwhile, also when the
    clock is set.
    """
    return process._replace(state='', start=0, age=0)


def _wish(kind: str, found: list[tuple[ProcessInfo, str]]) -> Wish:
    """A wish for these processes of one group, each with the reason."""
    keys = tuple(process.key for process, _ in found)
    names = tuple(process.spec for process, _ in found)
    return Wish(kind, names, listed(why for _, why in found), keys)


def _size(value: float) -> str:
    fitting = [unit for unit, size in SIZE_UNITS.items() if value >= size]
    unit = fitting[-1] if fitting else 'KB'
    return f'{value / SIZE_UNITS[unit]:.4g}{unit}'
