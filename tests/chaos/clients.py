"""Clients of many kinds, each a thread that does what its own generator says until it is told to
end.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Collection

from bench.lab import script
from tests.chaos.arena import Arena, kill
from tests.chaos.calls import (
    SLACK,
    STOCK_SECONDS,
    Request,
    Rules,
    apply_files,
    draw,
    every,
    pick_group,
)
from tests.chaos.edits import draw_edit, sane, sparing
from tests.chaos.programs import GROUPS
from tests.chaos.wills import DOWN, GONE, NEVER, UP, Will

HALF_AN_HOUR = 1700.0  # seconds, and a little less
TYPISTS = 2  # a command takes about 0.2 s of the processor
JOIN_SECONDS = 90.0  # for the call that a client is in to be answered; more than any deadline


class Client(threading.Thread):
    """Acts again and again, with pauses, until close(). The generator depends on the seed, the
    phase and the name.
    """

    pause = 0.3  # seconds at the most between two acts

    def __init__(self, arena: Arena, rules: Rules, name: str) -> None:
        super().__init__(daemon=True, name=name)
        self.arena, self.rules = arena, rules
        self.random = random.Random(f'{arena.seed} {rules.number} {name}')
        self._over = threading.Event()
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._over.wait(self.random.uniform(0, self.pause)):
                self.act()
        except BaseException as error:
            self._error = error

    def act(self) -> None:
        """Do one thing."""
        raise NotImplementedError

    def end(self) -> None:
        """Begin nothing further."""
        self._over.set()

    def close(self) -> None:
        """Begin nothing further, and wait for what is under way."""
        self.end()
        self.join(JOIN_SECONDS)
        if self.is_alive():
            self.arena.fail(f'{self.name} has not come back')
        if self._error is not None:
            raise self._error


class Caller(Client):
    """Calls methods at random, waits for the answers, or hangs up before."""

    def act(self) -> None:
        where = self.random.choice(self.arena.addresses())
        request = draw(self.random, self.rules)
        patience = self.random.uniform(0, 0.3) if self.random.random() < 0.15 else None
        self.arena.call(self.name, request, where, patience)


class Operator(Client):
    """Changes the configuration, and has it taken over by an apply or as by `supervisorctl update`;
    or leaves that to others. Reloads, where that is allowed.
    """

    pause = 1.0
    reloaded = False

    def act(self) -> None:
        edit, by_signal = draw_edit(self.random), self.random.random() < 0.5
        edit = sparing(edit, self.rules.wounded)
        what = self.random.choice(['update', 'apply', 'apply', 'leave'])
        request = apply_files(self.random, self.rules)
        if self.rules.reload and not self.reloaded:
            self.reloaded = True  # once in a phase: nothing else could live beside it
            self.arena.configure(sane(edit))
            self.arena.reload(self.name, edit.absent, by_signal)
            return
        self.arena.configure(sane(edit) if what == 'update' else edit)
        self.arena.counts[f'files changed: {what}'] += 1
        if what == 'update':
            update(self.arena, self.name, self.rules.guarded)
        elif what == 'apply':
            self.arena.call(self.name, request)


def update(arena: Arena, who: str, but: Collection[str]) -> None:
    """What `supervisorctl update` does, of all groups but these."""
    read = arena.call(who, Request('supervisor.reloadConfig'))
    if read.kind != 'result':
        return
    added, changed, removed = (
        [name for name in names if name not in but] for names in read.value[0]
    )
    members = {group.name: group.processes for group in arena.groups}
    for name in [*changed, *removed]:
        arena.call(
            who,
            Request(
                'supervisor.stopProcessGroup', (name,), every(members[name], DOWN), STOCK_SECONDS
            ),
        )
        gone = arena.call(
            who, Request('supervisor.removeProcessGroup', (name,), every(members[name], GONE))
        )
        arena.counts['groups removed'] += gone.kind == 'result'
    for name in [*changed, *added]:
        answer = arena.call(
            who, Request('supervisor.addProcessGroup', (name,), every(members[name], UP))
        )
        if answer.kind != 'result':
            # An apply was quicker. If it is rolled back, the group is gone, as it found it.
            for process in members[name]:
                arena.wills.add(process, Will(GONE, time.monotonic(), NEVER, how='apply'))


class Typist(Client):
    """Runs the commands, and kills most of them with SIGKILL in the middle."""

    pause = 0.4

    def act(self) -> None:
        group = pick_group(self.random, self.rules.free())
        guarded = pick_group(self.random, [one for one in GROUPS if one.guarded])
        rolling = self.random.random() < 0.4 and guarded.name in self.rules.guarded
        command, effects = self._command(group.name)
        if rolling:
            group = guarded
            number = str(self.rules.guarded[group.name])
            command, effects = (
                [_restarter(), '--max-unavailable', number, '--ready-timeout', '5', group.name],
                [UP],
            )
        patience = self.random.uniform(0.15, 0.8) if self.random.random() < 0.75 else 60.0
        start = time.monotonic()
        how = 'supervisor.start' if command[1] in ('start', 'restart') else command[1]
        wills = [
            (process, Will(effect, start, float('inf'), how=how))
            for process in group.processes
            for effect in effects
        ]
        for process, will in wills:
            self.arena.wills.add(process, will)
        self.arena.journal.add(
            self.name,
            f'runs {os.path.basename(command[0])} {" ".join(command[1:])}, '
            f'for {patience:.2f} s at the most',
            {group.name},
        )
        in_time = self._run(
            [command[0], '-c', str(self.arena.conf), *command[1:]], patience, group.name
        )
        ended = time.monotonic()
        if not in_time and not (
            command[1] in ('stop', 'restart')
            and self.arena.excused(group.processes, start, [will for _, will in wills])
        ):
            self.arena.fail(f'{self.name}: {command} did not end', group.name)
        for _, will in wills:
            will.sent = ended

    def _command(self, group: str) -> tuple[list[str], list[str]]:
        ctl = script('supervisorctl')
        return self.random.choice(
            [
                ([_restarter(), group], [UP]),
                ([_restarter(), '--queue', '--timeout', '3', group], [UP]),
                ([_restarter(), '--rolling', '--quiet', '--ready-timeout', '5', group], [UP]),
                ([_restarter(), '--apply', group], []),
                ([_restarter(), '--apply', '--plan'], []),
                ([ctl, 'quickrestart', f'{group}:'], [UP]),
                ([ctl, 'quickstop', f'{group}:'], [DOWN]),
                ([ctl, 'restart', f'{group}:*'], [DOWN, UP]),
                ([ctl, 'stop', f'{group}:*'], [DOWN]),
                ([ctl, 'start', f'{group}:*'], [UP]),
                ([ctl, 'status'], []),
            ]
        )

    def _run(self, command: list[str], patience: float, group: str) -> bool:
        """Whether it ended when it had to, by itself or by us."""
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                said = process.communicate(timeout=patience)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate(timeout=SLACK)
                self.arena.counts['clients killed'] += 1
                self.arena.journal.add(
                    self.name, f'is killed (SIGKILL) with {os.path.basename(command[0])}', {group}
                )
                return patience != 60.0
        self.arena.counts['commands ended'] += 1
        self.arena.journal.add(
            self.name, f'has exit status {process.returncode}: {said.strip()[-300:]!r}', {group}
        )
        if 'Traceback' in said:
            self.arena.fail(f'{self.name}: {command} said {said}', group)
        return True


def _restarter() -> str:
    return script('supervisorctl_restart_group')


class Saboteur(Client):
    """kill -9, SIGSTOP and, where that is allowed, wall-clock steps."""

    pause = 0.6

    def act(self) -> None:
        victim = self.random.choice(pick_group(self.random, self.rules.free()).processes)
        kind = self.random.choices(
            ['kill -9', 'SIGSTOP', 'clock step'], [3, 2, 2 if self.rules.clock else 0]
        )[0]
        seconds = self.random.uniform(0.1, 1.5)
        step = self.random.choice([-1, 1]) * self.random.choice([0.5, 3.0, 60.0, 4000.0, 10.0**6])
        if kind == 'clock step':
            if step > HALF_AN_HOUR:
                self.arena.jumps.append(time.monotonic() + SLACK)  # it may be answered so late
            self.arena.call(self.name, Request('clock.step', (step,)))
            if step > HALF_AN_HOUR:
                self.arena.jumps[-1] = time.monotonic()
            self.arena.counts[f'faults: {kind}'] += 1
            return
        for process in self.arena.family():
            if process.name == victim and process.parent == self.arena.process.pid:
                self._hit(process.pid, victim, kind, seconds)

    def _hit(self, pid: int, victim: str, kind: str, seconds: float) -> None:
        group = victim.partition(':')[0]
        if not kill(pid, signal.SIGKILL if kind == 'kill -9' else signal.SIGSTOP):
            return
        self.arena.counts[f'faults: {kind}'] += 1
        self.arena.journal.add(self.name, f'{kind} of {victim} ({pid})', {group})
        if kind == 'SIGSTOP':
            self._over.wait(seconds)
            kill(pid, signal.SIGCONT)
            self.arena.journal.add(self.name, f'SIGCONT of {victim} ({pid})', {group})


def crowd(arena: Arena, rules: Rules, callers: int) -> list[Client]:
    """The clients of one phase."""
    return [
        *(Caller(arena, rules, f'caller {number}') for number in range(callers)),
        *(Typist(arena, rules, f'typist {number}') for number in range(TYPISTS)),
        Operator(arena, rules, 'operator'),
        Saboteur(arena, rules, 'saboteur'),
    ]
