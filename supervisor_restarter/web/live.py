"""What is live on the page: news of processes and restarts for all pages that wait for them.

Nothing here looks around by itself. Events of Supervisor's, and the versions of the restarts, only
say that what was known may be out of date; rows are made anew when a page asks after that, once for
all pages. While a restart runs, something changes in each turn of the loop. So it is looked at ten
times a second then, however many pages ask, and those that know the same are sent the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Callable, Protocol

from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.programs.host import HttpRequest, Supervisor
from supervisor_restarter.web.board import Board, Header
from supervisor_restarter.web.queries import Wanted
from supervisor_restarter.web.replies import NO_STORE, Pending, Reply, line, send_later, until
from supervisor_restarter.web.tiles import names_and_tiles

MOST_WAITING = 100  # each is asked whenever something changes
FRESH = 0.1  # seconds for which all pages are shown the same, while a restart runs
LEAVING = 'supervisord is shutting down or restarting'
UNSAID = ('options', 'duration')  # of a header; see _said()


class ShownRows(Protocol):
    """The processes of a restart. since(): those that changed after a version, with their places."""

    def since(self, version: int) -> Sequence[tuple[int, Mapping[str, object]]]: ...


class ShownRestart(Protocol):
    """A job as the page sees it. finished: by the wall clock; None: not yet."""

    @property
    def id(self) -> str: ...

    @property
    def operation(self) -> Operation: ...

    @property
    def finished(self) -> float | None: ...

    def header(self) -> dict[str, object]: ...

    def particulars(self) -> dict[str, object]: ...

    def changes(self) -> ShownRows: ...

    def ready_points(self, since: int) -> list[tuple[float, int]]: ...


class Live:
    """restarts: those that are running, waiting and remembered, newest first. about: what a page is
    told of supervisord. leaving: whether that is shutting down. now: the wall clock. failed: is
    told of an exception, which is being handled. alarm: has all that wait asked again after so many
    seconds, while a restart runs. clock: the monotonic one.
    """

    def __init__(
        self,
        supervisord: Supervisor,
        board: Board,
        restarts: Callable[[], Sequence[ShownRestart]],
        about: Callable[[], dict[str, object]],
        leaving: Callable[[], bool],
        now: Callable[[], float],
        failed: Callable[[], None],
        alarm: Callable[[float], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._supervisord, self._board = supervisord, board
        self._restarts, self._about = restarts, about
        self._leaving, self._now, self._failed = leaving, now, failed
        self._alarm, self._clock = alarm, clock
        self._waiting: list[Pending] = []
        self._stale = True
        # When the board was made: each restart's version and end, its header, and those that ran.
        self._seen: dict[str, tuple[object, ...]] = {}
        self._headers: dict[str, Header] = {}
        self._running: list[tuple[ShownRestart, int]] = []
        self._fresh_until = 0.0
        self._alarmed = False
        self._replies: dict[Wanted, Reply] = {}  # made since

    # -- what happens ------------------------------------------------------------------------

    def changed(self) -> None:
        """Something has happened to a process or a group."""
        self._stale = True
        if self._waiting:
            self.look()

    def look(self) -> None:
        """Ask for all that wait, in the next turn of the loop."""
        self._waiting = self._still_waiting()
        for pending in self._waiting:
            pending.look()

    def leave(self) -> None:
        """supervisord goes away: tell all that wait, now, for there may be no further turn."""
        waiting, self._waiting = self._still_waiting(), []
        for pending in waiting:
            pending.request.channel.initiate_send()

    def _still_waiting(self) -> list[Pending]:
        """Without those that were answered, and those whose client has hung up."""
        there = {id(one) for one in self._supervisord.options.get_socket_map().values()}
        return [
            pending
            for pending in self._waiting
            if not pending.sent and id(pending.request.channel) in there
        ]

    # -- what a page asks --------------------------------------------------------------------

    def answer(self, request: HttpRequest, wanted: Wanted) -> None:
        """Tell the page what it does not know yet, now or when there is something."""
        left = until(wanted.wait)

        def ask() -> Reply | None:
            try:
                return self._reply(wanted, left() <= 0)
            except Exception:
                self._failed()
                return line(500, 'internal error; it is in the log of supervisord')

        if wanted.wait and len(self._waiting) >= MOST_WAITING:
            self._waiting = self._still_waiting()
            if len(self._waiting) >= MOST_WAITING:
                reply = line(503, f'{MOST_WAITING} others are waiting already', Retry_After='5')
                send_later(request, lambda: reply, left)
                return
        pending = send_later(request, ask, left)
        if wanted.wait and not pending.sent:
            self._waiting.append(pending)

    def _reply(self, wanted: Wanted, now: bool) -> Reply | None:
        """The answer; None if there is nothing new and it is not to be given now."""
        if self._leaving():
            return line(503, LEAVING, Retry_After='1')
        board, question = self._board, wanted._replace(wait=0.0)
        since = wanted.version if wanted.epoch == board.epoch else None
        if since is not None and not now and self._is_held_back():
            return self._replies.get(question)
        self._look_around()
        if question in self._replies and self._clock() < self._fresh_until:
            return self._replies[question]
        restart = self._restart(wanted.restart)
        news_of_it = wanted.restart and (
            restart is None or restart.operation.version > wanted.known
        )
        if not now and since == board.version and not news_of_it:
            return None
        told = board.news(since)
        told['now'] = round(self._now(), 3)
        if told['full']:
            told['about'] = self._about()
        if wanted.restart:
            told['detail'] = self._detail(wanted, restart)
        reply = Reply(200, 'application/json', _json(told), NO_STORE)
        if self._running and len(self._replies) < MOST_WAITING:
            self._replies[question] = reply
        return reply

    def _is_held_back(self) -> bool:
        """Whether something has changed that is not to be looked at yet."""
        changed = self._stale or any(
            restart.operation.version != version for restart, version in self._running
        )
        running = any(restart.finished is None for restart, _ in self._running)
        seconds = self._fresh_until - self._clock()
        if not (changed and running and seconds > 0):
            return False
        if not self._alarmed:
            self._alarmed = True
            self._alarm(seconds)
        return True

    def _look_around(self) -> None:
        """Bring the board up to date, if anything may have changed."""
        jobs = self._restarts()
        seen: dict[str, tuple[object, ...]] = {
            job.id: (job.operation.version, job.finished) for job in jobs
        }
        if seen == self._seen and not self._stale:
            return
        self._fresh_until, self._alarmed = self._clock() + FRESH, False
        self._replies.clear()
        if seen != self._seen:
            # A header goes through all processes of its restart, and hundreds may be remembered.
            self._headers = {
                job.id: self._headers[job.id]
                if seen[job.id] == self._seen.get(job.id)
                else _said(job)
                for job in jobs
            }
            self._board.put_restarts(self._headers)
            self._stale = True  # an apply changes groups without an event
        if self._stale:
            self._board.put_processes(*names_and_tiles(self._supervisord))
        self._seen, self._stale = seen, False
        self._running = [(job, job.operation.version) for job in jobs if job.finished is None]

    def _restart(self, id: str) -> ShownRestart | None:
        return next((job for job in self._restarts() if job.id == id), None) if id else None

    @staticmethod
    def _detail(wanted: Wanted, restart: ShownRestart | None) -> dict[str, object]:
        if restart is None:
            return {'id': wanted.restart, 'gone': True}
        known = wanted.known or -1
        return {
            'id': restart.id,
            'version': restart.operation.version,
            'restart': {**restart.header(), **restart.particulars()},
            'processes': restart.changes().since(known),
            'ready': restart.ready_points(known),
            'gone': False,
        }


def _said(restart: ShownRestart) -> Header:
    """What the list shows of it. The duration grows all the time, until it is over."""
    header = restart.header()
    ended = bool(header['finished_at'])
    return {
        key: value
        for key, value in header.items()
        if key not in UNSAID or (ended and key == 'duration')
    }


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(',', ':')).encode('ascii')
