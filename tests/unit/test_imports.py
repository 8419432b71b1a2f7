"""Who may import whom, read from the source: the rooms of the house, and the doors between them."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.unit.source import MODULES, PACKAGE, TOP, parsed

# A room may import from itself and from those before it; '' are the files at the root.
SERVER_SIDE = ['', 'engine', 'programs', 'readiness', 'configuration', 'web', 'server']
CLIENT_SIDE = ['', 'client', 'listener']
BELOW = {
    room: set(side[: number + 1])
    for side in (SERVER_SIDE, CLIENT_SIDE)
    for number, room in enumerate(side)
}
PURE_ROOMS = ('', 'engine')
PURE_MODULES = (
    *('listener.rules', 'listener.rulebook'),
    *('configuration.keys', 'configuration.diff', 'configuration.plan', 'configuration.slots'),
    *('web.board', 'web.queries', 'web.tally'),
)
# Pure, too, but for Supervisor's own words.
PURE_BESIDE_SUPERVISOR = ('client.stock_quick', 'client.quick_reports', 'client.waiting')
# Names of signals, how the text of a query is taken apart, the encoding of commands.
ALLOWED = {
    'option_kinds': {'signal.Signals'},
    'web.queries': {'urllib.parse.parse_qsl'},
    'commands': {'os.fsencode'},
}
# fmt: off
OUTSIDE = {
    'os', 'io', 'sys', 'pathlib', 'tempfile', 'shutil', 'socket', 'ssl', 'select', 'selectors',
    'urllib', 'http', 'xmlrpc', 'subprocess', 'signal', 'threading', '_thread', 'multiprocessing',
    'concurrent', 'asyncio', 'asyncore', 'time', 'sched', 'random', 'logging',
}
# fmt: on


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


def room(module: str) -> str:
    return module.rpartition('.')[0]


IMPORTS = {module: imports(tree) for module, tree in MODULES.items()}
# The modules of this package that each module imports.
OWN = {
    module: {
        '.'.join(name.split('.')[1:end])
        for name in found
        if name.startswith(f'{PACKAGE}.')
        for end in (2, 3)
    }
    & MODULES.keys()
    for module, found in IMPORTS.items()
}


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ('import os.path', {'os.path'}),
        ('from os import path, sep', {'os.path', 'os.sep'}),
        ('def f():\n    import time as t', {'time'}),
    ],
)
def test_this_test_sees_imports_in_every_form(source, found):
    assert imports(ast.parse(source)) == found


def test_it_sees_what_is_there():
    assert OWN['server.events'] >= {'event_text', 'engine.answers'}
    assert {room(module) for module in MODULES} == BELOW.keys()


def test_a_room_imports_from_itself_and_from_those_below():
    assert [
        f'{module} imports {name}'
        for module, names in OWN.items()
        for name in sorted(names)
        if room(name) not in BELOW[room(module)]
    ] == []


def test_imports_go_one_way():
    TopologicalSorter(OWN).prepare()


def test_a_room_itself_imports_nothing():
    for name in BELOW:
        tree = parsed(TOP / name / '__init__.py')
        top = ast.Module([node for node in tree.body if not isinstance(node, ast.FunctionDef)], [])
        assert imports(top) <= {'__future__.annotations', 'typing.Any'}, name


def is_pure(module: str) -> bool:
    return room(module) in PURE_ROOMS or module in PURE_MODULES


def test_what_decides_knows_nothing_of_supervisor():
    assert [
        module
        for module, names in IMPORTS.items()
        if is_pure(module) and 'supervisor' in {name.split('.')[0] for name in names}
    ] == []


def test_pure_modules_do_no_input_or_output_and_read_no_clock():
    for module, tree in MODULES.items():
        if is_pure(module) or module in PURE_BESIDE_SUPERVISOR:
            outside = {name for name in IMPORTS[module] if name.split('.')[0] in OUTSIDE}
            assert outside <= ALLOWED.get(module, set()), module
            attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            assert attributes.isdisjoint({'now', 'today', 'utcnow'}), module
            assert names.isdisjoint({'open', 'print', 'input'}), module


def test_only_the_plugin_joins_the_parts():
    importers = {
        name: {module for module, names in OWN.items() if name in names}
        for name in ('server.rpcinterface', 'server.plugin')
    }
    assert importers == {'server.rpcinterface': {'server.plugin'}, 'server.plugin': set()}


def test_a_start_of_the_command_waits_for_nothing_that_it_may_not_need():
    """Beside Supervisor's own modules, which take most of the time."""
    script = (
        'import sys, supervisor.options; before = set(sys.modules)\n'
        'import supervisor_restarter.client.cli; print(*set(sys.modules) - before)'
    )
    command = [sys.executable, '-c', script]
    imported = set(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split())
    assert b'supervisor_restarter.client.client' in imported
    assert not imported & {b'dataclasses', b'inspect', b'json', b'tqdm', b'http.server'}
