"""The XML-RPC namespace `restarter`: takes calls, has the service carry them out, answers.

A call that waits is answered by a deferred function, which only looks at the restart; the restart
itself runs on supervisord's loop, whether the client is still there or not.
"""

from __future__ import annotations

from typing import Any, Callable, TypeVar

from supervisor.xmlrpc import Faults

from supervisor_restarter import __version__
from supervisor_restarter.configuration.planner import secrets_of
from supervisor_restarter.configuration.twin import Unreadable
from supervisor_restarter.engine import answers
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.operation import State
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.names import group_members
from supervisor_restarter.option_kinds import FLAG, SECONDS, Kind, checked
from supervisor_restarter.options import Options, for_apply, with_call
from supervisor_restarter.programs.host import Supervisor
from supervisor_restarter.server.interface import Interface, SupervisorsFault, published
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.request import Call, Request, Selection
from supervisor_restarter.server.service import Service

API_VERSION = '1.0'

Returned = TypeVar('Returned')
VERSION_NUMBER = Kind(
    'a whole number', int, lambda value: isinstance(value, int) and not isinstance(value, bool)
)


class RestarterNamespaceRPCInterface(Interface):
    """Restarts process groups fast and safely."""

    def __init__(self, supervisord: Supervisor, service: Service, defaults: Options) -> None:
        super().__init__(supervisord)
        self._service = service
        self._defaults = defaults

    @published
    def getPluginVersion(self) -> str:
        """Return the version of the supervisor-restarter package

        @return string version   Its version.
        """
        return __version__

    @published
    def getAPIVersion(self) -> str:
        """Return the version of this interface

        @return string version   Its version; the first number changes when a method does.
        """
        return API_VERSION

    @published
    def restartProcessGroup(self, name: Any, options: Any = None) -> Any:
        """Restart all processes of a group and wait until they are ready

        Processes that were stopped are started too, unless only_running is set. A process is ready
        when its RESTARTER_READY says so, or without one when it is RUNNING. If no timeout is set,
        the call answers within 5 seconds, and without a limit if max_unavailable is below 100%;
        what is down then still comes back. Faults: BAD_GROUP, BAD_OPTION, BUSY, TIMEOUT, CANCELLED.

        @param string name      The name of the process group, without ':' or '*'.
        @param struct options   Options for this restart (delay, timeout, stagger_factor,
                                max_unavailable, max_surge, scout, min_ready, ready_timeout,
                                hook_timeout, method, stop_timeout, on_failure, if_busy,
                                only_running, newer_than); may be left out.
        @return array result    True, or a struct {group, name, code, text} per process that failed.
        """
        taken = with_call(self._defaults, options)
        selection = Selection(name, group_members)
        job = self._service.request(Request(Goal.RESTART, selection, taken, Call.GROUP))
        return self._deferred(lambda: _group_result(job))

    @published
    def quickStop(self, names: Any, wait: Any = True) -> Any:
        """Stop processes, all at the same time

        Takes at most `timeout` seconds (5 if it is not configured); what is pending then has the
        status TIMEOUT and still stops. Fault: BAD_GROUP.

        @param array names      A name or an array of names: group, group:*, group:process, a glob
                                over group:process, or 'all'.
        @param boolean wait     Wait until the processes have exited (default true).
        @return array result    A struct {name, group, status, description} per process.
        """
        return self._quick(Goal.STOP, names, wait)

    @published
    def quickStart(self, names: Any, wait: Any = False) -> Any:
        """Start processes, all at the same time

        Limits and faults as for quickStop.

        @param array names      Names, as for quickStop.
        @param boolean wait     Wait until the processes are RUNNING (default false: until they are
                                spawned without an error).
        @return array result    A struct {name, group, status, description} per process.
        """
        return self._quick(Goal.START, names, wait)

    @published
    def quickRestart(self, names: Any, wait: Any = False) -> Any:
        """Restart processes, each one started as soon as it has stopped

        Limits and faults as for quickStop, and BUSY and BAD_OPTION (a RESTARTER_READY that makes no
        sense). All at the same time, unless the configuration or the program limits that
        (max_unavailable). What was stopped on purpose is started only if it, or its group, is named
        outright and not by a glob or 'all'.

        @param array names      Names, as for quickStop.
        @param boolean wait     Wait until the processes are ready (default false: until they are
                                spawned without an error).
        @return array result    A struct {name, group, status, description} per process.
        """
        return self._quick(Goal.RESTART, names, wait)

    @published
    def startRestart(self, names: Any, options: Any = None) -> str:
        """Begin a restart that runs on by itself, and return at once

        There is no time limit unless `timeout` is set in the configuration or in options. Faults:
        BAD_GROUP, BAD_OPTION, BUSY.

        @param array names      Names, as for quickStop; what was stopped on purpose as for
                                quickRestart.
        @param struct options   Options for this restart, as for restartProcessGroup; may be left
                                out.
        @return string id       The id of the restart, for the methods below.
        """
        taken = with_call(self._defaults, options)
        request = Request(Goal.RESTART, Selection(names), taken, Call.DETACHED)
        return self._service.request(request).id

    @published
    def getRestart(self, id: Any) -> dict[str, Any]:
        """Return a running, queued or remembered restart

        Fault: NO_SUCH_RESTART.

        @param string id        The id of the restart.
        @return struct restart  id, kind (restart or apply), groups, state (queued, running,
                                succeeded, failed, cancelled, timed_out; of an apply also
                                rolled_back), why (it was cancelled or rolled back), version,
                                requested_at, started_at, finished_at, duration, options, total,
                                done, failed, killed, lowest_ready, ready (so many are now),
                                old_stopping (so many have a new process, and their old one has not
                                exited), allowed (so many stay ready, as max_unavailable has it),
                                policies (as in a plan), warnings (strings: those of its plan, when
                                it was asked for), processes: structs {group, name, action (restart,
                                surge, start, signal or remove), phase, old_pid, new_pid,
                                waited_seconds (until its turn), drain_seconds (of
                                RESTARTER_BEFORE_STOP), stop_seconds, stop_limit (seconds until
                                SIGKILL),
                                down_seconds, ready_seconds, failed_seconds (from the begin until it
                                failed), way_there (these times until an apply turned back), error,
                                killed (it ran into that limit), note (what is to be said of it and
                                is no error)},
                                and of an apply at_once: structs {group, name, action (live, later,
                                add or drop)} of what is changed without a stop and a start.
        """
        return self._service.get(id).struct()

    @published
    def waitRestart(self, id: Any, version: Any, seconds: Any, since: Any = -1) -> Any:
        """Wait until something changes in a restart

        Faults: NO_SUCH_RESTART, BAD_OPTION.

        @param string id        The id of the restart.
        @param int version      Answer as soon as the restart's version is greater than this; for a
                                version that lies in the future, as soon as the restart has ended.
        @param double seconds   Answer after so many seconds even if nothing has changed. A restart
                                that has finished is answered at once, as nothing will change any
                                more.
        @param int since        If it is not negative: the restart's version in the struct that the
                                caller has had. Answer only what has changed since then.
        @return struct restart  The restart, as getRestart returns it. With since, processes has only
                                those that have changed, each with its index in the whole array
                                (which has total elements), and policies, warnings and at_once are
                                there only if one of them has changed.
        """
        job = self._service.get(id)
        known = checked('version', VERSION_NUMBER, version)
        limit = checked('seconds', SECONDS, seconds)
        had = checked('since', VERSION_NUMBER, since)
        waited = self._service.timer(limit)

        def told() -> dict[str, Any]:
            return job.struct() if had < 0 else job.struct_since(had)

        def ask() -> dict[str, Any] | None:
            operation = job.operation
            news = operation.version > known or (operation.decided and operation.version < known)
            return told() if news or operation.finished or waited() else None

        return ask() or self._deferred(ask)

    @published
    def cancelRestart(self, id: Any) -> bool:
        """Cancel a restart: nothing further is taken down, and what is down comes back

        Faults: NO_SUCH_RESTART, and BAD_STATE if it has ended already.

        @param string id        The id of the restart.
        @return boolean result  Always True unless error.
        """
        self._service.cancel(id)
        return True

    @published
    def retryRestart(self, id: Any, options: Any = None) -> str:
        """Restart again what failed or was not reached in a restart that has ended

        What has become ready since is left alone, as is what somebody else has stopped or started
        during that restart; processes that are stopped are started. Those that do not exist any
        more are left out. Faults: NO_SUCH_RESTART, BAD_STATE (it has not ended, or there is nothing
        to be retried), BAD_GROUP (nothing of it exists any more), BAD_OPTION, BUSY.

        @param string id        The id of the restart.
        @param struct options   Options, as for startRestart, that come before those of that restart
                                (of which only_running and newer_than do not hold any more); may be
                                left out.
        @return string id       The id of the new restart.
        """
        return self._service.retry(id, options).id

    @published
    def listRestarts(self) -> list[dict[str, Any]]:
        """List running, queued and remembered restarts, newest first

        @return array restarts  Structs as getRestart returns them, without processes, policies and
                                warnings.
        """
        return [job.struct(with_processes=False) for job in self._service.restarts()]

    @published
    def planRestart(self, names: Any, options: Any = None) -> dict[str, Any]:
        """Tell what a restart would do; nothing is touched

        Faults: BAD_GROUP, BAD_OPTION.

        @param array names      Names, as for startRestart.
        @param struct options   Options, as for startRestart; may be left out.
        @return struct plan     groups, options, total, batches: structs {number, after (not before
                                so many seconds), longest (seconds that it can take at the most, 0:
                                no limit), processes: structs {group, name, state, pid, action
                                (restart, surge, start or signal), hooks (strings: before_stop,
                                after_ready, of what commands are run)}}, left: structs {group,
                                name, state, pid, reason} of the processes that would be left alone,
                                policies: structs {group, size, allowed (so many processes),
                                max_unavailable,
                                min_ready, ready_timeout, from} of what holds in each group, and
                                where each of the last three comes from (call, program,
                                configuration or default), and warnings (strings).
        """
        return self._service.plan(Selection(names), with_call(self._defaults, options))

    @published
    def planConfig(self, groups: Any = '', options: Any = None) -> dict[str, Any]:
        """Tell what the configuration files would change as they are now; nothing is touched

        This is what startApply would do with all its options left out. Faults: BAD_GROUP,
        BAD_OPTION, and Supervisor's CANT_REREAD if the files cannot be read or make no sense.

        @param array groups     The name of a process group or an array of them, as they are in the
                                files or in supervisord; '' or an empty array: all groups.
        @param struct options   secrets (boolean, default false): show values that look like
                                secrets; may be left out.
        @return struct plan     groups: structs {group, action (add, remove, replace or change),
                                changes, processes, unchanged} of the groups that change, with
                                changes: structs {key, what (added, removed or changed), old, new,
                                effect (live, log, restart or socket)}, processes: structs {name,
                                action (add, start, restart, live, later or remove), state, pid,
                                follows (the removed process whose place it takes), changes} and
                                unchanged: how many other processes it has; total (so many processes
                                change), unchanged (so many do not), reload (strings: what only a
                                reload of supervisord applies), and warnings (strings).
        """
        secrets = secrets_of(options)
        return _of_files(lambda: self._service.plan_config(groups, secrets))

    @published
    def startApply(self, groups: Any = '', options: Any = None) -> str:
        """Begin to apply the configuration files as they are, and return at once

        Only what has changed is touched: keys that need no restart at once, the other processes one
        after the other, as a restart does. If one of them fails, and if it is cancelled or times
        out, the old configuration goes back, unless rollback is false. It is looked at, waited for
        and cancelled like a restart. Faults: BAD_GROUP, BAD_OPTION, BUSY, BAD_STATE, and
        Supervisor's CANT_REREAD if the files cannot be read or make no sense; nothing is touched
        then.

        @param array groups     The name of a process group or an array of them, as for planConfig.
        @param struct options   Options as for startRestart, without method, only_running and
                                newer_than, and with 25% for a max_unavailable that is set nowhere;
                                rollback (boolean, default true), and prune (boolean, default true):
                                remove groups that are no longer in the files; may be left out.
        @return string id       The id of the apply, for getRestart and the methods beside it.
        """
        taken = for_apply(self._defaults, options)
        return _of_files(lambda: self._service.apply(groups, taken)).id

    @published
    def setNumprocs(self, program: Any, n: Any, options: Any = None) -> str:
        """Begin to make it so many processes of a program, and return at once

        The files are not written: the number holds until the program's numprocs changes in them, or
        supervisord is reloaded; Supervisor's own reread and update know nothing of it. Processes
        whose command or environment has %(numprocs)d in it are restarted. Faults: as for
        startApply, and BAD_STATE if the program has been changed in the files and that is not
        applied.

        @param string program   The name of the program, as in [program:x], [fcgi-program:x] or
                                [eventlistener:x].
        @param int n            How many processes, at least 1.
        @param struct options   Options as for startApply; may be left out.
        @return string id       The id of the apply, for getRestart and the methods beside it.
        """
        taken = for_apply(self._defaults, options)
        return _of_files(lambda: self._service.scale(program, n, taken)).id

    # -- inside ------------------------------------------------------------------------------

    def _quick(self, goal: Goal, names: Any, wait: Any) -> Any:
        patient = checked('wait', FLAG, wait)
        job = self._service.request(
            Request(goal, Selection(names), self._defaults, Call.QUICK, until_ordered=not patient)
        )

        def ask() -> list[dict[str, Any]] | None:
            operation = job.operation
            over = operation.decided or (not patient and operation.ordered)
            return answers.statuses(operation) if over else None

        return self._deferred(ask)


def _of_files(ask: Callable[[], Returned]) -> Returned:
    """What `ask` returns; Supervisor's own fault if the configuration files cannot be read."""
    try:
        return ask()
    except Unreadable as error:
        raise SupervisorsFault(Faults.CANT_REREAD, str(error)) from None


def _group_result(job: Job) -> Any:
    operation = job.operation
    if operation.state is State.CANCELLED:
        raise Refusal(Code.CANCELLED, f'restart {job.id} was cancelled: {operation.why}')
    if operation.state is State.TIMED_OUT:
        failed = answers.failures(operation)
        if all(entry['code'] == Code.TIMEOUT for entry in failed):
            raise Refusal(Code.TIMEOUT, answers.timeout_text(operation))
        return failed
    if not operation.finished:
        return None
    return answers.failures(operation) or True
