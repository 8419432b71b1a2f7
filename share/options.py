"""The options of both commands in one form, for what is made of them: completion and man pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from signal import Signals
from typing import NamedTuple

from supervisor.events import EventTypes

from supervisor_restarter.client.helptext import (
    COMMAND_NAME,
    FILE_VALUES,
    ID_VALUES,
    SECTIONS,
    HelpSection,
)
from supervisor_restarter.event_text import EVENT_NAMES
from supervisor_restarter.listener.cli_options import LISTENER_NAME, parser

MADE = 'Made of the text of --help; see share/make.py.'
# What is offered for a count or a percentage.
USUAL_COUNTS = ('1', '25%', '50%')
# Signals that programs take for "read your configuration again", or "end".
USUAL_SIGNALS = ('HUP', 'USR1', 'USR2', 'WINCH', 'INT', 'QUIT', 'TERM')
assert all(f'SIG{name}' in Signals.__members__ for name in USUAL_SIGNALS)
# Types of events, too, as PROCESS_STATE.
ALL_EVENTS = tuple(sorted({*EVENT_NAMES, *(name for name in vars(EventTypes) if name.isupper())}))


class ShellOption(NamedTuple):
    """An option as shells know it. names: with their dashes, the short one first. value: what it is
    called, '' for none.
    """

    names: tuple[str, ...]
    value: str
    text: str
    repeated: bool = False

    @property
    def brief(self) -> str:
        """What it does, as far as that is said in one line."""
        return re.split(r'; | \(|\. ', self.text)[0]

    @property
    def words(self) -> tuple[str, ...]:
        """The words that its value may be, as far as they are known beforehand."""
        if self.value.startswith('N|'):
            return USUAL_COUNTS
        if self.is_event:
            return tuple(f'{event}=' for event in ALL_EVENTS)
        words = [word for word in self.value.split('|') if word.islower()]
        signals = [f'signal:{name}' for name in USUAL_SIGNALS if 'signal:NAME' in self.value]
        return (*words, *signals)

    @property
    def is_file(self) -> bool:
        return self.value in FILE_VALUES

    @property
    def is_id(self) -> bool:
        """Whether its value is the ID of a restart."""
        return self.value == 'ID'

    @property
    def is_named(self) -> bool:
        """Whether its value begins with the name of a group or a process, and then =."""
        return self.value.startswith('NAME=')

    @property
    def is_event(self) -> bool:
        """Whether its value begins with an event, and ends with a name."""
        return self.value == 'EVENT=NAME'


def of_section(section: HelpSection) -> list[ShellOption]:
    """The options of a section; one that is explained together with another one has an entry of its
    own elsewhere.
    """
    return [
        ShellOption(
            tuple(option.names.split('/')),
            '' if option.value in ID_VALUES and option.value.startswith('[') else option.value,
            option.text,
            repeated='several times' in option.text,
        )
        for option in section.options
        if ' ' not in option.names
    ]


def of_command() -> list[ShellOption]:
    """Those of supervisorctl_restart_group."""
    return [option for section in SECTIONS for option in of_section(section)]


def of_listener() -> list[ShellOption]:
    """Those of supervisor_restart_listener."""
    return [
        ShellOption(
            tuple(action.option_strings),
            str(action.metavar or ''),
            str(action.help),
            repeated=isinstance(action.default, list),
        )
        for action in parser()._actions
    ]


OPTIONS: dict[str, Sequence[ShellOption]] = {
    COMMAND_NAME: of_command(),
    LISTENER_NAME: of_listener(),
}
