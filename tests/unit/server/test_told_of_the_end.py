"""Who waits for the end of a job is told at once, however much there is to be told meanwhile."""

from __future__ import annotations

from supervisor_restarter.engine.admission import Goal
from tests.simulated import Simulation, slow

SLOW_TURN = 0.003  # seconds: then what is not urgent is told up to 0.06 s late


def test_who_waits_for_what_is_over_in_its_first_turn():
    web = Simulation('web:0')
    web.reactor.pacing.turn = SLOW_TURN
    answers = []

    def quick():
        job = web.ask('web', Goal.START)
        answers.append(web.client(lambda: job.operation.decided or None))

    web.at(1.0, quick)
    web.at(1.02, quick)
    web.to(1.05)
    assert answers == [[1.0], [1.02]]


def test_who_waits_for_a_restart_while_others_change():
    web = Simulation('web:0', *(f'app:{number}' for number in range(9)))
    web.reactor.pacing.turn = SLOW_TURN
    for number in range(9):  # one change after the other
        web.world.processes[f'app:{number}'].program = slow(0.1 * number)
    web.world.processes['web:0'].program = slow(0.31, startsecs=0.0)
    web.ask('app')
    job = web.ask('web')
    told = web.client(lambda: job.operation.finished or None)
    web.to(1.0)
    assert told == [0.31]
