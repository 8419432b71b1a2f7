"""The chaos run's own judge of what restarts say can say no."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.word import Log

SPAWNED = "INFO spawned: 'web0' with pid 7"
DIED = 'WARN exited: web0 (exit status 1; not expected)'
AS_EXPECTED = 'INFO exited: web0 (exit status 0; expected)'
ENDED = 'INFO restarter: restart 3 of web succeeded after 1.000 s: 1 of 1 done'
RESTART: dict[str, Any] = {
    'id': '3',
    'processes': [{'group': 'web', 'name': 'web0', 'phase': 'ready', 'new_pid': 7}],
}


@pytest.mark.parametrize(
    ('lines', 'untrue'),
    [
        ([SPAWNED, DIED, ENDED], ['web:web0 (7)']),
        ([SPAWNED, DIED, SPAWNED.replace('7', '8'), ENDED], ['web:web0 (7)']),
        ([SPAWNED, ENDED, DIED], []),
        ([SPAWNED, AS_EXPECTED, ENDED], []),
        (["INFO spawned: 'web0' with pid 6", DIED, SPAWNED, ENDED], []),
        ([SPAWNED, DIED], []),
    ],
)
def test_what_is_called_ready_may_not_have_died_before(lines, untrue):
    log = Log()
    log.read(lines[:2])
    log.read(lines[2:])
    assert log.untrue(RESTART) == untrue


def test_what_is_called_failed_may():
    log = Log()
    log.read([SPAWNED, DIED, ENDED])
    assert (
        log.untrue({**RESTART, 'processes': [{**RESTART['processes'][0], 'phase': 'failed'}]}) == []
    )
