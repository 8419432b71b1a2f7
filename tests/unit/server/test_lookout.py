"""Which processes of a job have to be looked at in a turn: on handles without a Supervisor."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.phases import Order, Seen
from supervisor_restarter.names import Match
from supervisor_restarter.server.driver import Driver
from supervisor_restarter.server.lookout import LOOK_AT_ALL, Lookout

NOW = 100.0


class Equal:
    """A process of Supervisor, which is equal to all others of the same priority."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


class Probe:
    """A monitor that has an answer, or wants to be asked at a time."""

    def __init__(self) -> None:
        self.answered, self.at = False, None

    def due(self, now: float) -> bool:
        return self.answered

    def wake_at(self) -> float | None:
        return self.at


class Scene:
    """A lookout over so many processes, all of which have been looked at just now."""

    def __init__(self, number: int = 3, probed: bool = False) -> None:
        self.members = [Member(Match('web', str(one), True, True)) for one in range(number)]
        self.handles: dict[Member, Any] = {
            member: SimpleNamespace(
                process=Equal(), seen=Observation(Seen.READY), monitor=Probe() if probed else None
            )
            for member in self.members
        }
        self.lookout = Lookout(self.handles)
        assert self.lookout.to_be_looked_at(NOW) is None  # none has been before
        self.lookout.looked_at(self.members)

    def names(self, seconds: float) -> list[str] | None:
        """Who is to be looked at so many seconds later; then they have been."""
        found = self.lookout.to_be_looked_at(NOW + seconds)
        self.lookout.looked_at(self.members if found is None else found)
        return None if found is None else sorted(member.name for member in found)


def test_where_nothing_happens_nobody_is_looked_at_but_all_now_and_then():
    scene = Scene()
    assert scene.names(0.1) == []
    assert scene.lookout.wake_at(0.0) is None  # that does not wake supervisord
    assert scene.names(LOOK_AT_ALL) is None
    assert scene.names(LOOK_AT_ALL + 0.1) == []
    assert scene.names(2 * LOOK_AT_ALL) is None


def test_what_has_happened_to_one_is_looked_at_once():
    scene = Scene()
    scene.lookout.note(scene.handles[scene.members[1]].process)
    scene.lookout.stir(scene.members[2])
    assert scene.names(0.1) == ['1', '2']
    assert scene.names(0.2) == []


def test_processes_are_told_apart_though_they_are_equal():
    scene = Scene()
    for number in (0, 2):
        scene.lookout.note(scene.handles[scene.members[number]].process)
    assert scene.names(0.1) == ['0', '2']


def test_a_process_of_nobody_stirs_nobody():
    scene = Scene()
    stranger: Any = Equal()
    scene.lookout.note(stranger)
    assert scene.names(0.1) == []


@pytest.mark.parametrize('probed', [False, True])
def test_a_time_of_supervisors_own_is_kept(probed):
    scene = Scene(probed=probed)
    own, other = scene.handles[scene.members[0]], scene.handles[scene.members[1]]
    own.seen = Observation(Seen.STARTING, due=NOW + 0.5)
    scene.lookout.stir(scene.members[0])
    assert scene.names(0.1) == ['0']
    other.seen = Observation(Seen.STARTING, due=NOW + 0.2)  # that nobody has looked at
    assert scene.lookout.wake_at(0.0) == NOW + 0.5
    assert scene.names(0.4) == []
    own.seen = Observation(Seen.RUNNING)
    assert scene.names(0.5) == ['0']
    assert scene.lookout.wake_at(0.0) is None


def test_a_time_that_is_over_is_forgotten_when_all_are_looked_at():
    scene = Scene()
    own = scene.handles[scene.members[0]]
    own.seen = Observation(Seen.STARTING, due=NOW + LOOK_AT_ALL)
    scene.lookout.stir(scene.members[0])
    scene.names(0.1)
    own.seen = Observation(Seen.RUNNING)
    assert scene.names(LOOK_AT_ALL) is None
    assert scene.lookout.wake_at(0.0) is None
    assert scene.names(LOOK_AT_ALL + 0.1) == []


def test_a_probe_is_looked_at_when_it_has_an_answer_or_is_to_ask():
    scene = Scene(probed=True)
    answered, asking = (scene.handles[one].monitor for one in scene.members[:2])
    answered.answered = True
    assert scene.names(0.1) == ['0']
    answered.answered, asking.at = False, NOW + 0.3
    scene.lookout.stir(scene.members[1])
    assert scene.names(0.2) == ['1']
    assert scene.lookout.wake_at(0.0) == NOW + 0.3
    asking.at = None
    assert scene.names(0.3) == ['1']
    assert scene.lookout.wake_at(0.0) is None


def test_one_can_have_all_looked_at():
    scene = Scene()
    scene.lookout.stir_all()
    assert scene.names(0.1) is None
    assert scene.names(0.2) == []


@pytest.mark.parametrize('order', [Order.SURGE, Order.RESTORE])
def test_where_another_process_gets_the_name_its_events_are_heard(order):
    scene = Scene()
    job: Any = SimpleNamespace(lookout=scene.lookout, handles=scene.handles)
    new: Any = Equal()
    scene.handles[scene.members[0]].process = new
    Driver._watch(job, scene.members[0], order)
    assert job.lookout.to_be_looked_at(NOW) is None
    job.lookout.note(new)
    assert job.lookout.to_be_looked_at(NOW) == {scene.members[0]}
