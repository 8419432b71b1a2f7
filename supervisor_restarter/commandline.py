"""The command line of supervisorctl_restart_group: its help, its options, and what is wrong with them."""
from __future__ import annotations

import configparser
import getopt
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any, Callable, NoReturn

from supervisor.options import ClientOptions

from supervisor_restarter.client import Client, ClientError, Exit, sendable, without_password
from supervisor_restarter.faults import Refusal
from supervisor_restarter.options import DECLARED, checked
from supervisor_restarter.progress import Screen

PROGNAME = 'supervisorctl_restart_group'

HELP = f"""\
{PROGNAME} -- restart process groups of a supervisord that has the restarter interface.

Usage: {PROGNAME} [options] name [name ...]
       {PROGNAME} [options] --status [ID]
       {PROGNAME} [options] --cancel ID

Options:
-c/--configuration FILENAME -- configuration file path (searches if not given)
-h/--help -- print usage message and exit
-i/--interactive -- start supervisorctl's interactive shell after the restart
-s/--serverurl URL -- URL on which supervisord server is listening
     (default "http://localhost:9001").
-u/--username USERNAME -- username to use for authentication with server
-p/--password PASSWORD -- password to use for authentication with server
-r/--history-file FILENAME -- keep a readline history for the shell of -i (if
     readline is available)

How to restart (default: what [rpcinterface:restarter] of supervisord says, and
if it says nothing, the value in parentheses):
--max-unavailable N|N% -- never let more than N processes of a group, or N% of
     them, be not ready at once (100%)
--rolling -- one process after the other: --max-unavailable 1
--min-ready SECONDS -- time a new process must stay ready before it counts (0)
--ready-timeout SECONDS -- time from its start in which a process must become
     ready, or it has failed; 0: no limit (30)
--method restart|signal:NAME -- stop and start, or send a signal, as signal:HUP,
     and wait until the process is ready again (restart)
--stagger N -- take the processes down in N waves (1)
--delay SECONDS -- time between two waves (0.2)
--timeout SECONDS -- time after which nothing more is taken down and the restart
     counts as timed out; what is down still comes back; 0: no limit (0)
--stop-timeout SECONDS -- time from the stop signal to SIGKILL (the program's
     stopwaitsecs)
--only-running -- leave processes that are not running as they are (start them)
--on-failure abort|continue -- after a process failed, take no further process
     down, or carry on (abort)
--queue -- if a group is being restarted already, restart it afterwards (refuse)

What to do instead of restarting and waiting for the end:
--detach -- start the restart, print its ID and return
--plan -- print what would be done, in which order; nothing is touched
--status [ID] -- print a table of running and past restarts, or one restart and
     each of its processes
--cancel ID -- take nothing further down; what is down comes back

What to print (default: a progress bar on a terminal, elsewhere a line per
process, and last a summary):
--json -- the result (of a restart, --detach, --plan, --status or --cancel) as
     JSON
--quiet -- nothing but errors (and with --detach the ID)

name [name ...] -- a group ("web"), a process ("web:03"), several of them
     ("web:0*", "w*"), or "all"

Ctrl-C ends the waiting only: the restart goes on.

Exit status:
  0 -- every process restarted (or what was asked instead is done)
  1 -- a process failed, or the restart was cancelled or timed out
  2 -- bad usage, no such group or process, bad option
  3 -- supervisord runs without the restarter interface
  4 -- authentication refused
  5 -- refused: that group is being restarted already
  7 -- supervisord cannot be reached
130 -- detached by Ctrl-C
"""

# Attribute of RestartOptions, which is the option's name -> key of the server's options struct.
RESTART_OPTIONS = {
    'max_unavailable': 'max_unavailable', 'rolling': 'max_unavailable', 'min_ready': 'min_ready',
    'ready_timeout': 'ready_timeout', 'method': 'method', 'stagger': 'stagger_factor', 'delay': 'delay',
    'timeout': 'timeout', 'stop_timeout': 'stop_timeout', 'only_running': 'only_running',
    'on_failure': 'on_failure', 'queue': 'if_busy'}
# Those that take no value: what they stand for.
FLAGS = {'rolling': 1, 'only_running': True, 'queue': 'queue'}
# Each of these says what to do; one at most.
MODES = ('detach', 'plan', 'status', 'cancel')


def long_name(attribute: str) -> str:
    """The option as it is written, without the dashes before it."""
    return attribute.replace('_', '-')


def reader(key: str) -> Callable[[str], Any]:
    """Makes the value for the server's option `key` out of a word; ValueError for what the server would refuse."""
    kind = DECLARED[key]

    def read(word: str) -> Any:
        try:
            return checked(key, kind, kind.of_text(word))
        except (ValueError, Refusal):
            raise ValueError(f'must be {kind.allowed}') from None
    return read


