"""The command line of supervisor_restart_listener: its help, its options, and what is wrong with
them.
"""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any, Callable, NoReturn

from supervisor_restarter.client.client import ClientError, Exit, sendable
from supervisor_restarter.faults import Refusal
from supervisor_restarter.listener import rules
from supervisor_restarter.options import of_word
from supervisor_restarter.text import printable

LISTENER_NAME = 'supervisor_restart_listener'


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
    made = _Parser(
        prog=LISTENER_NAME,
        allow_abbrev=False,
        description=(
            'An [eventlistener:x] program for supervisord: has processes restarted by the '
            'restarter interface, a few at a time. NAME is a group (web), a process (web:03), a '
            'glob over group:process (web:0?) or all. Each rule may be given many times; --memory, '
            '--age and --fatal are looked at with each TICK event that comes.'
        ),
    )
    add = made.add_argument
    add(
        '--memory',
        metavar='NAME=SIZE',
        action='append',
        default=[],
        type=_reader(rules.memory_rule),
        help='restart processes that use more memory, with all their children, than so many KB, MB or GB',
    )
    add(
        '--age',
        metavar='NAME=TIME',
        action='append',
        default=[],
        type=_reader(rules.age_rule),
        help='restart processes that run for longer than so many s, m, h or d (and up to a tenth more), one at a time',
    )
    add(
        '--fatal',
        metavar='NAME=TIME',
        action='append',
        default=[],
        type=_reader(rules.fatal_rule),
        help='start FATAL processes again after that time; it doubles with each attempt, up to an hour',
    )
    add(
        '--when',
        metavar='EVENT=NAME',
        action='append',
        default=[],
        type=_reader(rules.when_rule),
        help='restart when that event comes, such as REMOTE_COMMUNICATION or TICK_3600',
    )
    add(
        '--max-unavailable',
        metavar='N|N%',
        default=1,
        type=_reader(partial(of_word, 'max_unavailable')),
        help='how many processes of a group may be not ready at once (1)',
    )
    add('--dry-run', action='store_true', help='say what would be restarted, and do nothing')
    return made
