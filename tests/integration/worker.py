"""A worker for tests that misbehaves as told.

--stop S     on SIGTERM take S seconds to exit
--hold F     on SIGTERM wait until the file F exists, and exit then; see HELD in server.py
--deaf       ignore SIGTERM
--die S      exit by itself after S seconds
--exit N     with this exit status (default 0)
--touch F    append a line with the pid to the file F at the start
--unless F   die at once (exit 3) unless the file F exists
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument('--stop', type=float, default=0.0)
    parser.add_argument('--hold')
    parser.add_argument('--deaf', action='store_true')
    parser.add_argument('--die', type=float)
    parser.add_argument('--exit', type=int, default=0)
    parser.add_argument('--touch')
    parser.add_argument('--unless')
    options = parser.parse_args()

    def stop(signum: int, frame: object) -> None:
        while options.hold and not os.path.exists(options.hold):
            time.sleep(0.01)
        time.sleep(options.stop)
        os._exit(options.exit)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if options.deaf else stop)
    if options.touch:
        with open(options.touch, 'a') as file:
            file.write(f'{os.getpid()}\n')
    if options.unless and not os.path.exists(options.unless):
        return 3
    if options.die is not None:
        time.sleep(options.die)
        return int(options.exit)
    while True:
        signal.pause()


if __name__ == '__main__':
    sys.exit(main())
