"""The GROUP_RESTART event types, which an [eventlistener:x] may subscribe to.

They are registered when this file is imported, and that has to be before Supervisor reads
[eventlistener:x] sections: it is while Supervisor looks up the factory of [rpcinterface:restarter].
There is one event when a restart begins and one when it is over, never one for each process: a
listener's buffer holds 10.
"""

from __future__ import annotations

import traceback

from supervisor import events

from supervisor_restarter import event_text
from supervisor_restarter.engine import answers
from supervisor_restarter.engine.operation import State
from supervisor_restarter.programs.host import Logger
from supervisor_restarter.server.job import Job


class GroupRestartEvent(events.Event):  # type: ignore[misc, unused-ignore]
    """What listeners are told of a restart: as it was when the event came about, not when it is
    delivered.
    """

    def __init__(self, job: Job) -> None:
        self._payload = event_text.header(job.struct(with_processes=False))

    def payload(self) -> str:
        """The text that listeners get; see event_text.py."""
        return self._payload


class GroupRestartStartedEvent(GroupRestartEvent):
    """A restart has begun."""


class GroupRestartSucceededEvent(GroupRestartEvent):
    """A restart is over, and every process is as it should be."""


class GroupRestartFailedEvent(GroupRestartEvent):
    """A restart is over, and a process failed or the restart timed out."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._payload += '\n' + event_text.failure_lines(answers.outcome(job.operation))


class GroupRestartCancelledEvent(GroupRestartEvent):
    """A restart was cancelled, perhaps before it began; what was down is back."""


EVENT_OF = {
    State.RUNNING: GroupRestartStartedEvent,
    State.SUCCEEDED: GroupRestartSucceededEvent,
    State.FAILED: GroupRestartFailedEvent,
    State.TIMED_OUT: GroupRestartFailedEvent,
    State.ROLLED_BACK: GroupRestartFailedEvent,
    State.CANCELLED: GroupRestartCancelledEvent,
}

for _name, _event in zip(
    event_text.EVENT_NAMES,
    (
        GroupRestartEvent,
        GroupRestartStartedEvent,
        GroupRestartSucceededEvent,
        GroupRestartFailedEvent,
        GroupRestartCancelledEvent,
    ),
):
    events.register(_name, _event)


def announce(job: Job, logger: Logger) -> None:
    """Tell all subscribers that the restart has begun or, if it does not run any more, is over.

    Other plugins may have subscribed to it: what they raise is logged, and harms no restart.
    """
    try:
        events.notify(EVENT_OF[job.operation.state](job))
    except Exception:
        logger.critical(
            f'restarter: the event of restart {job.id} was not delivered to everybody: '
            f'{traceback.format_exc()}'
        )
