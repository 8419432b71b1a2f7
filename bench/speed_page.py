"""The table of docs/performance.md with all supervisors, from what docs/speed.json has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

HEAD = '| | 32, stop at once | 200, take 500 ms | 500, stop at once | 500, take 500 ms |'
COLUMNS = ((32, 0), (200, 500), (500, 0), (500, 500))  # workers, and milliseconds that they take
WAYS = {
    'floor: posix_spawn loop': 'a bare loop of `posix_spawn`: the floor',
    'restartProcessGroup': '**`restartProcessGroup`** (XML-RPC)',
    'supervisorctl_restart_group web': '**`supervisorctl_restart_group web`**',
    'supervisorctl restart web:*': '`supervisorctl restart web:*`',
    'sv restart w000 w001 ...': 'runit: `sv restart`',
    's6-svc -r, in a loop': 's6: `s6-svc -r` for each',
    'circusctl restart --waiting web': 'circus: `circusctl restart`',
    'pm2 restart web --parallel N': 'pm2: `pm2 restart`',
}
FEW = 0.0195  # seconds below which a third digit is shown


def table(document: dict[str, Any]) -> dict[str, Iterator[list[str]]]:
    """The lines of the table, by its head."""
    return {HEAD: lines(document)}


def lines(document: dict[str, Any]) -> Iterator[list[str]]:
    """A line for each way that was measured."""
    found = {
        (row['way'], row['workers'], row['milliseconds']): row['figures']
        for row in document['results']
    }
    measured = {way for way, _, _ in found}
    for way, words in WAYS.items():
        if way in measured:
            bold = '**' if words.startswith('**') else ''
            yield [words, *(cell(found.get((way, *column)), bold) for column in COLUMNS)]


def cell(figures: dict[str, float] | None, bold: str) -> str:
    """Seconds to the last new process, and for how long a process is down. Empty if not measured."""
    if figures is None:
        return ''
    down = figures['down']
    return f'{bold}{figures["last_new"]:.2f}{bold} ({down:.{3 if down < FEW else 2}f})'
