# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""How processes are taken down and brought up: options of a restart and of an apply."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  stagger_factor:
    description:
      - In how many waves processes are taken down. Without it, what the configuration says holds, then 1.
    type: int
  delay:
    description:
      - Seconds between two of these waves. Without it, what the configuration says holds, then 0.2.
    type: float
  scout:
    description:
      - With O(max_unavailable), seconds that the first process of a group must be up before the next one is taken down.
        V(0) means that it does not go alone. Without it, what the configuration says holds, then 5.
    type: float
  min_ready:
    description:
      - Seconds that a new process must stay ready before it counts.
      - Without it, what the program says holds (C(RESTARTER_MIN_READY)), then the configuration, then 0.
    type: float
  ready_timeout:
    description:
      - Seconds from its start in which a process with C(RESTARTER_READY) must become ready. V(0) means no limit.
      - Without it, what the program says holds (C(RESTARTER_READY_TIMEOUT)), then the configuration, then 30.
    type: float
  hook_timeout:
    description:
      - Seconds that a command of the program may take (C(RESTARTER_BEFORE_STOP), C(RESTARTER_AFTER_READY)). V(0) means
        no limit. Without it, what the configuration says holds, then 30.
    type: float
  stop_timeout:
    description:
      - Seconds from the stop signal to SIGKILL.
      - Without it, what the configuration says holds, then C(stopwaitsecs) of the program.
    type: float
"""
