# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""What the module `processes` answers: all of its results, for what was done and would be done."""

from __future__ import annotations

from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils import diff, stopping, wording


def of_restart(restart: dict[str, Any], followed: bool) -> dict[str, Any]:
    """For a restart that is over. followed: it is another client's."""
    failed = restart['state'] != 'succeeded'
    text = wording.failure(restart) if failed else wording.summary(restart)
    if followed:
        text = f'restart {restart["id"]} of another client: {text}'
    return {
        'failed': failed,
        'changed': wording.changed(restart),
        'msg': text,
        'followed': followed,
        'diff': diff.of_rows(wording.rows(restart)),
        'warnings': restart.get('warnings', []),
        **of_seen(restart),
    }


def of_lost(restart: dict[str, Any] | None) -> dict[str, Any]:
    """For a restart whose end is not known: what was seen of it last. It has gone on since, so that
    it counts as changed.
    """
    return {'changed': True, **(of_seen(restart) if restart else {})}


def of_seen(restart: dict[str, Any]) -> dict[str, Any]:
    """What of a restart or an apply is told as it was seen."""
    return {
        'processes': wording.rows(restart),
        'restart': {key: value for key, value in restart.items() if key != 'processes'},
        'lowest_ready': restart['lowest_ready'],
        'total': restart['total'],
    }


def of_stop(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """For processes that were stopped."""
    return {
        'failed': any(row['phase'] == 'failed' for row in rows),
        'changed': any(
            row['phase'] == 'stopped' or row['old_pid'] != row['new_pid'] for row in rows
        ),
        'msg': stopping.summary(rows),
        'processes': rows,
        'total': len(rows),
        'diff': diff.of_rows(rows),
        'warnings': [],
    }


def of_plan(plan: dict[str, Any]) -> dict[str, Any]:
    """For a restart that would be done."""
    return {
        'failed': False,
        'changed': plan['total'] > 0,
        'msg': wording.of_plan(plan),
        'plan': plan,
        'total': plan['total'],
        'diff': diff.of_plan(plan),
        'warnings': plan['warnings'],
    }


def of_stop_plan(plan: dict[str, Any]) -> dict[str, Any]:
    """For a stop that would be done, out of the plan of a restart of the same names."""
    processes = stopping.planned(plan)
    number = sum(process['action'] == 'stop' for process in processes)
    would = f'would stop {wording.counted(number)}'
    return {
        'failed': False,
        'changed': number > 0,
        'msg': would if number else 'nothing to do: nothing is running',
        'plan': {'processes': processes},
        'total': number,
        'diff': diff.of_stop(processes),
        'warnings': [],
    }
