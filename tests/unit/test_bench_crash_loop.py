"""What bench.crash_loop runs, and how it judges. No processes."""

import pytest

from bench import crash_loop
from supervisor_restarter.readiness import spec
from tests.unit.test_bench_recipes import groups


@pytest.mark.parametrize('probe', crash_loop.PROBES)
def test_the_crash_loop_has_a_group_with_each_probe(probe, tmp_path):
    [group] = groups(crash_loop.recipe(probe).section, tmp_path)
    assert len(group.process_configs) == crash_loop.PROCESSES
    assert {
        spec.parse(config.environment['RESTARTER_READY']).kind for config in group.process_configs
    } == {probe}


@pytest.mark.parametrize(
    ('status', 'reached', 'failed', 'good'),
    [
        (1, 1, {}, True),
        (1, 2, {}, True),
        (0, 1, {}, False),
        (1, 3, {}, False),
        (1, 0, {}, False),
        (1, 1, {'status 502': 1}, False),
    ],
)
def test_a_crash_loop_must_end_early_and_unnoticed(status, reached, failed, good):
    assert crash_loop.Outcome(status, reached, 9, failed, 0.1, 5.0, '').good() is good
