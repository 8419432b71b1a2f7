"""What holds for every restart, whatever the processes do and whoever interferes."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import SETTLED, Phase, Seen
from supervisor_restarter.options import Options
from tests.examples import examples
from tests.world import BEGINNING, LASTING, Drive, Life, Program, World, name_of

LATEST = 8.0  # seconds after which nobody interferes any more, and the last wave has begun
SLOWEST = 8.0  # seconds that a process can take to stop and to start

lives = st.lists(
    st.builds(
        Life, st.sampled_from([None, None, 0.0, 0.3, 2.5]), st.sampled_from([0, 1]), st.just(0.0)
    ),
    max_size=3,
)
programs = st.builds(
    Program,
    lives=lives,
    stop_seconds=st.sampled_from([0.0, 0.05, 0.5, 3.0, None]),
    startsecs=st.sampled_from([0.0, 0.5, 2.0]),
    stopwaitsecs=st.sampled_from([1.0, 4.0]),
    startretries=st.sampled_from([0, 3]),
    autorestart=st.booleans(),
    obstacle=st.sampled_from(['', '', '', 'no such file']),
    kill_error=st.sampled_from(['', '', '', 'not permitted']),
    answers_after=st.sampled_from([0.0, 0.0, 1.5]),
)
states = st.sampled_from([seen for seen in Seen if seen not in (Seen.WANTED_DOWN, Seen.READY)])
processes = st.lists(
    st.tuples(st.sampled_from(['web', 'api']), states, programs), min_size=1, max_size=5
)
options = st.builds(
    Options,
    delay=st.sampled_from([0.0, 0.3, 2.0]),
    stagger_factor=st.integers(1, 4),
    timeout=st.sampled_from([None, None, 0.0, 0.2, 1.0, 3.0]),
    on_failure=st.sampled_from(['abort', 'continue']),
    only_running=st.booleans(),
    ready_timeout=st.just(SLOWEST),
)


class Interference(NamedTuple):
    """What somebody else does, and to which process (modulo their number)."""

    seconds: float
    what: str
    number: int


interferences = st.lists(
    st.builds(
        Interference,
        st.sampled_from([0.0, 0.0001, 0.02, 0.1, 0.4, 1.0, 2.0, 3.5, LATEST]),
        st.sampled_from(['stop', 'stop unheeded', 'start', 'remove', 'cancel', 'abandon']),
        st.integers(0, 4),
    ),
    max_size=4,
)


class Story(NamedTuple):
    """A restart that is over."""

    drive: Drive
    touched: set[str]  # the processes with which somebody else interfered
    asked_down: dict[str, float]  # when somebody asked for a process's stop, and was heard
    left_at: float  # when supervisord began to shut down

    @property
    def operation(self) -> Operation:
        return self.drive.operation

    def ordered(self, order: str) -> list[str]:
        return [entry.name for entry in self.drive.log if entry.order == order]


def told(
    goal,
    processes,
    options,
    interferences,
    outright=True,
    orders_per_turn=None,
    early_cancel=False,
    kept=frozenset[int](),
) -> Story:
    world = World()
    for number, (group, seen, program) in enumerate(processes):
        world.add(f'{group}:{number}', seen, program)
    deadline = None if options.timeout is None else BEGINNING + options.timeout
    operation = Operation(world.members(outright), options, deadline=deadline, goal=goal)
    for number in kept & set(range(len(processes))):
        member = operation.members[number]
        member.kept = 'already newer than /srv/app/current'
        member.up_since = world.processes[name_of(member)].laststart
    drive = Drive(world, operation, orders_per_turn)
    story = Story(
        drive,
        set(),
        {},
        min([i.seconds for i in interferences if i.what == 'abandon'], default=99.0),
    )
    for interference in interferences:
        interfere(story, *interference)
    drive.begin()
    if early_cancel:
        operation.cancel('at once')
    drive.end()
    return story


def interfere(story, seconds, what, number):
    drive, world = story.drive, story.drive.world
    names = list(world.processes)
    name = names[number % len(names)]
    group = name.partition(':')[0]
    actions = {
        'stop': lambda: world.others_stop(name),
        'stop unheeded': lambda: world.others_stop(name, heeded=False),
        'start': lambda: world.others_start(name),
        'remove': lambda: world.removed.add(group),
        'cancel': lambda: story.operation.cancel('enough'),
        'abandon': lambda: story.operation.abandon('shutting down'),
    }
    drive.at(seconds, actions[what])
    if what == 'stop':
        story.asked_down[name] = min(seconds, story.asked_down.get(name, seconds))
    if what == 'abandon':
        story.touched.update(names)
    elif what != 'cancel':
        story.touched.update(
            each for each in names if each == name or (what == 'remove' and each.startswith(group))
        )


stories = st.builds(
    told,
    st.just(Goal.RESTART),
    processes,
    options,
    interferences,
    outright=st.booleans(),
    orders_per_turn=st.sampled_from([None, 1, 2]),
    early_cancel=st.sampled_from([False, False, False, True]),
    kept=st.frozensets(st.integers(0, 4), max_size=3),
)
short_stories = st.builds(
    told,
    st.sampled_from([Goal.START, Goal.STOP]),
    processes,
    options,
    interferences,
    outright=st.booleans(),
    orders_per_turn=st.sampled_from([None, 1, 2]),
)


# -- what holds, each for itself -------------------------------------------------------------------


def it_finishes_in_bounded_time(story):
    assert story.drive.world.now - BEGINNING <= LATEST + SLOWEST
    assert story.operation.finished


def everything_has_an_end_and_the_result_fits(story):
    operation = story.operation
    if operation.goal is Goal.RESTART:
        assert all(member.phase in SETTLED for member in operation.members)
    assert operation.state not in (State.QUEUED, State.RUNNING)
    assert operation.state is not State.SUCCEEDED or not operation.failures
    assert operation.state is not State.FAILED or operation.failures
    assert operation.state is State.TIMED_OUT or not operation.pending
    assert operation.state is not State.TIMED_OUT or operation.pending


def what_the_restart_has_stopped_is_running_in_the_end(story):
    world = story.drive.world
    stopped = set(story.ordered('stop'))
    for member in story.operation.members:
        process = world.processes[name_of(member)]
        sound = (
            not process.program.obstacle
            and not process.program.kill_error
            and set(process.ahead) <= {LASTING}
        )
        if name_of(member) in stopped - story.touched and sound:
            assert member.phase is Phase.READY
            assert process.state is Seen.RUNNING
            assert process.pid == member.new_pid != member.old_pid


def nothing_is_stopped_after_a_timeout_a_cancel_or_an_abort(story):
    assert [entry for entry in story.drive.log if entry.order == 'stop' and entry.halted] == []


def nothing_is_stopped_where_something_could_not_be_started_again(story):
    operation = story.operation
    foreseen = [member for member in operation.members if member.error.startswith('left as it is')]
    if operation.options.on_failure == 'abort' and foreseen:
        assert story.ordered('stop') == []
        assert len(foreseen) == 1


def no_process_is_stopped_or_started_twice(story):
    for order in ('stop', 'start'):
        assert len(story.ordered(order)) == len(set(story.ordered(order)))


def a_start_stops_nothing_and_a_stop_starts_nothing(story):
    assert story.ordered('stop' if story.operation.goal is Goal.START else 'start') == []


def what_somebody_has_asked_to_be_stopped_is_not_started_after_that(story):
    asked = story.asked_down
    assert [
        entry
        for entry in story.drive.log
        if entry.order == 'start' and entry.seconds > asked.get(entry.name, LATEST)
    ] == []


def what_is_left_alone_is_not_touched(story):
    kept = {name_of(member) for member in story.operation.members if member.kept_at is not None}
    assert kept.isdisjoint(entry.name for entry in story.drive.log)


def nothing_is_done_once_supervisord_goes_away(story):
    assert [entry for entry in story.drive.log if entry.seconds > story.left_at] == []


@examples(200, 1000)
@given(stories)
def test_what_holds_for_every_restart(story):
    it_finishes_in_bounded_time(story)
    everything_has_an_end_and_the_result_fits(story)
    no_process_is_stopped_or_started_twice(story)
    what_the_restart_has_stopped_is_running_in_the_end(story)
    nothing_is_stopped_after_a_timeout_a_cancel_or_an_abort(story)
    nothing_is_stopped_where_something_could_not_be_started_again(story)
    what_somebody_has_asked_to_be_stopped_is_not_started_after_that(story)
    nothing_is_done_once_supervisord_goes_away(story)
    what_is_left_alone_is_not_touched(story)


@examples(100, 600)
@given(short_stories)
def test_what_holds_for_every_start_and_stop(story):
    it_finishes_in_bounded_time(story)
    everything_has_an_end_and_the_result_fits(story)
    no_process_is_stopped_or_started_twice(story)
    a_start_stops_nothing_and_a_stop_starts_nothing(story)
