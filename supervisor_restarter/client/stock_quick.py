"""What quickstart, quickstop and quickrestart do next, where there are only Supervisor's own calls.

Nothing here talks to a server, waits or prints. The caller (stock_calls.py) repeats, until `over`:

    calls = quick.calls()          what is to be called now; all of it goes into one request
    quick.answered(answers)        what came of it
    quick.seen(infos)              the processes, as getAllProcessInfo shows them after that
    quick.fresh()                  what has become certain since the last time

Each process is a Task that takes its own Steps, and none waits for the slowest:

    STOP --stopProcess--> STOPPING --seen down--> START --startProcess--> STARTING --seen RUNNING-->
    OVER

Where the server starts and stops by itself (quickStart, quickStop), only the looking is done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable

from supervisor.options import make_namespec
from supervisor.xmlrpc import Faults

from supervisor_restarter.client import quick_reports
from supervisor_restarter.client.quick_reports import WORDS, Report, error, overruled
from supervisor_restarter.client.wording import named
from supervisor_restarter.faults import Refusal
from supervisor_restarter.names import Match, resolve
from supervisor_restarter.text import printable

# Supervisor's names of the states in which stopProcess, or startProcess, has something to do.
STOPPABLE = ('STARTING', 'RUNNING', 'BACKOFF')
STARTABLE = ('STOPPED', 'EXITED', 'FATAL')


class Verb(Enum):
    """Which command it is: quickstart, quickstop or quickrestart."""

    START = 'start'
    STOP = 'stop'
    RESTART = 'restart'


class Stage(Enum):
    """Where a process is on its way."""

    STOP = 'is to be stopped: the next request says so'
    STOPPING = 'was told to stop, or was stopping anyway, and is not down yet'
    START = 'is down and is to be started: the next request says so'
    STARTING = 'was started, and is not RUNNING yet'
    OVER = 'nothing more is done or waited for'


@dataclass(eq=False)
class Task:
    """A process and the stage it is at. told: a stopProcess of ours was accepted."""

    group: str
    name: str
    stage: Stage
    told: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.group, self.name

    @property
    def spec(self) -> str:
        """The name that all of Supervisor's calls take."""
        return f'{self.group}:{self.name}'


