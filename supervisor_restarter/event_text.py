"""What GROUP_RESTART events say, and how it is read. Pure. The server writes it, the listener reads
it.

    id:7 groupname:web total:32 done:31 failed:1 lowest_ready:28 duration:0.412 killed:0
        kind:restart state:failed
    web:07 START_FAILED: exit status 3; ...

All of it is printable ASCII: Supervisor announces a payload's length in characters and sends it as
UTF-8, so that a listener which counts bytes would lose its place at the first character that takes
two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from supervisor_restarter.text import printable

GROUP_RESTART = 'GROUP_RESTART'  # the event type to which the others belong
STARTED, SUCCEEDED, FAILED, CANCELLED = (
    f'{GROUP_RESTART}_{end}' for end in ('STARTED', 'SUCCEEDED', 'FAILED', 'CANCELLED')
)
EVENT_NAMES = (GROUP_RESTART, STARTED, SUCCEEDED, FAILED, CANCELLED)

MOST_LINES = 200  # failed processes with a line of their own
LONGEST_LINE = 400  # characters
SEPARATORS = ' :,'  # between words, key and value, and names of groups
REMOTE_COMMUNICATION = 'REMOTE_COMMUNICATION'


def header(struct: Mapping[str, Any]) -> str:
    """The first line for a restart's struct, without its end; see Job.struct()."""
    return (
        f'id:{struct["id"]} groupname:{",".join(map(word, struct["groups"]))} '
        f'total:{struct["total"]} done:{struct["done"]} failed:{struct["failed"]} '
        f'lowest_ready:{struct["lowest_ready"]} '
        f'duration:{struct["duration"]:.3f} killed:{struct["killed"]} '
        f'kind:{struct["kind"]} state:{struct["state"]}'
    )


def failure_lines(failures: Sequence[Mapping[str, Any]]) -> str:
    """A line for each {group, name, text}, such as 'web:07 START_FAILED: exit status 3', with its
    end.

    Of more than MOST_LINES, the last line says how many are left out.
    """
    lines = [
        f'{word(entry["group"])}:{word(entry["name"])} {_ascii(entry["text"])}'
        for entry in failures[:MOST_LINES]
    ]
    if len(failures) > MOST_LINES:
        lines.append(f'and {len(failures) - MOST_LINES} more')
    return ''.join(
        f'{line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 3] + "..."}\n'
        for line in lines
    )


def word(name: str) -> str:
    """A name as one word: separators, backslashes and all that is not printable ASCII as escapes of
    Python (a comma is \\x2c).
    """
    escaped = name.encode('unicode_escape').decode('ascii')
    return ''.join(f'\\x{ord(c):02x}' if c in SEPARATORS else c for c in escaped)


def name_of(word: str) -> str:
    """The name that became `word`; what is no such word stays as it is."""
    try:
        return word.encode('ascii').decode('unicode_escape')
    except UnicodeError:
        return word


def groups_of(event: str, payload: str) -> frozenset[str]:
    """The process groups that an event is about, by its name and payload; none for most events."""
    if event == REMOTE_COMMUNICATION:
        return frozenset()  # its sender chooses the text
    # Blanks alone: names of Supervisor may hold any other white space.
    words = payload.partition('\n')[0].split(' ')
    found = next(
        (value for key, _, value in (w.partition(':') for w in words) if key == 'groupname'), ''
    )
    if event.startswith(GROUP_RESTART):
        return frozenset(name_of(part) for part in found.split(',') if part)
    return frozenset([found] if found else [])


def _ascii(text: str) -> str:
    return printable(text).encode('ascii', 'backslashreplace').decode('ascii')
