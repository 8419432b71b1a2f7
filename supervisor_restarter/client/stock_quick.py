"""Starting, stopping and restarting processes through Supervisor's own calls: what to call next,
what to report.

Nothing here talks to a server, waits or prints. The caller (stock_calls.py) repeats, until `over`:

    calls = quick.calls()          what is to be called now; all of it goes into one request
    quick.answered(answers)        what came of it
    quick.seen(infos)              the processes, as getAllProcessInfo shows them after that
    quick.fresh()                  what has become certain since the last time

Each process goes its own way, and nobody waits for the slowest:

    STOP --stopProcess--> STOPPING --seen down--> START --startProcess--> STARTING --seen RUNNING-->
    OVER

With a server that starts and stops by itself (quickStart, quickStop) only the looking is done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Callable, NamedTuple

from supervisor.options import make_namespec
from supervisor.xmlrpc import Faults

from supervisor_restarter.client.structs import Restart, ended, signalled
from supervisor_restarter.client.wording import fate, may_change, named, not_reached, remark
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.names import Match, resolve
from supervisor_restarter.text import printable

# What stock supervisorctl says.
WORDS: dict[int, str] = {
    Faults.BAD_NAME: 'no such process',
    Faults.NO_FILE: 'no such file',
    Faults.NOT_EXECUTABLE: 'file is not executable',
    Faults.ABNORMAL_TERMINATION: 'abnormal termination',
    Faults.SPAWN_ERROR: 'spawn error',
    Faults.ALREADY_STARTED: 'already started',
    Faults.NOT_RUNNING: 'not running',
    int(Code.TIMEOUT): 'timed out',
    int(Code.CANCELLED): 'cancelled',
}
# How Supervisor words it that a command cannot be executed (ServerOptions.check_execv_args,
# get_execv_args). The restarter hands these texts on as reasons; supervisorctl has words, and exit
# statuses, of its own for them.
OBSTACLES: dict[str, int] = {
    "can't find command": Faults.NO_FILE,
    'is a directory': Faults.NOT_EXECUTABLE,
    'is not executable': Faults.NOT_EXECUTABLE,
    'no permission to run command': Faults.NOT_EXECUTABLE,
    "can't parse command": Faults.NOT_EXECUTABLE,
    'command is empty': Faults.NOT_EXECUTABLE,
}
UP = ('STARTING', 'RUNNING', 'BACKOFF')
DOWN = ('STOPPED', 'EXITED', 'FATAL')
TAKEN_OVER = 'somebody else stopped it meanwhile; it was left so'


class Goal(Enum):
    START = 'start'
    STOP = 'stop'
    RESTART = 'restart'


class Phase(Enum):
    STOP = 'is to be stopped: the next request says so'
    STOPPING = 'was told to stop, or was stopping anyway, and is not down yet'
    START = 'is down and is to be started: the next request says so'
    STARTING = 'was started, and is not RUNNING yet'
    OVER = 'nothing more is done or waited for'


class Report(NamedTuple):
    """What has become of a process: text is 'started', 'stopped' or 'ERROR (...)', code one of
    Faults or Code.
    """

    group: str
    name: str
    text: str
    code: int = Faults.SUCCESS

    @property
    def line(self) -> str:
        return printable(f'{make_namespec(self.group, self.name)}: {self.text}')


@dataclass(eq=False)
class Member:
    """A process. told: a stopProcess of ours was accepted."""

    group: str
    name: str
    phase: Phase
    told: bool = False

    @property
    def spec(self) -> str:
        """The name that all of Supervisor's calls take."""
        return f'{self.group}:{self.name}'


