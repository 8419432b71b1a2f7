"""One process in an operation: which phase follows from what is seen of it, and what is to be done.

All of it is one table, TABLE: (phase, seen) -> (next phase, order). What a process itself does
decides only there. Besides, the operation as a whole calls a process's turn (WAITING -> DUE or
TO_SIGNAL) and takes it back as long as nothing was done, gives up on those not reached (-> SKIPPED)
and on what takes too long, has no room or could not be carried out (-> FAILED); see operation.py.

    WAITING --its turn--> DUE --stop--> STOPPING --exit--> STOPPED --start--> STARTING --> READY
    WAITING --its turn--> TO_SIGNAL --signal--> SIGNALLED --ready again--> READY

    KEPT --ready--> SKIPPED

A process that is down when its turn comes goes from DUE to STARTING at once; the second line is for
restarts that send a signal instead, the third for what is new enough to be left alone: nothing is
done to it, but if it never gets ready, it has failed.

Commands of the program's own may stand before the stop and after the start (hooks, lifecycle.py):

    WAITING --its turn--> TO_DRAIN --run--> DRAINING --it ends well--> DRAINED --stop--> STOPPING
    STARTING --ready--> TO_TELL --run--> TELLING --it ends well--> READY

What is drained, or half so, and is not to be stopped after all, is put back by the other command:

    DRAINING, DRAINED --given up--> TO_RETURN --run--> RETURNING --it ends--> SKIPPED or FAILED

A new process may be started beside the old one, which is stopped once the new one is ready
(beside.py). What is seen is the new one then; the old one moves the phase when it dies:

    WAITING --its turn--> TO_SURGE --surge--> SURGING --ready--> HANDING_OVER --retire--> READY
    SURGING, HANDING_OVER --given up--> RESTORING --restore--> SKIPPED or FAILED

Three rules run through the table:

* What is down comes back: no observation leads from STOPPING or STOPPED to an end, except that the
  process cannot be started or that another client decided otherwise.
* The newer will wins: a process that another client stops is left alone (TAKEN), and one that
  another client has started meanwhile is taken as started.
* What is said at the end is true at the end: READY, ENDED and TAKEN are settled, so that the
  operation may end, but not left out of sight. A process that was ready and dies while the
  operation still lasts has failed, and one that does not answer its probe any more (WAVERING) has
  some seconds to come back.

An entry with an order changes the phase only when the order has been carried out.
"""

from __future__ import annotations

from enum import Enum


class Phase(str, Enum):
    """Where a process is on its way through an operation."""

    WAITING = 'waiting'  # its turn has not come; nothing was done to it
    KEPT = 'kept'  # is to be left alone, and has yet to be seen ready; nothing was done to it
    DUE = 'due'  # its turn has come; the order is about to be carried out
    TO_DRAIN = 'to drain'  # as DUE, where its BEFORE_STOP is to be run
    DRAINING = 'draining'  # its BEFORE_STOP runs
    DRAINED = 'drained'  # ... and has ended well; the stop is about to be ordered
    TO_RETURN = 'to return'  # it is not stopped after all; its AFTER_READY is to put it back
    RETURNING = 'returning'  # ... and runs
    TO_SURGE = 'to surge'  # as DUE, where its new process is to be started beside it
    SURGING = 'surging'  # ... and is not ready
    HANDING_OVER = 'handing over'  # the new one is ready, the old one is about to be stopped
    RESTORING = 'restoring'  # the old one is to have its name again
    STOPPING = 'stopping'  # the stop signal is sent, the process has not exited
    STOPPED = 'stopped'  # it has exited and is to be started
    STARTING = 'starting'  # started, not ready
    TO_TELL = 'to tell'  # ready, and its AFTER_READY is to be run
    TELLING = 'telling'  # ... and runs
    TO_SIGNAL = 'to signal'  # as DUE, where a signal is to be sent
    SIGNALLED = 'signalled'  # the signal is sent, and the process not (or not surely) ready again
    READY = 'ready'  # restarted and ready
    WAVERING = 'wavering'  # was ready, and runs without being ready
    ENDED = 'ended'  # restarted, and it ended as its exitcodes say
    TAKEN = 'taken'  # another client has stopped it
    SKIPPED = 'skipped'  # end: left alone, or not reached
    FAILED = 'failed'  # end: did not come up or did not stay up, or could not be stopped


