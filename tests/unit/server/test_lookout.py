"""Which of the processes that a job holds are looked at in a turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.names import Match
from supervisor_restarter.server.lookout import LOOK_AT_ALL, Lookout

NAMES = ('0', '1', '2')


class Alike:
    """As Supervisor's Subprocess, which is equal to all of the same priority and has no hash."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


class Asked:
    """A probe: when it is to be asked again, and whether it has an answer."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.answered = False

    def due(self, now: float) -> bool:
        return self.answered

    def wake_at(self) -> float | None:
        return self.at


class Post:
    """A lookout over three processes, all of which were looked at when the clock said 100."""

    def __init__(self) -> None:
        self.members = [Member(Match('web', name, True, False)) for name in NAMES]
        self.handles: dict[Member, Any] = {
            member: SimpleNamespace(
                process=Alike(), seen=Observation(Seen.RUNNING), monitor=Asked()
            )
            for member in self.members
        }
        self.lookout = Lookout(self.handles)
        assert self.at(100.0) == ['0', '1', '2']

    def at(self, now: float) -> list[str]:
        """Look at those that are to be looked at; their names."""
        found = self.lookout.to_be_looked_at(now)
        members = self.members if found is None else sorted(found, key=self.members.index)
        self.lookout.looked_at(members)
        return [member.name for member in members]


@pytest.fixture
def post():
    return Post()


def test_nobody_is_looked_at_as_long_as_nothing_happens(post):
    assert post.at(100.01) == []
    assert post.lookout.wake_at(0.0) is None


def test_a_process_of_which_supervisor_says_something(post):
    post.lookout.note(post.handles[post.members[1]].process)
    post.lookout.note(Alike())  # of another group
    assert post.at(100.01) == ['1']
    assert post.at(100.02) == []


def test_a_process_to_which_something_was_done(post):
    post.lookout.stir(post.members[2])
    assert post.at(100.01) == ['2']
    assert post.at(100.02) == []


def test_a_process_whose_probe_has_an_answer_or_is_to_be_asked(post):
    monitor = post.handles[post.members[0]].monitor
    monitor.answered = True
    assert post.at(100.01) == ['0']
    monitor.answered, monitor.at = False, 100.5
    post.lookout.stir(post.members[0])
    assert post.at(100.02) == ['0']
    assert post.lookout.wake_at(0.0) == 100.5
    assert (post.at(100.4), post.at(100.5)) == ([], ['0'])


def test_a_process_whose_time_has_come(post):
    post.handles[post.members[1]].seen = Observation(Seen.STARTING, due=100.3)
    post.lookout.stir(post.members[1])
    assert post.at(100.1) == ['1']
    assert (post.at(100.2), post.at(100.3)) == ([], ['1'])


def test_all_of_them_when_that_is_asked_for_and_now_and_then(post):
    post.lookout.stir_all()
    assert post.at(100.1) == ['0', '1', '2']
    assert post.at(100.1 + LOOK_AT_ALL / 2) == []
    assert post.at(100.1 + LOOK_AT_ALL) == ['0', '1', '2']
