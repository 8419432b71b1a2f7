"""The words after our commands in supervisorctl, and the words of its answers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from supervisor_restarter.client.durations import read_seconds
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.option_kinds import (
    DECLARED,
    MOST_PROCESSES,
    SECONDS,
    count,
    of_text,
    of_word,
)
from supervisor_restarter.spelling import closest, did_you_mean

# Anything like a number: one that is not allowed is to be refused, and not looked for as a name.
LIKE_A_NUMBER = re.compile(r'-?[0-9.]+%?')
# What `rolling` takes besides -> key of the server's options struct.
ROLLING_OPTIONS = {
    '--min-ready': 'min_ready',
    '--ready-timeout': 'ready_timeout',
    '--hook-timeout': 'hook_timeout',
    '--scout': 'scout',
    '--max-surge': 'max_surge',
}
PLAN_OPTION = '--plan'
MANY_PROCESSES = count(1, MOST_PROCESSES)


def words_of(arg: str) -> list[str]:
    """The words of a command, without the quotes that only a Unix shell would have removed."""
    try:
        return shlex.split(arg)
    except ValueError:
        return arg.split()


def without_code(text: str) -> str:
    """The text of a fault without its name: supervisorctl's users do not deal in codes."""
    name, colon, rest = text.partition(': ')
    return rest if colon and name in Code.__members__ else text


def rolling(words: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The names and the options in the words after `rolling`. Refusal BAD_OPTION for what it does
    not take.
    """
    names: list[str] = []
    options: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word == '--':
            names += rest
        elif word.startswith('--'):
            option, equals, value = word.partition('=')
            key = _rolling_key(option)
            options[key] = _value(option, key, value if equals else next(rest, ''))
        else:
            names.append(word)
    limit = names.pop(0) if names and LIKE_A_NUMBER.fullmatch(names[0]) else '1'
    return names, {'max_unavailable': of_word('max_unavailable', limit), **options}


def apply_words(words: Sequence[str]) -> tuple[bool, list[str]]:
    """Whether only the plan is wanted, and the names, in the words after `apply`. Refusal BAD_OPTION
    for any other option.
    """
    plan = False
    names: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == '--':
            names += rest
        elif word == PLAN_OPTION:
            plan = True
        elif word.startswith('--'):
            raise Refusal(
                Code.BAD_OPTION,
                f"apply has no option '{word}': it takes {PLAN_OPTION}; "
                'supervisorctl_restart_group --apply takes more',
            )
        else:
            names.append(word)
    return plan, names


def scale_words(words: Sequence[str]) -> tuple[str, int]:
    """The program and the number in the words after `scale`. Refusal BAD_OPTION for anything else."""
    if len(words) != 2:
        raise Refusal(
            Code.BAD_OPTION, 'scale takes a program and its number of processes (scale web 6)'
        )
    program, number = words
    try:
        return program, int(of_text('the number of processes', MANY_PROCESSES, number))
    except ValueError as exc:
        raise Refusal(Code.BAD_OPTION, str(exc)) from None


def _rolling_key(option: str) -> str:
    if option in ROLLING_OPTIONS:
        return ROLLING_OPTIONS[option]
    close = closest(option[2:], [known[2:] for known in ROLLING_OPTIONS])
    if close:
        hint = did_you_mean([f'--{close}'])
    else:
        hint = (
            f': it takes {", ".join(ROLLING_OPTIONS)}, and how many at a time as its first word '
            '(rolling 2 web:)'
        )
    raise Refusal(Code.BAD_OPTION, f"rolling has no option '{option}'{hint}")


def _value(option: str, key: str, value: str) -> Any:
    if DECLARED[key] is not SECONDS:
        return of_word(key, value)
    try:
        return read_seconds(value)
    except ValueError as exc:
        raise Refusal(Code.BAD_OPTION, f"{option} '{value}' {exc}") from None
