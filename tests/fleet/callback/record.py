"""A callback of Ansible's for the fleet's tests: what happens, a line of JSON each, in the file that
FLEET_RECORD names.

{"event": "ok" | "failed" | "unreachable" | "skipped", "host", "task", "result"} for each task on each
host, and {"event": "stats", "hosts": {host: {"ok": 3, "changed": 1, ...}}} at the end. (The callbacks
that ansible-core brings along differ between its releases; this one needs what all of them have.)
"""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.plugins.callback import CallbackBase  # type: ignore[import-not-found]

DOCUMENTATION = """
name: record
type: aggregate
short_description: what happens, for the tests
description: A line of JSON for each result.
"""


class CallbackModule(CallbackBase):
    """Writes each result as it comes."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = 'aggregate'
    CALLBACK_NAME = 'record'
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        self._result('ok', result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._result('failed', result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._result('unreachable', result)

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._result('skipped', result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._write({'event': 'stats', 'hosts': {h: stats.summarize(h) for h in stats.processed}})

    def _result(self, event: str, result: Any) -> None:
        # Releases before 2.19 have only the names with an underscore, later ones deprecate them.
        new = hasattr(result, 'result')
        host = result.host if new else result._host
        task = result.task if new else result._task
        told = result.result if new else result._result
        self._write(
            {
                'event': event,
                'host': host.get_name(),
                'task': task.get_name(),
                'result': {key: value for key, value in told.items() if key[:1] != '_'},
            }
        )

    def _write(self, line: dict[str, Any]) -> None:
        with open(os.environ['FLEET_RECORD'], 'a', encoding='utf-8') as file:
            file.write(json.dumps(line, default=str) + '\n')
