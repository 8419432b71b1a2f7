"""Whether a process is ready: when its probe is asked, whose answers count, and what is said until
then.
"""

from __future__ import annotations

import inspect
from typing import cast

import pytest

from supervisor_restarter.engine.member import Observation
from supervisor_restarter.engine.operation import LONGEST_WAVERING
from supervisor_restarter.engine.phases import UP, Seen
from supervisor_restarter.readiness import exec_probe, monitor, probe, procfs
from supervisor_restarter.readiness.monitor import (
    ANSWER,
    COMMANDS,
    CONNECTIONS,
    FULL,
    LATEST,
    RETRY_FRACTION,
    RETRY_WHEN_SHORT,
    Probing,
    ReadinessMonitor,
)
from supervisor_restarter.readiness.notify import NotifySocket
from supervisor_restarter.readiness.shares import Places, Share
from supervisor_restarter.readiness.spec import parse

HUNG, SOONEST = CONNECTIONS.hung, CONNECTIONS.soonest
BEGINNING = 1000.0
TCP, NOTIFY = 'tcp://127.0.0.1:8001', 'notify'
OLD, NEW = 41, 42  # pids
REFUSED = f'{TCP}: connection refused'
NO_ANSWER = f'{TCP}: no answer yet'
SOMEBODY_ELSE = f'{TCP}: answered, but not by this process: something else listens there'
NOT_UP = [seen for seen in Seen if seen not in UP]


class Question:
    """Stands in for an Attempt that answers when the test says so."""

    def __init__(self, options, spec, deadline, waits=False, over=lambda: None):
        self.spec, self.deadline, self.waits, self.over = spec, deadline, waits, over
        self.done = self.ready = self.closed = self.blind = False
        self.again_at: float | None = None
        self.error = f'{spec.text}: no answer yet'

    def answer(self, error=''):
        self.done, self.ready, self.error = True, not error, error
        self.over()

    def look(self, now):
        if now >= self.deadline and not self.done:
            self.answer(f'{self.spec.text}: no answer within 5 s')

    def close(self):
        if not self.done and not self.closed:
            self.over()
        self.closed = True


class Notifications:
    """Stands in for the NotifySocket."""

    path = '/run/notify'

    def __init__(self):
        self.said = {}

    def expect(self, pid):
        self.said[pid] = False

    def is_ready(self, pid):
        return self.said.get(pid)

    def forget(self, pid):
        self.said.pop(pid, None)


class Watched:
    """A ReadinessMonitor, a clock that the test advances, and what it has asked."""

    def __init__(self, monkeypatch, text=TCP, patient=False, watches=1, min_ready=0.0):
        self.now, self.pid, self.notify = BEGINNING, OLD, Notifications()
        self.questions = []
        self.holds = []  # what procfs.holds answers, one after the other; the last one ever after
        self.options = object()
        monkeypatch.setattr(monitor, 'ConnectProbe', self._ask)
        monkeypatch.setattr(procfs, 'holds', self._holds)
        monkeypatch.setattr(monitor, 'ExecProbe', self._run)
        self.connections, self.commands = Places(10), Places(2)
        self.probing = Probing(self.options, watches, Share(self.connections), Share(self.commands))
        self.process = object()
        self.watch = ReadinessMonitor(
            parse(text),
            self.probing,
            cast(NotifySocket, self.notify),
            patient,
            min_ready,
            self.process,
        )

    def _ask(self, options, spec, deadline, waits, over):
        assert options is self.options
        assert spec is self.watch.spec
        assert not self.open, 'two questions at once'
        self.questions.append(Question(options, spec, deadline, waits, over))
        return self.questions[-1]

    def _run(self, process, spec, deadline, identities, over):
        assert process is self.process
        return self._ask(self.options, spec, deadline, False, over)

    def _holds(self, pid, spec):
        assert (pid, spec) == (self.pid, self.watch.spec)
        return self.holds.pop(0) if len(self.holds) > 1 else self.holds[0]

    @property
    def open(self):
        """The questions that wait for an answer."""
        return [
            question for question in self.questions if not question.done and not question.closed
        ]

    def see(self, seen=Seen.READY, pid=None):
        """What Supervisor shows of the process, as the watch passes it on."""
        self.pid = self.pid if pid is None else pid
        return self.watch.see(Observation(seen, self.pid, 'why', 7.0, 8.0), self.now)

    def answer(self, error='', seen=Seen.READY):
        """Have the open question answered; what is seen then."""
        (question,) = self.open
        question.answer(error)
        return self.see(seen)

    def advance(self):
        """Until it wants to look again."""
        self.now = self.watch.wake_at() or self.now

    def wake(self, error=''):
        """Look again when it wants to, and have the question answered; what is seen then."""
        self.advance()
        self.see()
        return self.answer(error)

    def start(self):
        """The restart starts the process anew."""
        self.see(Seen.STOPPED, 0)
        self.pid = NEW
        self.watch.started(NEW, self.now)

    def signal(self):
        self.watch.signalled(self.now)


