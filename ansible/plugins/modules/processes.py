#!/usr/bin/python
# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""The module supervisor.restarter.processes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: processes
short_description: Restart, start, stop and signal programs under Supervisor
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.supervisor.restarter.plugins.module_utils import (
    connection,
    options,
    outcomes,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble
from ansible_collections.supervisor.restarter.plugins.module_utils.following import Follower, Lost
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
    module.no_log_values.update(connection.secrets(module.params))
    try:
        options.refuse_meaningless(module.params)
        restarter = connection.connected(module.params)
        result = outcome(module.params, restarter, module.check_mode)
    except Lost as lost:
        result = {'failed': True, 'msg': str(lost), **outcomes.of_lost(lost.restart)}
    except Trouble as trouble:
        result = {'failed': True, 'msg': str(trouble)}
    for warning in result.pop('warnings', []):
        module.warn(warning)
    if not module._diff:
        result.pop('diff', None)
    if result.pop('failed'):
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == '__main__':
    main()
