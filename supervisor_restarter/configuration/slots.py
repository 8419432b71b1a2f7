"""What an apply stops and starts, and what it changes at once: sorted out of a comparison. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from supervisor_restarter.configuration.diff import GroupChange, ProcessChange
from supervisor_restarter.configuration.plan import (
    LEFT_DOWN,
    NOT_THERE,
    UNCHANGED,
    LookUp,
    process_action,
)
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.programs.host import ProcessConfig, Subprocess

# A process of which nothing runs, nor will by itself: it can be removed without being stopped.
DOWN_FOR_GOOD = (Seen.STOPPED, Seen.EXITED, Seen.FATAL)


@dataclass(eq=False)
class Slot:
    """One process that an apply stops or starts.

    action: 'restart', 'start' (added, or down though it should run) or 'remove'. old, new: None
    where it is added or to be removed; a renamed process has both, with different names. renewed:
    whether its new configuration is in place. former: of a renamed one that is, what had been in its
    place.
    """

    group: str
    action: str
    old: ProcessConfig | None
    new: ProcessConfig | None
    _process: Subprocess | None = None
    renewed: bool = False
    former: Subprocess | None = field(default=None, repr=False)

    @property
    def process(self) -> Subprocess:
        """What is in its place now; LookupError for an added one before begin()."""
        if self._process is None:
            raise LookupError(f'{self.group}:{self.name} is not there yet')
        return self._process

    @process.setter
    def process(self, process: Subprocess) -> None:
        self._process = process

    @property
    def name(self) -> str:
        """The name of what is in its place now."""
        config = self.new if self.renewed or self.old is None else self.old
        assert config is not None, 'old or new is set'
        return config.name


class Sorted(NamedTuple):
    """What becomes of the processes of one group.

    slots: what is stopped or started. at_once: the others that change, with what becomes of them:
    'live', 'later', 'add' or 'drop'.
    """

    slots: list[Slot]
    at_once: list[tuple[ProcessChange, str]]


def sorted_out(
    group: GroupChange,
    look: LookUp,
    old: Mapping[str, ProcessConfig],
    new: Mapping[str, ProcessConfig],
) -> Sorted:
    """What becomes of each process of the group, of these configurations by name."""
    states = {
        change.name: look(group.name, change.name) if change.old is not None else NOT_THERE
        for change in group.processes
    }
    actions = {
        change.name: process_action(change, group, states[change.name])
        for change in group.processes
    }
    # A started process takes the place of one that is up, or has failed.
    pairs = {
        change.follows: change.name
        for change in group.processes
        if change.follows
        and actions[change.name] == 'start'
        and states[change.follows].seen not in LEFT_DOWN
    }
    found = Sorted([], [])
    for change in group.processes:
        name, action = change.name, actions[change.name]
        predecessor = change.follows if pairs.get(change.follows) == name else name
        seen = states[predecessor].seen
        if action == 'remove':
            if name in pairs:
                continue
            if seen in DOWN_FOR_GOOD:
                found.at_once.append((change, 'drop'))
                continue
        elif action not in ('restart', 'start'):
            if action != UNCHANGED:
                found.at_once.append((change, action))
            continue
        elif predecessor != name:
            action = 'restart' if seen in UP else 'start'
        found.slots.append(Slot(group.name, action, old.get(predecessor), new.get(name)))
    return found


def in_order(slots: Iterable[Slot]) -> list[Slot]:
    """What is removed comes last."""
    return sorted(slots, key=lambda slot: slot.action == 'remove')
