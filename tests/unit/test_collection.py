"""The Ansible collection's own files: what has to be the same there and here; and which Pythons
`make ansible` takes.
"""

import re
import sys

import pytest

from supervisor_restarter import __version__
from tests.collection import pythons
from tests.pages import ROOT

COLLECTION = ROOT / 'ansible'


def test_the_collection_has_the_version_and_the_licence_of_the_package():
    galaxy = (COLLECTION / 'galaxy.yml').read_text(encoding='utf-8')
    assert re.findall('^version: (.*)$', galaxy, re.MULTILINE) == [__version__]
    assert (COLLECTION / 'LICENSE').read_bytes() == (ROOT / 'LICENSE').read_bytes()


def test_the_modules_are_those_of_the_action_group():
    """`module_defaults: {group/supervisor.restarter.all: ...}` has to reach each of them."""
    runtime = (COLLECTION / 'meta' / 'runtime.yml').read_text(encoding='utf-8')
    modules = {path.stem for path in (COLLECTION / 'plugins' / 'modules').glob('[a-z]*.py')}
    assert set(re.findall('^    - (.*)$', runtime, re.MULTILINE)) == modules


@pytest.mark.parametrize('release', range(15, 22))
def test_sanity_passes_over_the_licence_alone(release):
    """The project's licence is MIT, and ansible-test knows no other than the GPL for modules."""
    text = (COLLECTION / 'tests' / 'sanity' / f'ignore-2.{release}.txt').read_text(encoding='utf-8')
    modules = sorted((COLLECTION / 'plugins' / 'modules').glob('[a-z]*.py'))
    assert text.splitlines() == [
        f'plugins/modules/{path.name} validate-modules:missing-gplv3-license' for path in modules
    ]


def test_a_python_that_only_says_that_it_is_not_installed_is_none(tmp_path, monkeypatch):
    shim = tmp_path / 'python3.20'
    shim.write_text('#!/bin/sh\necho "python3.20: command not found" >&2\nexit 127\n')
    shim.chmod(0o755)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert pythons.on_path() == [str(shim)]
    assert pythons.found() == {sys.version_info[:2]: sys.executable}


@pytest.mark.parametrize(
    ('oldest', 'limit', 'path'),
    [((3, 9), None, 'c'), ((3, 9), (3, 11), 'b'), ((3, 8), (3, 8), 'a'), ((3, 14), None, None)],
)
def test_the_newest_python_within_the_limits_is_taken(oldest, limit, path):
    assert pythons.newest({(3, 8): 'a', (3, 11): 'b', (3, 13): 'c'}, oldest, limit) == path
