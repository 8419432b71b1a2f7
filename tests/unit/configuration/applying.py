"""A configuration that is applied to Supervisor's real objects. No process is started: what runs is
what the test says, with real pipes and real logs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from supervisor import events
from supervisor.states import ProcessStates

from supervisor_restarter.configuration.ownconfig import own_config
from supervisor_restarter.configuration.planner import Comparison
from supervisor_restarter.configuration.rollout import Rollout
from supervisor_restarter.configuration.slots import Slot
from supervisor_restarter.configuration.view import group_view
from supervisor_restarter.server.processes import Processes
from tests.unit.configuration.running import HEAD, Running

UP = (ProcessStates.STARTING, ProcessStates.RUNNING, ProcessStates.STOPPING)


class Applying(Running):
    """A supervisord whose processes are all up in the beginning."""

    def __init__(self, directory: Path, text: str, head: str = HEAD) -> None:
        super().__init__(directory, text, head)
        self.next_pid = 100
        for group in self.supervisord.process_groups:
            for name in self.group(group).processes:
                self.start(group, name)

    def close(self) -> None:
        """Close what is open."""
        for group in self.supervisord.process_groups.values():
            for name, process in group.processes.items():
                if process.pid:
                    self.stop(group.config.name, name)

    def look(self, group: str, name: str) -> Any:
        return Processes(self.supervisord).state(group, name)

    def group(self, name: str) -> Any:
        return self.supervisord.process_groups[name]

    def process(self, group: str, name: str) -> Any:
        return self.group(group).processes[name]

    def start(self, group: str, name: str) -> Any:
        """As spawn(), without the fork."""
        process = self.process(group, name)
        assert not process.pid
        if hasattr(process, 'before_spawn'):
            process.before_spawn()
        process.dispatchers, process.pipes = process.config.make_dispatchers(process)
        self.next_pid += 1
        process.pid, process.state, process.laststart = self.next_pid, ProcessStates.RUNNING, 1.0
        self.options.pidhistory[process.pid] = process
        return process

    def stop(self, group: str, name: str, state: int = ProcessStates.STOPPED) -> Any:
        """As kill() and finish(), without the signal."""
        process = self.process(group, name)
        if process.pid:
            self.options.pidhistory.pop(process.pid)
            self.options.close_child_pipes(process.pipes)
            process.killing, process.state = True, ProcessStates.STOPPING
            process.finish(process.pid, 0)
        process.state = state
        return process

    def says(self, process: Any, text: bytes, channel: str = 'stdout') -> None:
        """The process writes to its pipe, and supervisord reads it."""
        os.write(process.pipes[f'child_{channel}'], text)
        process.dispatchers[process.pipes[channel]].handle_read_event()

    def compare(self, text: str | None = None, names: Any = '') -> Comparison:
        if text is not None:
            self.write(text)
        return self.planner.compare(names)

    def rollout(self, text: str | None = None, names: Any = '', prune: bool = True) -> Rollout:
        return Rollout(self.supervisord, self.compare(text, names), self.look, prune)

    # -- what an operation does --------------------------------------------------------------

    def take_down(self, slot: Slot) -> None:
        if slot.process.state not in (ProcessStates.STOPPED, ProcessStates.EXITED):
            self.stop(slot.group, slot.name)

    def forwards(self, rollout: Rollout, slots: list[Slot]) -> None:
        """Stop and start these, or remove them; those of a group that is replaced are started when
        all of them are down.
        """
        for slot in slots:
            if slot.old is not None and slot.new is not None:
                self.take_down(slot)
                self.renew(rollout, slot)
        for slot in slots:
            if slot.new is None:
                self.take_down(slot)
                rollout.drop(slot)
            else:
                self.renew(rollout, slot)

    def renew(self, rollout: Rollout, slot: Slot) -> None:
        if slot.process.pid or not rollout.may_start(slot):
            return
        rollout.put_new(slot)
        assert own_config(slot.process) is slot.new
        assert self.lists(slot, slot.new)
        assert not self.lists(slot, slot.old)
        self.start_slot(slot)

    def lists(self, slot: Slot, config: Any) -> bool:
        """Whether a plan would compare the files with this configuration."""
        return any(one is config for one in self.group(slot.group).config.process_configs)

    def start_slot(self, slot: Slot) -> None:
        assert slot.process.group is self.group(slot.group)
        assert self.process(slot.group, slot.name) is slot.process
        self.start(slot.group, slot.name)

    def backwards(self, rollout: Rollout, slots: list[Slot]) -> None:
        """After undo(): stop what these slots have, and start what they had."""
        for slot in slots:
            if slot.new is not None and slot.old is None:
                self.take_down(slot)
                rollout.drop(slot)
            elif slot.renewed:
                self.take_down(slot)
        for slot in slots:
            if slot.old is not None and slot.new is not None and not slot.process.pid:
                assert rollout.may_start(slot)
                rollout.put_old(slot)
                assert slot.process.config is slot.old
                assert self.lists(slot, slot.old)
                self.start_slot(slot)

    # -- what is there -----------------------------------------------------------------------

    def all_of_it(self) -> Any:
        """Everything that a rollout may change, as plain values, with the objects behind it."""
        told = [
            (event.__name__, id(callback.__self__), callback.__name__)
            for event, callback in events.callbacks
            if hasattr(callback, '__self__')
        ]
        return sorted(told), [
            (
                name,
                id(group.config),
                group_view(group.config),
                list(map(id, group.config.process_configs)),
                [
                    (key, id(process), id(process.config))
                    for key, process in group.processes.items()
                ],
                [dict(vars(config)) for config in group.config.process_configs],
                id(getattr(group, 'socket_manager', None)),
            )
            for name, group in self.supervisord.process_groups.items()
        ]
