"""What an apply does to a group that comes, goes, or becomes another kind of group."""

from __future__ import annotations

from typing import cast

from supervisor import events

from supervisor_restarter.configuration.groups import GroupWork, is_down
from supervisor_restarter.configuration.ownconfig import keep_down, name_logs
from supervisor_restarter.configuration.slots import Slot
from supervisor_restarter.configuration.sockets import KeptPath
from supervisor_restarter.configuration.steps import Steps
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.programs.host import (
    EventListenerPool,
    FcgiProcessGroup,
    ProcessGroup,
    ProcessGroupConfig,
    SharedSocket,
    Subprocess,
)
from supervisor_restarter.text import printable


class AddedGroup(GroupWork):
    """It is there from begin() on, and its processes are not started by themselves."""

    _held: SharedSocket | None = None
    _path: KeptPath | None = None

    def begin(self, steps: Steps) -> None:
        assert self.new is not None, 'it is added'
        for config in self.new.process_configs:
            name_logs(config, steps)
        self._path = KeptPath(getattr(self.new, 'socket_config', None))
        steps.undo_by(self._path.put_back)
        if not self.supervisord.add_process_group(self.new):
            raise ValueError('it has been added meanwhile')
        steps.undo_by(self._take_back, steps)
        self.home = self.supervisord.process_groups[self.name]
        for process in self.home.processes.values():
            keep_down(process)
        for slot in self.slots:
            assert slot.new is not None, 'it is added'
            slot.process, slot.renewed = self.home.processes[slot.new.name], True
        if hasattr(self.home, 'socket_manager'):
            # Who connects waits for the first process.
            self._held = cast(FcgiProcessGroup, self.home).socket_manager.get_socket()

    def _take_back(self, steps: Steps) -> None:
        self._turned_back, self._held = True, None
        if self.is_there:
            self._drop_added(steps)
            self._arrange()
            self._remove_if_empty()

    def _remove_if_empty(self) -> None:
        if self._turned_back and not self.its.processes:
            self.supervisord.remove_process_group(self.name)

    def release(self) -> None:
        super().release()
        self._held = None
        if self._path is not None:
            self._path.forget()


class RemovedGroup(GroupWork):
    """It is there until its last process is dropped."""

    def begin(self, steps: Steps) -> None:
        pass  # what goes, goes last

    def _remove_if_empty(self) -> None:
        if not self.its.processes:
            self.supervisord.remove_process_group(self.name)


class ReplacedGroup(GroupWork):
    """It is another group of the same name when all of its old processes are down, but for those
    that go: they end in the new one.

    On the way back it is the old group again when all new processes are down.
    """

    _other: ProcessGroup | None = None  # the one of the two that is not there

    def begin(self, steps: Steps) -> None:
        steps.undo_by(self._take_back, steps)
        for config in self._after.values():
            name_logs(config, steps)
        for slot in self.slots:
            if slot.new is not None and slot.old is None:
                slot.process = self._add(slot.new)  # keeps the place in the old group
        if not any(slot.old is not None for slot in self.slots) and self._all_down():
            self._replace()

    def _take_back(self, steps: Steps) -> None:
        self._turned_back = True
        self._replace_back_unasked()
        if self.is_there and not steps.finished:
            self._drop_added(steps)

    @property
    def _renewed(self) -> bool:
        return self._other is not None

    def _all_down(self) -> bool:
        """Whether the group that is there can go."""
        going = [slot.process for slot in self.slots if slot.new is None]
        return all(
            is_down(process) or any(process is one for one in going)
            for process in self.its.processes.values()
        )

    def may_start(self, slot: Slot) -> bool:
        if not self.is_there or self._renewed is not self._turned_back:
            return True
        return self._all_down()

    def put_new(self, slot: Slot) -> None:
        """To be called when may_start(). Refusal START_FAILED if the new group cannot be made."""
        if not self.is_there or self._renewed or not self.may_start(slot):
            return
        try:
            self._replace()
        except Exception as error:  # noqa: BLE001
            # Whatever binding a socket raises; the old group is still there.
            raise Refusal(Code.START_FAILED, printable(str(error))) from error

    def put_old(self, slot: Slot) -> None:
        """To be called when may_start()."""
        if self.is_there and self._turned_back and self._renewed and self._all_down():
            self._replace_back()

    def drop(self, slot: Slot) -> None:
        super().drop(slot)
        self._replace_back_unasked()

    def _replace_back_unasked(self) -> None:
        """Where no process is to run as before, no put_old() will say that it is time."""
        if any(slot.former is not None for slot in self.slots):
            return
        if self.is_there and self._turned_back and self._renewed and self._all_down():
            self._replace_back()

    def _replace(self) -> None:
        assert self.new is not None, 'it becomes something else'
        self.new.after_setuid()
        old, new = self.its, self.new.make_group()
        for process in new.processes.values():
            keep_down(process)
        old.before_remove()
        self._change_over(new)
        for slot in self.slots:
            if slot.new is not None:
                if slot.old is not None:
                    slot.former = slot.process
                else:
                    old.processes.pop(slot.new.name, None)
                slot.process, slot.renewed = new.processes[slot.new.name], True
            elif not is_down(slot.process):
                self._move(slot.process, old, new)
        self._arrange()

    def _move(self, process: Subprocess, old: ProcessGroup, new: ProcessGroup) -> None:
        """One that goes runs on in the new group, until it is stopped."""
        new.processes[process.config.name] = process
        process.group = new
        if hasattr(old, 'socket_manager') and not hasattr(new, 'socket_manager'):
            # Supervisor looks there if it has to start it again.
            cast(FcgiProcessGroup, new).socket_manager = cast(FcgiProcessGroup, old).socket_manager

    def _replace_back(self) -> None:
        old, new = self._other, self.its
        assert old is not None, 'it was replaced'
        if hasattr(old, '_subscribe'):
            cast(EventListenerPool, old)._subscribe()
        new.before_remove()
        for process in old.processes.values():
            process.group = old
        for slot in self.slots:
            slot.renewed = False
            if slot.former is not None:
                slot.process, slot.former = slot.former, None
        self._change_over(old)
        self._other = None
        self._arrange()

    def _change_over(self, group: ProcessGroup) -> None:
        self._other, self.home = self.home, group
        self.supervisord.process_groups[self.name] = group
        events.notify(events.ProcessGroupRemovedEvent(self.name))
        events.notify(events.ProcessGroupAddedEvent(self.name))

    def settle(self) -> None:
        if not self.is_there:
            return
        if not self._renewed and self._all_down():
            try:
                self._replace()
            except Exception as error:  # noqa: BLE001
                # Whatever binding a socket raises; the old group is still there.
                text = f'restarter: {self.name} stays what it was: {error}'
                self.supervisord.options.logger.warn(printable(text))
        for slot in self.slots:
            kept_a_place = slot.old is None and not self._renewed
            if (slot.action == 'remove' or kept_a_place) and is_down(slot.process):
                self._drop(slot.process)
        self._arrange()

    @property
    def applied(self) -> ProcessGroupConfig | None:
        return self.its.config if self.is_there and self._renewed else self.new
