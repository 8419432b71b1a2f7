"""A progress bar on a terminal, whose title and clock go on between two looks at what it shows."""

from __future__ import annotations

import os
import threading
from typing import Any, Callable, TextIO

from supervisor_restarter.client.screen import abandon
from supervisor_restarter.text import printable

# Seconds between two drawings while nothing is heard of what the bar shows.
TICK = 1.0
# The bar itself is left so many columns, however long its title is.
NARROWEST = 10
SHORTEST_HEAD = 8  # characters of a title's head; where there is no room for so many, it has none
COLUMNS = 80  # of a terminal that does not tell


class Title:
    """What stands before the bar; where there is no room for it, `head` is cut, and then `rest`."""

    def __init__(self, head: str, rest: str = '') -> None:
        self._head = printable(head)
        self._rest = printable(rest)

    def __str__(self) -> str:
        return f'{self._head}: {self._rest}' if self._rest else self._head

    def fitted(self, room: int) -> str:
        """The title in at most `room` characters."""
        if len(str(self)) <= room:
            return str(self)
        if not self._rest:
            return _cut(self._head, room)
        for_head = room - len(self._rest) - 2
        if for_head < SHORTEST_HEAD:
            return _cut(self._rest, room)
        return f'{_cut(self._head, for_head)}: {self._rest}'


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(0, room - 3)] + '...'


class Gauge:
    """A tqdm progress bar on a terminal.

    It is drawn anew every TICK seconds, by a thread: the one that talks to the server waits for its
    answer meanwhile, and to ask the server more often would cost others' time. Where the terminal
    goes away, the rest is dropped.
    """

    def __init__(self, tqdm: Any, stream: TextIO, total: int) -> None:
        tqdm.monitor_interval = 0  # else tqdm starts a thread of its own to look after the bar
        self._stream = stream
        self._total = total
        self._title: Callable[[], Title] = lambda: Title('')
        self._lost = False
        self._closed = threading.Event()
        self._lock = threading.RLock()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._bar = tqdm(
            total=total,
            file=stream,
            dynamic_ncols=True,
            mininterval=0,
            leave=True,
            bar_format='{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}]',
        )
        try:
            self._ticker.start()
        except RuntimeError:  # no more threads: it is drawn with each look only
            pass

    def line(self, text: str) -> None:
        """A line above the bar, as it is."""
        with self._lock:
            self._guarded(lambda: self._bar.write(text, file=self._stream))

    def show(self, title: Callable[[], Title], done: int, total: int) -> None:
        """title: asked for whenever the bar is drawn."""
        with self._lock:
            self._title = title
            self._bar.n = done
            self._bar.total = self._total = total
            self._guarded(self._draw)

    def close(self) -> None:
        self._closed.set()
        if self._ticker.is_alive():
            self._ticker.join()
        self._guarded(self._bar.close)

    def _tick(self) -> None:
        while not self._closed.wait(TICK):
            with self._lock:
                self._guarded(self._draw)

    def _draw(self) -> None:
        self._bar.set_description_str(self._title().fitted(self._room()), refresh=False)
        self._bar.refresh()

    def _room(self) -> int:
        """Characters for the title."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns or COLUMNS
        except (OSError, ValueError):
            columns = COLUMNS
        rest = len(f' || {self._total}/{self._total} [00:00:00]')
        return max(NARROWEST, columns - 1 - NARROWEST - rest)  # 1: tqdm leaves the last one free

    def _guarded(self, act: Callable[[], object]) -> None:
        if not self._lost:
            try:
                act()
            except OSError:
                self._lost = True
                abandon(self._stream)