@pytest.fixture
def watched(monkeypatch):
    return Watched(monkeypatch)


@pytest.fixture
def patient(monkeypatch):
    return Watched(monkeypatch, patient=True)


@pytest.fixture
def notified(monkeypatch):
    return Watched(monkeypatch, NOTIFY)


def plain(observation):
    """Whether nothing was added to what Supervisor shows."""
    return (observation.unready, observation.confirmed) == ('', True)


def parameters(of):
    return list(inspect.signature(of).parameters)


def test_the_stand_ins_are_like_what_they_stand_in_for():
    real, stand_in = (
        kind(None, parse(NOTIFY), BEGINNING) for kind in (probe.ConnectProbe, Question)
    )
    for name in ('done', 'ready', 'error', 'deadline', 'again_at', 'blind'):
        assert type(getattr(real, name)) is type(getattr(stand_in, name))
    for name in ('__init__', 'look', 'close'):
        assert parameters(getattr(probe.ConnectProbe, name)) == parameters(getattr(Question, name))
        if name != '__init__':
            assert parameters(getattr(exec_probe.ExecProbe, name)) == parameters(
                getattr(Question, name)
            )
    for name in ('expect', 'is_ready'):
        assert parameters(getattr(NotifySocket, name)) == parameters(getattr(Notifications, name))
    assert isinstance(NotifySocket(None).path, str)
    assert parameters(procfs.holds) == ['pid', 'spec']


# -- what is seen --------------------------------------------------------------------------------


def test_a_good_answer_leaves_what_supervisor_shows_as_it_is(watched):
    watched.see()
    seen = watched.answer()
    assert seen == Observation(Seen.READY, OLD, 'why', 7.0, 8.0, asked_at=BEGINNING)


@pytest.mark.parametrize(
    ('shown', 'seen'),
    [(Seen.READY, Seen.RUNNING), (Seen.RUNNING, Seen.RUNNING), (Seen.STARTING, Seen.STARTING)],
)
def test_a_bad_answer_makes_it_running_and_not_ready_and_says_why(watched, shown, seen):
    watched.see(shown)
    observation = watched.answer(REFUSED, shown)
    assert observation == Observation(seen, OLD, 'why', 7.0, 8.0, unready=REFUSED)
    assert watched.see(shown) == observation


@pytest.mark.parametrize('shown', [Seen.STARTING, Seen.RUNNING])
def test_a_good_answer_makes_nothing_better_than_supervisor_shows_it(watched, shown):
    watched.see(shown)
    observation = watched.answer('', shown)
    assert (observation.seen, plain(observation)) == (shown, True)


@pytest.mark.parametrize('seen', NOT_UP)
def test_what_is_not_up_is_passed_on_and_not_asked(watched, seen):
    assert watched.see(seen) == Observation(seen, OLD, 'why', 7.0, 8.0)
    assert watched.questions == []
    assert watched.watch.wake_at() is None


@pytest.mark.parametrize('seen', NOT_UP)
def test_one_that_goes_down_is_asked_no_more(watched, seen):
    watched.see()
    watched.see(seen)
    assert watched.open == []
    assert watched.watch.wake_at() is None


@pytest.mark.parametrize('seen', NOT_UP)
def test_one_that_comes_back_with_the_same_pid_is_asked_at_once(watched, seen):
    watched.see()
    watched.answer(REFUSED)
    watched.see(seen)
    watched.see()
    assert len(watched.open) == 1


def test_an_unready_one_says_its_last_reason_while_it_is_asked_again(watched):
    watched.see()
    watched.answer(REFUSED)
    watched.now = watched.watch.wake_at()
    assert watched.see().unready == REFUSED
    assert len(watched.open) == 1


