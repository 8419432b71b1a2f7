"""How exactly supervisord is woken: python -m bench.exactness

One process on an idle supervisord is restarted again and again; its output goes elsewhere, so that
no closing pipe wakes supervisord. Three delays are taken from the clock of this machine and the
times in supervisord's log (whose resolution is a millisecond):

    exit to spawn           from the moment the old process exits to the log line that says the new one is spawned
    startsecs to RUNNING    from the end of startsecs to the log line that says it is RUNNING
    end to answer           from the log line that says the restart has succeeded to the answer at the client

and the same for `supervisorctl restart` (its calls, without its start-up), which has no last line.
"""

from __future__ import annotations

import math
import re
import statistics
import sys
import time
from datetime import datetime
from typing import Any, Callable

from bench.lab import Lab

ROUNDS = 20
STARTSECS = 1
WORKER = """
import os, signal, time
def stop(signum, frame):
    os.write(fd, b'%.6f' % time.time())
    os._exit(0)
fd = os.open('{dir}/exit', os.O_WRONLY | os.O_CREAT)
signal.signal(signal.SIGTERM, stop)
os.write(os.open('{dir}/up', os.O_WRONLY | os.O_CREAT | os.O_TRUNC), b'%d' % os.getpid())
while True:
    signal.pause()
"""
LINE = re.compile(
    r"^(\S+ \S+) \w+ (spawned: 'w'|success: w entered RUNNING|restarter: restart \d+ of w succeeded)"
)


def moments(log: str) -> dict[str, float]:
    """The time of each kind of line, by its first word."""
    found = (match.groups() for match in map(LINE.match, log.splitlines()) if match)
    return {
        what.split(':')[0]: datetime.strptime(at, '%Y-%m-%d %H:%M:%S,%f').timestamp()
        for at, what in found
    }


def measure(lab: Lab, restart: Callable[[], Any]) -> list[float]:
    """The three delays of one restart, in milliseconds; the last is nan without a restart's own log
    line.
    """
    pid = str(lab.rpc().supervisor.getProcessInfo('w')['pid'])
    lab.wait_until(lambda: (lab.dir / 'up').read_text() == pid, 10, 'worker')
    mark = lab.log_size()
    restart()
    answered = time.time()
    at = moments(lab.log_text(mark))
    exited = float((lab.dir / 'exit').read_text())
    return [
        1000 * delay
        for delay in (
            at['spawned'] - exited,
            at['success'] - at['spawned'] - STARTSECS,
            answered - at.get('restarter', float('nan')),
        )
    ]


def main() -> int:
    program = (
        f'[program:w]\ncommand={sys.executable} -S -E %(here)s/worker.py\nstartsecs={STARTSECS}\n'
        'stdout_logfile=NONE\nstderr_logfile=NONE\nautostart=false\n'
    )
    with Lab(program) as lab:
        # the worker closes its pipes, as a program does that logs by itself
        (lab.dir / 'worker.py').write_text(
            'import os; os.closerange(0, 3)\n' + WORKER.format(dir=lab.dir)
        )
        rpc = lab.rpc()
        rpc.supervisor.startProcess('w')

        def stock() -> None:
            rpc.supervisor.stopProcessGroup('w')
            rpc.supervisor.startProcessGroup('w')

        print(
            f'{"milliseconds, median (max) of " + str(ROUNDS):36}{"exit to spawn":>20}{"startsecs to RUNNING":>24}'
            f'{"end to answer":>18}'
        )
        for name, restart in (
            ('restartProcessGroup', lambda: rpc.restarter.restartProcessGroup('w')),
            ('stopProcessGroup, startProcessGroup', stock),
        ):
            columns = zip(*(measure(lab, restart) for _ in range(ROUNDS)))
            cells = [
                '-'
                if math.isnan(column[0])
                else f'{statistics.median(column):.1f} ({max(column):.1f})'
                for column in columns
            ]
            print(f'{name:36}{cells[0]:>20}{cells[1]:>24}{cells[2]:>18}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