class Quick:
    """One command over `tasks`. reports: what is certain already."""

    def __init__(self, verb: Verb, tasks: Sequence[Task], reports: Iterable[Report] = ()) -> None:
        self.verb = verb
        self.withdrawn = False
        self._tasks = tasks
        self._reports = list(reports)
        self._known = {task.key for task in tasks} | {one[:2] for one in self._reports}
        self._asked: list[Task] = []
        self._infos: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, verb: Verb, names: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> Quick:
        """The command for the processes that `names` stand for; Refusal if there are none."""
        tasks, reports = [], []
        for match, info in _resolved(names, infos):
            first = _first(verb, match, info['statename'])
            if isinstance(first, Stage):
                tasks.append(Task(*match.key, first))
            elif first is not None:
                reports.append(first)
        quick = cls(verb, tasks, reports)
        quick._infos = infos
        return quick

    @classmethod
    def begun(cls, verb: Verb, rows: Iterable[Mapping[str, Any]]) -> Quick:
        """The command that the server has begun, answering with `rows` (quickStart, quickStop)."""
        stage = Stage.STARTING if verb is Verb.START else Stage.STOPPING
        tasks, reports = [], []
        for row in rows:
            if row['status'] == Faults.SUCCESS:
                tasks.append(Task(row['group'], row['name'], stage, told=True))
            else:
                reports.append(quick_reports.of_row(row))
        return cls(verb, tasks, reports)

    # -- one turn ----------------------------------------------------------------------------

    def calls(self) -> list[tuple[str, str]]:
        """(method, name of the process) of what is to be called now."""
        self._asked = [task for task in self._tasks if task.stage in (Stage.STOP, Stage.START)]
        return [
            ('stopProcess' if task.stage is Stage.STOP else 'startProcess', task.spec)
            for task in self._asked
        ]

    def answered(self, answers: Sequence[Any]) -> None:
        """What system.multicall answered to `calls`: True or {faultCode, faultString} for each."""
        for task, answer in zip(self._asked, answers):
            fault = answer['faultCode'] if isinstance(answer, Mapping) else Faults.SUCCESS
            if task.stage is Stage.STOP and fault in (Faults.SUCCESS, Faults.NOT_RUNNING):
                # NOT_RUNNING: it went down, or another client stopped it, since it was looked at.
                task.stage, task.told = Stage.STOPPING, fault == Faults.SUCCESS
            elif task.stage is Stage.START and fault in (
                Faults.SUCCESS,
                Faults.ALREADY_STARTED,  # another client was quicker
                Faults.SPAWN_ERROR,  # the look that follows shows why
            ):
                task.stage = Stage.STARTING
            else:
                text = '' if fault == Faults.BAD_NAME else str(answer['faultString'])
                self._end(task, error(*task.key, fault, text.partition(': ')[2]))
        self._asked = []

    def seen(self, infos: Sequence[Mapping[str, Any]]) -> None:
        """What getAllProcessInfo shows now."""
        self._infos = infos
        by_key = {(info['group'], info['name']): info for info in infos}
        for task in self._tasks:
            if task.stage in (Stage.STOPPING, Stage.STARTING):
                info = by_key.get(task.key)
                if info is None:
                    self._end(task, error(*task.key, Faults.BAD_NAME))
                else:
                    self._follow(task, info)

    def fresh(self) -> list[Report]:
        """The reports that have come since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def as_wanted(
        self, names: Sequence[str], look: Callable[[], Sequence[Mapping[str, Any]]]
    ) -> str:
        """The line about the processes that `names` stand for, and to which nothing had to be done;
        '' if there are none.

        look: shows all processes; called only if they have not been `seen`.
        """
        told = {spec for one in self._known for spec in (f'{one[0]}:{one[1]}', make_namespec(*one))}
        if self.verb is Verb.RESTART or told.issuperset(names):
            return ''
        states, fault = STARTABLE, Faults.NOT_RUNNING
        if self.verb is Verb.START:
            states, fault = STOPPABLE, Faults.ALREADY_STARTED
        try:
            found = _resolved(names, self._infos or look())
        except Refusal:
            return ''  # what they stood for has been removed meanwhile
        alike = [
            info
            for match, info in found
            if match.key not in self._known and info['statename'] in states
        ]
        return printable(f'{named(alike)}: {WORDS[fault]}') if alike else ''

    @property
    def over(self) -> bool:
        """Whether nothing more is to be called or waited for."""
        return not self.down if self.withdrawn else self.done == self.total

    @property
    def total(self) -> int:
        return len(self._tasks)

    @property
    def done(self) -> int:
        return sum(task.stage is Stage.OVER for task in self._tasks)

    # -- ending early ------------------------------------------------------------------------

    def withdraw(self) -> None:
        """Begin nothing new. It is over when all that a restart has taken down is started, RUNNING
        or not.
        """
        self.withdrawn = True
        for task in self._tasks:
            if task.stage is Stage.STOP or self.verb is not Verb.RESTART:
                task.stage = Stage.OVER

    @property
    def down(self) -> list[str]:
        """The processes that a restart has still to start: down, or on their way there, as far as
        is known.
        """
        if self.verb is not Verb.RESTART:
            return []
        return [
            str(make_namespec(*task.key))
            for task in self._tasks
            if task.stage in (Stage.STOPPING, Stage.START) or task in self._asked
        ]

    # -- inside ------------------------------------------------------------------------------

    def _follow(self, task: Task, info: Mapping[str, Any]) -> None:
        state = info['statename']
        if task.stage is Stage.STOPPING:
            if state in STOPPABLE:
                self._up_again(task)
            elif state in STARTABLE and self.verb is Verb.STOP:
                self._end(task, Report(*task.key, 'stopped'))
            elif state in STARTABLE:
                task.stage = Stage.START
            elif state != 'STOPPING':
                self._end(task, error(*task.key, Faults.FAILED, f'state {state}'))
        if task.stage is Stage.STARTING and state != 'STARTING':
            self._end(task, quick_reports.of_start(*task.key, state, info['spawnerr']))

    def _up_again(self, task: Task) -> None:
        if self.verb is not Verb.STOP:
            task.stage = Stage.STARTING  # another client was quicker
        elif task.told:
            self._end(task, overruled(*task.key, 'somebody else started it again meanwhile'))
        else:
            task.stage = Stage.STOP  # it had exited by itself, and Supervisor restarted it

    def _end(self, task: Task, report: Report) -> None:
        task.stage = Stage.OVER
        self._reports.append(report)


def _resolved(
    names: Sequence[str], infos: Iterable[Mapping[str, Any]]
) -> list[tuple[Match, Mapping[str, Any]]]:
    """The processes that `names` stand for, each as it is shown; Refusal."""
    by_key = {(info['group'], info['name']): info for info in infos}
    groups: dict[str, list[str]] = {}
    for group, name in by_key:
        groups.setdefault(group, []).append(name)
    return [(match, by_key[match.key]) for match in resolve(groups, names)]


def _first(verb: Verb, match: Match, state: str) -> Stage | Report | None:
    """The stage at which a process in `state` begins; a Report if it is over at once; None: left
    alone without a word.

    As in stock's own calls, a process that is as wanted already is worth a word only if it was
    named by its name.
    """
    if state == 'STOPPING':
        return Stage.STOPPING
    if verb is Verb.STOP:
        if state in STOPPABLE:
            return Stage.STOP
        return error(*match.key, Faults.NOT_RUNNING) if match.single else None
    if state in STARTABLE:
        on_purpose = state == 'STOPPED' and not match.outright
        return None if verb is Verb.RESTART and on_purpose else Stage.START
    if state not in STOPPABLE:
        return error(*match.key, Faults.FAILED, f'state {state}')
    if verb is Verb.RESTART:
        return Stage.STOP
    return error(*match.key, Faults.ALREADY_STARTED) if match.single else None
