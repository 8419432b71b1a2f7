"""What docs/fleet.md shows of the output of its commands, beside what they really say."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.fleet.host import Host
from tests.pages import blocks


def missing(command: str, output: str, hosts: Iterable[Host]) -> list[str]:
    """The lines that the page shows below this command and that are not in the output.

    Numbers, the length of rules of asterisks and the place of /srv/app may differ; `...` in a line
    of the page stands for anything.
    """
    (shown,) = (
        text.splitlines()[1:]
        for name, text in blocks('console')
        if name == 'docs/fleet.md' and text.startswith(f'$ {command}\n')
    )
    for host in hosts:
        output = output.replace(str(host.app), '/srv/app')
    said = alike(output)
    return [
        line for line in shown if line != '...' and not re.search(pattern(line), said, re.MULTILINE)
    ]


def alike(text: str) -> str:
    """The text with what differs from run to run made equal."""
    return re.sub(r'\d+(\.\d+)?', '0', re.sub(r'\*+', '*', text))


def pattern(line: str) -> str:
    """What finds the line in a text that is alike()."""
    return '^' + '.*'.join(map(re.escape, alike(line).split('...'))) + '$'
