"""The options of a restart: what they are, what is allowed, where they come from.

An option is declared once, in DECLARED. The configuration file gives text, XML-RPC gives values;
text is turned into a value first, then both go through the same check.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from signal import Signals  # their names only
from typing import Any, Callable

from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.spelling import closest, did_you_mean
from supervisor_restarter.text import plainly, shown

MOST_PROCESSES = 10_000
MOST_SECONDS = 10_000_000  # about four months; keeps every deadline far from overflow
CALL_TIMEOUT = 5.0  # seconds; holds for restartProcessGroup and quick* where no timeout is set
EVERYTHING = '100%'  # max_unavailable: no limit
RESTART = 'restart'  # method: stop and start
CALL, CONFIGURATION, DEFAULT = 'call', 'configuration', 'default'  # where an option can come from


def allowed_of(max_unavailable: int | str, size: int) -> int:
    """How many processes of a group of `size` may be not ready at once."""
    if isinstance(max_unavailable, int):
        return max_unavailable
    return max(1, size * int(max_unavailable[:-1]) // 100)


@dataclass(frozen=True)
class Options:
    """What a restart does; times are in seconds, and None means: set nowhere.

    delay: between two waves of stops, stagger_factor: how many waves. timeout: when the taking down
    ends, 0: never. max_unavailable: how many of a group may be not ready at once, a count or 'N%'.
    scout: where that is less than all, how long the first process of a group must be up before the
    next is taken down. min_ready: how long a new process must stay ready. ready_timeout: within
    which time of its start its probe must call it ready, 0: no limit. method: 'restart' or
    'signal:HUP'. stop_timeout: from the stop signal to SIGKILL, None: the program's stopwaitsecs.
    on_failure: 'abort' or 'continue'. if_busy: 'fail' or 'queue'. only_running: leave what is down.

    origin: CALL or CONFIGURATION for each option that was given there, also if its value is the
    default's.
    """

    delay: float = 0.2
    timeout: float | None = None
    stagger_factor: int = 1
    max_unavailable: int | str = EVERYTHING
    scout: float = 5.0
    min_ready: float = 0.0
    ready_timeout: float = 30.0
    method: str = RESTART
    stop_timeout: float | None = None
    on_failure: str = 'abort'
    if_busy: str = 'fail'
    only_running: bool = False
    origin: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def rolling(self) -> bool:
        """Whether some processes are to stay ready while others are restarted."""
        return self.max_unavailable != EVERYTHING

    @property
    def signal(self) -> str:
        """The name of the signal that is sent instead of a restart, such as 'HUP'; '' for a
        restart.
        """
        return '' if self.method == RESTART else self.method.partition(':')[2]

    def allowed(self, size: int) -> int:
        """How many processes of a group of `size` may be not ready at once."""
        return allowed_of(self.max_unavailable, size)

    def timeout_or(self, default: float = 0.0) -> float | None:
        """Seconds after which the taking down ends; None: no limit. `default` (seconds, 0: none)
        holds where `timeout` is set neither in the configuration nor in the call.
        """
        seconds = default if self.timeout is None else self.timeout
        return seconds or None

    def struct(self) -> dict[str, Any]:
        """The options as XML-RPC can carry them: '' where nothing is set."""
        return {
            name: '' if getattr(self, name) is None else getattr(self, name) for name in DECLARED
        }

    def differing(self) -> list[str]:
        """The options that differ from the defaults, each as 'name = value'."""
        return [
            f'{name} = {plainly(getattr(self, name))}'
            for name in DECLARED
            if getattr(self, name) != getattr(DEFAULTS, name)
        ]


DEFAULTS = Options()


@dataclass(frozen=True)
class Settings:
    """What is set for the interface as a whole, in the configuration only."""

    defaults: Options = Options()
    history: int = 20
    heed_stops: bool = True
    fast_spawn: bool = True


@dataclass(frozen=True)
class Kind:
    """The kind of value that an option takes: `allowed` in words, `of_text` (ValueError if it is
    none) for the configuration, `accepts` for a value.
    """

    allowed: str
    of_text: Callable[[str], Any]
    accepts: Callable[[Any], bool]
    normal: Callable[[Any], Any] = lambda value: value


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _count(least: int, most: int) -> Kind:
    return Kind(
        f'a whole number from {least} to {most}',
        int,
        lambda value: (
            isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        ),
    )


def _choice(*words: str) -> Kind:
    return Kind(
        ' or '.join(words), str.lower, lambda value: isinstance(value, str) and value in words
    )


def _int_or_text(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:
        return text


def _is_max_unavailable(value: Any) -> bool:
    if isinstance(value, str):
        return bool(re.fullmatch('[0-9]{1,3}%', value)) and 1 <= int(value[:-1]) <= 100
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PROCESSES


def _percentage(value: int | str) -> int | str:
    return value if isinstance(value, int) else f'{int(value[:-1])}%'


def _method(value: str) -> str:
    """'signal:sighup' as 'signal:HUP', anything else as it is."""
    word, colon, name = value.partition(':')
    return f'{word}:{re.sub("^SIG", "", name.upper())}' if colon else value


def _is_method(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    word, _, name = _method(value).partition(':')
    return value == RESTART or (word == 'signal' and f'SIG{name}' in Signals.__members__)


def _flag_of_text(text: str) -> bool:
    # the words of Supervisor's own booleans
    try:
        return {
            'true': True,
            'yes': True,
            'on': True,
            '1': True,
            'false': False,
            'no': False,
            'off': False,
            '0': False,
        }[text.lower()]
    except KeyError:
        raise ValueError(text) from None


SECONDS = Kind(
    f'a number of seconds from 0 to {MOST_SECONDS}',
    float,
    lambda value: _is_number(value) and 0 <= value <= MOST_SECONDS,
    float,
)
# XML-RPC clients in some languages have no booleans and send 0 or 1
FLAG = Kind(
    'true or false',
    _flag_of_text,
    lambda value: isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)),
    bool,
)

DECLARED: dict[str, Kind] = {
    'delay': SECONDS,
    'timeout': SECONDS,
    'stagger_factor': _count(1, MOST_PROCESSES),
    'max_unavailable': Kind(
        f'a count from 1 to {MOST_PROCESSES}, or a percentage from 1% to 100%',
        _int_or_text,
        _is_max_unavailable,
        _percentage,
    ),
    'scout': SECONDS,
    'min_ready': SECONDS,
    'ready_timeout': SECONDS,
    'method': Kind(
        'restart, or signal: and the name of a signal, such as signal:HUP', str, _is_method, _method
    ),
    'stop_timeout': SECONDS,
    'on_failure': _choice('abort', 'continue'),
    'if_busy': _choice('fail', 'queue'),
    'only_running': FLAG,
}
OPTIONAL = ('timeout', 'stop_timeout')
CONFIGURATION_ONLY: dict[str, Kind] = {
    'history': _count(0, 10_000),
    'heed_stops': FLAG,
    'fast_spawn': FLAG,
}


def checked(name: str, kind: Kind, value: Any) -> Any:
    """`value` in its normal form; Refusal BAD_OPTION naming `name`, the value and what is allowed."""
    if not kind.accepts(value):
        raise Refusal(
            Code.BAD_OPTION, f'{name} = {shown(value)} is not allowed: it must be {kind.allowed}'
        )
    return kind.normal(value)


def with_call(defaults: Options, given: Any) -> Options:
    """`defaults` overridden by the struct of a call; Refusal BAD_OPTION for anything else than a
    struct of known options with allowed values.
    """
    if given is None:
        return defaults
    if not isinstance(given, Mapping):
        raise Refusal(Code.BAD_OPTION, f'options must be a struct, not {shown(given)}')
    values = {}
    for name, value in given.items():
        if name not in DECLARED:
            raise Refusal(
                Code.BAD_OPTION,
                f'unknown option {shown(name)}; known are {", ".join(DECLARED)}'
                f'{did_you_mean([closest(name, DECLARED)])}',
            )
        values[name] = checked(name, DECLARED[name], value)
    return replace(defaults, **values, origin={**defaults.origin, **dict.fromkeys(values, CALL)})


def from_configuration(section: str, texts: Mapping[str, str]) -> Settings:
    """The settings of a configuration section; ValueError with one line naming section, key, value
    and what is allowed.
    """
    known = {**DECLARED, **CONFIGURATION_ONLY}
    values = {}
    for name, text in texts.items():
        if name not in known:
            raise ValueError(
                f'[{section}] has an unknown key {name!r} (value {shown(text)}); '
                f'known are {", ".join(known)}{did_you_mean([closest(name, known)])}'
            )
        kind = known[name]
        if not text.strip() and name in OPTIONAL:
            continue  # `stop_timeout =` says that it is not set
        try:
            values[name] = of_text(name, kind, text)
        except ValueError as error:
            raise ValueError(f'[{section}] {error}') from None
    given = {name: value for name, value in values.items() if name in DECLARED}
    return Settings(
        defaults=Options(**given, origin=dict.fromkeys(given, CONFIGURATION)),
        **{name: value for name, value in values.items() if name in CONFIGURATION_ONLY},
    )


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
