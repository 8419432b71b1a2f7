"""The rules of supervisor_restart_listener, and how they are written. Pure.

web=512MB   web:1?=12h   all=60s        a target, as startRestart takes it, and a limit
REMOTE_COMMUNICATION=web                an event and a target
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from supervisor_restarter.client.durations import TIME_UNITS
from supervisor_restarter.option_kinds import MOST_SECONDS
from supervisor_restarter.text import shown

KILOBYTE = 1024
SIZE_UNITS = {'KB': KILOBYTE, 'MB': KILOBYTE**2, 'GB': KILOBYTE**3}  # bytes; growing
ANY_EVENT = 'EVENT'  # Supervisor's name for the type of all events


class Rule(NamedTuple):
    """A rule of --memory (limit in bytes), --age or --fatal (limit in seconds); `text` as the user
    wrote it.
    """

    kind: str
    target: str
    limit: float
    text: str


class When(NamedTuple):
    """A rule of --when."""

    event: str
    target: str

    def matches(self, event: str) -> bool:
        """Whether an event of that name is meant: this one or, as with PROCESS_STATE, one of its
        kind.
        """
        return self.event in (event, ANY_EVENT) or event.startswith(f'{self.event}_')


def memory_rule(text: str) -> Rule:
    """'web=512MB' as a rule; ValueError with what is allowed."""
    return _rule('memory', text, SIZE_UNITS, 'a size in KB, MB or GB, such as web=512MB')


def age_rule(text: str) -> Rule:
    """'web=12h' as a rule; ValueError with what is allowed."""
    return _rule('age', text, TIME_UNITS, 'a time in s, m, h or d, such as web=12h')


def fatal_rule(text: str) -> Rule:
    """'web=60s' as a rule; ValueError with what is allowed."""
    return _rule('fatal', text, TIME_UNITS, 'a time in s, m, h or d, such as web=60s')


def when_rule(text: str) -> When:
    """'TICK_3600=web' as a rule; ValueError with what is allowed."""
    event, _, target = text.partition('=')
    if not re.fullmatch('[A-Za-z][A-Za-z0-9_]*', event) or not target:
        raise ValueError(f'{shown(text)} is not EVENT=NAME, such as TICK_3600=web')
    return When(event.upper(), target)


def _rule(kind: str, text: str, units: Mapping[str, int], allowed: str) -> Rule:
    target, _, limit = text.rpartition('=')
    number = re.fullmatch(r'([0-9]{1,12}(?:\.[0-9]{1,6})?)([A-Za-z]+)', limit, re.ASCII)
    factors = {name.lower(): factor for name, factor in units.items()}
    unit = factors.get(number[2].lower()) if number else None
    if not target or number is None or unit is None:
        raise ValueError(f'{shown(text)} is not NAME=LIMIT with {allowed}')
    value = float(number[1]) * unit
    if value <= 0:
        raise ValueError(f'{shown(text)}: the limit must be more than 0')
    if units is TIME_UNITS and value > MOST_SECONDS:
        raise ValueError(f'{shown(text)}: the limit must be at most {MOST_SECONDS} seconds')
    return Rule(kind, target, value, text)
