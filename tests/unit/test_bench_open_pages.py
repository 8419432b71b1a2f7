"""A played page asks what web/page/live.js asks."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from bench.open_pages import OpenPage


class Answering:
    """A connection on which these answers come, one after the other."""

    def __init__(self, *answers: dict[str, Any], status: int = 200) -> None:
        self._answers = iter(answers)
        self._status = status
        self.asked: list[str] = []

    def request(self, method: str, path: str) -> None:
        assert method == 'GET'
        self.asked.append(path)

    def getresponse(self) -> Any:
        body = json.dumps(next(self._answers)).encode()
        return SimpleNamespace(status=self._status, read=io.BytesIO(body).read)


def detail(id: str, version: int, finished_at: str = '') -> dict[str, Any]:
    return {'id': id, 'version': version, 'restart': {'finished_at': finished_at}}


def header(id: str, finished_at: str = '') -> dict[str, str]:
    return {'id': id, 'finished_at': finished_at}


def test_it_asks_for_what_has_changed_and_for_the_restart_that_runs():
    page = OpenPage('/no/such/socket')
    connection = Answering(
        {'epoch': 'e', 'version': 4, 'restarts': [header('6', 'then')]},
        {'epoch': 'e', 'version': 5, 'restarts': [header('7')]},
        {'epoch': 'e', 'version': 6, 'detail': detail('7', 12)},
        {'epoch': 'e', 'version': 6, 'detail': detail('7', 13, 'now')},
        {
            'epoch': 'f',
            'version': 1,
            'restarts': [header('8')],
            'detail': {'id': '7', 'gone': True},
        },
        {'epoch': 'f', 'version': 1},
    )
    page._connection = connection  # type: ignore[assignment]
    for _ in range(6):
        page._take_in(page._asked())
    assert connection.asked == [
        '/restarter/state?wait=25',
        '/restarter/state?wait=25&since=e:4',
        '/restarter/state?wait=25&since=e:5&restart=7:0',
        '/restarter/state?wait=25&since=e:6&restart=7:12',
        '/restarter/state?wait=25&since=e:6&restart=7:13',
        '/restarter/state?wait=25&since=f:1&restart=8:0',
    ]
    assert page.ended == {'7'}
    assert page.answers == 6


def test_an_error_is_not_taken_for_an_answer():
    page = OpenPage('/no/such/socket')
    page._connection = Answering({}, status=503)  # type: ignore[assignment]
    with pytest.raises(AssertionError, match='503'):
        page._asked()
