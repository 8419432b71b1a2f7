"""Has Supervisor's parser answer sooner.

supervisord serves nobody else while it parses. For each value of each process, Supervisor's own
`saneget` looks in three dictionaries and makes one of the whole environment to expand the value
with. Most values have nothing to expand, or are not set at all: those are answered here. That halves
the time for 500 processes (`make heldup`).
"""

from __future__ import annotations

from typing import Any

from supervisor_restarter.programs.host import Parser

NOT_GIVEN = object()


def quicken(parser: Parser) -> None:
    """From now on nothing of the parser's sections may be set."""
    thorough = parser.saneget
    known: dict[str, dict[str, str]] = {}

    def saneget(section: str, option: str, default: Any = NOT_GIVEN, **how: Any) -> Any:
        values = known.get(section)
        if values is None:
            values = known[section] = dict(parser.items(section))
        value = values.get(option, default)
        if value is NOT_GIVEN:
            return thorough(section, option, **how)
        if isinstance(value, str) and '%' in value:
            given = {} if default is NOT_GIVEN else {'default': default}
            return thorough(section, option, **given, **how)
        return value

    parser.saneget = saneget  # type: ignore[method-assign, assignment]
