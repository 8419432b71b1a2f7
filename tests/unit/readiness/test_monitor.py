"""When the probe of a process is asked, and whose answers count."""

from __future__ import annotations

from typing import Any, cast

import pytest

from supervisor_restarter.engine.member import Observation
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.engine.waking import LONGEST_WAVERING
from supervisor_restarter.readiness import monitor, procfs
from supervisor_restarter.readiness.monitor import (
    ANSWER_SECONDS,
    RETRY_WHEN_FULL,
    RETRY_WHEN_SHORT,
    SILENT_AFTER,
    Probing,
    ReadinessMonitor,
)
from supervisor_restarter.readiness.notify import NotifySocket
from supervisor_restarter.readiness.pace import (
    LONGEST_RETRY,
    PACE_OF_COMMANDS,
    PACE_OF_CONNECTIONS,
    RETRY_FRACTION,
)
from supervisor_restarter.readiness.question import Question
from supervisor_restarter.readiness.shares import Places, Share
from supervisor_restarter.readiness.spec import parse

HUNG, SOONEST = PACE_OF_CONNECTIONS.hung, PACE_OF_CONNECTIONS.soonest
BEGINNING = 1000.0
TCP, EXEC, NOTIFY = 'tcp://127.0.0.1:8001', 'exec:/bin/true', 'notify'
OLD, NEW = 41, 42  # pids
REFUSED = f'{TCP}: connection refused'
NO_ANSWER = f'{TCP}: no answer yet'
ANOTHER_ANSWERS = f'{TCP}: answered, but not by this process: something else listens there'
NOT_SAID = 'notify: no READY=1 has come'
NOT_UP = [seen for seen in Seen if seen not in UP]


class Asked(Question):
    """A question that is answered when the test says so. retry: seconds until a full queue is to be
    tried again.
    """

    retry: float | None = None

    def __init__(self, spec, deadline, waits, over):
        super().__init__(spec, deadline, over)
        self.waits = waits
        if self.retry is not None:
            self.again_at = deadline - ANSWER_SECONDS + self.retry

    def answer(self, why=''):
        self._end(why)

    def _clean_up(self):
        self._over()


class Monitored:
    """A ReadinessMonitor, a clock that the test advances, and what was asked."""

    def __init__(self, monkeypatch, text=TCP, patient=False, probed=1, min_ready=0.0, kept=False):
        self.now, self.pid, self.process, self.options = BEGINNING, OLD, object(), object()
        self.questions = []
        self.holds = []  # what procfs.holds answers, one after the other; the last one ever after
        monkeypatch.setattr(monitor, 'ConnectProbe', self._connect)
        monkeypatch.setattr(monitor, 'ExecProbe', self._run)
        monkeypatch.setattr(procfs, 'holds', self._holds)
        self.connections, self.commands = Places(10), Places(2)
        shares = Share(self.connections), Share(self.commands)
        self.listeners = cast(Any, object())
        self.notify, self.spec = NotifySocket(cast(Any, None)), parse(text)
        self.notify.path = '/run/notify'
        self.monitor = ReadinessMonitor(
            self.spec,
            Probing(cast(Any, self.options), probed, *shares, self.listeners),
            self.notify,
            patient,
            min_ready,
            self.process,
            kept,
        )

    def _connect(self, options, spec, deadline, waits, over):
        assert (options, spec) == (self.options, self.spec)
        assert not self.open, 'two questions at once'
        self.questions.append(Asked(spec, deadline, waits, over))
        return self.questions[-1]

    def _run(self, process, spec, deadline, identities, over):
        assert process is self.process
        return self._connect(self.options, spec, deadline, False, over)

    def _holds(self, pid, spec, listeners, since):
        assert (pid, spec, listeners) == (self.pid, self.spec, self.listeners)
        assert since == self.questions[-1].done_at > 0
        return self.holds.pop(0) if len(self.holds) > 1 else self.holds[0]

    @property
    def open(self):
        """The questions that wait for an answer."""
        return [question for question in self.questions if not question.done]

    @property
    def wake_at(self):
        """When it wants to look again; it must."""
        at = self.monitor.wake_at()
        assert at is not None
        return at

    @property
    def wait(self):
        """Seconds until it wants to look again."""
        return self.wake_at - self.now

    def see(self, seen=Seen.READY, pid=None):
        """What Supervisor shows of the process, as the monitor passes it on."""
        self.pid = self.pid if pid is None else pid
        return self.monitor.see(Observation(seen, self.pid), self.now)

    def answer(self, why=''):
        """Have the open question answered; what is seen then."""
        (question,) = self.open
        question.answer(why)
        return self.see()

    def advance(self):
        """Until it wants to look again; what is seen then."""
        self.now = self.wake_at
        return self.see()

    def wake(self, why=''):
        """Look again when it wants to, and have the question answered; what is seen then."""
        self.advance()
        return self.answer(why)

    def start(self):
        """The operation starts the process anew."""
        self.see(Seen.STOPPED, 0)
        self.pid = NEW
        self.monitor.started(NEW, self.now)

    def signal(self):
        self.monitor.signalled(self.now)

    def say(self, pid):
        """READY=1 comes from the process."""
        self.notify.expect(pid)
        self.notify._believe(pid)


