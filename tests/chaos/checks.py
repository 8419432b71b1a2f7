"""What must hold at a quiet moment: no client, no fault, no restart under way."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Any, Callable

from tests.chaos import guard, proc
from tests.chaos.arena import Arena
from tests.chaos.calls import Rules
from tests.chaos.clock import crowded
from tests.chaos.programs import BY_NAME, group_of
from tests.chaos.wills import DOWN, GONE, UP
from tests.chaos.wire import ask
from tests.chaos.word import Log
from tests.chaos.worker import Record, records

SETTLE_SECONDS = 60.0  # for restarts to finish, for processes to be what they should be
LOOK_SECONDS = 1.0  # for which supervisord's use of the processor is watched
# seconds of processor time in LOOK_SECONDS: a tenth of what a loop that spins would use
MOST_USED = 0.1
POLL = 0.1
TRACEBACK = 3000  # characters of the log that are shown of one
# What supervisord says at each start about root and a server without a password is no news.
HARMLESS = re.compile(
    r'CRIT (Supervisor is running as root|Server .* running without any HTTP authentication)'
)
ENDS = re.compile(
    r'restarter: (restart|apply) \d+ of .*? '
    r'(succeeded|failed|cancelled|timed_out|rolled_back) after '
)


class Checks:
    """Checks one arena again and again. What is wrong is told to the arena."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        # group: the fewest ready processes, and what had to be
        self.lowest: dict[str, tuple[int, int]] = {}
        self.taken = 0  # how many processes a guarded group was deprived of
        self.lost = 0
        self._others: Counter[str] = Counter()
        self._read = 0
        self._log = Log()
        self._said: list[dict[str, Any]] = []  # restarts that have ended and were not judged yet

    # -- becoming quiet ----------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until all restarts have ended and every process is in a state that lasts."""
        self._until(
            lambda: not self._unfinished(),
            lambda: f'restarts that do not end: {self._unfinished()}',
        )
        for id, wills in self.arena.restarts.items():
            outcome = ask(str(self.arena.dir / 'sock'), 'restarter.getRestart', (id,))
            if outcome.kind == 'result':
                self._said.append(outcome.value)
                for one in outcome.value['processes']:
                    beside = one['action'] == 'surge' and one['phase'] == 'ready'
                    self.arena.counts['replaced by a surge'] += beside
                    self.arena.counts['drained'] += bool(one['drain_seconds'])
                ready = {
                    f'{one["group"]}:{one["name"]}'
                    for one in outcome.value['processes']
                    if one['phase'] == 'ready'
                }
                for process, will in wills.items():
                    will.certain = process in ready
        self.arena.restarts.clear()
        self._until(
            lambda: not self._unsettled(), lambda: f'states that do not last: {self._unsettled()}'
        )

    def _unfinished(self) -> list[str]:
        found: Any = self.arena.quietly('restarter.listRestarts')
        return [
            f'{one["id"]} {one["groups"]} {one["state"]}' for one in found if not one['finished_at']
        ]

    def _unsettled(self) -> dict[str, str]:
        return {
            name: info['statename']
            for name, info in self._infos().items()
            if info['statename'] not in ('RUNNING', 'STOPPED', 'EXITED', 'FATAL')
        }

    def states(self) -> dict[str, str]:
        """The state of each process."""
        return {name: info['statename'] for name, info in self._infos().items()}

    def check_sane(self, before: dict[str, str]) -> None:
        """After an apply of the file as it was at first: the processes are those of the file, what
        ran before it runs and what was stopped is stopped, and a stock `reread` finds no change.
        """
        after = self.states()
        for name in {name for group in self.arena.groups for name in group.processes} ^ set(after):
            self.arena.fail(f'{name} should not be there, or should', name.partition(':')[0])
        for name, state in before.items():
            if state in ('RUNNING', 'STOPPED') and after.get(name, state) != state:
                if not (group_of(name).leaves and after[name] == 'EXITED'):
                    self.lost += 1
                    self.arena.fail(
                        f'{name} was {state}, and after an apply is {after[name]}',
                        group_of(name).name,
                    )
        plan: Any = self.arena.quietly('restarter.planConfig')
        if plan['groups']:
            self.arena.fail(f'planConfig after an apply: {plan["groups"]}')
        read: Any = self.arena.quietly('supervisor.reloadConfig')
        if read != [[[], [], []]]:
            self.arena.fail(f'reread after an apply: {read}')
        self.arena.counts['files applied and clean'] += 1

    def _infos(self) -> dict[str, dict[str, Any]]:
        infos: Any = self.arena.quietly('supervisor.getAllProcessInfo')
        return {f'{info["group"]}:{info["name"]}': info for info in infos}

    def _until(self, condition: Callable[[], bool], what: Callable[[], str]) -> bool:
        """Wait until the condition holds; it is a violation if it does not within its time."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                self.arena.fail(f'{what()}, for {SETTLE_SECONDS:g} s')
                return False
            time.sleep(POLL)
        return True

    # -- the checks --------------------------------------------------------------------------

    def check(self, rules: Rules, since: float) -> None:
        """Everything, after a phase that began at that time."""
        written = list(records(self.arena.dir))
        self._check_guarded(rules, since, written)
        self._check_doubles(written)
        self._check_states()
        self._check_family()
        self._check_asides()
        self._check_log()
        self.check_supervisord()

    def check_supervisord(self) -> None:
        """Its descriptors, threads and children, and that it sleeps."""
        pid = self.arena.process.pid
        self._until(
            lambda: not self._descriptor_errors(),
            lambda: (
                f'descriptors of supervisord that should not be, or should: {self._descriptor_errors()}'
            ),
        )
        if proc.threads(pid) > 1 + crowded(self.arena.seed):
            self.arena.fail(f'supervisord has {proc.threads(pid)} threads')
        self._until(lambda: not proc.zombies(pid), lambda: f'zombies {proc.zombies(pid)}')
        if self.arena.pulse.silent:
            self.arena.fail(f'{self.arena.pulse.silent} calls of getState were not answered')
        used = self._used(pid)
        if used > MOST_USED:
            mended: Any = self.arena.quietly('clock.mend')
            self.arena.counts["Supervisor's own: a descriptor polled for ever"] += len(mended)
            used = self._used(pid) if mended else used
        if used > MOST_USED:
            self.arena.fail(
                f'supervisord used {used:.2f} s of the processor in {LOOK_SECONDS:g} s; '
                f'now there is: {self.arena.quietly("clock.busy")}'
            )

    def _used(self, pid: int) -> float:
        """Seconds of the processor that supervisord uses in LOOK_SECONDS."""
        before, self.arena.pulse.resting = proc.used(pid), True
        try:
            time.sleep(LOOK_SECONDS)  # not a wait for anything: it is the span that is measured
        finally:
            self.arena.pulse.resting = False
        return proc.used(pid) - before

    def _check_guarded(self, rules: Rules, since: float, written: list[Record]) -> None:
        for name, allowed in rules.guarded.items():
            group = BY_NAME[name]
            verdict = guard.judge(
                written, name, group.size, allowed, group.probed, since, group.surges
            )
            self.taken += verdict.taken
            this = (verdict.lowest, group.size - allowed)
            self.lowest[name] = min(self.lowest.get(name, this), this)
            if verdict.breach is not None:
                self.arena.fail(
                    f'max_unavailable = {allowed} of {group.size}: only {verdict.lowest} were ready; the '
                    f'first time when {verdict.breach.name} was told to stop, at '
                    f'{verdict.breach.time - since:.3f}',
                    name,
                )

    def _check_doubles(self, written: list[Record]) -> None:
        for record in written:
            if record.what == 'double':
                self.arena.fail(
                    f'{record.name} was started while another one of it lived',
                    group_of(record.name).name,
                )

    def _check_states(self) -> None:
        """Everything that should run runs: the newer will wins."""

        def wrong() -> dict[str, str]:
            infos = self._infos()
            found = {}
            for group in self.arena.groups:
                for process in group.processes:
                    state = infos[process]['statename'] if process in infos else GONE
                    allowed = self.arena.wills.allowed(process)
                    if _as_will(process, state) not in allowed:
                        found[process] = f'{state}, and should be {" or ".join(sorted(allowed))}'
            return found

        self.arena.counts['states checked'] += sum(group.size for group in self.arena.groups)
        if self._until(
            lambda: not wrong(), lambda: f'processes are not as the newest will has them: {wrong()}'
        ):
            return
        for process, text in wrong().items():
            self.lost += 1
            self.arena.fail(f'{process} is {text}', group_of(process).name)

    def _check_family(self) -> None:
        """Every process is there once, is who supervisord says, and there is nobody else."""

        def wrong() -> list[str]:
            says = {info['pid']: name for name, info in self._infos().items() if info['pid']}
            lives = {process.pid: process for process in self.arena.family()}
            found = [
                f'{name} ({pid}) does not live' for pid, name in says.items() if pid not in lives
            ]
            for pid, process in lives.items():
                if pid not in says:
                    found.append(f'{process.name} ({pid}) lives, unknown to supervisord')
                elif says[pid] != process.name or process.parent != self.arena.process.pid:
                    found.append(
                        f'{pid} is {process.name}, child of {process.parent}; supervisord says {says[pid]}'
                    )
            return found

        self._until(
            lambda: not wrong(), lambda: f'the family is not as supervisord says: {wrong()}'
        )

    def _check_asides(self) -> None:
        """No old process is left beside its new one, and no new one that was given up."""

        def asides() -> list[str]:
            return [name for name in self._infos() if '.' in name]

        self._until(lambda: not asides(), lambda: f'processes aside: {asides()}')

    def _check_log(self) -> None:
        self.arena.journal.catch_up()
        lines = self.arena.journal.lines[self._read :]
        self._read += len(lines)
        self._log.read(entry.text for entry in lines)
        for restart in self._said:
            untrue = self._log.untrue(restart)
            if untrue:
                self.arena.fail(
                    f'restart {restart["id"]} calls ready what had died: {untrue}',
                    untrue[0].partition(':')[0],
                )
        self.arena.counts['words checked'] += len(self._said)
        self._said.clear()
        for entry in lines:
            if (
                'Traceback' in entry.text
                or 'uncaptured' in entry.text
                or entry.text.startswith('CRIT ')
            ) and not HARMLESS.match(entry.text):
                said = self.arena.log_text().partition(entry.text)[2]
                self.arena.fail(f'the log says: {entry.text}{said[:TRACEBACK]}')
            ended = ENDS.search(entry.text)
            if ended:
                kind = 'restarts' if ended[1] == 'restart' else 'applies'
                self.arena.counts[f'{kind}: {ended[2]}'] += 1
        stderr = (self.arena.dir / 'stderr').read_text()
        if 'Traceback' in stderr:
            self.arena.fail(f'supervisord wrote to its stderr: {stderr[-2000:]}')

    # -- descriptors -------------------------------------------------------------------------

    def remember(self) -> None:
        """Take what is open now, beside what belongs to processes, for the measure of later checks."""
        self._others = self._descriptors() - self._belonging()

    def _descriptors(self) -> Counter[str]:
        return proc.descriptors(self.arena.process.pid)

    def _belonging(self) -> Counter[str]:
        """What supervisord must have open for the processes that run now."""
        found: Counter[str] = Counter()
        shared = set()
        for name, info in self._infos().items():
            if info['pid']:
                group = group_of(name)
                found['pipe'] += 2 if group.merged else 3
                found.update(
                    [info['stdout_logfile'], *([] if group.merged else [info['stderr_logfile']])]
                )
                if group.shared:
                    shared.add(f'listening {self.arena.dir}/{group.name}.sock')
        found.update(shared)
        return found

    def _descriptor_errors(self) -> dict[str, int]:
        """How many there are too many (or, below 0, too few) of each kind."""
        now, due = self._descriptors(), self._others + self._belonging()
        errors = {
            kind: now[kind] - due[kind]
            for kind in now.keys() | due.keys()
            if now[kind] != due[kind]
        }
        # the pulse; and the socket for READY=1 is there since its first use after a start or reload
        return {
            kind: count
            for kind, count in errors.items()
            if not (kind.startswith('connected ') and count <= 2)
            and not (kind.startswith('datagrams ') and now[kind] <= 1)
        }


def _as_will(process: str, state: str) -> str:
    if state == 'EXITED' and group_of(process).leaves:
        return UP
    return {'RUNNING': UP, 'STOPPED': DOWN, GONE: GONE}.get(state, state)
