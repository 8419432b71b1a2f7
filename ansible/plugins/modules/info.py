#!/usr/bin/python
# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""The module supervisor.restarter.info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: info
short_description: Tell of the processes under Supervisor, their restarts and the plan of one
version_added: 1.0.0
description:
  - Asks supervisord, through the plugin supervisor-restarter, which processes there are, which restarts run, wait and
    have ended, and what a restart would do. Nothing is touched.
author:
  - supervisor-restarter contributors (!UNKNOWN)
extends_documentation_fragment:
  - supervisor.restarter.connection
  - supervisor.restarter.restart
  - supervisor.restarter.rolling
attributes:
  action_group:
    description: With C(group/supervisor.restarter.all) in C(module_defaults), all modules get the same options.
    support: full
    membership: [supervisor.restarter.all]
  check_mode:
    description: It only looks.
    support: full
  diff_mode:
    description: There is never a difference.
    support: N/A
  platform:
    description: The systems on which supervisord runs.
    support: full
    platforms: posix
options:
  names:
    description:
      - Which processes, and which groups' restarts, in the same forms as in M(supervisor.restarter.processes).
    type: list
    elements: str
    default: [all]
    aliases: [name]
  gather:
    description:
      - What to return. V(plan) is that of a restart of O(names) with the options that are given.
    type: list
    elements: str
    choices: [processes, restarts, plan]
    default: [processes, restarts]
  restart:
    description:
      - The ID of a restart that is returned in full, with its processes.
    type: str
"""

EXAMPLES = r"""
- name: All processes, and the restarts that supervisord remembers
  supervisor.restarter.info:
  register: supervisor
  become: true

- name: Nothing is restarted while another restart runs
  ansible.builtin.assert:
    that: supervisor.restarts | rejectattr('finished_at') | length == 0

- name: What a restart of the group web would do
  supervisor.restarter.info:
    name: web
    gather: [plan]
    newer_than: /srv/web/current
    max_unavailable: 25%
  become: true

- name: How the restart 7 has ended
  supervisor.restarter.info:
    gather: []
    restart: '7'
  become: true
"""

RETURN = r"""
version:
  description: The version of the plugin.
  returned: always
  type: str
  sample: 1.0.0
processes:
  description: The processes that O(names) means, in the order of their groups.
  returned: when O(gather) has V(processes)
  type: list
  elements: dict
  contains:
    name:
      description: Its name as supervisorctl writes it.
      type: str
    group:
      description: The name of its process group.
      type: str
    state:
      description: The state that Supervisor gives it.
      type: str
    pid:
      description: Its pid, 0 if it does not run.
      type: int
    started_at:
      description: When it was started last, ISO 8601 in UTC, in whole seconds. Empty if never.
      type: str
    uptime:
      description: Seconds since then, 0 if it does not run.
      type: int
    exit_status:
      description: The exit status with which it has ended, -1 if a signal ended it, 0 while it runs.
      type: int
    reason:
      description: Why it could not be started. Mostly empty.
      type: str
  sample:
    - name: 'web:0'
      group: web
      state: RUNNING
      pid: 4711
      started_at: '2026-01-31T12:00:00Z'
      uptime: 3600
      exit_status: 0
      reason: ''
restarts:
  description:
    - Running, queued and remembered restarts of these groups, newest first; also what M(supervisor.restarter.config)
      has applied, as C(kind) tells. The page on XML-RPC in the plugin's documentation has all keys.
  returned: when O(gather) has V(restarts)
  type: list
  elements: dict
  sample:
    - id: '7'
      groups: [web]
      state: succeeded
      requested_at: '2026-01-31T12:00:00.000Z'
      finished_at: '2026-01-31T12:00:04.210Z'
      total: 8
      done: 8
      failed: 0
      lowest_ready: 6
plan:
  description: What a restart would do, as M(supervisor.restarter.processes) returns it in check mode.
  returned: when O(gather) has V(plan)
  type: dict
  sample:
    groups: [web]
    total: 1
    batches:
      - number: 1
        after: 0.0
        longest: 40.2
        processes:
          - {group: web, name: '0', state: RUNNING, pid: 4711, action: restart}
    left: []
    warnings: []
restart:
  description: The restart in full, as the page on XML-RPC in the plugin's documentation has it.
  returned: when O(restart) is given
  type: dict
  sample:
    id: '7'
    groups: [web]
    state: failed
    total: 1
    failed: 1
    processes:
      - {group: web, name: '0', phase: failed, old_pid: 4711, new_pid: 4723, error: exit status 3}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.supervisor.restarter.plugins.module_utils import (
    connection,
    gathering,
    options,
    urls,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble

ARGUMENTS: dict[str, dict[str, Any]] = {
    'names': {'type': 'list', 'elements': 'str', 'default': ['all'], 'aliases': ['name']},
    'gather': {
        'type': 'list',
        'elements': 'str',
        'choices': ['processes', 'restarts', 'plan'],
        'default': ['processes', 'restarts'],
    },
    'restart': {'type': 'str'},
    **options.RESTART,
    **options.CONNECTION,
}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    module.no_log_values.update(urls.secrets(module.params['serverurl']))
    try:
        restarter = connection.connected(module.params)
        result = gathering.gathered(module.params, restarter)
    except Trouble as trouble:
        module.fail_json(msg=str(trouble))
    module.exit_json(changed=False, **result)


if __name__ == '__main__':
    main()