class Quick:
    """One command over `members`; reports: what is certain already."""

    def __init__(
        self, goal: Goal, members: Sequence[Member], reports: Iterable[Report] = ()
    ) -> None:
        self.goal = goal
        self.withdrawn = False
        self._members = members
        self._reports = list(reports)
        self._known = {(member.group, member.name) for member in members} | {
            one[:2] for one in self._reports
        }
        self._asked: list[Member] = []
        self._infos: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, goal: Goal, names: Sequence[str], infos: Sequence[Mapping[str, Any]]) -> Quick:
        """The command for the processes that `names` stand for. Refusal if they stand for nothing."""
        groups: dict[str, list[str]] = {}
        states = {}
        for info in infos:
            groups.setdefault(info['group'], []).append(info['name'])
            states[info['group'], info['name']] = info['statename']
        members, reports = [], []
        for match in resolve(groups, names):
            first = _first(goal, match, states[match.group, match.name])
            if isinstance(first, Phase):
                members.append(Member(match.group, match.name, first))
            elif first is not None:
                reports.append(first)
        quick = cls(goal, members, reports)
        quick._infos = infos
        return quick

    @classmethod
    def begun(cls, goal: Goal, rows: Iterable[Mapping[str, Any]]) -> Quick:
        """The command as the server has begun it and answered with `rows` (quickStart, quickStop)."""
        members, reports = [], []
        for row in rows:
            status, text = row['status'], row['description']
            if status == Faults.SUCCESS:
                phase = Phase.STARTING if goal is Goal.START else Phase.STOPPING
                members.append(Member(row['group'], row['name'], phase, told=True))
            else:
                why = text.partition(': ')[2]
                fault = _fault_of(why) if status == Faults.SPAWN_ERROR else status
                detail = '' if status in (Faults.ALREADY_STARTED, Faults.NOT_RUNNING) else why
                reports.append(error(row['group'], row['name'], fault, detail))
        return cls(goal, members, reports)

    # -- one turn ----------------------------------------------------------------------------

    def calls(self) -> list[tuple[str, str]]:
        """(method, name of the process) of what is to be called now."""
        self._asked = [
            member for member in self._members if member.phase in (Phase.STOP, Phase.START)
        ]
        return [
            ('stopProcess' if member.phase is Phase.STOP else 'startProcess', member.spec)
            for member in self._asked
        ]

    def answered(self, answers: Sequence[Any]) -> None:
        """What system.multicall answered to `calls`: True or {faultCode, faultString} for each."""
        for member, answer in zip(self._asked, answers):
            fault = answer['faultCode'] if isinstance(answer, Mapping) else Faults.SUCCESS
            if member.phase is Phase.STOP:
                # NOT_RUNNING: it went down, or somebody else stopped it, since it was looked at.
                if fault in (Faults.SUCCESS, Faults.NOT_RUNNING):
                    member.phase, member.told = Phase.STOPPING, fault == Faults.SUCCESS
                    continue
            # ALREADY_STARTED: somebody was quicker. SPAWN_ERROR: the look that follows shows why.
            elif fault in (Faults.SUCCESS, Faults.ALREADY_STARTED, Faults.SPAWN_ERROR):
                member.phase = Phase.STARTING
                continue
            detail = (
                '' if fault == Faults.BAD_NAME else str(answer['faultString']).partition(': ')[2]
            )
            self._end(member, error(member.group, member.name, fault, detail))
        self._asked = []

    def seen(self, infos: Sequence[Mapping[str, Any]]) -> None:
        """What getAllProcessInfo shows now."""
        self._infos = infos
        by_name = {(info['group'], info['name']): info for info in infos}
        for member in self._members:
            if member.phase in (Phase.STOPPING, Phase.STARTING):
                info = by_name.get((member.group, member.name))
                if info is None:
                    self._end(member, error(member.group, member.name, Faults.BAD_NAME))
                else:
                    self._follow(member, info)

    def fresh(self) -> list[Report]:
        """The reports that have come since the last call."""
        reports, self._reports = self._reports, []
        return reports

    def as_wanted(
        self, names: Sequence[str], look: Callable[[], Sequence[Mapping[str, Any]]]
    ) -> str:
        """The line about the processes that `names` stand for, and to which nothing had to be done;
        '' for none.

        look: shows all processes; called only if they have not been `seen`.
        """
        told = {spec for one in self._known for spec in (f'{one[0]}:{one[1]}', make_namespec(*one))}
        if self.goal is Goal.RESTART or told.issuperset(names):
            return ''
        states, fault = (
            (UP, Faults.ALREADY_STARTED) if self.goal is Goal.START else (DOWN, Faults.NOT_RUNNING)
        )
        infos = {(info['group'], info['name']): info for info in self._infos or look()}
        groups: dict[str, list[str]] = {}
        for group, name in infos:
            groups.setdefault(group, []).append(name)
        try:
            found = [infos[match.group, match.name] for match in resolve(groups, names)]
        except Refusal:
            return ''  # what they stood for has been removed meanwhile
        alike = [
            info
            for info in found
            if (info['group'], info['name']) not in self._known and info['statename'] in states
        ]
        return printable(f'{named(alike)}: {WORDS[fault]}') if alike else ''

    @property
    def over(self) -> bool:
        if self.withdrawn:
            return not self.down
        return all(member.phase is Phase.OVER for member in self._members)

    @property
    def total(self) -> int:
        return len(self._members)

    @property
    def done(self) -> int:
        return sum(member.phase is Phase.OVER for member in self._members)

    # -- ending early ------------------------------------------------------------------------

    def withdraw(self) -> None:
        """Begin nothing new. It is over when all that a restart has taken down is started, RUNNING
        or not.
        """
        self.withdrawn = True
        for member in self._members:
            if member.phase is Phase.STOP or self.goal is not Goal.RESTART:
                member.phase = Phase.OVER

    @property
    def down(self) -> list[str]:
        """The processes that a restart has still to start: down, or on their way there, as far as
        is known.
        """
        if self.goal is not Goal.RESTART:
            return []
        unanswered = set(self._asked)
        return [
            str(make_namespec(member.group, member.name))
            for member in self._members
            if member.phase in (Phase.STOPPING, Phase.START) or member in unanswered
        ]

    # -- inside ------------------------------------------------------------------------------

    def _follow(self, member: Member, info: Mapping[str, Any]) -> None:
        state = info['statename']
        if member.phase is Phase.STOPPING:
            if state in UP:
                self._up_again(member)
            elif state in DOWN and self.goal is Goal.STOP:
                self._end(member, Report(member.group, member.name, 'stopped'))
            elif state in DOWN:
                member.phase = Phase.START
            elif state != 'STOPPING':
                self._end(member, error(member.group, member.name, Faults.FAILED, f'state {state}'))
        if member.phase is Phase.STARTING and state != 'STARTING':
            self._end(member, _started(member, state, info['spawnerr']))

    def _up_again(self, member: Member) -> None:
        if self.goal is not Goal.STOP:
            member.phase = Phase.STARTING  # somebody else was quicker
        elif member.told:
            self._end(member, _other(member, 'somebody else started it again meanwhile'))
        else:
            member.phase = Phase.STOP  # it had exited by itself, and Supervisor restarted it

    def _end(self, member: Member, report: Report) -> None:
        member.phase = Phase.OVER
        self._reports.append(report)


