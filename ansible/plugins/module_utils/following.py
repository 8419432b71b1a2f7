# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""A restart or an apply from its beginning to its end, whatever becomes of the connection.

The server owns the restart: it goes on without a client. So a call that only looks is repeated when
the connection breaks, and the one that begins a restart never is.
"""

from __future__ import annotations

from contextlib import suppress
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
# What to do where the end of one could not be seen.
NEXT = {
    'restart': 'with newer_than the next run restarts only what is left',
    'apply': 'the next run applies what is left',
}


class Lost(Trouble):
    """What has become of something that began is not known. `restart`: as it was seen last."""

    def __init__(self, text: str, restart: dict[str, Any] | None = None) -> None:
        self.restart = restart
        super().__init__(text)


class Follower:
    """Begins restarts and applies, and follows them."""

    def __init__(self, restarter: Restarter, patience: Patience) -> None:
        self._restarter, self._patience = restarter, patience

    def run(self, names: list[str], options: dict[str, Any]) -> dict[str, Any]:
        """Begins a restart. Returns it when it is over; Refused if it may not begin."""
        return self.follow(self._restarter.start(names, options))

    def apply(self, groups: list[str], options: dict[str, Any]) -> dict[str, Any]:
        """Begins an apply. Returns it when it is over; Refused if it may not begin."""
        return self.follow(self._restarter.apply(groups, options), kind='apply')

    def outlast(self, groups: set[str]) -> None:
        """Waits until what keeps one of these groups busy is over, whatever becomes of it."""
        other = self._busy_with(groups)
        if other is not None:
            # Out of sight, it is of no interest any more; the next call finds out what is.
            with suppress(Lost):
                self.follow(other['id'], other)

    def run_or_join(self, names: list[str], options: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """As run(); if the groups are being restarted already, it follows that restart instead. An
        apply does not restart all of them, so that one is outlasted.

        Returns the restart, and whether it is that of another client.
        """
        for _attempt in range(MOST_ATTEMPTS):
            try:
                return self.run(names, {**options, 'if_busy': 'fail'}), False
            except Refused as fault:
                if fault.code != BUSY:
                    raise
                refusal = fault
            plan = self._restarter.plan(names, {})
            groups = {process['group'] for process in planned_processes(plan)}
            other = self._busy_with(groups)
            if other is None:
                continue
            if other.get('kind') == 'apply':
                self.outlast(groups)
            else:
                return self.follow(other['id'], other), True
        raise refusal

    def _busy_with(self, groups: set[str]) -> dict[str, Any] | None:
        """The restart or apply that concerns one of these groups; None if it is over already.

        Of several it is the one that was asked for first, which is the one that runs.
        """
        busy = [
            restart
            for restart in self._restarter.restarts()
            if not restart['finished_at'] and groups & set(restart['groups'])
        ]
        return busy[-1] if busy else None

    def follow(
        self, restart_id: str, seen: dict[str, Any] | None = None, kind: str = 'restart'
    ) -> dict[str, Any]:
        """The restart when everything is over, also the bringing back after a timeout or a cancel.

        Lost if it ends with its supervisord, or if that does not answer any more.
        """
        # Looked at before it is waited for, it is known from others of its number, and if it is lost,
        # what it consisted of.
        version = AT_THE_END if seen else AT_ONCE
        requested_at = seen['requested_at'] if seen else ''
        last: dict[str, Any] | None = None
        while True:
            restart = self._look(kind, restart_id, version, last)
            # A supervisord that was started anew counts from 1 again.
            if requested_at and restart['requested_at'] != requested_at:
                raise _vanished(kind, restart_id, last)
            requested_at, last = restart['requested_at'], restart
            if restart['finished_at']:
                return restart
            version = restart['version'] if ended(restart) else AT_THE_END

    def _look(
        self, kind: str, restart_id: str, version: int, last: dict[str, Any] | None
    ) -> dict[str, Any]:
        """One look; another one for as long as it may help if supervisord does not answer."""
        try:
            return self._patience.ask(
                lambda: self._restarter.wait(restart_id, version, WAIT_SECONDS)
            )
        except Refused as fault:
            if fault.code == NO_SUCH_RESTART:
                raise _vanished(kind, restart_id, last) from None
            raise
        except Trouble as error:
            raise _out_of_sight(kind, restart_id, error, last) from None


def _vanished(kind: str, restart_id: str, last: dict[str, Any] | None) -> Lost:
    return Lost(
        f'{kind} {restart_id} ended unfinished: supervisord does not know it any more, '
        'it was reloaded or restarted meanwhile; run this again',
        last,
    )


def _out_of_sight(kind: str, restart_id: str, error: Trouble, last: dict[str, Any] | None) -> Lost:
    if isinstance(error, Unreachable) and error.gone:
        return Lost(f'supervisord went away during {kind} {restart_id}: {error}', last)
    return Lost(
        f'{kind} {restart_id} goes on, but cannot be followed any more: {error}; '
        f'`supervisorctl_restart_group --status {restart_id}` there tells how it ends, '
        f'and {NEXT[kind]}',
        last,
    )
