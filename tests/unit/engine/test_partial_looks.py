"""The property tests once more, where in each turn a copy of the operation looks at all processes: it
finds nothing that was passed over by looking only at those that have changed.
"""

from __future__ import annotations

import pytest

from tests.unit.engine import (
    test_beside_properties,
    test_operation_properties,
    test_reversal_properties,
    test_rolling_properties,
)
from tests.world import Drive

test_surges = test_beside_properties.test_what_holds_for_every_restart_with_commands_and_surge
test_plain_restarts = test_operation_properties.test_what_holds_for_every_restart
test_starts_and_stops = test_operation_properties.test_what_holds_for_every_start_and_stop
test_reversals = test_reversal_properties.test_what_holds_there_and_back
test_rolling_restarts = test_rolling_properties.test_what_holds_for_every_rolling_restart


@pytest.fixture(autouse=True, scope='module')
def doubting():
    Drive.doubting = True
    yield
    Drive.doubting = False
