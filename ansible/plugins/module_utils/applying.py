# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""Changed configuration files, from their plan to the end of their apply."""

from __future__ import annotations

from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils.errors import (
    BAD_GROUP,
    BUSY,
    CANT_REREAD,
    Refused,
    Trouble,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.following import (
    MOST_ATTEMPTS,
    Follower,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.patience import Patience
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter

# What a refusal of the server leaves unsaid.
HINTS = {
    CANT_REREAD: 'nothing was touched',
    BAD_GROUP: 'names are those of process groups, of the files or of what runs',
    BUSY: '`if_busy: queue` or `if_busy: wait` applies the files after it',
}


def groups_of(names: list[str]) -> list[str]:
    """The groups as the server takes them, where [] means all. Trouble if no name is given."""
    if not names or '' in names:
        # A template has made it: applying everything is not what was meant by it.
        raise Trouble('names is empty: give a group, or leave it out to apply everything')
    return [] if 'all' in names else names


def with_hint(trouble: Trouble) -> str:
    """What has gone wrong; of a refusal also what the server leaves unsaid."""
    hint = HINTS.get(trouble.code) if isinstance(trouble, Refused) else None
    return f'{trouble}; {hint}' if hint else str(trouble)


class Applier:
    """Plans and applies the files of one supervisord. prune: also remove groups."""

    def __init__(self, restarter: Restarter, patience: Patience) -> None:
        self._restarter, self._follower = restarter, Follower(restarter, patience)

    def plan(self, groups: list[str], prune: bool, secrets: bool) -> dict[str, Any]:
        """What an apply would do, with nothing touched. Refused if the files make no sense."""
        plan = self._restarter.plan_config(groups, secrets)
        if not prune:
            kept = [group for group in plan['groups'] if group['action'] != 'remove']
            total = sum(len(group['processes']) for group in kept)
            unchanged = plan['unchanged'] + plan['total'] - total
            plan = {**plan, 'groups': kept, 'total': total, 'unchanged': unchanged}
        return plan

    def run(
        self, groups: list[str], options: dict[str, Any], if_busy: str, secrets: bool
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The plan made just before, and the apply when it is over.

        Refused if it may not begin; Lost if its end cannot be seen.
        """
        sent = {**options, 'if_busy': 'queue' if if_busy == 'queue' else 'fail'}
        for _attempt in range(MOST_ATTEMPTS):
            plan = self.plan(groups, options['prune'], secrets)
            try:
                return plan, self._follower.apply(groups, sent)
            except Refused as fault:
                if fault.code != BUSY or if_busy != 'wait':
                    raise
                refusal = fault
            self._follower.outlast({group['group'] for group in plan['groups']})
        raise refusal
