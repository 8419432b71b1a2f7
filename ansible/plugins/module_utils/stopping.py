# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""Processes stopped all at once, and watched until each of them has exited.

The stop is sent once: whoever starts one of them afterwards has the newer will, and keeps it.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble
from ansible_collections.supervisor.restarter.plugins.module_utils.following import Lost
from ansible_collections.supervisor.restarter.plugins.module_utils.patience import Patience
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter
from ansible_collections.supervisor.restarter.plugins.module_utils.wording import (
    counted,
    namespec,
    planned_processes,
)

# Of the statuses of the answer to a stop.
SUCCESS = 80
NOT_RUNNING = 70
STOPPING = 'STOPPING'
DOWN = ('STOPPED', 'EXITED', 'FATAL', 'UNKNOWN')  # states in which there is nothing to stop
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0  # seconds between two looks

Key = tuple  # group and name of a process
Info = dict  # what Supervisor tells of a process


class Stopper:
    """Stops processes."""

    def __init__(self, restarter: Restarter, patience: Patience) -> None:
        self._restarter, self._patience = restarter, patience

    def run(self, names: list[str], timeout: float | None) -> list[dict[str, Any]]:
        """Stops the processes and waits until they have exited, or for `timeout` seconds (None or
        0: without a limit; Supervisor kills each after its stopwaitsecs).

        Returns a row for each process that was running or is named by its own name, as a restart
        has them, with phase stopped, skipped or failed. Refused if a name matches nothing, Lost if
        supervisord does not answer any more.
        """
        before = self._infos()
        answers = {_key(answer): answer for answer in self._restarter.stop(names)}
        stopping = [key for key, answer in answers.items() if answer['status'] == SUCCESS]
        after = self._wait(stopping, timeout)
        return [
            _row(answer, before.get(key), after.get(key), timeout)
            for key, answer in answers.items()
        ]

    def _wait(self, keys: list[Key], timeout: float | None) -> dict[Key, Info]:
        """All processes, when none of these is stopping any more or the time is over."""
        until = self._patience.clock() + timeout if timeout else None
        pause = FIRST_PAUSE
        while True:
            infos = self._look()
            if not any(key in infos and infos[key]['statename'] == STOPPING for key in keys):
                return infos
            if until is not None and self._patience.clock() >= until:
                return infos
            self._patience.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _look(self) -> dict[Key, Info]:
        try:
            return self._patience.ask(self._infos)
        except Trouble as error:
            raise Lost(f'{error}; what was told to stop stops all the same') from None

    def _infos(self) -> dict[Key, Info]:
        return {_key(info): info for info in self._restarter.processes()}


def _key(struct: dict[str, Any]) -> Key:
    return struct['group'], struct['name']


def _row(
    answer: dict[str, Any], before: Info | None, after: Info | None, timeout: float | None
) -> dict[str, Any]:
    phase, reason = _outcome(answer, after, timeout)
    return {
        'name': namespec(answer),
        'group': answer['group'],
        'phase': phase,
        'old_pid': before['pid'] if before else 0,
        'new_pid': after['pid'] if after else 0,
        'seconds_down': 0.0,
        'ready_seconds': 0.0,
        'reason': reason,
        'killed': False,
    }


def _outcome(answer: dict[str, Any], after: Info | None, timeout: float | None) -> tuple[str, str]:
    """The phase, and the reason if there is one."""
    if answer['status'] == NOT_RUNNING:
        return 'skipped', 'not running'
    if answer['status'] != SUCCESS:
        return 'failed', answer['description']
    if after is None or after['statename'] in DOWN:
        return 'stopped', ''
    if after['statename'] == STOPPING:
        return 'failed', f'still stopping after {timeout:g} s, and goes on stopping'
    return 'failed', f'was started again by another client and is {after["statename"]}'


# -- what is said of it --------------------------------------------------------------------------


def summary(rows: list[dict[str, Any]]) -> str:
    """The sentence, also for a failure: the reason of the first process that failed."""
    failed = [row for row in rows if row['phase'] == 'failed']
    if failed:
        more = f' (and {len(failed) - 1} more)' if len(failed) > 1 else ''
        return f'{failed[0]["name"]}: {failed[0]["reason"]}{more}'
    stopped = sum(row['phase'] == 'stopped' for row in rows)
    return f'stopped {counted(stopped)}' if stopped else 'nothing to do: nothing was running'


def planned(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """What a stop would do, out of the plan of a restart, which says what the names mean: each
    process with its group, name, state, pid and `action`: stop, or '' where there is nothing to do.
    """
    return [
        {
            'group': process['group'],
            'name': process['name'],
            'state': process['state'],
            'pid': process['pid'],
            'action': '' if process['state'] in DOWN else 'stop',
        }
        for process in planned_processes(plan)
    ]
