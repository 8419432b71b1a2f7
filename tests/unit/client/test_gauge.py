"""The bar: its title has room, it is drawn anew while nothing is heard, and nothing that goes wrong
with it matters.
"""

from __future__ import annotations

import io
import os
import threading
import types

import pytest

from supervisor_restarter.client import gauge
from supervisor_restarter.client.gauge import Gauge, Title

STOPPING = 'web:2 stopping for 9 s'


@pytest.mark.parametrize(('title', 'room', 'said'), [
    (Title('web'), 20, 'web'),
    (Title('web', STOPPING), 40, f'web: {STOPPING}'),
    (Title('web, api, worker, cron', STOPPING), 40, f'web, api, wor...: {STOPPING}'),
    (Title('web', STOPPING), 26, STOPPING),
    (Title('web', STOPPING), 12, 'web:2 sto...'),
    (Title('web, api, worker'), 10, 'web, ap...'),
    (Title('a\x1b[2J', 'b\nc'), 40, 'a\\x1b[2J: b\\nc'),
])  # fmt: skip
def test_title(title, room, said):
    assert title.fitted(room) == said
    assert len(said) <= room


class Bar:
    """A tqdm that notes what was drawn. broken: the terminal has gone away."""

    def __init__(self, total, file, **options):
        self.drawn: list[tuple[str, int]] = []
        self.twice = threading.Event()
        self.broken = False
        self.n = 0

    def set_description_str(self, text, refresh):
        self.title = text

    def refresh(self):
        if self.broken:
            raise OSError(5, 'Input/output error')
        self.drawn.append((self.title, self.n))
        if sum(title != '' for title, _ in self.drawn) > 1:
            self.twice.set()

    def write(self, text, file):
        file.write(text + '\n')

    def close(self):
        pass


def make(stream=None):
    bars = []

    def tqdm(*args, **options):
        bars.append(Bar(*args, **options))
        return bars[0]

    found = Gauge(tqdm, stream or io.StringIO(), 200)
    return found, bars[0]


def test_it_is_drawn_while_nothing_is_heard(monkeypatch):
    monkeypatch.setattr(gauge, 'TICK', 0.01)
    found, bar = make()
    times = iter(range(1000))
    found.show(lambda: Title(f'web:2 stopping for {next(times)} s'), 7, 40)
    assert bar.twice.wait(20)
    found.close()
    # where this thread was slow, the other one has drawn before there was anything to show
    shown = [drawn for drawn in bar.drawn if drawn != ('', 0)]
    assert shown[:2] == [(f'web:2 stopping for {n} s', 7) for n in range(2)]
    drawn = len(bar.drawn)
    assert not [thread for thread in threading.enumerate() if thread.name == found._ticker.name]
    assert len(bar.drawn) == drawn


def test_without_threads_it_is_drawn_with_each_look(monkeypatch):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, 'start', refuse)
    found, bar = make()
    found.show(lambda: Title('web'), 7, 40)
    found.close()
    assert bar.drawn == [('web', 7)]


def test_a_terminal_that_goes_away_ends_nothing(tmp_path):
    with open(tmp_path / 'out', 'w') as stream:
        found, bar = make(stream)
        bar.broken = True
        found.show(lambda: Title('web'), 1, 40)
        found.line('lost')
        found.close()
        print('also lost', file=stream)
    assert (tmp_path / 'out').read_text() == ''


@pytest.mark.parametrize(('columns', 'room'), [(80, 47), (200, 167), (0, 47), (20, 10)])
def test_the_bar_is_left_room_in_a_line(monkeypatch, columns, room):
    monkeypatch.setattr(
        os, 'get_terminal_size', lambda *descriptor: os.terminal_size((columns, 24))
    )
    found, bar = make(types.SimpleNamespace(fileno=lambda: 1))
    found.show(lambda: Title('x' * 500), 200, 200)
    found.close()
    [(title, _)] = bar.drawn
    assert len(title) == room
