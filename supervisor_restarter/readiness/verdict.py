"""Whether one process is ready: what follows from the answers of its probe. Pure.

Readiness belongs to a process, that is, to a pid. While an operation lasts, five things can happen
to what is known of it (Heard), and one table, VERDICTS, says what is known afterwards (Readiness):

    it ran before --> ASSUMED --+
    a signal -------> RENEWED --+--yes--> READY --no--> LAPSED --yes--> READY
    another pid ----> NEW ------+
                                +--no---> UNREADY --yes--> READY

    NEW, ASSUMED --yes, but of something else--> OCCUPIED, and from there as from NEW

A signal and another pid may come in any state. A process that is UNASKED ran before, too, and stays
UNASKED until one of them comes.

Three rules run through it:

* What ran before is taken as ready until its probe says otherwise; a new process is not ready until
  its probe says so.
* A yes is proof only if it comes from this very process. While the probe has said yes ever since
  the process came, something else may listen at its address (OCCUPIED): it has to be looked up who
  does. Once the probe has said no, the next yes is the process's own: nothing else was there.
* An answer counts for what the process is now: another pid, or a signal on which it is to renew
  itself, puts an end to what was known.

`Verdict` adds what a table cannot hold: the pid, the times and the texts. It asks nothing; see
monitor.py for that.
"""

from __future__ import annotations

from enum import Enum

from supervisor_restarter.engine.member import Observation
from supervisor_restarter.engine.phases import UP, Seen


class Readiness(Enum):
    """What is known of the readiness of a process."""

    UNASKED = 'unasked'  # it ran before, and is taken as ready without being asked
    ASSUMED = 'assumed'  # it ran before, and has not answered yet: taken as ready meanwhile
    NEW = 'new'  # it has a new pid, and has not answered yet
    RENEWED = 'renewed'  # it was sent a signal, and has not answered since
    OCCUPIED = 'occupied'  # it is new, and something else answers at its address
    UNREADY = 'unready'  # its last answer was no, and it has never been ready
    READY = 'ready'  # its last answer was yes
    LAPSED = 'lapsed'  # it was ready, and its last answer was no


class Heard(Enum):
    """What happens to a process, or is heard from it."""

    ANOTHER = 'another'  # there is another process under its name, or none
    SIGNALLED = 'signalled'  # it was told to renew itself
    YES = 'yes'
    NO = 'no'
    FOREIGN_YES = 'foreign yes'  # a yes that comes from something else


# No answer has come yet.
UNANSWERED = frozenset({Readiness.ASSUMED, Readiness.NEW, Readiness.RENEWED})

# A yes may come from something else: it has to be looked up who listens at the address.
UNTRUSTED = frozenset({Readiness.NEW, Readiness.OCCUPIED})

# It is ready, or is taken as ready. If it is too busy to accept a connection, it has not hung.
PRESUMED_READY = frozenset({Readiness.READY, Readiness.ASSUMED})


def _verdicts() -> dict[tuple[Readiness, Heard], Readiness]:
    table: dict[tuple[Readiness, Heard], Readiness] = {}

    def row(to: Readiness, heard: Heard, *known: Readiness) -> None:
        table.update({(one, heard): to for one in known})

    r, h = Readiness, Heard
    never_ready = (r.ASSUMED, r.NEW, r.OCCUPIED, r.RENEWED, r.UNREADY)
    row(r.NEW, h.ANOTHER, *r)
    row(r.RENEWED, h.SIGNALLED, *r)
    row(r.NEW, h.SIGNALLED, *UNTRUSTED)  # a signal makes it no more trustworthy
    row(r.READY, h.YES, *never_ready, r.READY, r.LAPSED)
    row(r.UNREADY, h.NO, *never_ready)
    row(r.LAPSED, h.NO, r.READY, r.LAPSED)
    row(r.OCCUPIED, h.FOREIGN_YES, *UNTRUSTED, r.ASSUMED)  # the last where it is to be left alone
    return table


VERDICTS = _verdicts()


class Verdict:
    """What is known of the readiness of one process, and since when.

    probe: what it is asked, for texts. patient: the process that runs at the beginning is not
    asked. All times are monotonic.

    state, pid (None: not seen yet). since: when the waiting began for it to be ready, or when it
    was found ready, or not ready any more. asked_at: when the last answer was asked for, 0.0
    without one. error: why it is not ready, or was not when it was asked last; '' if nothing is
    known. unproven: the operation has started it, and it has not been ready since. That is a
    matter of the start, and so it outlives the pid.
    """

    def __init__(self, probe: str, patient: bool) -> None:
        self.state = Readiness.UNASKED if patient else Readiness.ASSUMED
        self.pid: int | None = None
        self.since = 0.0
        self.asked_at = 0.0
        self.error = ''
        self.unproven = False
        self._no_answer = f'{probe}: no answer yet'

    # -- what happens ------------------------------------------------------------------------

    def first_seen(self, pid: int, now: float) -> None:
        """The operation begins to look at the process."""
        self.pid, self.since = pid, now

    def replaced(self, pid: int, now: float) -> None:
        """There is another process under the name, or none (pid 0)."""
        self._begin(Heard.ANOTHER, pid, now)

    def started(self, pid: int, now: float) -> None:
        """The operation has started the process."""
        self._begin(Heard.ANOTHER, pid, now)
        self.unproven = True

    def signalled(self, now: float) -> None:
        """The process was told to renew itself: only answers from now on count."""
        self._begin(Heard.SIGNALLED, self.pid or 0, now)

    def _begin(self, heard: Heard, pid: int, now: float) -> None:
        self.state = VERDICTS[self.state, heard]
        self.pid, self.since = pid, now
        self.asked_at, self.error = 0.0, ''

    # -- answers -----------------------------------------------------------------------------

    def answered(self, heard: Heard, asked_at: float, error: str = '') -> None:
        """Its probe has answered what it was asked at `asked_at`. error: why that is no yes."""
        was_ready = self.state is Readiness.READY
        self.said(heard, error)
        self.asked_at = asked_at
        if was_ready is not (self.state is Readiness.READY):
            self.since = asked_at

    def said(self, heard: Heard, error: str) -> None:
        """As answered(), for a process that says by itself whether it is ready."""
        self.state = VERDICTS[self.state, heard]
        if self.state is Readiness.READY:
            self.unproven = False
        self.error = error or self.error

    # -- what is said ------------------------------------------------------------------------

    def of(self, shown: Observation, hung: bool) -> Observation:
        """What Supervisor shows of the process, with what is known of its readiness.

        hung: a question has been open for so long that the process may have hung.
        """
        if shown.seen not in UP:
            ended = self.unproven and shown.seen is Seen.EXITED
            return shown._replace(unready=self._no_answer) if ended else shown
        if self.state is Readiness.UNASKED:
            return shown
        if self.state is Readiness.ASSUMED:
            return shown._replace(confirmed=False)
        if self.state is Readiness.READY:
            return shown._replace(confirmed=not hung, asked_at=self.asked_at or None)
        seen = Seen.RUNNING if shown.seen is Seen.READY else shown.seen
        return shown._replace(seen=seen, unready=self.error or self._no_answer)
