"""How many examples a property test tries.

HYPOTHESIS_PROFILE says which profile of tests/conftest.py holds: `everyday`, the default, has the
checks answer soon; `thorough` is for `make test-all`.
"""

from __future__ import annotations

import os

from hypothesis import settings


def examples(everyday: int, thorough: int) -> settings:
    """Above a property test: so many examples in each of the two profiles."""
    chosen = {'everyday': everyday, 'thorough': thorough}
    return settings(max_examples=chosen[os.environ.get('HYPOTHESIS_PROFILE', 'everyday')])
