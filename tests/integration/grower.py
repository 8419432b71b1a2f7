"""A worker that uses memory: grower.py FILE KEEPER.

It keeps as many megabytes as stand in FILE.<its SUPERVISOR_PROCESS_NAME> (none without it), looked
at ten times a second; `self`: itself, `child`: a child of a child of it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

MEGABYTE = 1024 * 1024


def main() -> None:
    file = Path(f'{sys.argv[1]}.{os.environ["SUPERVISOR_PROCESS_NAME"]}')
    if sys.argv[2] != 'self':
        below = {'child': 'grandchild', 'grandchild': 'self'}[sys.argv[2]]
        subprocess.run([sys.executable, __file__, sys.argv[1], below], check=False)
        return
    kept = b''
    parent = os.getppid()
    while os.getppid() == parent:  # a child ends with its parent
        wanted = int(file.read_text() or 0) * MEGABYTE if file.exists() else 0
        if len(kept) != wanted:
            kept = b'x' * wanted
        time.sleep(0.1)


if __name__ == '__main__':
    main()
