# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""What --diff shows: a line for each process before and after, and of a changed configuration also
one for each key.

What is left alone has the same line on both sides, with the reason: it is no difference.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils.wording import (
    APPLIED,
    DONE,
    namespec,
)


def of_plan(plan: dict[str, Any]) -> dict[str, str]:
    """What would be done, batch by batch."""
    before, after = [], []
    for batch in plan['batches']:
        for process in batch['processes']:
            before.append(_line(process, _state(process)))
            done = DONE.get(process['action'], process['action'])
            after.append(_line(process, f'{done} in batch {batch["number"]}'))
    for process in plan['left']:
        line = _line(process, f'{_state(process)}, left alone: {process["reason"]}')
        before.append(line)
        after.append(line)
    return _texts(before, after)


def of_stop(processes: list[dict[str, Any]]) -> dict[str, str]:
    """What would be stopped. processes: with the `action` of each."""
    before = [_line(process, _state(process)) for process in processes]
    after = [
        _line(process, 'stopped' if process['action'] else _state(process)) for process in processes
    ]
    return _texts(before, after)


def of_rows(rows: list[dict[str, Any]]) -> dict[str, str]:
    """What was done, with the old and the new pids. rows: as the module returns them."""
    before, after = [], []
    for one in rows:
        old = _pid(one['old_pid'])
        told = f': {one["reason"]}' if one['reason'] else ''
        if one['phase'] == 'skipped' and one['old_pid'] == one['new_pid']:
            line = f'{one["name"]}  {old}, left alone{told}'
            before.append(line)
            after.append(line)
        else:
            before.append(f'{one["name"]}  {old}')
            after.append(f'{one["name"]}  {_pid(one["new_pid"])}, {one["phase"]}{told}')
    return _texts(before, after)


def of_config(plan: dict[str, Any]) -> dict[str, str]:
    """What an apply of the configuration files would change, key by key."""
    before: list[str] = []
    after: list[str] = []
    for group in plan['groups']:
        if group['changes']:
            _keys(group['changes'], [f'group {group["group"]}'], before, after)
        # Processes of a group mostly change alike; their keys are told once.
        for _alike, found in groupby(group['processes'], key=lambda one: one['changes']):
            _processes(group['group'], list(found), before, after)
    return {
        **_texts(before, after),
        'before_header': 'what runs',
        'after_header': 'the configuration files',
    }


def _processes(
    group: str, processes: list[dict[str, Any]], before: list[str], after: list[str]
) -> None:
    """Processes whose changes are the same."""
    for process in processes:
        named = {'group': group, **process}
        if process['state']:
            before.append(_line(named, _state(process)))
        if process['action'] != 'remove':
            after.append(_line(named, _becomes(named)))
    _keys(processes[0]['changes'], [], before, after)


def _becomes(process: dict[str, Any]) -> str:
    if process['action'] == 'later':
        return f'{_state(process)}, with this from its next start on'
    done = APPLIED.get(process['action'], process['action'])
    if not process['follows']:
        return done
    return f'{done} in the place of {namespec({**process, "name": process["follows"]})}'


def _keys(
    changes: list[dict[str, str]], head: list[str], before: list[str], after: list[str]
) -> None:
    before += head
    after += head
    for change in changes:
        old, new = change['old'], change['new']
        if change['what'] == 'changed' and old == new:
            new += ' (another one)'  # hidden on both sides
        if change['what'] != 'added':
            before.append(f'  {change["key"]}: {old}')
        if change['what'] != 'removed':
            after.append(f'  {change["key"]}: {new}')


def _line(process: dict[str, Any], text: str) -> str:
    return f'{namespec(process)}  {text}'


def _state(process: dict[str, Any]) -> str:
    return f'{process["state"]} pid {process["pid"]}' if process['pid'] else str(process['state'])


def _pid(pid: int) -> str:
    return f'pid {pid}' if pid else 'not running'


def _texts(before: list[str], after: list[str]) -> dict[str, str]:
    return {
        'before': ''.join(f'{line}\n' for line in before),
        'after': ''.join(f'{line}\n' for line in after),
    }
