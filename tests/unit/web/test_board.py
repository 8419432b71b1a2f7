"""What a page is told by version: whatever happens, what it has been told adds up to what is there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.web.board import Board, Tile

UP, DOWN = Tile('RUNNING', 7, 100, '', 3), Tile('STOPPED', 0, 120, '', 3)
GROUPS = {'web': ['0', '1'], 'db': ['db']}
NAMES = [('web', '0'), ('web', '1'), ('db', 'db')]


@pytest.fixture
def board():
    made = Board('abc')
    made.put_processes(GROUPS, [UP, UP, UP])
    return made


def header(id, **said):
    return {id: {'id': id, 'state': 'running', **said}}


class Reader:
    """A page, which puts together what it is told."""

    def __init__(self) -> None:
        self.known: int | None = None
        self.groups: object = None
        self.rows: list[Any] = []
        self.headers: dict[str, Any] = {}
        self.order: list[str] = []

    def read(self, board: Board) -> Any:
        told: Any = board.news(self.known)
        if told['full']:
            self.groups, self.rows, self.headers = told['groups'], told['processes'], {}
        for index, *rest in told['processes']:
            self.rows[index] = [index, *rest]
        self.headers.update({one['id']: one for one in told['restarts']})
        self.order = told.get('order', self.order)
        self.known = told['version']
        return told


def test_everything_is_told_first(board):
    board.put_restarts(header('1'))
    assert board.news(None) == {
        'epoch': 'abc',
        'version': 2,
        'full': True,
        'groups': [{'name': 'web', 'processes': ['0', '1']}, {'name': 'db', 'processes': ['db']}],
        'processes': [[0, *UP], [1, *UP], [2, *UP]],
        'restarts': [{'id': '1', 'state': 'running'}],
        'order': ['1'],
    }


def test_then_only_what_has_changed(board):
    known = board.version
    board.put_processes(GROUPS, [UP, DOWN, UP])
    news = board.news(known)
    assert news == {
        'epoch': 'abc',
        'version': known + 1,
        'full': False,
        'processes': [[1, *DOWN]],
        'restarts': [],
    }


def test_what_is_the_same_is_no_news(board):
    board.put_restarts(header('1'))
    known = board.version
    board.put_processes({**GROUPS}, [UP, UP, UP])
    board.put_restarts(header('1'))
    assert board.version == known


@pytest.mark.parametrize(
    'groups', [{'web': ['0', '2'], 'db': ['db']}, {'web': ['0'], 'db': ['db', '1']}]
)
def test_other_names_in_as_many_places_are_everything_anew(board, groups):
    known = board.version
    board.put_processes(groups, [UP, UP, UP])
    news: Any = board.news(known)
    assert (news['full'], len(news['processes'])) == (True, 3)


def test_no_processes_at_all_are_a_board_too():
    board = Board('abc')
    board.put_processes({}, [])
    assert board.news(None)['full']
    assert not board.news(board.version)['full']


@pytest.mark.parametrize('since', [0, 99])
def test_a_version_that_is_none_of_its_own_is_told_everything(board, since):
    assert board.news(since)['full']


def test_the_order_is_told_when_restarts_come_and_go(board):
    board.put_restarts(header('1'))
    known = board.version
    board.put_restarts(header('1', state='succeeded'))
    assert 'order' not in board.news(known)
    board.put_restarts({**header('2'), **header('1', state='succeeded')})
    assert board.news(known)['order'] == ['2', '1']
    known = board.version
    board.put_restarts(header('2'))
    assert board.news(known)['order'] == ['2']
    assert board.news(known)['restarts'] == []


LAYOUTS: list[dict[str, list[str]]] = [
    GROUPS,
    {'web': ['0', '1'], 'other': ['db']},
    {},
    {'db': ['db']},
]
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just('processes'), st.sampled_from(LAYOUTS), st.lists(st.booleans(), min_size=3)
        ),
        st.tuples(
            st.just('restarts'),
            st.dictionaries(
                st.sampled_from('123'), st.sampled_from(['running', 'failed']), max_size=3
            ),
            st.none(),
        ),
        st.tuples(st.just('read'), st.integers(0, 1), st.none()),
    ),
    max_size=30,
)


@given(STEPS)
def test_what_two_pages_were_told_adds_up_to_what_is_there(steps):
    board, readers = Board('abc'), [Reader(), Reader()]
    board.put_processes(GROUPS, [UP, UP, UP])
    for what, value, states in steps:
        if what == 'read':
            readers[value].read(board)
        elif what == 'processes':
            count = sum(len(names) for names in value.values())
            board.put_processes(value, [UP if up else DOWN for up in states[:count]])
        else:
            headers = {id: {'id': id, 'state': state} for id, state in value.items()}
            board.put_restarts(headers)
    everything: Any = board.news(None)
    for reader in readers:
        reader.read(board)
        assert reader.groups == everything['groups']
        assert reader.rows == everything['processes']
        assert reader.order == everything['order']
        assert [reader.headers[id] for id in reader.order] == everything['restarts']
        told = reader.read(board)
        assert (told['processes'], told['restarts'], 'order' in told) == ([], [], False)
