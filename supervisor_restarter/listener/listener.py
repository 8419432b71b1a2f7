"""What the listener does with each event: it asks supervisord for the restarts that the rules
demand.

It waits for none of them. What it is refused because a group is being restarted already it asks for
again at the next tick.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable

from supervisor import childutils

from supervisor_restarter.client.client import Client, process_infos, without_asides
from supervisor_restarter.client.errors import ClientError, Exit
from supervisor_restarter.event_text import groups_of
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.listener import rulebook
from supervisor_restarter.listener.protocol import Event
from supervisor_restarter.listener.rulebook import ProcessInfo, RuleBook
from supervisor_restarter.listener.rules import When
from supervisor_restarter.option_kinds import RESTART
from supervisor_restarter.text import listed

RETRY_SECONDS = 5.0  # between two attempts for what was put off, where no tick comes

Measure = Callable[[Iterable[int]], dict[int, int]]  # bytes of memory by pid


class Supervisord:
    """The calls to supervisord. Each has a connection of its own: between two ticks one could be
    closed.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def processes(self) -> list[ProcessInfo]:
        """All processes, without those that a surge has put aside; ClientError."""
        answer = self._client('supervisor').call('getAllProcessInfo')
        return rulebook.seen(without_asides(process_infos(answer)))

    def start(self, names: Sequence[str], options: dict[str, Any]) -> str:
        """Begin a restart; its id. ClientError."""
        return self._client('restarter').start(names, options)

    def _client(self, namespace: str) -> Client:
        return Client(
            lambda: getattr(childutils.getRPCInterface(self._environment), namespace),
            self._environment['SUPERVISOR_SERVER_URL'],
        )


class Listener:
    """Obeys events by the rules.

    options: for each restart. measure: memory by pid, needed for rules of --memory only. say: takes
    a line.
    """

    def __init__(
        self,
        server: Supervisord,
        whens: Sequence[When],
        book: RuleBook,
        options: dict[str, Any],
        measure: Measure,
        say: Callable[[str], None],
        dry_run: bool = False,
    ) -> None:
        self._server = server
        self._book = book
        self._options = options
        self._measure = measure
        self._say = say
        self._dry_run = dry_run
        # What --when still has to see to: of each rule the events that came, with their groups.
        self._pending: dict[When, dict[Event, frozenset[str]]] = {when: {} for when in whens}
        self._tried_at = 0.0  # monotonic
        self._warned: set[When] = set()  # rules of which it was said that an event is not obeyed
        # What is said once, for as long as it holds: at this tick, and at the one before.
        self._said: set[object] = set()
        self._said_before: set[object] = set()

    def obey(self, event: Event) -> None:
        """Do what the rules say to this event, and what was put off before."""
        wanted = False
        for when, pending in self._pending.items():
            if when.matches(event.name):
                groups = groups_of(event.name, event.payload)
                pending[Event(event.name, ','.join(sorted(groups)))] = groups
                wanted = True
        # Many events come during the very restart that another one has to wait for.
        wanted = wanted or (
            any(self._pending.values())
            and (event.is_tick or time.monotonic() >= self._tried_at + RETRY_SECONDS)
        )
        looks = event.is_tick and bool(self._book.rules)
        if not looks and not wanted:
            return
        self._tried_at = time.monotonic()
        self._said_before, self._said = self._said, set()
        about_groups = any(
            groups for pending in self._pending.values() for groups in pending.values()
        )
        try:
            everything = self._server.processes() if looks or about_groups else []
        except ClientError as error:
            self._say(f'{error}; tried again at the next tick or event')
            return
        for when in self._pending:
            self._see_to(when, everything)
        if looks:
            self._look(everything)

    def _see_to(self, when: When, everything: list[ProcessInfo]) -> None:
        """What --when demands; it stays pending where it may be granted later."""
        pending, targets = self._pending[when], _groups_of(when.target, everything)
        for event, groups in list(pending.items()):
            if groups & targets:
                # Each restart has events of its own: obeyed, they would restart the group for ever.
                del pending[event]
                if when not in self._warned:
                    self._warned.add(when)
                    about = listed(sorted(groups & targets))
                    self._say(
                        f'--when {when.event}={when.target}: {event.name} is not obeyed, '
                        f'for it is about {about} itself (this is said once)'
                    )
        if pending:
            came = listed(dict.fromkeys(event.name for event in pending))
            error = self._ask((when.target,), f'{came} came', self._options)
            if error is None or not _passes(error):
                pending.clear()

    def _look(self, everything: list[ProcessInfo]) -> None:
        """What the rules demand that look at processes."""
        now = time.monotonic()
        pids = self._book.to_measure(everything)
        sizes = self._measure(pids) if pids else {}
        # Whatever the configuration's defaults are: it takes a new process, also for what is down.
        options = {**self._options, 'method': RESTART, 'only_running': False}
        for wish in self._book.due(everything, sizes, now):
            if self._ask(wish.names, wish.why, options) is None:
                self._book.granted(wish, everything, now)
        for note in self._book.notes:
            self._say_once(note)

    def _ask(self, names: Sequence[str], why: str, options: dict[str, Any]) -> ClientError | None:
        """Have the processes restarted; what refused it."""
        if self._dry_run:
            self._say(f'{why}: would restart {listed(names)} (dry run)')
            return None
        try:
            id = self._server.start(names, options)
        except ClientError as error:
            line = f'{why}: restart of {listed(names)} refused: {error}'
            if _passes(error):
                line += '; tried again at the next tick or event'
            if error.code == Code.BUSY:
                self._say_once(line, (tuple(names), str(error)))
            else:
                self._say(line)
            return error
        self._say(f'{why}: restart {id} of {listed(names)}')
        return None

    def _say_once(self, line: str, about: object = None) -> None:
        about = about or line
        if about not in self._said | self._said_before:
            self._say(line)
        self._said.add(about)


def _passes(error: ClientError) -> bool:
    """Whether the same may be granted later."""
    return error.code == Code.BUSY or error.status == Exit.UNREACHABLE


def _groups_of(target: str, everything: list[ProcessInfo]) -> set[str]:
    try:
        return {process.group for process in rulebook.selected(everything, target)}
    except Refusal:
        return set()  # startRestart will say so
