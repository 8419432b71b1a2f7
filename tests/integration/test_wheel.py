"""The wheel, installed into an empty environment, away from the checkout.

WHEEL=dist/x.whl pytest tests/integration/test_wheel.py tries that one; without it one is built from
the checkout.
"""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import share.make
import supervisor_restarter
from tests.integration.asking import ask
from tests.integration.server import ROOT, SECONDS, Server, program
from tests.integration.shells import COMMAND, KINDS, Shell

PACKAGE = 'supervisor_restarter'
BUILD = 'import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))'


def run(*command, **settings):
    done = subprocess.run(
        list(map(str, command)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
        **settings,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """The wheel's path."""
    if 'WHEEL' in os.environ:
        return Path(os.environ['WHEEL']).absolute()
    source = tmp_path_factory.mktemp('source')  # what a build leaves behind is not for the checkout
    shutil.copytree(ROOT / PACKAGE, source / PACKAGE, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE'):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / 'share', source / 'share', ignore=shutil.ignore_patterns('__pycache__'))
    dist = tmp_path_factory.mktemp('dist')
    run(sys.executable, '-c', BUILD, dist, cwd=source)
    (made,) = dist.glob('*.whl')
    return made


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """The bin directory of an environment that has the wheel and, from outside, what it needs."""
    home = tmp_path_factory.mktemp('env')
    run(sys.executable, '-m', 'venv', '--without-pip', home)
    python = home / 'bin' / 'python'
    lib = Path(run(python, '-c', 'import sysconfig; print(sysconfig.get_path("purelib"))').strip())
    # pip, Supervisor, tqdm and setuptools. A .pth file there, such as the checkout's, has no effect.
    (lib / 'needed.pth').write_text('\n'.join(site.getsitepackages()))
    options = ('-q', '--no-deps', '--no-index', '--ignore-installed')
    run(python, '-m', 'pip', 'install', *options, wheel)
    return home / 'bin'


def test_it_has_every_room_and_its_types(wheel):
    with zipfile.ZipFile(wheel) as file:
        found = {name for name in file.namelist() if not re.search(r'\.(dist-info|data)/', name)}
    files = [path for path in (ROOT / PACKAGE).rglob('*') if path.is_file()]
    # package.json tells node, which tests the page's modules, what they are.
    needed = [path for path in files if path.suffix != '.pyc' and path.name != 'package.json']
    assert found == {str(path.relative_to(ROOT)) for path in needed}
    assert f'{PACKAGE}/py.typed' in found


def test_both_commands_run(installed, tmp_path):
    for command in ('supervisorctl_restart_group', 'supervisor_restart_listener'):
        assert str(installed) in (installed / command).read_text().splitlines()[0]
        assert command in run(installed / command, '--help', cwd=tmp_path)


def test_completion_and_man_pages_are_beside_the_commands(installed, tmp_path):
    there = {
        str(path.relative_to(installed.parent / 'share'))
        for path in (installed.parent / 'share').rglob('*')
        if path.is_file()
    }
    assert there >= set(share.make.files())
    for name in KINDS:
        if shutil.which(name):  # where it is not, test_completion.py says so
            home = tmp_path / name
            home.mkdir()
            with Shell(name, home, installed.parent / 'share') as shell:
                words, _ = shell.tab(f'{COMMAND} --on-failure a')
                assert words == f'{COMMAND} --on-failure abort'


def test_a_supervisord_has_it(installed, tmp_path, monkeypatch):
    class Elsewhere(Server):
        def supervisord(self):
            return [str(installed / 'python'), '-m', 'supervisor.supervisord']

    monkeypatch.chdir(tmp_path)
    where = run(installed / 'python', '-c', f'import {PACKAGE}; print({PACKAGE}.__file__)')
    assert where.startswith(str(installed.parent))
    with Elsewhere(program(count=2)) as server:
        server.wait_state()
        before = server.pids()
        run(installed / 'supervisorctl_restart_group', '-c', server.conf, 'web', cwd=tmp_path)
        assert server.pids().keys() == before.keys()
        assert not set(server.pids().values()) & set(before.values())
        assert server.restarter.getPluginVersion() == supervisor_restarter.__version__
        page = ask(server, '/restarter/')
        assert page.body == (ROOT / PACKAGE / 'web' / 'page' / 'index.html').read_bytes()
        server.check_log()
