"""A whole Service in the simulated world: real jobs, intake, driver, resources and engine, on
processes of world.py and a clock that the test advances.

Simulation takes the turns of supervisord's loop in their order: what clients ask for, transitions,
exits, then clients that wait, then the service. Between turns it sleeps for as long as the service
lets it, until a child's exit, or for supervisord's own second. Everything is deterministic.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Callable

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.member import Failure, Hook, Member, Observation
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.engine.survey import Candidate
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from supervisor_restarter.server.changeover import Means
from supervisor_restarter.server.clock import Clock
from supervisor_restarter.server.driver import Driver
from supervisor_restarter.server.intake import Intake
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.jobs import Jobs
from supervisor_restarter.server.journal import Journal
from supervisor_restarter.server.pacing import Pacing
from supervisor_restarter.server.processes import Handle
from supervisor_restarter.server.request import Call, Request, Selection
from supervisor_restarter.server.resources import Resources
from supervisor_restarter.server.service import Parts, Service
from tests.onlooker import Follower
from tests.world import BEGINNING, LONGEST, MOMENT, SECOND, Command, Process, Program, World

WALL = 1_700_000_000.0 - BEGINNING  # what the wall clock is ahead of the monotonic one
UP = (Seen.STARTING, Seen.RUNNING)


class Defect(Exception):
    """An error of ours."""


class Breakable:
    """A part of which one method raises at its so-many-th call; `calls` counts all of them."""

    def __init__(self, part: Any) -> None:
        self.part = part
        self.calls: dict[str, int] = {}
        self.breaks: dict[str, range] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.part, name)

        @functools.wraps(method)
        def call(*args: Any) -> Any:
            number = self.calls[name] = self.calls.get(name, 0) + 1
            if number in self.breaks.get(name, ()):
                raise Defect(f'a defect in {name}')
            return method(*args)

        return call


class SimulatedProcesses:
    """Processes, of world.py instead of Supervisor's. said: what the programs of a group say of
    their restarts. young: until when (seconds) a process has not become its program, by its pid.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: dict[str, dict[str, Any]] = {}
        self.malformed_groups: dict[str, str] = {}
        self.young: dict[int, float] = {}
        self.sockets: dict[str, object] = {}

    def groups(self) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for group, _, name in (key.partition(':') for key in self.world.processes):
            if group not in self.world.removed:
                groups.setdefault(group, []).append(name)
        return groups

    def others(self, groups: Iterable[str], matches: Iterable[Match]) -> list[Match]:
        known, there = {match.key for match in matches}, self.groups()
        return [Match(g, n, False, False) for g in groups for n in there[g] if (g, n) not in known]

    def pids(self) -> list[int]:
        return [process.pid for process in self.world.processes.values()]

    def priority(self, match: Match) -> tuple[int, int]:
        return 999, 999

    def hold(self, match: Any) -> Handle:
        process: Any = self.world.processes[f'{match.group}:{match.name}']
        config: Any = SimpleNamespace(of_group=match.group, of=process)
        return Handle(match, process, config)

    def is_there(self, handle: Any) -> bool:
        match = handle.group
        there = self.world.processes.get(f'{match.group}:{match.name}') is handle.process
        return there and match.group not in self.world.removed

    def is_as_seen(self, handle: Any) -> bool:
        return self.is_there(handle) and looks(handle.process) == handle.looks

    def observe(self, handle: Any) -> Observation:
        return handle.process.observe(self.world.now)

    def has_execed(self, handle: Any) -> bool:
        return self.world.now >= BEGINNING + self.young.get(handle.process.pid, 0.0)

    def is_up(self, handle: Any) -> bool:
        return handle.process.state in UP

    def stopwaitsecs(self, handle: Any) -> float:
        return handle.process.program.stopwaitsecs

    def readiness(self, config: Any) -> None:
        return None

    def hook(self, config: Any, purpose: str) -> tuple[str, ...]:
        return ('command',) if getattr(config.of.program, purpose) else ()

    def troubles(self, config: Any) -> list[str]:
        return list(filter(None, [self.malformed(config)]))

    def malformed(self, config: Any) -> str:
        return self.malformed_groups.get(config.of_group, '')

    def candidate(self, member, handle, obstacles=None, dated=False) -> Candidate:
        member.observed = self.observe(handle)
        said = self.said.get(member.group, {})
        started_at = handle.process.laststart + WALL if dated else 0.0
        member.up_since = handle.process.laststart if dated else 0.0
        malformed = self.malformed(handle.config)
        return Candidate(member, malformed=malformed, said=said, started_at=started_at)

    def shared_socket(self, handle: Any) -> Any:
        return self.sockets.get(handle.group.group)

    def obstacle(self, handle: Any, obstacles: Any) -> Failure | None:
        why = handle.process.program.obstacle
        return Failure(Code.START_FAILED, f'left as it is: {why}') if why else None


def looks(process: Process) -> tuple[Any, ...]:
    return process.state, process.pid, process.laststart, process.delay


