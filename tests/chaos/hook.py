"""What a program has run before its stop and after its start, as RESTARTER_BEFORE_STOP and
RESTARTER_AFTER_READY: hook.py DIR WHAT [trait ...]

It appends WHAT, `drain` or `told`, to DIR/records as a worker does (worker.py), about the process
that it concerns: at its beginning, which is after supervisord has taken that process out of service,
and before it takes it as one that serves.

--slow S        takes up to S seconds
--fails         while the file DIR/storm exists: fails at random, or never ends
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument('directory', type=Path)
    parser.add_argument('what')
    parser.add_argument('--slow', type=float, default=0.0)
    parser.add_argument('--fails', action='store_true')
    options = parser.parse_args()
    name = f'{os.environ["SUPERVISOR_GROUP_NAME"]}:{os.environ["SUPERVISOR_PROCESS_NAME"]}'
    pid = os.environ['RESTARTER_PID']
    line = f'{time.monotonic():.6f} {pid} {os.getppid()} {name} {options.what}\n'
    with open(options.directory / 'records', 'ab', buffering=0) as records:
        records.write(line.encode())
    chance = random.Random(f'{os.environ.get("CHAOS_SEED")} {name} {pid} {options.what}')
    time.sleep(chance.uniform(0, options.slow))
    fate = chance.random()
    if options.fails and (options.directory / 'storm').exists():
        if fate < 0.1:
            time.sleep(10**6)
        if fate < 0.3:
            print('this server is not known', file=sys.stderr)
            return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
