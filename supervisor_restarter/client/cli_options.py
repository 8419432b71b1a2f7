"""The command line of supervisorctl_restart_group: its options, and what is wrong with them."""

from __future__ import annotations

import configparser
import getopt
import os
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any, Callable, NoReturn

from supervisor.options import ClientOptions

from supervisor_restarter import __version__
from supervisor_restarter.client.client import Client
from supervisor_restarter.client.durations import read_seconds
from supervisor_restarter.client.errors import ClientError, Exit, sendable, without_password
from supervisor_restarter.client.helptext import COMMAND_NAME, help_text
from supervisor_restarter.client.screen import Screen
from supervisor_restarter.faults import Refusal
from supervisor_restarter.option_kinds import DECLARED, SECONDS, of_word
from supervisor_restarter.spelling import closest, did_you_mean

# Attribute of RestartOptions, which is the option's name -> key of the server's options struct.
RESTART_OPTIONS = {
    'max_unavailable': 'max_unavailable',
    'rolling': 'max_unavailable',
    'max_surge': 'max_surge',
    'min_ready': 'min_ready',
    'ready_timeout': 'ready_timeout',
    'hook_timeout': 'hook_timeout',
    'scout': 'scout',
    'method': 'method',
    'stagger': 'stagger_factor',
    'delay': 'delay',
    'timeout': 'timeout',
    'stop_timeout': 'stop_timeout',
    'only_running': 'only_running',
    'on_failure': 'on_failure',
    'queue': 'if_busy',
    'newer_than': 'newer_than',
}
# Options of an apply alone: attribute -> key of the server's options struct, and its value.
APPLY_OPTIONS: dict[str, tuple[str, bool]] = {
    'no_rollback': ('rollback', False),
    'no_prune': ('prune', False),
}
# Those of a restart that an apply does not take.
NOT_OF_APPLY = ('method', 'only_running', 'newer_than', 'max_surge')
# Those that take no value: what they stand for.
FLAGS = {'rolling': 1, 'only_running': True, 'queue': 'queue'}
# Those that may be given several times.
REPEATED = ('newer_than',)
# The first word with which the shells' completion asks; see completion.py. No option: whoever has
# this command in a script is not to find it there.
COMPLETE = '--complete'
# Each of these says what to do; one at most, except for these pairs.
MODES = ('apply', 'detach', 'plan', 'status', 'cancel', 'wait', 'retry')
TOGETHER = (['--detach', '--retry'], ['--apply', '--detach'], ['--apply', '--plan'])
# Those that take a restart's ID and no names.
OF_ONE = ('cancel', 'wait', 'retry')


def long_name(attribute: str) -> str:
    """The option as it is written, without the dashes before it."""
    return attribute.replace('_', '-')


def reader(key: str) -> Callable[[str], Any]:
    """Makes the value for the server's option `key` out of a word; ValueError for what the server
    would refuse.
    """
    kind = DECLARED[key]
    if kind is SECONDS:
        return read_seconds

    def read(word: str) -> Any:
        try:
            return of_word(key, word)
        except (ValueError, Refusal):
            raise ValueError(f'must be {kind.allowed}') from None

    return read


