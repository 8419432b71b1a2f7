"""Supervisor's processes, looked at: nothing here changes anything. What changes them is in
actions.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from supervisor.datatypes import RestartUnconditionally
from supervisor.options import EventListenerConfig, FastCGIProcessConfig
from supervisor.states import ProcessStates, getProcessStateDescription

from supervisor_restarter.commands import HOOK_VARIABLES, parse_command
from supervisor_restarter.configuration.plan import ProcessState
from supervisor_restarter.engine.member import Failure, Member, Observation
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.engine.policy import said_by, unheard
from supervisor_restarter.engine.survey import Candidate
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.programs.asides import is_aside, residents
from supervisor_restarter.programs.host import (
    ProcessConfig,
    ProcessGroup,
    SharedSocket,
    Subprocess,
    Supervisor,
)
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.readiness.monitor import ReadinessMonitor
from supervisor_restarter.readiness.spec import Spec, parse
from supervisor_restarter.server.obituary import Obituary
from supervisor_restarter.server.starts import started_at
from supervisor_restarter.text import printable

SEEN = {
    ProcessStates.STOPPED: Seen.STOPPED,
    ProcessStates.STARTING: Seen.STARTING,
    ProcessStates.RUNNING: Seen.READY,  # unless its probe says otherwise; see monitor.py
    ProcessStates.BACKOFF: Seen.BACKOFF,
    ProcessStates.STOPPING: Seen.STOPPING,
    ProcessStates.EXITED: Seen.EXITED,
    ProcessStates.FATAL: Seen.FATAL,
    ProcessStates.UNKNOWN: Seen.UNKNOWN,
}
# A process older than this (seconds) has surely become its program.
YOUNG = 10.0
# A process that was sent a signal counts as ready again only after its startsecs, or so many
# seconds: to die of it takes a moment.
TIME_TO_DIE = 0.2
# Seconds: supervisord's transition() wants *more* than startsecs to have passed.
JUST_AFTER = 0.001
# Asked again and again about the same programs; see readiness().
_parsed = lru_cache(maxsize=4096)(parse)


@dataclass(eq=False)
class Handle:
    """A process that a job holds: Supervisor's objects, and what has to be put back after.

    config: the process's own, while a copy with another stopwaitsecs stands in. signalled_at: when
    (monotonic) it was sent a signal that it should survive. monitor: what asks its probe, if it has
    one. seen: what was seen of it in this turn, None if its group was removed or replaced. looks,
    observation: what it looked like when something happened to it last, and what that means.
    """

    group: ProcessGroup
    process: Subprocess
    config: ProcessConfig
    obituary: Obituary | None = None
    signalled_at: float | None = None
    monitor: ReadinessMonitor | None = None
    seen: Observation | None = None
    looks: tuple[object, ...] = ()
    observation: Observation = Observation(Seen.UNKNOWN)

    def differs(self, process: Subprocess) -> bool:
        """Whether the process, or its group, is another one by now."""
        return self.process is not process or self.group is not process.group


def looks_of(process: Subprocess) -> tuple[object, ...]:
    """What changes whenever something happens to a Subprocess."""
    return process.state, process.pid, process.exitstatus, process.laststart, process.delay


class Processes:
    """The processes of one supervisord, as its own objects show them."""

    def __init__(self, supervisord: Supervisor) -> None:
        self._supervisord = supervisord

    # -- all of them -------------------------------------------------------------------------

    def groups(self) -> dict[str, list[str]]:
        """The names of all process groups and of the processes in each."""
        return {
            name: list(residents(group)) for name, group in self._supervisord.process_groups.items()
        }

    def others(self, groups: Iterable[str], matches: Iterable[Match]) -> list[Match]:
        """The processes of the groups that are not among the matches."""
        known = {match.key for match in matches}
        return [
            Match(group, name, False, False)
            for group in groups
            for name in residents(self._supervisord.process_groups[group])
            if (group, name) not in known
        ]

    def pids(self) -> Iterable[int]:
        """The pids of all processes that supervisord has started."""
        return list(self._supervisord.options.pidhistory)

    def priority(self, match: Match) -> tuple[int, int]:
        """Priority of the group and of the process; the lower ones come first."""
        group = self._supervisord.process_groups[match.group]
        return group.config.priority, group.processes[match.name].config.priority

    def hold(self, match: Match) -> Handle:
        """A handle on the process; KeyError if there is none."""
        group = self._supervisord.process_groups[match.group]
        process = group.processes[match.name]
        return self._handle(group, process)

    @staticmethod
    def hold_this(process: Subprocess) -> Handle:
        """A handle on a process that is in its group."""
        assert process.group is not None
        return Processes._handle(process.group, process)

    @staticmethod
    def _handle(group: ProcessGroup, process: Subprocess) -> Handle:
        return Handle(group, process, getattr(process.config, 'restarter_original', process.config))

    def find(self, group: str, name: str) -> Subprocess | None:
        """The process of that name, None if there is none."""
        there = self._supervisord.process_groups.get(group)
        return residents(there).get(name) if there is not None else None

    def state(self, group: str, name: str) -> ProcessState:
        """How the process is; KeyError if there is none."""
        handle = self.hold(Match(group, name, False, False))
        observed = self.observe(handle)
        return ProcessState(observed.seen, self.state_name(handle), observed.pid)

    # -- how one is --------------------------------------------------------------------------

    def is_there(self, handle: Handle) -> bool:
        """Whether neither the process nor its group was removed or replaced. What lies aside leaves
        its group by itself when it has exited.
        """
        group, process = handle.group, handle.process
        if self._supervisord.process_groups.get(group.config.name) is not group:
            return False
        if is_aside(process) and not process.pid:
            return True
        return group.processes.get(process.config.name) is process

    def is_as_seen(self, handle: Handle) -> bool:
        """Whether nothing has happened to the process since it was attended to."""
        return self.is_there(handle) and looks_of(handle.process) == handle.looks

    def observe(self, handle: Handle) -> Observation:
        """What Supervisor's objects say of the process now. What its probe says is not in it."""
        process, obituary = handle.process, handle.obituary
        seen, due = SEEN.get(process.state, Seen.UNKNOWN), None
        if seen is Seen.EXITED and (
            process.exitstatus not in process.config.exitcodes
            or process.config.autorestart is RestartUnconditionally
        ):
            seen = Seen.EXITED_BADLY
        elif seen is Seen.BACKOFF and is_aside(process):
            seen = Seen.EXITED_BADLY  # it is not tried again
        elif seen is Seen.STARTING:
            due = _monotonic(process.laststart + process.config.startsecs)
        elif seen is Seen.STOPPING:
            kill_at = None if obituary is None else obituary.kill_at
            if kill_at is None or process.delay == kill_at:
                due = _monotonic(process.delay)
            # Else SIGKILL has not ended it at once, and a second more or less does not matter.
        elif seen is Seen.READY and handle.signalled_at is not None:
            survived = handle.signalled_at + max(TIME_TO_DIE, process.config.startsecs)
            if time.monotonic() < survived:
                seen, due = Seen.RUNNING, survived
        why = self._why(handle) if seen is Seen.UNKNOWN or not process.pid else ''
        ended_at = None if obituary is None else obituary.ended_at
        killed = obituary is not None and obituary.killed
        return Observation(seen, process.pid, why, due, ended_at, killed=killed)

    @staticmethod
    def has_execed(handle: Handle) -> bool:
        """Whether the process can be sent a signal: False for a few milliseconds after its start.

        Between fork and exec a child of supervisord runs supervisord's own signal handlers: a stop
        signal that arrives then is swallowed, and the process would run on until its SIGKILL.
        """
        process = handle.process
        if not process.pid or not 0 <= time.time() - process.laststart < YOUNG:
            return True
        if getattr(process, 'restarter_execed', None) == (process.pid, process.laststart):
            return True
        try:
            with (
                open(f'/proc/{process.pid}/cmdline', 'rb') as its,
                open('/proc/self/cmdline', 'rb') as ours,
            ):
                return its.read() != ours.read()
        except OSError:
            return True  # no /proc, or the process is gone

    @staticmethod
    def is_up(handle: Handle) -> bool:
        """Whether the process is STARTING or RUNNING."""
        return handle.process.state in (ProcessStates.STARTING, ProcessStates.RUNNING)

    @staticmethod
    def state_name(handle: Handle) -> str:
        """Supervisor's name for the state that the process is in."""
        return getProcessStateDescription(handle.process.state) or 'UNKNOWN'

    @staticmethod
    def _why(handle: Handle) -> str:
        process = handle.process
        status = handle.obituary.status if handle.obituary else ''
        if not status and process.exitstatus == -1:
            status = 'terminated by a signal'
        elif not status and process.exitstatus is not None:
            status = f'exit status {process.exitstatus}'
        parts = [status, printable(process.spawnerr or ''), f'state {Processes.state_name(handle)}']
        return '; '.join(filter(None, parts))

    # -- what its program says ---------------------------------------------------------------

    @staticmethod
    def stopwaitsecs(handle: Handle) -> float:
        """Seconds that the program has from its stop signal to SIGKILL."""
        return float(handle.config.stopwaitsecs)

    @staticmethod
    def readiness(config: ProcessConfig) -> Spec | None:
        """What makes a process ready, as RESTARTER_READY in its environment says; None: that it is
        RUNNING.

        ValueError with one line if it says nothing that makes sense.
        """
        text = (config.environment or {}).get('RESTARTER_READY')
        if text is None:
            return None
        try:
            return _parsed(text)
        except ValueError as error:
            raise ValueError(f'RESTARTER_READY = {error}') from None

    @staticmethod
    def hook(config: ProcessConfig, purpose: str) -> tuple[str, ...]:
        """The words of the command that the program gives for this purpose (of HOOK_VARIABLES), ()
        if it gives none.

        ValueError with one line if it is none that makes sense.
        """
        variable = HOOK_VARIABLES[purpose]
        text = (config.environment or {}).get(variable)
        return () if text is None else parse_command(variable, text)

    @staticmethod
    def malformed(config: ProcessConfig) -> str:
        """What is wrong with what a program says of its restarts in its environment, '' if nothing
        is.
        """
        try:
            Processes.readiness(config)
            said_by(config.environment)
            for purpose in HOOK_VARIABLES:
                Processes.hook(config, purpose)
        except ValueError as error:
            return str(error)
        return ''

    @staticmethod
    def troubles(config: ProcessConfig) -> list[str]:
        """As malformed(), and what its program says in vain."""
        return [*filter(None, (Processes.malformed(config), unheard(config.environment)))]

    @staticmethod
    def is_of_another_user(config: ProcessConfig) -> bool:
        """Whether the process runs, or will run, as another user than supervisord."""
        return config.uid not in (None, os.getuid())

    def candidate(
        self,
        member: Member,
        handle: Handle,
        obstacles: Obstacles | None = None,
        dated: bool = False,
    ) -> Candidate:
        """The process as a plan wants to know it, which the member tells from then on; without
        `obstacles`, what only the disk knows is left out. dated: with the time of its start, which
        the member is told, too.
        """
        member.observed = self.observe(handle)
        process = handle.process
        started = started_at(process.pid, process.laststart) if dated else 0.0
        if dated:
            member.up_since = time.monotonic() - (time.time() - started)
        return self._described(handle.config, Candidate(member))._replace(
            state=self.state_name(handle),
            obstacle=obstacles.of(process) if obstacles is not None else '',
            started_at=started,
        )

    def prospect(
        self, member: Member, config: ProcessConfig, process: Subprocess | None
    ) -> Candidate:
        """The process as it will be with this configuration. process: as it is now, None if it is
        not there yet.
        """
        member.observed = Observation(Seen.STOPPED)
        if process is not None:
            member.observed = self.observe(self.hold_this(process))
        return self._described(config, Candidate(member))

    def _described(self, config: ProcessConfig, candidate: Candidate) -> Candidate:
        """... with what its configuration says."""
        malformed, listener = self.malformed(config), isinstance(config, EventListenerConfig)
        said = {} if malformed else said_by(config.environment)
        hooks = () if malformed else HOOK_VARIABLES
        spec = None if malformed else self.readiness(config)
        return candidate._replace(
            malformed=malformed,
            unheard=unheard(config.environment),
            probed=spec is not None,
            # That it listens itself is looked up; what it says is not.
            either_answers=spec is not None and spec.kind.startswith('http'),
            said=said,
            hooks=tuple(purpose for purpose in hooks if self.hook(config, purpose)),
            surge=said.get('surge', isinstance(config, FastCGIProcessConfig)) and not listener,
            listener=listener,
            restarts=config.autorestart is not False,
            startsecs=config.startsecs,
            stopwaitsecs=config.stopwaitsecs,
        )

    @staticmethod
    def shared_socket(handle: Handle) -> SharedSocket | None:
        """A reference to the listening socket that the processes of an [fcgi-program:x] share; it
        stays open as long as the reference lives. None where there is no such socket, or it is not
        open.
        """
        manager = getattr(handle.group, 'socket_manager', None)
        return manager.get_socket() if manager is not None and manager.is_prepared() else None

    @staticmethod
    def obstacle(handle: Handle, obstacles: Obstacles) -> Failure | None:
        """Failure START_FAILED if the process, once stopped, could not be started again."""
        why = obstacles.of(handle.process)
        text = f'left as it is, for it could not be started again: {why}'
        return Failure(Code.START_FAILED, text) if why else None


def _monotonic(wall: float) -> float:
    return time.monotonic() + max(0.0, wall - time.time()) + JUST_AFTER
