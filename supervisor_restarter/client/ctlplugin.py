"""supervisorctl's commands quickstart, quickstop, quickrestart, rolling, apply, scale, and those
about restarts.

    [ctlplugin:restarter]
    supervisor.ctl_factory = supervisor_restarter:make_ctlplugin

This file is what supervisorctl sees: the methods do_x, help and completion, and one line for every
error. What the commands do is in ctl_commands.py.
"""

from __future__ import annotations

import os
import shlex
from functools import partialmethod
from typing import Any, Callable

from supervisor.supervisorctl import ControllerPluginBase, LSBInitExitStatuses
from supervisor.xmlrpc import Faults

from supervisor_restarter.client.client import without_asides
from supervisor_restarter.client.ctl_commands import CtlCommands
from supervisor_restarter.client.ctl_display import Display
from supervisor_restarter.client.ctl_help import COMMANDS
from supervisor_restarter.client.ctl_words import (
    PLAN_OPTION,
    apply_words,
    rolling,
    scale_words,
    without_code,
    words_of,
)
from supervisor_restarter.client.errors import ClientError, Exit, sendable
from supervisor_restarter.client.stock_calls import Interrupted
from supervisor_restarter.client.stock_quick import Verb
from supervisor_restarter.faults import Refusal
from supervisor_restarter.spelling import closest

# Commands whose words are IDs of restarts.
OF_GROUPS = ('apply', 'scale')  # groups: mostly one per program
OF_RESTARTS = ('restarts', 'cancelrestart', 'waitrestart', 'retryrestart')


def make_ctlplugin(controller: Any, **config: str) -> RestarterControllerPlugin:
    """The factory for [ctlplugin:x] sections. It has no settings: any other key ends supervisorctl
    with one line.
    """
    if config:
        keys = ', '.join(map(repr, sorted(config)))
        line = f'[ctlplugin:restarter] has no key {keys}: only supervisor.ctl_factory'
        # Prints it as supervisorctl's other errors in the configuration, and exits.
        controller.options.usage(line)
        raise ValueError(line)
    return RestarterControllerPlugin(controller)


