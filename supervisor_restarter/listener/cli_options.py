"""The command line of supervisor_restart_listener: its help, its options, and what is wrong with
them.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any, Callable, NoReturn

from supervisor_restarter.client.errors import ClientError, Exit, sendable
from supervisor_restarter.faults import Refusal
from supervisor_restarter.listener import rules
from supervisor_restarter.option_kinds import of_word
from supervisor_restarter.text import printable

LISTENER_NAME = 'supervisor_restart_listener'
LISTENER_SUMMARY = 'event listener of supervisord that has processes restarted by rules'
LISTENER_DESCRIPTION = (
    'An [eventlistener:x] program for supervisord: has processes restarted by the restarter '
    'interface, a few at a time. NAME is a group (web), a process (web:03), a glob over '
    'group:process (web:0?) or all. Each rule may be given many times; --memory, --age and --fatal '
    'are looked at with each TICK event that comes.'
)

RULES: list[tuple[str, str, Callable[[str], Any], str]] = [
    (
        '--memory',
        'NAME=SIZE',
        rules.memory_rule,
        'restart processes that use more memory than SIZE (in KB, MB or GB), with all their '
        'children',
    ),
    (
        '--age',
        'NAME=TIME',
        rules.age_rule,
        'restart processes that are older than TIME (in s, m, h or d) and up to a tenth more, one '
        'at a time',
    ),
    (
        '--fatal',
        'NAME=TIME',
        rules.fatal_rule,
        'start FATAL processes again after TIME; it doubles with each attempt, up to an hour',
    ),
    (
        '--when',
        'EVENT=NAME',
        rules.when_rule,
        'restart when that event comes, such as REMOTE_COMMUNICATION or TICK_3600',
    ),
]


class _Parser(argparse.ArgumentParser):
    """Argparse with one line for an error."""

    def error(self, message: str) -> NoReturn:
        self.exit(
            Exit.USAGE,
            f'{LISTENER_NAME}: {printable(message)} (for help, use {LISTENER_NAME} -h)\n',
        )


def _reader(read: Callable[[str], Any]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        try:
            return read(sendable(text))
        except (ValueError, Refusal, ClientError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = _Parser(prog=LISTENER_NAME, allow_abbrev=False, description=LISTENER_DESCRIPTION)
    for option, metavar, read, help in RULES:
        made.add_argument(
            option, metavar=metavar, action='append', default=[], type=_reader(read), help=help
        )
    made.add_argument(
        '--max-unavailable',
        metavar='N|N%',
        default=1,
        type=_reader(partial(of_word, 'max_unavailable')),
        help='how many processes of a group may be not ready at once (1)',
    )
    made.add_argument(
        '--dry-run', action='store_true', help='say what would be restarted, and do nothing'
    )
    return made