@pytest.fixture
def one(monkeypatch):
    return Monitored(monkeypatch)


@pytest.fixture
def command(monkeypatch):
    return Monitored(monkeypatch, EXEC)


@pytest.fixture
def notified(monkeypatch):
    return Monitored(monkeypatch, NOTIFY)


def plain(observation):
    """Whether Supervisor shows it as READY, and nothing was added to that."""
    return observation._replace(asked_at=None) == Observation(Seen.READY, observation.pid)


RENEWALS = pytest.mark.parametrize(
    'renew',
    [lambda one: one.start(), lambda one: one.see(pid=NEW), lambda one: one.signal()],
    ids=['started', 'replaced', 'signalled'],
)
NEW_PROCESS = pytest.mark.parametrize(
    'renew', [lambda one: one.start(), lambda one: one.see(pid=NEW)], ids=['started', 'replaced']
)

# -- what is seen --------------------------------------------------------------------------------


def test_an_old_process_is_not_confirmed_before_its_first_answer(one):
    for _ in range(3):
        assert one.see() == Observation(Seen.READY, OLD, confirmed=False)
        one.now += 1.0
    assert plain(one.answer())


def test_a_bad_answer_makes_it_running_and_not_ready_and_says_why(one):
    one.see()
    assert one.answer('connection refused') == Observation(Seen.RUNNING, OLD, unready=REFUSED)
    assert one.advance().unready == REFUSED  # while it is asked again
    assert one.answer().seen is Seen.READY


def test_a_ready_one_is_ready_while_it_is_asked_again(one):
    one.see()
    one.answer()
    assert plain(one.advance())
    assert one.answer('connection refused').unready == REFUSED


@NEW_PROCESS
def test_a_new_process_is_not_ready_before_its_first_answer(one, renew):
    one.see()
    one.answer()
    renew(one)
    assert one.see() == Observation(Seen.RUNNING, NEW, unready=NO_ANSWER)


def test_one_that_does_not_answer_any_more_says_so_and_not_what_it_said_before(one):
    one.see()
    one.answer('connection refused')
    one.advance()
    one.now += SILENT_AFTER - 0.01
    assert one.see().unready == REFUSED
    assert one.advance().unready == NO_ANSWER  # and is so in time


def test_a_question_does_not_act(one):
    one.monitor.turn(Observation(Seen.READY, OLD), one.now)
    one.open[0].answer('connection refused')
    for _ in range(2):
        seen = one.monitor.seen(Observation(Seen.READY, OLD), one.now + 100)
        assert seen.confirmed is False  # the answer is taken in by the next turn
    assert (len(one.questions), one.monitor.wake_at()) == (1, BEGINNING + ANSWER_SECONDS)


