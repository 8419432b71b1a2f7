"""For all tests: what they find, how much hypothesis tries, which ones run where, and the order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.surroundings import settle

settle()

# Machines are shared and noisy: how long an example takes says nothing about what is tested.
COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile('everyday', COMMON, max_examples=30)
settings.register_profile('thorough', COMMON, max_examples=500)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'everyday'))

# What depends on Supervisor's own code and so, in `make test`, runs on every release of it; all
# other tests run on the newest alone. Folders and files of tests/.
EVERY_RELEASE = (
    'unit/programs',
    'unit/configuration',
    'unit/server',
    'unit/web',
    'unit/client/test_ctlplugin.py',
    'unit/engine/test_world.py',
    'integration/test_apply.py',
    'integration/test_apply_interference.py',
    'integration/test_apply_kinds.py',
    'integration/test_apply_rollback.py',
    'integration/test_apply_scale.py',
    'integration/test_calls.py',
    'integration/test_drain.py',
    'integration/test_drain_interference.py',
    'integration/test_fast_spawn.py',
    'integration/test_fcgi.py',
    'integration/test_hooks.py',
    'integration/test_interference.py',
    'integration/test_metrics.py',
    'integration/test_promises.py',
    'integration/test_setups.py',
    'integration/test_signals.py',
    'integration/test_plan_config.py',
    'integration/test_surge.py',
    'integration/test_surge_interference.py',
    'integration/test_surge_logs.py',
    'integration/test_web.py',
    'integration/test_web_guard.py',
    'integration/test_web_live.py',
    'integration/test_web_proxy.py',
    'integration/test_wake_up.py',
)
# Begun first, so that no worker is left alone with one of them at the end. Files with the longest
# tests, the longest first.
SLOW = (
    'integration/test_fuzzing.py',
    'integration/test_ctl_session.py',
    'integration/test_chaos.py',
    'integration/test_stock_commands.py',
    'integration/test_ctl_commands.py',
    'integration/test_shake.py',
    'integration/test_client_cost.py',
    'integration/test_races.py',
    'integration/test_wheel.py',
    'integration/test_stock_calls.py',
    'integration/test_retry.py',
    'integration/test_crash_loops.py',
)
HERE = Path(__file__).parent


def pytest_configure() -> None:
    missing = [name for name in (*EVERY_RELEASE, *SLOW) if not (HERE / name).exists()]
    if missing:
        raise pytest.UsageError(f'tests/conftest.py names what is not there: {missing}')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not set(places(item)).isdisjoint(EVERY_RELEASE):
            item.add_marker(pytest.mark.every_release)
    rank = {name: number for number, name in enumerate(SLOW)}
    items.sort(key=lambda item: rank.get(places(item)[0], len(SLOW)))


def places(item: pytest.Item) -> list[str]:
    """The item's file below tests/, and the folders that it is in."""
    try:
        path = item.path.relative_to(HERE)
    except ValueError:
        return ['']
    return [str(path), *map(str, path.parents)]