class SimulatedActions:
    """Actions, each of which takes `cost` seconds. told: who is called after one, by the name of
    the process, as subscribers to Supervisor's events are.
    """

    def __init__(self, world: World, processes: SimulatedProcesses) -> None:
        self.world, self.processes = world, processes
        self.cost = 0.0
        self.done: list[tuple[float, str, str]] = []
        self.held: set[Handle] = set()
        self.told: dict[str, Callable[[], object]] = {}

    def attend(self, handle: Any, now: float) -> None:
        self.held.add(handle)
        there = self.processes.is_there(handle)
        handle.seen = handle.process.observe(now) if there else None
        handle.looks = looks(handle.process)

    def release(self, handle: Any) -> None:
        self.held.discard(handle)

    def signal_stop(self, handle: Any, stop_timeout: float | None) -> Failure | None:
        return self._act('stop', handle, handle.process.stop, Code.STOP_FAILED)

    def signal(self, handle: Any, name: str) -> Failure | None:
        return self._act('signal', handle, handle.process.signal, Code.STOP_FAILED)

    def start_idle(self, handle: Any, obstacles: Any) -> Failure | None:
        return self.start(handle)

    def start(self, handle: Any) -> Failure | None:
        handle.process.backoff = 0
        return self._act('start', handle, handle.process.spawn, Code.START_FAILED)

    def _act(self, word: str, handle: Any, act: Callable[[float], str], code: Code) -> Any:
        name = f'{handle.group.group}:{handle.group.name}'
        self.done.append((round(self.world.now - BEGINNING, 2), word, name))
        trouble = act(self.world.now)
        self.world.now += self.cost
        self.told.pop(name, lambda: None)()
        return Failure(code, trouble) if trouble else None


class SimulatedCommands:
    """Commands of programs. killed: how many have not ended by themselves."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.running: dict[Member, Command] = {}
        self.killed = 0

    def may_begin(self, member: Member, now: float) -> bool:
        self._kill([member])
        return True

    def begin(self, member: Member, hook: Hook, process: Any, command: tuple[str, ...]) -> str:
        ran = process.run(hook, self.world.now)
        if isinstance(ran, str):
            return ran
        self.running[member] = ran
        return ''

    def mind(self, operation: Operation, now: float) -> None:
        for member, command in list(self.running.items()):
            if member.hook is not command.hook:
                self._kill([member])
            elif command.ends_at <= now:
                del self.running[member]
                operation.hook_ended(member, command.why, now)

    def close(self) -> None:
        self._kill(list(self.running))

    def _kill(self, members: list[Member]) -> None:
        self.killed += len([member for member in members if self.running.pop(member, None)])


class SimulatedPlaces:
    """As many places as jobs want for their commands. jobs: the commands of each of them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.jobs: list[SimulatedCommands] = []

    def shared_by(self, groups: Iterable[str]) -> SimulatedCommands:
        self.jobs.append(SimulatedCommands(self.world))
        return self.jobs[-1]


class SimulatedReactor:
    """short: there are no descriptors left."""

    def __init__(self) -> None:
        self.attached = self.short = self.poked = False
        self.alarms: list[float] = []
        self.pacing = Pacing()

    def attach(self) -> None:
        if self.short and not self.attached:
            raise OSError(24, 'Too many open files')
        self.attached = True

    def detach(self) -> None:
        self.attached = False
        self.alarms.clear()

    def alarm(self, at: float) -> None:
        if self.attached:
            self.alarms.append(at)

    def poke(self) -> None:
        self.poked = True

    def forget_closed(self) -> None:
        pass


