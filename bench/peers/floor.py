"""The floor: what the machine itself needs, without a supervisor: python -m bench.peers.floor COUNT
WORKER FILE MS

Starts COUNT workers; for each line on standard input it signals all of them, then waits for
whichever ends first and starts it again by posix_spawn, until all are new; then it answers with a
line. No pipes, no logs, no states.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    count, worker, *rest = sys.argv[1:]

    def spawn(name: str) -> int:
        return os.posix_spawn(worker, [worker, rest[0], name, rest[1]], os.environ)

    names = {spawn(f'w{number:03d}'): f'w{number:03d}' for number in range(int(count))}
    for _ in sys.stdin:
        for pid in names:
            os.kill(pid, signal.SIGTERM)
        for _ in range(len(names)):
            pid, _ = os.wait()
            name = names.pop(pid)
            names[spawn(name)] = name
        print('done', flush=True)


if __name__ == '__main__':
    main()
