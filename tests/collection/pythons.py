"""Which Pythons there are, of those that can make an environment.

    python tests/collection/pythons.py [OLDEST [NEWEST]]

prints the path of the newest from OLDEST (default: the Python that runs this) to NEWEST (default: no
limit), and ends with status 1 and one line if there is none. It knows the Python that runs this, and
each `python3.N` on the PATH that really runs: where versions are managed, some are there only to say
that they are not installed. Needs the standard library alone, for it runs before anything is made.
"""

from __future__ import annotations

import os
import subprocess
import sys

Version = tuple[int, int]
MINORS = range(8, 21)
SECONDS = 20.0  # for one Python to say what it is
# Debian has Pythons without the modules that an environment needs.
ASK = 'import sys, venv, ensurepip; print(*sys.version_info[:2], sys.executable)'


def found() -> dict[Version, str]:
    """The path of a Python by its version, (3, 11)."""
    pythons: dict[Version, str] = {}
    for path in [sys.executable, *on_path()]:
        known = asked(path)
        if known is not None:
            pythons.setdefault(known[0], known[1])
    return pythons


def on_path() -> list[str]:
    """All files that are called python3.8 or later, whether they run or not."""
    names = [
        os.path.join(folder, f'python3.{minor}')
        for folder in os.get_exec_path()
        for minor in MINORS
    ]
    return [name for name in names if os.access(name, os.X_OK)]


def asked(path: str) -> tuple[Version, str] | None:
    """The version and the true path of the Python behind this path; None if it does not run."""
    try:
        done = subprocess.run(
            [path, '-c', ASK],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split(maxsplit=2)
    if done.returncode != 0 or len(words) != 3:
        return None
    return (int(words[0]), int(words[1])), words[2].strip()


def newest(
    pythons: dict[Version, str], oldest: Version, limit: Version | None = None
) -> str | None:
    """The path of the newest that is not older than `oldest` and not newer than `limit`."""
    fit = [one for one in pythons if one >= oldest and (limit is None or one <= limit)]
    return pythons[max(fit)] if fit else None


def version(text: str) -> Version:
    """'3.11' as (3, 11)."""
    major, minor = text.split('.')
    return int(major), int(minor)


def main() -> int:
    oldest = version(sys.argv[1]) if len(sys.argv) > 1 else sys.version_info[:2]
    limit = version(sys.argv[2]) if len(sys.argv) > 2 else None
    path = newest(found(), oldest, limit)
    if path is None:
        print(f'no Python from {" to ".join(sys.argv[1:])} was found', file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == '__main__':
    sys.exit(main())
