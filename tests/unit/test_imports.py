"""Who may import whom, read from the source."""
from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = 'supervisor_restarter'
FILES = {path.stem: path for path in (Path(__file__).parents[2] / PACKAGE).glob('*.py')}

PURE = {'phases', 'members', 'availability', 'scout', 'turns', 'restart', 'plan', 'options', 'names', 'report',
        'faults', 'payload', 'rules', 'spelling', 'policy', 'survey'}
SERVER = {'plugin', 'rpcinterface', 'service', 'run', 'processes', 'reactor', 'stops', 'hooks', 'spawn', 'readiness',
          'probes', 'notify', 'holders', 'watch', 'roster', 'events', 'access', 'executable', 'obstacles', 'execprobe',
          'shares', 'tls', 'configfile'}
CLIENT = {'cli', 'commandline', 'client', 'progress', 'controllerplugin', 'quick', 'quickrun', 'ctldisplay',
          'listener', 'listeneroptions', 'memory', 'structs', 'screen', 'gauge', 'wording', 'tables', 'logtails',
          'failures', 'results', 'durations', 'helptext', 'ctlhelp', 'ctlwords'}
OUTSIDE = {'os', 'io', 'socket', 'ssl', 'time', 'sched', 'subprocess', 'threading', '_thread', 'select', 'selectors',
           'signal', 'asyncio', 'asyncore', 'multiprocessing', 'concurrent', 'urllib', 'http', 'xmlrpc', 'logging',
           'pathlib', 'tempfile', 'shutil', 'random', 'sys'}


def imports(tree: ast.AST) -> set[str]:
    """The full names of all modules that are imported anywhere in the tree."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(filter(None, [PACKAGE if node.level else '', node.module]))
            found |= {f'{base}.{alias.name}' for alias in node.names} if base == PACKAGE else {base}
    return found


def parsed(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding='utf-8'))


def own(module: str) -> set[str]:
    """The modules of this package that `module` imports."""
    names = {name.split('.')[1] for name in imports(parsed(module)) if name.startswith(f'{PACKAGE}.')}
    return names & set(FILES)


def roots(module: str) -> set[str]:
    return {name.split('.')[0] for name in imports(parsed(module))}


def present(modules: set[str]) -> list[str]:
    return sorted(modules & set(FILES))


@pytest.mark.parametrize(('source', 'found'), [
    ('import os.path', {'os.path'}),
    ('from os import path', {'os'}),
    ('def f():\n    import time', {'time'}),
    ('from . import stops', {f'{PACKAGE}.stops'}),
    ('from .stops import x', {f'{PACKAGE}.stops'}),
    (f'from {PACKAGE} import report, stops', {f'{PACKAGE}.report', f'{PACKAGE}.stops'}),
    (f'from {PACKAGE}.stops import x', {f'{PACKAGE}.stops'}),
    (f'import {PACKAGE}.stops as s', {f'{PACKAGE}.stops'}),
])
def test_this_test_sees_imports_in_every_form(source, found):
    assert imports(ast.parse(source)) == found


def test_every_module_is_pure_of_the_server_or_of_the_client():
    assert set(FILES) - PURE - SERVER - CLIENT == {'__init__'}
    assert set(FILES) >= PURE


@pytest.mark.parametrize('module', present(PURE))
def test_pure_modules_import_nothing_of_supervisor(module):
    assert 'supervisor' not in roots(module)


@pytest.mark.parametrize('module', present(PURE))
def test_pure_modules_do_no_input_or_output_and_read_no_clock(module):
    names_of_signals = {'signal'} if module == 'options' else set()
    assert roots(module).isdisjoint(OUTSIDE - names_of_signals)
    calls = {node.attr for node in ast.walk(parsed(module)) if isinstance(node, ast.Attribute)}
    names = {node.id for node in ast.walk(parsed(module)) if isinstance(node, ast.Name)}
    assert calls.isdisjoint({'now', 'today', 'utcnow'})
    assert names.isdisjoint({'open', 'print', 'input'})


@pytest.mark.parametrize('module', present(PURE))
def test_pure_modules_import_only_pure_ones(module):
    assert own(module) <= PURE


@pytest.mark.parametrize('module', present(CLIENT))
def test_the_client_side_never_imports_the_server_side(module):
    assert own(module) <= CLIENT | {'faults', 'options', 'names', 'payload', 'rules', 'spelling'}


@pytest.mark.parametrize('module', present(SERVER))
def test_the_server_side_never_imports_the_client_side(module):
    assert own(module) <= SERVER | PURE


def test_the_package_itself_imports_nothing_before_it_is_asked():
    top = ast.Module([node for node in parsed('__init__').body if not isinstance(node, ast.FunctionDef)], [])
    assert {name.split('.')[0] for name in imports(top)} <= {'__future__', 'typing'}


def test_only_the_plugin_joins_the_parts():
    importers = {name: {module for module in FILES if name in own(module)} for name in ('rpcinterface', 'plugin')}
    assert importers == {'rpcinterface': {'plugin'}, 'plugin': {'__init__'}}


def test_imports_go_one_way():
    graph = {module: own(module) for module in FILES if module != '__init__'}
    order = [module for module in TopologicalSorter(graph).static_order() if module in SERVER | PURE]
    ladder = [module for module in order if module in ('phases', 'restart', 'service', 'rpcinterface', 'plugin')]
    assert ladder == ['phases', 'restart', 'service', 'rpcinterface', 'plugin']