# Never left again.
ENDS = frozenset({Phase.SKIPPED, Phase.FAILED})

# Nothing is to be waited for: when all processes are here, the operation is over.
SETTLED = ENDS | {Phase.READY, Phase.ENDED, Phase.TAKEN}

# Its turn has come, and nothing was done to it yet.
TURN_HAS_COME = frozenset({Phase.DUE, Phase.TO_DRAIN, Phase.TO_SURGE, Phase.TO_SIGNAL})

# There are two of it, or are about to be; the old one serves until the new one does.
BESIDE = frozenset({Phase.TO_SURGE, Phase.SURGING, Phase.HANDING_OVER, Phase.RESTORING})

# Its BEFORE_STOP was begun, and its stop is not ordered.
OUT_OF_SERVICE = frozenset({Phase.DRAINING, Phase.DRAINED})

# Put back, and nothing else is done to it any more.
ON_RETURN = frozenset({Phase.TO_RETURN, Phase.RETURNING})

# A command of the program's own runs.
HOOKED = frozenset({Phase.DRAINING, Phase.RETURNING, Phase.TELLING, Phase.HANDING_OVER})

# Taken down, about to be, or not known to be ready again.
IN_FLIGHT = (
    (TURN_HAS_COME - BESIDE)
    | OUT_OF_SERVICE
    | ON_RETURN
    | {Phase.STOPPING, Phase.STOPPED, Phase.STARTING, Phase.TO_TELL, Phase.TELLING}
    | {Phase.SIGNALLED, Phase.WAVERING}
)

# A process that is seen up is a new one, or was told to renew itself, and has yet to prove that it
# is ready.
UNPROVEN = frozenset(
    {Phase.STOPPING, Phase.STOPPED, Phase.STARTING, Phase.SURGING, Phase.SIGNALLED}
    | {Phase.ENDED, Phase.TAKEN}
)

# The process that runs is known to be the new one.
RENEWED = frozenset(
    {Phase.STARTING, Phase.TO_TELL, Phase.TELLING} | {Phase.SIGNALLED, Phase.READY, Phase.WAVERING}
)

# Phases for which users are shown another one.
SHOWN = {
    Phase.KEPT: Phase.WAITING,
    Phase.DUE: Phase.WAITING,
    Phase.TO_DRAIN: Phase.WAITING,
    Phase.DRAINED: Phase.DRAINING,
    Phase.TO_RETURN: Phase.STARTING,
    Phase.RETURNING: Phase.STARTING,
    Phase.TO_TELL: Phase.STARTING,
    Phase.TELLING: Phase.STARTING,
    Phase.TO_SURGE: Phase.WAITING,
    Phase.SURGING: Phase.STARTING,
    Phase.HANDING_OVER: Phase.STARTING,
    Phase.RESTORING: Phase.STARTING,
    Phase.TO_SIGNAL: Phase.WAITING,
    Phase.SIGNALLED: Phase.STARTING,
    Phase.WAVERING: Phase.STARTING,
    Phase.ENDED: Phase.READY,
    Phase.TAKEN: Phase.SKIPPED,
}


class Seen(str, Enum):
    """What is seen of a process: Supervisor's process states, with some of them told apart."""

    STOPPED = 'STOPPED'
    STARTING = 'STARTING'
    RUNNING = 'RUNNING'  # ... but not ready: its probe fails, or it is not ready for long enough
    READY = 'READY'  # RUNNING, and ready
    BACKOFF = 'BACKOFF'
    STOPPING = 'STOPPING'
    EXITED = 'EXITED'  # with one of the program's exitcodes, and not to be started again
    EXITED_BADLY = 'EXITED_BADLY'  # with any other status, by a signal, or though autorestart=true
    FATAL = 'FATAL'
    UNKNOWN = 'UNKNOWN'
    WANTED_DOWN = 'WANTED_DOWN'  # a client asked for its stop since the operation began


DOWN = frozenset({Seen.STOPPED, Seen.EXITED, Seen.EXITED_BADLY, Seen.FATAL})
UP = frozenset({Seen.STARTING, Seen.RUNNING, Seen.READY})


