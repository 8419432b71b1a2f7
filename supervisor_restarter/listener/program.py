"""supervisor_restart_listener: an [eventlistener:x] program that has processes restarted by rules.

The program joins the parts: cli_options.py reads the command line, protocol.py the events;
listener.py obeys them. stdout belongs to the protocol; each decision is a line on stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import TextIO

from supervisor import childutils
from supervisor.events import EventTypes

from supervisor_restarter.client.errors import Exit
from supervisor_restarter.event_text import EVENT_NAMES
from supervisor_restarter.listener.cli_options import parser
from supervisor_restarter.listener.listener import Listener, Measure, Supervisord
from supervisor_restarter.listener.protocol import BadProtocol, next_event
from supervisor_restarter.listener.rulebook import RuleBook
from supervisor_restarter.text import printable

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
    rules = [*options.memory, *options.age, *options.fatal]
    if not rules and not options.when:
        made.error('give a rule: --memory, --age, --fatal or --when')
    measure = _measuring(options, made)
    if not environment.get('SUPERVISOR_SERVER_URL'):
        made.error(
            'SUPERVISOR_SERVER_URL is not set: this program is run by a supervisord, as '
            '[eventlistener:x], that has a [unix_http_server] or an [inet_http_server]'
        )
    said = [f'--{rule.kind} {rule.text}' for rule in rules]
    said += [f'--when {when.event}={when.target}' for when in options.when]
    say(f'rules: {" ".join(said)}{" (dry run)" if options.dry_run else ""}')
    for event in {when.event for when in options.when} - vars(EventTypes).keys() - set(EVENT_NAMES):
        say(
            f'--when {event}: neither Supervisor nor the restarter has such an event; '
            'does another plugin?'
        )
    return Listener(
        Supervisord(environment),
        options.when,
        RuleBook(rules),
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
            # To a pool that subscribes to EVENT and TICK_5, say, Supervisor sends TICK_5 twice.
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
            stdout.close()  # or Python would flush it once more at the end, and exit with 120
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


if __name__ == '__main__':  # pragma: no cover - the tests call main()
    sys.exit(main())
