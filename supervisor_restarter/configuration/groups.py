"""What an apply does to one group that stays what it is: its processes, its own keys, its socket."""

from __future__ import annotations

from supervisor.states import RUNNING_STATES, STOPPED_STATES

from supervisor_restarter.configuration.diff import GroupChange, ProcessChange
from supervisor_restarter.configuration.in_place import InPlace
from supervisor_restarter.configuration.keys import SOCKET
from supervisor_restarter.configuration.own_keys import OwnKeys
from supervisor_restarter.configuration.ownconfig import (
    give_config,
    keep_down,
    keep_log_names,
    name_logs,
    overwrite,
    own_config,
)
from supervisor_restarter.configuration.plan import LookUp
from supervisor_restarter.configuration.slots import Slot, sorted_out
from supervisor_restarter.configuration.steps import Steps
from supervisor_restarter.configuration.view import processes_by_name
from supervisor_restarter.programs.asides import residents
from supervisor_restarter.programs.host import (
    ProcessConfig,
    ProcessGroup,
    ProcessGroupConfig,
    Subprocess,
    Supervisor,
)


def is_down(process: Subprocess) -> bool:
    """Whether nothing of it runs, nor is about to be tried again."""
    return process.state in STOPPED_STATES and not process.pid


def arrange(group: ProcessGroup, order: list[ProcessConfig]) -> None:
    """The processes of the group, and what is configured of them, in this order; others last.

    Of two with the same name Supervisor runs the last, and the other one is only compared. What lies
    aside is not configured.
    """
    last = {config.name: config for config in order}
    names = [name for name in last if name in group.processes]
    rest = [name for name in group.processes if name not in last]
    there = residents(group)
    group.processes = {name: group.processes[name] for name in [*names, *rest]}
    group.config.process_configs = [
        own_config(group.processes[config.name]) if last[config.name] is config else config
        for config in order
        if config.name in group.processes
    ] + [own_config(group.processes[name]) for name in rest if name in there]


