"""What holds for every operation that gives processes another program, there and back."""

from __future__ import annotations

import math
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.engine import reversal
from supervisor_restarter.engine.member import Member
from supervisor_restarter.engine.operation import AS_TOLD, Operation, State
from supervisor_restarter.engine.phases import DOWN, IN_FLIGHT, TURN_HAS_COME, Phase, Seen
from supervisor_restarter.engine.policy import Policy
from supervisor_restarter.names import Match
from supervisor_restarter.options import Options
from tests.examples import examples
from tests.world import BEGINNING, FINE, Drive, Life, Program, Script, World, name_of

LATEST = 12.0  # seconds after which nobody interferes any more
READY_TIMEOUT = 6.0
HOOK_TIMEOUT = 2.0
# Seconds that a process can take to stop and to be ready, with its commands.
SLOWEST = 4.0 + 2.0 + READY_TIMEOUT + 1.5 + 2 * HOOK_TIMEOUT

# Most have none, and of the others most go well.
commands = st.sampled_from(
    [(), (), (), (), (FINE,), (Script(0.7),), (Script(0.4, 'exit status 1'), FINE), (Script(None),)]
)
lasting = st.builds(
    Program,
    lives=st.just([]),
    stop_seconds=st.sampled_from([0.0, 0.5, 3.0, None]),
    startsecs=st.sampled_from([0.0, 0.5, 2.0]),
    stopwaitsecs=st.sampled_from([1.0, 4.0]),
    startretries=st.sampled_from([0, 1]),
    autorestart=st.booleans(),
    before_stop=commands,
    after_ready=commands,
)
life = st.builds(
    Life,
    st.sampled_from([None, None, 0.3, 2.5]),
    st.sampled_from([0, 1]),
    st.sampled_from([0.0, 0.0, 0.2, 3.0, None]),
)
programs = lasting | st.builds(
    Program,
    lives=st.lists(life, max_size=3),
    stop_seconds=st.sampled_from([0.0, 0.5, 3.0, None]),
    startsecs=st.sampled_from([0.0, 0.5, 2.0]),
    stopwaitsecs=st.sampled_from([1.0, 4.0]),
    startretries=st.sampled_from([0, 1]),
    autorestart=st.booleans(),
    obstacle=st.sampled_from(['', '', '', 'no such file']),
    unforeseen=st.sampled_from(['', '', '', 'not executable']),
    kill_error=st.sampled_from(['', '', '', 'not permitted']),
    before_stop=commands,
    after_ready=commands,
)
states = st.sampled_from(
    [Seen.RUNNING] * 4 + [Seen.STARTING, Seen.FATAL, Seen.EXITED_BADLY, Seen.BACKOFF]
)


class Part(NamedTuple):
    """A process, what becomes of it ('change', 'add', 'remove', or '': nothing), and its programs."""

    group: str
    what: str
    seen: Seen
    old: Program
    new: Program


parts = st.lists(
    st.builds(
        Part,
        st.sampled_from(['web', 'web', 'api']),
        st.sampled_from(['change', 'change', 'change', 'add', 'remove', '']),
        states,
        lasting | programs,
        programs,
    ),
    min_size=1,
    max_size=7,
)
policies = st.builds(
    Policy,
    st.sampled_from([1, 1, 2, '25%', '50%', '100%']),
    st.sampled_from([0.0, 0.0, 1.5]),
    st.sampled_from([READY_TIMEOUT, READY_TIMEOUT, 0.0]),
)
options = st.builds(
    Options,
    delay=st.sampled_from([0.0, 0.3]),
    stagger_factor=st.sampled_from([1, 1, 3]),
    timeout=st.sampled_from([None, None, 0.0, 0.2, 1.0, 3.0, 6.0]),
    on_failure=st.sampled_from(['abort', 'continue']),
    scout=st.sampled_from([0.0, 0.0, 4.0]),
    hook_timeout=st.just(HOOK_TIMEOUT),
)
moments = st.sampled_from([0.0, 0.0001, 0.4, 1.0, 2.2, 3.0, 5.0, 8.0, LATEST])
interferences = st.lists(
    st.tuples(
        moments,
        st.sampled_from(
            ['die', 'die', 'stop', 'stop unheeded', 'start', 'unready']
            + ['cancel', 'cancel', 'abandon', 'remove']
        ),
        st.integers(0, 6),
    ),
    max_size=4,
)


