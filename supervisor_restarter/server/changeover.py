"""An apply on Supervisor's objects, turn by turn: what has exited gets its next configuration, what
is to be gone is taken out, and when it fails all of it goes back.

The engine decides, about processes alone. This is told what it has decided, and sees to it that
each process is started with the right configuration:

    rollout.begin()                 before the first order: what needs no restart
    member has exited, START is due     its new configuration, or on the way back its old one
    member is to be gone, and is down   out of its group
    operation.turning               the way back begins: begin() is undone, and the engine is told
                                    which processes are to run as before and which are to be gone
    operation.finished              the rest, so that Supervisor's reread finds nothing changed
"""

from __future__ import annotations

import copy
from typing import NamedTuple

from supervisor.states import ProcessStates

from supervisor_restarter.configuration.slots import Slot
from supervisor_restarter.engine.answers import unfinished
from supervisor_restarter.engine.member import Failure, Member
from supervisor_restarter.engine.operation import Look, State
from supervisor_restarter.engine.phases import DOWN, OUT_OF_SERVICE, TURN_HAS_COME, UP, Order, Phase
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.programs.obstacles import Obstacles
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.apply import REMOVE, Apply
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.jobs import Jobs
from supervisor_restarter.server.journal import Journal
from supervisor_restarter.server.processes import Processes
from supervisor_restarter.server.resources import Party, Resources
from supervisor_restarter.text import listed, printable

# Down, or about to be. What is up next was started since.
TO_BE_RENEWED = (Phase.STOPPING, Phase.STOPPED, Phase.TAKEN, Phase.ENDED)

# Up, and to be stopped.
NOT_STOPPED = TURN_HAS_COME | OUT_OF_SERVICE | {Phase.WAITING}


class Means(NamedTuple):
    """What an apply acts with. jobs: all of them, for another may hold the same process."""

    processes: Processes
    actions: Actions
    resources: Resources
    jobs: Jobs
    journal: Journal