class GroupWork:
    """What an apply does to one group. A group that is not there any more, for others have removed
    or replaced it, is left alone.

    slots, at_once: as of slots.Sorted. old, new: None where the group is added or to be removed.
    """

    def __init__(
        self,
        supervisord: Supervisor,
        change: GroupChange,
        old: ProcessGroupConfig | None,
        new: ProcessGroupConfig | None,
        look: LookUp,
    ) -> None:
        self.name, self.change = change.name, change
        self.supervisord, self.old, self.new = supervisord, old, new
        self._before: dict[str, ProcessConfig] = {}
        self._after: dict[str, ProcessConfig] = {}
        self._old_order, self._new_order = (
            list(config.process_configs) if config is not None else [] for config in (old, new)
        )
        self.home: ProcessGroup | None = None
        if old is not None:
            self._before = processes_by_name(old)
            self.home = supervisord.process_groups[self.name]
        if new is not None:
            self._after = processes_by_name(new)
            self._make_ours(new)
        self.slots, self.at_once = sorted_out(change, look, self._before, self._after)
        for slot in self.slots:
            if slot.old is not None and self.home is not None:
                slot.process = self.home.processes[slot.old.name]
        for name in self._before.keys() & self._after.keys():
            keep_log_names(self._before[name], self._after[name])
        self._turned_back = False
        self._own: OwnKeys | None = None

    def _make_ours(self, new: ProcessGroupConfig) -> None:
        """What was read aside refers to the twin of supervisord's options."""
        new.options = self.supervisord.options
        for config in new.process_configs:
            config.options = self.supervisord.options

    @property
    def is_there(self) -> bool:
        """Whether the group is the one that this is about."""
        groups = self.supervisord.process_groups
        return self.home is not None and groups.get(self.name) is self.home

    @property
    def its(self) -> ProcessGroup:
        """The group; to be asked for only where it is there."""
        assert self.home is not None, 'it is there'
        return self.home

    @property
    def own(self) -> OwnKeys:
        """What the group has of its own; as `its`."""
        if self._own is None:
            self._own = OwnKeys(self.its, lambda: self.is_there)
        return self._own

    # -- at once -----------------------------------------------------------------------------

    def begin(self, steps: Steps) -> None:
        """Put in place what needs no stop and no start. What is raised leaves in `steps` what was
        done before.
        """
        assert self.new is not None, 'it is changed'
        steps.undo_by(self._arrange_back, steps)
        other_socket = any(one.key == SOCKET for one in self.change.changes)
        self.own.change(self.new, other_socket, steps)
        if not any(slot.new is not None for slot in self.slots):
            self.own.put_socket_in_place()
        for change, becomes in self.at_once:
            if becomes == 'add':
                name_logs(self._after[change.name], steps)
                self._add(self._after[change.name])
            elif becomes != 'drop':
                self._change_in_place(change, becomes == 'later', steps)
        for slot in self.slots:
            if slot.new is not None:
                name_logs(slot.new, steps)
                if slot.old is None:
                    slot.process = self._add(slot.new)
                    # With put_new() it gets the other socket, too.
                    slot.renewed = not other_socket
        self._arrange()

    def _add(self, config: ProcessConfig) -> Subprocess:
        process = config.make_process(self.its)
        keep_down(process)
        self.its.processes[config.name] = process
        return process

    def _arrange_back(self, steps: Steps) -> None:
        self._turned_back = True
        if self.is_there:
            self._drop_added(steps)
            self._arrange()

    def _drop_added(self, steps: Steps) -> None:
        """Those that were never to be started go at once; with a begin() that has failed, all."""
        names = {change.name for change, becomes in self.at_once if becomes == 'add'}
        if not steps.finished:
            names |= {slot.name for slot in self.slots if slot.old is None}
        for name in names & self.its.processes.keys():
            if is_down(self.its.processes[name]):
                self._drop(self.its.processes[name])

    def _change_in_place(self, change: ProcessChange, later: bool, steps: Steps) -> None:
        process, new = self.its.processes[change.name], self._after[change.name]
        in_place = InPlace(process, change, new, later)
        in_place.put(steps)
        steps.undo_by(self._change_back, in_place, steps)

    def _change_back(self, in_place: InPlace, steps: Steps) -> None:
        if self.is_there:
            in_place.back(steps)

    # -- one by one --------------------------------------------------------------------------

    def put_new(self, slot: Slot) -> None:
        """The process of the slot is down: it has its new configuration now."""
        if not self.is_there or slot.new is None:
            return
        self.own.put_socket_in_place()
        if slot.renewed:
            return
        slot.renewed = True
        if slot.old is None:
            return
        if slot.old.name == slot.new.name:
            give_config(slot.process, slot.new)
        else:
            slot.former = slot.process
            slot.process = slot.new.make_process(self.its)
            keep_down(slot.process)
            self._take_place(slot.former, slot.process)
        self._list(slot.old, slot.new)

    def put_old(self, slot: Slot) -> None:
        """The reverse of put_new()."""
        if not self.is_there or not slot.renewed or slot.old is None or slot.new is None:
            return
        slot.renewed = False
        self._list(slot.new, slot.old)
        if slot.former is None:
            give_config(slot.process, slot.old)
        else:
            self._take_place(slot.process, slot.former)
            slot.process, slot.former = slot.former, None
            self._arrange()

    def may_start(self, slot: Slot) -> bool:
        """Whether nothing has to be waited for before it is started."""
        return True

    def drop(self, slot: Slot) -> None:
        """The process of the slot is down: it is out of the group, and the group is gone with the
        last one, if it is to be gone.
        """
        if self.is_there and not slot.process.pid:
            self._drop(slot.process)
            self._arrange()
            self._remove_if_empty()

    def _list(self, old: ProcessConfig, new: ProcessConfig) -> None:
        """What is configured of the group has the one in the place of the other."""
        configs = self.its.config.process_configs
        for index, config in enumerate(configs):
            if config is old:
                configs[index] = new

    def _take_place(self, old: Subprocess, new: Subprocess) -> None:
        self.its.processes = {
            new.config.name if process is old else name: new if process is old else process
            for name, process in self.its.processes.items()
        }

    def _drop(self, process: Subprocess) -> None:
        self.its.processes = {
            name: one for name, one in self.its.processes.items() if one is not process
        }

    def _arrange(self) -> None:
        back = self.old is not None and (self._turned_back or self.new is None)
        arrange(self.its, self._old_order if back else self._new_order)

    def _remove_if_empty(self) -> None:
        """Of what stays, nothing."""

    # -- at the end --------------------------------------------------------------------------

    def settle(self) -> None:
        """All is applied: what is down gets its new configuration silently, and what is left of the
        old one goes.
        """
        if not self.is_there:
            return
        for slot in self.slots:
            if slot.action == 'remove' and is_down(slot.process):
                self._drop(slot.process)
            elif not slot.renewed and slot.new is not None:
                self._renew_silently(slot)
        for change, becomes in self.at_once:
            process = self.its.processes.get(change.name)
            if becomes == 'drop' and process is not None and is_down(process):
                self._drop(process)
        if self.new is not None:
            self.own.put_socket_in_place()
            self.own.set(vars(self.new))
        self._arrange()
        self._remove_if_empty()

    def release(self) -> None:
        """Nothing of the former configuration is needed any more, nor of the one that was undone."""
        if self._own is not None:
            self._own.release()

    def _renew_silently(self, slot: Slot) -> None:
        assert slot.new is not None, 'it stays'
        if slot.process.state in RUNNING_STATES:
            return
        if slot.old is None or slot.old.name == slot.new.name:
            slot.renewed = True
            # The same object, as in in_place.py.
            overwrite(own_config(slot.process), vars(slot.new))
        elif is_down(slot.process):
            self.put_new(slot)

    @property
    def applied(self) -> ProcessGroupConfig | None:
        """What Supervisor's options should hold of the group now; None: nothing."""
        if self.new is None:
            return None
        whole = self.is_there and all(slot.renewed for slot in self.slots if slot.new is not None)
        return self.its.config if whole else self.new
