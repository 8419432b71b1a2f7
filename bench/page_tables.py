"""Tables of docs/performance.md that benches fill in. A table is known by its head, so what stands
around it is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

PAGE = Path(__file__).parent.parent / 'docs' / 'performance.md'


def filled(page: str, tables: Mapping[str, Iterable[list[str]]]) -> str:
    """The page with these lines below these heads. ValueError where it has not each of them once."""
    for head, lines in tables.items():
        body = ''.join(f'| {" | ".join(line)} |\n' for line in lines)
        found = re.findall(rf'^{re.escape(head)}\n\|[-|]+\|\n(?:\|.*\n)*', page, re.MULTILINE)
        if len(found) != 1:
            raise ValueError(f'{len(found)} tables begin with {head}')
        kept = ''.join(found[0].splitlines(keepends=True)[:2])
        page = page.replace(found[0], kept + body)
    return page


def fill(tables: Mapping[str, Iterable[list[str]]]) -> None:
    """Write these lines into the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding='utf-8'), tables), encoding='utf-8')
