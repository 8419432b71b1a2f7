"""Many open pages while a restart runs: they are shown the same, and it is looked at ten times a second."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor_restarter.server.job import Job
from supervisor_restarter.web.board import Board
from supervisor_restarter.web.live import FRESH, Live
from supervisor_restarter.web.queries import Wanted
from supervisor_restarter.web.replies import Reply
from tests.simulated import WALL, Simulation, slow
from tests.world import BEGINNING


class Watched:
    """A service in the simulated world, and pages that ask without waiting for news from a loop.
    looked: how often the restarts were made anew. alarms: when (seconds) they are to be asked again.
    """

    def __init__(self) -> None:
        self.service = Simulation('web:0', 'web:1')
        self.world = self.service.world
        self.looked = 0
        self.alarms: list[float] = []
        self.live = Live(
            SimpleNamespace(process_groups={}),
            Board('e'),
            self.service.service.restarts,
            dict,
            lambda: False,
            lambda: self.world.now + WALL,
            self.fail,
            lambda seconds: self.alarms.append(round(self.at() + seconds, 3)),
            lambda: self.world.now,
        )
        original = self.live._board.put_restarts

        def put_restarts(found: Any) -> None:
            self.looked += 1
            original(found)

        self.live._board.put_restarts = put_restarts  # type: ignore[method-assign]

    def fail(self) -> None:
        raise AssertionError('an exception')

    def at(self) -> float:
        """Seconds since the beginning."""
        return self.world.now - BEGINNING

    def ask(self, known: int | None = None, restart: str = '', its: int = 0) -> Reply | None:
        """What a page that waits is answered. known: the version that it has."""
        epoch = '' if known is None else 'e'
        return self.live._reply(Wanted(epoch, known or 0, 25.0, restart, its), False)


@pytest.fixture
def pages() -> Watched:
    return Watched()


def told(reply: Reply | None) -> Any:
    assert reply is not None
    return json.loads(reply.body)


def test_what_changes_while_a_restart_runs_is_looked_at_ten_times_a_second(pages):
    names = [f'app:{number:02}' for number in range(45)]
    for number, name in enumerate(names):
        pages.world.add(name, program=slow(number / 50))
    id = pages.service.ask('app').id
    known, its, seen = told(pages.ask())['version'], 0, []
    for turn in range(100):
        pages.service.to(turn / 100)
        reply = pages.ask(known, id, its)
        if reply is not None:
            known, its = told(reply)['version'], told(reply)['detail']['version']
            seen.append(pages.at())
    assert len(seen) == pytest.approx(0.9 / FRESH, abs=2)
    assert min(later - sooner for sooner, later in zip(seen, seen[1:])) >= FRESH - 0.001


@pytest.mark.parametrize('later', [0.0, 0.05])
def test_pages_that_know_the_same_are_sent_the_same(pages, later):
    pages.world.add('web:2', program=slow(1.04))  # something changes in between
    id = pages.service.ask('web').id
    known = told(pages.ask())['version']
    pages.service.to(1.0)
    first = pages.ask(known, id)
    assert first is not None
    pages.service.to(1.0 + later)
    assert pages.ask(known, id) is first
    pages.service.to(1.2)
    assert told(pages.ask(known, id))['detail']['version'] > told(first)['detail']['version']


def test_a_page_that_comes_later_is_not_told_the_time_of_before(pages):
    known = told(pages.ask())['version']
    pages.service.ask('web')
    pages.service.end()
    before = told(pages.ask(known))['now']
    pages.service.to(60)
    assert told(pages.ask(known))['now'] > before + 50


def test_a_page_that_knows_something_else_waits_for_the_next_look_and_an_alarm_is_set(pages):
    id = pages.service.ask('web', max_unavailable=1).id
    known = told(pages.ask())['version']
    pages.service.to(0.05)
    assert pages.ask(known, id, 1) is None
    assert pages.ask(known, id, 1) is None
    assert pages.alarms == [FRESH]
    pages.service.to(0.1)
    assert told(pages.ask(known, id, 1))['detail']['id'] == id


def test_what_waited_for_a_look_is_all_answered_by_it(pages):
    id = pages.service.ask('web', max_unavailable=1).id
    known = told(pages.ask())['version']
    pages.service.to(0.2)
    pages.looked = 0
    versions = {told(pages.ask(known, id, its))['version'] for its in (0, 1, 2)}
    assert (len(versions), pages.looked) == (1, 1)


def test_the_headers_of_restarts_that_are_over_are_not_made_again(pages, monkeypatch):
    for _ in range(3):
        pages.service.ask('web')
        pages.service.end()
    pages.ask()
    running = pages.service.ask('web')
    made, original = [], Job.header

    def header(job: Job) -> dict[str, Any]:
        made.append(job.id)
        return original(job)

    monkeypatch.setattr(Job, 'header', header)
    assert told(pages.ask())['order'][0] == running.id
    assert made == [running.id]


def test_the_end_is_told_at_once(pages):
    job = pages.service.ask('web')
    known = told(pages.ask())['version']
    pages.service.to(1.0)
    known = told(pages.ask(known, job.id))['version']
    pages.service.end()
    pages.live._fresh_until = pages.world.now + FRESH  # the last look was right before
    assert told(pages.ask(known, job.id, 1))['detail']['restart']['state'] == 'succeeded'


def test_without_a_restart_nothing_is_held_back(pages):
    known = told(pages.ask())['version']
    pages.live._stale = True
    pages.live._fresh_until = pages.world.now + FRESH
    pages.ask(known)
    assert not pages.live._stale
