"""GET restarter/metrics: counts for Prometheus, in its text format 0.0.4.

They are written by prometheus_client, which is an extra and takes some 60 ms to be imported. So it
is imported when the first request comes, and supervisord runs without it.
"""

from __future__ import annotations

from collections.abc import Mapping

from supervisor_restarter.programs.host import ProcessGroup
from supervisor_restarter.web.tally import Tally

TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8'
MISSING = (
    "No metrics: supervisord's Python has no prometheus_client 0.16 or later. Install Debian's "
    "python3-prometheus-client, or run `pip install '.[metrics]'` in a checkout of "
    'supervisor-restarter.\n'
)


def page(groups: Mapping[str, ProcessGroup], tally: Tally) -> tuple[int, str, bytes]:
    """The answer: status, content type and body. groups: Supervisor's own.

    404 with one line that says what to install, where prometheus_client is missing.
    """
    try:
        from prometheus_client import CollectorRegistry, generate_latest

        from supervisor_restarter.web.families import Families
    except ImportError:
        return 404, 'text/plain; charset=utf-8', MISSING.encode()
    registry = CollectorRegistry()  # of our own: nothing of the process, the platform or others
    registry.register(Families(groups, tally))
    return 200, TEXT_FORMAT, generate_latest(registry)
