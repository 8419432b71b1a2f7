"""The only file that touches Supervisor's Subprocess and ProcessGroup objects."""

from __future__ import annotations

import copy
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable

from supervisor.datatypes import RestartUnconditionally, signal_number
from supervisor.options import decode_wait_status
from supervisor.states import ProcessStates, getProcessStateDescription

from supervisor_restarter.engine.member import Failure, Member, Observation
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.engine.policy import said_by
from supervisor_restarter.engine.survey import Candidate
from supervisor_restarter.faults import Code
from supervisor_restarter.names import Match
from supervisor_restarter.programs import fast_spawn
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.readiness.monitor import ReadinessMonitor
from supervisor_restarter.readiness.spec import Spec, parse
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
WATCHED = (ProcessStates.STARTING, ProcessStates.STOPPING)  # how it ends is to be learnt
# A process older than this (seconds) has surely become its program.
YOUNG = 10.0
# A process that was sent a signal counts as ready again only after its startsecs, or so many
# seconds: to die of it takes a moment.
SETTLED = 0.2
# Asked again and again about the same programs; see readiness().
_parsed = lru_cache(maxsize=4096)(parse)
# supervisord's transition() wants *more* than startsecs to have passed
JUST_AFTER = 0.001


class Obituary:
    """Stands in for a Subprocess in supervisord's table of pids, to learn how and when it ended.

    Subprocess.finish() drops the wait status of a process that died too early; without it the
    reason of a failed start would be unknown. Everything else is the process's own.

    kill_at: the wall clock's time at which Supervisor sends SIGKILL, once the process is being
    stopped; killed: it has. config: what is to be the process's config again after its end, while a
    copy stands in for it.
    """

    def __init__(self, process: Any) -> None:
        self.process = process
        self.status = ''
        self.ended_at: float | None = None
        self.kill_at: float | None = None
        self.killed = False
        self.config: Any = None

    def finish(self, pid: int, status: int) -> Any:
        """What supervisord calls when it has reaped `pid`."""
        process = self.process
        self.status = decode_wait_status(status)[1]
        self.ended_at = time.monotonic()
        # With each signal that is to end the process Supervisor puts off the next SIGKILL: it has
        # sent another one.
        again = process.killing and self.kill_at is not None and process.delay > self.kill_at
        self.killed = again and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        try:
            return process.finish(pid, status)
        finally:
            if self.config is not None:
                process.config = self.config

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process, name)


@dataclass(eq=False)
class Handle:
    """A process that a restart holds: Supervisor's objects, and what has to be put back after."""

    group: Any
    process: Any
    config: Any  # the process's own, while a copy with another stopwaitsecs stands in
    obituary: Obituary | None = None
    signalled_at: float | None = None  # monotonic: when it was sent a signal that it should survive
    monitor: ReadinessMonitor | None = None  # its probe, if it has one
    untouched: bool = False  # it is only looked at
    looks: tuple[Any, ...] = ()  # what `observation` was made of
    observation: Observation = Observation(Seen.UNKNOWN)