@pytest.mark.parametrize('seen', NOT_UP)
def test_one_that_goes_down_is_asked_no_more_until_it_is_back(one, seen):
    one.see()
    assert one.see(seen) == Observation(seen, OLD)
    assert (one.open, one.monitor.wake_at()) == ([], None)
    one.see()
    assert len(one.open) == 1


# -- when it is asked ----------------------------------------------------------------------------


def test_an_answer_is_not_waited_for_longer_than_it_may_take(one):
    one.see()
    assert one.monitor.wake_at() == BEGINNING + ANSWER_SECONDS
    one.now = BEGINNING + ANSWER_SECONDS - 0.001
    assert not one.see().confirmed
    assert one.advance().unready.startswith(f'{TCP}: no answer within ')


def test_an_answer_that_is_there_at_once_counts_at_once(one, monkeypatch):
    class Refused(Asked):
        def __init__(self, options, *args):
            super().__init__(*args)
            self.answer('connection refused')

    monkeypatch.setattr(monitor, 'ConnectProbe', Refused)
    assert one.see().unready == REFUSED
    assert one.wait == pytest.approx(SOONEST)


def test_an_answer_is_used_once(one):
    one.see()
    one.answer()
    one.see()
    assert len(one.questions) == 1


def test_one_that_is_not_ready_is_asked_again_after_a_tenth_of_the_time_it_has_been_waited_for(one):
    one.start()
    one.see()
    one.answer('refused')
    intervals, waited = [], []
    while one.now < BEGINNING + 30.0:
        waited.append(one.now - BEGINNING)
        intervals.append(one.wait)
        one.wake('refused')
    assert intervals == pytest.approx(
        [min(LONGEST_RETRY, max(SOONEST, RETRY_FRACTION * seconds)) for seconds in waited]
    )
    assert (intervals[0], intervals[-1]) == pytest.approx((0.02, 1.0))
    assert len(intervals) < 100


def test_nothing_is_asked_before_its_time(one):
    one.see()
    one.answer('refused')
    one.now = one.wake_at - 0.001
    one.see()
    assert one.open == []
    one.advance()
    assert len(one.open) == 1


# fmt: off
@pytest.mark.parametrize(('pace', 'probed', 'ready', 'seconds', 'min_ready', 'pause'), [
    (PACE_OF_CONNECTIONS, 1,   False, 0.0,  0.0,   SOONEST),
    (PACE_OF_CONNECTIONS, 500, False, 2.0,  0.0,   1.25),
    (PACE_OF_CONNECTIONS, 1,   True,  3.0,  0.0,   1.0),
    (PACE_OF_CONNECTIONS, 500, True,  3.0,  0.0,   10.0),
    # while min_ready lasts it is asked more often
    (PACE_OF_CONNECTIONS, 1,   True,  1.0,  2.0,   0.5),
    (PACE_OF_CONNECTIONS, 1,   True,  2.0,  2.0,   1.0),
    (PACE_OF_CONNECTIONS, 1,   True,  1.0,  100.0, 1.0),
    (PACE_OF_CONNECTIONS, 1,   True,  0.0,  0.01,  SOONEST),
    (PACE_OF_CONNECTIONS, 500, True,  1.0,  8.0,   2.0),
    # commands are dear
    (PACE_OF_COMMANDS,    1,   False, 30.0, 0.0,   1.0),
    (PACE_OF_COMMANDS,    40,  False, 30.0, 0.0,   10.0),
    (PACE_OF_COMMANDS,    2,   True,  30.0, 0.0,   1.0),
    (PACE_OF_COMMANDS,    40,  True,  30.0, 0.0,   20.0),
])
# fmt: on
def test_the_pause_between_two_questions(pace, probed, ready, seconds, min_ready, pause):
    assert pace.pause(probed, ready, seconds, min_ready) == pytest.approx(pause)


def test_the_pause_follows_what_the_operation_asks_for(monkeypatch):
    one = Monitored(monkeypatch, probed=500, min_ready=8.0)
    one.start()
    one.see()
    one.answer('refused')
    one.wake()
    pauses = []
    for _ in range(6):
        pauses.append(one.wait)
        one.wake()
    assert pauses == pytest.approx([2.0] * 4 + [10.0] * 2)


