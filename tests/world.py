"""A simulated supervisord on a clock that tests advance, and a loop that drives one operation on it.

Process does what supervisor.process.Subprocess does with its state (test_world.py holds the two
together), and what a program does of its own is scripted. Drive takes the turns of supervisord's
loop in their order: what clients ask, transitions, exits, then the operation. Between turns it sleeps
until the operation's wake_at, a child's exit or supervisord's own second, whichever is first.
"""

from __future__ import annotations

import copy
import functools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, NamedTuple

from supervisor_restarter.engine.answers import process_struct
from supervisor_restarter.engine.judging import is_ordered
from supervisor_restarter.engine.lifecycle import CODES, OF_ORDERS
from supervisor_restarter.engine.member import Failure, Goal, Hook, Member, Observation
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import DOWN, ON_RETURN, UP, Order, Phase, Seen
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from tests.onlooker import Onlookers

BEGINNING = 1000.0  # what the clock says when a test begins
MOMENT = 0.0001  # between two turns of a loop that does not sleep
JUST_AFTER = 0.001  # Supervisor waits until *more* than startsecs have passed
SETTLED = 0.2  # seconds that a process has to die of a signal
SECOND = 1.0  # supervisord's loop sleeps no longer
LONGEST = 600.0  # simulated seconds after which an operation is taken to hang
MOST_TURNS = 10_000  # after which an operation is taken to keep the loop from sleeping
EXITCODES = (0,)


class Life(NamedTuple):
    """What becomes of one spawn: exits by itself after `seconds` (None: never) with `status`; its
    probe calls it ready so many seconds after the spawn (0: it has no probe, None: never).
    """

    seconds: float | None = None
    status: int = 0
    ready_after: float | None = 0.0


LASTING = Life()


class Script(NamedTuple):
    """What becomes of one run of a command of the program's own: it ends after `seconds` (None:
    never), and has failed if it says `why`; or it cannot be run at all, for that reason.
    """

    seconds: float | None = 0.0
    why: str = ''
    cannot: bool = False


FINE = Script()


class Command(NamedTuple):
    """A command of a program's own that runs, and will have failed if it says `why`."""

    hook: Hook
    ends_at: float
    why: str


@dataclass
class Program:
    """How a process behaves. Each spawn uses up one of `lives`; then all are lasting."""

    lives: Sequence[Life] = ()
    stop_seconds: float | None = 0.1  # from the stop signal to the exit; None: only SIGKILL helps
    startsecs: float = 1.0
    stopwaitsecs: float = 10.0
    startretries: int = 3
    autorestart: bool = False
    obstacle: str = ''  # why the command cannot be executed
    unforeseen: str = ''  # the same, and it shows only when that is tried
    kill_error: str = ''  # why it cannot be signalled
    signal_status: int | None = None  # exits with it when it is signalled; None: lives on
    ready_again: float = 0.0  # seconds from a signal until its probe calls it ready
    # Seconds until the probe of a process that ran before has answered; it is taken as ready till then.
    answers_after: float = 0.0
    # Each run of a command uses up one of these; all later ones are like the last. Empty: no such command.
    before_stop: Sequence[Script] = ()
    after_ready: Sequence[Script] = ()
    surge: bool = False  # whether it may be there twice


