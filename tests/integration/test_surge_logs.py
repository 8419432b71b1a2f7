"""The logs of two processes of one name."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.server import lines_of, program
from tests.integration.surging import YES, begin

TALKER = Path(__file__).with_name('talker.py')


def written(directory):
    """The lines in the log and its backups."""
    return [line for path in directory.glob('said*') for line in path.read_text().splitlines()]


@pytest.mark.parametrize('maxbytes', [0, 20_000])
def test_every_line_is_in_the_log_once(start, maxbytes):
    """While logs rotate, and are opened anew by SIGUSR2."""
    server = start(
        program(
            'web',
            f'{sys.executable} -S -E {TALKER} %(here)s/totals',
            environment=YES,
            startsecs=1,
            stdout_logfile='%(here)s/said',
            stdout_logfile_maxbytes=maxbytes,
            stdout_logfile_backups=1000,
        )
    )
    server.wait_state()
    for count in range(1, 4):
        id = begin(server)
        server.wait_phase(id, 'starting')
        server.wait(lambda: len(server.pids()) == 2, 'two of them')
        os.kill(server.pid, signal.SIGUSR2)
        assert server.wait_finished(id)['state'] == 'succeeded'
        server.wait(lambda n=count: len(lines_of(server.dir / 'totals')) == n, 'a total')
    server.rpc().supervisor.stopProcess('web')
    totals = [line.split() for line in lines_of(server.dir / 'totals')]
    assert len(totals) == 4
    lines = written(server.dir)
    assert Counter(lines).most_common(1)[0][1] == 1
    for pid, total in totals:
        assert {f'{pid} {number}' for number in range(1, int(total) + 1)} <= set(lines)
    assert len(lines) == sum(int(total) for _, total in totals)
