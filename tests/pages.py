"""README, docs/ and the other pages as tests read them."""

from __future__ import annotations

import re
from pathlib import Path

from bench.recipe_page import BLOCK

ROOT = Path(__file__).parents[1]
DOCS = {path.name: path for path in sorted((ROOT / 'docs').glob('*.md'))}
PAGES = {
    **{f'docs/{name}': path for name, path in DOCS.items()},
    **{
        name: ROOT / name
        for name in ('README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md')
    },
}
TEXTS = {name: path.read_text(encoding='utf-8') for name, path in PAGES.items()}


def page(name: str) -> str:
    """The text of a page of docs/."""
    return TEXTS[f'docs/{name}.md']


def rows(text: str) -> list[list[str]]:
    """The cells of all rows of all tables."""
    return [
        [cell.strip().replace(r'\|', '|') for cell in re.split(r'(?<!\\)\|', line)[1:-1]]
        for line in text.splitlines()
        if line.startswith('|') and not line.startswith('|---')
    ]


def table(text: str, head: str) -> list[list[str]]:
    """The rows of all tables of which the first column is called so, without their heads."""
    found: list[list[str]] = []
    taking = False
    for line in text.splitlines():
        if not line.startswith('|'):
            taking = False
        elif line.startswith(f'| {head} |'):
            taking = True
        elif taking:
            found += rows(line)
    return found


def blocks(language: str) -> list[tuple[str, str]]:
    """All blocks of code in that language, each with the name of its page."""
    return [
        (name, block['text'])
        for name, text in TEXTS.items()
        for block in BLOCK.finditer(text)
        if block['language'] == language
    ]


def without_code(text: str) -> str:
    """The text without blocks and spans of code."""
    return re.sub(r'`[^`\n]+`', '``', BLOCK.sub('', text))


def anchors(text: str) -> set[str]:
    """What `#...` may follow the page's name, as GitHub makes it of headings."""
    heads = re.findall(r'^#+ (.*)$', BLOCK.sub('', text), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', head.lower()).replace(' ', '-') for head in heads}


def commands(*names: str) -> list[str]:
    """Each line after a `$` in a console example, of these pages or of all."""
    return [
        line[2:]
        for name, text in blocks('console')
        for line in text.splitlines()
        if line.startswith('$ ') and (not names or name in names)
    ]
