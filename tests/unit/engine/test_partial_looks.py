"""The property tests once more, where in each turn a copy of the operation looks at all processes: it
finds nothing that was passed over by looking only at those that have changed.
"""

from __future__ import annotations

import pytest

from tests.unit.engine.test_beside_properties import *  # noqa: F403
from tests.unit.engine.test_operation_properties import *  # noqa: F403
from tests.unit.engine.test_reversal_properties import *  # noqa: F403
from tests.unit.engine.test_rolling_properties import *  # noqa: F403
from tests.world import Drive


@pytest.fixture(autouse=True, scope='module')
def doubting():
    Drive.doubting = True
    yield
    Drive.doubting = False
