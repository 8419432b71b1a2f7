"""The commands that programs have for their restarts, BEFORE_STOP and AFTER_READY, run for a job.

The engine says which command of a process is to run, and when it has failed for its time is over
(engine/lifecycle.py). What a command says goes to the logs of its process, as if that had said it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Callable, cast

from supervisor.dispatchers import POutputDispatcher

from supervisor_restarter.engine.member import Hook, Member
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.programs.child_command import (
    CannotRun,
    ChildCommand,
    Identities,
    LastLine,
)
from supervisor_restarter.programs.host import OutputDispatcher, Subprocess
from supervisor_restarter.readiness.shares import Places, Share, connections
from supervisor_restarter.text import printable

# The next command of a process begins when the one before, which was killed, has been reaped, or
# so many seconds after: what hangs in the kernel must not hold up the operation.
LONGEST_DEATH = 1.0

# That one takes while it runs.
DESCRIPTORS = 2


class PlacesOfOwn:
    """The places for such commands on one supervisord."""

    def __init__(self) -> None:
        self._places = Places(0)

    def shared_by(self, groups: Iterable[str]) -> OwnCommands:
        """The commands of a job of these groups: none yet."""
        taken = self._places.taken * DESCRIPTORS
        self._places.most = connections(taken) // DESCRIPTORS
        return OwnCommands({group: Share(self._places) for group in groups})


class OwnCommands:
    """The commands that run for one job, at most one for each process. shares: what each group has
    of the places for them.
    """

    def __init__(self, shares: Mapping[str, Share] = MappingProxyType({})) -> None:
        self._shares = shares
        self._running: dict[Member, _Running] = {}
        self._identities: Identities = {}

    def may_begin(self, member: Member, now: float) -> bool:
        """Whether a command for the member can begin now; if not, it can when one has ended, or in
        LONGEST_DEATH seconds. One that still runs for it is killed.
        """
        former = self._running.get(member)
        if former is not None and not former.is_dead(now):
            return False
        return self._shares[member.group].has_room

    def begin(
        self, member: Member, hook: Hook, process: Subprocess, command: tuple[str, ...]
    ) -> str:
        """Begin the command, for which there is room; why it cannot be run, '' if it runs."""
        share = self._shares[member.group]
        share.take()
        try:
            self._running[member] = _Running(
                hook, process, command, self._identities, share.give_back
            )
        except CannotRun as error:
            share.give_back()
            return printable(str(error))
        return ''

    def mind(self, operation: Operation, now: float) -> None:
        """Tell the operation of the commands that have ended, and kill those that are not to run any
        more.
        """
        for member, running in list(self._running.items()):
            wanted = member.hook is running.hook
            if not wanted:
                running.kill()
            if running.ended:
                del self._running[member]
                if wanted:
                    operation.hook_ended(member, running.why, now)

    def close(self) -> None:
        """None is to run any more; supervisord reaps what was killed."""
        for running in self._running.values():
            running.kill()
        self._running.clear()


class _Running:
    """One command, from its start until it was reaped. CannotRun if it cannot be started. over:
    called once, when it was reaped.
    """

    def __init__(
        self,
        hook: Hook,
        process: Subprocess,
        command: tuple[str, ...],
        identities: Identities,
        over: Callable[[], None],
    ) -> None:
        self.hook, self.ended, self.why = hook, False, ''
        self._over = over
        self._said = {'stdout': LastLine(), 'stderr': LastLine()}
        # A program that has one log for both gets both in their order.
        merged = process.config.redirect_stderr
        channels = ['stdout'] if merged else ['stdout', 'stderr']
        ears = {channel: self._ear(process, channel) for channel in channels}
        self._command = ChildCommand(process, command, identities, ears, self._end, merged)

    def kill(self) -> None:
        """Kill it with all that it has started; nothing if it has ended."""
        self._command.kill()

    def is_dead(self, now: float) -> bool:
        """Whether it has ended, or was killed so long ago that it is not waited for. It is killed."""
        self.kill()
        killed_at = self._command.killed_at
        return self.ended or (killed_at is not None and now >= killed_at + LONGEST_DEATH)

    def _ear(self, process: Subprocess, channel: str) -> Callable[[bytes], None]:
        def hear(data: bytes) -> None:
            self._said[channel].hear(data)
            log_as(process, channel, data)

        return hear

    def _end(self) -> None:
        why = self._command.why
        said = str(self._said['stderr']) or str(self._said['stdout'])
        self.ended, self.why = True, printable(': '.join(filter(None, (why, why and said))))
        self._over()


def log_as(process: Subprocess, channel: str, data: bytes) -> None:
    """Log what was said as if the process had said it on this channel ('stdout', 'stderr').

    The stdout of an event listener is what it tells supervisord, so what is said there goes to its
    stderr. What the process is saying between two tokens of an event is left alone. With its
    process, its logs are gone.
    """
    logs = {}
    for dispatcher in process.dispatchers.values():
        if isinstance(dispatcher, POutputDispatcher):
            output = cast(OutputDispatcher, dispatcher)
            logs[output.channel] = output
    its = logs.get(channel) or logs.get('stderr')
    if its is None:
        return
    captured, its.childlog = its.childlog, its.normallog
    try:
        its._log(data)
    finally:
        its.childlog = captured