def test_a_ready_one_is_ready_while_it_is_asked_again(watched):
    watched.see()
    watched.answer()
    watched.now = watched.watch.wake_at()
    assert plain(watched.see())
    assert len(watched.open) == 1


def test_one_that_is_ready_no_more_is_seen_so(watched):
    watched.see()
    watched.answer()
    observation = watched.wake(REFUSED)
    assert (observation.seen, observation.unready, observation.confirmed) == (
        Seen.RUNNING,
        REFUSED,
        True,
    )
    assert plain(watched.wake())


# -- known: an old process before its first answer -----------------------------------------------


@pytest.mark.parametrize('seen', sorted(UP))
def test_an_old_process_is_what_it_seems_but_not_known_before_its_first_answer(watched, seen):
    for _ in range(3):
        assert watched.see(seen) == Observation(seen, OLD, 'why', 7.0, 8.0, confirmed=False)
        watched.now += 1.0


@pytest.mark.parametrize('error', ['', REFUSED])
def test_an_old_process_is_known_from_its_first_answer_on(watched, error):
    watched.see()
    assert watched.answer(error).confirmed
    watched.now = watched.watch.wake_at()
    assert watched.see().confirmed


def test_a_new_process_is_not_ready_before_its_first_answer(watched):
    watched.start()
    assert watched.see() == Observation(Seen.RUNNING, NEW, 'why', 7.0, 8.0, unready=NO_ANSWER)
    assert watched.see(Seen.STARTING) == Observation(
        Seen.STARTING, NEW, 'why', 7.0, 8.0, unready=NO_ANSWER
    )


def test_one_that_somebody_else_has_started_is_not_ready_before_its_first_answer(watched):
    watched.see()
    watched.answer()
    observation = watched.see(pid=NEW)
    assert (observation.seen, observation.unready, observation.confirmed) == (
        Seen.RUNNING,
        NO_ANSWER,
        True,
    )


# -- when it is asked ----------------------------------------------------------------------------


def test_an_answer_may_take_so_long_and_is_not_waited_for_longer(watched):
    watched.see()
    assert watched.watch.wake_at() == watched.questions[0].deadline == BEGINNING + ANSWER
    watched.now = BEGINNING + ANSWER - 0.001
    assert not watched.see().confirmed
    watched.now = BEGINNING + ANSWER
    assert watched.see().unready == f'{TCP}: no answer within 5 s'


def test_an_answer_that_is_there_at_once_counts_at_once(watched, monkeypatch):
    class Refused(Question):
        def __init__(self, *args):
            super().__init__(*args)
            self.answer(REFUSED)

    monkeypatch.setattr(monitor, 'ConnectProbe', Refused)
    assert watched.see().unready == REFUSED
    assert watched.watch.wake_at() == BEGINNING + SOONEST


def test_one_that_is_not_ready_is_asked_again_after_a_tenth_of_the_time_it_has_been_waited_for(
    watched,
):
    watched.start()
    watched.see()
    watched.answer(REFUSED)
    intervals, waited = [], []
    while watched.now < BEGINNING + 30.0:
        waited.append(watched.now - BEGINNING)
        intervals.append(watched.watch.wake_at() - watched.now)
        watched.wake(REFUSED)
    assert intervals == pytest.approx(
        [min(LATEST, max(SOONEST, RETRY_FRACTION * seconds)) for seconds in waited]
    )
    assert intervals == pytest.approx(sorted(intervals))
    assert (intervals[0], intervals[-1]) == pytest.approx((0.02, 1.0))
    assert len(intervals) < 100


def test_nothing_is_asked_before_its_time(watched):
    watched.see()
    watched.answer(REFUSED)
    watched.now = watched.watch.wake_at() - 0.001
    watched.see()
    assert watched.open == []
    watched.now += 0.001
    watched.see()
    assert len(watched.open) == 1


@pytest.mark.parametrize(('watches', 'recheck'), [(1, 1.0), (50, 1.0), (500, 10.0)])
def test_one_that_is_ready_is_asked_again_the_later_the_more_there_are(
    monkeypatch, watches, recheck
):
    watched = Watched(monkeypatch, watches=watches)
    watched.see()
    watched.now += 3.0
    watched.answer()
    for _ in range(3):
        assert watched.watch.wake_at() == watched.now + recheck
        watched.wake()


