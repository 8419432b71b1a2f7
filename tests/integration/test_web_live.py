"""restarter/state of a real supervisord: what wakes a page that waits, what it is told then, and what
many pages, and those that go away, cost.
"""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from supervisor_restarter.web.live import MOST_WAITING
from tests.integration.asking import Answer, Raw, ask, state
from tests.integration.server import SECONDS, Server, held, program, worker

LONG = 20.0  # seconds that a page waits; a test that takes so long has failed


class Page:
    """A page that asks what has changed since it asked last, and waits for that."""

    def __init__(self, server: Server, restart: str = '') -> None:
        self.server = server
        self.told = state(server)
        self.rows = self.told['processes']
        self.restart, self.known = restart, 0
        self.answers = 0

    def ask(self, wait: float = LONG):
        query: dict[str, object] = {'wait': wait}
        if self.restart:
            query['restart'] = f'{self.restart}:{self.known}'
        self.told = told = state(self.server, self.told, **query)
        self.answers += 1
        if told['full']:
            self.rows = told['processes']
        for row in told['processes']:
            self.rows[row[0]] = row
        self.known = told.get('detail', {}).get('version', 0)
        return told

    def until(self, condition):
        """Ask until the condition holds for what was told; that, then."""
        deadline = time.monotonic() + SECONDS
        while not condition(self.ask()):
            assert time.monotonic() < deadline
        return self.told

    def states(self):
        return [row[1] for row in self.rows]


@pytest.fixture
def server(start):
    made = start(program(count=3))
    made.wait_state()
    return made


def in_time(begun):
    """Whether what waits was told before its time was over."""
    return time.monotonic() - begun < LONG - 5


# -- what wakes it -------------------------------------------------------------------------------


def test_a_page_is_told_of_a_death(server):
    page, begun, old = Page(server), time.monotonic(), server.pids()['1']
    os.kill(old, signal.SIGKILL)
    told = page.ask()
    assert in_time(begun)
    assert (told['full'], [row[0] for row in told['processes']]) == (False, [1])
    page.until(lambda told: page.states()[1] == 'RUNNING' and page.rows[1][2] != old)
    assert page.rows[1][2] == server.pids()['1']


def test_a_page_is_told_why_something_is_down(start):
    server = start(
        program('gone', '/bin/sh -c "exit 7"', autorestart='false', autostart='false')
        + program('none', '/bin/false', startsecs=1, startretries=0, autostart='false')
        + program('slain', autorestart='false')
    )
    server.wait_state('slain')
    page = Page(server)
    for name in ('gone', 'none'):
        # By the group's call: startProcess is a fault if it is seen to have exited by then.
        server.rpc().supervisor.startProcessGroup(name, False)
    os.kill(server.info('slain')['pid'], signal.SIGKILL)
    page.until(lambda told: sorted(page.states()) == ['EXITED', 'EXITED', 'FATAL'])
    names = [group['name'] for group in state(server)['groups']]
    assert {name: row[4] for name, row in zip(names, page.rows)} == {
        'gone': 'exit status 7',
        'none': 'Exited too quickly (process log may have details)',
        'slain': 'terminated by a signal',
    }
    for row, name in zip(page.rows, names):
        assert row[3] == server.info(name)['stop']


def test_a_page_is_told_of_groups_that_come_and_go(server):
    page = Page(server)
    server.conf.write_text(server.conf.read_text() + program('more', count=2))
    server.rpc().supervisor.reloadConfig()
    server.rpc().supervisor.addProcessGroup('more')
    told = page.until(lambda told: len(page.rows) == 5)
    server.wait_state('more')
    assert told['full']
    assert {'name': 'more', 'processes': ['0', '1']} in told['groups']
    server.rpc().supervisor.stopProcessGroup('more')
    server.rpc().supervisor.removeProcessGroup('more')
    told = page.until(lambda told: len(page.rows) == 3)
    assert (told['full'], 'about' in told) == (True, True)


