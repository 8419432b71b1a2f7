"""docs/metrics.md and docs/grafana.json against the metrics that there are. Whether Prometheus takes
their expressions is in tests/integration/test_metrics.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from prometheus_client.core import Metric
from supervisor.states import ProcessStates

from supervisor_restarter.engine.operation import State
from supervisor_restarter.web.families import Families
from supervisor_restarter.web.tally import RESULTS
from tests.pages import page, table
from tests.unit.web.counted import Counted
from tests.unit.web.expressions import DASHBOARD, VALUES, of_alerts, of_panels, targets, variables
from tests.unit.web.groups import group

OF_PROMETHEUS = {'instance', 'job'}  # labels that the scrape adds
VALUES_OF = {
    'state': {name for name in vars(ProcessStates) if name.isupper()},
    'kind': set(RESULTS),
    'result': {result.value for results in RESULTS.values() for result in results},
}


@pytest.fixture(scope='module')
def families() -> list[Metric]:
    """All metrics, with a sample each."""
    web = Counted('web:0')
    web.ask('web')
    web.end()
    return list(Families({'web': group(ProcessStates.RUNNING)}, web.tally).collect())


@pytest.fixture(scope='module')
def labels(families) -> dict[str, set[str]]:
    """The labels of each metric, by the name of its samples."""
    found = {sample.name: set(sample.labels) for one in families for sample in one.samples}
    assert len(found) >= len(families)
    return found


def cells(column: str) -> set[str]:
    return set(re.findall('`(.*?)`', column))


def test_every_metric_is_in_its_page_with_its_type_and_labels(families):
    def name(family: Metric) -> str:
        return f'{family.name}_total' if family.type == 'counter' else family.name

    made = {
        name(one): (one.type, {label for s in one.samples for label in s.labels} - {'le'})
        for one in families
    }
    rows = table(page('metrics'), 'metric')
    assert {row[0].strip('`'): (row[1], cells(row[2])) for row in rows} == made
    assert len(rows) == len(made)


def test_every_value_of_a_label_is_in_its_page():
    assert {
        row[0].strip('`'): cells(row[1])
        for row in table(page('metrics'), 'label')
        if row[0] != '`group`'
    } == VALUES_OF
    assert VALUES_OF['result'] == {state.value for state in State} - {'queued', 'running'}


def selectors(expression: str) -> Iterator[tuple[str, str]]:
    """Each metric of an expression with what stands in braces after it."""
    yield from re.findall(r'\b(supervisor_\w+)(?:{(.*?)})?', expression)


@pytest.mark.parametrize('expression', [*of_panels(), *variables(), *of_alerts()])
def test_expressions_are_of_metrics_and_labels_that_there_are(labels, expression):
    known: set[str] = set()
    assert [*selectors(expression)]
    for name, condition in selectors(expression):
        assert name in labels
        known |= labels[name] | OF_PROMETHEUS
        matchers = re.findall(r'(\w+)(=~|=)"(.*?)"', condition)
        assert len(matchers) == condition.count('"') / 2
        assert {label for label, _, _ in matchers} <= labels[name] | OF_PROMETHEUS
        for label, _, values in matchers:
            if label in VALUES_OF:
                assert set(values.split('|')) <= VALUES_OF[label]
    for by in re.findall(r'\bby \((.*?)\)', expression):
        assert set(by.split(', ')) <= known


def test_legends_name_labels_that_the_expression_keeps():
    for target in targets():
        shown = set(re.findall('{{(.*?)}}', target['legendFormat']))
        kept = re.findall(r'\bby \((.*?)\)', target['expr'])
        if kept:
            assert shown <= set(kept[0].split(', '))


def test_the_dashboard_has_the_variables_that_it_uses():
    own = {f'${one["name"]}' for one in DASHBOARD['templating']['list']} - {'$datasource'}
    assert own == {name for name in VALUES if not name.startswith('$__')}
    sources = [target['datasource']['uid'] for target in targets()]
    assert set(sources) == {'${datasource}'}


def test_its_panels_do_not_lie_on_one_another():
    panels = DASHBOARD['panels']
    assert len({panel['id'] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for panel in panels
        for at in [panel['gridPos']]
        for x in range(at['x'], at['x'] + at['w'])
        for y in range(at['y'], at['y'] + at['h'])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
