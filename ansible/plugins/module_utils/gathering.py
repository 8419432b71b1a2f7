# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""What the module `info` answers."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils import options
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter
from ansible_collections.supervisor.restarter.plugins.module_utils.wording import (
    namespec,
    planned_processes,
)

EVERYTHING = ['all']


def gathered(params: dict[str, Any], restarter: Restarter) -> dict[str, Any]:
    """All that is asked for, and the version. Trouble if something of it cannot be had."""
    names, gather = params['names'], params['gather']
    asked = options.given(params)
    if asked and 'plan' not in gather:
        raise Trouble(f'{next(iter(asked))} has no meaning without gather: plan')
    result: dict[str, Any] = {'version': restarter.version()}
    meant = _meant(names, gather, restarter)
    if 'processes' in gather:
        infos = restarter.processes()
        result['processes'] = [_row(info) for info in infos if meant is None or _key(info) in meant]
    if 'restarts' in gather:
        groups = None if meant is None else {group for group, _name in meant}
        result['restarts'] = [
            restart
            for restart in restarter.restarts()
            if groups is None or groups & set(restart['groups'])
        ]
    if 'plan' in gather:
        result['plan'] = restarter.plan(names, asked)
    if params['restart'] is not None:
        result['restart'] = restarter.get(params['restart'])
    return result


def _meant(
    names: list[str], gather: list[str], restarter: Restarter
) -> set[tuple[str, str]] | None:
    """Group and name of each process that the names mean; None: of all. The server knows."""
    if names == EVERYTHING or not {'processes', 'restarts'} & set(gather):
        return None
    return {_key(process) for process in planned_processes(restarter.plan(names, {}))}


def _key(struct: dict[str, Any]) -> tuple[str, str]:
    return struct['group'], struct['name']


def _row(info: dict[str, Any]) -> dict[str, Any]:
    started = datetime.fromtimestamp(info['start'], timezone.utc) if info['start'] else None
    return {
        'name': namespec(info),
        'group': info['group'],
        'state': info['statename'],
        'pid': info['pid'],
        'started_at': started.strftime('%Y-%m-%dT%H:%M:%SZ') if started else '',
        'uptime': max(0, info['now'] - info['start']) if info['pid'] else 0,
        'exit_status': info['exitstatus'],
        'reason': info['spawnerr'],
    }
