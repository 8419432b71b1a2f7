"""What holds for every restart with commands of programs and with processes that are there twice, over
random programs, times and interferences. The Drive itself checks that never too many are there twice,
and that no command is run for a process that is down.
"""

from __future__ import annotations

from typing import Callable

from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import SETTLED, Phase, Seen
from supervisor_restarter.options import Options
from tests.examples import examples
from tests.world import BEGINNING, FINE, Drive, Life, Program, Script, World, name_of

LATEST = 12.0  # seconds after which nobody interferes any more
READY_TIMEOUT, HOOK_TIMEOUT = 6.0, 2.0
UP = (Seen.STARTING, Seen.RUNNING)

lives = st.builds(
    Life,
    st.sampled_from([None, None, None, 0.3, 2.5]),
    st.sampled_from([0, 1]),
    st.sampled_from([0.0, 0.0, 0.2, 3.0, None]),
)
scripts = st.sampled_from(
    [
        FINE,
        FINE,
        Script(0.7),
        Script(1.5),
        Script(None),
        Script(0.4, 'exit status 1'),
        Script(0.0, 'exit status 1'),
        Script(why='no such file', cannot=True),
    ]
)
commands = st.lists(scripts, max_size=2)
programs = st.builds(
    Program,
    lives=st.lists(lives, max_size=3),
    stop_seconds=st.sampled_from([0.0, 0.5, 3.0, None]),
    startsecs=st.sampled_from([0.0, 0.5, 2.0]),
    stopwaitsecs=st.sampled_from([1.0, 4.0]),
    startretries=st.sampled_from([0, 1]),
    autorestart=st.booleans(),
    obstacle=st.sampled_from(['', '', '', '', 'no such file']),
    unforeseen=st.sampled_from(['', '', '', '', 'no such file']),
    kill_error=st.sampled_from(['', '', '', '', '', '', 'not permitted']),
    signal_status=st.sampled_from([None, 1]),
    answers_after=st.sampled_from([0.0, 0.0, 1.5]),
    before_stop=commands,
    after_ready=commands,
    surge=st.sampled_from([True, True, False]),
)
states = st.sampled_from(
    [Seen.RUNNING] * 6
    + [Seen.STARTING, Seen.STOPPED, Seen.FATAL, Seen.EXITED, Seen.BACKOFF, Seen.STOPPING]
)
names = st.sampled_from(['web', 'web', 'api'])
# Those that run well, and whose commands take their time.
calm_states = st.sampled_from([Seen.RUNNING, Seen.RUNNING, Seen.STARTING])
calm_programs = st.builds(
    Program,
    stop_seconds=st.sampled_from([0.1, 3.0]),
    startsecs=st.sampled_from([0.5, 1.0]),
    autorestart=st.booleans(),
    before_stop=st.sampled_from([(), (FINE,), (Script(0.7),)]),
    after_ready=st.sampled_from([(), (FINE,), (Script(0.7),)]),
    surge=st.sampled_from([True, True, False]),
)
options = st.builds(
    Options,
    max_surge=st.sampled_from([0, 1, 1, 2, '50%', '100%']),
    max_unavailable=st.sampled_from([1, 1, '50%', '100%', '100%']),
    timeout=st.sampled_from([None, None, 0.2, 3.0]),
    on_failure=st.sampled_from(['abort', 'continue']),
    scout=st.sampled_from([0.0, 0.0, 4.0]),
    min_ready=st.sampled_from([0.0, 0.0, 1.5]),
    ready_timeout=st.just(READY_TIMEOUT),
    hook_timeout=st.just(HOOK_TIMEOUT),
)
INTERFERENCES = ['die', 'die', 'die old', 'stop', 'stop old', 'start', 'unready', 'cancel']
interferences = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0001, 0.5, 5.0, LATEST])
        | st.integers(0, 40).map(lambda tenths: tenths / 10),
        st.sampled_from([*INTERFERENCES, 'abandon', 'remove']),
        st.integers(0, 5),
    ),
    max_size=4,
)


