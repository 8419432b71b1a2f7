"""What an apply does to Supervisor's objects, forwards and back.

begin() puts in place what needs no stop and no start; then whoever stops and starts the processes
says for each one when it is down, and put_new() or drop() does the rest; settle() is the end. The
way back is undo(), and put_old() or drop() for each one.

A process that is started anew gets a configuration object of its own, which its old one can follow
again. Where nothing is started, the values change in the object that is there, since others may
hold on to it.
"""

from __future__ import annotations

import copy
from typing import cast

from supervisor_restarter.configuration.diff import GroupChange
from supervisor_restarter.configuration.groups import GroupWork
from supervisor_restarter.configuration.keys import NEEDS_START, OF_SOCKETS, SOCKET
from supervisor_restarter.configuration.plan import LookUp
from supervisor_restarter.configuration.planner import Comparison
from supervisor_restarter.configuration.slots import Slot, in_order
from supervisor_restarter.configuration.steps import Steps
from supervisor_restarter.configuration.whole_groups import AddedGroup, RemovedGroup, ReplacedGroup
from supervisor_restarter.faults import Code, Refusal, shortage
from supervisor_restarter.programs.host import ProcessGroup, ProcessGroupConfig, Supervisor
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.text import printable


class Rollout:
    """One changed configuration, put in place group by group and process by process.

    Nothing is touched when it is made. prune: groups that are no longer in the files go.

    slots: what is stopped or started, groups by priority, what goes last. at_once: {group, name,
    action} of all else that changes; name is '' for the group itself. groups: the names of those
    that change. replaced: of those, what becomes something else, and so goes down as a whole.
    """

    def __init__(
        self, supervisord: Supervisor, comparison: Comparison, look: LookUp, prune: bool = True
    ) -> None:
        self._supervisord, self._comparison = supervisord, comparison
        # Whenever the files are read again, there is another list.
        self._read_before = supervisord.options.process_group_configs
        self._steps = Steps()
        self._works = {
            change.name: self._work(change, look)
            for change in comparison.changes
            if change.new is not None or prune
        }
        works = list(self._works.values())
        self.slots: list[Slot] = in_order(slot for work in works for slot in work.slots)
        self.groups = [work.name for work in works if not work.change.unchanged]
        self.replaced = {work.name for work in works if work.change.replaced}
        self.at_once: list[dict[str, str]] = [
            {'group': work.name, 'name': name, 'action': action}
            for work in works
            for name, action in _told_at_once(work)
        ]

    @property
    def compared(self) -> set[str]:
        """The names of all groups that were compared, also of those that stay as they are."""
        return {change.name for change in self._comparison.changes}

    @property
    def configured(self) -> list[ProcessGroupConfig]:
        """What the groups that change are to be, but for those that go."""
        read = self._comparison.read
        return [read[name] for name in self.groups if name in read]

    def _work(self, change: GroupChange, look: LookUp) -> GroupWork:
        kind = GroupWork
        if change.old is None:
            kind = AddedGroup
        elif change.new is None:
            kind = RemovedGroup
        elif change.replaced:
            kind = ReplacedGroup
        old, new = self._comparison.running, self._comparison.read
        return kind(self._supervisord, change, old.get(change.name), new.get(change.name), look)

    def obstacle(self, slot: Slot, obstacles: Obstacles) -> str:
        """Why its new process could not be started, in one line; '' if nothing speaks against it."""
        if slot.new is None:
            return ''
        # Any group will do, for it is only asked for the command.
        return obstacles.of(slot.new.make_process(cast(ProcessGroup, object())))

    def begin(self) -> None:
        """Put in place what needs no stop and no start. New groups and processes are there then,
        and Supervisor does not start them by itself.

        Refusal BAD_STATE with one line, and nothing is changed, if that is not possible.
        """
        changed = [work for work in self._works.values() if not work.change.unchanged]
        try:
            for work in changed:
                work.begin(self._steps)
        except Exception as error:
            # Making a group and binding a socket raise whatever they like; half of it must not
            # stay.
            self.undo()
            text = shortage(error) or f'{work.name}: {error}; nothing was changed'
            raise Refusal(Code.BAD_STATE, printable(text)) from error
        self._steps.finish()

    def put_new(self, slot: Slot) -> None:
        """The process of the slot is down and may_start(): it has its new configuration now, as
        slot.renewed says. A renamed one, and one whose group is replaced, is another object then:
        slot.process.

        Refusal START_FAILED if the group that replaces the old one cannot be made.
        """
        self._works[slot.group].put_new(slot)

    def put_old(self, slot: Slot) -> None:
        """The reverse, after undo(), when the process is down and may_start()."""
        self._works[slot.group].put_old(slot)

    def may_start(self, slot: Slot) -> bool:
        """False while a group that becomes something else still has processes that are not down."""
        return self._works[slot.group].may_start(slot)

    def drop(self, slot: Slot) -> None:
        """The process of the slot is down and is to be gone: it is out of its group, and the group
        is gone with the last one, if that is to be gone.
        """
        self._works[slot.group].drop(slot)

    def undo(self) -> None:
        """What begin() has put in place, or a part of it, goes back. Processes that it has added
        stay until drop(), and groups until the last of them.
        """
        for error in self._steps.take_back():
            text = f'restarter: not all of it could be undone: {error}'
            self._supervisord.options.logger.warn(printable(text))

    def settle(self) -> None:
        """All is applied, or what could be: what others have stopped gets its new configuration
        silently, sockets that are not needed any more are let go, and Supervisor's own options mean
        the files that were applied. What is not there any more is passed over.
        """
        for work in self._works.values():
            work.settle()
        self.close()
        for program in self._comparison.outdated:
            self._comparison.scales.pop(program, None)
        options = self._supervisord.options
        if options.process_group_configs is self._read_before:
            self._settle_options()

    def close(self) -> None:
        """It is over, however it ended: sockets that are only held open for it are let go."""
        for work in self._works.values():
            work.release()

    def _settle_options(self) -> None:
        options, reading = self._supervisord.options, self._comparison.reading
        # What others have put in the place of a group is none of ours.
        running = self._supervisord.process_groups
        ours = {
            name: copied(work.applied)
            for name, work in self._works.items()
            if work.is_there or name not in running
        }
        # The same list, for another apply may be under way.
        options.process_group_configs[:] = [
            *(one for one in options.process_group_configs if one.name not in ours),
            *(config for config in ours.values() if config is not None),
        ]
        options.process_group_configs.sort(key=lambda config: (config.priority, config.name))
        options.environ_expansions.update(reading.expansions)
        vars(options.configroot.supervisord).update(
            {**vars(reading.section), 'process_group_configs': options.process_group_configs}
        )


def _told_at_once(work: GroupWork) -> list[tuple[str, str]]:
    """The names of what changes without a stop and a start, and how."""
    change = work.change
    found = [(one.name, becomes) for one, becomes in work.at_once]
    if change.old is None and not change.processes:
        found.append(('', 'add'))
    elif change.new is None and not change.processes:
        found.append(('', 'drop'))
    elif not change.replaced:
        keys = {one.key for one in change.changes if one.effect not in NEEDS_START}
        if any(one.key == SOCKET for one in change.changes):
            keys -= {*OF_SOCKETS}  # they are those of the other socket
        if keys:
            found.insert(0, ('', 'live'))
    return found


def copied(config: ProcessGroupConfig | None) -> ProcessGroupConfig | None:
    """A configuration that stays as it is when what runs goes back, or is changed by a later apply."""
    if config is None:
        return None
    apart = copy.copy(config)
    apart.process_configs = [copy.copy(one) for one in config.process_configs]
    return apart