class Applied(Drive):
    """Notes, at each drain or stop of one that is to come up again, what of its group is ready: by its own
    count of the simulated processes.
    """

    def __init__(self, *args, **others):
        super().__init__(*args, **others)
        self.taken = []  # (allowed, size, ready among the others, ready itself)
        self.first_of_the_way_back = None  # the number of the entry in the log
        self.states_at_commit = None

    def _turn_back(self):
        self.first_of_the_way_back = len(self.log)
        super()._turn_back()

    def _checked(self, act):
        committed = self.operation.committed
        super()._checked(act)
        if self.operation.committed and not committed:
            self.states_at_commit = [
                (member.settled, member.phase) for member in self.operation.staying
            ]

    def _carry_out(self, member):
        if member.order.value in ('stop', 'drain') and not member.leaving:
            counting = [m for m in self.operation.staying if reversal.counts(m)]
            counting += [m for m in self.operation.neighbours if m.observed.seen not in AS_TOLD]
            group = [m for m in counting if m.group == member.group]
            ready = [m for m in group if self._is_ready(m)]
            self.taken.append(
                (
                    member.policy.allowed(len(group)),
                    len(group),
                    len([m for m in ready if m is not member]),
                    member in ready,
                )
            )
        super()._carry_out(member)

    def _is_ready(self, member):
        begun = member.phase in IN_FLIGHT - TURN_HAS_COME - {Phase.WAVERING}
        seen = self.world.processes[name_of(member)].observe(self.world.now).seen
        return seen is Seen.READY and not begun


class Story:
    """An operation that is over. touched: the processes with which somebody else interfered."""

    def __init__(self, parts, policy, options, reversible, interferences, orders_per_turn):
        if options.timeout is None:  # else it may wait for ever, as it is told to
            policy = policy._replace(ready_timeout=READY_TIMEOUT)
        self.world = world = World()
        self.parts: dict[str, Part] = {}
        members: dict[str, list[Member]] = {what: [] for what in ('change', 'add', 'remove', '')}
        for number, part in enumerate(parts):
            name = f'{part.group}:{number}'
            self.parts[name] = part
            world.add(name, Seen.STOPPED if part.what == 'add' else part.seen, part.old)
            member = Member(Match(part.group, str(number), True, True), policy=policy)
            member.leaving = part.what == 'remove'
            members[part.what].append(member)
        self.operation = Operation(
            members['change'] + members['add'] + members['remove'],
            options,
            members[''] if policy.rolling else [],
            deadline=None if options.timeout is None else BEGINNING + options.timeout,
            reversible=reversible,
            discounting=True,
        )
        self.drive = Applied(
            world,
            self.operation,
            orders_per_turn,
            new={n: part.new for n, part in self.parts.items() if part.what in ('change', 'add')},
            added=[n for n, part in self.parts.items() if part.what == 'add'],
        )
        self.touched: set[str] = set()
        self.left_at = math.inf
        for seconds, what, number in interferences:
            self.interfere(seconds, what, list(self.parts)[number % len(parts)])
        self.drive.begin()
        self.drive.end()

    def interfere(self, seconds, what, name):
        world, process = self.world, self.world.processes[name]
        acts = {
            'die': lambda: process._exit_by(world.now) if process.pid else None,
            'stop': lambda: world.others_stop(name),
            'stop unheeded': lambda: world.others_stop(name, heeded=False),
            'start': lambda: world.others_start(name),
            'unready': lambda: setattr(process, 'ready_at', world.now + 1.0),
            'cancel': lambda: self.operation.cancel('enough'),
            'abandon': lambda: self.operation.abandon('shutting down'),
            'remove': lambda: world.removed.add(name.partition(':')[0]),
        }
        about_all = what in ('cancel', 'abandon', 'remove')
        self.drive.at(
            seconds, lambda: acts[what]() if about_all or name not in world.dropped else None
        )
        if what == 'abandon':
            self.left_at = min(self.left_at, seconds)
        if what in ('abandon', 'remove'):
            self.touched |= set(self.parts)
        elif what != 'cancel':
            self.touched.add(name)

    def of(self, what):
        """The members of these, with their processes, that nobody else has touched."""
        for member in self.operation.members:
            name = name_of(member)
            if self.parts[name].what == what and name not in self.touched:
                yield member, self.world.processes[name]


# -- what holds, each for itself -------------------------------------------------------------------


def it_ends_in_bounded_time_and_everything_has_an_end(story):
    operation = story.operation
    ways = 2 if operation.back else 1
    longest = ways * (len(operation.members) + 1) * (SLOWEST + 30.0)
    assert story.world.now - BEGINNING <= LATEST + longest
    assert all(member.settled for member in operation.members)


