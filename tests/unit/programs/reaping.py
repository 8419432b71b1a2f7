"""supervisord's own loop, and a process of which commands are run, whose end it reaps."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.readiness.loop import Loop, descriptors


class Reaping(Loop):
    """A loop that reaps, as supervisord's does."""

    serverurl = None

    def __init__(self):
        super().__init__()
        self.pidhistory = {}
        self.said = []

    def waitpid(self):
        try:
            return os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None, None

    def info(self, text):
        self.said.append(text)  # 'reaped unknown pid 12'

    def child(self, path):
        """The pid that a command has written down; waits for it."""
        self.until(lambda: path.exists() and path.read_text().endswith('\n'))
        return int(path.read_text())


def process_on(loop, pid=4711):
    """A process for which commands can be run."""
    unset = dict.fromkeys(('uid', 'directory', 'umask', 'environment', 'serverurl'))
    config = SimpleNamespace(name='web', options=loop, redirect_stderr=False, **unset)
    return SimpleNamespace(pid=pid, group=None, config=config, dispatchers={})


@contextlib.contextmanager
def nothing_left():
    """A loop; in the end there must be no child, no descriptor and nothing in the loop."""
    before = descriptors()
    loop = Reaping()
    yield loop
    loop.until(lambda: not loop.pidhistory)
    assert loop.is_clean()
    assert loop.said == []
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert descriptors() == before


def is_gone(pid):
    """Whether there is no such process any more, or it only waits to be reaped."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] == 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return True