class Process:
    """One process of the simulated supervisord."""

    pids = 100

    def __init__(self, state: Seen, program: Program, now: float) -> None:
        self.state, self.program = state, program
        lives = iter(program.lives)
        self.pid = self.backoff = 0
        self.delay = 0.0
        self.laststart = now - program.startsecs - 1
        self.ready_at: float | None = now
        self.exits_at: float | None = None
        self.ended_at: float | None = None
        self.killing = self.killed = False
        self.aside = False  # another process has its name
        self.runs: Counter[Hook] = Counter()  # of commands
        self.settled_at = now
        self.answers_at = now + program.answers_after
        if state in (Seen.STARTING, Seen.RUNNING, Seen.STOPPING, Seen.UNKNOWN):
            self._live(next(lives, LASTING), now)
            self.ready_at = None if self.ready_at is None else now  # it has been running for long
        self.ahead = tuple(lives)  # the lives that it had not begun then
        self.lives = iter(self.ahead)
        if state is Seen.STARTING:
            self.laststart = now
        elif state is Seen.STOPPING:
            self.state = Seen.RUNNING
            self.stop(now)
        elif state is Seen.BACKOFF:
            self.backoff, self.delay = 1, now + 1

    def become(self, program: Program) -> None:
        """Have it, which is down, run this from its next spawn on."""
        self.program, self.lives = program, iter(program.lives)

    def another(self, now: float) -> Process:
        """Another process of the same program, which is down."""
        new = Process(Seen.STOPPED, self.program, now)
        new.ahead, new.lives, new.runs = self.ahead, self.lives, self.runs
        return new

    def run(self, hook: Hook, now: float) -> Command | str:
        """Run a command of its program; why that cannot be done, if so."""
        assert self.pid, f'{hook} of a process that is down'
        self.runs[hook] += 1
        scripts: Sequence[Script] = getattr(self.program, hook.value)
        script = scripts[min(self.runs[hook], len(scripts)) - 1]
        if script.cannot:
            return script.why
        ends_at = math.inf if script.seconds is None else now + script.seconds
        return Command(hook, ends_at, script.why)

    def spawn(self, now: float) -> str:
        """As Subprocess.spawn(); a complaint or ''."""
        if self.pid:
            return ''
        if self.state not in DOWN | {Seen.BACKOFF}:
            return f'AssertionError: {self.state.name}'
        self.killing = self.killed = False
        self.laststart = self.settled_at = self.answers_at = now
        self.ended_at = None
        obstacle = self.program.obstacle or self.program.unforeseen
        if obstacle:
            self._back_off(now)
            return obstacle
        self.state = Seen.STARTING
        self._live(next(self.lives, LASTING), now)
        return ''

    def stop(self, now: float) -> str:
        """As Subprocess.stop(); a complaint or ''."""
        if self.state is Seen.BACKOFF:
            self.state = Seen.STOPPED
            return ''
        if not self.pid:
            return "it wasn't running"
        self.state, self.killing, self.delay = Seen.STOPPING, True, now + self.program.stopwaitsecs
        if self.program.kill_error:
            self.state, self.killing, self.delay = Seen.UNKNOWN, False, 0.0
            return self.program.kill_error
        if self.program.stop_seconds is not None:
            self._exit_by(now + self.program.stop_seconds)
        return ''

    def signal(self, now: float) -> str:
        """As Subprocess.signal(); a complaint or ''."""
        if not self.pid:
            return "it wasn't running"
        if self.state not in (Seen.RUNNING, Seen.STARTING, Seen.STOPPING):
            return f'AssertionError: {self.state.name}'
        if self.program.kill_error:
            self.state = Seen.UNKNOWN
            return self.program.kill_error
        if self.program.signal_status is not None:
            self.status = self.program.signal_status
            self._exit_by(now)
        elif self.ready_at is not None:
            self.ready_at = now + self.program.ready_again
        self.settled_at = now + max(SETTLED, self.program.startsecs)
        return ''

    def transition(self, now: float) -> None:
        """As Subprocess.transition()."""
        state = self.state
        if self.aside and not self.pid:
            return  # Supervisor does not start it again
        if state in (Seen.EXITED, Seen.EXITED_BADLY) and self.program.autorestart:
            self.spawn(now)
        elif state is Seen.BACKOFF:
            if self.backoff <= self.program.startretries and now > self.delay:
                self.spawn(now)
            if self.backoff > self.program.startretries:
                self.state, self.backoff, self.delay = Seen.FATAL, 0, 0.0
        elif state is Seen.STARTING and now - self.laststart > self.program.startsecs:
            self.state, self.backoff = Seen.RUNNING, 0
        elif state is Seen.STOPPING and self.delay <= now:
            self.killed = True
            self._exit_by(now)  # SIGKILL

    def reap(self, now: float) -> None:
        """As Subprocess.finish(), if the child has exited."""
        if not self.pid or self.exits_at is None or self.exits_at > now:
            return
        if self.killing:
            self.state = Seen.STOPPED
        elif now - self.laststart < self.program.startsecs:
            self._back_off(now)
        elif self.state is not Seen.UNKNOWN:
            self.state = Seen.EXITED if self.status in EXITCODES else Seen.EXITED_BADLY
            self.backoff = 0
        self.pid, self.killing, self.exits_at, self.ended_at = 0, False, None, now

    def observe(self, now: float) -> Observation:
        due, unready, seen = None, '', self.state
        answered = now >= self.answers_at or seen not in (Seen.STARTING, Seen.RUNNING)
        if seen is Seen.EXITED and self.program.autorestart:
            seen = Seen.EXITED_BADLY
        up = seen in (Seen.STARTING, Seen.RUNNING)
        if up and answered and (self.ready_at is None or now < self.ready_at):
            unready = 'connection refused'
        if seen is Seen.RUNNING and not unready:
            seen = Seen.READY if now >= self.settled_at else Seen.RUNNING
            due = self.settled_at if seen is Seen.RUNNING else None
        if self.state is Seen.STARTING:
            due = self.laststart + self.program.startsecs + JUST_AFTER
        elif self.state is Seen.STOPPING:
            due = self.delay + JUST_AFTER
        why = (
            ''
            if self.state in (Seen.STARTING, Seen.RUNNING, Seen.STOPPING)
            else f'state {self.state.name}'
        )
        return Observation(
            seen, self.pid, why, due, self.ended_at, unready, answered, killed=self.killed
        )

    def _live(self, life: Life, now: float) -> None:
        Process.pids += 1
        self.pid, self.status = Process.pids, life.status
        self.ready_at = None if life.ready_after is None else now + life.ready_after
        self.exits_at = None if life.seconds is None else now + life.seconds

    def _exit_by(self, at: float) -> None:
        self.exits_at = at if self.exits_at is None else min(self.exits_at, at)

    def _back_off(self, now: float) -> None:
        self.state = Seen.BACKOFF
        self.backoff += 1
        self.delay = now + self.backoff