def test_the_waiting_time_begins_anew_when_one_is_ready_no_more(one):
    one.see()
    one.now += 100.0
    one.answer()
    one.wake('refused')
    assert one.wait == pytest.approx(SOONEST)
    one.wake('refused')
    one.now += 4.0
    one.see()
    one.answer('refused')
    assert one.wait == pytest.approx(0.4, abs=0.01)


@RENEWALS
def test_the_waiting_time_begins_anew_with_a_new_process_and_with_a_signal(one, renew):
    one.see()
    one.answer('refused')
    one.now += 50.0
    renew(one)
    one.see()
    one.answer('refused')
    assert one.wait == pytest.approx(SOONEST)


def test_it_says_when_the_answer_was_asked_for_that_calls_it_ready(one):
    one.see()
    one.now += 0.3
    assert one.answer().asked_at == BEGINNING
    assert one.see().asked_at == BEGINNING


@pytest.mark.parametrize(('text', 'hung'), [(TCP, 0.5), (EXEC, 2.5)])
def test_a_ready_one_that_does_not_answer_for_long_may_have_hung(monkeypatch, text, hung):
    one = Monitored(monkeypatch, text)
    one.see()
    one.answer()
    assert plain(one.advance())
    assert one.wait == hung
    observation = one.advance()
    assert (observation.seen, observation.confirmed) == (Seen.READY, False)
    assert one.wait == ANSWER_SECONDS - hung
    assert plain(one.answer())


def test_where_supervisord_could_not_ask_nothing_changes(one):
    one.see()
    one.open[0].blind = True
    assert not one.answer('too many open files').confirmed
    assert one.wait == RETRY_WHEN_SHORT
    assert plain(one.wake())


def test_of_a_new_one_that_could_not_be_asked_it_is_said_why(one):
    one.start()
    one.see()
    one.open[0].blind = True
    assert one.answer('too many open files').unready == f'{TCP}: too many open files'


@pytest.mark.parametrize('text', [TCP, EXEC])
def test_there_are_no_more_questions_at_a_time_than_may_be(monkeypatch, text):
    one = Monitored(monkeypatch, text)
    places = one.connections if text == TCP else one.commands
    places.taken = places.most
    assert not one.see().confirmed
    assert one.questions == []
    assert one.wait == pytest.approx(RETRY_WHEN_FULL)
    places.taken -= 1
    one.see()
    assert places.taken == places.most
    one.answer()
    assert places.taken == places.most - 1


@pytest.mark.parametrize('end', [lambda one: one.answer(), lambda one: one.see(Seen.STOPPED)])
def test_what_is_over_takes_no_place(one, end):
    one.see()
    assert one.connections.taken == 1
    end(one)
    assert one.connections.taken == 0


def test_closed_it_wakes_nobody(one):
    assert one.monitor.wake_at() is None  # nothing was seen yet
    one.monitor.close()
    one.see()
    one.monitor.close()
    assert (one.open, one.monitor.wake_at()) == ([], None)
    one.monitor.close()


def test_a_new_process_is_not_asked_by_a_command_at_once(command):
    command.holds = [None]
    command.start()
    command.see(Seen.STARTING)
    assert command.questions == []
    assert command.wait == pytest.approx(PACE_OF_COMMANDS.first)
    assert plain(command.wake())


@pytest.mark.parametrize('text', [TCP, EXEC])
def test_what_was_ready_is_asked_again_before_it_has_failed_however_many_there_are(
    monkeypatch, text
):
    one = Monitored(monkeypatch, text, probed=10_000)
    one.start()
    one.see()
    if text == EXEC:
        one.advance()
    one.answer('not yet')
    one.wake()
    one.wake('busy')  # it wavers from here on
    asked_at = one.now
    times: list[float] = []
    while not times or times[-1] < LONGEST_WAVERING:
        one.wake('still busy')
        times.append(one.now - asked_at)
    assert times == pytest.approx([1.0, 2.0, 3.0])
    one.advance()  # it has failed, and there is no hurry any more
    assert one.now - asked_at > 4 * LONGEST_WAVERING


