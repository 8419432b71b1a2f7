"""A restart in motion, as the command shows it: a bar or a line per process, and at the end what
could not be told before.

The texts are made in wording.py; what is decided here is which of them are new.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol, TextIO

from supervisor_restarter.client.applies import Headlines, is_rolling_back
from supervisor_restarter.client.gauge import Gauge, Title
from supervisor_restarter.client.screen import Colour, Screen
from supervisor_restarter.client.structs import Process, Restart, ended
from supervisor_restarter.client.waiting import Waiting
from supervisor_restarter.client.wording import (
    OldStopping,
    colour,
    groups,
    is_left_alone,
    may_change,
    process_line,
    settled,
    together,
    went_wrong,
)


class Reporter(Protocol):
    """Shows a restart in motion: `update` with each look at it, `close` after the last, or when
    interrupted.
    """

    def update(self, restart: Restart) -> None: ...

    def close(self) -> None: ...

    def leftovers(self, restart: Restart) -> list[str]:
        """After the last look: what is to be said of those to which nothing was done."""


class News:
    """The processes of a restart that are done with and have not been told of yet, or have fared
    otherwise since.

    Those that have failed when it has ended, and those that were not reached or are new enough, are
    left for the end.
    """

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], tuple[str, str, str]] = {}

    def fresh(self, restart: Restart) -> Iterator[Process]:
        for process in restart['processes']:
            key = (process['group'], process['name'])
            lot = (process['phase'], process['error'], process.get('note', ''))
            last = went_wrong(process) and ended(restart)
            if (
                self._told.get(key) != lot
                and settled(process)
                and not is_left_alone(process)
                and not (last or may_change(process, restart))
            ):
                self._told[key] = lot
                yield process

    def leftovers(self, restart: Restart) -> list[str]:
        """Lines for those that have not been told of and have not failed, one for all that share a
        fate.
        """
        return together(
            p
            for p in restart['processes']
            if (p['group'], p['name']) not in self._told and not went_wrong(p)
        )


class Lines:
    """A line for each process as it settles."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._news = News()
        self._headlines = Headlines()
        self._old = OldStopping()

    def update(self, restart: Restart) -> None:
        for line in self._headlines.fresh(restart):
            self._screen.out(line)
        for process in self._news.fresh(restart):
            self._screen.out(process_line(process), colour(process))
        for line in self._old.fresh(restart):
            self._screen.out(line)

    def close(self) -> None:
        """Nothing is left open between lines."""

    def leftovers(self, restart: Restart) -> list[str]:
        return self._news.leftovers(restart)


class Bar:
    """A progress bar, with lines above it for the processes of which more is to be said than that
    they are ready.
    """

    def __init__(self, screen: Screen, terminal: TextIO, tqdm: Any) -> None:
        self._news = News()
        self._headlines = Headlines(on_bar=True)
        self._screen = screen
        self._terminal = terminal
        self._tqdm = tqdm
        self._gauge: Gauge | None = None
        self._titles = Titles()

    def update(self, restart: Restart) -> None:
        # An apply may turn out to have nothing to do, also while it waits in the queue.
        if self._gauge is None and restart['total']:
            self._gauge = Gauge(self._tqdm, self._terminal, restart['total'])
        for line in self._headlines.fresh(restart):
            self._line(line, Colour.ODD if is_rolling_back(restart) else Colour.PLAIN)
        for process in self._news.fresh(restart):
            if colour(process) in (Colour.BAD, Colour.ODD):
                self._line(process_line(process), colour(process))
        if self._gauge is not None:
            self._titles.update(restart)
            self._gauge.show(self._titles.now, done(restart), restart['total'])

    def _line(self, line: str, colour: Colour) -> None:
        """A line above the bar, or where it will be."""
        if self._gauge is not None:
            self._gauge.line(self._screen.painted(line, colour))
        else:
            self._screen.out(line, colour)

    def close(self) -> None:
        if self._gauge is not None:
            self._gauge.close()

    def leftovers(self, restart: Restart) -> list[str]:
        return self._news.leftovers(restart)


class Titles:
    """The title of a bar, which changes with the time, too. word: its first word, default: the
    groups.
    """

    def __init__(self, word: str = '') -> None:
        self._waiting = Waiting()
        self._word = word
        self._head = word

    def update(self, restart: Restart) -> None:
        queued = ' (queued)' if restart['state'] == 'queued' else ''
        failed = f' ({restart["failed"]} failed)' if restart['failed'] else ''
        back = ' (rolling back)' if is_rolling_back(restart) else ''
        back = ' (rolled back)' if restart['state'] == 'rolled_back' else back
        self._head = (self._word or groups(restart)) + queued + (back or failed)
        self._waiting.update(restart, time.monotonic())

    def now(self) -> Title:
        return Title(self._head, self._waiting.text(time.monotonic()))


def done(restart: Restart) -> int:
    """How far a bar is to be filled: not by those that failed, or were not reached."""
    return sum(settled(process) and not went_wrong(process) for process in restart['processes'])


def make_reporter(screen: Screen) -> Reporter:
    """A bar on a terminal, lines elsewhere and where tqdm is not installed.

    tqdm takes longer to import than small groups take to restart: call this after the restart has
    begun.
    """
    terminal = screen.terminal
    if terminal is None:
        return Lines(screen)
    try:
        from tqdm import tqdm
    except ImportError:
        return Lines(screen)
    return Bar(screen, terminal, tqdm)
