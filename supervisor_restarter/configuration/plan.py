"""The plan of a changed configuration: what becomes of each group and process, as a struct. Pure.

A process that was stopped on purpose, or has ended as its exitcodes say, gets its new configuration
and stays down; one that has failed is started with the new one. What stays as it is is counted and
not listed: of 500 processes mostly a few change, and each struct costs time to send.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, NamedTuple

from supervisor_restarter.configuration.diff import NOT_SET, GroupChange, KeyChange, ProcessChange
from supervisor_restarter.configuration.keys import NEEDS_START, written_key
from supervisor_restarter.engine.phases import UP, Seen

LEFT_DOWN = (Seen.STOPPED, Seen.STOPPING, Seen.EXITED)
UNCHANGED = 'none'


class ProcessState(NamedTuple):
    """How a process is: what is seen of it, Supervisor's word for that, its pid."""

    seen: Seen
    word: str
    pid: int


NOT_THERE = ProcessState(Seen.STOPPED, '', 0)
LookUp = Callable[[str, str], ProcessState]  # the state of the process of that group and name
Shown = Callable[[str, object], str]  # a key and its value -> text


def config_plan(changes: Iterable[GroupChange], look: LookUp, shown: Shown) -> dict[str, Any]:
    """What changes, and how many processes do and do not."""
    groups = [_group_struct(change, look, shown) for change in changes]
    return {
        'groups': [group for group in groups if group['action'] != UNCHANGED],
        'total': sum(len(group['processes']) for group in groups),
        'unchanged': sum(group['unchanged'] for group in groups),
    }


def process_action(change: ProcessChange, group: GroupChange, state: ProcessState) -> str:
    """What becomes of the process: 'add' (not started), 'start', 'restart', 'live' (changed without
    a restart), 'later' (holds from its next start on), 'remove' or UNCHANGED.
    """
    if change.new is None:
        return 'remove'
    if change.old is None:
        return 'start' if change.new.values['autostart'] else 'add'
    of_group = {one.effect for one in group.changes} & NEEDS_START
    effects = {one.effect for one in change.changes} | of_group
    if not effects:
        return UNCHANGED
    if not effects & NEEDS_START:
        return 'live'
    if state.seen in LEFT_DOWN:
        return 'later'
    return 'restart' if state.seen in UP else 'start'


def _group_struct(group: GroupChange, look: LookUp, shown: Shown) -> dict[str, Any]:
    processes = []
    for change in group.processes:
        state = look(group.name, change.name) if change.old is not None else NOT_THERE
        becomes = process_action(change, group, state)
        if becomes != UNCHANGED:
            processes.append(
                {
                    'name': change.name,
                    'action': becomes,
                    'state': state.word,
                    'pid': state.pid,
                    'follows': change.follows,
                    'changes': [_change_struct(one, shown) for one in change.changes],
                }
            )
    return {
        'group': group.name,
        'action': _group_action(group, bool(processes)),
        'changes': [_change_struct(one, shown) for one in group.changes],
        'processes': processes,
        'unchanged': len(group.processes) - len(processes),
    }


def _group_action(group: GroupChange, any_process: bool) -> str:
    if group.old is None:
        return 'add'
    if group.new is None:
        return 'remove'
    if group.replaced:
        return 'replace'
    return 'change' if group.changes or any_process else UNCHANGED


def _change_struct(change: KeyChange, shown: Shown) -> dict[str, str]:
    what = 'added' if change.old is NOT_SET else 'removed' if change.new is NOT_SET else 'changed'
    return {
        'key': written_key(change.key),
        'what': what,
        'old': shown(change.key, change.old),
        'new': shown(change.key, change.new),
        'effect': change.effect.value,
    }
