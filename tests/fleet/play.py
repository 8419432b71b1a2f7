"""The controller: plays the playbooks of docs/fleet.md, as they stand there, with ansible-playbook.

ANSIBLE_PLAYBOOK in the environment names another ansible-playbook than that of `make ansible`, and
ANSIBLE_PYTHON_INTERPRETER the Python of the hosts (default: the controller's own).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench.lab import polls
from bench.recipe_page import BLOCK
from tests.fleet.host import Host
from tests.integration.server import ROOT, SECONDS
from tests.pages import page

HERE = Path(__file__).parent
PLAY_SECONDS = 2 * SECONDS
USUAL = ROOT / '.envs' / 'ansible' / 'bin' / 'ansible-playbook'
MARK = 'FLEET_RECORD'  # all that a controller starts has this in its environment


def blocks() -> dict[str, str]:
    """The blocks of docs/fleet.md that begin with a comment naming a file, by that name."""
    found: dict[str, str] = {}
    for block in BLOCK.finditer(page('fleet')):
        named = re.match(r'(?:#!.*\n)?# ([\w-]+(?:\.\w+)+)\b', block['text'])
        if named:
            assert named[1] not in found, f'two blocks of docs/fleet.md are called {named[1]}'
            found[named[1]] = block['text']
    return found


def ansible_playbook() -> str:
    """The path of ansible-playbook. FileNotFoundError says in a line what is missing."""
    given = os.environ.get('ANSIBLE_PLAYBOOK', str(USUAL))
    found = shutil.which(given)
    if found is None:
        raise FileNotFoundError(
            f'no ansible-playbook at {given}: `make ansible` installs one, or set ANSIBLE_PLAYBOOK'
        )
    return os.path.abspath(found)


class Result(NamedTuple):
    """What a task did on a host."""

    event: str  # ok, failed, unreachable, skipped
    host: str
    task: str
    result: dict[str, Any]


class Play(NamedTuple):
    """A play that has ended."""

    status: int
    output: str
    results: list[Result]
    stats: dict[str, dict[str, int]]  # by host: ok, changed, failures, ...

    def of(self, host: Host, task: str) -> Result:
        """What this task, named by the beginning of its name, did on the host."""
        found = [
            one for one in self.results if (one.host, task) == (host.name, one.task[: len(task)])
        ]
        assert len(found) == 1, f'{task} on {host.name}: {len(found)} results'
        return found[0]

    def touched(self) -> list[str]:
        """The hosts on which the play did anything, with success or not."""
        return sorted({one.host for one in self.results})

    def changed(self) -> int:
        """How many tasks changed something."""
        return sum(one['changed'] for one in self.stats.values())


class Controller:
    """Runs ansible-playbook with a home of its own, in which nothing of this machine's user is."""

    def __init__(self, place: Path) -> None:
        self.place = place
        for name in ('home', 'collections/ansible_collections/supervisor'):
            (place / name).mkdir(parents=True)
        (place / 'collections/ansible_collections/supervisor/restarter').symlink_to(
            ROOT / 'ansible'
        )
        for name, text in blocks().items():
            (place / name).write_text(text, encoding='utf-8')
        (place / 'ansible.cfg').touch()  # or the user's own would be read
        self._begun: list[Playing] = []

    def environment(self, record: Path) -> dict[str, str]:
        """For ansible-playbook: nothing that a user has set, and output as it is everywhere."""
        usual = {key: value for key, value in os.environ.items() if key[:8] != 'ANSIBLE_'}
        return {
            **usual,
            MARK: str(record),
            'HOME': str(self.place / 'home'),
            'LC_ALL': 'C.UTF-8',
            'ANSIBLE_HOME': str(self.place / 'home'),
            'ANSIBLE_LOCAL_TEMP': str(self.place / 'home' / 'tmp'),
            'ANSIBLE_REMOTE_TEMP': str(self.place / 'home' / 'remote'),
            'ANSIBLE_CONFIG': str(self.place / 'ansible.cfg'),
            'ANSIBLE_COLLECTIONS_PATH': str(self.place / 'collections'),
            'ANSIBLE_CALLBACK_PLUGINS': str(HERE / 'callback'),
            'ANSIBLE_CALLBACKS_ENABLED': 'record',
            'ANSIBLE_NOCOLOR': '1',
            'ANSIBLE_PIPELINING': '1',
            # a connection that is kept would outlive the test
            'ANSIBLE_SSH_ARGS': '-F /dev/null -o ControlMaster=no',
        }

    def begin(self, name: str, hosts: Iterable[Host], *arguments: str, **variables: Any) -> Playing:
        """Start a playbook of the page. variables: of the group; hosts come in their order."""
        number = len(self._begun)
        record = self.place / f'{number}.json'
        inventory = self.place / f'{number}.yml'
        python = os.environ.get('ANSIBLE_PYTHON_INTERPRETER', '{{ ansible_playbook_python }}')
        group = {
            'hosts': {host.name: host.variables() for host in hosts},
            'vars': {'ansible_python_interpreter': python, **variables},
        }
        inventory.write_text(json.dumps({'web': group}))  # which is YAML, too
        command = [ansible_playbook(), *('-i', str(inventory)), str(self.place / name), *arguments]
        output = record.with_suffix('.txt')
        with output.open('w') as file:
            process = subprocess.Popen(
                command,
                cwd=self.place,
                env=self.environment(record),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._begun.append(Playing(process, command, record, output))
        return self._begun[-1]

    def play(self, name: str, hosts: Iterable[Host], *arguments: str, **variables: Any) -> Play:
        """Play a playbook of the page to its end."""
        return self.begin(name, hosts, *arguments, **variables).end()

    def close(self) -> set[int]:
        """Kill what its plays have left behind; the pids of that."""
        for playing in self._begun:
            playing.show()
        return kill_marked(f'{MARK}={self.place}/')


class Playing:
    """A play that is on its way."""

    def __init__(
        self, process: subprocess.Popen[bytes], command: list[str], record: Path, output: Path
    ) -> None:
        self._process = process
        self._command = command
        self._record = record
        self._output = output
        self._shown = False

    def end(self) -> Play:
        """Wait for the end."""
        try:
            status = self._process.wait(PLAY_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            self.show()
            raise AssertionError(f'no end of {self._command} within {PLAY_SECONDS:g} s') from None
        output = self.show()
        lines = self._record.read_text(encoding='utf-8') if self._record.exists() else ''
        told = [json.loads(line) for line in lines.splitlines()]
        results = [Result(**one) for one in told if one['event'] != 'stats']
        stats = [one['hosts'] for one in told if one['event'] == 'stats']
        return Play(status, output, results, stats[0] if stats else {})

    def show(self) -> str:
        """What it has said so far. Once, that is printed as well: pytest shows it if the test fails."""
        said = self._output.read_text(encoding='utf-8')
        if not self._shown:
            print('$', *self._command, f'\n{said}\nexit status {self._process.poll()}\n')
            self._shown = True
        return said

    def kill(self) -> None:
        """Kill it with all that it has started on this machine, as a crash of the controller would."""
        kill_marked(f'{MARK}={self._record}')
        self._process.wait(SECONDS)


def kill_marked(mark: str) -> set[int]:
    """Kill every process whose environment has a variable that begins so, until there is none; their
    pids.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + SECONDS
    for pause in polls():
        found = marked(mark.encode())
        if not found:
            break
        killed |= found
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert time.monotonic() < deadline, f'{found} cannot be killed'
        time.sleep(pause)
    return killed


def marked(mark: bytes) -> set[int]:
    """The pids of the processes with such a variable."""
    found = set()
    for path in Path('/proc').glob('[0-9]*'):
        try:
            variables = (path / 'environ').read_bytes().split(b'\0')
        except OSError:
            continue  # it is gone, or another user's
        if any(one.startswith(mark) for one in variables):
            found.add(int(path.name))
    return found
