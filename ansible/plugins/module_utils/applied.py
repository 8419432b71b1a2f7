# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""What the module `config` answers: all of its results, for what was done and would be done."""

from __future__ import annotations

from collections import Counter
from typing import Any, Iterable

from ansible_collections.supervisor.restarter.plugins.module_utils import diff, outcomes, wording
from ansible_collections.supervisor.restarter.plugins.module_utils.wording import APPLIED

NOTHING = 'nothing to apply: what runs is what the files say'
BACK = 'the old configuration runs again, and the files still hold the new one'
UNTOUCHED = 'nothing was restarted, and the files still hold the new configuration'
KEPT = 'not rolled back: the new configuration holds where it was reached'
STUCK = 'the old configuration is not back everywhere, and the files still hold the new one'


def of_apply(plan: dict[str, Any], apply: dict[str, Any]) -> dict[str, Any]:
    """For an apply that is over. plan: as it was made just before."""
    failed = apply['state'] != 'succeeded'
    return {
        **_of_plan(plan),
        **outcomes.of_seen(apply),
        'failed': failed,
        'changed': changed(apply),
        'msg': failure(apply) if failed else summary(apply),
        'at_once': at_once(apply),
        'warnings': _warnings([*plan['warnings'], *apply.get('warnings', [])], plan['reload']),
    }


def of_plan(plan: dict[str, Any]) -> dict[str, Any]:
    """For an apply that would be done."""
    return {
        **_of_plan(plan),
        'failed': False,
        'changed': bool(plan['groups']),
        'msg': would(plan),
        'total': plan['total'],
        'warnings': _warnings(plan['warnings'], plan['reload']),
    }


def _of_plan(plan: dict[str, Any]) -> dict[str, Any]:
    return {'plan': plan, 'diff': diff.of_config(plan)}


def _warnings(warnings: list[str], reload: list[str]) -> list[str]:
    more = [f'only a reload of supervisord applies: {", ".join(reload)}'] if reload else []
    return list(dict.fromkeys([*warnings, *more]))


def changed(apply: dict[str, Any]) -> bool:
    """Whether any process is another one than before, or anything else is configured otherwise."""
    kept = apply['state'] != 'rolled_back'
    return wording.changed(apply) or (kept and bool(apply['at_once']))


def at_once(apply: dict[str, Any]) -> list[dict[str, Any]]:
    """What needed no stop and no start, named as supervisorctl names it."""
    return [
        {**one, 'name': wording.namespec(one) if one['name'] else f'{one["group"]}:*'}
        for one in apply['at_once']
    ]


# -- the sentence --------------------------------------------------------------------------------


def summary(apply: dict[str, Any]) -> str:
    """The sentence for an apply that has succeeded."""
    processes = apply['processes']
    if not processes and not apply['at_once']:
        return NOTHING
    named = [one for one in apply['at_once'] if one['name']]
    told = _counted(one['action'] for one in [*processes, *named])
    # Groups of which nothing else is told.
    groups = {one['group'] for one in [*processes, *named]}
    told += _counted(
        (one['action'] for one in apply['at_once'] if one['group'] not in groups), of='group '
    )
    staying = sum(bool(one['old_pid']) and one['action'] != 'remove' for one in processes)
    if staying:
        told.append(f'at least {apply["lowest_ready"]} of {staying} ready throughout')
    return f'applied {_groups(apply["groups"])} in {apply["duration"]:.2f} s: {", ".join(told)}'


def failure(apply: dict[str, Any]) -> str:
    """The sentence for an apply that has not: why it ended, and what holds now."""
    reasons = wording.reasons_of(apply)
    why = apply['why'] or (reasons[0] if reasons else '')
    if apply['state'] == 'rolled_back':
        others = [one for one in reasons if one != why and wording.NOT_REACHED not in one]
        more = f' (and {len(others)} more)' if others else ''
        return f'{why}{more}; rolled back: {BACK if wording.changed(apply) else UNTOUCHED}'
    if apply['state'] == 'failed' and apply['why']:
        return f'{why}; {STUCK}'
    if apply['state'] == 'cancelled':
        return f'cancelled: {why}'
    return f'{wording.failure(apply)}; {KEPT}'


def would(plan: dict[str, Any]) -> str:
    """The sentence for what would be done."""
    if not plan['groups']:
        return NOTHING
    actions = [process['action'] for group in plan['groups'] for process in group['processes']]
    bare = [group['action'] for group in plan['groups'] if not group['processes']]
    told = [*_counted(actions), *_counted(bare, of='group ')]
    return f'would apply {_groups(group["group"] for group in plan["groups"])}: {", ".join(told)}'


def _groups(names: Iterable[str]) -> str:
    return ', '.join(names)


def _counted(actions: Iterable[str], of: str = '') -> list[str]:
    """How often each of them, such as '4 restarted'."""
    found = Counter(APPLIED[action] for action in actions)
    words = dict.fromkeys(APPLIED.values())
    return [f'{found[word]} {of}{word}' for word in words if found[word]]
