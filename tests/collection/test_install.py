"""The collection as people get it: built, installed without a network into a home that has nothing,
and used from there.

ANSIBLE_PLAYBOOK in the environment names another ansible-playbook than that of `make ansible`.
"""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.pages import ROOT

SECONDS = 60.0
USUAL = ROOT / '.envs' / 'ansible' / 'bin' / 'ansible-playbook'
TOOLS = Path(os.environ.get('ANSIBLE_PLAYBOOK', USUAL)).absolute().parent
MODULES = ['config', 'info', 'processes']


class Home:
    """A user's home without any collection, configuration or cache."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.collections = place / 'collections'
        (place / 'ansible.cfg').touch()  # or the user's own would be read

    def run(self, tool: str, *arguments: str | Path, status: int = 0) -> str:
        """What one of Ansible's tools says."""
        kept = {name: value for name, value in os.environ.items() if name[:8] != 'ANSIBLE_'}
        done = subprocess.run(
            [TOOLS / tool, *arguments],
            cwd=self.place,
            env={
                **kept,
                'HOME': str(self.place),
                'LC_ALL': 'C.UTF-8',
                'ANSIBLE_HOME': str(self.place / '.ansible'),
                'ANSIBLE_CONFIG': str(self.place / 'ansible.cfg'),
                'ANSIBLE_COLLECTIONS_PATH': str(self.collections),
                'ANSIBLE_NOCOLOR': '1',
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert 'Traceback' not in done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope='module')
def home(tmp_path_factory):
    return Home(tmp_path_factory.mktemp('home'))


@pytest.fixture(scope='module')
def archive(home):
    """The path of the built collection."""
    home.run('ansible-galaxy', 'collection', 'build', ROOT / 'ansible', '--output-path', home.place)
    (made,) = home.place.glob('supervisor-restarter-*.tar.gz')
    return made


@pytest.fixture(scope='module')
def installed(home, archive):
    """The home, with the collection in it."""
    where = ['--offline', '-p', home.collections]
    home.run('ansible-galaxy', 'collection', 'install', archive, *where)
    return home


def test_the_archive_has_the_licence_and_nothing_that_tools_leave_behind(archive):
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    assert {'LICENSE', 'README.md', 'CHANGELOG.md', 'meta/runtime.yml'} <= names
    assert {f'plugins/modules/{name}.py' for name in MODULES} <= names
    parts = {part for name in names for part in Path(name).parts}
    assert {part for part in parts if part == '__pycache__' or part.startswith('.')} == set()


def test_the_documentation_of_each_module_is_found(installed):
    names = [f'supervisor.restarter.{name}' for name in MODULES]
    told = json.loads(installed.run('ansible-doc', '--json', *names))
    assert [told[name]['doc']['module'] for name in names] == MODULES


def test_a_module_says_in_one_line_what_is_wrong(installed):
    missing = f'{installed.place}/missing.conf'
    task = ['-m', 'supervisor.restarter.info', '-a', f'config={missing}']
    text = installed.run('ansible', 'localhost', *task, status=2)
    # `localhost | FAILED! => {...}`, the last thing that is said
    told = json.loads(text[text.index('FAILED! => ') + len('FAILED! => ') :])
    assert missing in told['msg']
    assert '\n' not in told['msg']
