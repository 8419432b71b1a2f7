"""What quickstart, quickstop and quickrestart say of each process, and supervisorctl's code for it.

Scripts read these lines as they read those of supervisorctl's own start and stop: its words come
first, and the server's reason after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from supervisor.options import make_namespec
from supervisor.xmlrpc import Faults

from supervisor_restarter.client.structs import Process, Restart, ended, is_apply, signalled
from supervisor_restarter.client.wording import fate, may_change, not_reached, remark, settled
from supervisor_restarter.faults import Code
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
# How Supervisor says that a command cannot be executed (ServerOptions.check_execv_args,
# get_execv_args). The restarter passes these texts on as reasons; supervisorctl has its own words
# and exit statuses for them.
OBSTACLES: dict[str, int] = {
    "can't find command": Faults.NO_FILE,
    'is a directory': Faults.NOT_EXECUTABLE,
    'is not executable': Faults.NOT_EXECUTABLE,
    'no permission to run command': Faults.NOT_EXECUTABLE,
    "can't parse command": Faults.NOT_EXECUTABLE,
    'command is empty': Faults.NOT_EXECUTABLE,
}
# How the reason of a failed RESTARTER_BEFORE_STOP or _AFTER_READY begins.
HOOK_PREFIX = 'RESTARTER_'
STOPPED_BY_OTHERS = 'somebody else stopped it meanwhile; it was left so'


class Report(NamedTuple):
    """What became of a process. text: 'started', 'stopped' or 'ERROR (...)'; code: of Faults or
    Code.
    """

    group: str
    name: str
    text: str
    code: int = Faults.SUCCESS

    @property
    def line(self) -> str:
        """The report as it is printed."""
        return printable(f'{make_namespec(self.group, self.name)}: {self.text}')


def error(group: str, name: str, fault: int, detail: str = '') -> Report:
    """A process that failed, because of one of Faults or Code, and what is known of the reason."""
    words = f'ERROR ({WORDS.get(fault, "failed")})'
    return Report(group, name, f'{words}: {detail}' if detail else words, fault)


def overruled(group: str, name: str, why: str) -> Report:
    """A process for which another client has decided otherwise."""
    return Report(group, name, f'ERROR ({why})', int(Code.CANCELLED))


def of_start(group: str, name: str, state: str, why: str) -> Report:
    """What has come of a start through Supervisor's own call. state: any but STARTING; why: the
    spawnerr.
    """
    if state == 'RUNNING' or (state == 'EXITED' and not why):
        return Report(group, name, 'started')  # one of its exitcodes leaves no spawnerr
    if state == 'EXITED':
        return error(group, name, Faults.ABNORMAL_TERMINATION, why)
    if state in ('BACKOFF', 'FATAL'):
        return error(group, name, Faults.SPAWN_ERROR, why)
    if state in ('STOPPED', 'STOPPING'):
        return overruled(group, name, STOPPED_BY_OTHERS)
    return error(group, name, Faults.FAILED, f'state {state}')


def of_row(row: Mapping[str, Any]) -> Report:
    """The report for a row of quickStart or quickStop with another status than SUCCESS."""
    status, why = row['status'], row['description'].partition(': ')[2]
    fault = _spawn_fault(why) if status == Faults.SPAWN_ERROR else status
    detail = '' if status in (Faults.ALREADY_STARTED, Faults.NOT_RUNNING) else why
    return error(row['group'], row['name'], fault, detail)


def of_restart(restart: Restart) -> list[Report]:
    """A report for each process of a restart by the server that is done with; for all of them when
    the restart has ended.

    There is none for those that are left alone on purpose, nor for those that were not reached: one
    line at the end names them.
    """
    of_process = _of_applied if is_apply(restart) else _of_process
    found = (
        of_process(process, restart)
        for process in restart['processes']
        if not not_reached(process) and not may_change(process, restart)
    )
    return [report for report in found if report is not None]


def _of_applied(process: Process, restart: Restart) -> Report | None:
    """As the command tells of it. The exit status is that of the apply as a whole."""
    if not settled(process) and not ended(restart):
        return None
    return Report(process['group'], process['name'], fate(process))


def _of_process(process: Process, restart: Restart) -> Report | None:
    group, name = process['group'], process['name']
    phase, why = process['phase'], process['error']
    if phase == 'ready':
        note = f' ({remark(process)})' if process.get('killed') or process.get('note') else ''
        return Report(group, name, ('signalled' if signalled(process) else 'started') + note)
    if phase == 'failed':
        if why.startswith(HOOK_PREFIX):
            return error(group, name, Faults.FAILED, why)
        # It was running, was not replaced and has never exited: the stopping went wrong.
        stayed = process['old_pid'] and not process['new_pid'] and not process['stop_seconds']
        fault = _spawn_fault(why)
        wrong_stop = stayed and fault == Faults.SPAWN_ERROR
        return error(group, name, Faults.FAILED if wrong_stop else fault, why)
    if phase == 'skipped':
        if why:
            return overruled(group, name, why)
        return Report(group, name, fate(process)) if process.get('note') else None
    if not ended(restart):
        return None
    code = Code.TIMEOUT if restart['state'] == 'timed_out' else Code.CANCELLED
    return error(group, name, int(code), f'{phase}; what is down still comes back')


def _spawn_fault(why: str) -> int:
    """The fault of Supervisor's for a start that failed in the restarter, by its reason."""
    usual: int = Faults.ABNORMAL_TERMINATION if why.endswith('state EXITED') else Faults.SPAWN_ERROR
    return next((fault for words, fault in OBSTACLES.items() if words in why), usual)
