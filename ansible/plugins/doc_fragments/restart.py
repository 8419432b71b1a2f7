# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""Which processes a restart takes down, and when it gives up."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  newer_than:
    description:
      - Absolute paths on the host of supervisord. Processes that started after the last change of any of these are left
        alone, as they are new already. A symlink counts by its own change and by that of what it points to.
      - This makes a restart idempotent, and it makes the next run right where a handler was lost or a run was aborted.
      - A process that is left alone but is not ready is waited for, and fails if it does not become ready.
      - Without it, all processes are restarted. An empty list is refused.
    type: list
    elements: path
  max_unavailable:
    description:
      - How many processes of a group may be not ready at once, as a count such as V(1), or a percentage such as V(25%).
      - Without it, what the program says holds (C(RESTARTER_MAX_UNAVAILABLE)), then the configuration of supervisord,
        then 100%, which is all at once.
    type: str
  max_surge:
    description:
      - Of how many processes of a group at once the new one is started beside the old one, which is stopped when the
        new one is ready; a count such as V(1), or a percentage such as V(25%).
      - Only for programs that say C(RESTARTER_SURGE="yes"), and fcgi programs; refused where there are none.
      - Without it, what the configuration says holds, then 0.
    type: str
  timeout:
    description:
      - Seconds after which nothing further is taken down; what is down still comes back, and that is waited for. V(0)
        means no limit.
      - Without it, what the configuration says holds, and where that says nothing, there is no limit.
    type: float
  on_failure:
    description:
      - V(abort) takes no further process down after one has failed, V(continue) carries on.
      - Without it, what the configuration says holds, then V(abort).
    type: str
    choices: [abort, continue]
  only_running:
    description:
      - Leave processes that are not running as they are.
      - Without it, what the configuration says holds, then V(false), so that what is named outright is started if it is
        down.
    type: bool
"""
