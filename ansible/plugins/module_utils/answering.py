# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""How a module that acts ends: with its results, or with one line that says why there are none."""

from __future__ import annotations

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.supervisor.restarter.plugins.module_utils import outcomes, urls
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble
from ansible_collections.supervisor.restarter.plugins.module_utils.following import Lost


def answer(
    module: AnsibleModule, work: Callable[[], dict[str, Any]], said: Callable[[Trouble], str]
) -> None:
    """Does the work, and exits with what it returns. said: the line for what has gone wrong."""
    module.no_log_values.update(urls.secrets(module.params['serverurl']))
    try:
        result = work()
    except Lost as lost:
        result = {'failed': True, 'msg': str(lost), **outcomes.of_lost(lost.restart)}
    except Trouble as trouble:
        result = {'failed': True, 'msg': said(trouble)}
    for warning in result.pop('warnings', []):
        module.warn(warning)
    if not module._diff:
        result.pop('diff', None)
    if result.pop('failed'):
        module.fail_json(**result)
    module.exit_json(**result)