class World:
    """Processes by name ('group:process'), and what other clients do with them.

    next: the programs that processes in the hands of an operation run from their next start on. What
    has lost its name to another process is called 'group:process.old', or '.new' the other way round.
    """

    def __init__(self) -> None:
        self.now = BEGINNING
        self.processes: dict[str, Process] = {}
        self.removed: set[str] = set()
        self.dropped: set[str] = set()
        self.next: dict[str, Program] = {}
        self.wanted_down: set[str] = set()

    def add(self, name: str, state: Seen = Seen.RUNNING, program: Program | None = None) -> None:
        self.processes[name] = Process(state, program or Program(), self.now)

    def members(self, outright: bool = True, single: bool = False) -> list[Member]:
        names = (name.partition(':') for name in self.processes)
        return [Member(Match(group, process, outright, single)) for group, _, process in names]

    def turn(self) -> None:
        """What supervisord does in each turn after serving its clients."""
        there = [one for name, one in self.processes.items() if name not in self.dropped]
        for process in there:
            process.transition(self.now)
        for process in there:
            process.reap(self.now)

    # -- what the service does for an operation

    def look(self, member: Member) -> Observation | None:
        if member.group in self.removed:
            return None
        seen = self.processes[name_of(member)].observe(self.now)
        wanted_down = name_of(member) in self.wanted_down and not member.leaving
        return seen._replace(seen=Seen.WANTED_DOWN) if wanted_down else seen

    def carry_out(self, member: Member) -> Failure | None:
        process = self.processes[name_of(member)]
        if member.order is Order.RETIRE:
            assert member.old is not None
            old = self.processes[name_of(member.old)]
            trouble = old.stop(self.now) if old.pid else ''
            return Failure(Code.STOP_FAILED, trouble) if trouble else None
        if member.order is Order.START:
            process.backoff = 0
            trouble = process.spawn(self.now)
            return Failure(Code.START_FAILED, trouble) if trouble else None
        obstacle = self.obstacle(member)
        if obstacle is not None and member.goal is not Goal.STOP:
            return obstacle
        if member.order is Order.SIGNAL:
            trouble = process.signal(self.now)
            return Failure(Code.STOP_FAILED, trouble) if trouble else None
        trouble = process.stop(self.now)
        return Failure(Code.STOP_FAILED, trouble) if trouble else None

    def surge(self, member: Member) -> tuple[Failure | None, Member | None]:
        """Start another process beside that of the member, whose name it takes."""
        name = name_of(member)
        old = self.processes[name]
        new = old.another(self.now)
        trouble = new.spawn(self.now)
        if trouble:
            return Failure(Code.START_FAILED, trouble), None
        self.processes[name] = new
        return None, self._lay_aside(member, old, 'old')

    def restore(self, member: Member) -> Member | None:
        """Give the old process its name again, and stop the new one."""
        name = name_of(member)
        assert member.old is not None
        new, old = self.processes[name], self.processes.pop(name_of(member.old))
        old.aside, self.processes[name] = False, old
        if new.state not in DOWN:
            new.stop(self.now)
        return self._lay_aside(member, new, 'new') if new.pid else None

    def _lay_aside(self, member: Member, process: Process, suffix: str) -> Member:
        name, number = f'{member.name}.{suffix}', 1
        while f'{member.group}:{name}' in self.processes:
            number += 1
            name = f'{member.name}.{suffix}{number}'
        self.processes[f'{member.group}:{name}'], process.aside = process, True
        return Member(Match(member.group, name, False, False))

    def alive(self, group: str) -> dict[str, list[Process]]:
        """The processes of each name in the group that are up, or stopping: those that lie aside are
        the first.
        """
        found: dict[str, list[Process]] = {}
        for name, process in self.processes.items():
            its_group, _, process_name = name.partition(':')
            if its_group == group and process.pid and name not in self.dropped:
                own = found.setdefault(process_name.partition('.')[0], [])
                own.insert(0, process) if process.aside else own.append(process)
        return found

    def obstacle(self, member: Member) -> Failure | None:
        name = name_of(member)
        obstacle = self.next.get(name, self.processes[name].program).obstacle
        return Failure(Code.START_FAILED, f'left as it is: {obstacle}') if obstacle else None

    def put(self, member: Member) -> None:
        """Have it run another program, as soon as it is down and before anybody can start it."""
        process, program = self.processes[name_of(member)], self.next.get(name_of(member))
        in_hand = member.phase in (Phase.DUE, Phase.STOPPING, Phase.STOPPED)
        down = process.state in DOWN and not process.pid
        if in_hand and down and program is not None and program is not process.program:
            process.become(program)

    # -- what other clients do

    def others_stop(self, name: str, heeded: bool = True) -> None:
        """supervisorctl stop: heeded, also if the process is down for the moment."""
        if heeded:
            self.wanted_down.add(name)
        if self.processes[name].state in (Seen.STARTING, Seen.RUNNING, Seen.BACKOFF):
            self.processes[name].stop(self.now)

    def others_start(self, name: str) -> None:
        """supervisorctl start."""
        if self.processes[name].state not in UP | {Seen.BACKOFF, Seen.UNKNOWN}:
            self.processes[name].spawn(self.now)


