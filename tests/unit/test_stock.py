"""What `make stock` makes of two runs of Supervisor's own tests."""

from __future__ import annotations

import pytest

from tests.stock import Outcome, outcome, verdict

REPORT = """<testsuites><testsuite>
<testcase classname="a.B" name="good"/><testcase classname="a.B" name="out"><system-out>text</system-out></testcase>
<testcase classname="a.B" name="left"><skipped/></testcase>
<testcase classname="a.B" name="bad"><failure>why</failure></testcase>
<testcase classname="a.B" name="worse"><error>why</error></testcase>
</testsuite></testsuites>"""


def test_what_a_report_says(tmp_path):
    report = tmp_path / 'report.xml'
    report.write_text(REPORT)
    assert outcome(report, 'text') == Outcome(2, {'a.B.bad', 'a.B.worse'}, 'text')


@pytest.mark.parametrize(
    ('ours', 'stock', 'status', 'lines'),
    [
        (Outcome(9, set(), ''), None, 0, ["S's own tests, with the plugin: 9 passed, 0 failed"]),
        (
            Outcome(8, {'x'}, ''),
            Outcome(8, {'x', 'y'}, ''),
            0,
            [
                'fails without the plugin too: x',
                "S's own tests, with the plugin: 8 passed, 0 failed, 1 fail without it too",
            ],
        ),
        (
            Outcome(7, {'x', 'y'}, ''),
            Outcome(8, {'x'}, ''),
            1,
            [
                'fails without the plugin too: x',
                'FAILS WITH THE PLUGIN ALONE: y',
                "S's own tests, with the plugin: 7 passed, 1 failed, 1 fail without it too",
            ],
        ),
        (
            Outcome(0, set(), ''),
            Outcome(0, set(), ''),
            1,
            [
                'only 0 tests were run, 0 pass without the plugin',
                "S's own tests, with the plugin: 0 passed, 0 failed, 0 fail without it too",
            ],
        ),
        (
            Outcome(5, {'x'}, ''),
            Outcome(9, {'x'}, ''),
            1,
            [
                'fails without the plugin too: x',
                'only 5 tests were run, 9 pass without the plugin',
                "S's own tests, with the plugin: 5 passed, 0 failed, 1 fail without it too",
            ],
        ),
    ],
)
def test_verdict(ours, stock, status, lines):
    assert verdict('S', ours, stock) == (status, lines)
