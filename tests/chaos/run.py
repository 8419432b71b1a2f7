"""The whole of it: phases of storm and quiet moments, until the time is over or something is wrong."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from typing import Any, Callable

from tests.chaos.arena import Arena
from tests.chaos.calls import LATEST, Request, Rules, every
from tests.chaos.checks import Checks
from tests.chaos.clients import crowd
from tests.chaos.edits import Edit
from tests.chaos.programs import BY_NAME, GROUPS
from tests.chaos.wills import DOWN, GONE, NEVER, UP, Will
from tests.chaos.worker import records

LAST_WORDS = [
    ('restarter.quickStop', DOWN),
    ('supervisor.stopProcessGroup', DOWN),
    ('restarter.quickStart', UP),
    ('supervisor.startProcessGroup', UP),
]
PAUSE_SECONDS = (0.0, 0.6)  # between the beginning of a restart and the last word about its group
SANE = {'max_unavailable': '100%', 'scout': 0, 'timeout': 40}
STORM_SECONDS = (4.0, 9.0)  # how long one phase's storm lasts


@dataclass
class Summary:
    """What a run has come to."""

    seed: int
    seconds: float = 0.0
    phases: int = 0
    lost: int = 0
    taken_down_in_turn: int = 0
    longest_answer: float = 0.0
    lowest_ready: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    story: str = ''

    def struct(self) -> dict[str, Any]:
        """For JSON."""
        return {name: value for name, value in vars(self).items() if name != 'story'}

    def __str__(self) -> str:
        rows = {
            'seconds': f'{self.seconds:.0f}',
            'phases': self.phases,
            **dict(sorted(self.counts.items())),
            'taken down in turn': self.taken_down_in_turn,
            **{f'lowest ready of {group}': text for group, text in self.lowest_ready.items()},
            'longest answer': f'{self.longest_answer:.2f} s',
            'processes lost': self.lost,
            'violations': len(self.violations),
        }
        return '\n'.join(f'{name:<28}{value}' for name, value in rows.items())


def rules_of(seed: int, number: int) -> Rules:
    """What the phase of that number is like. The first three are one of each kind, then chance
    decides.
    """
    random = Random(f'{seed} rules {number}')
    kind = number % 3 if number < 3 else random.randrange(3)
    limits = {group.name: random.choice([1, 1, 2]) for group in GROUPS if group.guarded}
    if kind == 0:
        return Rules(
            number, limits, wounded=tuple(name for name in limits if random.random() < 0.5)
        )
    if kind == 2:
        # a step of the clock ends startsecs early: what has no probe cannot be judged then
        return Rules(
            number, {name: limit for name, limit in limits.items() if name != 'plain'}, clock=True
        )
    return Rules(number, clock=random.random() < 0.5, reload=True)


class Chaos:
    """One run. storms: how many phases there are at most. scale: of the length of each storm.
    last_words: the share of groups about which a last word is said after it.
    """

    def __init__(
        self,
        seed: int,
        seconds: float,
        callers: int = 6,
        storms: int = 10**6,
        scale: float = 1.0,
        last_words: float = 0.7,
    ) -> None:
        self.seed, self.seconds, self.callers = seed, seconds, callers
        self.storms, self.scale, self.last_words = storms, scale, last_words
        self.summary = Summary(seed)

    def run(self) -> Summary:
        """Until the time is over, or the end of the first phase in which something was wrong."""
        begun = time.monotonic()
        with Arena(self.seed) as arena:
            self.checks = Checks(arena)
            self._restore(arena)
            self.checks.remember()
            while True:
                since = time.monotonic()
                self._guarded(
                    arena, lambda: self._phase(arena, rules_of(self.seed, self.summary.phases))
                )
                self.summary.phases += 1
                over = self.summary.phases >= self.storms or time.monotonic() > begun + self.seconds
                if not over and not arena.violations:
                    self._guarded(arena, lambda: self._restore(arena))
                if over or arena.violations:
                    break
            if arena.violations:
                self._tell(arena, since)
            self._sum_up(arena)
        self.summary.seconds = time.monotonic() - begun
        return self.summary

    @staticmethod
    def _guarded(arena: Arena, act: Callable[[], None]) -> None:
        """Whatever makes it impossible to go on is a violation too, with its story."""
        try:
            act()
        except Exception as error:
            arena.fail(f'{type(error).__name__}: {error}')
            if arena.process.poll() is not None:
                arena.fail(f'supervisord has ended: {(arena.dir / "stderr").read_text()[-3000:]}')

    def _phase(self, arena: Arena, rules: Rules) -> None:
        arena.journal.add('chaos', f'phase {rules.number}: {rules}')
        random = Random(f'{self.seed} length {rules.number}')
        for name in rules.wounded:
            victim = BY_NAME[name].processes[0]
            arena.call(
                'chaos', Request('supervisor.stopProcess', (victim, True), every([victim], DOWN))
            )
        since = time.monotonic()
        self._allow(arena, since)
        clients = crowd(arena, rules, self.callers)
        arena.set_storm(True)
        for client in clients:
            client.start()
        time.sleep(random.uniform(*STORM_SECONDS) * self.scale)
        for client in clients:
            client.end()
        for client in clients:
            client.close()
        arena.set_storm(False)
        arena.thaw()
        self._last_words(arena, rules, random)
        self.checks.settle()
        self.checks.check(rules, since)
        self._make_sane(arena)

    @staticmethod
    def _allow(arena: Arena, since: float) -> None:
        """What edits of the file may do to groups that come and go, at any time from now on."""
        for group in GROUPS:
            for process in group.processes[0 if group.guest else 1 :]:
                for effect in (UP, GONE) if group.guest or group.elastic else ():
                    arena.wills.add(process, Will(effect, since, NEVER, how='apply'))

    def _make_sane(self, arena: Arena) -> None:
        """The file as it was at first, applied: nothing is lost, and nothing is left to be read."""
        before = self.checks.states()
        arena.configure(Edit())
        calls: list[tuple[str, tuple[Any, ...]]] = [('startApply', ('', SANE))]
        calls += [('setNumprocs', (group.name, group.size)) for group in GROUPS if group.elastic]
        for method, arguments in calls:
            id: Any = arena.quietly(f'restarter.{method}', *arguments)
            struct: Any = arena.quietly('restarter.waitRestart', id, 10**9, 50.0)
            if struct['state'] != 'succeeded':
                arena.fail(f'{method}{arguments} of the file as it was at first: {struct}')
        self.checks.check_sane(before)

    def _last_words(self, arena: Arena, rules: Rules, random: Random) -> None:
        """A last will for most groups, in the middle of a restart: so it is certain what must be,
        and nothing that is asked for later brings back what was lost.
        """
        for group in GROUPS:
            if group.guest or random.random() > self.last_words:
                continue
            options = {'max_unavailable': rules.guarded.get(group.name, '100%')}
            arena.call(
                'last word',
                Request(
                    'restarter.startRestart', (group.name, options), every(group.processes, UP)
                ),
            )
            time.sleep(random.uniform(*PAUSE_SECONDS))
            method, effect = random.choice(LAST_WORDS)
            if group.name in rules.guarded or random.random() < 0.3:
                arena.call('last word', Request('restarter.cancelRestart', (LATEST,)))
            else:
                arena.call(
                    'last word',
                    Request(method, (group.name, True), every(group.processes, effect), 60.0),
                )

    def _restore(self, arena: Arena) -> None:
        """Have everything run, for the next phase."""
        arena.quietly('supervisor.startAllProcesses', True)
        arena.wait_until(lambda: self._all_ready(arena), 60.0, 'start of all processes')
        # The socket for READY=1 is made when it is first needed, and what was started before cannot
        # say it. What a storm comes to depends on the machine; one surge and one drain there are in
        # any case.
        ways = {'bell': 'max_unavailable', 'twin': 'max_surge', 'lb': 'max_unavailable'}
        for group, option in ways.items():
            id: Any = arena.quietly('restarter.startRestart', group, {option: 1})
            struct: Any = arena.quietly('restarter.waitRestart', id, 10**9, 50.0)
            if struct['state'] != 'succeeded':
                arena.fail(f'a restart in peace: {struct}', group)
            arena.restarts[id] = {}
        arena.wills.begin({process: UP for group in arena.groups for process in group.processes})

    @staticmethod
    def _all_ready(arena: Arena) -> bool:
        infos: Any = arena.quietly('supervisor.getAllProcessInfo')
        ready = {record.pid for record in records(arena.dir) if record.what == 'ready'}
        return len(infos) == sum(group.size for group in arena.groups) and all(
            info['statename'] == 'RUNNING' and info['pid'] in ready for info in infos
        )

    # -- what came of it ---------------------------------------------------------------------

    def _sum_up(self, arena: Arena) -> None:
        summary = self.summary
        summary.counts = dict(arena.counts)
        summary.lost, summary.taken_down_in_turn = self.checks.lost, self.checks.taken
        summary.longest_answer = round(arena.pulse.longest, 3)
        summary.lowest_ready = {
            group: f'{lowest}, and {must} had to be'
            for group, (lowest, must) in sorted(self.checks.lowest.items())
        }

    def _tell(self, arena: Arena, since: float) -> None:
        self.summary.violations = [f'{group or "all"}: {what}' for group, what in arena.violations]
        group = next((group for group, _ in arena.violations if group), '')
        self.summary.story = arena.journal.story(group, since, records(arena.dir))
