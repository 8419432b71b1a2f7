"""Writes numbered lines, 'PID NUMBER', as fast as it can be read, and notes in the file given how
many it has written when it is stopped.
"""

from __future__ import annotations

import os
import signal
import sys
import time


def main() -> None:
    number, pid, over = 0, os.getpid(), []
    signal.signal(signal.SIGTERM, lambda signum, frame: over.append(signum))
    while not over:
        number += 1
        sys.stdout.write(f'{pid} {number}\n')
        sys.stdout.flush()
        time.sleep(0.0005)
    with open(sys.argv[1], 'a') as file:
        file.write(f'{pid} {number}\n')


if __name__ == '__main__':
    main()