class RestarterControllerPlugin(ControllerPluginBase):
    """The commands, as supervisorctl wants them: methods do_x, with help_x beside each."""

    name = 'restarter'

    def __init__(self, controller: Any) -> None:
        ControllerPluginBase.__init__(self, controller)
        self._commands = CtlCommands(controller)
        self._matches: list[str] = []
        # supervisorctl completes the arguments of its own commands only, and of a command that one
        # plugin has, all others say that there is no help for it.
        self._stock_complete, controller.complete = controller.complete, self.complete
        self._stock_help, controller.do_help = controller.do_help, self.help
        self._stock_default, controller.default = controller.default, self.default

    # -- commands ----------------------------------------------------------------------------

    def do_quickstart(self, arg: str) -> None:
        self._run('quickstart', arg, lambda names: self._commands.quick(Verb.START, names))

    def do_quickstop(self, arg: str) -> None:
        self._run('quickstop', arg, lambda names: self._commands.quick(Verb.STOP, names))

    def do_quickrestart(self, arg: str) -> None:
        self._run('quickrestart', arg, self._commands.quickrestart)

    def do_rolling(self, arg: str) -> None:
        try:
            names, options = rolling(words_of(arg))
        except Refusal as exc:
            self._refuse(without_code(exc.text), LSBInitExitStatuses.INVALID_ARGS)
            return
        self._run(
            'rolling', shlex.join(names), lambda names: self._commands.rolling(names, options)
        )

    def do_apply(self, arg: str) -> None:
        self._run('apply', arg, lambda words: self._commands.apply(*apply_words(words)), needs='')

    def do_scale(self, arg: str) -> None:
        self._run(
            'scale',
            arg,
            lambda words: self._commands.scale(*scale_words(words)),
            needs='a program and a number',
        )

    def do_restarts(self, arg: str) -> None:
        self._run('restarts', arg, self._commands.restarts, needs='')

    def do_cancelrestart(self, arg: str) -> None:
        self._run('cancelrestart', arg, self._commands.cancelrestart, needs='a restart ID')

    def do_waitrestart(self, arg: str) -> None:
        self._run('waitrestart', arg, self._commands.waitrestart, needs='a restart ID')

    def do_retryrestart(self, arg: str) -> None:
        self._run('retryrestart', arg, self._commands.retryrestart, needs='a restart ID')

    def _run(
        self,
        command: str,
        arg: str,
        act: Callable[[list[str]], None],
        needs: str = 'a process name',
    ) -> None:
        """Do `act` with the words in `arg`, and show what is wrong with it. needs: what must be
        among the words; '': nothing.
        """
        try:
            if not self.ctl.upcheck():
                return
            words = words_of(arg)
            if needs and not words:
                self.ctl.output(f'Error: {command} requires {needs}')
                self.ctl.exitstatus = LSBInitExitStatuses.INVALID_ARGS
                self.help(command)
                return
            act([sendable(word) for word in words])
        except ClientError as exc:
            if exc.status == Exit.REFUSED and exc.__cause__ is not None:
                raise exc.__cause__ from None  # supervisorctl asks for user name and password
            self._refuse(_text(command, exc), _status(exc))
        except Refusal as exc:
            self._refuse(without_code(exc.text), LSBInitExitStatuses.INVALID_ARGS)
        except Interrupted as exc:
            self._refuse(f'interrupted; {exc}', LSBInitExitStatuses.GENERIC)
            if exc.number is not None:
                os.kill(os.getpid(), exc.number)
        except KeyboardInterrupt:
            # In the interactive shell it would end the shell.
            self._refuse('interrupted', LSBInitExitStatuses.GENERIC)

    def _refuse(self, text: str, status: int) -> None:
        Display(self.ctl).line(f'Error: {text}')
        self.ctl.exitstatus = status

    # -- help --------------------------------------------------------------------------------

    def help(self, arg: str) -> None:
        """supervisorctl's `help`."""
        if arg.strip() in COMMANDS:
            self.ctl.output(COMMANDS[arg.strip()])
        else:
            self._stock_help(arg)

    def do_help(self, arg: str) -> None:
        # Our part in supervisorctl's `help`: the list of our commands, and nothing about those of
        # others. With a docstring it would be in the list.
        if not arg.strip():
            ControllerPluginBase.do_help(self, arg)

    help_quickstart = partialmethod(help, 'quickstart')
    help_quickstop = partialmethod(help, 'quickstop')
    help_quickrestart = partialmethod(help, 'quickrestart')
    help_rolling = partialmethod(help, 'rolling')
    help_apply = partialmethod(help, 'apply')
    help_scale = partialmethod(help, 'scale')
    help_restarts = partialmethod(help, 'restarts')
    help_waitrestart = partialmethod(help, 'waitrestart')
    help_retryrestart = partialmethod(help, 'retryrestart')
    help_cancelrestart = partialmethod(help, 'cancelrestart')

    def default(self, line: str) -> None:
        """supervisorctl's answer to a command that it does not know, and which of ours may have
        been meant.
        """
        self._stock_default(line)
        close = closest(line.split()[0], COMMANDS)
        if close:
            Display(self.ctl).line(f"did you mean '{close}'?")

    # -- completion --------------------------------------------------------------------------

    def complete(self, text: str, state: int, line: str | None = None) -> str | None:
        """Completion number `state` of `text`; readline asks for 0, 1, ... until there is None."""
        if line is None:
            import readline

            line = readline.get_line_buffer()
        words = line.split()
        if not words or words[0] not in COMMANDS or (len(words) == 1 and not line.endswith(' ')):
            completion: str | None = self._stock_complete(text, state, line)
            return completion
        if state == 0:
            self._matches = [
                word + ' ' for word in self._arguments(words[0], text) if word.startswith(text)
            ]
        return self._matches[state] if state < len(self._matches) else None

    def _arguments(self, command: str, text: str) -> list[str]:
        """What may stand after a command of ours, at the place of `text`."""
        if command in OF_RESTARTS:
            return [
                restart['id']
                for restart in self._commands.client().restarts()
                if command != 'cancelrestart' or restart['state'] in ('queued', 'running')
            ]
        if command in OF_GROUPS:
            names = dict.fromkeys(info['group'] for info in self.ctl._get_complete_info())
            return [*names, *([PLAN_OPTION] if command == 'apply' else [])]
        words: dict[str, None] = {}
        for info in without_asides(self.ctl._get_complete_info()):
            group, name = info['group'], info['name']
            # As supervisorctl does: a group's one process that has its name is completed to that.
            alone = name == group and ':' not in text
            forms = [name] if alone else [f'{group}:', f'{group}:*', f'{group}:{name}']
            words.update(dict.fromkeys(forms))
        return list(words)


def _text(command: str, exc: ClientError) -> str:
    if exc.code == Faults.UNKNOWN_METHOD:
        return (
            f'{command} needs the restarter interface, which this supervisord does not have: '
            'its configuration needs a section [rpcinterface:restarter], and then a reload'
        )
    return without_code(str(exc))


def _status(exc: ClientError) -> int:
    """supervisorctl's exit status: it has none for what is refused, nor for a server that goes away
    in the middle of a command.
    """
    if exc.code == Faults.CANT_REREAD:
        return int(LSBInitExitStatuses.GENERIC)  # as `reread`
    if exc.status in (Exit.USAGE, Exit.NO_INTERFACE):
        return int(exc.status)
    return int(LSBInitExitStatuses.GENERIC)