class Simulation:
    """supervisord with a Service, and its clients. heed_stops: as in the configuration."""

    def __init__(self, *names: str, history: int = 20, heed_stops: bool = True) -> None:
        self.world = world = World()
        self.processes = Breakable(SimulatedProcesses(world))
        self.actions = Breakable(SimulatedActions(world, self.processes.part))
        self.reactor = SimulatedReactor()
        self.leaving = False
        self.warning = ''
        self.lines: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.on_event: dict[tuple[str, str], Callable[[], object]] = {}
        self.turns = 0
        self._looks: dict[Any, Any] = {}
        self._removed: set[str] = set()
        self.in_each_turn: Callable[[], object] = lambda: None
        self._actions: list[tuple[float, Callable[[], object]]] = []
        self._clients: list[tuple[Callable[[], Any], list[float]]] = []
        self._followers = [Follower(pause) for pause in (1, 4)]
        for name in names:
            world.add(name)
        self.service = self._joined(history, heed_stops)
        self.jobs = self.service._jobs

    def _joined(self, history: int, heed_stops: bool) -> Service:
        clock = Clock(lambda: self.world.now, lambda: self.world.now + WALL)
        log = self.lines.append
        options = SimpleNamespace(logger=SimpleNamespace(info=log, warn=log, critical=log))
        journal = Journal(options, self._announce)
        notify: Any = SimpleNamespace(close=lambda: self.lines.append('the socket is closed'))
        processes: Any = self.processes
        actions: Any = self.actions
        reactor: Any = self.reactor
        plain = Resources(options, processes, actions, notify)
        places: Any = SimulatedPlaces(self.world)
        plain._own, self.commands = places, places.jobs
        resources: Any = Breakable(plain)
        stop_calls = SimpleNamespace(install=lambda: None, remove=lambda: None)
        files: Any = SimpleNamespace(warning=lambda: self.warning)
        jobs = Jobs(history)
        parts: dict[str, Any] = {
            'jobs': jobs,
            'intake': Intake(processes, resources, files, clock),
            'driver': Driver(
                *(processes, actions, resources, reactor, journal, clock),
                Means(processes, actions, resources, jobs, journal),
            ),
            'resources': resources,
            'reactor': reactor,
            'stop_requests': stop_calls if heed_stops else None,
            'journal': journal,
            'leaving': lambda: self.leaving,
            'clock': clock,
            'planner': None,
            'files': files,
            'rollout': None,
        }
        self.resources = resources
        return Service(Parts(**parts))

    def _announce(self, job: Job) -> None:
        event = job.id, job.operation.state.value
        self.events.append(event)
        self.on_event.pop(event, lambda: None)()

    # -- clients -----------------------------------------------------------------------------

    def ask(
        self,
        names: Any,
        goal: Goal = Goal.RESTART,
        call: Call = Call.DETACHED,
        until_ordered: bool = False,
        **options: Any,
    ) -> Job:
        """A request of a client. Options are those of a call; there is no scout unless given."""
        taken = Options(**{'scout': 0.0, **options})
        return self.service.request(Request(goal, Selection(names), taken, call, until_ordered))

    def client(self, ask: Callable[[], Any]) -> list[float]:
        """A client that waits for `ask` to answer, and is asked only when it was poked, but for the
        first time. When (seconds) it got its answer.
        """
        answered = [] if ask() is None else [round(self.world.now - BEGINNING, 2)]
        self._clients.append((ask, answered))
        return answered

    def stop_by_others(self, name: str) -> None:
        """supervisorctl stop: Supervisor stops only what runs; the service hears of it always."""
        group, _, process = name.partition(':')
        if self.reactor.attached:
            self.jobs.heed([(group, process)])
        if self.world.processes[name].state in (*UP, Seen.BACKOFF):
            self.world.processes[name].stop(self.world.now)

    def at(self, seconds: float, action: Callable[[], object]) -> None:
        """Have something happen so many seconds after the beginning."""
        self._actions.append((BEGINNING + seconds, action))

    # -- the loop ----------------------------------------------------------------------------

    def to(self, seconds: float) -> None:
        """Run until so many seconds after the beginning."""
        while self.world.now < BEGINNING + seconds:
            self.world.now = min(self._turn(), BEGINNING + seconds)
        self._turn()

    def end(self) -> float:
        """Run until there is no job any more. The seconds since the beginning."""
        while self.jobs.active or self._actions:
            assert self.world.now < BEGINNING + LONGEST, [job.struct() for job in self.jobs.active]
            self.world.now = self._turn()
        return round(self.world.now - BEGINNING, 2)

    def _turn(self) -> float:
        """One turn of the loop; when the next one is."""
        self.turns += 1
        now = self.world.now
        for due in [pair for pair in self._actions if pair[0] <= now]:
            self._actions.remove(due)
            due[1]()
        self.world.turn()
        if self.reactor.poked:
            self.reactor.poked = False
            for ask, answered in self._clients:
                if not answered and ask() is not None:
                    answered.append(round(now - BEGINNING, 2))
        self._notify()
        wait = self.service.step() if self.reactor.attached else None
        self.in_each_turn()
        for follower in self._followers:
            follower.look(self.service.restarts())
        if any(at <= now for at in self.reactor.alarms):
            self.reactor.alarms = [at for at in self.reactor.alarms if at > now]
            self.reactor.poked = True
        processes = self.world.processes.values()
        times = [now + SECOND, *self.reactor.alarms, *(at for at, _ in self._actions)]
        times += [process.exits_at for process in processes if process.exits_at is not None]
        times += [p.ready_at for p in processes if p.ready_at is not None and p.ready_at > now]
        times += [one.ends_at for own in self.commands for one in own.running.values()]
        if self.reactor.poked:
            times.append(now)
        if wait is not None:
            times.append(now + wait)
        return max(min(times), self.world.now + MOMENT)

    def _notify(self) -> None:
        """As Supervisor's events do it: of each process that has changed, and of groups that went."""
        process: Any
        for process in self.world.processes.values():
            before, self._looks[id(process)] = self._looks.get(id(process)), looks(process)
            if before != self._looks[id(process)]:
                self.jobs.note(process)
        if self._removed != self.world.removed:
            self._removed = set(self.world.removed)
            self.jobs.note_all()

    # -- what is seen ------------------------------------------------------------------------

    def done(self, word: str) -> dict[str, float]:
        """When (seconds) each process was last started, stopped or signalled by a job."""
        return {name: at for at, what, name in self.actions.part.done if what == word}

    def down(self) -> list[str]:
        """The processes that do not run."""
        return [n for n, process in self.world.processes.items() if process.state not in UP]


def slow(seconds: float | None = 1.0, **others: Any) -> Program:
    """A program that takes so long to stop; None: until SIGKILL."""
    return Program(stop_seconds=seconds, **others)
