#!/usr/bin/python
# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""The module supervisor.restarter.processes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: processes
short_description: Restart, start, stop and signal programs under Supervisor
version_added: 1.0.0
description:
  - Restarts processes all at once or a few at a time, waits until the new ones are ready, and restarts with
    O(newer_than) only what is older than a release.
  - It asks the plugin supervisor-restarter inside supervisord, which carries the restart out by itself. What it has
    taken down comes back, also if the connection is lost or the run is aborted.
  - The result is changed if a process has another pid than before, or was sent the signal.
  - The configuration is used as supervisord has read it; nothing is reread and no group is added or removed. That is
    what M(supervisor.restarter.config) does.
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
    description: What would be done is asked of supervisord, and returned as RV(plan). Nothing is touched.
    support: full
  diff_mode:
    description: A line for each process, with its state and pid before and what has become or would become of it.
    support: full
  platform:
    description: The systems on which supervisord runs.
    support: full
    platforms: posix
options:
  names:
    description:
      - Which processes. V(web), V(web:) and V(web:*) mean the group, V(web:3) one process, V(we*) or V(web:1?) is a
        glob over C(group:process), and V(all) means everything.
      - If one of the names matches nothing, nothing is done, and the module fails.
      - What was stopped on purpose, or never started, is started only if it or its group is named, not if a glob or
        V(all) matches it. So O(state=stopped) of V(all) is not undone by O(state=started) of V(all); name the groups.
      - One string with commas is split. A name that has a comma in it, which Supervisor allows, has to be an item of
        a list.
    type: list
    elements: str
    required: true
    aliases: [name]
  state:
    description:
      - V(restarted) restarts each process and waits until all are ready again. Without O(newer_than) it restarts them
        each time.
      - V(started) starts what is down and waits until it is ready. What is up is left alone, and fails if it does not
        become ready. What says how processes are taken down has no meaning with it, and is refused, as are
        O(newer_than) and O(only_running).
      - V(stopped) stops all of them at the same time and waits until they have exited. Of the options of a restart it
        takes O(timeout) alone, which are then the seconds after which the module fails if a process has not exited.
        That process still stops. Without O(timeout) there is no limit but C(stopwaitsecs) of each program.
      - V(signalled) sends O(signal) instead of restarting, in the same batches. What has ended is started.
        O(stop_timeout) is refused.
    type: str
    required: true
    choices: [started, stopped, restarted, signalled]
  signal:
    description:
      - The name of the signal, such as V(HUP) or V(SIGHUP). Required with O(state=signalled), and only allowed there.
    type: str
  if_busy:
    description:
      - What to do if one of the groups is being restarted already.
      - V(fail) refuses, V(queue) waits and restarts afterwards, V(wait) follows that restart to its end and reports it
        as the result, and begins none. An apply of M(supervisor.restarter.config) is waited for as well, and then the
        restart begins.
      - With V(wait), the restart that is followed is one of some of the groups, with its own names and options, and may
        have begun before the last change of O(newer_than). With O(newer_than), V(queue) is exact; it restarts what is
        still older when its turn comes, which may be nothing.
      - It has no meaning with O(state=stopped). A stop is never refused, as the newer decision wins. In check mode,
        other restarts are not looked at.
    type: str
    choices: [fail, queue, wait]
    default: fail
"""

EXAMPLES = r"""
- name: Restart the web workers that are older than the release, a quarter of them at a time
  supervisor.restarter.processes:
    name: web
    state: restarted
    newer_than: /srv/web/current
    max_unavailable: 25%
  become: true

- name: Restart two groups, whichever supervisord is asked, and queue behind another restart
  supervisor.restarter.processes:
    names: [web, 'worker:*']
    state: restarted
    if_busy: queue
    serverurl: http://127.0.0.1:9001
    username: deploy
    password: "{{ supervisor_password }}"

- name: All is up and ready that nobody has stopped on purpose
  supervisor.restarter.processes:
    name: all
    state: started
  become: true

- name: Stop one process and those whose names begin with batch
  supervisor.restarter.processes:
    names: ['web:3', 'batch*']
    state: stopped
    timeout: 60
  become: true

- name: Have nginx read its configuration again
  supervisor.restarter.processes:
    name: nginx
    state: signalled
    signal: HUP
  become: true

- name: A fleet, host after host, which stops at the first host that does not come up
  hosts: web
  serial: [1, 1, '100%']
  max_fail_percentage: 0
  become: true
  tasks:
    - name: Restart what is older than the release
      supervisor.restarter.processes:
        name: web
        state: restarted
        newer_than: /srv/web/current
        max_unavailable: 1
"""

RETURN = r"""
msg:
  description:
    - What was done, or would be done in check mode, in one sentence.
    - On failure the reason of the first process that failed, in the order of their turns, and how many more failed.
  returned: always
  type: str
  sample: 'web:1: not ready within 30 s: tcp://127.0.0.1:8001: connection refused (and 3 more)'
