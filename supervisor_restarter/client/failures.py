"""What is shown last of a restart or an apply that went wrong: each process that failed, in full,
with what it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

from supervisor_restarter.client.logtails import Logs
from supervisor_restarter.client.screen import Colour
from supervisor_restarter.client.structs import Restart
from supervisor_restarter.client.wording import namespec, process_line, together, went_wrong

# So many logs are looked into: where many fail, they mostly do for the same reason.
MOST_LOGS = 3


def in_full(
    restart: Restart, logs: Logs, command: Callable[..., str]
) -> Iterator[tuple[str, Colour]]:
    """Lines, and their colours, for all processes that failed: the first ones with the last lines
    of their logs, the others with those of the same fate in one line.

    command: the command line of supervisorctl, for the same server, with the words given.
    """
    failed = [process for process in restart['processes'] if went_wrong(process)]
    # One that was never started has written nothing: its log is the old one's.
    first = [process for process in failed if process['new_pid']][:MOST_LOGS]
    for process in first:
        yield process_line(process), Colour.BAD
        for line in _written(
            f'{process["group"]}:{process["name"]}', namespec(process), logs, command
        ):
            yield line, Colour.PLAIN
    others = [process for process in failed if process not in first]
    for line in together(others, most=len(others)):
        yield line, Colour.BAD
    if any(process['new_pid'] for process in others):
        yield f'  their logs: {command("tail", "NAME", "stderr")}', Colour.PLAIN


def _written(name: str, shown: str, logs: Logs, command: Callable[..., str]) -> Iterator[str]:
    tail = logs.tail(name)
    if tail is None:
        yield f'  its log: {command("tail", shown, "stderr")}'
    elif tail[1]:
        channel, lines = tail
        yield f'  {channel} ({command("tail", shown, channel)}):'
        yield from (f'  | {line}' for line in lines)
