#!/usr/bin/python
# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""The module supervisor.restarter.config."""

from __future__ import annotations

DOCUMENTATION = r"""
module: config
short_description: Apply the changed configuration files of Supervisor without taking a service down
version_added: 1.0.0
description:
  - Compares supervisord's configuration files with what runs, and applies what differs. Only processes whose command,
    environment or the like has changed are restarted, a few at a time. Everything else changes while they run.
  - If a new process does not become ready, the old configuration goes back, and the processes that were restarted are
    restarted with it. The module fails then, and the files still hold the new configuration. A C(rescue) can put the
    previous file back; the page on a fleet in the plugin's documentation has one.
  - It asks the plugin supervisor-restarter inside supervisord, which carries it out by itself, also if the connection
    is lost or the run is aborted.
  - The files are those that supervisord was started with. O(config) says only where supervisord listens.
  - It does what C(supervisorctl update) is used for. That one takes each changed group down as a whole.
author:
  - supervisor-restarter contributors (!UNKNOWN)
extends_documentation_fragment:
  - supervisor.restarter.connection
  - supervisor.restarter.rolling
attributes:
  action_group:
    description: With C(group/supervisor.restarter.all) in C(module_defaults), all modules get the same options.
    support: full
    membership: [supervisor.restarter.all]
  check_mode:
    description:
      - What would be applied is asked of supervisord, and returned as RV(plan). Nothing is touched.
      - The plan is that of the files as they are. What an earlier task of the same run would write is not in it.
    support: full
  diff_mode:
    description: A line for each key and each process that changes, as it is and as the files have it.
    support: full
  platform:
    description: The systems on which supervisord runs.
    support: full
    platforms: posix
options:
  names:
    description:
      - Which process groups, by their names in the files or, of those that are no longer there, among what runs.
        V(all) means all of them.
      - Globs and single processes are not taken, as the files are about groups. An empty list is refused.
    type: list
    elements: str
    default: [all]
    aliases: [name]
  max_unavailable:
    description:
      - How many processes of a group may be not ready at once, as a count such as V(1), or a percentage such as V(25%).
      - Without it, what the program says holds (C(RESTARTER_MAX_UNAVAILABLE)), then the configuration of supervisord,
        then 25%.
    type: str
  timeout:
    description:
      - Seconds after which it is given up, and the old configuration goes back. V(0) means no limit.
      - With O(rollback=false), nothing further is taken down after that; what is down still comes back, and that is
        waited for.
      - Without it, what the configuration says holds, and where that says nothing, there is no limit.
    type: float
  on_failure:
    description:
      - V(abort) takes no further process down after one has failed, V(continue) carries on.
      - V(continue) needs O(rollback=false). Without it, what the configuration says holds, then V(abort).
    type: str
    choices: [abort, continue]
  rollback:
    description:
      - Whether the old configuration goes back if a process does not become ready or cannot be started, if O(timeout)
        is over, or if somebody cancels it.
      - With V(false), processes that have the new configuration keep it, and those that were not reached keep the old
        one.
    type: bool
    default: true
  prune:
    description:
      - Whether groups that are no longer in the files are removed. Processes that a changed group no longer has are
        removed in any case.
    type: bool
    default: true
  secrets:
    description:
      - Whether RV(plan) and C(--diff) show values that look like secrets, such as C(DB_PASSWORD) in an C(environment).
        Otherwise they are C((hidden)).
    type: bool
    default: false
  if_busy:
    description:
      - What to do if a group that changes is being restarted, or another apply is changing it.
      - V(fail) refuses. V(queue) asks supervisord to apply the files afterwards, as they are then; RV(plan) is that
        of the moment when it was asked. V(wait) follows the other one to its end before it asks for anything, so that a
        run that is aborted meanwhile applies nothing.
      - In check mode, others are not looked at.
    type: str
    choices: [fail, queue, wait]
    default: fail
"""

EXAMPLES = r"""
- name: Write the section of the web workers
  ansible.builtin.template:
    src: web.conf.j2
    dest: /etc/supervisor/conf.d/web.conf
    mode: '0644'
  become: true

- name: Apply what has changed, one process at a time
  supervisor.restarter.config:
    max_unavailable: 1
  become: true

- name: Apply two groups alone, and remove no group
  supervisor.restarter.config:
    names: [web, worker]
    prune: false
    min_ready: 5
    if_busy: queue
  become: true

- name: What supervisord runs is what its files say
  supervisor.restarter.config:
  check_mode: true
  register: applied
  failed_when: applied is failed or applied is changed
  become: true
"""