class Story:
    def __init__(self, processes, options, interferences, orders_per_turn):
        self.world = World()
        for number, (group, seen, program) in enumerate(processes):
            self.world.add(f'{group}:{number}', seen, program)
        self.names = list(self.world.processes)
        # The processes of which others have decided something, or that died of their own.
        self.stopped: set[str] = set()
        self.touched: set[str] = set()
        self.gone = False  # it is not the operation's business any more
        deadline = None if options.timeout is None else BEGINNING + options.timeout
        self.operation = Operation(self.world.members(), options, deadline=deadline)
        self.drive = Drive(self.world, self.operation, orders_per_turn)
        self.were_ready = {
            name
            for name in self.names
            if self.world.processes[name].observe(BEGINNING).seen is Seen.READY
        }
        self.were_up = {name for name in self.names if self.world.processes[name].state in UP}
        for seconds, what, number in interferences:
            self.interfere(seconds, what, self.names[number % len(self.names)])
        self.drive.begin()
        self.drive.end()

    def interfere(self, seconds, what, name):
        world = self.world

        def process(suffix=''):
            return world.processes.get(name + suffix)

        def die(suffix=''):
            if process(suffix) and process(suffix).pid:
                process(suffix)._exit_by(world.now)

        def stop():
            if process().state in UP:  # else Supervisor may start it again of its own
                self.stopped.add(name)
            world.others_stop(name)

        def start():
            world.others_start(name)
            self.stopped.discard(name)

        def stop_old():
            if process('.old') and process('.old').state in UP:
                process('.old').stop(world.now)

        acts: dict[str, Callable[[], object]] = {
            'die': die,
            'die old': lambda: die('.old'),
            'stop': stop,
            'stop old': stop_old,
            'start': start,
            'unready': lambda: setattr(process(), 'ready_at', world.now + 1.0),
            'cancel': lambda: self.operation.cancel('enough'),
            'abandon': lambda: self.operation.abandon('shutting down'),
            'remove': lambda: world.removed.add(name.partition(':')[0]),
        }
        self.drive.at(seconds, acts[what])
        if what in ('abandon', 'remove'):
            self.touched |= set(self.names)
            self.gone = True
        self.touched.add(name)

    def alive(self, name):
        """The processes of that name that are there."""
        group, _, process = name.partition(':')
        return self.world.alive(group).get(process, [])


# -- what holds, each for itself -------------------------------------------------------------------


def it_ends_in_bounded_time_and_everything_has_an_end(story):
    operation = story.operation
    each = 4.0 + READY_TIMEOUT + 2.0 + 1.5 + 3 * HOOK_TIMEOUT + 3.0
    assert (
        story.world.now - BEGINNING <= LATEST + (len(operation.members) + 1) * each + READY_TIMEOUT
    )
    assert all(member.phase in SETTLED for member in operation.members)
    assert operation.state not in (State.QUEUED, State.RUNNING)


def at_the_end_there_is_one_of_each(story):
    if story.gone:
        return
    for name in story.names:
        program = story.world.processes[name].program
        left = [one for one in story.alive(name) if one.aside]
        assert not left or program.kill_error, (name, [one.state for one in left])


def what_was_up_and_is_wanted_is_up(story):
    for name in story.were_up - story.touched:
        process = story.world.processes[name]
        sound = not process.program.obstacle and not process.program.unforeseen
        if sound and not process.program.lives and not process.program.kill_error:
            assert process.state in UP, name


def what_others_stop_stays_down(story):
    for name in story.stopped:
        process = story.world.processes[name]
        if not story.gone and not process.program.kill_error:
            assert all(one.state not in UP for one in story.alive(name)), name


def no_command_is_left_running(story):
    assert not story.drive.commands


def nothing_is_taken_down_after_a_timeout_a_cancel_or_an_abort(story):
    taking_down = ('stop', 'drain', 'surge')
    assert [e for e in story.drive.log if e.order in taking_down and e.halted] == []


def what_is_replaced_is_never_missed(story):
    """Where nobody got in the way and nothing failed, as many as ever were ready all the time."""
    operation = story.operation
    if story.touched or operation.failures or operation.state is not State.SUCCEEDED:
        return
    if all(member.surges and name_of(member) in story.were_ready for member in operation.members):
        assert operation.lowest_ready == len(operation.members)


def what_fails_beside_the_old_one_leaves_that_running(story):
    """The old one is the same process as in the beginning, and nobody has stopped it."""
    for member in story.operation.members:
        name = name_of(member)
        orders = [entry.order for entry in story.drive.log if entry.name == name]
        if 'restore' in orders and name not in story.touched and member.old_pid:
            process = story.world.processes[name]
            if not process.program.lives:
                assert process.pid == member.old_pid
                assert 'retire' not in orders
                assert member.phase in (Phase.SKIPPED, Phase.FAILED)


ORDERS_PER_TURN = st.sampled_from([None, None, 1, 2])


@examples(200, 3000)
@given(
    st.lists(st.tuples(names, states, programs), min_size=1, max_size=6),
    options,
    interferences,
    ORDERS_PER_TURN,
)
def test_what_holds_for_every_restart_with_commands_and_surge(
    processes, options, interferences, orders_per_turn
):
    check(Story(processes, options, interferences, orders_per_turn))


@examples(200, 3000)
@given(
    st.lists(st.tuples(names, calm_states, calm_programs), min_size=1, max_size=4),
    options,
    interferences,
    ORDERS_PER_TURN,
)
def test_what_holds_where_only_others_get_in_the_way(
    processes, options, interferences, orders_per_turn
):
    story = Story(processes, options, interferences, orders_per_turn)
    check(story)
    what_is_replaced_is_never_missed(story)


def check(story):
    it_ends_in_bounded_time_and_everything_has_an_end(story)
    at_the_end_there_is_one_of_each(story)
    what_was_up_and_is_wanted_is_up(story)
    what_others_stop_stays_down(story)
    no_command_is_left_running(story)
    nothing_is_taken_down_after_a_timeout_a_cancel_or_an_abort(story)
    what_fails_beside_the_old_one_leaves_that_running(story)