def name_of(member: Member) -> str:
    return f'{member.group}:{member.name}'


class Entry(NamedTuple):
    """An order that was carried out, and the operation's state at that moment."""

    seconds: float
    order: str
    name: str
    halted: bool  # after a timeout, a cancel or, with on_failure = abort, a failure


class Drive:
    """supervisord's loop with one operation on it. At every change it checks what always holds.

    new: the program that a process is to run from its start on, by its name; on the way back it is
    the one that it had before. added: the processes that were not there before.

    The operation is told which processes have changed. If `doubting`, a copy of it looks at all of
    them in each turn, and has to come to the same.
    """

    doubting = False

    def __init__(
        self,
        world: World,
        operation: Operation,
        orders_per_turn: int | None = None,
        new: Mapping[str, Program] | None = None,
        added: Sequence[str] = (),
    ) -> None:
        self.world, self.operation, self.orders_per_turn = world, operation, orders_per_turn
        self.added = added
        self.old = {name: world.processes[name].program for name in new or {}}
        world.next = dict(new or {})
        self.log: list[Entry] = []
        self.turns = 0
        self._actions: list[tuple[float, Callable[[], object]]] = []
        self._next = world.now
        self.commands: dict[Member, Command] = {}
        self._promise: tuple[float, list[Observation | None]] | None = None
        self._seen: dict[Member, Observation | None] = {}
        self._onlookers = Onlookers(operation)
        for member in operation.members:
            member.surges = bool(operation.options.max_surge) and self._program(member).surge
        self._heed_hooks()

    def at(self, seconds: float, action: Callable[[], object]) -> Drive:
        """Have something done so many seconds after the beginning of the test."""
        self._actions.append((BEGINNING + seconds, action))
        self._next = min(self._next, BEGINNING + seconds)
        return self

    def begin(self) -> Drive:
        self._checked(lambda: self.operation.begin(self.world.now, self.world.look))
        self._changed()
        self._onlookers.count(self.world.now)
        for member in self.operation.to_be_stopped():
            failure = self.world.obstacle(member)
            if failure is not None:
                self._checked(functools.partial(self.operation.foreseen, member, failure))
        self._put()
        return self

    def to(self, seconds: float) -> Drive:
        """Run until so many seconds after the beginning."""
        until = BEGINNING + seconds
        while self._next <= until:
            self.world.now = self._next
            self._turn()
        self.world.now = until
        return self

    def end(self) -> Operation:
        """Run until the operation has finished."""
        while not self.operation.finished:
            if self._next > BEGINNING + LONGEST or self.turns > MOST_TURNS:
                raise AssertionError(f'hangs: {phases(self.operation)}')
            self.world.now = max(self.world.now, self._next)
            self._turn()
        self._mind_commands()
        self._onlookers.conclude()
        return self.operation

    def entries(self, order: str) -> dict[str, float]:
        """When (seconds, rounded) each process was stopped or started by the operation."""
        return {entry.name: round(entry.seconds, 2) for entry in self.log if entry.order == order}

    def _program(self, member: Member) -> Program:
        return self.world.processes[name_of(member)].program

    def _heed_hooks(self) -> None:
        operation = self.operation
        if operation.goal is Goal.RESTART and not operation.options.signal:
            for member in operation.members:
                program = self._program(member)
                member.before_stop = bool(program.before_stop)
                member.after_ready = bool(program.after_ready)

    @property
    def halted(self) -> bool:
        """Whether nothing further may be taken down, as can be told from outside."""
        operation = self.operation
        aborting = operation.options.on_failure == 'abort' and operation.goal is Goal.RESTART
        return operation.state in (State.TIMED_OUT, State.CANCELLED) or (
            aborting and any(member.phase is Phase.FAILED for member in operation.members)
        )

    def _turn(self) -> None:
        world, operation, before = self.world, self.operation, self.operation.version
        self.turns += 1
        for action in [action for at, action in self._actions if at <= world.now]:
            self._checked(action)
            self._promise = None
        self._actions = [(at, action) for at, action in self._actions if at > world.now]
        world.turn()
        over = operation.finished
        self._mind_commands()
        if self._promise is None or self._promise[0] <= world.now:
            self._step()
        else:
            self._check_the_promise(self._promise[1])
        if not over:
            self._onlookers.count(world.now)
        if operation.turning:
            self._turn_back()
        self._put()
        self._drop()
        self._mind_commands()
        self._check_who_is_there_twice()
        rest = False
        for number, member in enumerate(operation.orders()):
            rest = number == self.orders_per_turn
            if rest:
                break
            self._carry_out(member)
        soon = rest or operation.version != before
        wake_at = operation.wake_at()
        self._promise = None if soon else (wake_at or math.inf, self._looks())
        self._next = self._wake_at(world.now + MOMENT if soon else world.now + SECOND)

    def _step(self) -> None:
        operation, now, look = self.operation, self.world.now, self.world.look
        doubter = copy.deepcopy(operation) if self.doubting else None
        changed = self._changed()
        self._checked(lambda: operation.step(now, look, changed))
        if doubter is not None:
            doubter.step(now, look)
            assert visible(doubter) == visible(operation), 'a change was passed over'
            assert ordered(doubter) == ordered(operation)
            assert doubter.wake_at() == operation.wake_at()

    def _changed(self) -> set[Member]:
        """The processes of which something else is seen than last time."""
        before, operation = self._seen, self.operation
        self._seen = {m: self.world.look(m) for m in operation.members + operation.neighbours}
        return {m for m, seen in self._seen.items() if m not in before or before[m] != seen}

    def _turn_back(self) -> None:
        """Have run as before what was stopped or started, and have gone what was not there."""
        operation = self.operation
        touched = {entry.name for entry in self.log if entry.order in ('stop', 'start')}
        undone = [member for member in operation.members if name_of(member) in self.added]
        restored = [member for member in operation.members if name_of(member) in touched]
        restored = [member for member in restored if member not in undone]
        self.world.next = self.old
        act = functools.partial(operation.turn_back, restored, undone)
        self._checked(lambda: act(self.world.now, self.world.look))
        orders = {member.order for member in operation.orders() if member.phase not in ON_RETURN}
        assert not orders, 'an order of the way there'

    def _put(self) -> None:
        for member in self.operation.members if self.world.next else ():
            self.world.put(member)
        self._heed_hooks()

    def _drop(self) -> None:
        """Take out of their groups the processes that are to be gone, and are down."""
        for member in self.operation.members:
            to_go = member.leaving and (self.operation.committed or member.reverted)
            if to_go and member.settled and not self.world.processes[name_of(member)].pid:
                self.world.dropped.add(name_of(member))

    def _carry_out(self, member: Member) -> None:
        assert member.order is not None
        seconds = self.world.now - BEGINNING
        self.log.append(Entry(seconds, member.order.value, name_of(member), self.halted))
        aside = None
        if member.order in OF_ORDERS:
            failure = self._begin_command(member, OF_ORDERS[member.order])
        elif member.order is Order.SURGE:
            failure, aside = self.world.surge(member)
        elif member.order is Order.RESTORE:
            failure, aside = None, self.world.restore(member)
        else:
            failure = self.world.carry_out(member)
        pid, now = self.world.processes[name_of(member)].pid, self.world.now
        self._checked(lambda: self.operation.performed(member, now, failure, pid, aside))
        self._put()

    def _begin_command(self, member: Member, hook: Hook) -> Failure | None:
        """Run a command of the program's own, for a process that is there."""
        former = self.commands.pop(member, None)  # which is killed
        assert former is None or member.hook is not former.hook
        concerned = member.old if member.old and hook is Hook.BEFORE_STOP else member
        command = self.world.processes[name_of(concerned)].run(hook, self.world.now)
        if isinstance(command, str):
            return Failure(CODES[hook], command)
        self.commands[member] = command
        return None

    def _mind_commands(self) -> None:
        """Tell the operation what has ended, and kill what is not to run any more."""
        for member, command in list(self.commands.items()):
            if member.hook is not command.hook:
                del self.commands[member]
            elif command.ends_at <= self.world.now:
                del self.commands[member]
                self._promise = None
                end = functools.partial(self.operation.hook_ended, member, command.why)
                self._checked(functools.partial(end, self.world.now))

    def _check_who_is_there_twice(self) -> None:
        """Never more than max_surge of a group, but for old ones that are being stopped."""
        operation = self.operation
        for group in {member.group for member in operation.members if member.surges}:
            there = self.world.alive(group)
            size = sum(name.startswith(f'{group}:') for name in self.world.processes)
            size -= sum(
                one.aside
                for name, one in self.world.processes.items()
                if name.startswith(f'{group}:')
            )
            twice = [
                own
                for own in there.values()
                if len(own) > 1 and own[0].state in (Seen.STARTING, Seen.RUNNING)
            ]
            assert len(twice) <= operation.options.surging(size)
        for member in () if operation.finished else operation.members:
            assert not member.serving or any(
                one.observe(self.world.now).seen is Seen.READY
                for one in self.world.alive(member.group).get(member.name, ())
            ), f'{member.name} is not served'

    def _wake_at(self, latest: float) -> float:
        exits = [
            process.exits_at
            for process in self.world.processes.values()
            if process.exits_at is not None
        ]
        wake_at = self.operation.wake_at()
        probes = [
            process.ready_at
            for process in self.world.processes.values()
            if process.ready_at is not None and process.ready_at > self.world.now
        ]
        probes += [process.answers_at for process in self.world.processes.values()]
        times = [
            latest,
            *exits,
            *(command.ends_at for command in self.commands.values()),
            *(at for at in probes if at > self.world.now),
            *(at for at, _ in self._actions),
            *([] if wake_at is None else [wake_at]),
        ]
        return max(min(times), self.world.now + MOMENT)

    def _checked(self, act: Callable[[], object]) -> None:
        operation = self.operation
        before, version, finished = visible(operation), operation.version, operation.finished
        back = operation.back
        kept = [member for member in operation.members if member.phase is Phase.KEPT]
        act()
        assert operation.version >= version
        assert operation.version > version or visible(operation) == before, (
            'a change without a new version'
        )
        assert not finished or (operation.finished and visible(operation) == before), (
            'a change after the end'
        )
        self._check_the_ledger()
        self._onlookers.look(self.world.now)
        assert operation.finished or operation.state not in (State.SUCCEEDED, State.ROLLED_BACK)
        assert not operation.turning or (operation.why and not list(operation.orders()))
        assert operation.back == back or not back, 'turned back twice'
        for member in kept:
            self._check_what_is_left_alone(member)
        if operation.finished and not finished:
            self._check_the_word()
        assert operation.done + len(operation.failures) <= len(operation.members)
        assert not operation.finished or all(
            member.order is None and member.hook is None and member.old is None
            for member in operation.members
        )
        for member in operation.members:
            assert member.phase is not Phase.FAILED or (member.failed and member.errors)

    def _check_the_ledger(self) -> None:
        """It says of each member what can be seen of it."""
        members, ledger = self.operation.members, self.operation.ledger
        ledger.update()
        assert ledger.unsettled == {member for member in members if not member.settled}
        assert ledger.waiting == {member for member in members if member.phase is Phase.WAITING}
        assert ledger.unordered == {member for member in members if not is_ordered(member)}
        serving = Counter(m.group for m in members if m.serving and not m.leaving)
        assert +ledger.serving == serving
        assert self.operation.turning or ordered(self.operation) == [
            member.match
            for starting in (True, False)
            for member in members
            if member.order is not None and (member.order is Order.START) is starting
        ]

    def _check_what_is_left_alone(self, member: Member) -> None:
        """One that is left alone is not called good before its probe has called it ready."""
        cut_short = self.operation.state in (State.TIMED_OUT, State.CANCELLED)
        if member.phase is Phase.SKIPPED and member.code is None and not cut_short:
            seen = self.world.processes[name_of(member)].observe(self.world.now)
            assert seen.seen in (Seen.READY, Seen.EXITED)
            assert seen.confirmed

    def _looks(self) -> list[Observation | None]:
        operation = self.operation
        members = operation.members + operation.neighbours + operation.asides
        return [self.world.look(member) for member in members]

    def _check_the_promise(self, looks: list[Observation | None]) -> None:
        """A step does nothing before wake_at(), unless something has happened to a process."""
        version, same = self.operation.version, self._looks() == looks
        self._step()
        assert not same or self.operation.version == version, 'wake_at() came too late'

    def _check_the_word(self) -> None:
        """What is said at the end is true at the end."""
        for member in self.operation.members:
            seen = member.observed.seen
            if member.group in self.world.removed:
                continue
            if member.goal is Goal.STOP:
                gone = member.leaving and member.settled and not member.error
                assert not gone or seen in DOWN
                continue
            assert member.phase is not Phase.READY or seen is Seen.READY, seen
            assert member.phase is not Phase.ENDED or seen not in UP, seen
            if self.operation.state is State.SUCCEEDED and member.phase not in (
                Phase.SKIPPED,
                Phase.TAKEN,
            ):
                assert seen in (Seen.READY, Seen.EXITED) or member.phase is Phase.ENDED