RETURN = r"""
msg:
  description:
    - What was done, or would be done in check mode, in one sentence.
    - On failure the reason of the process that failed first, and which configuration runs now.
  returned: always
  type: str
  sample: >-
    web:1: not ready within 30 s: tcp://127.0.0.1:8001: connection refused; rolled back: the old configuration runs
    again, and the files still hold the new one
plan:
  description:
    - What the files change, as supervisord tells it. In check mode this is all; otherwise it was asked just before.
    - With O(prune=false), without the groups that are no longer in the files.
    - The page on XML-RPC in the plugin's documentation has all its keys.
  returned: always, unless the files or the connection are at fault
  type: dict
  contains:
    groups:
      description: The groups that change, each with its C(action), C(changes) and C(processes).
      type: list
      elements: dict
    total:
      description: How many processes change.
      type: int
    unchanged:
      description: How many do not, and are not listed.
      type: int
    reload:
      description: What only a reload of supervisord applies. This is a warning of the module, too.
      type: list
      elements: str
    warnings:
      description: What supervisord's parser warns of, for example. These are warnings of the module, too.
      type: list
      elements: str
  sample:
    groups:
      - group: web
        action: change
        changes: []
        processes:
          - name: '0'
            action: restart
            state: RUNNING
            pid: 4711
            follows: ''
            changes:
              - {key: command, what: changed, old: /srv/web 1, new: /srv/web 2, effect: restart}
        unchanged: 3
    total: 1
    unchanged: 3
    reload: []
    warnings: []
processes:
  description: What has become of each process that was to be stopped or started.
  returned: when something was applied; where its end could not be seen, as far as it was
  type: list
  elements: dict
  contains:
    name:
      description: Its name as supervisorctl writes it.
      type: str
    group:
      description: The name of its process group.
      type: str
    action:
      description: What was to be done to it, V(restart), V(start) or V(remove).
      type: str
    phase:
      description:
        - V(ready), V(stopped) (with V(remove)), V(failed), or V(skipped), which means that it was not reached, or that
          somebody else has stopped it.
        - After a rollback it is that of the process with the old configuration.
      type: str
    old_pid:
      description: Its pid before, 0 if it was not running.
      type: int
    new_pid:
      description: Its pid afterwards, 0 if it does not run.
      type: int
    seconds_down:
      description: Seconds from the exit of the old process to the start of the new one.
      type: float
    ready_seconds:
      description: Seconds from its start until it was ready.
      type: float
    reason:
      description:
        - Why it failed or was left alone, or a remark, such as C(rolled back). Mostly empty.
        - A process that has failed keeps its reason after the rollback.
      type: str
    killed:
      description: Whether it did not heed its stop signal in time and got SIGKILL.
      type: bool
  sample:
    - name: 'web:0'
      group: web
      action: restart
      phase: ready
      old_pid: 4711
      new_pid: 4723
      seconds_down: 0.004
      ready_seconds: 1.013
      reason: ''
      killed: false
at_once:
  description:
    - What needed neither a stop nor a start. The C(name) is that of supervisorctl, and C(web:*) for the group itself.
    - The C(action) is V(live), V(later) (it is down, and has it from its next start on), V(add) (it is there, and not
      started) or V(drop) (it was down, and is removed).
    - After a rollback none of it holds any more.
  returned: when something was applied
  type: list
  elements: dict
  sample:
    - {group: web, name: 'web:3', action: later}
total:
  description: How many processes were to be stopped or started; in check mode, how many change in any way.
  returned: when RV(processes) is, and in check mode
  type: int
  sample: 8
lowest_ready:
  description: The fewest of RV(processes) that were ready at any moment, without those that were to be removed.
  returned: when something was applied
  type: int
  sample: 6
restart:
  description:
    - The apply as supervisord tells of it, without its processes. The page on XML-RPC in the plugin's documentation has
      all its keys.
  returned: when something was applied
  type: dict
  contains:
    id:
      description: Its ID, for C(supervisorctl_restart_group --status ID).
      type: str
    state:
      description: V(succeeded), V(rolled_back), V(failed), V(cancelled) or V(timed_out).
      type: str
    why:
      description: Why it was rolled back or cancelled. Mostly empty.
      type: str
    duration:
      description: Seconds that it took.
      type: float
  sample:
    id: '7'
    kind: apply
    state: succeeded
    why: ''
    groups: [web]
    total: 8
    done: 8
    failed: 0
    duration: 4.21
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.supervisor.restarter.plugins.module_utils import (
    applied,
    applying,
    connection,
    options,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.answering import answer
from ansible_collections.supervisor.restarter.plugins.module_utils.applying import Applier
from ansible_collections.supervisor.restarter.plugins.module_utils.patience import Patience
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter

ARGUMENTS: dict[str, dict[str, Any]] = {
    'names': {'type': 'list', 'elements': 'str', 'default': ['all'], 'aliases': ['name']},
    'secrets': {'type': 'bool', 'default': False},
    'if_busy': {'type': 'str', 'choices': ['fail', 'queue', 'wait'], 'default': 'fail'},
    **options.APPLY,
    **options.CONNECTION,
}


def outcome(params: dict[str, Any], restarter: Restarter, check_mode: bool) -> dict[str, Any]:
    """What was done, or would be done in check mode. Trouble if it cannot be."""
    groups, secrets = applying.groups_of(params['names']), params['secrets']
    applier = Applier(restarter, Patience())
    if check_mode:
        return applied.of_plan(applier.plan(groups, params['prune'], secrets))
    asked = options.given(params, options.APPLY)
    return applied.of_apply(*applier.run(groups, asked, params['if_busy'], secrets))


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)

    def work() -> dict[str, Any]:
        return outcome(module.params, connection.connected(module.params), module.check_mode)

    answer(module, work, applying.with_hint)


if __name__ == '__main__':
    main()
