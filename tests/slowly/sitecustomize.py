"""What is early or late by chance is late more often: for processes that have this directory on their
PYTHONPATH, see tests/conditions.py.

TESTS_SLOW=supervisord: supervisord pauses now and then before its loop sleeps, as on a machine that
has no time for it. TESTS_SLOW=clients: whoever calls supervisord pauses before and after.
"""

from __future__ import annotations

import os
import random
import sys
import time
from typing import Any

SHARE, LONGEST = 0.3, 0.2  # of the turns or calls; seconds

slow = os.environ.get('TESTS_SLOW')
is_supervisord = any(word.endswith('/supervisord') for word in getattr(sys, 'orig_argv', []))


def pause() -> None:
    if random.random() < SHARE:
        time.sleep(random.random() * LONGEST)


def delay(kind: Any, name: str) -> None:
    """Have this method of the class pause."""
    real = getattr(kind, name)

    def paused(self: Any, *arguments: Any) -> Any:
        pause()
        try:
            return real(self, *arguments)
        finally:
            pause()

    setattr(kind, name, paused)


if slow == 'supervisord' and is_supervisord:
    from supervisor.poller import PollPoller, SelectPoller

    delay(PollPoller, 'poll')
    delay(SelectPoller, 'poll')
elif slow == 'clients' and not is_supervisord:
    from xmlrpc.client import ServerProxy

    delay(ServerProxy, '_ServerProxy__request')