class RestartOptions(ClientOptions):
    """The command line: supervisorctl's options, those of a restart, and names among them or after them.

    Every mistake in it, or in the configuration file, is a ClientError with status USAGE.
    """

    args: list[str]
    cancel: str | None

    def __init__(self, screen: Screen) -> None:
        ClientOptions.__init__(self)
        self.screen = screen
        self.shell = False
        # Supervisor's own help promises this spelling, but only history_file is there
        self.add('history', None, None, 'history-file=')
        for name, key in RESTART_OPTIONS.items():
            if name in FLAGS:
                self.add(name, None, None, long_name(name), flag=FLAGS[name])
            else:
                self.add(name, None, None, f'{long_name(name)}=', reader(key))
        for mode in ('detach', 'plan', 'status'):
            self.add(mode, None, None, mode, flag=True)
        self.add('cancel', None, None, 'cancel=')
        self.add('json', None, None, 'json', flag=True)
        self.add('quiet', None, None, 'quiet', flag=True)

    def realize(self, args: Sequence[str]) -> None:
        ClientOptions.realize(self, self._options_first(args), doc=HELP, progname=PROGNAME)
        # supervisorctl sets `interactive` also where no words are given
        self.shell = self._wants_shell()
        self.args = [sendable(word) for word in self.args]
        self._check()

    def _options_first(self, args: Sequence[str]) -> list[str]:
        """The same command line with its options before its names, where Supervisor's getopt finds them."""
        try:
            options, words = getopt.gnu_getopt(list(args), ''.join(self.short_options), self.long_options)
        except getopt.error as exc:
            self.usage(str(exc))
        ordered = []
        for option, value in options:
            with_value = self._takes_value(option)
            ordered.append(f'{option}={value}' if with_value and option.startswith('--') else option)
            if with_value and not option.startswith('--'):
                ordered.append(value)
        return [*ordered, '--', *words]

    def _takes_value(self, option: str) -> bool:
        return f'{option[2:]}=' in self.long_options or f'{option[1:]}:' in self.short_options

    def _wants_shell(self) -> bool:
        return any(option in ('-i', '--interactive') for option, _ in self.options)

    def _check(self) -> None:
        """Refuses options and names that contradict each other."""
        modes = [f'--{mode}' for mode in MODES if getattr(self, mode) is not None]
        others = [f'--{long_name(name)}' for name in RESTART_OPTIONS if getattr(self, name) is not None]
        both = self.rolling and self.max_unavailable is not None
        for clash in (modes, ['--rolling', '--max-unavailable'] if both else [],
                      ['--json', '-i'] if self.json and self.shell else [],
                      [modes[0], '--quiet'] if modes and modes[0] in ('--plan', '--status') and self.quiet else []):
            if len(clash) > 1:
                self.usage(f'{clash[0]} and {clash[1]} exclude each other')
        if modes and modes[0] in ('--status', '--cancel') and others:
            self.usage(f'{others[0]} has no meaning with {modes[0]}')
        if self.status and len(self.args) > 1:
            self.usage('--status takes one restart ID at most')
        if self.cancel is not None and self.args:
            self.usage(f'--cancel takes one restart ID and no names: {self.args[0]!r}')
        if not self.args and not self.status and self.cancel is None:
            self.usage('name a process group to restart, or several, or all')
        if self.cancel is not None:
            self.cancel = sendable(self.cancel)

    def restart_options(self) -> dict[str, Any]:
        """The options struct for the server: what the user gave, and nothing else."""
        given = ((key, getattr(self, name)) for name, key in RESTART_OPTIONS.items())
        return {key: value for key, value in given if value is not None}

    def command(self, *words: str) -> str:
        """This command with other words, for the same supervisord. The password has to be filled in."""
        program = sys.argv[0] if os.path.basename(sys.argv[0]) == PROGNAME else PROGNAME
        parts = [program]
        for option, value in self.options:
            if option in ('-c', '--configuration', '-s', '--serverurl', '-u', '--username'):
                parts += [option, without_password(value)]
            elif option in ('-p', '--password'):
                parts += [option, 'PASSWORD']
        return ' '.join(map(shlex.quote, [*parts, *words]))

    def client(self) -> Client:
        """The server that the options name."""
        try:
            self.getServerProxy()
        except ValueError:
            self.usage(f'{without_password(str(self.serverurl))!r} is not a URL of the form http://host:port or '
                       'unix:///path')
        return Client(lambda: self.getServerProxy().restarter, self.serverurl)

    def read_config(self, fp: Any) -> Any:
        """Reads the configuration file. Raises ValueError with a text that shows no password."""
        try:
            return ClientOptions.read_config(self, fp)
        except (configparser.Error, UnicodeError) as exc:
            # their texts quote the file's lines
            lines = [str(line) for line, _ in getattr(exc, 'errors', [])] or [str(getattr(exc, 'lineno', ''))]
            where = f" in line {', '.join(lines)}" if lines[0] else ''
            raise ValueError(f'could not read config file {fp}: {type(exc).__name__}{where}') from None
        except ValueError as exc:
            if "'supervisorctl.password'" in str(exc):
                raise ValueError(f'the password in config file {fp} cannot be expanded: write % as %%') from None
            raise

    def get_plugins(self, parser: Any, factory_key: str, section_prefix: str) -> list[Any]:
        """supervisorctl's plugins, where there will be a shell to use them."""
        return list(ClientOptions.get_plugins(self, parser, factory_key, section_prefix)) if self._wants_shell() else []

    def help(self, dummy: object) -> None:
        self.screen.text(HELP)
        self.exit(0)

    def usage(self, msg: object) -> NoReturn:
        raise ClientError(Exit.USAGE, f'{without_password(str(msg))} (for help, use {PROGNAME} -h)')
