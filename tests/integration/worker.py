"""A worker for tests that misbehaves as told.

--stop S     on SIGTERM take S seconds to exit
--hold F     on SIGTERM wait until the file F exists, and exit then; see HELD in server.py
--die S      exit by itself after S seconds
--exit N     with this exit status (default 0)
--touch F    append a line with the pid to the file F at the start
--unless F   die at once (exit 3) unless the file F exists
"""

from __future__ import annotations

import os
import signal
import sys
import time


def main() -> int:
    # Without argparse, whose import is half of what a worker costs, and there are thousands.
    words = iter(sys.argv[1:])
    options = {word: next(words) for word in words}
    status = int(options.get('--exit', 0))

    def stop(signum: int, frame: object) -> None:
        while '--hold' in options and not os.path.exists(options['--hold']):
            time.sleep(0.01)
        time.sleep(float(options.get('--stop', 0)))
        os._exit(status)

    signal.signal(signal.SIGTERM, stop)
    if '--touch' in options:
        with open(options['--touch'], 'a') as file:
            file.write(f'{os.getpid()}\n')
    if '--unless' in options and not os.path.exists(options['--unless']):
        return 3
    if '--die' in options:
        time.sleep(float(options['--die']))
        return status
    while True:
        signal.pause()


if __name__ == '__main__':
    sys.exit(main())