def test_a_page_is_told_of_an_apply_that_touches_no_process(server):
    page, before = Page(server), server.pids()
    server.conf.write_text(server.conf.read_text() + 'stdout_logfile=NONE\n')
    id = server.restarter.startApply('web')
    page.until(lambda told: [row[5] for row in page.rows] == [2, 2, 2])
    assert server.wait_finished(id)['state'] == 'succeeded'
    assert server.pids() == before


def test_a_page_is_told_of_a_restart_from_its_begin_to_its_end(server):
    page = Page(server)
    page.restart = id = server.restarter.startRestart('web', {'max_unavailable': 1})
    begun = time.monotonic()
    rows, ready = {}, []

    def over(told):
        for index, row in told['detail'].get('processes', ()):
            rows[index] = row
        ready.extend(told['detail'].get('ready', ()))
        return told['detail']['restart']['finished_at']

    told = page.until(over)
    assert in_time(begun)
    real = server.restarter.getRestart(id)
    assert [rows[index] for index in sorted(rows)] == real['processes']
    assert {**told['detail']['restart'], 'processes': real['processes']} == real
    assert (told['detail']['id'], told['detail']['gone']) == (id, False)
    assert ready[0] == [0.0, 3]
    assert min(number for _, number in ready) == real['lowest_ready'] == 2
    assert ready[-1][1] == real['ready'] == 3
    header = told['restarts'][-1]
    assert 'options' not in header
    assert header.items() <= real.items()
    assert header['duration'] == real['duration']


def test_a_header_has_a_duration_only_at_the_end(start):
    server = start(held(count=2))
    server.wait_workers()
    page = Page(server)
    id = server.restarter.startRestart('web')
    told = page.until(lambda told: told.get('order') == [id])
    assert 'duration' not in told['restarts'][0]
    server.let_stop()
    told = page.until(lambda told: any(one['finished_at'] for one in told['restarts']))
    assert told['restarts'][0]['duration'] > 0


def test_a_page_is_told_of_a_restart_that_waits_and_of_one_that_is_cancelled(start):
    server = start(held())
    server.wait_workers()
    page = Page(server)
    first = server.restarter.startRestart('web')
    server.wait_phase(first, 'stopping')
    page.until(lambda told: page.states() == ['STOPPING'])
    while page.ask(0.0)['version'] != page.ask(0.0)['version']:
        pass  # until it is quiet
    begun = time.monotonic()
    second = server.restarter.startRestart('web', {'if_busy': 'queue'})
    assert page.ask()['order'] == [second, first]
    server.restarter.cancelRestart(second)
    assert [one['state'] for one in page.ask()['restarts']] == ['cancelled']
    assert in_time(begun)


def test_starts_and_stops_are_shown_by_their_processes_alone(server):
    page = Page(server)
    server.restarter.quickStop('web', True)
    page.until(lambda told: page.states() == ['STOPPED'] * 3)
    assert (page.told['restarts'], 'order' in page.told) == ([], False)


def test_a_restart_that_is_over_is_told_at_once_and_then_no_more(server):
    id = server.restarter.startRestart('web')
    server.wait_finished(id)
    page = Page(server, id)
    begun = time.monotonic()
    assert len(page.ask()['detail']['processes']) == 3
    assert in_time(begun)
    told = page.ask(0.01)
    assert (told['detail']['processes'], told['detail']['ready']) == ([], [])


def test_a_restart_that_nobody_remembers_is_gone(server):
    page, begun = Page(server, '99'), time.monotonic()
    assert page.ask()['detail'] == {'id': '99', 'gone': True}
    assert in_time(begun)


# -- waiting -------------------------------------------------------------------------------------


def test_a_page_that_knows_all_waits_for_as_long_as_it_said(server):
    page, begun = Page(server), time.monotonic()
    told = page.ask(1.0)
    assert time.monotonic() - begun >= 1.0
    assert (told['processes'], told['restarts'], told['full']) == ([], [], False)


@pytest.mark.parametrize('known', ['other:1', 'EPOCH:999999', 'EPOCH:0'])
def test_a_page_that_knows_something_else_is_told_everything_at_once(server, known):
    epoch, begun = state(server)['epoch'], time.monotonic()
    told = state(server, wait=LONG, since=known.replace('EPOCH', epoch))
    assert (told['full'], len(told['processes'])) == (True, 3)
    assert in_time(begun)


