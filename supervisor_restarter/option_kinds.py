"""What kinds of values options take: seconds, counts, flags and so on; and each option's kind.

The configuration file gives text, XML-RPC gives values: text is turned into a value first, then
both go through the same check. A number may come as a string over XML-RPC, too: what fills in
templates has nothing else to give.

The command imports this and not options.py: dataclasses take Python several milliseconds to import.
"""

from __future__ import annotations

import re
from signal import Signals  # their names only
from typing import Any, Callable, NamedTuple

from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.text import shown

MOST_PROCESSES = 10_000
MOST_SECONDS = 10_000_000  # about four months; keeps every deadline far from overflow
RESTART, START = 'restart', 'start'  # method: stop and start, or start what is down
MOST_PATHS, LONGEST_PATH = 100, 4096
# Numbers as strings: digits alone, and few enough for int().
COUNT = re.compile('[0-9]{1,20}')
DECIMAL = re.compile('[0-9]{1,20}([.][0-9]{1,20})?')


class Kind(NamedTuple):
    """The kind of value that an option takes.

    allowed: in words. of_text: the value that a text of the configuration stands for; ValueError if
    it stands for none. accepts: whether a value is allowed. normal: the normal form of one that is.
    """

    allowed: str
    of_text: Callable[[str], Any]
    accepts: Callable[[Any], bool]
    normal: Callable[[Any], Any] = lambda value: value


def _whole(value: Any) -> Any:
    """The number that a string of digits stands for, anything else as it is."""
    return int(value) if isinstance(value, str) and COUNT.fullmatch(value) else value


def _is_count(value: Any, least: int, most: int) -> bool:
    value = _whole(value)
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_seconds(value: Any) -> bool:
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        value = float(value)
    # NaN is not: it is in no order with any number.
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value <= MOST_SECONDS


def count(least: int, most: int) -> Kind:
    """A whole number between these two."""
    allowed = f'a whole number from {least} to {most}'
    return Kind(allowed, int, lambda value: _is_count(value, least, most), _whole)


def choice(*words: str) -> Kind:
    """One of these words."""
    allowed = ' or '.join(words)
    return Kind(allowed, str.lower, lambda value: isinstance(value, str) and value in words)


def _int_or_text(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _is_portion(value: Any, least: int) -> bool:
    if isinstance(value, str) and value.endswith('%'):
        return bool(re.fullmatch('[0-9]{1,3}%', value)) and 1 <= int(value[:-1]) <= 100
    return _is_count(value, least, MOST_PROCESSES)


def _count_or_percentage(value: int | str) -> int | str:
    value = _whole(value)
    return value if isinstance(value, int) else f'{int(value[:-1])}%'


def portion(least: int) -> Kind:
    """So many of a group's processes, that number at least, or a percentage of them."""
    return Kind(
        f'a count from {least} to {MOST_PROCESSES}, or a percentage from 1% to 100%',
        _int_or_text,
        lambda value: _is_portion(value, least),
        _count_or_percentage,
    )


def _method(value: str) -> str:
    """'signal:sighup' as 'signal:HUP', anything else as it is."""
    word, colon, name = value.partition(':')
    return f'{word}:{re.sub("^SIG", "", name.upper())}' if colon else value


def _is_method(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    word, _, name = _method(value).partition(':')
    return value in (RESTART, START) or (word == 'signal' and f'SIG{name}' in Signals.__members__)


def _paths(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _is_path(value: Any) -> bool:
    if not isinstance(value, str) or len(value) > LONGEST_PATH:
        return False
    return value.startswith('/') and '\0' not in value


# The words of Supervisor's own booleans.
FLAGS_OF_TEXT = {
    **dict.fromkeys(('true', 'yes', 'on', '1'), True),
    **dict.fromkeys(('false', 'no', 'off', '0'), False),
}


def _flag_of_text(text: str) -> bool:
    try:
        return FLAGS_OF_TEXT[text.lower()]
    except KeyError:
        raise ValueError(text) from None


SECONDS = Kind(f'a number of seconds from 0 to {MOST_SECONDS}', float, _is_seconds, float)
# XML-RPC clients in some languages have no booleans, and send 0 or 1.
FLAG = Kind(
    'true or false',
    _flag_of_text,
    lambda value: isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)),
    bool,
)
METHOD = Kind(
    f'{RESTART}, {START}, or signal: and the name of a signal, such as signal:HUP',
    str,
    _is_method,
    _method,
)
PATHS = Kind(
    f'an absolute path or an array of them: at most {MOST_PATHS}, of {LONGEST_PATH} characters each',
    str,
    lambda value: (
        len(_paths(value)) <= MOST_PATHS and all(_is_path(path) for path in _paths(value))
    ),
    _paths,
)

DECLARED: dict[str, Kind] = {
    'delay': SECONDS,
    'timeout': SECONDS,
    'stagger_factor': count(1, MOST_PROCESSES),
    'max_unavailable': portion(1),
    'max_surge': portion(0),
    'scout': SECONDS,
    'min_ready': SECONDS,
    'ready_timeout': SECONDS,
    'hook_timeout': SECONDS,
    'method': METHOD,
    'stop_timeout': SECONDS,
    'on_failure': choice('abort', 'continue'),
    'if_busy': choice('fail', 'queue'),
    'only_running': FLAG,
    'newer_than': PATHS,
}


def checked(name: str, kind: Kind, value: Any) -> Any:
    """`value` in its normal form; Refusal BAD_OPTION naming it, `name` and what is allowed."""
    if not kind.accepts(value):
        raise Refusal(
            Code.BAD_OPTION, f'{name} = {shown(value)} is not allowed: it must be {kind.allowed}'
        )
    return kind.normal(value)


def of_text(name: str, kind: Kind, text: str) -> Any:
    """The value that `text` stands for, in its normal form; ValueError with one line naming `name`,
    the text and what is allowed.
    """
    try:
        value = kind.of_text(text.strip())
        normal = kind.normal(value)
        good = kind.accepts(value)
    except (ValueError, OverflowError):
        good = False
    if not good:
        raise ValueError(f'{name} = {shown(text)} is not allowed: it must be {kind.allowed}')
    return normal


def of_word(name: str, word: str) -> Any:
    """The value that a word of a command line stands for, as an option of this name; ValueError or
    Refusal BAD_OPTION if there is none.
    """
    kind = DECLARED[name]
    return checked(name, kind, kind.of_text(word))