class Changeover:
    """Carries out the apply of one job."""

    def __init__(self, means: Means, job: Job, apply: Apply) -> None:
        self._means, self._job, self._apply = means, job, apply

    def begin(self, party: Party) -> Party:
        """Put in place what needs no restart, unless it is certain already that the apply would be
        given up. Returns the party with its processes held; what is not there yet is left out.

        Refusal BAD_STATE if it cannot be put in place.
        """
        apply, processes = self._apply, self._means.processes
        obstacles = Obstacles()
        for member, slot in apply.slots.items():
            why = apply.rollout.obstacle(slot, obstacles)
            if why:
                apply.foreseen[member] = Failure(Code.START_FAILED, f'it cannot be started: {why}')
        if not apply.hopeless:
            apply.rollout.begin()
            apply.begun = True
            self._readdress()
        handles = {}
        for member, slot in apply.slots.items():
            if slot.action == 'start' and slot.old is not None:
                apply.before[member] = slot.process.state
            if apply.begun or slot.old is not None:
                handles[member] = processes.hold_this(slot.process)
        for member in party.others:
            handles[member] = processes.hold(member.match)
        there = [member for member in party.members if member in handles]
        return party._replace(members=there, handles=handles)

    def obstacle(self, member: Member, obstacles: Obstacles) -> Failure | None:
        """Failure START_FAILED if the process, once stopped, could not be started with the
        configuration that it is to have then.
        """
        slot = self._apply.slots[member]
        if self._apply.back:
            before = copy.copy(slot.process)
            if slot.old is not None:
                before.config = slot.old
            # Better without its commands than what is to be gone.
            why = obstacles.of_start(before)
        else:
            why = self._apply.rollout.obstacle(slot, obstacles)
        text = f'left as it is, for it could not be started again: {why}'
        return Failure(Code.START_FAILED, text) if why else None

    def mind_others(self, look: Look) -> None:
        """Before the engine decides: what others have started while it was down, before its new
        configuration was in place, is not what is to run.
        """
        apply, operation = self._apply, self._job.operation
        for member, slot in apply.slots.items():
            if member.phase in TO_BE_RENEWED and slot.renewed is apply.back and not member.leaving:
                observed = look(member)
                if observed is not None and observed.seen in UP:
                    operation.once_more(member)

    def advance(self, now: float, look: Look) -> None:
        """Take one turn: what the engine has just decided is made true of the configurations."""
        if self._job.operation.turning:
            self._turn_back(now, look)
        self.renew(now)

    def renew(self, now: float) -> None:
        """What is down gets its next configuration, before Supervisor or another client starts it
        again, and what is to be gone goes.
        """
        apply = self._apply
        apply.held.clear()
        apply.kept.clear()
        if apply.begun:
            for member, slot in apply.slots.items():
                self._follow(member, slot, now)

    # -- one process -------------------------------------------------------------------------

    def _follow(self, member: Member, slot: Slot, now: float) -> None:
        apply = self._apply
        if member.leaving:
            self._let_go(member, slot, now)
        elif member.phase is Phase.TAKEN and not apply.back:
            self._renew_silently(member, slot, now)
        elif self._is_in_hand(member) and slot.renewed is apply.back:
            if not apply.rollout.may_start(slot):
                self._hold_back(member, slot, now)
                return
            try:
                self._exchange(member, slot, now)
            except Refusal as refusal:  # a socket that cannot be bound
                self._job.operation.foreseen(member, Failure(refusal.code, refusal.text))

    def _renew_silently(self, member: Member, slot: Slot, now: float) -> None:
        """What others have stopped has its new configuration when they start it again. A group that
        becomes another one waits for those that are started, or for the end.
        """
        replaced = slot.group in self._apply.rollout.replaced
        if not slot.renewed and not replaced and self._is_down(member):
            self._exchange(member, slot, now)

    def _hold_back(self, member: Member, slot: Slot, now: float) -> None:
        """Its group becomes another one when all of it is down. Where that never comes, for one
        that runs is not stopped any more, it has failed, and what had run is started as it is.
        """
        apply, group = self._apply, slot.process.group
        there = list(group.processes.values()) if group is not None else []
        to_come = [one for one, its in apply.slots.items() if its.group == slot.group]
        if any(one.state == ProcessStates.STOPPING for one in there) or any(
            one.phase in NOT_STOPPED and one.order is not Order.START for one in to_come
        ):
            apply.held.add(member)
            return
        running = listed(printable(one.config.name) for one in there if one.pid)
        why = f'its group stays what it is, for of its processes run: {running}'
        failure = Failure(Code.START_FAILED, why)
        if slot.old is None:
            self._job.operation.performed(member, now, failure)
        else:
            apply.kept[member] = failure

    def _let_go(self, member: Member, slot: Slot, now: float) -> None:
        """What is to be gone goes when it is down, and nothing can call it back any more."""
        apply, operation = self._apply, self._job.operation
        certain = slot.action != REMOVE if apply.back else operation.committed
        if not certain or member in apply.gone or member.error or not self._is_down(member):
            return
        apply.gone.add(member)
        if slot.action == 'start' and slot.old is not None:
            self._give_up(member, slot, now)
        elif apply.begun:
            apply.rollout.drop(slot)

    def _give_up(self, member: Member, slot: Slot, now: float) -> None:
        """What was down before is so again, in the state that it was in: a FATAL process that is
        STOPPED from now on would be taken for one that was stopped on purpose.
        """
        apply = self._apply
        if slot.renewed:
            self._exchange(member, slot, now)
            slot.process.state = apply.before[member]

    def _exchange(self, member: Member, slot: Slot, now: float) -> None:
        """The process is down: it gets its new configuration, or its old one again."""
        apply = self._apply
        if slot.renewed:
            apply.rollout.put_old(slot)
        else:
            apply.rollout.put_new(slot)
        if slot.group not in apply.rollout.replaced:
            self._take_up(member, slot, now)
            return
        for one, its in apply.slots.items():
            # All change at the same time.
            if one is member or (
                its.group == slot.group and self._job.handles[one].differs(its.process)
            ):
                self._take_up(one, its, now)

    def _take_up(self, member: Member, slot: Slot, now: float) -> None:
        """Hold what is in the place of the member now."""
        apply, handle = self._apply, self._job.handles[member]
        held = self._means.processes.hold_this(slot.process)
        handle.group, handle.process, handle.config = held.group, held.process, held.config
        handle.looks = ()
        specs = apply.specs if slot.renewed else apply.present
        self._means.resources.monitor(self._job, member, specs.get(member))
        self._means.resources.heed_hooks(self._job, member)
        self._job.operation.rename(member, slot.name)
        self._means.jobs.readdress(slot.process, held.config)
        self._means.actions.attend(handle, now)

    def _is_in_hand(self, member: Member) -> bool:
        return member.order is Order.START or member.phase is Phase.STOPPED

    def _is_down(self, member: Member) -> bool:
        handle = self._job.handles.get(member)
        return handle is not None and handle.seen is not None and handle.seen.seen in DOWN

    # -- the whole ---------------------------------------------------------------------------

    def _turn_back(self, now: float, look: Look) -> None:
        apply = self._apply
        restored, undone = [], []
        for member, slot in apply.slots.items():
            if slot.action == 'start' and apply.before.get(member) != ProcessStates.BACKOFF:
                if apply.begun and (slot.old is None or slot.renewed):
                    undone.append(member)
            elif slot.renewed or member.phase in (Phase.STOPPING, Phase.STOPPED):
                restored.append(member)
        if apply.begun:
            apply.rollout.undo()
            self._readdress()
        apply.back = True
        for member in restored:
            # At once: somebody else might start it.
            self._put_back(member, now)
        self._job.operation.turn_back(restored, undone, now, look)
        self._means.journal.note(self._job, f'goes back: {self._job.operation.back}')

    def _put_back(self, member: Member, now: float) -> None:
        """The process has its old configuration again, if it is down."""
        apply, slot = self._apply, self._apply.slots[member]
        if slot.renewed and slot.old is not None and self._is_down(member):
            if apply.rollout.may_start(slot):
                self._exchange(member, slot, now)

    def end(self, now: float) -> None:
        """The operation has finished: what is still down gets what the others have."""
        apply, operation = self._apply, self._job.operation
        if apply.back:
            for member in apply.slots:
                self._put_back(member, now)
        elif apply.begun:
            apply.rollout.settle()
            # What others have stopped is configured, too.
            if operation.state is not State.CANCELLED and not unfinished(operation):
                apply.request.applied()

    def _readdress(self) -> None:
        """Configurations have changed in place: no job is to put back the ones that it had found."""
        for job in self._means.jobs.active:
            for handle in job.handles.values():
                handle.config = self._means.processes.hold_this(handle.process).config