@pytest.mark.parametrize(
    ('watches', 'min_ready', 'pause'),
    [(1, 2.0, 0.5), (1, 100.0, 1.0), (1, 0.01, SOONEST), (500, 100.0, 10.0), (500, 8.0, 2.0)],
)
def test_while_min_ready_lasts_it_is_asked_more_often(monkeypatch, watches, min_ready, pause):
    watched = Watched(monkeypatch, watches=watches, min_ready=min_ready)
    watched.start()
    watched.see()
    watched.answer('refused')
    watched.wake()
    ready_since = watched.now
    while watched.now < ready_since + min_ready:
        assert watched.watch.wake_at() == pytest.approx(watched.now + pause)
        watched.wake()
    assert watched.watch.wake_at() == pytest.approx(watched.now + max(1.0, watches / 50))


def test_it_says_when_the_answer_was_asked_for_that_calls_it_ready(watched):
    watched.see()
    asked_at, watched.now = watched.now, watched.now + 0.3
    assert watched.answer().asked_at == asked_at
    assert watched.see().asked_at == asked_at


def test_a_ready_one_that_does_not_answer_for_long_may_have_hung(watched):
    watched.see()
    watched.answer()
    watched.now = watched.watch.wake_at()
    assert watched.see().confirmed
    assert watched.watch.wake_at() == watched.now + HUNG
    watched.now = watched.watch.wake_at()
    observation = watched.see()
    assert (observation.seen, observation.confirmed) == (Seen.READY, False)
    assert watched.watch.wake_at() == watched.now - HUNG + ANSWER
    assert watched.answer().confirmed


def test_where_supervisord_could_not_ask_nothing_changes(watched):
    watched.see()
    watched.open[0].blind = True
    assert not watched.answer('too many open files').confirmed
    assert watched.watch.wake_at() == watched.now + RETRY_WHEN_SHORT
    watched.now += RETRY_WHEN_SHORT
    watched.see()
    assert watched.answer().confirmed


@pytest.mark.parametrize('text', [TCP, 'exec:/bin/true'])
def test_there_are_no_more_attempts_at_a_time_than_may_be(monkeypatch, text):
    watched = Watched(monkeypatch, text)
    places = watched.connections if text == TCP else watched.commands
    places.taken = places.most
    assert not watched.see().confirmed
    assert watched.questions == []
    watched.advance()
    assert watched.now == BEGINNING + FULL
    places.taken -= 1
    watched.see()
    assert places.taken == places.most
    watched.answer()
    assert places.taken == places.most - 1


@pytest.mark.parametrize(
    'end',
    [
        lambda watched: watched.answer(),
        lambda watched: watched.watch.close(),
        lambda watched: watched.see(Seen.STOPPED),
        lambda watched: watched.see(pid=NEW) and watched.watch.close(),
    ],
)
def test_what_is_over_takes_no_place(watched, end):
    watched.see()
    assert watched.connections.taken == 1
    end(watched)
    assert watched.connections.taken == 0


# -- commands ------------------------------------------------------------------------------------


def test_a_new_process_is_not_asked_by_a_command_at_once(monkeypatch):
    watched = Watched(monkeypatch, 'exec:/bin/true')
    watched.holds = [None]
    watched.start()
    watched.see(Seen.STARTING)
    assert watched.questions == []
    assert watched.watch.wake_at() == BEGINNING + COMMANDS.first
    watched.now += COMMANDS.first
    watched.see()
    assert plain(watched.answer())


def test_commands_are_run_once_a_second_at_most(monkeypatch):
    watched = Watched(monkeypatch, 'exec:/bin/true')
    watched.start()
    watched.advance()
    watched.see()
    watched.answer(REFUSED)
    for error in [REFUSED] * 3 + [''] * 3:
        assert watched.watch.wake_at() == watched.now + 1.0
        watched.wake(error)


@pytest.mark.parametrize(
    ('watches', 'ready', 'pause'),
    [(1, False, 1.0), (4, False, 1.0), (40, False, 10.0), (2, True, 1.0), (40, True, 20.0)],
)
def test_many_processes_are_asked_by_commands_less_often(monkeypatch, watches, ready, pause):
    watched = Watched(monkeypatch, 'exec:/bin/true', watches=watches)
    assert watched.probing.pause(COMMANDS, ready, 30.0, 0.0) == pause


