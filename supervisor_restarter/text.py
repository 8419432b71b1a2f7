"""Text that is safe to show, wherever it came from: on a terminal, in logs, events and XML."""

from __future__ import annotations

import codecs
import re
import reprlib
from collections.abc import Iterable
from typing import Any

# Python reads a codec from a file when it is first used. By then no descriptors may be left.
codecs.lookup('unicode_escape')

MOST_NAMED = 10  # names in one message
LONGEST_BRIEF = 200  # characters of a path in a message
# What XML 1.0 cannot carry: supervisord answers a request that has it with HTTP 500, and no client
# can read an answer that has it.
NOT_XML = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
BRIEF = reprlib.Repr()
BRIEF.maxstring = BRIEF.maxother = BRIEF.maxlong = 80
BRIEF.maxlevel = 3


def listed(names: Iterable[str]) -> str:
    """The names in one line, at most MOST_NAMED of them."""
    everything = list(names)
    rest = len(everything) - MOST_NAMED
    return ', '.join(everything[:MOST_NAMED]) + (f' and {rest} more' if rest > 0 else '')


def printable(text: str) -> str:
    """`text` as one line that is safe in logs, events, XML and on a terminal: control, format and
    line-breaking characters as escapes.

    Names and reasons come from a configuration file and from processes; none of them may move the
    cursor, change the terminal's title or begin a line of its own.
    """
    if text.isprintable():
        return text
    return ''.join(
        c if c.isprintable() else c.encode('unicode_escape').decode('ascii') for c in text
    )


def plainly(value: Any) -> str:
    """An option's value as one would write it in the configuration."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return listed(brief(str(one)) for one in value)
    return f'{value:g}' if isinstance(value, float) else str(value)


def brief(text: str) -> str:
    """`text` as one safe line that names it, and shows the ends of it if it is very long."""
    line = printable(text)
    return (
        line
        if len(line) <= LONGEST_BRIEF
        else f'{line[: LONGEST_BRIEF // 2]}...{line[-LONGEST_BRIEF // 2 :]}'
    )


def shown(value: Any) -> str:
    """`value` for a message: one short line, whatever a client has sent."""
    return BRIEF.repr(value)
