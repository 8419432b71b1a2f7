"""docs/recipes.md, read as what it is for: sections for supervisord, and the files that belong to
them.

A block that begins with a comment holding a path, as `# /srv/app/tasks.py`, is that file. Another
`ini` block is a section. Files above the first recipe are for all of them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parent.parent / 'docs' / 'recipes.md'

BLOCK = re.compile(r'^```(?P<language>\w+)\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
FILE = re.compile(r'(?:#|//|;) (?P<path>/\S+)\n')


class Recipe(NamedTuple):
    """What the page has below one heading."""

    title: str
    section: str  # for supervisord's configuration
    files: dict[str, str]  # by their path


def read(text: str) -> dict[str, Recipe]:
    """All recipes of the page by their titles. ValueError where one has two sections."""
    recipes: dict[str, Recipe] = {}
    shared: dict[str, str] = {}
    for chapter in re.split(r'^## ', text, flags=re.MULTILINE)[1:]:
        title = chapter.partition('\n')[0]
        section, files = _blocks(title, chapter)
        if section:
            recipes[title] = Recipe(title, section, {**shared, **files})
        else:
            shared.update(files)
    return recipes


def moved(text: str, places: dict[str, str]) -> str:
    """The text with its paths and ports, the keys, exchanged for others."""
    pattern = '|'.join(re.escape(old) for old in sorted(places, key=len, reverse=True))
    return re.sub(pattern, lambda match: places[match[0]], text)


def write_haproxy(directory: Path, places: dict[str, str]) -> None:
    """Write haproxy.cfg and lb.py, the command of the hooks, as the page has them, into the
    directory; HAProxy's socket is there, too. places: exchanged as well, as for moved().
    """
    files = read(PAGE.read_text(encoding='utf-8'))['uvicorn drained by HAProxy'].files
    for path in ('/etc/haproxy/haproxy.cfg', '/srv/app/lb.py'):
        text = moved(files[path], {'/run/haproxy': str(directory), **places})
        (directory / Path(path).name).write_text(text, encoding='utf-8')


def _blocks(title: str, chapter: str) -> tuple[str, dict[str, str]]:
    """The section and the files of a chapter."""
    files: dict[str, str] = {}
    sections = []
    for block in BLOCK.finditer(chapter):
        named = FILE.match(block['text'])
        if named:
            files[named['path']] = block['text']
        elif block['language'] == 'ini':
            sections.append(block['text'])
    if len(sections) > 1:
        raise ValueError(f'{title}: {len(sections)} sections')
    return ''.join(sections), files
