"""bash, zsh and fish on a terminal, with our completion: what Tab makes of a line."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.fleet.conftest import skip_aloud
from tests.integration.ctl import Terminal
from tests.integration.server import SECONDS

COMMAND = 'supervisorctl_restart_group'
LISTENER = 'supervisor_restart_listener'
PROMPT = 'ready> '
# `got` prints the words behind it, each as a command would have got it.
BASH = f"""\
got() {{ printf 'GOT'; printf '<%s>' "$@"; printf 'END\\n'; }}
PS1='{PROMPT}' PS2='more> '
bind 'set enable-bracketed-paste off'
bind 'set bell-style none'
bind 'set page-completions off'
bind 'set completion-query-items 0'
bind 'set show-all-if-ambiguous on'
source SHARE/bash-completion/completions/{COMMAND}
source SHARE/bash-completion/completions/{LISTENER}
"""
ZSH = f"""\
got() {{ printf 'GOT'; printf '<%s>' "$@"; printf 'END\\n'; }}
PS1='{PROMPT}' PS2='more> '
unsetopt beep prompt_sp prompt_cr
unset zle_bracketed_paste
LISTMAX=1000
bindkey -e
fpath=(SHARE/zsh/site-functions $fpath)
autoload -Uz compinit
compinit -u -D
"""
FISH = f"""\
function got; printf GOT; printf '<%s>' $argv; printf 'END\\n'; end
function fish_prompt; printf '{PROMPT}'; end
function fish_greeting; end
set -g fish_autosuggestion_enabled 0
"""


class Kind(NamedTuple):
    """A shell. setup: what it reads first, from the file with this name in its home. start: its
    command line, with that file.
    """

    setup: str
    file: str
    start: Callable[[Path], list[str]]


# The command, to whose question there may be any time for an answer: machines are slow at times.
PATIENT = f"""\
#!{sys.executable}
import sys
from supervisor_restarter.client import cli, completion
completion.LONGEST_QUESTION = {SECONDS}
sys.exit(cli.main())
"""

KINDS = {
    'bash': Kind(BASH, 'rc', lambda rc: ['bash', '--noprofile', '--rcfile', str(rc), '-i']),
    'zsh': Kind(ZSH, '.zshrc', lambda rc: ['zsh', '-d', '-i']),
    'fish': Kind(FISH, 'rc', lambda rc: ['fish', '--private', '-C', f'source {rc}', '-i']),
}


class Shell(Terminal):
    """An interactive shell with the directory `home` for its own.

    share: where the completion is. setup: lines that it executes at its start.
    """

    def __init__(self, name: str, home: Path, share: Path, setup: str = '') -> None:
        self.name, self.home = name, home
        kind = KINDS[name]
        rc = home / kind.file
        rc.write_text(kind.setup.replace('SHARE', str(share)) + setup)
        bin = home / 'bin'
        bin.mkdir()
        for command in (COMMAND, LISTENER):  # fish completes nothing of a command that is not there
            (bin / command).write_text(PATIENT)
            (bin / command).chmod(0o755)
        environment = {
            'TERM': 'xterm' if name == 'fish' else 'dumb',  # without colours where that is enough
            'HOME': str(home),
            'ZDOTDIR': str(home),
            'XDG_CONFIG_HOME': str(home),
            'XDG_DATA_HOME': str(home),
            'XDG_CACHE_HOME': str(home),
            'XDG_DATA_DIRS': f'{share}:/usr/local/share:/usr/share',
            'PATH': f'{bin}:/usr/local/bin:/usr/bin:/bin',
            'LC_ALL': 'C.UTF-8',
        }
        super().__init__(kind.start(rc), environment)
        self.expect(PROMPT)

    def tab(self, line: str) -> tuple[str, str]:
        """What Tab makes of this line: its words with a blank between them, and what was shown
        beside it.
        """
        self.type(f'{line}\t\x01got \x05\r')  # Ctrl-A and Ctrl-E: to its begin, to its end
        try:
            shown = self.expect('GOT<.*?>END')
        except AssertionError:
            self.type('\x03')  # or the next test's line would only go on with this one
            raise
        self.expect(PROMPT)
        before, _, words = shown.rpartition('GOT<')
        return words[: -len('>END')].replace('><', ' '), before

    def enter(self, directory: Path) -> None:
        """Change to that directory."""
        self.type(f'cd {directory}; got there\r')
        self.expect('GOT<there>END')
        self.expect(PROMPT)


def needs(*programs: str) -> None:
    """Skips the test, aloud, if one of them is not here."""
    for program in programs:
        if shutil.which(program) is None:
            skip_aloud(f'{program} is not here (Debian: {program})')


def visible(shown: str) -> str:
    """What was shown, without the codes for colours and movements."""
    return re.sub('\x1b(\\[[0-9;?]*[A-Za-z]|\\(B|\\][^\x07]*\x07)', '', shown)
