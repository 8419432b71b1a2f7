"""Tables of restarts, and plans, as both clients print them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from supervisor_restarter.client.structs import Plan, Restart
from supervisor_restarter.client.wording import (
    LEFT_PREFIX,
    groups,
    named,
    namespec,
    old_stopping,
    processes,
    verbs,
)
from supervisor_restarter.text import plainly

MINUTE, HOUR = 60, 3600  # seconds


def table(restarts: Sequence[Restart], now: float | None = None) -> list[str]:
    """A row per restart under a heading; the groups, of any length, come last. How many old
    processes are still stopping has a column only where there are any. now: as of time.time().
    """
    now = time.time() if now is None else now
    old = any(r.get('old_stopping') for r in restarts)
    heading = ('ID', 'STATE', 'DONE', 'FAILED', 'LOWEST', *(['OLD'] if old else []))
    rows = [(*heading, 'DURATION', 'WHEN', 'KIND', 'GROUPS')]
    for r in restarts:
        # '-': it was not looked at yet.
        lowest = f'{r["lowest_ready"]}/{r["total"]}' if r['started_at'] else '-'
        rows.append(
            (
                r['id'],
                r['state'],
                f'{r["done"]}/{r["total"]}',
                str(r['failed']),
                lowest,
                *([str(r.get('old_stopping', 0))] if old else []),
                f'{r["duration"]:.2f}s',
                when(r['started_at'] or r['requested_at'], now),
                r.get('kind', 'restart'),
                groups(r),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        '  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows
    ]


def when(iso: str, now: float) -> str:
    """A time of the server's (ISO 8601, UTC) for a reader: `5 minutes ago` within the hour, else
    the local time, with the date if it is not today's.
    """
    try:
        at = datetime.fromisoformat(iso.replace('Z', '+00:00'))
    except ValueError:
        return iso
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    seconds = now - at.timestamp()
    if 0 <= seconds < MINUTE:
        return _ago(int(seconds), 'second')
    if 0 <= seconds < HOUR:
        return _ago(int(seconds // MINUTE), 'minute')
    at = at.astimezone()
    today = datetime.fromtimestamp(now).date()
    return at.strftime('%H:%M:%S' if at.date() == today else '%Y-%m-%d %H:%M')


def _ago(number: int, unit: str) -> str:
    return f'{number} {unit}{"" if number == 1 else "s"} ago'


def old_stopping_lines(restart: Restart) -> Iterable[str]:
    """That old processes of a restart are still stopping, if any are."""
    old = old_stopping(restart)
    if old:
        yield f'{groups(restart)}: {old}'


def newer_than_lines(concerned: Mapping[str, Any]) -> Iterable[str]:
    """Which paths decide what a plan or a restart leaves alone, if any do."""
    paths = concerned['options'].get('newer_than')
    if paths:
        yield f'newer_than = {plainly(paths)}'


def policy_lines(concerned: Mapping[str, Any]) -> Iterable[str]:
    """What holds in each group of a plan or a restart, as far as it is set anywhere, and where that
    is.
    """
    for policy in concerned.get('policies', []):
        held = []
        for name, where in policy['from'].items():
            if where != 'default':
                of = _allowed(policy) if name == 'max_unavailable' else ''
                held.append(f'{name} = {plainly(policy[name])} ({where}{of})')
        if held:
            yield f'{policy["group"]}: {", ".join(held)}'


def _allowed(policy: Mapping[str, Any]) -> str:
    return f': at most {policy["allowed"]} of {policy["size"]} not ready'


def _would(plan: Plan) -> str:
    verb = verbs(plan)[0]
    if not plan['total']:
        return f'nothing to {verb}'
    counted = len(plan['batches'])
    batches = f'{counted} {"batch" if counted == 1 else "batches"}'
    return f'would {verb} {processes(plan["total"])} in {batches}'


def plan_lines(plan: Plan) -> Iterable[str]:
    """What would be done, batch by batch, what would be left alone, and what to mind."""
    yield f'{", ".join(plan["groups"])}: {_would(plan)}'
    yield from newer_than_lines(plan)
    yield from policy_lines(plan)
    for batch in plan['batches']:
        limit = f'at most {batch["longest"]:.2f}s' if batch['longest'] else 'no time limit'
        yield f'batch {batch["number"]} (not before {batch["after"]:.2f}s, {limit}):'
        for p in batch['processes']:
            pid = f', pid {p["pid"]}' if p['pid'] else ''
            hooks = [hook.upper() for hook in p.get('hooks', [])]
            commands = f' with {" and ".join(hooks)}' if hooks else ''
            yield f'{namespec(p)}: {p["action"]}{commands} ({p["state"]}{pid})'
    if plan['left']:
        yield 'left alone:'
    alike: dict[tuple[str, str], list[Any]] = {}
    for p in plan['left']:
        key = (p['state'], p['reason'])
        if p['reason'].startswith(LEFT_PREFIX):
            alike.setdefault(key, []).append(p)
        else:
            yield f'{namespec(p)}: {p["state"]} ({p["reason"]})'
    for (state, reason), same in alike.items():
        yield f'{named(same)}: {state} ({reason})'
    for warning in plan['warnings']:
        yield f'warning: {warning}'