# -- a full queue of connections -----------------------------------------------------------------


def test_a_full_queue_is_waited_out_only_by_one_that_was_ready(one):
    one.see()
    assert one.open[0].waits  # it ran before: who knows
    one.answer('refused')
    one.advance()
    assert not one.open[0].waits
    one.answer()
    one.advance()
    assert one.open[0].waits
    one.start()
    one.see()
    assert not one.open[0].waits  # it has never been ready


def test_while_a_full_queue_is_waited_out_it_looks_again_in_time(one, monkeypatch):
    one.see()
    one.answer()
    monkeypatch.setattr(Asked, 'retry', 0.05)
    one.advance()
    assert one.wait == pytest.approx(0.05)
    assert plain(one.advance())


# -- whose answers count -------------------------------------------------------------------------


@RENEWALS
def test_a_question_to_the_process_before_is_withdrawn(one, renew):
    one.see()
    (question,) = one.open
    renew(one)
    assert question.done
    assert one.see().unready == NO_ANSWER
    assert one.open[0] is not question


@NEW_PROCESS
def test_a_new_process_is_not_believed_while_something_else_listens_there(one, renew):
    one.holds = [False]
    one.see()
    renew(one)
    one.see()
    assert one.answer() == Observation(Seen.RUNNING, NEW, unready=ANOTHER_ANSWERS)
    for _ in range(20):
        assert one.wake().unready == ANOTHER_ANSWERS
    assert one.wait > SOONEST  # it is asked as seldom as one that is not ready


@pytest.mark.parametrize('listens', [True, None])
def test_a_new_process_is_believed_if_it_listens_there_or_that_cannot_be_told(one, listens):
    one.holds = [False, False, listens]
    one.start()
    one.see()
    assert one.answer().unready == one.wake().unready == ANOTHER_ANSWERS
    assert plain(one.wake())
    one.holds = []
    assert plain(one.wake())  # and is so from then on: holds() would raise


def test_a_new_process_is_believed_after_a_bad_answer(one):
    one.holds = [False]
    one.start()
    one.see()
    one.answer()
    assert one.wake('connection refused').unready == REFUSED
    one.holds = []
    assert plain(one.wake())


def test_trust_ends_with_the_process_but_not_with_a_signal(one):
    one.see()
    one.signal()
    one.see()
    assert plain(one.answer())  # holds() would raise
    one.holds = [False]
    one.see(pid=NEW)
    assert one.answer().unready == ANOTHER_ANSWERS


def test_right_after_a_signal_it_is_not_asked(one):
    """Supervisor's RUNNING is shown as RUNNING as long as the process may not have heeded it."""
    one.see()
    one.answer()
    one.signal()
    assert one.see(Seen.RUNNING) == Observation(Seen.RUNNING, OLD, unready=NO_ANSWER)
    assert (one.open, one.monitor.wake_at()) == ([], None)
    assert one.see().unready == NO_ANSWER
    assert one.answer('connection refused').unready == REFUSED
    assert plain(one.wake())


@pytest.mark.parametrize('holds', [True, None])
def test_what_is_left_alone_has_to_answer_itself(monkeypatch, holds):
    one = Monitored(monkeypatch, kept=True)
    one.holds = [False, holds]
    assert one.see() == Observation(Seen.READY, OLD, confirmed=False)
    assert one.answer().unready == ANOTHER_ANSWERS
    assert plain(one.wake())


def test_what_is_left_alone_is_trusted_once_its_probe_has_said_no(monkeypatch):
    one = Monitored(monkeypatch, kept=True)
    one.see()
    assert one.answer('connection refused').unready == REFUSED
    assert plain(one.wake())  # holds() would raise


def test_what_has_not_said_that_it_is_ready_since_an_earlier_restart_is_not(monkeypatch):
    one = Monitored(monkeypatch, NOTIFY, kept=True)
    one.notify.expect(OLD)
    assert one.see() == Observation(Seen.RUNNING, OLD, unready=NOT_SAID)


