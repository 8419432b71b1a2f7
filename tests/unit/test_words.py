"""One word, one thing: no two modules define the same name at their top level."""

from __future__ import annotations

import ast
from collections import defaultdict

from tests.unit.source import MODULES, TOP, parsed

# Names that mean the same in both places: a program's entry, and the door to the factory behind it.
TWICE = {'main', 'make_ctlplugin'}


def defined(tree: ast.Module) -> set[str]:
    """The names that a module defines itself, without those that begin with two underscores."""
    found = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {
                name.id
                for target in targets
                for name in ast.walk(target)
                if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
            }
    return {name for name in found if not name.startswith('__')}


def test_this_test_sees_names_in_every_form():
    source = (
        'a = b = 1\nc, (d, e) = x\nf: int = 2\ndef g(): h = 1\nclass I: j = 1\n__k__ = 1\nl.m = 1'
    )
    assert defined(ast.parse(source)) == set('abcdefgI')


def test_no_name_is_defined_in_two_modules():
    modules = defaultdict(list)
    for module, tree in {**MODULES, '': parsed(TOP / '__init__.py')}.items():
        for name in defined(tree):
            modules[name].append(module)
    twice = {name: found for name, found in modules.items() if len(found) > 1}
    assert {name: twice[name] for name in twice.keys() - TWICE} == {}