class RestartOptions(ClientOptions):
    """The command line: supervisorctl's options, those of a restart, and names among them or after
    them.

    Every mistake in it, or in the configuration file, is a ClientError with status USAGE.
    """

    args: list[str]
    cancel: str | None
    wait: str | None
    retry: str | None
    newer_than: list[str] | None

    def __init__(self, screen: Screen) -> None:
        ClientOptions.__init__(self)
        self.screen = screen
        self.shell = False
        self.newer_than = None
        # Supervisor's own help promises this spelling, but only history_file is there
        self.add('history', None, None, 'history-file=')
        for name, key in RESTART_OPTIONS.items():
            if name in REPEATED:
                self.add(None, None, None, f'{long_name(name)}=', self._collect_path)
            elif name in FLAGS:
                self.add(name, None, None, long_name(name), flag=FLAGS[name])
            else:
                self.add(name, None, None, f'{long_name(name)}=', reader(key))
        for flag in ('apply', 'detach', 'plan', 'status', *APPLY_OPTIONS, 'secrets'):
            self.add(flag, None, None, long_name(flag), flag=True)
        for mode in OF_ONE:
            self.add(mode, None, None, f'{mode}=')
        self.add(None, None, None, 'version', self.version)
        self.add('json', None, None, 'json', flag=True)
        self.add('quiet', None, None, 'quiet', flag=True)

    def _collect_path(self, word: str) -> None:
        """One more path, which supervisord will find from wherever it runs; its links stay links."""
        if not word:
            raise ValueError('must be a path')
        try:
            path = os.path.join(os.getcwd(), word)
        except OSError as exc:
            raise ValueError(f'is relative to a directory that is gone ({exc.strerror})') from None
        self.newer_than = [*(self.newer_than or []), sendable(path)]

    def realize(self, args: Sequence[str]) -> None:
        ClientOptions.realize(self, self._options_first(args), doc='', progname=COMMAND_NAME)
        # Not `interactive`: ClientOptions sets that also where no words are given.
        self.shell = self._wants_shell()
        self.args = [sendable(word) for word in self.args]
        self._check()

    def _options_first(self, args: Sequence[str]) -> list[str]:
        """The same command line with its options before its names, where Supervisor's getopt finds
        them.
        """
        try:
            options, words = getopt.gnu_getopt(
                list(args), ''.join(self.short_options), self.long_options
            )
        except getopt.GetoptError as exc:
            self.usage(f'{exc.msg}{self._meant(exc)}')
        self._check_rolling(args)
        ordered = []
        for option, value in options:
            with_value = self._takes_value(option)
            ordered.append(
                f'{option}={value}' if with_value and option.startswith('--') else option
            )
            if with_value and not option.startswith('--'):
                ordered.append(value)
        return [*ordered, '--', *words]

    def _meant(self, exc: getopt.GetoptError) -> str:
        """What may have been meant where getopt has found a mistake."""
        if exc.opt == 'rolling':
            return ': for N at a time, use --max-unavailable N'
        close = closest(exc.opt, [option.rstrip('=') for option in self.long_options])
        return did_you_mean([f'--{close}']) if close and 'not recognized' in exc.msg else ''

    def _check_rolling(self, args: Sequence[str]) -> None:
        """Refuses `--rolling 2 web`: the 2 would be taken for a name."""
        before_names = args[: args.index('--')] if '--' in args else args
        for option, number in zip(before_names, before_names[1:]):
            is_rolling = len(option) > 3 and '--rolling'.startswith(option)
            if is_rolling and re.fullmatch('[0-9]+%?', number):
                self.usage(
                    f'--rolling takes no number: for {number} at a time, '
                    f'use --max-unavailable {number} (names of processes may come first)'
                )

    def _takes_value(self, option: str) -> bool:
        return f'{option[2:]}=' in self.long_options or f'{option[1:]}:' in self.short_options

    def _wants_shell(self) -> bool:
        return any(option in ('-i', '--interactive') for option, _ in self.options)

    def _check(self) -> None:
        """Refuses options and names that contradict each other."""
        modes = [f'--{mode}' for mode in MODES if getattr(self, mode) is not None]
        others = [
            f'--{long_name(name)}' for name in RESTART_OPTIONS if getattr(self, name) is not None
        ]
        rolling_twice = self.rolling and self.max_unavailable is not None
        silent = [mode for mode in modes if self.quiet and mode in ('--plan', '--status')]
        for clash in (
            modes if modes not in TOGETHER else [],
            ['--rolling', '--max-unavailable'] if rolling_twice else [],
            ['--json', '-i'] if self.json and self.shell else [],
            [*silent, '--quiet'] if silent else [],
        ):
            if len(clash) > 1:
                self.usage(f'{clash[0]} and {clash[1]} exclude each other')
        if modes and modes[0] in ('--status', '--cancel', '--wait') and others:
            self.usage(f'{others[0]} has no meaning with {modes[0]}')
        self._check_apply()
        if self.status and len(self.args) > 1:
            self.usage('--status takes one restart ID at most')
        of_one = [mode for mode in OF_ONE if getattr(self, mode) is not None]
        if of_one and self.args:
            self.usage(f'--{of_one[0]} takes one restart ID and no names: {self.args[0]!r}')
        if not (self.args or self.status or self.apply or of_one):
            self.usage('name a process group to restart, or several, or all')
        for mode in of_one:
            setattr(self, mode, sendable(getattr(self, mode)))

    def _check_apply(self) -> None:
        """Refuses options that only an apply has, or does not have."""
        for name in (*APPLY_OPTIONS, 'secrets'):
            if getattr(self, name) and not self.apply:
                self.usage(f'--{long_name(name)} has no meaning without --apply')
        if self.secrets and not self.plan:
            self.usage('--secrets has no meaning without --plan')
        if self.apply and self.on_failure == 'continue' and not self.no_rollback:
            self.usage('--on-failure continue needs --no-rollback, with --apply')
        for name in NOT_OF_APPLY:
            if getattr(self, name) is not None and self.apply:
                self.usage(f'--{long_name(name)} has no meaning with --apply')

    def restart_options(self) -> dict[str, Any]:
        """The options struct for the server: what the user gave, and nothing else."""
        given = ((key, getattr(self, name)) for name, key in RESTART_OPTIONS.items())
        of_apply = {
            key: value for name, (key, value) in APPLY_OPTIONS.items() if getattr(self, name)
        }
        return {**{key: value for key, value in given if value is not None}, **of_apply}

    def command(self, *words: str, program: str = '') -> str:
        """This command (or another program of the same options) with other words, for the same
        supervisord.

        The password has to be filled in.
        """
        this = sys.argv[0] if os.path.basename(sys.argv[0]) == COMMAND_NAME else COMMAND_NAME
        parts = [program or this]
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
            self.usage(
                f'{without_password(str(self.serverurl))!r} is not a URL of the form '
                'http://host:port or unix:///path'
            )
        return Client(lambda: self.getServerProxy().restarter, self.serverurl)

    def read_config(self, fp: Any) -> Any:
        """Reads the configuration file. Raises ValueError with a text that shows no password."""
        try:
            return ClientOptions.read_config(self, fp)
        except (configparser.Error, UnicodeError) as exc:
            # Their texts quote the file's lines.
            lines = [str(line) for line, _ in getattr(exc, 'errors', [])]
            numbers = ', '.join(lines) or str(getattr(exc, 'lineno', ''))
            where = f' in line {numbers}' if numbers else ''
            raise ValueError(
                f'could not read config file {fp}: {type(exc).__name__}{where}'
            ) from None
        except ValueError as exc:
            if "'supervisorctl.password'" in str(exc):
                raise ValueError(
                    f'the password in config file {fp} cannot be expanded: write % as %%'
                ) from None
            raise

    def get_plugins(self, parser: Any, factory_key: str, section_prefix: str) -> list[Any]:
        """supervisorctl's plugins, where there will be a shell to use them."""
        if not self._wants_shell():
            return []
        return list(ClientOptions.get_plugins(self, parser, factory_key, section_prefix))

    def version(self, dummy: object) -> None:
        self.screen.text(f'{__version__}\n')
        self.exit(0)

    def help(self, dummy: object) -> None:
        self.screen.text(help_text())
        self.exit(0)

    def usage(self, msg: object) -> NoReturn:
        raise ClientError(
            Exit.USAGE, f'{without_password(str(msg))} (for help, use {COMMAND_NAME} -h)'
        )