def error(group: str, name: str, fault: int, detail: str = '') -> Report:
    """A process that failed: stock's own words first, so that what looks for them finds them, then
    what is known.
    """
    return Report(
        group,
        name,
        f'ERROR ({WORDS.get(fault, "failed")})' + (f': {detail}' if detail else ''),
        fault,
    )


def _other(process: Member, why: str) -> Report:
    return Report(process.group, process.name, f'ERROR ({why})', int(Code.CANCELLED))


def _first(goal: Goal, match: Match, state: str) -> Phase | Report | None:
    """The phase in which a process in `state` begins; a Report if it is over at once; None: left
    alone, not a word.

    As in stock's own calls, a process that is as wanted already is worth a word only if it was
    named by its name.
    """
    if state == 'STOPPING':
        return Phase.STOPPING
    if goal is Goal.STOP:
        if state in UP:
            return Phase.STOP
        return error(match.group, match.name, Faults.NOT_RUNNING) if match.single else None
    if state in DOWN:
        on_purpose = state == 'STOPPED' and not match.outright
        return None if goal is Goal.RESTART and on_purpose else Phase.START
    if state not in UP:
        return error(match.group, match.name, Faults.FAILED, f'state {state}')
    if goal is Goal.RESTART:
        return Phase.STOP
    return error(match.group, match.name, Faults.ALREADY_STARTED) if match.single else None


def _started(member: Member, state: str, why: str) -> Report:
    """What has come of a start, the process being in any state but STARTING. why: Supervisor's
    spawnerr.
    """
    if state == 'RUNNING' or (
        state == 'EXITED' and not why
    ):  # one of its exitcodes leaves no spawnerr
        return Report(member.group, member.name, 'started')
    if state == 'EXITED':
        return error(member.group, member.name, Faults.ABNORMAL_TERMINATION, why)
    if state in ('BACKOFF', 'FATAL'):
        return error(member.group, member.name, Faults.SPAWN_ERROR, why)
    if state in ('STOPPED', 'STOPPING'):
        return _other(member, TAKEN_OVER)
    return error(member.group, member.name, Faults.FAILED, f'state {state}')


def _fault_of(why: str) -> int:
    """Which of Supervisor's faults a failed start of the restarter's is, by its reason."""
    usual: int = Faults.ABNORMAL_TERMINATION if why.endswith('state EXITED') else Faults.SPAWN_ERROR
    return next((fault for words, fault in OBSTACLES.items() if words in why), usual)


def settled(restart: Restart) -> list[Report]:
    """A report for each process of a restart of the server's that has come to its end; all, if the
    restart has ended.

    Those that are left alone on purpose are not mentioned, nor those that were not reached: one
    line at the end names them.
    """
    reports = []
    for process in restart['processes']:
        group, name, phase, why = (
            process['group'],
            process['name'],
            process['phase'],
            process['error'],
        )
        if not_reached(process) or may_change(process, restart):
            continue
        if phase == 'ready':
            note = f' ({remark(process)})' if process.get('killed') or process.get('note') else ''
            reports.append(
                Report(group, name, ('signalled' if signalled(process) else 'started') + note)
            )
        elif phase == 'failed':
            # It has been running, was not replaced and has never exited: the stopping went wrong.
            stayed = process['old_pid'] and not process['new_pid'] and not process['stop_seconds']
            fault = _fault_of(why)
            reports.append(
                error(
                    group,
                    name,
                    Faults.FAILED if stayed and fault == Faults.SPAWN_ERROR else fault,
                    why,
                )
            )
        elif phase == 'skipped' and why:
            reports.append(Report(group, name, f'ERROR ({why})', int(Code.CANCELLED)))
        elif phase == 'skipped' and process.get('note'):
            reports.append(Report(group, name, fate(process)))
        elif phase != 'skipped' and ended(restart):
            code = Code.TIMEOUT if restart['state'] == 'timed_out' else Code.CANCELLED
            reports.append(error(group, name, int(code), f'{phase}; what is down still comes back'))
    return reports
