"""The supervisord that is attacked, with everything that attackers and checks have in common."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from tests.chaos import proc
from tests.chaos.calls import LATEST, Request, confirmed
from tests.chaos.edits import Edit
from tests.chaos.journal import Journal
from tests.chaos.programs import GROUPS
from tests.chaos.pulse import Pulse
from tests.chaos.wills import GONE, UP, Will, Wills
from tests.chaos.wire import Address, Outcome, ask
from tests.integration.server import ROOT, Server
from tests.integration.service import address

CLOCK = '[rpcinterface:clock]\nsupervisor.rpcinterface_factory=tests.chaos.clock:make_clock\n\n'
SETTINGS = 'history=1000\nhook_timeout=2'
RELOAD_SECONDS = 40.0
# What gives the id of something that runs on by itself.
BEGINNING = ('restarter.startRestart', 'restarter.startApply', 'restarter.setNumprocs')


class Arena(Server):
    """A running supervisord.

    restarts: the wills behind each restart whose id is known, by process. reloads: when supervisord
    was on its way down and up again, jumps: when its wall clock was put forward by half an hour or
    more, by the monotonic clock.
    """

    def __init__(self, seed: int) -> None:
        self.host, self.port = address(), random.randrange(10000, 30000)
        inet = f'[inet_http_server]\nport={self.host}:{self.port}\n\n'
        self.groups = GROUPS
        super().__init__(self.sections(), SETTINGS, inet + CLOCK)
        self.seed = seed
        self.tag = f'{os.getpid()}.{seed}.{time.monotonic():.6f}'
        self.counts: Counter[str] = Counter()
        self.restarts: dict[str, dict[str, Will]] = {}
        self.reloads: list[tuple[float, float]] = []
        self.jumps: list[float] = []
        self.violations: list[tuple[str, str]] = []  # group or '', and what is wrong

    def __enter__(self) -> Arena:
        paths = [path for path in (os.environ.get('PYTHONPATH'), str(ROOT)) if path]
        ours = {
            'PYTHONPATH': os.pathsep.join(paths),
            proc.TAG: self.tag,
            'CHAOS_SEED': str(self.seed),
        }
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            super().__enter__()
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value
        self.pulse = Pulse(str(self.dir / 'sock'))
        self.wills = Wills(self.pulse.processed)
        self.journal = Journal(self.log)
        self.journal.start()
        self.pulse.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pulse.close()
        self.journal.close()
        self.set_storm(False)
        super().__exit__(kind, error, trace)

    def close(self) -> None:
        self.thaw()  # what is frozen could not be stopped in good manner
        super().close()
        for process in self.family():
            # what a defect has left behind, and children that were to live on
            kill(process.pid, signal.SIGKILL)

    # -- the configuration -------------------------------------------------------------------

    def sections(
        self, settings: dict[str, dict[str, object]] | None = None, absent: tuple[str, ...] = ()
    ) -> str:
        """The sections of all groups but those that are absent, some with other settings."""
        return ''.join(
            group.section(**(settings or {}).get(group.name, {}))
            for group in self.groups
            if group.name not in absent
        )

    def configure(self, edit: Edit) -> None:
        """Write another configuration; supervisord must be told to read it."""
        head = self._text.partition(self.sections())[0]
        new = self.dir / 'conf.new'
        new.write_text(head + self.sections(edit.settings, edit.absent) + edit.broken)
        new.rename(self.conf)

    # -- calls -------------------------------------------------------------------------------

    def addresses(self) -> list[Address]:
        """Where it can be reached."""
        return [str(self.dir / 'sock'), (self.host, self.port)]

    def call(
        self, who: str, request: Request, where: Address | None = None, hang_up: float | None = None
    ) -> Outcome:
        """Call it, and note down what was wanted and what became of it."""
        start = time.monotonic()
        arguments = _replaced(request.arguments, list(self.restarts)[-1] if self.restarts else '0')
        wills = [
            (process, Will(effect, start, start, how=request.how))
            for process, effect in request.effects
        ]
        for process, will in wills:
            self.wills.add(process, will)
        self.journal.add(who, f'asks {request.method}{arguments!r}', request.groups)
        outcome = ask(
            where or str(self.dir / 'sock'), request.method, arguments, request.deadline, hang_up
        )
        sure = set(confirmed(request, outcome))
        # Supervisor makes the calls of a multicall one after the other, the last of them at any
        # time until the answer
        sent = (
            outcome.answered
            if request.method == 'system.multicall' and outcome.value
            else outcome.sent
        )
        for process, will in wills:
            will.sent, will.answered, will.certain = sent, outcome.answered, process in sure
        if request.method in BEGINNING and outcome.kind == 'result':
            self.restarts[outcome.value] = dict(wills)
        self.journal.add(who, f'gets {outcome} for {request.method}', request.groups)
        self.counts[f'calls: {outcome.kind}'] += 1
        self._judge(who, request, outcome, start)
        return outcome

    def _judge(self, who: str, request: Request, outcome: Outcome, start: float) -> None:
        now = time.monotonic()
        reloading = any(begun <= now and start <= ended for begun, ended in self.reloads)
        if (
            outcome.kind == 'silent'
            and request.has_stock_stop
            and self.excused(request.processes, start)
        ):
            return
        if outcome.kind == 'lost' and any(start <= jump for jump in self.jumps):
            # After each 500th connection Supervisor closes those on which nothing was sent for half
            # an hour, it thinks.
            self.counts["Supervisor's own: a connection closed after a clock step"] += 1
            return
        bad = outcome.kind in ('broken', 'silent') or (outcome.kind == 'lost' and not reloading)
        if bad or (outcome.kind == 'fault' and 'internal error' in outcome.value.faultString):
            self.fail(
                f'{who}: {request} got {outcome} after {now - start:.1f} s',
                min(request.groups, default=''),
            )

    def excused(self, processes: Iterable[str], since: float, own: Iterable[Will] = ()) -> bool:
        """Whether a stop of these processes that was asked for at that time may wait for ever.

        Supervisor's stop calls wait until they see the process stopped, and miss it if somebody
        starts it in the same moment. Its own start calls let that happen; restarts must not.
        """
        excuse = self.wills.started_by_supervisor(processes, since, own)
        self.counts["Supervisor's own: a stop call that waits for ever"] += excuse
        return excuse

    def quietly(self, method: str, *arguments: object) -> object:
        """The answer to a call of the checks' own; an AssertionError if there is none."""
        outcome = ask(str(self.dir / 'sock'), method, arguments, 60.0)
        assert outcome.kind == 'result', f'{method}: {outcome}'
        return outcome.value

    def fail(self, what: str, group: str = '') -> None:
        """Something is wrong."""
        self.journal.add('checks', f'WRONG: {what}', {group} - {''})
        self.violations.append((group, what))

    # -- weather -----------------------------------------------------------------------------

    def set_storm(self, on: bool) -> None:
        """Whether programs misbehave."""
        storm = self.dir / 'storm'
        if on:
            storm.touch()
        elif storm.exists():
            storm.unlink()

    def family(self) -> list[proc.Process]:
        """All processes that come from this supervisord."""
        return proc.family(self.tag)

    def thaw(self) -> None:
        """Let everything run that was stopped by a signal."""
        for process in self.family():
            kill(process.pid, signal.SIGCONT)

    def reload(self, who: str, absent: tuple[str, ...], by_signal: bool) -> None:
        """Have supervisord stop everything, read its configuration and start everything; waits for
        that.
        """
        start = time.monotonic()
        self.reloads.append((start, float('inf')))
        wills = []
        for group in self.groups:
            for process in group.processes:
                effect = GONE if group.name in absent else UP
                wills.append(Will(effect, start, float('inf'), certain=True, how='reload'))
                self.wills.add(process, wills[-1])
        before = self.log_text().count('supervisord started with pid')
        self.journal.add(
            who, f'reloads supervisord by {"SIGHUP" if by_signal else "supervisor.restart"}'
        )
        if by_signal:
            self.process.send_signal(signal.SIGHUP)
        else:
            ask(str(self.dir / 'sock'), 'supervisor.restart')
        try:
            self.wait_until(
                lambda: (
                    self.log_text().count('supervisord started with pid') > before
                    and self._answers()
                ),
                RELOAD_SECONDS,
                'end of the reload',
            )
        except Exception as error:
            self.fail(f'{who}: {error}')
        self.counts['faults: reload'] += 1
        up = time.monotonic()
        self.reloads[-1] = (start, up + 1.0)
        for will in wills:
            will.sent = will.answered = up


def kill(pid: int, number: int) -> bool:
    """Send a signal; whether there was somebody to receive it."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _replaced(value: Any, latest: str) -> Any:
    if value == LATEST:
        return latest
    if isinstance(value, (list, tuple)):
        return type(value)(_replaced(item, latest) for item in value)
    if isinstance(value, dict):
        return {key: _replaced(item, latest) for key, item in value.items()}
    return value
