"""The plugin of two trees of its source, in one run: as it is here, and as it was."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from bench.lab import LabError
from bench.peers.supervisors import ROOT, Plugin

GIT_SECONDS = 60.0


class Many(Plugin):
    """Starts its workers through the plugin. Supervisor would close, in Python, minfds descriptors
    in each child: with 2,000 workers it would not answer for minutes.
    """

    def program(self) -> str:
        return super().program() + 'autostart=false\n'

    def begin(self) -> None:
        self.by_rpc().restart()


def of(tree: Path, kind: type[Many], name: str) -> type[Many]:
    """That kind of supervisord, with the plugin of this tree. LabError if it would load another.

    name: tells it from the others of one run; its directory is called so.
    """
    where = ['env', f'PYTHONPATH={tree}', sys.executable, '-c']
    done = subprocess.run(
        [*where, 'import supervisor_restarter; print(supervisor_restarter.__file__)'],
        cwd='/',  # whose files Python would find first
        capture_output=True,
        text=True,
    )
    expected = tree / 'supervisor_restarter' / '__init__.py'
    if done.stdout.strip() != str(expected):
        raise LabError(f'not {expected} is loaded, but {done.stdout.strip() or done.stderr}')
    return type(name, (kind,), {'tree': tree, 'suffix': f', {name}'})


def earlier(what: str, folder: Path) -> Path:
    """The directory `what`; or what the commit of that name has, unpacked into the folder."""
    if Path(what).is_dir():
        return Path(what).resolve()
    target = folder / 'earlier'
    packed = git('archive', '--format=zip', what, 'supervisor_restarter')
    zipfile.ZipFile(io.BytesIO(packed)).extractall(target)
    return target


def commit(what: str = 'HEAD') -> str:
    """The short name of a commit; with a + behind it where HEAD's files have been changed since.

    Empty if that is not known: a directory, or no git.
    """
    try:
        name = git('rev-parse', '--short', '--verify', '--quiet', f'{what}^{{commit}}')
        changed = git('status', '--porcelain', '--', 'supervisor_restarter')
    except LabError:
        return ''
    return name.decode().strip() + ('+' if changed and what == 'HEAD' else '')


def git(*words: str) -> bytes:
    """What git says of this tree. LabError if it fails, or is not there."""
    try:
        done = subprocess.run(
            ['git', '-C', str(ROOT), *words], capture_output=True, timeout=GIT_SECONDS
        )
    except OSError as error:
        raise LabError(f'git: {error}') from None
    if done.returncode != 0:
        raise LabError(f'git {words[0]}: {done.stderr.decode().strip() or done.returncode}')
    return done.stdout
