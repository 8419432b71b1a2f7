# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""What --diff shows: a line for each process before and after.

What is left alone has the same line on both sides, with the reason: it is no difference.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils.wording import DONE, namespec


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
