"""supervisor_restart_listener: an [eventlistener:x] program that has process groups restarted by
rules.

It takes events as Supervisor's childutils do, asks for restarts with startRestart and waits for
none of them. What it is refused because a group is being restarted already it asks for again at the
next tick. stdout belongs to the protocol; each decision is a line on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Callable, NamedTuple, TextIO

from supervisor import childutils
from supervisor.events import EventTypes

from supervisor_restarter.client.client import Client, ClientError, Exit
from supervisor_restarter.client.structs import conforms
from supervisor_restarter.event_text import EVENT_NAMES, groups_of
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.listener import rules
from supervisor_restarter.listener.cli_options import parser
from supervisor_restarter.options import RESTART
from supervisor_restarter.text import listed, printable, shown

MOST_HEADER = 64 * 1024  # characters; a header has about 100
MOST_PAYLOAD = 16 * 1024 * 1024  # characters
RETRY_SECONDS = 5.0  # between two attempts for what was put off, where no tick comes
CALL_SECONDS = 30.0  # for one call to supervisord, which else could wait for ever
# All that a section's stopsignal may be, but for SIGKILL.
STOP_SIGNALS = {
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
INFO = {'group': str, 'name': str, 'statename': str, 'pid': int, 'start': int, 'now': int}

Measure = Callable[[Iterable[int]], dict[int, int]]


class Event(NamedTuple):
    """An event as it came."""

    name: str
    payload: str
    serial: str = ''  # in its pool

    @property
    def is_tick(self) -> bool:
        return self.name.startswith('TICK_')


class BadProtocol(Exception):
    """Something came that is no event; the text says what."""


# -- the protocol ----------------------------------------------------------------------------


def next_event(stdin: TextIO, stdout: TextIO) -> Event | None:
    """Say that we are ready and wait for an event; None: supervisord is gone. BadProtocol for
    anything else.

    childutils.listener.wait() would do, if it did not read a payload of any length.
    """
    childutils.listener.ready(stdout)
    line = stdin.readline(MOST_HEADER)
    if not line.endswith('\n') and len(line) < MOST_HEADER:
        return None
    try:
        # From poolserial on: before it are supervisord's identifier and the pool's name, which may
        # hold any character.
        _, found, rest = line.rpartition(' poolserial:')
        headers = childutils.get_headers(f'poolserial:{rest}' if found else line)
        name, length = headers['eventname'], int(headers['len'])
    except (KeyError, ValueError):
        raise BadProtocol(f'malformed header: {shown(line)}') from None
    if not 0 <= length <= MOST_PAYLOAD:
        childutils.listener.ok(stdout)  # or our successor would be given the same event
        raise BadProtocol(f'a payload of {length} characters; the most are {MOST_PAYLOAD}')
    payload = stdin.read(length)
    return Event(name, payload, headers.get('poolserial', '')) if len(payload) == length else None


class Supervisord:
    """The calls to supervisord. Each has a connection of its own: between two ticks one could be
    closed.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def processes(self) -> list[rules.Process]:
        """All processes; ClientError."""
        infos = self._client('supervisor').call('getAllProcessInfo')
        if not conforms(infos, [INFO]):
            raise ClientError(
                Exit.FAILED, 'supervisord answered getAllProcessInfo with something unexpected'
            )
        return rules.processes(infos)

    def start(self, names: Sequence[str], options: dict[str, Any]) -> str:
        """Begin a restart; its id. ClientError."""
        return self._client('restarter').start(names, options)

    def _client(self, namespace: str) -> Client:
        return Client(
            lambda: getattr(childutils.getRPCInterface(self._environment), namespace),
            self._environment['SUPERVISOR_SERVER_URL'],
        )


# -- decisions -------------------------------------------------------------------------------


class Listener:
    """Obeys events by the rules.

    options: for each restart. measure: memory by pid, needed for rules of --memory only. say: takes
    a line.
    """

    def __init__(
        self,
        server: Supervisord,
        whens: Sequence[rules.When],
        watch: rules.RuleBook,
        options: dict[str, Any],
        measure: Measure,
        say: Callable[[str], None],
        dry_run: bool = False,
    ) -> None:
        self._server = server
        self._watch = watch
        self._options = options
        self._measure = measure
        self._say = say
        self._dry_run = dry_run
        # What --when still has to see to: of each rule the events that came and the groups that
        # they were about.
        self._pending: dict[rules.When, dict[Event, frozenset[str]]] = {when: {} for when in whens}
        self._tried_at = 0.0  # monotonic
        self._warned: set[rules.When] = (
            set()
        )  # rules of which it was said that an event is not obeyed
        self._said: set[object] = set()  # what is said once, for as long as it holds
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
        looks = event.is_tick and bool(self._watch.rules)
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

    def _see_to(self, when: rules.When, everything: list[rules.Process]) -> None:
        """What --when demands; it stays pending where it may be granted later."""
        pending, targets = self._pending[when], _groups_of(when.target, everything)
        for event, groups in list(pending.items()):
            if groups & targets:
                # Each restart has events of its own: obeyed, they would restart the group for ever.
                del pending[event]
                if when not in self._warned:
                    self._warned.add(when)
                    self._say(
                        f'--when {when.event}={when.target}: {event.name} is not obeyed, for it is about '
                        f'{listed(sorted(groups & targets))} itself (this is said once)'
                    )
        if pending:
            came = listed(dict.fromkeys(event.name for event in pending))
            error = self._ask((when.target,), f'{came} came', self._options)
            if error is None or not _passes(error):
                pending.clear()

    def _look(self, everything: list[rules.Process]) -> None:
        """What the rules demand that look at processes."""
        now = time.monotonic()
        pids = self._watch.to_measure(everything)
        for wish in self._watch.due(everything, self._measure(pids) if pids else {}, now):
            # Whatever the configuration's defaults are: it takes a new process, and one that is
            # down is started.
            if (
                self._ask(
                    wish.names,
                    wish.why,
                    {**self._options, 'method': RESTART, 'only_running': False},
                )
                is None
            ):
                self._watch.granted(wish, everything, now)
        for note in self._watch.notes:
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


