"""What is said of restarts and of their processes, by both clients: lines of text, made out of the
server's structs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from supervisor.options import make_namespec

from supervisor_restarter.client.screen import Colour
from supervisor_restarter.client.structs import (
    Process,
    Restart,
    ended,
    is_apply,
    is_surge,
    signalled,
)

FINAL_PHASES = ('ready', 'skipped', 'failed')
# How many processes a line of errors names; all of them have a line of their own elsewhere.
NAMED = 5
# How the server begins its reason for a process to which nothing was done, because the restart
# ended before.
NOT_REACHED_PREFIX = 'not reached'
# ... its remark on one that an apply has brought back to what it was
ROLLED_BACK_NOTE = 'rolled back'
# ... and on one that it has left alone on purpose, for a reason of its own.
LEFT_PREFIX = 'already '
# What is done to processes, and has been, by the method of a restart (its first word).
METHOD_VERBS = {
    'restart': ('restart', 'restarted'),
    'start': ('start', 'started'),
    'signal': ('signal', 'signalled'),
}
# A stop that took less is not worth a word.
LONG_STOP = 1.0  # seconds


def groups(restart: Restart) -> str:
    return ', '.join(restart['groups'])


def namespec(process: Any) -> str:
    """The process's name as supervisorctl writes it; `process` is a struct with group and name."""
    return str(make_namespec(process['group'], process['name']))


def processes(number: int) -> str:
    return '1 process' if number == 1 else f'{number} processes'


# -- one process ---------------------------------------------------------------------------------


def not_reached(process: Process) -> bool:
    """Whether nothing was done to it because the restart ended before."""
    return process['phase'] == 'skipped' and process['error'].startswith(NOT_REACHED_PREFIX)


def is_left_alone(process: Process) -> bool:
    """Whether nothing was done to it because it is new enough, or up already."""
    note = process.get('note', '')
    return process['phase'] == 'skipped' and not process['error'] and note.startswith(LEFT_PREFIX)


def settled(process: Process) -> bool:
    """Whether it is done with; one that was not reached has been left, and is not done with."""
    return is_gone(process) or (process['phase'] in FINAL_PHASES and not not_reached(process))


def is_gone(process: Process) -> bool:
    """Whether an apply has removed it: it was to be, or had been added and is rolled back."""
    to_be_removed = process.get('action') == 'remove'
    if process['phase'] == 'skipped':
        return to_be_removed and not process['error']  # it was down already
    undone = ROLLED_BACK_NOTE in process.get('note', '')
    return process['phase'] == 'stopped' and (to_be_removed or undone)


def went_wrong(process: Process) -> bool:
    """Whether it has failed. After a rollback it is ready again, or gone, all the same."""
    back = process['phase'] == 'ready' or is_gone(process)
    return process['phase'] == 'failed' or (back and bool(process['error']))


def may_change(process: Process, restart: Restart) -> bool:
    """Whether what became of it is known at the end only: a client that has stopped it meanwhile
    may start it again.
    """
    # Nothing is said of what is left alone on purpose.
    said = process['error'] or process.get('note', '')
    return process['phase'] == 'skipped' and bool(said) and not ended(restart)


def remark(process: Process) -> str:
    """What is to be said of it and is no error, such as how long its stop took; mostly ''."""
    note = process.get('note', '')
    if note:
        return note
    old = 'the old one ' if is_surge(process) else ''
    if process.get('killed'):
        return f'{old}killed after {process["stop_seconds"]:.1f} s'
    seconds = process['stop_seconds']
    return f'{old}stopped in {seconds:.1f}s' if seconds >= LONG_STOP else ''


def process_line(process: Process) -> str:
    """What has become of a process, in supervisorctl's manner: `web:04: ERROR (exit status 1)`."""
    return f'{namespec(process)}: {fate(process)}'


