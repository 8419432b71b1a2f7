"""restarter/metrics: what prometheus_client's own parser reads in it, and its cost."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families
from supervisor.states import ProcessStates

from supervisor_restarter.web import metrics
from supervisor_restarter.web.tally import BOUNDS, Tally
from tests.unit.web.counted import Counted
from tests.unit.web.groups import group

HOSTILE = ['*', 'a "b"\\', '<script>', 'two\nlines', 'x' * 200, 'ä€', '{le="1"} 7', '']
ALL_STATES = {name for name in vars(ProcessStates) if name.isupper()}


def scraped(groups: dict[str, Any], tally: Tally) -> dict[tuple[Any, ...], float]:
    """Every sample of the answer: by its name and the values of its labels, in their order."""
    status, kind, body = metrics.page(groups, tally)
    assert (status, kind) == (200, 'text/plain; version=0.0.4; charset=utf-8')
    samples = [
        sample
        for family in text_string_to_metric_families(body.decode('utf-8'))
        for sample in family.samples
    ]
    found = {(sample.name, *sample.labels.values()): sample.value for sample in samples}
    assert len(found) == len(samples)  # none comes twice
    return found


@pytest.fixture
def web():
    return Counted('web:0', 'web:1')


def test_processes_by_group_and_state(web):
    groups = {'web': group(ProcessStates.RUNNING, ProcessStates.RUNNING, ProcessStates.FATAL)}
    found = scraped({**groups, 'app': group()}, web.tally)
    states: dict[str, dict[str, float]] = {'web': {}, 'app': {}}
    for (name, *labels), value in found.items():
        if name == 'supervisor_processes':
            states[labels[0]][labels[1]] = value
    assert states['web'] == {**dict.fromkeys(ALL_STATES, 0), 'RUNNING': 2, 'FATAL': 1}
    assert states['app'] == dict.fromkeys(ALL_STATES, 0)


def test_a_restart(web):
    groups = {'web': group()}
    name = 'supervisor_restarter_operations_total'
    before = scraped(groups, web.tally)
    # What has not happened yet is 0, so that its first time is seen as an increase.
    assert {key[2:]: value for key, value in before.items() if key[0] == name} == {
        ('restart', 'succeeded'): 0,
        ('restart', 'failed'): 0,
        ('restart', 'cancelled'): 0,
        ('restart', 'timed_out'): 0,
        ('apply', 'succeeded'): 0,
        ('apply', 'failed'): 0,
        ('apply', 'cancelled'): 0,
        ('apply', 'timed_out'): 0,
        ('apply', 'rolled_back'): 0,
    }
    web.ask('web', max_unavailable=1)
    web.to(0.5)
    assert scraped(groups, web.tally)['supervisor_restarter_running_operations', 'web'] == 1
    web.end()
    found = scraped(groups, web.tally)
    assert found[name, 'web', 'restart', 'succeeded'] == 1
    short = {key[0].partition('restarter_')[2]: value for key, value in found.items()}
    assert short['running_operations'] == 0
    assert short['last_lowest_ready_processes'] == short['last_allowed_ready_processes'] == 1
    last = web.tally.groups()['web'].last
    assert last is not None
    assert short['last_finished_timestamp_seconds'] == last.finished
    buckets = [key[2] for key in found if key[0] == 'supervisor_restarter_ready_seconds_bucket']
    assert [*map(float, buckets)] == [*BOUNDS, float('inf')]
    bucket = 'supervisor_restarter_ready_seconds_bucket', 'web'
    assert [found[(*bucket, le)] for le in buckets] == [0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2]
    assert short['ready_seconds_count'] == short['down_seconds_count'] == 2
    assert short['ready_seconds_sum'] == pytest.approx(2.0, abs=0.1)


def test_nothing_is_said_of_a_last_restart_that_there_was_not(web):
    assert not any('last' in key[0] for key in scraped({'web': group()}, web.tally))


def test_any_name_of_a_group_is_a_label(web):
    web.there = set(HOSTILE)
    found = scraped({name: group() for name in HOSTILE}, web.tally)
    running = 'supervisor_restarter_running_operations'
    assert {key[1] for key in found if key[0] == running} == set(HOSTILE)
    assert {key[1] for key in found if key[0] == 'supervisor_processes'} == set(HOSTILE)


def test_nothing_else_is_in_it(web):
    prometheus_client.Counter('of_another_plugin', 'In the registry that all share.')
    assert all(key[0].startswith('supervisor_') for key in scraped({}, web.tally))


def test_as_many_series_however_many_processes(web):
    few, many = ({'web': group(*[ProcessStates.RUNNING] * count)} for count in (1, 500))
    assert len(scraped(few, web.tally)) == len(scraped(many, web.tally)) < 60


@pytest.mark.parametrize('broken', ['prometheus_client', 'prometheus_client.registry'])
def test_without_the_library_one_line_says_how_to_get_it(web, monkeypatch, broken):
    monkeypatch.delitem(sys.modules, 'supervisor_restarter.web.families', raising=False)
    monkeypatch.setitem(sys.modules, broken, None)
    status, kind, body = metrics.page({}, web.tally)
    assert (status, kind) == (404, 'text/plain; charset=utf-8')
    assert body.count(b'\n') == 1
    assert b"python3-prometheus-client, or run `pip install '.[metrics]'`" in body
    monkeypatch.undo()
    assert metrics.page({}, web.tally)[0] == 200  # as soon as it is there


def test_the_library_is_not_imported_at_the_start():
    lines = (
        'import sys, supervisor_restarter.server.plugin; print("prometheus_client" in sys.modules)'
    )
    done = subprocess.run([sys.executable, '-c', lines], capture_output=True, text=True, check=True)
    assert done.stdout == 'False\n'
