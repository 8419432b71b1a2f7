"""Tries to break the plugin: python -m tests.chaos [--seconds 60] [--seed N] [--restarts 10000]
[--json FILE]

A real supervisord with groups of misbehaving programs, clients that ask for everything at random
and are killed in the middle, kill -9, SIGSTOP and wall-clock steps; after each storm everything is
checked. With --restarts instead: one restart after the other, and whether supervisord's memory
grows.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import sys
from pathlib import Path
from typing import Any

from supervisor.options import VERSION

from tests.chaos.growth import measure
from tests.chaos.run import Chaos


def main() -> int:
    parser = argparse.ArgumentParser(
        prog='python -m tests.chaos', description=(__doc__ or '').splitlines()[0]
    )
    parser.add_argument(
        '--seconds', type=float, default=60.0, help='how long; the last phase may take longer'
    )
    parser.add_argument(
        '--seed', type=int, default=None, help='what all decisions come from (default: random)'
    )
    parser.add_argument(
        '--callers', type=int, default=6, help='how many clients call at random at once'
    )
    parser.add_argument(
        '--restarts',
        type=int,
        default=0,
        help='look at the memory over so many restarts, and no more',
    )
    parser.add_argument('--json', type=Path, help='write the figures to this file')
    options = parser.parse_args()
    if options.restarts:
        growth = measure(options.restarts)
        print(growth, *growth.violations, sep='\n')
        _write(options.json, 'growth', growth.struct())
        return bool(growth.violations)
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(f'seed {seed}, {options.seconds:g} s', flush=True)
    summary = Chaos(seed, options.seconds, options.callers).run()
    print(summary)
    _write(options.json, 'chaos', summary.struct())
    if not summary.violations:
        return 0
    print('', summary.story, '', *summary.violations, '', sep='\n')
    print(
        f'Again: python -m tests.chaos --seconds {options.seconds:g} --seed {seed} '
        f'--callers {options.callers}'
    )
    return 1


def _write(path: Path | None, part: str, figures: dict[str, Any]) -> None:
    """Put the figures into the file, beside those of the other mode."""
    if path is not None:
        known = json.loads(path.read_text()) if path.exists() else {}
        known[part] = {'supervisor': VERSION, 'python': platform.python_version(), **figures}
        path.write_text(json.dumps(known, indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(main())
