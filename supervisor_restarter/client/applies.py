"""What is said of an apply: what it has changed at once, that it rolls back, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from supervisor_restarter.client.structs import Restart, ended, is_apply
from supervisor_restarter.client.wording import (
    failure,
    groups,
    is_gone,
    named,
    processes,
    summary,
    went_wrong,
)
from supervisor_restarter.text import listed

NOTHING_TO_APPLY = 'nothing to apply: what runs is what the files say'
# What an apply does without a stop or a start -> what is said of each, and how they are counted.
AT_ONCE = {
    'live': ('changed live', 'changed live'),
    'later': ('changed, holds from its next start', 'changed for the next start'),
    'add': ('added, not started (autostart=false)', 'added, not started'),
    'drop': ('removed', 'removed'),
}
ACTIONS_DONE = {'restart': 'restarted', 'start': 'started'}
REMOVED = 'removed'
# How they are counted, in this order.
COUNTED = (
    'restarted',
    'started',
    REMOVED,
    'changed live',
    'changed for the next start',
    'added, not started',
)


class Headlines:
    """What is said of a restart or an apply as a whole while it goes on, each line once. on_bar:
    a bar's title says that a restart waits in the queue.
    """

    def __init__(self, on_bar: bool = False) -> None:
        self._told: set[str] = set()
        self._on_bar = on_bar

    def fresh(self, restart: Restart) -> Iterator[str]:
        for line in self._lines(restart):
            if line not in self._told:
                self._told.add(line)
                yield line

    def _lines(self, restart: Restart) -> list[str]:
        if restart['state'] == 'queued':
            told_by_bar = self._on_bar and restart['total']
            return [] if told_by_bar else [f'{groups(restart)}: queued behind another restart']
        if is_rolling_back(restart):
            return [f'{groups(restart)}: rolling back: {restart["why"]}']
        return [] if restart.get('why') else at_once_lines(restart)


def is_rolling_back(restart: Restart) -> bool:
    """Whether an apply is on its way back."""
    return is_apply(restart) and bool(restart['why']) and not ended(restart)


def one_of(begun: str) -> str:
    """'a restart' or 'an apply'."""
    return f'an {begun}' if begun == 'apply' else f'a {begun}'


def at_once_lines(restart: Restart) -> list[str]:
    """What an apply has changed without a stop or a start, a line for all with the same lot."""
    alike: dict[str, list[dict[str, str]]] = {}
    for one in restart.get('at_once', []):
        alike.setdefault(one['action'], []).append(one)
    lines = []
    for action, same in alike.items():
        words = AT_ONCE.get(action, (action,))[0]
        of_groups = [one['group'] for one in same if not one['name']]
        of_processes = [one for one in same if one['name']]
        lines += [f'{listed(of_groups)}: {words}'] if of_groups else []
        lines += [f'{named(of_processes)}: {words}'] if of_processes else []
    return lines


def why_lines(restart: Restart) -> list[str]:
    """Why an apply is being rolled back, was rolled back or was cancelled, if it is or was."""
    if not is_apply(restart) or not restart['why']:
        return []
    what = restart['state'].replace('_', ' ') if ended(restart) else 'rolling back'
    return [f'{what}: {restart["why"]}']


def last_line(restart: Restart, nothing: str = NOTHING_TO_APPLY) -> str:
    """The last line after a restart or an apply that succeeded. nothing: where there was nothing to
    apply.
    """
    if not is_apply(restart):
        return summary(restart)
    if not restart['total'] and not restart.get('at_once'):
        return nothing
    text = f'{groups(restart)}: applied in {restart["duration"]:.2f}s: {_counts(restart)}'
    staying = sum(bool(p['old_pid']) and p['action'] != 'remove' for p in restart['processes'])
    if staying:
        text += f'; at least {restart["lowest_ready"]} of {staying} ready throughout'
    return text


def last_error(restart: Restart, reasons: bool = True, of_files: bool = True) -> str:
    """The one line for a restart or an apply that ended otherwise. reasons: as in failure().
    of_files: whether what was to be applied is what the files say.
    """
    if restart['state'] != 'rolled_back':
        return failure(restart, reasons)
    touched = any(p['new_pid'] or p['stop_seconds'] for p in restart['processes'])
    return (
        f'{groups(restart)}: rolled back after {restart["duration"]:.2f}s: '
        f'{_reason_why(restart, reasons)}; '
        + ('the old configuration runs again' if touched else 'nothing was restarted')
        + (', and the files still hold the new one' if of_files else '')
    )


def _reason_why(restart: Restart, reasons: bool) -> str:
    """The first reason, and of how many processes more there is one; where they have just been
    shown, only which processes have failed.
    """
    wrong = [process for process in restart['processes'] if went_wrong(process)]
    if wrong and not reasons:
        return f'{processes(len(wrong))} failed: {named(wrong)}'
    more = f' (and {processes(len(wrong) - 1)} more failed)' if len(wrong) > 1 else ''
    return restart['why'] + more


def _counts(restart: Restart) -> str:
    at_once: list[Any] = restart.get('at_once', [])
    done = [AT_ONCE.get(one['action'], 2 * (one['action'],))[1] for one in at_once if one['name']]
    for process in restart['processes']:
        if is_gone(process):
            done.append(REMOVED)
        elif process['phase'] == 'ready':
            done.append(ACTIONS_DONE.get(process['action'], process['action']))
    found = Counter(done)
    counts = [
        f'{found[words]} {words}' for words in dict.fromkeys([*COUNTED, *found]) if found[words]
    ]
    if not counts:  # of the groups themselves alone, as their priority
        number = len(at_once)
        counts = [f'{number} {"group" if number == 1 else "groups"} changed live']
    return ', '.join(counts)
