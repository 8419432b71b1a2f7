"""What --json prints: one object for every outcome. Numbers are numbers or null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The times of a restart. XML-RPC has no null: what is not set is '' there.
TIMESTAMPS = ('requested_at', 'started_at', 'finished_at')


def result(answer: Mapping[str, Any], status: int) -> dict[str, Any]:
    """A struct of the server's (a restart, a plan) as an object."""
    return {**_plain(answer), 'exit_status': int(status)}


def results(restarts: list[Any], status: int) -> dict[str, Any]:
    """Several restarts."""
    return {'restarts': [_plain(restart) for restart in restarts], 'exit_status': int(status)}


def failed(restart_id: str, error: str, status: int, code: int = 0) -> dict[str, Any]:
    """An error. restart_id: of the restart that has begun, '' for none. code: of the server's
    fault, 0 for none.
    """
    known = {'id': restart_id} if restart_id else {}
    return {**known, 'error': error, 'code': code or None, 'exit_status': int(status)}


def _plain(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The struct with null where nothing is set."""
    found = {key: (value or None) if key in TIMESTAMPS else value for key, value in answer.items()}
    options = found.get('options')
    if isinstance(options, Mapping):
        found['options'] = {key: None if value == '' else value for key, value in options.items()}
    return found
