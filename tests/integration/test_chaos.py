"""Two short storms, one of them with a reload and wall-clock steps; `make chaos` is the long one."""

from __future__ import annotations

from tests.chaos.run import Chaos


def test_nothing_is_lost():
    summary = Chaos(seed=7, seconds=60.0, callers=4, storms=2, scale=0.3, last_words=0.5).run()
    assert not summary.violations, '\n'.join(
        [
            summary.story,
            '',
            *summary.violations,
            '',
            f'Longer: make chaos SECONDS=120 SEED={summary.seed}',
        ]
    )
    assert summary.phases == 2
    assert summary.lost == 0
    # how much is done depends on the machine; that something was done does not
    assert summary.counts['restarts: succeeded'] > 3
    assert summary.counts['words checked'] > 3
    assert summary.taken_down_in_turn > 0
    assert summary.counts['drained'] > 0
    assert summary.counts['replaced by a surge'] > 0
    assert summary.counts['files changed: apply'] > 0
    assert summary.counts['applies: succeeded'] > 0
    assert summary.counts['files applied and clean'] == 2
