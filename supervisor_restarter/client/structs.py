"""What the server answers: restarts and applies, their processes, and plans, in structs of a checked shape."""

from __future__ import annotations

from typing import Any, TypedDict, cast


class Process(TypedDict, total=False):
    """One process in a restart. phase: waiting, draining, stopping, stopped, starting, ready,
    skipped or failed.

    `action` and what follows `error` are not known to older servers.
    """

    group: str
    name: str
    action: str  # restart, surge, start, signal or remove
    phase: str
    old_pid: int  # 0: it was not running
    new_pid: int
    stop_seconds: float
    down_seconds: float
    ready_seconds: float
    error: str  # '' with phase skipped: left alone on purpose; with ready: it failed, and is back
    killed: bool  # it ran into its stop limit, and was ended by SIGKILL
    note: str  # what is to be said of it and is no error; mostly ''
    stop_limit: float  # seconds from the stop signal to SIGKILL
    waited_seconds: float  # from the begin of the restart until its turn
    failed_seconds: float  # ... until it failed
    drain_seconds: float  # from the begin of its BEFORE_STOP to the stop signal
    way_there: dict[str, float]  # its times until an apply has turned back for it, or {}


class Restart(TypedDict, total=False):
    """A restart or an apply as getRestart and waitRestart answer it; listRestarts leaves
    `processes` out.
    """

    id: str
    groups: list[str]
    state: str  # queued, running, succeeded, failed, cancelled, timed_out or rolled_back
    version: int  # grows with every change
    requested_at: str  # the times are ISO 8601 in UTC, '' for not yet
    started_at: str
    finished_at: str
    duration: float  # seconds
    options: dict[str, Any]
    total: int
    done: int
    failed: int
    lowest_ready: int
    processes: list[Process]
    killed: int  # this and what follows are not known to older servers
    ready: int  # now
    old_stopping: int  # so many have a new process, and their old one has not exited
    allowed: int  # so many stay ready, as max_unavailable has it
    policies: list[dict[str, Any]]
    warnings: list[str]  # of its plan
    kind: str  # restart or apply
    why: str  # why it was cancelled or rolled back, or is being so; '' if it is not
    at_once: list[
        dict[str, str]
    ]  # of an apply: {group, name, action} of what needs no stop or start


class Plan(TypedDict):
    """What a restart would do, as planRestart answers it."""

    groups: list[str]
    options: dict[str, Any]
    total: int
    batches: list[dict[str, Any]]
    left: list[dict[str, Any]]
    warnings: list[str]


class ConfigPlan(TypedDict):
    """What the configuration files would change, as planConfig answers it. total: of processes."""

    groups: list[dict[str, Any]]
    total: int
    unchanged: int
    reload: list[str]
    warnings: list[str]


NUMBER = (int, float)
PROCESS_SHAPE: dict[str, Any] = {
    'group': str,
    'name': str,
    'phase': str,
    'old_pid': int,
    'new_pid': int,
    'stop_seconds': NUMBER,
    'down_seconds': NUMBER,
    'ready_seconds': NUMBER,
    'error': str,
}
LISTED_SHAPE: dict[str, Any] = {
    'id': str,
    'groups': [str],
    'state': str,
    'version': int,
    'requested_at': str,
    'started_at': str,
    'duration': NUMBER,
    'options': {},
    'total': int,
    'done': int,
    'failed': int,
    'lowest_ready': int,
}
RESTART_SHAPE: dict[str, Any] = {**LISTED_SHAPE, 'processes': [PROCESS_SHAPE]}
# What has changed in a restart of which a client knows an earlier version.
NEWS_SHAPE: dict[str, Any] = {**LISTED_SHAPE, 'processes': [{**PROCESS_SHAPE, 'index': int}]}
PLANNED_SHAPE: dict[str, Any] = {'group': str, 'name': str, 'state': str, 'pid': int, 'action': str}
PLAN_SHAPE: dict[str, Any] = {
    'groups': [str],
    'total': int,
    'warnings': [str],
    'batches': [{'number': int, 'after': NUMBER, 'longest': NUMBER, 'processes': [PLANNED_SHAPE]}],
    'left': [{'group': str, 'name': str, 'state': str, 'reason': str}],
}
CHANGE_SHAPE: dict[str, Any] = {'key': str, 'what': str, 'old': str, 'new': str, 'effect': str}
CONFIG_PLAN_SHAPE: dict[str, Any] = {
    'groups': [
        {
            'group': str,
            'action': str,
            'changes': [CHANGE_SHAPE],
            'processes': [
                {
                    'name': str,
                    'action': str,
                    'state': str,
                    'follows': str,
                    'changes': [CHANGE_SHAPE],
                }
            ],
        }
    ],
    'total': int,
    'unchanged': int,
    'reload': [str],
    'warnings': [str],
}

# What getAllProcessInfo, a call of Supervisor's own, answers for each process.
INFO_SHAPE: dict[str, Any] = {
    'group': str,
    'name': str,
    'statename': str,
    'spawnerr': str,
    'pid': int,
    'start': int,
    'now': int,
}


def conforms(answer: object, shape: Any) -> bool:
    """Whether an answer has (at least) the keys and types of `shape`: a type, [shape of each] or
    {key: shape}.
    """
    if isinstance(shape, dict):
        return isinstance(answer, dict) and all(
            k in answer and conforms(answer[k], s) for k, s in shape.items()
        )
    if isinstance(shape, list):
        return isinstance(answer, list) and all(conforms(item, shape[0]) for item in answer)
    return isinstance(answer, shape)


def tells_news(restart: Restart) -> bool:
    """Whether the server that has sent this can also send what has changed since."""
    return 'allowed' in restart


def merged(known: Restart, news: Any) -> Restart | None:
    """The restart as it is now, for a client that knows an earlier version; None if it cannot be
    what has changed since that one.
    """
    total = news['total']
    processes: dict[int, Any] = dict(enumerate(known['processes'][:total]))
    for process in news['processes']:
        processes[process['index']] = {k: v for k, v in process.items() if k != 'index'}
    if processes.keys() != set(range(total)):
        return None
    whole = {**known, **news, 'processes': [processes[index] for index in range(total)]}
    return cast(Restart, whole)


def ended(restart: Restart) -> bool:
    """Whether nothing further is taken down. After a timeout or a cancel what is down may still
    come back.
    """
    return restart['state'] not in ('queued', 'running')


def is_apply(restart: Restart) -> bool:
    """Whether it applies a configuration. Older servers know restarts alone."""
    return restart.get('kind') == 'apply'


def is_surge(process: Process) -> bool:
    """Whether its new process is started beside the old one, which stops afterwards."""
    return process.get('action') == 'surge'


def signalled(process: Process) -> bool:
    """Whether a process that is ready is still the old one, which was sent a signal instead of a
    restart.
    """
    return process['old_pid'] != 0 and process['old_pid'] == process['new_pid']
