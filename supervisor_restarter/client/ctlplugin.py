"""supervisorctl's commands quickstart, quickstop, quickrestart, rolling, and those about restarts.

    [ctlplugin:restarter]
    supervisor.ctl_factory = supervisor_restarter:make_ctlplugin

The first three need no restarter interface on the server: it is used where it is there, else
Supervisor's own calls are made. Which of them is found out with each command, as `open` may lead to
another server in between.
"""

from __future__ import annotations

import os
import shlex
from typing import Any, Callable

from supervisor.supervisorctl import ControllerPluginBase, LSBInitExitStatuses
from supervisor.xmlrpc import Faults

from supervisor_restarter.client.client import Client, ClientError, Exit, exit_status, sendable
from supervisor_restarter.client.ctl_display import Display
from supervisor_restarter.client.ctl_help import COMMANDS
from supervisor_restarter.client.ctl_words import plain, rolling, words_of
from supervisor_restarter.client.gauge import Title
from supervisor_restarter.client.progress import Titles, done
from supervisor_restarter.client.stock_calls import GOES_ON, Interrupted, Requests, carry_out
from supervisor_restarter.client.stock_quick import Goal, Quick, Report, settled
from supervisor_restarter.client.structs import Restart, conforms
from supervisor_restarter.client.tables import policy_lines, table
from supervisor_restarter.client.wording import (
    failure,
    groups,
    not_reached,
    process_lines,
    summary,
    warning_lines,
)
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.spelling import closest

ROW: dict[str, Any] = {'name': str, 'group': str, 'status': int, 'description': str}
# Commands whose words are IDs of restarts.
OF_RESTARTS = ('restarts', 'cancelrestart', 'waitrestart', 'retryrestart')


def make_ctlplugin(controller: Any, **config: str) -> RestarterControllerPlugin:
    """The factory for [ctlplugin:x] sections. It has no settings: any other key ends supervisorctl
    with one line.
    """
    if config:
        line = f'[ctlplugin:restarter] has no key {", ".join(map(repr, sorted(config)))}: only supervisor.ctl_factory'
        controller.options.usage(
            line
        )  # prints it as supervisorctl's other errors in the configuration, and exits
        raise ValueError(line)
    return RestarterControllerPlugin(controller)