def test_a_patient_monitor_takes_the_old_process_as_ready_and_does_not_ask(monkeypatch):
    one = Monitored(monkeypatch, patient=True)
    for _ in range(3):
        one.now += 10.0
        assert plain(one.see())
    assert (one.questions, one.monitor.wake_at()) == ([], None)


@RENEWALS
def test_a_patient_monitor_asks_the_new_process(monkeypatch, renew):
    one = Monitored(monkeypatch, patient=True)
    one.holds = [True]
    one.see()
    renew(one)
    assert one.see().unready == NO_ANSWER
    assert plain(one.answer())


# -- notify --------------------------------------------------------------------------------------


def test_what_a_new_process_finds_in_its_environment(one, notified):
    assert one.monitor.environment() == {}
    assert notified.monitor.environment() == {'NOTIFY_SOCKET': '/run/notify'}


def test_a_process_is_ready_when_it_says_so(notified):
    notified.see()
    notified.start()
    assert notified.see() == Observation(Seen.RUNNING, NEW, unready=NOT_SAID)
    assert notified.see(Seen.STARTING) == Observation(Seen.STARTING, NEW, unready=NOT_SAID)
    notified.say(NEW)
    for _ in range(2):
        assert plain(notified.see())
    assert (notified.questions, notified.monitor.wake_at()) == ([], None)


def test_a_process_that_was_not_started_with_the_socket_is_ready(notified):
    assert plain(notified.see())
    notified.signal()  # nothing is expected of it
    assert plain(notified.see())
    assert plain(notified.see(pid=NEW))


def test_an_old_process_that_has_never_said_it_is_not_ready(notified):
    notified.notify.expect(OLD)
    assert notified.see() == Observation(Seen.RUNNING, OLD, unready=NOT_SAID)


def test_after_a_signal_it_has_to_say_it_again(notified):
    notified.say(OLD)
    assert plain(notified.see())
    notified.signal()
    assert notified.see().unready == NOT_SAID
    notified.say(OLD)
    assert plain(notified.see())


def test_only_processes_with_notify_are_expected_to_say_it(one):
    one.start()
    one.signal()
    assert one.notify.is_ready(NEW) is None


def test_a_pid_that_is_gone_is_forgotten(notified):
    notified.start()
    assert notified.notify.is_ready(NEW) is False
    notified.see(Seen.EXITED, 0)
    assert notified.notify.is_ready(NEW) is None


# -- many of them --------------------------------------------------------------------------------


def test_processes_that_hang_do_not_hold_up_those_of_another_group(monkeypatch):
    """Each group in turn, the healthy one last, every 50 ms; it begins when the others have hung
    for a while.
    """
    hung, sound = parse('http://127.0.0.1:1/'), parse(TCP)

    def ask(options, spec, *args):
        question = Asked(spec, *args)
        if spec is sound:
            question.answer()
        return question

    monkeypatch.setattr(monitor, 'ConnectProbe', ask)
    monkeypatch.setattr(procfs, 'holds', lambda *asked: True)
    places, notify = Places(20), NotifySocket(cast(Any, None))

    def group(spec, count):
        probing = Probing(cast(Any, None), 96, Share(places), Share(Places(8)), cast(Any, None))
        monitors = [ReadinessMonitor(spec, probing, notify, patient=True) for _ in range(count)]
        for one in monitors:
            one.see(Observation(Seen.STOPPED), 0.0)
            one.started(NEW, 0.0)
        return monitors

    others = [one for _ in range(3) for one in group(hung, 30)]
    late, now, shown = group(sound, 6), 0.0, Observation(Seen.READY, NEW)
    while now < 12.0:
        assert all(one.see(shown, now).seen is Seen.RUNNING for one in others)
        now += 0.05
    while now < 12.5 and any(one.see(shown, now).seen is Seen.RUNNING for one in late):
        now += 0.05
    assert now < 12.5
