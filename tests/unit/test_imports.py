"""Who may import whom, read from the source: the rooms of the house, and the doors between them."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = 'supervisor_restarter'
TOP = Path(__file__).parents[2] / PACKAGE
FILES = {
    '.'.join(path.relative_to(TOP).with_suffix('').parts): path
    for path in TOP.rglob('*.py')
    if path.name != '__init__.py'
}

# Each room may import from itself and from these; '' are the files at the root.
ROOMS = {
    '': set(),
    'engine': {''},
    'programs': {'', 'engine'},
    'readiness': {'', 'engine', 'programs'},
    'server': {'', 'engine', 'programs', 'readiness'},
    'client': {''},
    'listener': {'', 'client'},
}
PURE = sorted(module for module in FILES if '.' not in module or module.startswith('engine.')) + [
    'listener.rules'
]
OUTSIDE = {
    'os',
    'io',
    'socket',
    'ssl',
    'time',
    'sched',
    'subprocess',
    'threading',
    '_thread',
    'select',
    'selectors',
    'signal',
    'asyncio',
    'asyncore',
    'multiprocessing',
    'concurrent',
    'urllib',
    'http',
    'xmlrpc',
    'logging',
    'pathlib',
    'tempfile',
    'shutil',
    'random',
    'sys',
}


def imports(tree: ast.AST) -> set[str]:
    """The full names of all that is imported anywhere in the tree."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f'a relative import: {ast.unparse(node)}'
            found |= {f'{node.module}.{alias.name}' for alias in node.names}
    return found


def parsed(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding='utf-8'))


def own(module: str) -> set[str]:
    """The modules of this package that `module` imports."""
    found = set()
    for name in imports(parsed(module)):
        parts = name.split('.')
        if parts[0] == PACKAGE:
            found |= {'.'.join(parts[1:end]) for end in (2, 3)} & set(FILES)
    return found


def room(module: str) -> str:
    return module.rpartition('.')[0]


def roots(module: str) -> set[str]:
    return {name.split('.')[0] for name in imports(parsed(module))}


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ('import os.path', {'os.path'}),
        ('from os import path', {'os.path'}),
        ('def f():\n    import time', {'time'}),
        (
            f'from {PACKAGE}.server import stop_calls, loop',
            {f'{PACKAGE}.server.stop_calls', f'{PACKAGE}.server.loop'},
        ),
        (f'from {PACKAGE}.server.loop import x', {f'{PACKAGE}.server.loop.x'}),
        (f'import {PACKAGE}.server.loop as s', {f'{PACKAGE}.server.loop'}),
    ],
)
def test_this_test_sees_imports_in_every_form(source, found):
    assert imports(ast.parse(source)) == found


def test_it_sees_what_is_there():
    assert own('server.events') >= {'event_text', 'engine.answers'}
    assert {room(module) for module in FILES} == set(ROOMS)


@pytest.mark.parametrize('module', sorted(FILES))
def test_a_room_imports_from_itself_and_from_those_below(module):
    assert {room(name) for name in own(module)} <= ROOMS[room(module)] | {room(module)}


@pytest.mark.parametrize('name', sorted(ROOMS))
def test_a_room_itself_imports_nothing(name):
    tree = ast.parse((TOP / name / '__init__.py').read_text(encoding='utf-8'))
    top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
    assert {found.split('.')[0] for found in imports(top)} <= {'__future__', 'typing'}


@pytest.mark.parametrize('module', PURE)
def test_pure_modules_touch_nothing_of_supervisor_and_do_no_input_or_output_and_read_no_clock(
    module,
):
    names_of_signals = {'signal'} if module == 'options' else set()
    assert roots(module).isdisjoint({'supervisor'} | OUTSIDE - names_of_signals)
    calls = {node.attr for node in ast.walk(parsed(module)) if isinstance(node, ast.Attribute)}
    names = {node.id for node in ast.walk(parsed(module)) if isinstance(node, ast.Name)}
    assert calls.isdisjoint({'now', 'today', 'utcnow'})
    assert names.isdisjoint({'open', 'print', 'input'})


def test_only_the_plugin_joins_the_parts():
    importers = {
        name: {module for module in FILES if name in own(module)}
        for name in ('server.rpcinterface', 'server.plugin')
    }
    assert importers == {'server.rpcinterface': {'server.plugin'}, 'server.plugin': set()}


def test_imports_go_one_way():
    TopologicalSorter({module: own(module) for module in FILES}).prepare()
