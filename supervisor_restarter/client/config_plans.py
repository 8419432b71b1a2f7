"""What changed configuration files would change, as a diff for a reader."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from supervisor_restarter.client.applies import NOTHING_TO_APPLY
from supervisor_restarter.client.structs import ConfigPlan
from supervisor_restarter.client.wording import named, namespec, processes

NUMBERS = re.compile('[0-9]+')
# Where so many processes follow one another by number, only the first and the last are named.
SHORTEST_RUN = 3
# What would become of a process, and what of how many.
BECOMES = {
    'restart': ('restart', 'restart {}'),
    'start': ('start', 'start {}'),
    'remove': ('remove', 'remove {}'),
    'live': ('change live, no restart', 'change {} live'),
    'later': ('change for the next start', 'change {} for the next start'),
    'add': ('add, without a start (autostart=false)', 'add {} without a start'),
}
# ... and of a group as a whole.
GROUP_BECOMES = {
    'add': ' is new',
    'remove': ' is no longer in the files',
    'replace': ' becomes another kind of group',
}
SIGNS = {'added': '+', 'removed': '-', 'changed': '~'}
UNSET_VALUE = '(not set)'


def config_plan_lines(plan: ConfigPlan) -> Iterator[str]:
    """What would change, group by group, what only a reload would apply, and what to mind.

    Processes of a group with the same action and the same changes are one entry.
    """
    yield _would_change(plan) if plan['groups'] else NOTHING_TO_APPLY
    for group in plan['groups']:
        yield f'{group["group"]}{GROUP_BECOMES.get(group["action"], "")}:'
        yield from (f'  {line}' for line in _change_lines(group['changes']))
        for same in _entries(group):
            yield from (f'  {line}' for line in _entry_lines(group['group'], same))
    if plan['reload']:
        yield f'only a reload of supervisord applies: {", ".join(plan["reload"])}'
    for warning in plan['warnings']:
        yield f'warning: {warning}'


def without_removals(plan: ConfigPlan) -> ConfigPlan:
    """The plan of an apply that leaves groups which are no longer in the files as they are."""
    groups = [group for group in plan['groups'] if group['action'] != 'remove']
    left = sum(len(g['processes']) for g in plan['groups'] if g['action'] == 'remove')
    total, unchanged = plan['total'] - left, plan['unchanged'] + left
    return {**plan, 'groups': groups, 'total': total, 'unchanged': unchanged}


def _would_change(plan: ConfigPlan) -> str:
    actions = [process['action'] for group in plan['groups'] for process in group['processes']]
    counts = [
        words[1].format(actions.count(action))
        for action, words in BECOMES.items()
        if action in actions
    ]
    if not counts:
        return 'would change no process'
    total = processes(plan['total'])
    rest = f'; {plan["unchanged"]} unchanged' if plan['unchanged'] else ''
    return f'would change {total}: {", ".join(counts)}{rest}'


def _entries(group: dict[str, Any]) -> list[list[Any]]:
    """The group's processes, those together to which the same happens: exactly the same or, if they
    have one name but for its numbers, the same but for numbers.
    """
    alike: dict[Any, list[Any]] = {}
    for process in group['processes']:
        key = _key(process, exact=False)
        alike.setdefault((NUMBERS.sub('#', process['name']), key), []).append(process)
    merged: dict[Any, list[Any]] = {}
    for key, same in alike.items():
        exact = {_key(process, exact=True) for process in same}
        merged.setdefault(exact.pop() if len(exact) == 1 else key, []).extend(same)
    return list(merged.values())


def _key(process: Any, exact: bool) -> tuple[Any, ...]:
    def value(text: str) -> str:
        return text if exact else NUMBERS.sub('#', text)

    changes = (
        (one['key'], one['what'], value(one['old']), value(one['new']), one['effect'])
        for one in process['changes']
    )
    return process['action'], process['state'], bool(process['follows']), tuple(changes)


def _entry_lines(group: str, same: Sequence[Any]) -> Iterator[str]:
    first = same[0]
    many = f' ({len(same)})' if len(same) > 1 else ''
    state = f' ({first["state"]})' if first['state'] not in ('', 'RUNNING') else ''
    becomes = BECOMES.get(first['action'], (first['action'],))[0]
    place = ''
    if first['follows']:
        place = f', in place of {_run_or_names(group, [process["follows"] for process in same])}'
    yield f'{_run_or_names(group, [one["name"] for one in same])}{many}: {becomes}{place}{state}'
    yield from (f'  {line}' for line in _change_lines(first['changes']))
    if any(process['changes'] != first['changes'] for process in same):
        yield (
            f'  (of {namespec({"group": group, "name": first["name"]})}; '
            'the others alike, with other numbers)'
        )


def _change_lines(changes: Sequence[dict[str, str]]) -> Iterator[str]:
    for one in changes:
        old, new = one['old'] or UNSET_VALUE, one['new'] or UNSET_VALUE
        values = {'added': new, 'removed': old}.get(one['what'], f'{old} -> {new}')
        yield f'{SIGNS.get(one["what"], "~")} {one["key"]}: {values} ({one["effect"]})'


def _run_or_names(group: str, names: Sequence[str]) -> str:
    """`web:0 to web:31` for a run of numbers, else the first few."""
    specs = [{'group': group, 'name': name} for name in names]
    if len(names) >= SHORTEST_RUN and _is_run(names):
        return f'{namespec(specs[0])} to {namespec(specs[-1])}'
    return named(specs)


def _is_run(names: Sequence[str]) -> bool:
    """Whether they differ by one number alone, which grows by one."""
    ways = [re.fullmatch('(.*?)([0-9]+)([^0-9]*)', name) for name in names]
    found = [(way[1], way[3], int(way[2])) for way in ways if way]
    return len(found) == len(names) and all(
        (stem, end, number) == (found[0][0], found[0][1], found[0][2] + index)
        for index, (stem, end, number) in enumerate(found)
    )
