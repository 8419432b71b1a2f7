"""The loop in plain sh of docs/fleet.md."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from bench.lab import script
from tests.fleet import shown
from tests.fleet.play import blocks
from tests.integration.server import SECONDS

# Stands for ssh: `ssh host2 command` has the command run in that host's directory. Without -n, it
# reads what there is to read.
SSH = """\
#!/bin/sh
if [ "$1" = -n ]; then shift; else cat > /dev/null; fi
cd "{place}/$1" && exec sh -c "$2"
"""


@pytest.fixture
def roll(fleet, tmp_path):
    """roll(word, ...) runs a command in whose PATH roll.sh is, with `given` as its input; what it
    said and its exit status.
    """
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

    def run(*words, given=''):
        done = subprocess.run(
            words,
            env={**os.environ, 'APP': '.', 'PATH': os.pathsep.join([*path, os.environ['PATH']])},
            input=given,
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
    said, status = roll('roll.sh', '2', *names)
    assert status == 1
    assert shown.missing('./roll.sh 2 host1 host2 host3', said, fleet) == []
    assert said.endswith('stopped at host2\n')
    assert [host.serving() for host in fleet] == [['2', '2'], ['2', '1'], ['1', '1']]
    assert fleet[2].touched() == untouched

    fleet[1].equip()
    done = fleet[0].pids()
    part = fleet[1].pids()['0']
    said, status = roll('roll.sh', '2', *names)
    assert status == 0
    assert [host.serving() for host in fleet] == [['2', '2']] * 3
    assert (fleet[0].pids(), fleet[1].pids()['0']) == (done, part)


def test_a_list_of_hosts_is_read_to_its_end(fleet, roll):
    fleet[1].equip()
    loop = 'while read -r host; do roll.sh 2 "$host" || exit; done'
    said, status = roll('sh', '-c', loop, given=''.join(f'{host.name}\n' for host in fleet))
    assert status == 0
    assert re.findall('^== (.*)', said, re.MULTILINE) == [host.name for host in fleet]
    assert [host.serving() for host in fleet] == [['2', '2']] * 3


@pytest.mark.parametrize(('release', 'asked'), [('3', ['== host1']), ('', [])])
def test_what_is_no_release_leaves_the_link_and_the_processes(fleet, roll, release, asked):
    link = os.readlink(fleet[0].app / 'current')
    before = fleet[0].touched()
    said, status = roll('roll.sh', release, fleet[0].name, fleet[1].name)
    assert status != 0
    assert re.findall('^== .*', said, re.MULTILINE) == asked
    assert os.readlink(fleet[0].app / 'current') == link
    assert fleet[0].touched() == before
