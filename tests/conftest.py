"""For all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.surroundings import settle

settle()

# Machines are shared and noisy: how long an example takes says nothing about what is tested.
settings.register_profile(
    'shared machine', deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile('shared machine')