class RestarterControllerPlugin(ControllerPluginBase):
    """The commands. They are methods do_x, as supervisorctl wants them, with help_x beside each."""

    name = 'restarter'

    def __init__(self, controller: Any) -> None:
        ControllerPluginBase.__init__(self, controller)
        self._matches: list[str] = []
        # supervisorctl completes the arguments of its own commands only, and of a command that one
        # plugin has, all others say that there is no help for it.
        self._stock_complete, controller.complete = controller.complete, self.complete
        self._stock_help, controller.do_help = controller.do_help, self.help
        self._stock_default, controller.default = controller.default, self.default

    # -- commands ----------------------------------------------------------------------------

    def do_quickstart(self, arg: str) -> None:
        self._run('quickstart', arg, lambda names: self._quick(Goal.START, names))

    def do_quickstop(self, arg: str) -> None:
        self._run('quickstop', arg, lambda names: self._quick(Goal.STOP, names))

    def do_quickrestart(self, arg: str) -> None:
        self._run('quickrestart', arg, self._quickrestart)

    def do_rolling(self, arg: str) -> None:
        try:
            names, options = rolling(words_of(arg))
        except Refusal as exc:
            self._refuse(plain(exc.text), LSBInitExitStatuses.INVALID_ARGS)
            return
        self._run(
            'rolling',
            shlex.join(names),
            lambda names: self._rolling('rolling', lambda client: client.start(names, options)),
        )

    def do_restarts(self, arg: str) -> None:
        self._run('restarts', arg, self._restarts, needs='')

    def do_cancelrestart(self, arg: str) -> None:
        self._run('cancelrestart', arg, self._cancel, needs='a restart ID')

    def do_waitrestart(self, arg: str) -> None:
        self._run(
            'waitrestart', arg, lambda ids: self._of_one('waitrestart', ids), needs='a restart ID'
        )

    def do_retryrestart(self, arg: str) -> None:
        self._run(
            'retryrestart', arg, lambda ids: self._of_one('retryrestart', ids), needs='a restart ID'
        )

    # -- help and completion -----------------------------------------------------------------

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

    def help_quickstart(self) -> None:
        self.help('quickstart')

    def help_quickstop(self) -> None:
        self.help('quickstop')

    def help_quickrestart(self) -> None:
        self.help('quickrestart')

    def help_rolling(self) -> None:
        self.help('rolling')

    def help_restarts(self) -> None:
        self.help('restarts')

    def help_cancelrestart(self) -> None:
        self.help('cancelrestart')

    def help_waitrestart(self) -> None:
        self.help('waitrestart')

    def help_retryrestart(self) -> None:
        self.help('retryrestart')

    def default(self, line: str) -> None:
        """supervisorctl's answer to a command that it does not know, and which of ours may have
        been meant.
        """
        self._stock_default(line)
        close = closest(line.split()[0], COMMANDS) if line.strip() else ''
        if close:
            Display(self.ctl).line(f"did you mean '{close}'?")

    def complete(self, text: str, state: int, line: str | None = None) -> str | None:
        """The completion number `state` of `text`; readline asks for 0, 1, ... until there is None."""
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
                for restart in self._client().restarts()
                if command != 'cancelrestart' or restart['state'] in ('queued', 'running')
            ]
        words: dict[str, None] = {}
        for info in self.ctl._get_complete_info():
            group, name = info['group'], info['name']
            forms = [f'{group}:', f'{group}:*', f'{group}:{name}']
            # As supervisorctl does: the one process of a group of its name is completed to that
            # name.
            words.update(dict.fromkeys([name] if name == group and ':' not in text else forms))
        return list(words)

    # -- inside ------------------------------------------------------------------------------

    def _client(self, namespace: str | None = 'restarter') -> Client:
        """The server that supervisorctl is connected with at present, and its namespace; None: all
        of them.
        """
        return Client(lambda: self.ctl.get_server_proxy(namespace), str(self.ctl.options.serverurl))

    def _run(
        self,
        command: str,
        arg: str,
        act: Callable[[list[str]], None],
        needs: str = 'a process name',
    ) -> None:
        """Do `act` with the words in `arg`, and show what is wrong with it. needs: what must be
        among the words.
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
            self._refuse(plain(exc.text), LSBInitExitStatuses.INVALID_ARGS)
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

    def _quick(self, goal: Goal, names: list[str]) -> None:
        """Start or stop processes."""
        try:
            rows = self._client().call(
                'quickStart' if goal is Goal.START else 'quickStop', names, False
            )
        except ClientError as exc:
            if exc.code != Faults.UNKNOWN_METHOD:
                raise
            self._by_stock_calls(goal, names)
            return
        except KeyboardInterrupt:
            raise Interrupted(GOES_ON) from None  # the server may have begun already
        if not conforms(rows, [ROW]):
            raise ClientError(Exit.FAILED, 'supervisord answered with something unexpected')
        self._carry_out(Quick.begun(goal, rows), names, Requests(self._client(None)))

    def _quickrestart(self, names: list[str]) -> None:
        try:
            # No warnings: it says the same as where there is no interface.
            restart = self._restart(
                'quickrestart', lambda client: client.start(names, {}), warn=False
            )
        except ClientError as exc:
            if exc.code != Faults.UNKNOWN_METHOD:
                raise
            self._by_stock_calls(Goal.RESTART, names)
            return
        if any(map(not_reached, restart['processes'])):
            Display(self.ctl).line(failure(restart))

    def _of_one(self, command: str, ids: list[str]) -> None:
        """waitrestart and retryrestart."""
        if len(ids) > 1:
            raise ClientError(Exit.USAGE, f'{command} takes one restart ID')

        def begin(client: Client) -> str:
            if command == 'retryrestart':
                return client.retry(ids[0], {})
            return client.get(ids[0])['id']

        self._rolling(command, begin)

    def _rolling(self, title: str, begin: Callable[[Client], str]) -> None:
        restart = self._restart(title, begin, warn=True)
        # Who restarts in this way cares for what has stayed ready, and for which processes are
        # still the old ones.
        succeeded = exit_status(restart) == Exit.OK
        Display(self.ctl).line(summary(restart) if succeeded else failure(restart))

    def _by_stock_calls(self, goal: Goal, names: list[str]) -> None:
        requests = Requests(self._client(None))
        self._carry_out(Quick.of(goal, names, requests.look()), names, requests)

    def _carry_out(self, quick: Quick, names: list[str], requests: Requests) -> None:
        display, title = Display(self.ctl), Title(f'quick{quick.goal.value}')
        ignored = Faults.NOT_RUNNING if quick.goal is Goal.STOP else Faults.ALREADY_STARTED

        def show(quick: Quick) -> None:
            display.progress(lambda: title, quick.done)
            for report in quick.fresh():
                self._report(display, report, ignored)

        display.open_bar(quick.total)
        try:
            carry_out(quick, requests, show, display.line)
        finally:
            display.close()
        try:
            line = quick.as_wanted(names, requests.look)
        except ClientError:
            return  # what was wanted has been done, and told
        if line:
            display.line(line)

    def _restart(self, title: str, begin: Callable[[Client], str], warn: bool) -> Restart:
        """A restart by the server: shows how it goes, returns how it ended. Ctrl-C ends the
        watching only.

        begin: begins it, or finds it, and returns its id. warn: show the warnings of its plan.
        """
        client, display, restart_id = self._client(), Display(self.ctl), ''
        titles = Titles(title)
        told: set[Report] = set()
        try:
            restart_id = begin(client)
            for look, restart in enumerate(client.follow(restart_id)):
                if look == 0:
                    for line in warning_lines(restart) if warn else []:
                        display.line(line)
                    display.open_bar(restart['total'])
                    if restart['state'] == 'queued':
                        display.line(f'{groups(restart)}: queued behind another restart')
                titles.update(restart)
                display.progress(titles.now, done(restart))
                for report in settled(restart):
                    if report not in told:
                        told.add(report)
                        self._report(display, report)
            if any(map(not_reached, restart['processes'])):
                self.ctl.set_exitstatus_from_xmlrpc_fault(int(Code.CANCELLED))
            if (
                exit_status(restart) != Exit.OK
                and self.ctl.exitstatus == LSBInitExitStatuses.SUCCESS
            ):
                self.ctl.exitstatus = LSBInitExitStatuses.GENERIC
            return restart
        except KeyboardInterrupt:
            raise Interrupted(
                f'restart {restart_id} goes on; to wait for it: waitrestart {restart_id}; '
                f'to cancel it: cancelrestart {restart_id}'
                if restart_id
                else 'a restart may have begun; to see: restarts'
            ) from None
        finally:
            display.close()

    def _report(self, display: Display, report: Report, ignored: int | None = None) -> None:
        display.line(report.line)
        self.ctl.set_exitstatus_from_xmlrpc_fault(report.code, ignored)

    def _restarts(self, ids: list[str]) -> None:
        display, client = Display(self.ctl), self._client()
        found = [client.get(restart_id) for restart_id in ids] if ids else client.restarts()
        for line in table(found) if found else ['no restarts']:
            display.line(line)
        for restart in found if ids else []:
            for line in (*policy_lines(restart), *process_lines(restart)):
                display.line(line)

    def _cancel(self, ids: list[str]) -> None:
        client = self._client()
        for restart_id in ids:
            client.cancel(restart_id)
            Display(self.ctl).line(f'{restart_id}: cancelled')


def _text(command: str, exc: ClientError) -> str:
    if exc.code == Faults.UNKNOWN_METHOD:
        return (
            f'{command} needs the restarter interface, which this supervisord does not have: its configuration '
            'needs a section [rpcinterface:restarter], and then a reload'
        )
    return plain(str(exc))


def _status(exc: ClientError) -> int:
    """supervisorctl's exit status: it has none for what is refused or cannot be reached in the
    middle of a command.
    """
    return (
        int(exc.status)
        if exc.status in (Exit.USAGE, Exit.NO_INTERFACE)
        else int(LSBInitExitStatuses.GENERIC)
    )
