"""The metrics, as the objects of prometheus_client, made when they are asked for. Only metrics.py
imports this file, and only when the first request comes: prometheus_client is an extra.

Labels are names of groups and words from short lists, never names of processes: how many series
there are is bounded by the number of groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from supervisor.options import VERSION
from supervisor.states import ProcessStates, getProcessStateDescription

import supervisor_restarter
from supervisor_restarter.programs.asides import residents
from supervisor_restarter.programs.host import ProcessGroup
from supervisor_restarter.web.tally import BOUNDS, RESULTS, Durations, Tally

STATES = {
    state: getProcessStateDescription(state)
    for name, state in vars(ProcessStates).items()
    if name.isupper()
}
UPPER = [*map(str, BOUNDS), '+Inf']  # the label `le` of each bucket


class Families(Collector):
    """The metrics of one supervisord at the moment when it is made. groups: its own, by name."""

    def __init__(self, groups: Mapping[str, ProcessGroup], tally: Tally) -> None:
        self._groups = groups
        self._tallies = tally.groups()
        self._running = tally.running()

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        yield self._versions()
        yield self._processes()
        yield self._operations()
        yield self._of_groups(
            'running_operations',
            'Restarts and applies that have begun and are not finished.',
            {group: self._running[group] for group in self._tallies},
        )
        yield self._durations(
            'down_seconds',
            'Seconds from the exit of a process to its new one, of finished restarts and applies.',
            {group: tally.down for group, tally in self._tallies.items()},
        )
        yield self._durations(
            'ready_seconds',
            'Seconds from the start of a process until it was ready, of finished restarts and'
            ' applies.',
            {group: tally.ready for group, tally in self._tallies.items()},
        )
        yield from self._last()

    def _versions(self) -> Metric:
        family = GaugeMetricFamily(
            'supervisor_restarter_build_info',
            'Always 1; the labels are the versions of supervisor-restarter and of Supervisor.',
            labels=['version', 'supervisor'],
        )
        family.add_metric([supervisor_restarter.__version__, VERSION], 1)
        return family

    def _processes(self) -> Metric:
        family = GaugeMetricFamily(
            'supervisor_processes', 'Processes by their state.', labels=['group', 'state']
        )
        for name, group in self._groups.items():
            found = Counter(process.state for process in residents(group).values())
            for state, word in STATES.items():
                family.add_metric([name, word], found[state])
        return family

    def _operations(self) -> Metric:
        # Also results that nothing has had yet: a first failure is seen as an increase from 0.
        family = CounterMetricFamily(
            'supervisor_restarter_operations',
            'Finished restarts and applies. One of several groups counts in each of them.',
            labels=['group', 'kind', 'result'],
        )
        for group, tally in self._tallies.items():
            for kind, results in RESULTS.items():
                for result in results:
                    count = tally.ended[kind, result.value]
                    family.add_metric([group, kind, result.value], count)
        return family

    def _last(self) -> Iterator[Metric]:
        """Nothing of a group that has had no restart yet."""
        had = {group: tally.last for group, tally in self._tallies.items() if tally.last}
        yield self._of_groups(
            'last_lowest_ready_processes',
            'The fewest processes that were ready at any moment of the last restart or apply.',
            {group: last.lowest_ready for group, last in had.items()},
        )
        yield self._of_groups(
            'last_allowed_ready_processes',
            'The fewest that max_unavailable allowed in the last restart or apply.',
            {group: last.allowed for group, last in had.items()},
        )
        yield self._of_groups(
            'last_finished_timestamp_seconds',
            'When the last restart or apply was over, in seconds since 1970.',
            {group: last.finished for group, last in had.items()},
        )

    def _of_groups(self, name: str, text: str, values: Mapping[str, float]) -> Metric:
        family = GaugeMetricFamily(f'supervisor_restarter_{name}', text, labels=['group'])
        for group, value in values.items():
            family.add_metric([group], value)
        return family

    def _durations(self, name: str, text: str, durations: Mapping[str, Durations]) -> Metric:
        family = HistogramMetricFamily(f'supervisor_restarter_{name}', text, labels=['group'])
        for group, one in durations.items():
            family.add_metric([group], list(zip(UPPER, accumulate(one.counts))), one.sum)
        return family