def fate(process: Process) -> str:
    """What has become of a process."""
    phase, error = process['phase'], process['error']
    if is_gone(process) and not error:
        said = ', '.join(filter(None, [_drained(process), remark(process)]))
        return f'removed ({said})' if said else 'removed'
    if phase == 'ready' and not error:
        return _ready(process)
    # An error says how long a stop took, if that matters.
    said = '; '.join(filter(None, [error, process.get('note', '')]))
    if went_wrong(process):
        return f'ERROR ({said or "no reason given"})'
    if phase == 'skipped':
        return f'skipped ({said or "not running"})'
    return f'{phase} ({said})' if said else phase


def _ready(process: Process) -> str:
    after = f'ready after {process["ready_seconds"]:.2f}s'
    down = f'down {process["down_seconds"]:.2f}s'
    if signalled(process):
        return f'signalled ({", ".join(filter(None, [process.get("note", ""), after]))})'
    if not process['old_pid']:
        return f'started ({", ".join(filter(None, [process.get("note", ""), after]))})'
    said = [_drained(process), remark(process)]
    if is_surge(process) and not process['down_seconds']:  # the new one came first
        return f'restarted ({", ".join(filter(None, [after, *said]))})'
    return f'restarted ({", ".join(filter(None, [*said, down, after]))})'


def _drained(process: Process) -> str:
    """How long it was taken out of service, if that is worth a word."""
    seconds = process.get('drain_seconds', 0)
    return f'drained in {seconds:.1f}s' if seconds >= LONG_STOP else ''


def colour(process: Process) -> Colour:
    if went_wrong(process):
        return Colour.BAD
    if is_left_alone(process):
        return Colour.PLAIN
    left = process['phase'] == 'skipped' and process['error']
    if process.get('killed') or process.get('note') or left:
        return Colour.ODD
    good = process['phase'] == 'ready' or is_gone(process)
    return Colour.GOOD if good else Colour.PLAIN


def process_lines(restart: Restart) -> list[str]:
    """A line for each process, and one for all that were not reached, or left alone alike."""

    def is_alike(process: Process) -> bool:
        return not_reached(process) or is_left_alone(process)

    return [
        *(process_line(p) for p in restart['processes'] if not is_alike(p)),
        *together(p for p in restart['processes'] if is_alike(p)),
    ]


def together(concerned: Iterable[Process], most: int = NAMED) -> list[str]:
    """A line for all processes of which the same is to be said. most: how many of them it names."""
    alike: dict[str, list[Process]] = {}
    for process in concerned:
        alike.setdefault(fate(process), []).append(process)
    return [f'{named(same, most=most)}: {text}' for text, same in alike.items()]


# -- the whole restart ---------------------------------------------------------------------------


def summary(restart: Restart) -> str:
    """The last line after a restart that succeeded."""
    done = sum(process['phase'] == 'ready' for process in restart['processes'])
    left = [process for process in restart['processes'] if process['phase'] == 'skipped']
    verb, past = verbs(restart)
    if left and not any(process['new_pid'] for process in restart['processes']):
        alone = f'{processes(len(left))} left alone{_reason(left)}'
        return f'{groups(restart)}: nothing to {verb}, {alone}'
    return (
        f'{groups(restart)}: {past} {processes(done)} in {restart["duration"]:.2f}s, '
        + (f'{len(left)} left alone{_reason(left)}, ' if left else '')
        + f'at least {restart["lowest_ready"]} of {restart["total"]} ready throughout'
        + ''.join(f', {text}' for text in _killed(restart))
    )