def the_state_fits(story):
    operation = story.operation
    assert (operation.state is State.ROLLED_BACK) <= bool(operation.back)
    assert operation.state is not State.SUCCEEDED or not (operation.back or operation.failures)
    assert bool(operation.why) is (bool(operation.back) or operation.state is State.CANCELLED)
    assert operation.reversible or not operation.back
    assert not operation.turning
    assert not (operation.back and operation.committed)
    if operation.reversible:
        assert operation.state is not State.TIMED_OUT or not operation.begun_at
        failed = [m for m in operation.members if m.phase is Phase.FAILED]
        assert (
            operation.state is not State.FAILED
            or operation.back
            or operation.committed
            or not failed
        )


def nothing_is_lost(story):
    """What ran at the beginning runs at the end, or there is a reason."""
    for member, process in story.of('change'):
        if member.old_pid and process.state not in (Seen.RUNNING, Seen.STARTING):
            ended = process.state is Seen.EXITED and not process.program.autorestart
            assert member.errors or ended, (process.state, member)


def what_runs_after_a_way_back_is_what_ran_before(story):
    if story.operation.state is not State.ROLLED_BACK:
        return
    for member, process in story.of('change'):
        if member.old_pid:
            assert process.program is story.parts[name_of(member)].old
            assert (member.note.endswith('rolled back')) is member.reverted
    for _, process in story.of('add'):
        assert process.state in DOWN
    for member, _ in story.of('remove'):
        assert name_of(member) not in story.world.dropped
        assert name_of(member) not in [entry.name for entry in story.drive.log]


def what_runs_after_a_success_is_new(story):
    if story.operation.state is not State.SUCCEEDED:
        return
    for what in ('change', 'add'):
        for member, process in story.of(what):
            assert process.program is story.world.next[name_of(member)]
    for member in story.operation.members:
        if member.leaving and member.group not in story.world.removed:
            assert name_of(member) in story.world.dropped


def what_was_added_is_down_after_a_way_back_or_there_is_a_reason(story):
    if story.operation.back and story.left_at == math.inf:
        for member, process in story.of('add'):
            assert process.state in DOWN or member.error


def what_is_to_be_gone_is_stopped_last(story):
    drive = story.drive
    if story.operation.committed:
        assert all(settled for settled, _ in drive.states_at_commit)
    removed = {name for name, part in story.parts.items() if part.what == 'remove'}
    stops = [entry.order for entry in drive.log if entry.name in removed]
    assert set(stops) <= {'stop', 'drain', 'tell'}
    assert not stops or story.operation.committed


def never_more_of_a_group_are_not_ready_than_allowed_by_what_is_done(story):
    for allowed, size, others_ready, ready in story.drive.taken:
        assert not ready or size - others_ready <= allowed


def nothing_is_done_twice_on_one_way(story):
    drive = story.drive
    number = drive.first_of_the_way_back
    for way in (drive.log[:number], [] if number is None else drive.log[number:]):
        for order in ('stop', 'start'):
            names = [entry.name for entry in way if entry.order == order]
            assert len(names) == len(set(names))


def nothing_is_done_once_supervisord_goes_away(story):
    assert [entry for entry in story.drive.log if entry.seconds > story.left_at] == []


def it_takes_turns_only_for_a_reason(story):
    seconds = story.world.now - BEGINNING
    assert story.drive.turns <= 2 * seconds + 60 * len(story.parts)


stories = st.builds(
    Story,
    parts,
    policies,
    options,
    st.sampled_from([True, True, True, False]),
    interferences,
    st.sampled_from([None, None, 1, 2]),
)


@examples(300, 2000)
@given(stories)
def test_what_holds_there_and_back(story):
    it_ends_in_bounded_time_and_everything_has_an_end(story)
    the_state_fits(story)
    nothing_is_lost(story)
    what_runs_after_a_way_back_is_what_ran_before(story)
    what_runs_after_a_success_is_new(story)
    what_was_added_is_down_after_a_way_back_or_there_is_a_reason(story)
    what_is_to_be_gone_is_stopped_last(story)
    never_more_of_a_group_are_not_ready_than_allowed_by_what_is_done(story)
    nothing_is_done_twice_on_one_way(story)
    nothing_is_done_once_supervisord_goes_away(story)
    it_takes_turns_only_for_a_reason(story)
