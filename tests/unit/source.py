"""The package as source: for the tests that hold what its modules import, and what they define."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = 'supervisor_restarter'
TOP = Path(__file__).parents[2] / PACKAGE


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


# 'server.loop' -> its tree; the room 'server' itself, as its __init__.py, is not among them.
MODULES = {
    '.'.join(path.relative_to(TOP).with_suffix('').parts): parsed(path)
    for path in sorted(TOP.rglob('*.py'))
    if path.name != '__init__.py'
}