def _groups_of(target: str, everything: list[rules.Process]) -> set[str]:
    try:
        return {process.group for process in rules.selected(everything, target)}
    except Refusal:
        return set()  # startRestart will say so


# -- the program ----------------------------------------------------------------------------


def _measuring(options: argparse.Namespace, made: argparse.ArgumentParser) -> Measure:
    if not options.memory:
        return lambda pids: {}
    try:
        from supervisor_restarter.listener.memory import measure
    except ImportError:
        made.error("--memory needs psutil: pip install 'supervisor-restarter[memory]'")
    return measure


def say(line: str) -> None:
    """A line on stderr, with the time."""
    sys.stderr.write(f'{childutils.get_asctime()} {printable(line)}\n')
    sys.stderr.flush()


def make(argv: Sequence[str] | None, environment: Mapping[str, str]) -> Listener:
    """The listener that the command line asks for; SystemExit, with a line on stderr, if it makes
    no sense.
    """
    made = parser()
    options = made.parse_args(argv)
    watched = [*options.memory, *options.age, *options.fatal]
    if not watched and not options.when:
        made.error('give a rule: --memory, --age, --fatal or --when')
    measure = _measuring(options, made)
    if not environment.get('SUPERVISOR_SERVER_URL'):
        made.error(
            'SUPERVISOR_SERVER_URL is not set: this program is run by a supervisord, as [eventlistener:x], that '
            'has a [unix_http_server] or an [inet_http_server]'
        )
    said = [f'--{rule.kind} {rule.text}' for rule in watched]
    said += [f'--when {when.event}={when.target}' for when in options.when]
    say(f'rules: {" ".join(said)}{" (dry run)" if options.dry_run else ""}')
    for event in {when.event for when in options.when} - vars(EventTypes).keys() - set(EVENT_NAMES):
        say(
            f'--when {event}: neither Supervisor nor the restarter has such an event; does another plugin?'
        )
    return Listener(
        Supervisord(environment),
        options.when,
        rules.RuleBook(watched),
        {'max_unavailable': options.max_unavailable, 'if_busy': 'fail'},
        measure,
        say,
        options.dry_run,
    )


def run(listener: Listener, stdin: TextIO, stdout: TextIO) -> int:
    """Obey events until supervisord is gone; the exit status."""
    before = ''
    try:
        while True:
            event = next_event(stdin, stdout)
            if event is None:
                return Exit.OK
            # An event whose listener dies before it has answered is given to the next one; so a
            # stop signal, perhaps of the very restart that is asked for, waits until then.
            signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
            # Of a pool that subscribes to EVENT and TICK_5, say, Supervisor sends each TICK_5
            # twice.
            if not event.serial or event.serial != before:
                listener.obey(event)
            before = event.serial
            childutils.listener.ok(stdout)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    except BadProtocol as error:
        say(str(error))
        return Exit.FAILED
    except BrokenPipeError:  # supervisord is gone
        with contextlib.suppress(OSError):
            # or Python would try to flush it once more at the end, and exit with 120
            stdout.close()
        return Exit.OK


def main(argv: Sequence[str] | None = None) -> int:
    """The program. `argv` leaves out the program's name. Returns the exit status."""
    try:
        listener = make(argv, os.environ)
        socket.setdefaulttimeout(CALL_SECONDS)
        # Supervisor sends UTF-8 and counts its characters, whatever the locale is; and \r\n are two
        # of them.
        stdin = io.TextIOWrapper(sys.stdin.buffer, 'utf-8', 'replace', newline='\n')
        return int(run(listener, stdin, sys.stdout))
    except SystemExit as exit:  # bad usage, -h
        return int(exit.code or 0)
    except KeyboardInterrupt:
        return int(Exit.DETACHED)


if __name__ == '__main__':
    sys.exit(main())
