"""What PromQL is in the pages: the expressions of docs/metrics.md and docs/grafana.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.pages import ROOT, blocks

DASHBOARD = json.loads((ROOT / 'docs' / 'grafana.json').read_text(encoding='utf-8'))
# What Grafana would put in place of its variables, and of those of the dashboard.
VALUES = {
    '$__rate_interval': '4m',
    '$__range': '1d',
    '$window': '1d',
    '$instance': '.*',
    '$group': '.*',
}


def targets() -> Iterator[dict[str, Any]]:
    """The queries of all panels."""
    for panel in DASHBOARD['panels']:
        yield from panel['targets']


def variables() -> Iterator[str]:
    """The queries of the dashboard's variables."""
    for variable in DASHBOARD['templating']['list']:
        if variable['type'] == 'query':
            yield variable['query']['query']


def of_panels() -> list[str]:
    """The expressions of all panels, without variables."""
    return [concrete(target['expr']) for target in targets()]


def concrete(expression: str) -> str:
    """The expression with values for its variables; KeyError for an unknown one."""
    return re.sub(r'\$\w+', lambda match: VALUES[match[0]], expression)


def of_alerts() -> list[str]:
    """The expressions of the page's alerts."""
    [rules] = [
        text for name, text in blocks('yaml') if name == 'docs/metrics.md' and 'alert:' in text
    ]
    found = re.findall(r'^ {8}expr: (?:>-\n)?((?:.*\n)(?: {10}.*\n)*)', rules, re.MULTILINE)
    assert len(found) == rules.count('alert:')
    return found
