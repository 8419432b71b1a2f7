"""The options of a restart: what they are, what is allowed, where they come from.

An option is declared once, with the kind of value that it takes, in option_kinds.DECLARED. It
comes from the configuration of supervisord or from a call; what is set in neither has the default
of Options. An apply takes those that make sense for it, and two of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.option_kinds import (
    DECLARED,
    FLAG,
    RESTART,
    START,
    Kind,
    checked,
    count,
    of_text,
)
from supervisor_restarter.spelling import closest, did_you_mean
from supervisor_restarter.text import plainly, shown

CALL_TIMEOUT = 5.0  # seconds; holds for restartProcessGroup and quick* where no timeout is set
EVERYTHING = '100%'  # max_unavailable: no limit
# ... of an apply, where nobody says anything: it is not to take a service down.
MOST_OF_AN_APPLY = '25%'
CALL, CONFIGURATION, DEFAULT = 'call', 'configuration', 'default'  # where an option can come from


def allowed_of(max_unavailable: int | str, size: int) -> int:
    """How many processes of a group of `size` may be not ready at once."""
    if isinstance(max_unavailable, int):
        return max_unavailable
    return max(1, size * int(max_unavailable[:-1]) // 100)


def surge_of(max_surge: int | str, size: int) -> int:
    """How many processes of a group of `size` may be there twice at once: at least one, unless
    nobody wants any.
    """
    if isinstance(max_surge, int):
        return max_surge
    return -(-size * int(max_surge[:-1]) // 100)  # rounded up


@dataclass(frozen=True)
class Options:
    """What a restart does; times are in seconds, and None means: set nowhere.

    delay: between two waves of stops, stagger_factor: how many waves. timeout: when the taking down
    ends, 0: never. max_unavailable: how many of a group may be not ready at once, a count or 'N%'.
    max_surge: of how many of a group at once the new process starts beside the old one, a count or
    'N%'; 0: of none. scout: where not all go at once, how long the first process of a group must be
    up before the next has its turn. min_ready: how long a new process must stay ready.
    ready_timeout: within which time of its start its probe must call it ready, 0: no limit.
    hook_timeout: how long a command of the program may take before the stop or after the start, 0:
    no limit. method: 'restart', 'signal:HUP', or 'start', which leaves alone what is up.
    stop_timeout: from the stop signal to SIGKILL, None: the program's stopwaitsecs. on_failure:
    'abort' or 'continue'. if_busy: 'fail' or 'queue'. only_running: leave what is down. newer_than:
    leave what was started after the youngest of these paths changed; in calls only.

    origin: CALL or CONFIGURATION for each option that was given there, also if its value is the
    default's.
    """

    delay: float = 0.2
    timeout: float | None = None
    stagger_factor: int = 1
    max_unavailable: int | str = EVERYTHING
    max_surge: int | str = 0
    scout: float = 5.0
    min_ready: float = 0.0
    ready_timeout: float = 30.0
    hook_timeout: float = 30.0
    method: str = RESTART
    stop_timeout: float | None = None
    on_failure: str = 'abort'
    if_busy: str = 'fail'
    only_running: bool = False
    newer_than: tuple[str, ...] = ()
    origin: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def rolling(self) -> bool:
        """Whether some processes are to stay ready while others are restarted."""
        return self.max_unavailable != EVERYTHING

    @property
    def signal(self) -> str:
        """The name of the signal that is sent instead of a restart, such as 'HUP'; '' if none is."""
        return self.method.partition(':')[2]

    @property
    def starts_only(self) -> bool:
        """Whether only what is down is started."""
        return self.method == START

    def allowed(self, size: int) -> int:
        """How many processes of a group of `size` may be not ready at once."""
        return allowed_of(self.max_unavailable, size)

    def surging(self, size: int) -> int:
        """How many processes of a group of `size` may be there twice at once."""
        return surge_of(self.max_surge, size)

    def timeout_or(self, default: float = 0.0) -> float | None:
        """Seconds after which the taking down ends; None: no limit. `default` (seconds, 0: none)
        holds where `timeout` is set neither in the configuration nor in the call.
        """
        seconds = default if self.timeout is None else self.timeout
        return seconds or None

    def struct(self) -> dict[str, Any]:
        """The options as XML-RPC can carry them: '' where nothing is set."""
        values = {name: getattr(self, name) for name in DECLARED}
        struct = {name: '' if value is None else value for name, value in values.items()}
        return {**struct, 'newer_than': list(self.newer_than)}

    def differing(self) -> list[str]:
        """The options that differ from the defaults, each as 'name = value'."""
        return [
            f'{name} = {plainly(getattr(self, name))}'
            for name in DECLARED
            if getattr(self, name) != getattr(DEFAULTS, name)
        ]


DEFAULTS = Options()


class ApplyOptions(NamedTuple):
    """What an apply does: the options of its restarts, whether it is rolled back when it fails, and
    whether groups are removed that are no longer in the files.
    """

    options: Options = DEFAULTS
    rollback: bool = True
    prune: bool = True


@dataclass(frozen=True)
class Settings:
    """What is set for the interface as a whole, in the configuration only.

    web: whether supervisord's HTTP servers have the page. guard: whether they refuse what browsers
    send for other sites.
    """

    defaults: Options = Options()
    history: int = 20
    heed_stops: bool = True
    fast_spawn: bool = True
    web: bool = True
    guard: bool = False


OPTIONAL = ('timeout', 'stop_timeout')
CALL_ONLY = ('newer_than',)
OF_APPLIES = ('rollback', 'prune')
NOT_OF_APPLIES = ('method', 'only_running', 'newer_than', 'max_surge')
CONFIGURATION_ONLY: dict[str, Kind] = {
    'history': count(0, 10_000),
    'heed_stops': FLAG,
    'fast_spawn': FLAG,
    'web': FLAG,
    'guard': FLAG,
}


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
    origin = {**defaults.origin, **dict.fromkeys(values, CALL)}
    return _without_contradiction(replace(defaults, **values, origin=origin))


def for_apply(defaults: Options, given: Any) -> ApplyOptions:
    """As with_call(), for an apply: what its struct may have, and what holds where it has nothing.

    With rollback a failure ends it, whatever the configuration says of on_failure; Refusal
    BAD_OPTION if the call wants both.
    """
    struct = given if isinstance(given, Mapping) else {}
    for name in NOT_OF_APPLIES:
        if name in struct:
            raise Refusal(Code.BAD_OPTION, f'{name} is no option of an apply')
    flags = {name: checked(name, FLAG, struct[name]) for name in OF_APPLIES if name in struct}
    rest = {name: value for name, value in struct.items() if name not in flags}
    defaults = replace(defaults, method=RESTART, only_running=False, max_surge=0)
    options = with_call(defaults, rest if flags else given)
    taken = ApplyOptions(**flags)
    if 'max_unavailable' not in options.origin:
        options = replace(options, max_unavailable=MOST_OF_AN_APPLY)
    if taken.rollback and options.on_failure != 'abort':
        if options.origin.get('on_failure') == CALL:
            raise Refusal(Code.BAD_OPTION, 'on_failure = continue needs rollback = false')
        options = replace(options, on_failure='abort')
    return taken._replace(options=options)


def for_retry(before: Options, given: Any) -> Options:
    """As with_call(), for a retry of a restart with these options: only_running and newer_than hold
    only if they are given, and max_surge, which may have been meant for others, where it can.
    """
    origin = {name: origin for name, origin in before.origin.items() if name != 'max_surge'}
    before = replace(before, only_running=False, newer_than=(), origin=origin)
    return with_call(before, given)


def _without_contradiction(options: Options) -> Options:
    """The options, in which the method of the call comes before what the configuration says of
    something that it has no use for; Refusal BAD_OPTION if the call gives that, too.
    """
    contradictions = _contradictions(options)
    for name, text in contradictions.items():
        if options.origin.get(name) == CALL:
            raise Refusal(Code.BAD_OPTION, text)
    unset = {name: getattr(DEFAULTS, name) for name in contradictions}
    return replace(options, **unset) if unset else options


def _contradictions(options: Options) -> dict[str, str]:
    """The options that the method has no use for, and why."""
    found = {}
    if options.starts_only and options.only_running:
        found['only_running'] = 'it leaves alone what is down'
    if options.max_surge and options.method != RESTART:
        found['max_surge'] = 'nothing is replaced'
    return {
        name: f'{name} = {plainly(getattr(options, name))} contradicts method = {options.method}: {why}'
        for name, why in found.items()
    }


def from_configuration(section: str, texts: Mapping[str, str]) -> Settings:
    """The settings of a configuration section; ValueError with one line naming section, key, value
    and what is allowed.
    """
    given_here = {name: kind for name, kind in DECLARED.items() if name not in CALL_ONLY}
    known = {**given_here, **CONFIGURATION_ONLY}
    values = {}
    for name, text in texts.items():
        if name in CALL_ONLY:
            raise ValueError(f'[{section}] {name} = {shown(text)}: {name} is given in each call')
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
    defaults = Options(**given, origin=dict.fromkeys(given, CONFIGURATION))
    for text in _contradictions(defaults).values():
        raise ValueError(f'[{section}] {text}')
    return Settings(
        defaults=defaults,
        **{name: value for name, value in values.items() if name in CONFIGURATION_ONLY},
    )
