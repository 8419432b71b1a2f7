"""What is installed below share/: written by share/make.py of the text of --help, and committed."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from share.make import SHARE, files
from share.man import CONFIGURATION_FILES
from share.options import OPTIONS
from supervisor_restarter.client.cli_options import RestartOptions
from supervisor_restarter.client.screen import Screen
from tests.pages import ROOT

MADE = files()


@pytest.mark.parametrize('name', MADE)
def test_the_files_are_what_help_says(name):
    assert (SHARE / name).read_text(encoding='utf-8') == MADE[name], 'python -m share.make'


def test_each_of_them_is_installed_and_nothing_else(monkeypatch):
    given: dict[str, list[tuple[str, list[str]]]] = {}
    monkeypatch.setattr('setuptools.setup', given.update)
    runpy.run_path(str(ROOT / 'setup.py'))
    installed = {path: folder for folder, paths in given['data_files'] for path in paths}
    assert set(installed) == {f'share/{name}' for name in MADE}
    assert all(str(Path(path).parent) == folder for path, folder in installed.items())


@pytest.mark.parametrize('name', MADE)
def test_every_option_is_in_every_file(name):
    [command] = [command for command in OPTIONS if command in name]
    text = MADE[name].replace('\\-', '-')
    for option in OPTIONS[command]:
        for spelled in option.names:
            if spelled.startswith('--') and name.endswith('.fish'):
                assert f' -l {spelled[2:]} ' in text
            elif spelled.startswith('--'):
                assert spelled in text


def test_the_files_that_the_manual_names_are_those_that_are_looked_for(monkeypatch):
    monkeypatch.setattr('sys.argv', ['/opt/bin/command'])
    searched = RestartOptions(Screen(None, None)).searchpaths
    assert searched == [name.replace('..', '/opt') for name in CONFIGURATION_FILES]
