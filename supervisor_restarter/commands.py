"""Commands as programs give them in their environment: words quoted as for a shell, run without one."""

from __future__ import annotations

import shlex
from functools import lru_cache
from os import fsencode  # pure, too: the encoding of file names

from supervisor_restarter.text import shown

MOST_CHARACTERS = 1000
# By what a command is for: the variable in which a program gives it.
HOOK_VARIABLES = {'before_stop': 'RESTARTER_BEFORE_STOP', 'after_ready': 'RESTARTER_AFTER_READY'}
COMMAND_ALLOWED = 'a command and its arguments, quoted as for a shell'

CUT_OFF = ' (Supervisor cuts quotes off the end of a value: a blank after the last one keeps it)'


def check_characters(text: str) -> None:
    """ValueError for a text that no variable is meant to have: empty, too long, of several lines."""
    if not text:
        raise ValueError('it is empty')
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f'it has more than {MOST_CHARACTERS} characters')
    if not text.isprintable():
        raise ValueError('no line ends or other control characters')


def split_command(text: str) -> tuple[str, ...]:
    """The words of a command, quoted as for a shell; ValueError if there are none."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        why = f'the command cannot be split into words: {str(error).lower()}'
        raise ValueError(f'{why}{CUT_OFF if "quotation" in why else ""}') from None
    if not words or not words[0]:
        raise ValueError('there is no command')
    try:
        fsencode(text)
    except UnicodeError:
        raise ValueError('the command cannot be written in the encoding of file names') from None
    return tuple(words)


@lru_cache(maxsize=4096)  # asked again and again about the same programs
def parse_command(variable: str, text: str) -> tuple[str, ...]:
    """The words of the command that this variable holds; ValueError with one line that names the
    variable, the text and what is allowed.
    """
    wanted = text.strip(' \t')
    try:
        check_characters(wanted)
        return split_command(wanted)
    except ValueError as error:
        raise ValueError(
            f'{variable} = {shown(text)}: {error}; allowed: {COMMAND_ALLOWED}'
        ) from None