def test_a_command_may_take_longer_than_a_connection_before_it_seems_to_hang(monkeypatch):
    watched = Watched(monkeypatch, 'exec:/bin/true')
    watched.see()
    watched.answer()
    watched.advance()
    watched.see()
    watched.now += COMMANDS.hung - 0.01
    assert watched.see().confirmed
    watched.now += 0.01
    assert not watched.see().confirmed


# -- a full queue of connections --------------------------------------------------------------------


def test_a_full_queue_is_waited_out_only_by_one_that_was_ready(watched):
    watched.holds = [True]
    watched.see()
    assert watched.open[0].waits  # it ran before the restart: who knows
    watched.answer(REFUSED)
    watched.now = watched.watch.wake_at()
    watched.see()
    assert not watched.open[0].waits
    watched.answer()
    watched.now = watched.watch.wake_at()
    watched.see()
    assert watched.open[0].waits
    watched.answer()
    watched.start()
    watched.see()
    assert not watched.open[0].waits  # it has never been ready


def test_while_the_queue_of_a_ready_one_is_full_it_is_ready_and_then_not_known_and_then_not_ready(
    watched,
):
    watched.see()
    watched.answer()
    watched.now = asked = watched.watch.wake_at()
    watched.see()
    watched.open[0].again_at = asked + 0.05
    assert plain(watched.see())
    assert watched.watch.wake_at() == asked + 0.05
    watched.now, watched.open[0].again_at = asked + HUNG, asked + HUNG + 0.05
    observation = watched.see()
    assert (observation.seen, observation.confirmed) == (Seen.READY, False)
    watched.now = asked + ANSWER
    assert watched.see().seen is Seen.RUNNING


def test_the_waiting_time_begins_anew_when_one_is_ready_no_more(watched):
    watched.see()
    watched.now += 100.0
    watched.answer()
    watched.wake(REFUSED)
    assert watched.watch.wake_at() == watched.now + SOONEST
    watched.wake(REFUSED)
    watched.now += 4.0
    watched.see()
    watched.answer(REFUSED)
    assert watched.watch.wake_at() == pytest.approx(watched.now + 0.4, abs=0.01)


@pytest.mark.parametrize(
    'renew',
    [
        lambda watched: watched.start(),
        lambda watched: watched.signal(),
        lambda watched: watched.see(pid=NEW),
    ],
)
def test_the_waiting_time_begins_anew_with_a_new_process_and_with_a_signal(watched, renew):
    watched.see()
    watched.answer(REFUSED)
    watched.now += 50.0
    renew(watched)
    watched.see()
    watched.answer(REFUSED)
    assert watched.watch.wake_at() == watched.now + SOONEST


def test_closed_it_wakes_nobody(watched):
    watched.see()
    watched.watch.close()
    assert watched.open == []
    assert watched.watch.wake_at() is None
    watched.watch.close()


def test_nothing_is_to_be_waited_for_before_anything_was_seen(watched):
    assert watched.watch.wake_at() is None
    watched.watch.close()


# -- a new pid -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    'renew',
    [
        lambda watched: watched.start(),
        lambda watched: watched.signal(),
        lambda watched: watched.see(pid=NEW),
        lambda watched: watched.see(Seen.STOPPED, 0),
    ],
)
def test_a_question_to_the_process_before_is_withdrawn(watched, renew):
    watched.see()
    (question,) = watched.open
    renew(watched)
    assert question.closed
    question.answer()
    assert not plain(watched.see(pid=NEW))


def test_an_answer_is_used_once(watched):
    watched.see()
    watched.answer()
    assert watched.questions[0].closed
    watched.see()
    assert len(watched.questions) == 1


# -- trust ---------------------------------------------------------------------------------------


def test_an_old_process_is_believed(watched):
    watched.see()
    assert plain(watched.answer())  # holds() would raise: it has nothing to say


NEW_PROCESS = pytest.mark.parametrize(
    'renew',
    [
        lambda watched: watched.start(),
        lambda watched: watched.see(pid=NEW),
        lambda watched: (watched.see(Seen.STOPPED, 0), watched.see(pid=NEW)),
    ],
)


@NEW_PROCESS
def test_a_new_process_is_not_believed_while_somebody_else_holds_the_port(watched, renew):
    watched.holds = [False]
    watched.see()
    renew(watched)
    watched.see()
    observation = watched.answer()
    assert (observation.seen, observation.unready) == (Seen.RUNNING, SOMEBODY_ELSE)
    for _ in range(20):
        assert watched.wake().unready == SOMEBODY_ELSE
    assert watched.watch.wake_at() > watched.now + SOONEST  # as seldom as one that is not ready


