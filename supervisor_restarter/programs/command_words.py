"""The words of a program's command, which supervisord splits again for every question and start."""

from __future__ import annotations

import shlex
from functools import lru_cache

from supervisor_restarter.programs.host import Subprocess

MOST_KEPT_WORDS = 4096  # commands


@lru_cache(maxsize=MOST_KEPT_WORDS)
def _words(command: str) -> tuple[str, ...]:
    return tuple(shlex.split(command))


def execv_args(process: Subprocess) -> tuple[str, list[str]]:
    """What process.get_execv_args() gives and raises, where that is Supervisor's; see reviewed.py.

    What is kept is how a command is split. The file is looked at each time.
    """
    options, command = process.config.options, process.config.command
    try:
        words = list(_words(command))
    except ValueError:
        words = []
    if not words or '/' not in words[0]:
        return process.get_execv_args()  # to be searched for in the PATH, or no command at all
    try:
        its = options.stat(words[0])
    except OSError:
        its = None
    options.check_execv_args(words[0], words, its)
    return words[0], words