def ordered(operation: Operation) -> list[Match]:
    """Whose orders are to be carried out, in this order."""
    return [member.match for member in operation.orders()]


def visible(operation: Operation) -> list[object]:
    """What clients are shown of an operation."""
    return [
        operation.state,
        operation.finished,
        operation.done,
        len(operation.failures),
        operation.why,
        operation.ready,
        operation.lowest_ready,
        operation.allowed,
        operation.old_stopping,
        [process_struct(operation, member) for member in operation.members],
    ]


def phases(operation: Operation) -> dict[str, str]:
    return {member.name: member.phase.value for member in operation.members}


def group(
    world: World,
    *names: str,
    timeout: float | None = None,
    goal: Goal = Goal.RESTART,
    outright: bool = True,
    **options: object,
) -> Drive:
    """An operation on everything in the world, begun; `names` are running processes to be added first.
    Options are those of a call, with no limit unless a timeout is given.
    """
    for name in names:
        world.add(name)
    options = {'scout': 0.0, **options}  # tests that are not about it need not wait for it
    operation = Operation(
        world.members(outright),
        Options(timeout=timeout, **options),  # type: ignore[arg-type]
        deadline=None if timeout is None else world.now + timeout,
        goal=goal,
    )
    return Drive(world, operation).begin()


def applied(
    world: World,
    new: Mapping[str, Program],
    added: Sequence[str] = (),
    leaving: Sequence[str] = (),
    timeout: float | None = None,
    reversible: bool = True,
    refused: Mapping[str, str] | None = None,
    **options: object,
) -> Drive:
    """An operation that gives processes another program, begun.

    new: what each runs from its start on; the others of the world do not take part, but those that
    are `leaving`. added: those that were not there before.
    """
    options = {'scout': 0.0, 'max_unavailable': 1, 'ready_timeout': 5.0, **options}
    members = [member for member in world.members() if name_of(member) in {*new, *leaving}]
    for member in members:
        member.leaving = name_of(member) in leaving
        member.refused = (refused or {}).get(name_of(member), '')
    operation = Operation(
        members,
        Options(timeout=timeout, **options),  # type: ignore[arg-type]
        [member for member in world.members() if name_of(member) not in {*new, *leaving}],
        deadline=None if timeout is None else world.now + timeout,
        reversible=reversible,
        discounting=True,
    )
    return Drive(world, operation, new=new, added=added).begin()