@NEW_PROCESS
@pytest.mark.parametrize('told', [True, None])
def test_a_new_process_is_believed_if_it_holds_the_port_or_that_cannot_be_told(
    watched, renew, told
):
    watched.holds = [told]
    watched.see()
    renew(watched)
    watched.see()
    assert plain(watched.answer())


@NEW_PROCESS
def test_a_new_process_is_believed_after_a_failed_attempt(watched, renew):
    watched.see()
    renew(watched)
    watched.see()
    assert watched.answer(REFUSED).unready == REFUSED
    assert plain(watched.wake())  # holds() would raise


def test_a_process_is_believed_as_soon_as_it_holds_the_port(watched):
    watched.holds = [False, False, True]
    watched.start()
    watched.see()
    assert watched.answer().unready == SOMEBODY_ELSE
    assert watched.wake().unready == SOMEBODY_ELSE
    assert plain(watched.wake())
    watched.holds = []
    assert plain(watched.wake())  # and is so from then on


def test_a_failed_attempt_after_false_answers_makes_the_next_one_believed(watched):
    watched.holds = [False]
    watched.start()
    watched.see()
    watched.answer()
    assert watched.wake(REFUSED).unready == REFUSED
    watched.holds = []
    assert plain(watched.wake())


def test_trust_ends_with_the_process(watched):
    watched.start()
    watched.see()
    watched.answer(REFUSED)
    watched.wake()
    watched.holds = [False]
    watched.see(pid=NEW + 1)
    assert watched.answer().unready == SOMEBODY_ELSE


@pytest.mark.parametrize('answers', [[''], [REFUSED]])
def test_trust_does_not_end_with_a_signal(watched, answers):
    watched.see()
    for error in answers:
        watched.answer(error)
    watched.signal()
    watched.see()
    assert plain(watched.answer())


# -- patient -------------------------------------------------------------------------------------


def test_a_patient_watch_takes_the_old_process_as_ready_and_does_not_ask(patient):
    for seen in (Seen.STARTING, Seen.READY, Seen.STOPPING):
        patient.now += 10.0
        assert plain(patient.see(seen))
        assert patient.watch.wake_at() is None
    assert patient.questions == []


@pytest.mark.parametrize(
    'renew', [lambda watched: watched.start(), lambda watched: watched.see(pid=NEW)]
)
def test_a_patient_watch_asks_the_new_process(patient, renew):
    patient.holds = [True]
    patient.see()
    renew(patient)
    assert patient.see().unready == NO_ANSWER
    assert plain(patient.answer())


def test_a_patient_watch_asks_after_a_signal(patient):
    patient.see()
    patient.signal()
    patient.see()
    assert patient.answer(REFUSED).unready == REFUSED
    assert plain(patient.wake())


# -- signals -------------------------------------------------------------------------------------


@pytest.mark.parametrize('before', ['', REFUSED])
def test_answers_from_before_the_signal_do_not_count(watched, before):
    watched.see()
    watched.answer(before)
    watched.signal()
    watched.see()
    assert watched.answer(REFUSED).unready == REFUSED
    assert plain(watched.wake())


# -- notify --------------------------------------------------------------------------------------


def test_what_a_new_process_finds_in_its_environment(watched, notified):
    assert watched.watch.environment() == {}
    assert notified.watch.environment() == {'NOTIFY_SOCKET': '/run/notify'}


def test_a_process_is_ready_when_it_says_so(notified):
    notified.see()
    notified.start()
    observation = notified.see()
    assert (observation.seen, observation.unready, observation.confirmed) == (
        Seen.RUNNING,
        'notify: no READY=1 has come',
        True,
    )
    assert notified.see(Seen.STARTING).seen is Seen.STARTING
    notified.notify.said[NEW] = True
    assert plain(notified.see())
    assert notified.see().seen is Seen.READY


@pytest.mark.parametrize('known', [True, None])
def test_a_process_that_was_not_started_with_the_socket_is_ready(notified, known):
    if known:
        notified.notify.said[OLD] = True
    assert plain(notified.see())
    assert plain(notified.see(pid=NEW))


