"""What is known of processes before a restart, and what therefore holds for them."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.freshness import Change
from supervisor_restarter.engine.member import Member, Observation
from supervisor_restarter.engine.phases import Seen
from supervisor_restarter.engine.survey import Candidate, survey
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options


def candidate(name, group='web', malformed='', **said):
    return Candidate(Member(Match(group, name, True, False)), malformed=malformed, said=said)


@pytest.mark.parametrize(('said', 'rolling'), [({}, False), ({'max_unavailable': 1}, True)])
def test_the_strictest_of_a_group_holds_for_all_of_its_processes(said, rolling):
    own, neighbour = candidate('0'), candidate('1', **said)
    known = survey([own, candidate('0', 'api')], [neighbour], Options())
    assert known.groups == ['web', 'api']
    assert known.rolling is rolling
    assert own.member.policy == neighbour.member.policy == known.policies['web'].processes['0']
    assert own.member.policy is not None
    assert own.member.policy.rolling is rolling


def test_one_that_makes_no_sense_refuses_its_group_and_the_restart_if_there_is_no_other():
    own, bad = candidate('0'), candidate('1', malformed='it is empty')
    known = survey([own], [bad], Options())
    assert own.member.refused == bad.member.refused == 'left as it is: web:1: it is empty'
    with pytest.raises(Refusal) as info:
        known.refuse()
    assert (info.value.code, info.value.text) == (Code.BAD_OPTION, 'BAD_OPTION: web:1: it is empty')
    other = candidate('0', 'api')
    survey([own, other], [bad], Options()).refuse()
    assert other.member.refused == ''


def test_what_is_new_enough_is_told_so_and_its_neighbours_are_not_asked():
    old, new, neighbour = candidate('0'), candidate('1'), candidate('2')
    for one in (old, new, neighbour):
        one.member.observed = Observation(Seen.READY, 7)
    change = Change('/srv/app/current', at=100.0, seen_at=120.0)
    own = [old._replace(started_at=99.0), new._replace(started_at=101.0)]
    known = survey(own, [neighbour._replace(started_at=101.0)], Options(), change)
    kept = [one.member.kept for one in (old, new, neighbour)]
    assert kept == ['', 'already newer than /srv/app/current', '']
    assert known.change is change
