"""What is done to Supervisor's processes: they are attended to, stopped, started, signalled and given
back. What is only looked at is in processes.py.
"""

from __future__ import annotations

import copy
import time
from typing import Callable

from supervisor.datatypes import signal_number
from supervisor.states import ProcessStates

from supervisor_restarter.engine.member import Failure
from supervisor_restarter.faults import Code
from supervisor_restarter.programs import fast_spawn
from supervisor_restarter.programs.asides import sharing_logs
from supervisor_restarter.programs.host import Reaped, Subprocess, Supervisor
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.server.obituary import Obituary, expected
from supervisor_restarter.server.processes import Handle, Processes, looks_of
from supervisor_restarter.text import printable

# How it ends is to be learnt of a process in these states.
EXPECTED_TO_END = (ProcessStates.STARTING, ProcessStates.STOPPING)


class Actions:
    """Acts on the processes of one supervisord. fast: start them without Supervisor's own fork
    where that is the same.
    """

    def __init__(self, supervisord: Supervisor, processes: Processes, fast: bool = True) -> None:
        self._supervisord = supervisord
        self._processes = processes
        self._spawn = fast_spawn.fast_spawn if fast else fast_spawn.own_spawn

    def attend(self, handle: Handle, now: float) -> None:
        """What a turn of the loop owes to a process that is held and to which something may have
        happened: see to it that its end will be known, give it its config back when it has exited,
        have its probe asked. handle.seen tells what is seen of it then.

        Where nothing has happened handle.observation stays the same object.
        """
        process = handle.process
        if not self._processes.is_there(handle):
            handle.seen = None
            if handle.monitor is not None:
                handle.monitor.close()  # its next question would be due for ever
            return
        looks = looks_of(process)
        if (
            looks != handle.looks
            or handle.signalled_at is not None
            or (process.state in EXPECTED_TO_END and self._in_motion(handle))
        ):
            self._keep_up(handle)
            handle.looks, handle.observation = looks, self._processes.observe(handle)
        observation, monitor = handle.observation, handle.monitor
        handle.seen = observation if monitor is None else monitor.see(observation, now)

    def _in_motion(self, handle: Handle) -> bool:
        # Supervisor's clock may say later than ours that it is time, and another job may have taken
        # its obituary away.
        due = handle.observation.due
        if due is not None and time.monotonic() >= due:
            return True
        return self._pids.get(handle.process.pid) is not handle.obituary

    def _keep_up(self, handle: Handle) -> None:
        process = handle.process
        if process.state in EXPECTED_TO_END:
            self._expect_exit(handle)
            if process.state == ProcessStates.STOPPING and handle.obituary is not None:
                handle.obituary.note_kill_at()
            return
        if handle.config is not process.config:
            process.config = handle.config  # it has exited: its own stopwaitsecs holds again
        if process.pid and self._pids.get(process.pid) is not handle.obituary:
            # That of a process before: others have started this one.
            handle.obituary = None

    # -- orders ------------------------------------------------------------------------------

    def signal_stop(self, handle: Handle, stop_timeout: float | None) -> Failure | None:
        """Send the stop signal. stop_timeout: seconds until SIGKILL, None: the program's
        stopwaitsecs.
        """
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
            handle.obituary.note_kill_at()
        return Failure(Code.STOP_FAILED, message) if message else None

    def signal(self, handle: Handle, name: str) -> Failure | None:
        """Send the process a signal ('HUP') that is not meant to end it; Failure STOP_FAILED if
        that fails.
        """
        handle.signalled_at = time.monotonic()
        if handle.monitor:
            # Before the signal: the answer may be there at once.
            handle.monitor.signalled(handle.signalled_at)
        message = self._guarded('signal', lambda: handle.process.signal(signal_number(name)))
        self._expect_exit(handle)
        return Failure(Code.STOP_FAILED, message) if message else None

    def start_idle(self, handle: Handle, obstacles: Obstacles) -> Failure | None:
        """As start(), for a process that was down before; not tried where that would do harm."""
        why = obstacles.harm(handle.process)
        if why:
            text = f'not tried, for it cannot be started: {why}'
            return self._start_failed(handle, text)
        return self.start(handle)

    def start(self, handle: Handle, beside: Subprocess | None = None) -> Failure | None:
        """Spawn the process; Failure START_FAILED with the reason if that is not possible. beside:
        another process of the same program, to whose logs this one is to write.
        """
        process = handle.process
        process.config = handle.config
        process.backoff = 0  # a new start has all of its startretries
        handle.signalled_at = None
        environment = handle.monitor.environment() if handle.monitor else {}
        if environment or beside is not None:
            # Only this child is to see it: with the config itself changed, `update` would find a
            # difference.
            process.config = copy.copy(handle.config)
            process.config.environment = {**(handle.config.environment or {}), **environment}
            process.config.restarter_original = handle.config
        if beside is not None:
            process.config = sharing_logs(process.config, beside)
        message = self._guarded('spawn', lambda: self._spawn(process))
        process.config = handle.config
        if message or not process.pid:
            why = printable(process.spawnerr or '') or message or 'it could not be spawned'
            return self._start_failed(handle, why)
        handle.obituary = None
        self._expect_exit(handle)
        if handle.monitor:
            handle.monitor.started(process.pid, time.monotonic())
        return None

    def release(self, handle: Handle) -> None:
        """Give the process back to Supervisor as if it had never been held."""
        process = handle.process
        known = self._pids.get(process.pid)
        obituary = known if isinstance(known, Obituary) else None
        if obituary is not None and process.killing and process.config is not handle.config:
            # With its own, shorter stopwaitsecs back, Supervisor would take the time until SIGKILL
            # for a clock that was put back, and send it too soon.
            obituary.config_after = handle.config
        else:
            if obituary is not None:
                self._pids[process.pid] = process
            process.config = handle.config
        if handle.monitor:
            handle.monitor.close()

    # -- inside ------------------------------------------------------------------------------

    @property
    def _pids(self) -> dict[int, Reaped]:
        return self._supervisord.options.pidhistory

    def _expect_exit(self, handle: Handle) -> None:
        handle.obituary = expected(handle.process, self._pids) or handle.obituary

    def _start_failed(self, handle: Handle, why: str) -> Failure:
        return Failure(Code.START_FAILED, f'{why}; state {self._processes.state_name(handle)}')

    def _guarded(self, name: str, act: Callable[[], object]) -> str:
        """Call one of Subprocess's methods; its complaint, if any, as one line.

        spawn() and stop() report by assertions, by strings and, in fcgi programs, by whatever
        binding a socket raises; none of it may end supervisord's loop.
        """
        try:
            result = act()
        except Exception as error:  # noqa: BLE001
            self._supervisord.options.logger.warn(f'restarter: {name} failed: {error!r}')
            return printable(f'{type(error).__name__}: {error}'.rstrip())
        # kill() returns a whole traceback, whose last line says what happened.
        if isinstance(result, str) and result.strip():
            return printable(result.strip().splitlines()[-1])
        return ''