def waiting(server):
    """A page that waits, and is known to: who comes after it is served after it."""
    told = state(server)
    line = f'GET /restarter/state?wait=25&since={told["epoch"]}:{told["version"]} HTTP/1.1\r\n\r\n'
    page = Raw(server, line.encode())
    state(server)
    return page


def test_many_wait_and_one_more_is_sent_away(server):
    pages = [waiting(server) for _ in range(MOST_WAITING)]
    server.wait(lambda: waiting(server).answer().status == 503, 'refusal')
    refused = waiting(server).answer()
    assert (refused.line, refused.headers['retry-after']) == (
        f'{MOST_WAITING} others are waiting already',
        '5',
    )
    assert state(server)['full']  # which does not wait
    for page in pages[1:]:
        page.hang_up()
    server.wait(lambda: not is_refused(server), 'place for others')
    server.rpc().supervisor.stopProcess('web:0')
    assert pages[0].answer().json['processes'][0][0] == 0


def test_questions_that_do_not_wait_take_no_room_behind_one_that_does(server):
    page = waiting(server)
    page.socket.sendall(b'GET /restarter/state HTTP/1.1\r\n\r\n' * (2 * MOST_WAITING))
    state(server)
    assert not is_refused(server)


def is_refused(server):
    """Whether a page that would wait, for a moment, is sent away."""
    told = state(server)
    known = f'{told["epoch"]}:{told["version"]}'
    return ask(server, f'/restarter/state?wait=0.01&since={known}').status == 503


def test_clients_that_hang_up_leave_nothing_behind(server):
    before = server.descriptors()
    for _ in range(3):
        for page in [waiting(server) for _ in range(MOST_WAITING // 2)]:
            page.hang_up()
    page = waiting(server)
    server.rpc().supervisor.stopProcess('web:0')
    assert page.answer().status == 200
    page.hang_up()
    server.wait(lambda: server.descriptors() <= before, 'closed connections')


# -- the end -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('programs', 'sent'),
    [
        (program(count=3), signal.SIGHUP),
        (program(count=3), signal.SIGTERM),
        ('', signal.SIGHUP),  # nothing has to be stopped: there is no further turn
        ('', signal.SIGTERM),
    ],
)
def test_a_page_that_waits_is_told_that_supervisord_goes_away(start, programs, sent):
    server = start(programs)
    page = waiting(server)
    begun = time.monotonic()
    os.kill(server.pid, sent)
    answer = page.answer()
    assert (answer.status, answer.line) == (503, 'supervisord is shutting down or restarting')
    assert in_time(begun)
    if sent == signal.SIGTERM:
        assert server.process.wait(SECONDS) == 0
    else:
        server.wait(lambda: ask(server, '/restarter/state').status == 200, 'return')


def test_a_page_that_comes_while_supervisord_goes_away_is_told_so(start):
    server = start(held())
    server.wait_workers()
    os.kill(server.pid, signal.SIGHUP)
    answers: list[Answer] = []

    def refused():
        answers.append(ask(server, '/restarter/state?wait=25'))
        return answers[-1].status == 503

    server.wait(refused, 'refusal')
    assert answers[-1].headers['retry-after'] == '1'
    server.let_stop()
    server.wait(lambda: ask(server, '/restarter/state').status == 200, 'return')


# -- many at once --------------------------------------------------------------------------------


def test_pages_that_follow_a_rolling_restart_all_see_its_end(start):
    server = start(program(command=worker('--start', '0.05'), count=8))
    server.wait_state()
    pages = [Page(server) for _ in range(5)]
    id = server.restarter.startRestart('web', {'max_unavailable': 2})

    def follow(page):
        page.restart = id
        page.until(lambda told: told['detail']['restart']['finished_at'])

    threads = [threading.Thread(target=follow, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert all(page.told['detail']['restart']['state'] == 'succeeded' for page in pages)
    assert {tuple(map(tuple, page.rows)) for page in pages} == {
        tuple(tuple(row) for row in state(server)['processes'])
    }