class Order(Enum):
    """What is to be done to a process."""

    STOP = 'stop'
    START = 'start'
    SIGNAL = 'signal'
    DRAIN = 'drain'  # run its BEFORE_STOP
    TELL = 'tell'  # run its AFTER_READY
    SURGE = 'surge'  # start a new process beside it, which has its name from then on
    RETIRE = 'retire'  # stop its old process
    RESTORE = 'restore'  # give the old process its name again, and stop the new one


def _table() -> dict[tuple[Phase, Seen], tuple[Phase, Order | None]]:
    table: dict[tuple[Phase, Seen], tuple[Phase, Order | None]] = {}

    def row(phase: Phase, to: Phase, *seen: Seen, order: Order | None = None) -> None:
        table.update({(phase, one): (to, order) for one in seen})

    s = Seen
    exited = (s.EXITED, s.EXITED_BADLY)
    taken = (s.STOPPING, s.STOPPED, s.WANTED_DOWN)

    p = Phase.WAITING
    row(p, p, *UP, s.BACKOFF, *exited, s.FATAL)
    row(p, Phase.TAKEN, *taken)  # stopped by another client
    row(p, Phase.FAILED, s.UNKNOWN)

    p = Phase.KEPT
    row(p, p, s.STARTING, s.RUNNING)
    row(p, Phase.SKIPPED, s.READY, s.EXITED)  # ... or it ended as its exitcodes say
    row(p, Phase.FAILED, s.EXITED_BADLY, s.BACKOFF, s.FATAL, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.DUE
    row(p, Phase.STOPPING, *UP, order=Order.STOP)
    row(p, Phase.STOPPING, s.BACKOFF, order=Order.STOP)  # ends Supervisor's own retries
    row(p, Phase.STOPPING, s.STOPPING)  # was being stopped already
    row(p, Phase.STARTING, s.STOPPED, *exited, s.FATAL, order=Order.START)
    row(p, Phase.FAILED, s.UNKNOWN)
    row(p, Phase.TAKEN, s.WANTED_DOWN)

    p = Phase.TO_DRAIN
    row(p, Phase.DRAINING, *UP, order=Order.DRAIN)
    row(p, Phase.DUE, s.BACKOFF, *exited, s.FATAL)  # nothing to drain: it is started
    row(p, Phase.FAILED, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.DRAINING
    row(p, p, *UP)
    row(p, Phase.DUE, s.BACKOFF, *exited, s.FATAL)  # it has died, and its turn had come
    row(p, Phase.FAILED, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.DRAINED
    row(p, Phase.STOPPING, *UP, order=Order.STOP)
    row(p, Phase.DUE, s.BACKOFF, *exited, s.FATAL)
    row(p, Phase.FAILED, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.TO_SURGE
    row(p, Phase.SURGING, *UP, order=Order.SURGE)
    row(p, Phase.DUE, s.BACKOFF, *exited, s.FATAL)  # nothing to be beside: it is started
    row(p, Phase.FAILED, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.SURGING
    row(p, p, s.STARTING, s.RUNNING)
    row(p, Phase.HANDING_OVER, s.READY)
    row(p, Phase.FAILED, *exited, s.BACKOFF, s.FATAL, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken, order=Order.RETIRE)  # another client wants it down: both of them

    p = Phase.HANDING_OVER
    row(p, p, s.RUNNING, s.READY)
    row(p, Phase.FAILED, s.STARTING, *exited, s.BACKOFF, s.FATAL, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken, order=Order.RETIRE)

    p = Phase.RESTORING
    row(p, Phase.SKIPPED, *Seen, order=Order.RESTORE)
    row(p, Phase.TAKEN, *taken, order=Order.RETIRE)

    p = Phase.TO_RETURN
    row(p, Phase.RETURNING, *UP, order=Order.TELL)
    row(p, Phase.SKIPPED, *taken, *exited, s.BACKOFF, s.FATAL, s.UNKNOWN)  # nothing to put back

    p = Phase.RETURNING
    row(p, p, *UP)
    row(p, Phase.SKIPPED, *taken, *exited, s.BACKOFF, s.FATAL, s.UNKNOWN)

    p = Phase.STOPPING
    row(p, p, s.STOPPING)
    row(p, Phase.STOPPED, s.STOPPED, *exited, s.FATAL)
    row(p, Phase.STARTING, *UP)  # another client was quicker
    row(p, Phase.FAILED, s.BACKOFF, s.UNKNOWN)
    row(p, Phase.TAKEN, s.WANTED_DOWN)

    p = Phase.STOPPED
    row(p, Phase.STARTING, s.STOPPED, *exited, s.FATAL, order=Order.START)
    row(p, Phase.STARTING, *UP)  # another client was quicker
    row(p, Phase.TAKEN, s.STOPPING, s.WANTED_DOWN)  # ... and stopped it again
    row(p, Phase.FAILED, s.BACKOFF, s.UNKNOWN)

    p = Phase.STARTING
    row(p, p, s.STARTING, s.RUNNING)
    row(p, Phase.READY, s.READY)
    row(p, Phase.ENDED, s.EXITED)  # it ran, and ended as its exitcodes say
    row(p, Phase.FAILED, s.EXITED_BADLY, s.BACKOFF, s.FATAL, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.TO_TELL
    row(p, Phase.TELLING, s.READY, order=Order.TELL)
    row(p, Phase.STARTING, s.RUNNING)  # it does not answer its probe any more
    row(p, Phase.ENDED, s.EXITED)
    row(p, Phase.FAILED, s.STARTING, s.EXITED_BADLY, s.BACKOFF, s.FATAL, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.TELLING
    row(p, p, s.RUNNING, s.READY)
    row(p, Phase.ENDED, s.EXITED)
    row(p, Phase.FAILED, s.STARTING, s.EXITED_BADLY, s.BACKOFF, s.FATAL, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.TO_SIGNAL
    row(p, Phase.SIGNALLED, s.RUNNING, s.READY, order=Order.SIGNAL)
    row(p, p, s.STARTING)  # a signal would find it unprepared
    row(p, Phase.DUE, s.BACKOFF, *exited, s.FATAL)  # nothing to signal: it is started
    row(p, Phase.FAILED, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.SIGNALLED
    row(p, p, s.RUNNING)
    row(p, Phase.READY, s.READY)
    row(p, Phase.FAILED, *exited, order=Order.START)  # it died of it, and comes back all the same
    # ... and Supervisor was quicker
    row(p, Phase.FAILED, s.STARTING, s.BACKOFF, s.FATAL, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.READY
    row(p, p, s.READY)
    row(p, Phase.WAVERING, s.RUNNING)
    row(p, Phase.ENDED, s.EXITED)
    row(p, Phase.FAILED, s.STARTING, s.EXITED_BADLY, s.BACKOFF, s.FATAL, s.UNKNOWN)  # it has died
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.WAVERING
    row(p, p, s.RUNNING)
    row(p, Phase.READY, s.READY)
    row(p, Phase.FAILED, s.STARTING, *exited, s.BACKOFF, s.FATAL, s.UNKNOWN)
    row(p, Phase.TAKEN, *taken)  # stopped by another client

    p = Phase.ENDED
    row(p, Phase.STARTING, *UP)  # started again by another client
    row(p, p, *taken, *exited, s.BACKOFF, s.FATAL, s.UNKNOWN)

    p = Phase.TAKEN
    row(p, Phase.STARTING, *UP)  # ... who has started it again
    row(p, Phase.FAILED, s.BACKOFF)  # ... or has tried to
    row(p, p, *taken, *exited, s.FATAL, s.UNKNOWN)

    for end in ENDS:
        row(end, end, *Seen)
    return table


TABLE = _table()


def follow(phase: Phase, seen: Seen) -> tuple[Phase, Order | None]:
    """The phase and order that follow when a process in `phase` is seen as `seen`.

    Steps without an order are taken at once, as many as there are, so that a process seen as
    STOPPED while STOPPING comes back with the order to start it.
    """
    while True:
        to, order = TABLE[phase, seen]
        if order is not None or to is phase:
            return phase, order
        phase = to


def after(phase: Phase, seen: Seen) -> Phase:
    """The phase that follows once the order of (phase, seen) has been carried out."""
    return TABLE[phase, seen][0]
