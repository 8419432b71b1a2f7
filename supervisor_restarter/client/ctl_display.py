"""What a command of ours prints in supervisorctl: lines and, on a terminal, a progress bar below
them.
"""

from __future__ import annotations

from typing import Any, Callable

from supervisor_restarter.client.gauge import Gauge, Title
from supervisor_restarter.client.screen import abandon
from supervisor_restarter.text import printable


class Display:
    """Prints through supervisorctl's own `output`.

    Nothing that goes wrong with the printing ends a command: when the output is no longer read, the
    rest is dropped (as in Gauge).
    """

    def __init__(self, ctl: Any) -> None:
        self._ctl = ctl
        self._gauge: Gauge | None = None
        self._lost = ctl.stdout is None  # as after >&-

    def open_bar(self, total: int) -> None:
        """A bar for `total` processes, if there is a terminal and no bar yet.

        To import tqdm takes longer than many a restart: to be called after what the user waits for
        has been sent, and at no moment when processes are down and wait for us.
        """
        if self._lost or self._gauge or total < 2 or not self._ctl.stdout.isatty():
            return
        try:
            from tqdm import tqdm

            self._gauge = Gauge(tqdm, self._ctl.stdout, total)
        except ImportError:
            pass  # the bar is a pleasure, not a need
        except OSError:
            self._lose()

    def line(self, text: str) -> None:
        """One line, with escapes for what is not harmless to a terminal, or not in its encoding."""
        if self._lost:
            return
        encoding = getattr(self._ctl.stdout, 'encoding', None) or 'utf-8'
        text = printable(text).encode(encoding, 'backslashreplace').decode(encoding)
        try:
            if self._gauge:
                self._gauge.line(text)
            else:
                self._ctl.output(text)
                self._ctl.stdout.flush()  # a pipe would get everything at the end only
        except OSError:
            self._lose()

    def progress(self, title: Callable[[], Title], done: int, total: int) -> None:
        """How many processes are done, and what stands before the bar."""
        if self._gauge:
            self._gauge.show(title, done, total)

    def close(self) -> None:
        if self._gauge:
            self._gauge.close()
        self._gauge = None

    def _lose(self) -> None:
        self._lost = True
        abandon(self._ctl.stdout)