def failure(restart: Restart, reasons: bool = True) -> str:
    """The one line for a restart that has ended otherwise: what failed, what is pending, what was
    left out.

    reasons: False where they, and the names of those that were not reached, have just been shown.
    """
    why = restart.get('why', '') if is_apply(restart) else ''
    parts = {
        'timed_out': [f'timed out after {restart["duration"]:.2f}s'],
        'cancelled': [f'cancelled ({why})' if why else 'cancelled'],
        'failed': ['rolling back failed'] if why else [],
    }.get(restart['state'], [])
    failed = [p for p in restart['processes'] if p['phase'] == 'failed']
    pending = [p for p in restart['processes'] if p['phase'] not in FINAL_PHASES and not is_gone(p)]
    left = [p for p in restart['processes'] if p['phase'] == 'skipped' and p['error']]
    # The reason of those that were not reached is the failure, the timeout or the cancel that
    # stands before them.
    untouched = [p for p in left if not_reached(p)]
    others = [p for p in left if not not_reached(p)]
    error, phase = ('error', 'phase') if reasons else ('', '')
    if failed:
        of = processes(restart['total'])
        parts.append(f'{len(failed)} of {of} failed: {named(failed, error)}')
    if pending:
        names = named(pending, phase)
        parts.append(f'{len(pending)} pending: {names}; what is down still comes back')
    if others:
        left_out = 'left alone' if is_apply(restart) else 'not restarted'
        parts.append(f'{len(others)} {left_out}: {named(others, error)}')
    if untouched:
        names = f': {named(untouched)}' if reasons else ''
        parts.append(f'{len(untouched)} not reached, still as before{names}')
    parts += _killed(restart)
    old = old_stopping(restart)
    parts += [old] if old else []
    return f'{groups(restart)}: {"; ".join(parts) or restart["state"]}'


def old_stopping(restart: Restart) -> str:
    """`3 old processes still stopping`, whose new ones are there; '' if there are none."""
    number = restart.get('old_stopping', 0)
    return (
        f'{number} old {"process" if number == 1 else "processes"} still stopping' if number else ''
    )


class OldStopping:
    """Says that nothing but old processes is waited for: once, however many they are afterwards."""

    def __init__(self) -> None:
        self._told = False

    def fresh(self, restart: Restart) -> list[str]:
        if self._told or not only_old_stopping(restart):
            return []
        self._told = True
        return [f'{groups(restart)}: {old_stopping(restart)}']


def only_old_stopping(restart: Restart) -> str:
    """The same, where nothing else is waited for; else ''."""
    if ended(restart) or not all(settled(process) for process in restart['processes']):
        return ''
    return old_stopping(restart)


def verbs(concerned: Any) -> tuple[str, str]:
    """What a restart (or a plan) does to processes, and what it has done."""
    method = str(concerned['options'].get('method', 'restart'))
    return METHOD_VERBS.get(method.partition(':')[0], METHOD_VERBS['restart'])


def _reason(left: Sequence[Process]) -> str:
    """Why they were left alone, in brackets, if that is the same for all and is told."""
    notes = {process.get('note', '') if is_left_alone(process) else '' for process in left}
    note = notes.pop()
    every = 'all ' if len(left) > 1 else ''
    return f' ({every}{note})' if note and not notes else ''


def _killed(restart: Restart) -> list[str]:
    """How many were ended by SIGKILL, if any were."""
    number = sum(bool(process.get('killed')) for process in restart['processes'])
    return [f'{number} killed'] if number else []


def named(some: Sequence[Any], key: str = '', most: int = NAMED) -> str:
    """The first few of some processes, and how many more there are; with the reason that each has
    under `key`.
    """
    reasons = [process[key] if key else '' for process in some]
    alike = len(some) > 1 and len(set(reasons)) == 1
    names = (
        namespec(process) + (f' ({why})' if why and not alike else '')
        for process, why in zip(some, reasons)
    )
    text = ', '.join(itertools.islice(names, most))
    more = len(some) - most
    return (
        text
        + (f' and {more} more' if more > 0 else '')
        + (f' (all: {reasons[0]})' if alike and reasons[0] else '')
    )


def warning_lines(restart: Restart) -> list[str]:
    """What its plan warned of."""
    return [f'warning: {text}' for text in restart.get('warnings', [])]