class Processes:
    """The processes of one supervisord, seen and driven through its own objects."""

    def __init__(self, supervisord: Any, fast: bool = True) -> None:
        self._supervisord = supervisord
        self._spawn = fast_spawn.fast_spawn if fast else fast_spawn.own_spawn

    # -- looking -----------------------------------------------------------------------------

    def groups(self) -> dict[str, list[str]]:
        """The names of all process groups and of the processes in each."""
        return {
            name: list(group.processes) for name, group in self._supervisord.process_groups.items()
        }

    def pids(self) -> Iterable[int]:
        """The pids of all processes that supervisord has started."""
        return list(self._supervisord.options.pidhistory)

    @staticmethod
    def stopwaitsecs(handle: Handle) -> float:
        """Seconds that the program has from its stop signal to SIGKILL."""
        return float(handle.config.stopwaitsecs)

    def priority(self, match: Match) -> tuple[int, int]:
        """Priority of the group and of the process; the lower ones come first."""
        group = self._supervisord.process_groups[match.group]
        return group.config.priority, group.processes[match.name].config.priority

    def hold(self, match: Match) -> Handle:
        """A handle on the process; KeyError if there is none."""
        group = self._supervisord.process_groups[match.group]
        process = group.processes[match.name]
        return Handle(group, process, getattr(process.config, 'restarter_original', process.config))

    def observe(self, handle: Handle) -> Observation | None:
        """What is seen of the process now; None if its group was removed or replaced.

        The same object as last time if nothing has changed since: in a large group that is so for
        nearly all of them in each turn.
        """
        process = handle.process
        if self._supervisord.process_groups.get(handle.group.config.name) is not handle.group:
            return None
        looks = self._looks(process)
        if looks != handle.looks or handle.signalled_at is not None or self._in_motion(handle):
            handle.looks, handle.observation = looks, self._observe(handle)
        return (
            handle.monitor.see(handle.observation, time.monotonic())
            if handle.monitor
            else handle.observation
        )

    def is_as_seen(self, handle: Handle) -> bool:
        """Whether nothing has happened to the process since it was observed last."""
        return (
            self._supervisord.process_groups.get(handle.group.config.name) is handle.group
            and self._looks(handle.process) == handle.looks
        )

    @staticmethod
    def _looks(process: Any) -> tuple[Any, ...]:
        return process.state, process.pid, process.exitstatus, process.laststart, process.delay

    def _in_motion(self, handle: Handle) -> bool:
        # Supervisor's clock may say later than ours that it is time, and another run may have taken
        # its obituary away.
        process, due = handle.process, handle.observation.due
        return process.state in WATCHED and (
            (due is not None and time.monotonic() >= due)
            or self._supervisord.options.pidhistory.get(process.pid) is not handle.obituary
        )

    def _observe(self, handle: Handle) -> Observation:
        process = handle.process
        seen = SEEN.get(process.state, Seen.UNKNOWN)
        if seen is Seen.EXITED and (
            process.exitstatus not in process.config.exitcodes
            or process.config.autorestart is RestartUnconditionally
        ):
            seen = Seen.EXITED_BADLY
        due = None
        if seen is Seen.STARTING:
            due = self._monotonic(process.laststart + process.config.startsecs)
            self._expect_exit(handle)
        elif seen is Seen.STOPPING:
            self._expect_exit(handle)
            kill_at = process.delay if handle.obituary is None else self._kill_at(handle.obituary)
            if (
                process.delay == kill_at
            ):  # what SIGKILL did not end at once is no matter of exactness
                due = self._monotonic(process.delay)
        else:
            if seen is Seen.READY and handle.signalled_at is not None:
                due = handle.signalled_at + max(SETTLED, process.config.startsecs)
                if time.monotonic() < due:
                    seen = Seen.RUNNING
                else:
                    due = None
            if handle.config is not process.config:
                process.config = handle.config  # it has exited: its own stopwaitsecs holds again
            if (
                process.pid
                and self._supervisord.options.pidhistory.get(process.pid) is not handle.obituary
            ):
                # that of a process before: somebody else has started this one
                handle.obituary = None
        ended_at = handle.obituary.ended_at if handle.obituary else None
        why = self._why(handle) if seen is Seen.UNKNOWN or not process.pid else ''
        killed = handle.obituary is not None and handle.obituary.killed
        return Observation(seen, process.pid, why, due, ended_at, killed=killed)

    @staticmethod
    def _kill_at(obituary: Obituary) -> float:
        if obituary.kill_at is None:
            obituary.kill_at = obituary.process.delay
        return float(obituary.kill_at)

    @staticmethod
    def is_up(handle: Handle) -> bool:
        """Whether the process is STARTING or RUNNING."""
        return handle.process.state in (ProcessStates.STARTING, ProcessStates.RUNNING)

    @staticmethod
    def state_name(handle: Handle) -> str:
        """Supervisor's name for the state that the process is in."""
        return getProcessStateDescription(handle.process.state) or 'UNKNOWN'

    def others(self, groups: Iterable[str], matches: Iterable[Match]) -> list[Match]:
        """The processes of the groups that are not among the matches."""
        known = {match.key for match in matches}
        return [
            Match(group, name, False, False)
            for group in groups
            for name in self._supervisord.process_groups[group].processes
            if (group, name) not in known
        ]

    @staticmethod
    def readiness(handle: Handle) -> Spec | None:
        """What makes the process ready, as RESTARTER_READY in its environment says; None: that it
        is RUNNING.

        ValueError with one line if it says nothing that makes sense.
        """
        text = (handle.config.environment or {}).get('RESTARTER_READY')
        if text is None:
            return None
        try:
            return _parsed(text)
        except ValueError as error:
            raise ValueError(f'RESTARTER_READY = {error}') from None

    @staticmethod
    def is_of_another_user(handle: Handle) -> bool:
        """Whether the process runs, or will run, as another user than supervisord."""
        return handle.config.uid not in (None, os.getuid())

    def candidate(self, member: Member, obstacles: Obstacles | None = None) -> Candidate:
        """The process as a plan wants to know it; without `obstacles`, what only the disk knows is
        left out.
        """
        handle = self.hold(member.match)
        handle.untouched = True
        member.observed = self.observe(handle) or Observation(Seen.UNKNOWN)
        config = handle.config
        malformed = self.malformed(handle)
        return Candidate(
            member,
            self.state_name(handle),
            obstacles.of(handle.process) if obstacles is not None else '',
            malformed,
            probed=not malformed and self.readiness(handle) is not None,
            said={} if malformed else said_by(config.environment),
            restarts=config.autorestart is not False,
            startsecs=config.startsecs,
            stopwaitsecs=config.stopwaitsecs,
            stopasgroup=config.stopasgroup,
            command=str(config.command),
        )

    def malformed(self, handle: Handle) -> str:
        """What is wrong with what the program says of its restarts in its environment, '' if
        nothing is.
        """
        try:
            self.readiness(handle)
            said_by(handle.config.environment)
        except ValueError as error:
            return str(error)
        return ''

    @staticmethod
    def shared_socket(handle: Handle) -> Any:
        """A reference to the listening socket that the processes of an [fcgi-program:x] share; it
        stays open as long as the reference lives. None where there is no such socket, or it is not
        open.
        """
        manager = getattr(handle.group, 'socket_manager', None)
        return manager.get_socket() if manager is not None and manager.is_prepared() else None

    @staticmethod
    def obstacle(handle: Handle, obstacles: Obstacles) -> Failure | None:
        """Failure START_FAILED for a process that is to be stopped and could not be started again."""
        why = obstacles.of(handle.process)
        return (
            Failure(Code.START_FAILED, f'left as it is, for it could not be started again: {why}')
            if why
            else None
        )

    @staticmethod
    def _monotonic(wall: float) -> float:
        return time.monotonic() + max(0.0, wall - time.time()) + JUST_AFTER

    @staticmethod
    def _why(handle: Handle) -> str:
        process = handle.process
        status = handle.obituary.status if handle.obituary else ''
        if not status and process.exitstatus is not None:
            status = (
                'terminated by a signal'
                if process.exitstatus == -1
                else f'exit status {process.exitstatus}'
            )
        parts = [part for part in (status, printable(process.spawnerr or '')) if part]
        return '; '.join([*parts, f'state {Processes.state_name(handle)}'])

    # -- doing -------------------------------------------------------------------------------

    def stop(
        self, handle: Handle, stop_timeout: float | None, obstacles: Obstacles
    ) -> Failure | None:
        """Send the stop signal. stop_timeout: seconds until SIGKILL, None: the program's
        stopwaitsecs.

        A process that could not be started again is not stopped; see obstacle().
        """
        return self.obstacle(handle, obstacles) or self.signal_stop(handle, stop_timeout)

    @staticmethod
    def has_execed(handle: Handle) -> bool:
        """Whether the process can be sent a signal: False for a few milliseconds after its start.

        Between fork and exec a child of supervisord runs supervisord's own signal handlers: a stop
        signal that arrives then is swallowed, and the process would run on until its SIGKILL.
        """
        process = handle.process
        if not process.pid or not 0 <= time.time() - process.laststart < YOUNG:
            return True
        try:
            with (
                open(f'/proc/{process.pid}/cmdline', 'rb') as its,
                open('/proc/self/cmdline', 'rb') as ours,
            ):
                return its.read() != ours.read()
        except OSError:
            return True  # no /proc, or the process is gone

    def signal_stop(self, handle: Handle, stop_timeout: float | None) -> Failure | None:
        """As stop(), for a process that is not to be started again."""
        process = handle.process
        self._expect_exit(handle)
        if stop_timeout is not None and process.pid:
            # Supervisor reads stopwaitsecs from the process's config at the stop, at each clock
            # step and nowhere else; the group keeps the original, so that `update` sees no change.
            process.config = copy.copy(handle.config)
            process.config.stopwaitsecs = stop_timeout
            process.config.restarter_original = handle.config
        message = self._guarded('stop', process.stop)
        if handle.obituary is not None and process.killing:
            self._kill_at(handle.obituary)
        return Failure(Code.STOP_FAILED, message) if message else None

    def signal(self, handle: Handle, name: str) -> Failure | None:
        """Send the process a signal ('HUP') that is not meant to end it; Failure STOP_FAILED if
        that fails.
        """
        handle.signalled_at = time.monotonic()
        if handle.monitor:
            handle.monitor.signalled(
                handle.signalled_at
            )  # before the signal: the answer may be there at once
        message = self._guarded('signal', lambda: handle.process.signal(signal_number(name)))
        self._expect_exit(handle)
        return Failure(Code.STOP_FAILED, message) if message else None

    def start_idle(self, handle: Handle, obstacles: Obstacles) -> Failure | None:
        """As start(), for a process that was down before; it is not tried where that would do harm."""
        why = obstacles.harm(handle.process)
        if why:
            return Failure(
                Code.START_FAILED,
                f'not tried, for it cannot be started: {why}; state {self.state_name(handle)}',
            )
        return self.start(handle)

    def start(self, handle: Handle) -> Failure | None:
        """Spawn the process; Failure START_FAILED with the reason if that is not possible."""
        process = handle.process
        process.config = handle.config
        process.backoff = 0  # a new start has all of its startretries
        handle.signalled_at = None
        environment = handle.monitor.environment() if handle.monitor else {}
        if environment:
            # Only this child is to see it: with the config itself changed, `update` would find a
            # difference.
            process.config = copy.copy(handle.config)
            process.config.environment = {**(handle.config.environment or {}), **environment}
            process.config.restarter_original = handle.config
        message = self._guarded('spawn', lambda: self._spawn(process))
        process.config = handle.config
        if message or not process.pid:
            why = printable(process.spawnerr or '') or message or 'it could not be spawned'
            return Failure(Code.START_FAILED, f'{why}; state {self.state_name(handle)}')
        handle.obituary = None
        self._expect_exit(handle)
        if handle.monitor:
            handle.monitor.started(process.pid, time.monotonic())
        return None

    def release(self, handle: Handle) -> None:
        """Give the process back to Supervisor as if it had never been held."""
        process, pids = handle.process, self._supervisord.options.pidhistory
        obituary = pids.get(process.pid)
        watched = isinstance(obituary, Obituary)
        if watched and process.killing and process.config is not handle.config:
            # With its own, shorter stopwaitsecs back, Supervisor would take the time until SIGKILL
            # for a clock that was put back, and send it too soon.
            obituary.config = handle.config
        else:
            if watched:
                pids[process.pid] = process
            process.config = handle.config
        if handle.monitor:
            handle.monitor.close()

    def _expect_exit(self, handle: Handle) -> None:
        process, pids = handle.process, self._supervisord.options.pidhistory
        known = pids.get(process.pid)
        if handle.untouched:
            return
        if isinstance(known, Obituary):
            handle.obituary = known  # two runs may watch one process
        elif known is process:
            handle.obituary = pids[process.pid] = Obituary(process)

    def _guarded(self, name: str, act: Callable[[], Any]) -> str:
        """Call one of Subprocess's methods; its complaint, if any, as one line.

        spawn() and stop() report by assertions, by strings and, in fcgi programs, by whatever
        binding a socket raises; none of it may end supervisord's loop.
        """
        try:
            result = act()
        except Exception as error:  # noqa: BLE001
            self._supervisord.options.logger.warn(f'restarter: {name} failed: {error!r}')
            return printable(f'{type(error).__name__}: {error}'.rstrip())
        # kill() returns a whole traceback, whose last line says what happened
        return (
            printable(result.strip().splitlines()[-1])
            if isinstance(result, str) and result.strip()
            else ''
        )
