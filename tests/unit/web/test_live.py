"""Pages that wait, without an HTTP server: who is asked when, and what is remembered. What they share
while a restart runs is in test_live_shared.py.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from supervisor.http import NOT_DONE_YET
from supervisor.states import ProcessStates

from supervisor_restarter.web.board import Board
from supervisor_restarter.web.live import MOST_WAITING, Live
from supervisor_restarter.web.queries import Wanted


class Channel:
    """A connection: what it has been told, None as long as it waits. looked: it is to ask again."""

    def __init__(self, sockets):
        self.told: Any = None
        self.producer: Any = None
        self.last_writable_check = 1.0
        sockets[id(self)] = self

    def push_with_producer(self, producer):
        self.producer = producer
        self.initiate_send()

    def initiate_send(self):
        if self.told is None:
            data = self.producer.more()
            self.told = None if data is NOT_DONE_YET else data

    def close_when_done(self):
        pass

    @property
    def looked(self):
        return self.last_writable_check == 0

    @property
    def status(self):
        return int(self.told.split()[1])

    @property
    def json(self):
        return json.loads(self.told.partition(b'\r\n\r\n')[2])


class Request:
    command, version, header, collector = 'GET', '1.1', (), None

    def __init__(self, channel):
        self.channel, self.headers, self.reply_code = channel, {}, 0

    def __setitem__(self, name, value):
        self.headers[name] = value

    def build_reply_header(self):
        return f'HTTP/1.1 {self.reply_code} -\r\n\r\n'.encode()


class Job:
    """A restart that runs, as far as a page sees it."""

    def __init__(self, id='1'):
        self.id, self.operation, self.finished = id, SimpleNamespace(version=1), None

    def header(self):
        return {'id': self.id, 'version': self.operation.version, 'finished_at': ''}

    def particulars(self):
        return {}

    def changes(self):
        return SimpleNamespace(since=lambda version: [])

    def ready_points(self, since):
        return []


class World:
    """supervisord with one process, and its restarts."""

    def __init__(self):
        self.sockets: dict[int, Any] = {}
        self.process = SimpleNamespace(
            state=ProcessStates.RUNNING, pid=7, laststart=1, laststop=0, spawnerr='', exitstatus=None,
            config=SimpleNamespace(stdout_logfile=None, stderr_logfile='/log'),
        )  # fmt: skip
        supervisord: Any = SimpleNamespace(
            process_groups={'web': SimpleNamespace(processes={'0': self.process})},
            options=SimpleNamespace(get_socket_map=lambda: self.sockets),
        )
        self.jobs: list[Any] = []
        self.leaving = False
        self.failures: list[None] = []
        self.live = Live(
            supervisord,
            Board('abc'),
            lambda: self.jobs,
            lambda: {},
            lambda: self.leaving,
            lambda: 0.0,
            lambda: self.failures.append(None),
            lambda seconds: None,
            lambda: 0.0,
        )

    def ask(self, version=None, wait=20.0, epoch='abc', **more):
        channel = Channel(self.sockets)
        wanted = Wanted('' if version is None else epoch, version or 0, wait, **more)
        self.live.answer(Request(channel), wanted)  # type: ignore[arg-type]
        return channel

    def change(self):
        self.process.pid += 1
        self.live.changed()


@pytest.fixture
def world():
    return World()


def test_one_that_waits_is_asked_when_something_happens_and_told_what(world):
    page = world.ask(world.ask().json['version'])
    assert (page.told, page.looked) == (None, False)
    world.change()
    assert page.looked
    page.initiate_send()
    assert page.json['processes'] == [[0, 'RUNNING', 8, 1, '', 2]]


def test_one_that_has_hung_up_or_was_told_is_not_asked_again(world):
    version = world.ask().json['version']
    gone, told = world.ask(version), world.ask(version)
    del world.sockets[id(gone)]
    world.change()
    assert (gone.looked, told.looked) == (False, True)
    told.initiate_send()
    told.last_writable_check = 1.0
    world.change()
    assert not told.looked


def test_one_too_many_is_sent_away_until_another_has_hung_up(world):
    version = world.ask().json['version']
    pages = [world.ask(version) for _ in range(MOST_WAITING)]
    assert world.ask(version).status == 503
    assert world.ask(version, wait=0.0).status == 200
    del world.sockets[id(pages[0])]
    assert world.ask(version).told is None


def test_all_are_told_at_once_that_supervisord_goes_away(world):
    version = world.ask().json['version']
    pages = [world.ask(version) for _ in range(3)]
    world.leaving = True
    world.live.leave()
    assert {page.status for page in pages} == {503}
    assert world.ask().status == 503


def test_an_error_of_ours_is_told_to_the_log_and_ends_the_question(world):
    world.process.state = None
    world.process.laststop = None
    assert (world.ask().status, len(world.failures)) == (500, 1)


@pytest.mark.parametrize('running', [False, True])
def test_however_much_is_asked_only_so_much_is_remembered(world, running):
    if running:
        world.jobs.append(Job())
    for number in range(3 * MOST_WAITING):
        assert world.ask(number, wait=0.0, epoch='xyz').json['full']
    assert len(world.live._replies) <= (MOST_WAITING if running else 0)