def test_an_old_process_that_has_never_said_it_is_not_ready(notified):
    notified.notify.said[OLD] = False
    observation = notified.see()
    assert (observation.seen, observation.unready, observation.confirmed) == (
        Seen.RUNNING,
        'notify: no READY=1 has come',
        True,
    )


def test_after_a_signal_it_has_to_say_it_again(notified):
    notified.notify.said[OLD] = True
    assert plain(notified.see())
    notified.signal()
    assert notified.see().unready == 'notify: no READY=1 has come'
    notified.notify.said[OLD] = True
    assert plain(notified.see())


def test_after_a_signal_nothing_is_expected_of_one_that_does_not_have_the_socket(notified):
    notified.see()
    notified.signal()
    assert notified.notify.said == {}
    assert plain(notified.see())


def test_only_processes_with_notify_are_expected_to_say_it(watched):
    watched.start()
    watched.signal()
    assert watched.notify.said == {}


def test_nobody_is_asked_and_nothing_is_waited_for(notified):
    notified.see()
    notified.start()
    notified.see()
    notified.see(Seen.STOPPED, 0)
    assert notified.questions == []
    assert notified.watch.wake_at() is None


def test_a_patient_watch_takes_an_old_process_as_ready_whatever_it_has_said(monkeypatch):
    notified = Watched(monkeypatch, NOTIFY, patient=True)
    notified.notify.said[OLD] = False
    assert plain(notified.see())
    notified.signal()
    assert not plain(notified.see())


def test_after_a_signal_it_is_not_ready_before_it_has_answered_again(watched):
    watched.see()
    watched.answer()
    watched.signal()
    observation = watched.see()
    assert (observation.seen, observation.unready, observation.confirmed) == (
        Seen.RUNNING,
        NO_ANSWER,
        True,
    )


def test_a_pid_that_is_gone_is_forgotten(monkeypatch):
    watched = Watched(monkeypatch, NOTIFY)
    watched.start()
    watched.see()
    watched.see(Seen.EXITED, 0)
    assert watched.notify.said == {}


# -- many of them ------------------------------------------------------------------------------------


class Answered(Question):
    """A Question that is answered at once."""

    def __init__(self, *args):
        super().__init__(*args)
        self.answer()


@pytest.mark.parametrize('groups', [1, 3])
def test_processes_that_hang_do_not_hold_up_those_of_another_group(monkeypatch, groups):
    """Each group in turn, the healthy one last, every 50 ms; it begins when the others have hung
    for a while.
    """
    hung, sound = parse('http://127.0.0.1:1/'), parse(TCP)
    monkeypatch.setattr(
        monitor,
        'ConnectProbe',
        lambda options, spec, *args: (Question if spec is hung else Answered)(options, spec, *args),
    )
    monkeypatch.setattr(procfs, 'holds', lambda pid, spec: True)
    places = Places(200)

    def group(spec, count):
        probing = Probing(None, groups * 300 + 20, Share(places), Share(Places(8)))
        watches = [
            ReadinessMonitor(spec, probing, cast(NotifySocket, Notifications()), patient=True)
            for _ in range(count)
        ]
        for one in watches:
            one.see(Observation(Seen.STOPPED), 0.0)
            one.started(NEW, 0.0)
        return watches

    others = [one for _ in range(groups) for one in group(hung, 300)]
    late, now = group(sound, 20), 0.0
    while now < 30.0:
        for one in others:
            assert one.see(Observation(Seen.READY, NEW), now).seen is Seen.RUNNING
        if now >= 12.0:
            seen = [one.see(Observation(Seen.READY, NEW), now).seen for one in late]
            if seen == [Seen.READY] * 20:
                break
        now += 0.05
    assert now < 12.5


@pytest.mark.parametrize('text', [TCP, 'exec:/bin/true'])
def test_what_was_ready_is_asked_again_before_it_has_failed_however_many_there_are(
    monkeypatch, text
):
    watched = Watched(monkeypatch, text, watches=10_000)
    watched.start()
    watched.wake('not yet')
    watched.wake()
    watched.wake('busy')  # it wavers from here on
    asked_at = watched.now
    times: list[float] = []
    while not times or times[-1] < LONGEST_WAVERING:
        watched.wake('still busy')
        times.append(watched.now - asked_at)
    assert times == pytest.approx([1.0, 2.0, 3.0])
    watched.advance()  # it has failed, and there is no hurry any more
    assert watched.now - asked_at > 4 * LONGEST_WAVERING
