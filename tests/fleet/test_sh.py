"""The loop in plain sh of docs/fleet.md."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench.lab import script
from tests.fleet import shown
from tests.fleet.play import blocks
from tests.integration.server import SECONDS

# Stands for ssh: `ssh host2 command` has the command run in that host's directory.
SSH = """\
#!/bin/sh
cd "{place}/$1" && exec sh -c "$2"
"""


@pytest.fixture
def roll(fleet, tmp_path):
    """roll(release, host, ...) runs the script; what it said and its exit status."""
    commands = tmp_path / 'commands'
    commands.mkdir()
    (commands / 'ssh').write_text(SSH.format(place=tmp_path))
    (commands / 'roll.sh').write_text(blocks()['roll.sh'])
    for file in commands.iterdir():
        file.chmod(0o755)
    for host in fleet:
        # where supervisorctl looks first
        section = f'[supervisorctl]\nserverurl=unix://{host.dir}/sock\n'
        (host.app / 'supervisord.conf').write_text(section)
    path = [str(commands), str(Path(script('supervisorctl_restart_group')).parent)]

    def run(*words):
        done = subprocess.run(
            ['roll.sh', *words],
            env={**os.environ, 'APP': '.', 'PATH': os.pathsep.join([*path, os.environ['PATH']])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        print(done.stdout)
        return done.stdout, done.returncode

    return run


def test_the_loop_stops_at_the_failing_host_and_goes_on_there(fleet, roll):
    names = [host.name for host in fleet]
    untouched = fleet[2].touched()
    said, status = roll('2', *names)
    assert status == 1
    assert shown.missing('./roll.sh 2 host1 host2 host3', said, fleet) == []
    assert said.endswith('stopped at host2\n')
    assert [host.serving() for host in fleet] == [['2', '2'], ['2', '1'], ['1', '1']]
    assert fleet[2].touched() == untouched

    fleet[1].equip()
    done = fleet[0].pids()
    part = fleet[1].pids()['0']
    said, status = roll('2', *names)
    assert status == 0
    assert [host.serving() for host in fleet] == [['2', '2']] * 3
    assert (fleet[0].pids(), fleet[1].pids()['0']) == (done, part)
