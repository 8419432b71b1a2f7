"""The tables of docs/performance.md about many processes, from what docs/flat.json has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bench.flat_figures import AFTER, BEFORE, FLOOR

Document = dict[str, Any]


def restarts(document: Document) -> Iterator[list[str]]:
    """A line for each number of processes."""
    found = {(row['workers'], row['who']): row for row in document['restarts']}
    for workers in dict.fromkeys(row['workers'] for row in document['restarts']):
        floor, before, after = (found[workers, who] for who in (FLOOR, BEFORE, AFTER))
        yield [
            f'{workers:,}',
            f'{floor["last_new"]:.2f}',
            *(f'{row["last_new"]:.2f} ({row["of_floor"]:.1f})' for row in (before, after)),
            *(f'{row["each"]:.2f}' for row in (before, after)),
        ]


def costs(document: Document) -> Iterator[list[str]]:
    """A line for each of them."""
    for cost in document['costs']:
        yield [cost['words'], f'{cost["before"]:.1f}', f'{cost["after"]:.1f}']


def aims(document: Document) -> Iterator[list[str]]:
    """A line for each of them."""
    for aim in document['aims']:
        met = 'met' if aim['met'] else '**MISSED**'
        yield [aim['text'], f'{aim["value"]:.2f}', f'{aim["limit"]:g}', met]


HEADS: dict[str, Callable[[Document], Iterator[list[str]]]] = {
    '| processes | floor | before | after | ms each, before | after |': restarts,
    '| with 500 processes | before | after |': costs,
    '| aim | is | at most | |': aims,
}


def tables(document: Document) -> dict[str, Iterator[list[str]]]:
    """The lines of all tables, by their heads."""
    return {head: lines(document) for head, lines in HEADS.items()}
