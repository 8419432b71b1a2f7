"""What holds for every rolling restart: promises 3 and 4, over random groups, durations and
failures.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.engine.phases import SETTLED, UP, Phase, Seen
from supervisor_restarter.engine.policy import of_group
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from tests.examples import examples
from tests.world import BEGINNING, Drive, Life, Program, World, name_of

LATEST = 12.0  # seconds after which nobody interferes any more
READY_TIMEOUT = 6.0

lives = st.builds(
    Life,
    st.sampled_from([None, None, None, 0.3, 2.5]),
    st.sampled_from([0, 1]),
    st.sampled_from([0.0, 0.0, 0.2, 3.0, None]),
)
programs = st.builds(
    Program,
    lives=st.lists(lives, max_size=3),
    stop_seconds=st.sampled_from([0.0, 0.5, 3.0, None]),
    startsecs=st.sampled_from([0.0, 0.5, 2.0]),
    stopwaitsecs=st.sampled_from([1.0, 4.0]),
    startretries=st.sampled_from([0, 1]),
    autorestart=st.booleans(),
    obstacle=st.sampled_from(['', '', '', 'no such file']),
    signal_status=st.sampled_from([None, None, 0, 1]),
    ready_again=st.sampled_from([0.0, 0.5, 9.0]),
    answers_after=st.sampled_from([0.0, 0.0, 1.5, 9.0]),
)
states = st.sampled_from(
    [
        Seen.RUNNING,
        Seen.RUNNING,
        Seen.RUNNING,
        Seen.STARTING,
        Seen.STOPPED,
        Seen.FATAL,
        Seen.EXITED,
        Seen.EXITED_BADLY,
        Seen.BACKOFF,
        Seen.STOPPING,
    ]
)
processes = st.lists(
    st.tuples(
        st.sampled_from(['web', 'web', 'api']),
        states,
        programs,
        st.booleans(),  # outside of the restart
        st.sampled_from([False, False, True]),  # new enough to be left alone
    ),
    min_size=1,
    max_size=7,
)
# What each process's program says of itself; most often nothing.
said = st.fixed_dictionaries(
    {},
    optional={
        'max_unavailable': st.sampled_from([1, 2, '50%', '100%']),
        'min_ready': st.sampled_from([0.0, 0.7, 1.5]),
        'ready_timeout': st.sampled_from([1.0, READY_TIMEOUT]),
    },
)
sayings = st.lists(said, min_size=7, max_size=7) | st.just([dict[str, object]()] * 7)
options = st.builds(
    Options,
    max_unavailable=st.sampled_from([1, 1, 2, 3, '25%', '50%', '99%', '100%']),
    delay=st.sampled_from([0.0, 0.3]),
    stagger_factor=st.sampled_from([1, 1, 3]),
    timeout=st.sampled_from([None, None, 0.2, 3.0]),
    on_failure=st.sampled_from(['abort', 'continue']),
    only_running=st.booleans(),
    scout=st.sampled_from([0.0, 0.0, 4.0]),
    min_ready=st.sampled_from([0.0, 0.0, 1.5]),
    ready_timeout=st.just(READY_TIMEOUT),
    method=st.sampled_from(['restart', 'restart', 'restart', 'signal:HUP', 'start']),
)
interferences = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0001, 0.4, 1.0, 2.2, 5.0, LATEST]),
        st.sampled_from(['die', 'die', 'stop', 'start', 'unready', 'cancel', 'abandon', 'remove']),
        st.integers(0, 6),
    ),
    max_size=4,
)


class Watched(Drive):
    """Writes down, at each taking down, what is ready in the group: by its own count of the
    simulated processes, and not by the restart's word.
    """

    def __init__(self, world, operation, orders_per_turn):
        super().__init__(world, operation, orders_per_turn)
        # (allowed, ready among the others, in hand, those of them that were up, size, ready itself,
        # up and not ready)
        self.taken = []
        self.begun = []  # (group, for how long those are up that the restart, or supervisord, has brought up)

    def _carry_out(self, member):
        order = member.order.value
        if order in ('stop', 'signal'):
            assert not (self.operation.options.starts_only and member.observed.seen in UP)
            group = [
                m
                for m in self.operation.members + self.operation.neighbours
                if m.group == member.group
            ]
            others = sum(self._counts(m) for m in group if m is not member)
            in_hand = [
                m
                for m in group
                if m.phase in (Phase.STOPPING, Phase.STOPPED, Phase.STARTING, Phase.SIGNALLED)
            ]
            were_up = {entry.name for entry in self.log if entry.order in ('stop', 'signal')}
            if member.policy.rolling:
                self.begun.append((member.group, self._ages(member.group), self._helped(group)))
            self.taken.append(
                (
                    member.policy.allowed(len(group)),
                    others,
                    len(in_hand),
                    sum(name_of(m) in were_up for m in in_hand),
                    len(group),
                    self._counts(member),
                    member.observed.seen in (Seen.RUNNING, Seen.STARTING),
                )
            )
        super()._carry_out(member)

    def _ages(self, group):
        """For how long the processes are up that the restart has brought up."""
        return [
            self.world.now - BEGINNING - entry.seconds
            for entry in self.log
            if entry.order in ('start', 'signal')
            and entry.name.startswith(f'{group}:')
            and self.world.processes[entry.name].pid
        ]

    def _helped(self, group):
        """The same of those that were down, which supervisord may have started first."""
        down = (m for m in group if not m.old_pid and m.start_at is not None)
        processes = [self.world.processes[name_of(m)] for m in down]
        return [self.world.now - one.laststart for one in processes if one.pid]

    def _counts(self, member):
        """Whether the process is ready: one that was started by the restart, only when it is known
        to be.
        """
        begun = member.phase in (Phase.STOPPING, Phase.STOPPED, Phase.STARTING, Phase.SIGNALLED)
        seen = self.world.processes[name_of(member)].observe(self.world.now).seen
        return seen is Seen.READY and not begun


class Story:
    def __init__(self, processes, sayings, options, interferences, orders_per_turn):
        self.world = World()
        for number, (group, seen, program, _, _) in enumerate(processes):
            self.world.add(f'{group}:{number}', seen, program)
        self.touched = set()
        chosen: list[Member] = []
        neighbours: list[Member] = []
        for number, (group, _, _, outside, kept) in enumerate(processes):
            member = Member(Match(group, str(number), True, True))
            member.kept = 'already newer than /srv/app/current' if kept else ''
            if options.starts_only:
                member.kept = 'already started'
            member.up_since = self.world.processes[name_of(member)].laststart
            (neighbours if outside and number else chosen).append(member)
        for group in {member.group for member in chosen}:
            everyone = [member for member in chosen + neighbours if member.group == group]
            policy = of_group(
                group, {member.name: sayings[int(member.name)] for member in everyone}, options
            )
            for member in everyone:
                member.policy = policy.processes[member.name]
        neighbours = [member for member in neighbours if member.policy and member.policy.rolling]
        deadline = None if options.timeout is None else BEGINNING + options.timeout
        self.operation = Operation(chosen, options, neighbours, deadline=deadline)
        self.drive = Watched(self.world, self.operation, orders_per_turn)
        for seconds, what, number in interferences:
            self.interfere(seconds, what, list(self.world.processes)[number % len(processes)])
        self.new_enough = {
            name_of(m)
            for m in chosen
            if m.kept and self.world.processes[name_of(m)].state in (Seen.STARTING, Seen.RUNNING)
        }
        self.drive.begin()
        self.drive.end()

    def interfere(self, seconds, what, name):
        world, process = self.world, self.world.processes[name]
        self.drive.at(
            seconds,
            {
                'die': lambda: process._exit_by(world.now) if process.pid else None,
                'stop': lambda: world.others_stop(name),
                'start': lambda: world.others_start(name),
                'unready': lambda: setattr(process, 'ready_at', world.now + 1.0),
                'cancel': lambda: self.operation.cancel('enough'),
                'abandon': lambda: self.operation.abandon('shutting down'),
                'remove': lambda: world.removed.add(name.partition(':')[0]),
            }[what],
        )
        if what in ('abandon', 'remove'):
            self.touched |= set(world.processes)
        self.touched.add(name)


# -- what holds, each for itself -------------------------------------------------------------------


def never_more_of_a_group_are_not_ready_than_allowed_by_what_the_restart_does(story):
    for allowed, others, in_hand, _, size, ready, _ in story.drive.taken:
        if ready:
            assert size - others <= allowed
        assert in_hand < max(allowed, 1) or not ready


def of_those_that_run_without_being_ready_no_more_are_taken_at_once_than_allowed(story):
    for allowed, _, _, were_up, _, ready, unready in story.drive.taken:
        assert ready or not unready or were_up < allowed


def what_is_ready_has_been_so_for_its_own_min_ready_and_fails_by_its_own_limit(story):
    touched = {name for name in story.world.processes if name in story.touched}
    cut_short = story.operation.state in (State.TIMED_OUT, State.CANCELLED)
    for member in story.operation.members:
        if name_of(member) in touched or member.start_at is None:
            continue
        if member.phase is Phase.READY and member.ready_since is not None and not cut_short:
            assert member.ready_at - member.ready_since >= member.policy.min_ready
        if 'not ready within' in member.error:
            assert f'not ready within {member.policy.ready_timeout:g} s' in member.error


def it_ends_in_bounded_time_and_everything_has_an_end(story):
    operation = story.operation
    each = 3.0 + 4.0 + READY_TIMEOUT + 2.0 + 1.5
    assert (
        story.world.now - BEGINNING <= LATEST + (len(operation.members) + 1) * each + READY_TIMEOUT
    )
    assert all(member.phase in SETTLED for member in operation.members)
    assert operation.state not in (State.QUEUED, State.RUNNING)


def what_was_taken_down_is_started_again(story):
    stopped = [entry.name for entry in story.drive.log if entry.order == 'stop']
    started = {entry.name for entry in story.drive.log if entry.order == 'start'}
    for member in story.operation.members:
        sound = not story.world.processes[
            name_of(member)
        ].program.obstacle  # else it is not stopped either
        if name_of(member) in stopped and name_of(member) not in story.touched and sound:
            assert name_of(member) in started


def what_dies_of_the_signal_is_running_again(story):
    for member in story.operation.members:
        process = story.world.processes[name_of(member)]
        if name_of(member) in story.touched or name_of(member) not in {
            entry.name for entry in story.drive.log if entry.order == 'signal'
        }:
            continue
        if member.phase is Phase.FAILED and not process.ahead and not process.program.obstacle:
            assert process.state in (Seen.STARTING, Seen.RUNNING)


def nothing_more_of_a_group_is_taken_down_before_its_scout_has_been_up_for_long_enough(story):
    options = story.operation.options
    if options.scout and options.on_failure == 'abort':
        for group, ages, helped in story.drive.begun:
            if not any(name.startswith(group) for name in story.touched):
                assert not ages or max(ages + helped) >= options.scout


def what_the_restart_has_started_and_is_not_up_at_its_end_has_failed(story):
    started = {entry.name for entry in story.drive.log if entry.order == 'start'}
    for member in story.operation.members:
        process = story.world.processes[name_of(member)]
        if name_of(member) in started - story.touched and process.state not in (
            Seen.RUNNING,
            Seen.STARTING,
        ):
            fine = process.state is Seen.EXITED and not process.program.autorestart
            assert fine or member.phase is Phase.FAILED
            assert fine or story.operation.state is not State.SUCCEEDED


def nothing_is_taken_down_after_a_timeout_a_cancel_or_an_abort(story):
    assert [
        entry for entry in story.drive.log if entry.order in ('stop', 'signal') and entry.halted
    ] == []


def nothing_is_taken_down_twice(story):
    for order in ('stop', 'signal'):
        names = [entry.name for entry in story.drive.log if entry.order == order]
        assert len(names) == len(set(names))


def what_is_left_alone_is_not_touched(story):
    kept = {name_of(m) for m in story.operation.members if m.kept_at is not None}
    assert kept >= story.new_enough
    assert kept.isdisjoint(entry.name for entry in story.drive.log)


def it_takes_turns_only_for_a_reason(story):
    # supervisord's own turns of a second, and some for each process
    seconds = story.world.now - BEGINNING
    assert story.drive.turns <= 2 * seconds + 40 * len(story.world.processes)


stories = st.builds(
    Story, processes, sayings, options, interferences, st.sampled_from([None, None, 1, 2])
)


@examples(200, 1000)
@given(stories)
def test_what_holds_for_every_rolling_restart(story):
    never_more_of_a_group_are_not_ready_than_allowed_by_what_the_restart_does(story)
    of_those_that_run_without_being_ready_no_more_are_taken_at_once_than_allowed(story)
    what_is_ready_has_been_so_for_its_own_min_ready_and_fails_by_its_own_limit(story)
    it_ends_in_bounded_time_and_everything_has_an_end(story)
    what_was_taken_down_is_started_again(story)
    what_dies_of_the_signal_is_running_again(story)
    nothing_more_of_a_group_is_taken_down_before_its_scout_has_been_up_for_long_enough(story)
    what_the_restart_has_started_and_is_not_up_at_its_end_has_failed(story)
    nothing_is_taken_down_after_a_timeout_a_cancel_or_an_abort(story)
    nothing_is_taken_down_twice(story)
    it_takes_turns_only_for_a_reason(story)
    what_is_left_alone_is_not_touched(story)