processes:
  description:
    - What has become of each process. With O(state=stopped), those are left out that a glob or a group matches and that
      were not running.
  returned: when something was done; where its end could not be seen, as far as it was
  type: list
  elements: dict
  contains:
    name:
      description: Its name as supervisorctl writes it.
      type: str
      sample: 'web:0'
    group:
      description: The name of its process group.
      type: str
      sample: web
    phase:
      description:
        - V(ready), V(stopped) (with O(state=stopped)), V(failed), or V(skipped), which means that it was left alone or
          not reached.
        - Where the end of a restart could not be seen also V(waiting), V(stopping), V(stopped) or V(starting).
      type: str
      sample: ready
    old_pid:
      description: Its pid before, 0 if it was not running.
      type: int
      sample: 4711
    new_pid:
      description:
        - Its pid afterwards, 0 if it does not run.
        - Where it was started and has ended again, by itself or because another client stopped it, the pid that it had.
      type: int
      sample: 4723
    seconds_down:
      description: Seconds from the exit of the old process to the start of the new one.
      type: float
      sample: 0.004
    ready_seconds:
      description: Seconds from its start until it was ready.
      type: float
      sample: 1.013
    reason:
      description: Why it failed or was left alone, or a remark. Mostly empty.
      type: str
      sample: already newer than /srv/web/current
    killed:
      description: Whether it did not heed its stop signal in time and got SIGKILL. Not known with O(state=stopped).
      type: bool
      sample: false
  sample:
    - name: 'web:0'
      group: web
      phase: ready
      old_pid: 4711
      new_pid: 4723
      seconds_down: 0.004
      ready_seconds: 1.013
      reason: ''
      killed: false
total:
  description: How many processes that are.
  returned: when RV(processes) or RV(plan) is
  type: int
  sample: 8
lowest_ready:
  description: The fewest of them that were ready at any moment.
  returned: for a restart, start or signal that was done
  type: int
  sample: 6
followed:
  description: Whether the result is that of another client's restart, because of O(if_busy=wait).
  returned: for a restart, start or signal that was done
  type: bool
  sample: false
restart:
  description:
    - The restart as supervisord tells of it, without its processes. The page on XML-RPC in the plugin's documentation
      has all its keys.
  returned: for a restart, start or signal that was done
  type: dict
  contains:
    id:
      description: Its ID, for C(supervisorctl_restart_group --status ID).
      type: str
    state:
      description: V(succeeded), V(failed), V(cancelled) or V(timed_out).
      type: str
    duration:
      description: Seconds that it took.
      type: float
    groups:
      description: The names of its process groups.
      type: list
      elements: str
    options:
      description: The options that held.
      type: dict
    policies:
      description: What held in each group, and where it comes from.
      type: list
      elements: dict
    warnings:
      description: What its plan warned of. These are warnings of the module, too.
      type: list
      elements: str
  sample:
    id: '7'
    state: succeeded
    groups: [web]
    total: 8
    done: 8
    failed: 0
    duration: 4.21
plan:
  description:
    - What would be done, as supervisord tells it. The page on XML-RPC in the plugin's documentation has all its keys.
    - With O(state=stopped) it has the key V(processes) alone, with the C(action) of each, which is V(stop) or empty.
  returned: in check mode
  type: dict
  contains:
    total:
      description: How many processes would be restarted, started or signalled.
      type: int
    batches:
      description: Which of them at the same time. Each batch has a number, and processes with an action.
      type: list
      elements: dict
    left:
      description: Those that would be left alone, each with its reason.
      type: list
      elements: dict
    warnings:
      description: What to know before. These are warnings of the module, too.
      type: list
      elements: str
  sample:
    groups: [web]
    total: 1
    batches:
      - number: 1
        after: 0.0
        longest: 40.2
        processes:
          - {group: web, name: '0', state: RUNNING, pid: 4711, action: restart}
    left:
      - {group: web, name: '1', state: RUNNING, pid: 4723, reason: already newer than /srv/web/current}
    warnings: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.supervisor.restarter.plugins.module_utils import (
    connection,
    options,
    outcomes,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.answering import answer
from ansible_collections.supervisor.restarter.plugins.module_utils.following import Follower
from ansible_collections.supervisor.restarter.plugins.module_utils.patience import Patience
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter
from ansible_collections.supervisor.restarter.plugins.module_utils.stopping import Stopper

ARGUMENTS: dict[str, dict[str, Any]] = {
    'names': {'type': 'list', 'elements': 'str', 'required': True, 'aliases': ['name']},
    'state': {
        'type': 'str',
        'required': True,
        'choices': ['started', 'stopped', 'restarted', 'signalled'],
    },
    'signal': {'type': 'str'},
    'if_busy': {'type': 'str', 'choices': ['fail', 'queue', 'wait'], 'default': 'fail'},
    **options.RESTART,
    **options.CONNECTION,
}


def outcome(params: dict[str, Any], restarter: Restarter, check_mode: bool) -> dict[str, Any]:
    """What was done, or would be done in check mode. Trouble if it cannot be."""
    names, state = params['names'], params['state']
    asked = {**options.given(params), **options.method(params)}
    if state == 'stopped':
        if check_mode:
            return outcomes.of_stop_plan(restarter.plan(names, {}))
        return outcomes.of_stop(Stopper(restarter, Patience()).run(names, params['timeout']))
    if check_mode:
        return outcomes.of_plan(restarter.plan(names, asked))
    follower = Follower(restarter, Patience())
    if params['if_busy'] == 'wait':
        return outcomes.of_restart(*follower.run_or_join(names, asked))
    asked['if_busy'] = params['if_busy']
    return outcomes.of_restart(follower.run(names, asked), False)


def main() -> None:
    module = AnsibleModule(
        ARGUMENTS, supports_check_mode=True, required_if=[('state', 'signalled', ['signal'])]
    )

    def work() -> dict[str, Any]:
        options.refuse_meaningless(module.params)
        return outcome(module.params, connection.connected(module.params), module.check_mode)

    answer(module, work, lambda trouble: options.in_own_words(str(trouble)))


if __name__ == '__main__':
    main()
