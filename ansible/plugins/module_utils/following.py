# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""A restart from its beginning to its end, whatever becomes of the connection.

The server owns the restart: it goes on without a client. So a call that only looks is repeated when
the connection breaks, and the one that begins a restart never is.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils.errors import (
    BUSY,
    NO_SUCH_RESTART,
    Refused,
    Trouble,
    Unreachable,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.patience import Patience
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter
from ansible_collections.supervisor.restarter.plugins.module_utils.wording import (
    ended,
    planned_processes,
)

WAIT_SECONDS = 10.0  # one call waits for so long at the most
# Versions that every restart exceeds, and that none reaches: the server answers at once, and when
# the restart has ended.
AT_ONCE, AT_THE_END = -1, 2**31 - 1
# How often a restart is begun anew where each time another one was quicker and over at once.
MOST_ATTEMPTS = 5


class Lost(Trouble):
    """What has become of something that began is not known. `restart`: as it was seen last."""

    def __init__(self, text: str, restart: dict[str, Any] | None = None) -> None:
        self.restart = restart
        super().__init__(text)


class Follower:
    """Begins restarts and follows them."""

    def __init__(self, restarter: Restarter, patience: Patience) -> None:
        self._restarter, self._patience = restarter, patience

    def run(self, names: list[str], options: dict[str, Any]) -> dict[str, Any]:
        """Begins a restart. Returns it when it is over; Refused if it may not begin."""
        return self.follow(self._restarter.start(names, options))

    def run_or_join(self, names: list[str], options: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """As run(); if the groups are being restarted already, it follows that restart instead.

        Returns the restart, and whether it is that of another client.
        """
        for _attempt in range(MOST_ATTEMPTS):
            try:
                return self.run(names, {**options, 'if_busy': 'fail'}), False
            except Refused as fault:
                if fault.code != BUSY:
                    raise
                refusal = fault
            other = self._other(names)
            if other is not None:
                return self.follow(other['id'], other), True
        raise refusal

    def _other(self, names: list[str]) -> dict[str, Any] | None:
        """The restart that concerns the groups of these names; None if it is over already.

        Of several it is the one that was asked for first, which is the one that runs.
        """
        plan = self._restarter.plan(names, {})
        groups = {process['group'] for process in planned_processes(plan)}
        busy = [
            restart
            for restart in self._restarter.restarts()
            if not restart['finished_at'] and groups & set(restart['groups'])
        ]
        return busy[-1] if busy else None

    def follow(self, restart_id: str, seen: dict[str, Any] | None = None) -> dict[str, Any]:
        """The restart when everything is over, also the bringing back after a timeout or a cancel.

        Lost if it ends with its supervisord, or if that does not answer any more.
        """
        # Looked at before it is waited for, it is known from others of its number, and if it is lost,
        # what it consisted of.
        version = AT_THE_END if seen else AT_ONCE
        requested_at = seen['requested_at'] if seen else ''
        last: dict[str, Any] | None = None
        while True:
            restart = self._look(restart_id, version, last)
            # A supervisord that was started anew counts from 1 again.
            if requested_at and restart['requested_at'] != requested_at:
                raise _vanished(restart_id, last)
            requested_at, last = restart['requested_at'], restart
            if restart['finished_at']:
                return restart
            version = restart['version'] if ended(restart) else AT_THE_END

    def _look(self, restart_id: str, version: int, last: dict[str, Any] | None) -> dict[str, Any]:
        """One look; another one for as long as it may help if supervisord does not answer."""
        try:
            return self._patience.ask(
                lambda: self._restarter.wait(restart_id, version, WAIT_SECONDS)
            )
        except Refused as fault:
            if fault.code == NO_SUCH_RESTART:
                raise _vanished(restart_id, last) from None
            raise
        except Trouble as error:
            raise _out_of_sight(restart_id, error, last) from None


def _vanished(restart_id: str, last: dict[str, Any] | None) -> Lost:
    return Lost(
        f'restart {restart_id} ended unfinished: supervisord does not know it any more, '
        'it was reloaded or restarted meanwhile; run this again',
        last,
    )


def _out_of_sight(restart_id: str, error: Trouble, last: dict[str, Any] | None) -> Lost:
    if isinstance(error, Unreachable) and error.gone:
        return Lost(f'supervisord went away during restart {restart_id}: {error}', last)
    return Lost(
        f'restart {restart_id} goes on, but cannot be followed any more: {error}; '
        f'`supervisorctl_restart_group --status {restart_id}` there tells how it ends, '
        'and with newer_than the next run restarts only what is left',
        last,
    )
