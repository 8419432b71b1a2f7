# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""What is said of processes, restarts and plans: rows of the results, and one sentence as `msg`."""

from __future__ import annotations

from typing import Any

ON_PURPOSE = 'stopped on purpose, and not named outright'
# What is done to a process, and what it is then.
DONE = {'restart': 'restarted', 'start': 'started', 'signal': 'signalled'}
# What an apply does to a process or a group, and what it is then; in the order of telling.
APPLIED = {
    'restart': 'restarted',
    'start': 'started',
    'remove': 'removed',
    'drop': 'removed',  # which was down
    'live': 'changed live',
    'later': 'changed for the next start',
    'add': 'added, not started',
    'replace': 'replaced',
    'change': 'changed',
}
NOT_REACHED = 'not reached'  # how the server's reason begins for what the restart did not come to


def namespec(process: dict[str, Any]) -> str:
    """The name of a process as supervisorctl writes it: web:0, or nginx where both are the same."""
    group, name = process['group'], process['name']
    return str(name) if group == name else f'{group}:{name}'


def counted(number: int) -> str:
    return '1 process' if number == 1 else f'{number} processes'


def ended(restart: dict[str, Any]) -> bool:
    """Whether nothing further is taken down. What is down may still be on its way back."""
    return restart['state'] not in ('queued', 'running')


def signalled(restart: dict[str, Any]) -> bool:
    return _method(restart) == 'signal'


def new_pid(process: dict[str, Any]) -> int:
    """Its pid afterwards. The server tells none for what was left alone, not reached, or not stopped
    because it was known not to come up again.
    """
    left = not process['error'] or process['error'].startswith(NOT_REACHED)
    unstopped = process['phase'] == 'failed' and not process['stop_seconds']
    if not process['new_pid'] and (unstopped or (process['phase'] == 'skipped' and left)):
        return int(process['old_pid'])
    return int(process['new_pid'])


def rows(restart: dict[str, Any]) -> list[dict[str, Any]]:
    """The processes of a restart or an apply as the modules return them."""
    more = ('action',) if restart.get('kind') == 'apply' else ()
    return [
        {**row(process, _options(restart)), **{key: process[key] for key in more}}
        for process in restart['processes']
    ]


def row(process: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """A process of a restart with these options as the module returns it."""
    reasons = (process.get('error', ''), process.get('note', ''))
    if process['phase'] == 'skipped' and not any(reasons):
        # The server says it in the plan alone.
        reasons = ('not running' if options.get('only_running') else ON_PURPOSE,)
    return {
        'name': namespec(process),
        'group': process['group'],
        'phase': process['phase'],
        'old_pid': process['old_pid'],
        'new_pid': new_pid(process),
        'seconds_down': process['down_seconds'],
        'ready_seconds': process['ready_seconds'],
        'reason': '; '.join(reason for reason in reasons if reason),
        'killed': bool(process.get('killed')),
    }


def changed(restart: dict[str, Any]) -> bool:
    """Whether any process is another one than before, or was sent the signal."""
    touched = ('ready', 'failed') if signalled(restart) else ()
    return any(
        process['old_pid'] != new_pid(process) or process['phase'] in touched
        for process in restart['processes']
    )


def planned_processes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All processes of a plan, those to be restarted and those left alone."""
    return [
        *(process for batch in plan['batches'] for process in batch['processes']),
        *plan['left'],
    ]


# -- the sentence --------------------------------------------------------------------------------


def summary(restart: dict[str, Any]) -> str:
    """The sentence for a restart that has succeeded."""
    done, left, told = [], [], []
    for process in restart['processes']:
        # What is down, and what another client has stopped or started meanwhile.
        skipped = told if process['error'] or not process['old_pid'] else left
        (done if process['phase'] == 'ready' else skipped).append(process)
    parts = [f'{counted(len(left))} left alone'] if left else []
    reasons = [row(process, _options(restart)) for process in told]
    parts += _first([f'{one["name"]}: {one["reason"]}' for one in reasons])
    if not done:
        return f'nothing to do: {", ".join(parts)}'
    method = _method(restart)
    text = f'{DONE.get(method, method)} {counted(len(done))} of {_groups(restart)} in {restart["duration"]:.2f} s'
    if method != 'start':
        parts.append(f'at least {restart["lowest_ready"]} of {restart["total"]} ready throughout')
    return ', '.join([text, *parts])


def failure(restart: dict[str, Any]) -> str:
    """The sentence for a restart that has not succeeded: the reason of the first that failed, in
    the order of their turns, which is that of the server.
    """
    reasons = _first(reasons_of(restart))
    if restart['state'] == 'timed_out':
        back = f'after {restart["duration"]:.2f} s everything was ready all the same'
        return f'timed out after {_options(restart)["timeout"]:g} s: {"".join(reasons) or back}'
    how = ['cancelled'] if restart['state'] == 'cancelled' else []
    return ': '.join([*how, *reasons]) or f'the restart {restart["state"]}'


def _first(reasons: list[str]) -> list[str]:
    """The first reason, if there is one, and how many more there are."""
    more = f' (and {len(reasons) - 1} more)' if len(reasons) > 1 else ''
    return [reasons[0] + more] if reasons else []


def reasons_of(restart: dict[str, Any]) -> list[str]:
    """Of what failed; without any, of what another client has stopped or started meanwhile; without
    that, of what was not reached.
    """
    failed, taken, missed = [], [], []
    for process in restart['processes']:
        text = f'{namespec(process)}: {process["error"]}'
        if process['phase'] == 'failed':
            failed.append(text)
        elif process['error'].startswith(NOT_REACHED):
            missed.append(text)
        elif process['error']:
            taken.append(text)
    return failed or taken or missed


def of_plan(plan: dict[str, Any]) -> str:
    """The sentence for what would be done."""
    left = f'{counted(len(plan["left"]))} left alone'
    if not plan['total']:
        return f'nothing to do: {left}'
    batches = len(plan['batches'])
    text = f'would {_method(plan)} {counted(plan["total"])} of {_groups(plan)}'
    if batches > 1:
        text += f' in {batches} batches'
    return f'{text}, {left}' if plan['left'] else text


def _method(struct: dict[str, Any]) -> str:
    """A key of DONE."""
    return str(_options(struct).get('method', 'restart')).partition(':')[0]


def _options(struct: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = struct.get('options', {})
    return options


def _groups(struct: dict[str, Any]) -> str:
    return ', '.join(struct['groups'])
