"""supervisorctl's commands quickstart, quickstop, quickrestart, rolling, restarts and cancelrestart.

    [ctlplugin:restarter]
    supervisor.ctl_factory = supervisor_restarter:make_ctlplugin

The first three need no restarter interface on the server: it is used where it is there, else Supervisor's own
calls are made. Which of them is found out with each command, as `open` may lead to another server in between.
"""
from __future__ import annotations

import os
import re
import shlex
from typing import Any, Callable

from supervisor.supervisorctl import ControllerPluginBase, LSBInitExitStatuses
from supervisor.xmlrpc import Faults

from supervisor_restarter.client import Client, ClientError, Exit, Restart, conforms, exit_status, sendable
from supervisor_restarter.ctldisplay import Display
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.options import DECLARED, checked
from supervisor_restarter.progress import failure, groups, process_line, summary, table
from supervisor_restarter.quick import Goal, Quick, Report, settled
from supervisor_restarter.quickrun import GOES_ON, Interrupted, Requests, carry_out

ROW: dict[str, Any] = {'name': str, 'group': str, 'status': int, 'description': str}
# Anything like a number: one that is not allowed is to be refused as such, and not looked for as a name.
NUMBER = re.compile(r'-?[0-9.]+%?')

COMMANDS = {
    'quickstart': """\
quickstart <name>\t\tStart a process
quickstart <gname>:\t\tStart all processes in a group
quickstart <name> <name>\tStart multiple processes or groups
quickstart all\t\t\tStart all processes
All of them are started at the same time.
Ex:
quickstart web:0 'web:1?'\tStart web:0, web:10, web:11 and so on
quickstart 'w*'\t\t\tStart all processes of web, worker and so on""",
    'quickstop': """\
quickstop <name>\t\tStop a process
quickstop <gname>:\t\tStop all processes in a group
quickstop <name> <name>\t\tStop multiple processes or groups
quickstop all\t\t\tStop all processes
All of them are stopped at the same time.
Ex:
quickstop web: app:3\t\tStop the group web and the process app:3
quickstop '*:0'\t\t\tStop the process 0 of each group""",
    'quickrestart': """\
quickrestart <name>\t\tRestart a process
quickrestart <gname>:\t\tRestart all processes in a group
quickrestart <name> <name>\tRestart multiple processes or groups
quickrestart all\t\tRestart all processes
All of them are restarted at the same time, and each is started as soon as it
has stopped. What was stopped on purpose is started if it, or its group, is
named, and left alone if it is matched by a pattern or by all.
Ex:
quickrestart web:\t\tRestart the group web
quickrestart 'w*' app:3\t\tRestart web, worker and so on, and app:3
Note: quickrestart does not reread config files. For that, see reread and update.""",
    'rolling': """\
rolling <name> [...]\t\tRestart processes one after the other
rolling <N> <name> [...]\tRestart them with at most N of a group not ready at once
rolling <N>% <name> [...]\tThe same, with a part of the group
Names are those of quickrestart. Needs the restarter interface.
Ex:
rolling web:\t\t\tRestart web, one process at a time
rolling 25% web: app:\t\tRestart web and app, a quarter of each at a time""",
    'restarts': """\
restarts\t\t\tList running and past restarts
restarts <id>\t\t\tShow a restart and each of its processes
Needs the restarter interface.""",
    'cancelrestart': """\
cancelrestart <id> [...]\tCancel a restart: nothing further is taken down, what is
\t\t\t\tdown comes back
Needs the restarter interface.
Ex:
cancelrestart 7\t\t\tCancel the restart that `restarts` shows with ID 7""",
}


def make_ctlplugin(controller: Any, **config: str) -> RestarterControllerPlugin:
    """The factory for [ctlplugin:x] sections. It has no settings: any other key ends supervisorctl with one line."""
    if config:
        line = f"[ctlplugin:restarter] has no key {', '.join(map(repr, sorted(config)))}: only supervisor.ctl_factory"
        controller.options.usage(line)    # prints it as supervisorctl's other errors in the configuration, and exits
        raise ValueError(line)
    return RestarterControllerPlugin(controller)


class RestarterControllerPlugin(ControllerPluginBase):
    """The commands. They are methods do_x, as supervisorctl wants them, with help_x beside each."""

    name = 'restarter'

    def __init__(self, controller: Any) -> None:
        ControllerPluginBase.__init__(self, controller)
        self._matches: list[str] = []
        # supervisorctl completes the arguments of its own commands only, and of a command that one plugin has, all
        # others say that there is no help for it.
        self._stock_complete, controller.complete = controller.complete, self.complete
        self._stock_help, controller.do_help = controller.do_help, self.help

    # -- commands ----------------------------------------------------------------------------

    def do_quickstart(self, arg: str) -> None:
        self._run('quickstart', arg, lambda names: self._quick(Goal.START, names))

    def do_quickstop(self, arg: str) -> None:
        self._run('quickstop', arg, lambda names: self._quick(Goal.STOP, names))

    def do_quickrestart(self, arg: str) -> None:
        self._run('quickrestart', arg, self._quickrestart)

    def do_rolling(self, arg: str) -> None:
        words = _words(arg)
        limit = words.pop(0) if words and NUMBER.fullmatch(words[0]) else '1'
        self._run('rolling', shlex.join(words), lambda names: self._rolling(names, limit))

    def do_restarts(self, arg: str) -> None:
        self._run('restarts', arg, self._restarts, needs='')

    def do_cancelrestart(self, arg: str) -> None:
        self._run('cancelrestart', arg, self._cancel, needs='a restart ID')

    # -- help and completion -----------------------------------------------------------------

    def help(self, arg: str) -> None:
        """supervisorctl's `help`."""
        if arg.strip() in COMMANDS:
            self.ctl.output(COMMANDS[arg.strip()])
        else:
            self._stock_help(arg)

    def do_help(self, arg: str) -> None:
        # Our part in supervisorctl's `help`: the list of our commands, and nothing about those of others. With a
        # docstring it would be in the list.
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
            self._matches = [word + ' ' for word in self._arguments(words[0], text) if word.startswith(text)]
        return self._matches[state] if state < len(self._matches) else None

    def _arguments(self, command: str, text: str) -> list[str]:
        """What may stand after a command of ours, at the place of `text`."""
        if command in ('restarts', 'cancelrestart'):
            return [restart['id'] for restart in self._client().restarts()
                    if command == 'restarts' or restart['state'] in ('queued', 'running')]
        words: dict[str, None] = {}
        for info in self.ctl._get_complete_info():
            group, name = info['group'], info['name']
            forms = [f'{group}:', f'{group}:*', f'{group}:{name}']
            # As supervisorctl does: the one process of a group of its name is completed to that name.
            words.update(dict.fromkeys([name] if name == group and ':' not in text else forms))
        return list(words)

    # -- inside ------------------------------------------------------------------------------

    def _client(self, namespace: str | None = 'restarter') -> Client:
        """The server that supervisorctl is connected with at present, and its namespace; None: all of them."""
        return Client(lambda: self.ctl.get_server_proxy(namespace), str(self.ctl.options.serverurl))

    def _run(self, command: str, arg: str, act: Callable[[list[str]], None], needs: str = 'a process name') -> None:
        """Do `act` with the words in `arg`, and show what is wrong with it. needs: what must be among the words."""
        try:
            if not self.ctl.upcheck():
                return
            words = _words(arg)
            if needs and not words:
                self.ctl.output(f'Error: {command} requires {needs}')
                self.ctl.exitstatus = LSBInitExitStatuses.INVALID_ARGS
                self.help(command)
                return
            act([sendable(word) for word in words])
        except ClientError as exc:
            if exc.status == Exit.REFUSED and exc.__cause__ is not None:
                raise exc.__cause__ from None      # supervisorctl asks for user name and password
            self._refuse(_text(command, exc), _status(exc))
        except Refusal as exc:
            self._refuse(_plain(exc.text), LSBInitExitStatuses.INVALID_ARGS)
        except Interrupted as exc:
            self._refuse(f'interrupted; {exc}', LSBInitExitStatuses.GENERIC)
            if exc.number is not None:
                os.kill(os.getpid(), exc.number)
        except KeyboardInterrupt:
            # In the interactive shell it would end the shell.
            self._refuse('interrupted', LSBInitExitStatuses.GENERIC)

    def _refuse(self, text: str, status: int) -> None:
        Display(self.ctl, '').line(f'Error: {text}')
        self.ctl.exitstatus = status

    def _quick(self, goal: Goal, names: list[str]) -> None:
        """Start or stop processes."""
        try:
            rows = self._client().call('quickStart' if goal is Goal.START else 'quickStop', names, False)
        except ClientError as exc:
            if exc.code != Faults.UNKNOWN_METHOD:
                raise
            self._by_stock_calls(goal, names)
            return
        except KeyboardInterrupt:
            raise Interrupted(GOES_ON) from None     # the server may have begun already
        if not conforms(rows, [ROW]):
            raise ClientError(Exit.FAILED, 'supervisord answered with something unexpected')
        self._carry_out(Quick.begun(goal, rows), Requests(self._client(None)))

    def _quickrestart(self, names: list[str]) -> None:
        try:
            self._restart('quickrestart', names, {})
        except ClientError as exc:
            if exc.code != Faults.UNKNOWN_METHOD:
                raise
            self._by_stock_calls(Goal.RESTART, names)

    def _rolling(self, names: list[str], limit: str) -> None:
        kind = DECLARED['max_unavailable']
        restart = self._restart('rolling', names, {
            'max_unavailable': checked('max_unavailable', kind, kind.of_text(limit))})
        # Who restarts in this way cares for what has stayed ready, and for which processes are still the old ones.
        succeeded = exit_status(restart) == Exit.OK
        Display(self.ctl, '').line(summary(restart) if succeeded else failure(restart))

    def _by_stock_calls(self, goal: Goal, names: list[str]) -> None:
        requests = Requests(self._client(None))
        self._carry_out(Quick.of(goal, names, requests.look()), requests)

    def _carry_out(self, quick: Quick, requests: Requests) -> None:
        display = Display(self.ctl, f'quick{quick.goal.value}')
        ignored = Faults.NOT_RUNNING if quick.goal is Goal.STOP else Faults.ALREADY_STARTED

        def show(quick: Quick) -> None:
            display.progress(quick.done)
            for report in quick.fresh():
                self._report(display, report, ignored)

        display.open_bar(quick.total)
        try:
            carry_out(quick, requests, show, display.line)
        finally:
            display.close()

    def _restart(self, title: str, names: list[str], options: dict[str, Any]) -> Restart:
        """A restart by the server: shows how it goes, returns how it ended. Ctrl-C ends the watching only."""
        client, display, restart_id = self._client(), Display(self.ctl, title), ''
        told: set[Report] = set()
        looks = 0
        try:
            restart_id = client.start(names, options)
            for restart in client.follow(restart_id):
                looks += 1
                if looks == 1:
                    display.open_bar(restart['total'])
                    if restart['state'] == 'queued':
                        display.line(f'{groups(restart)}: queued behind another restart')
                display.progress(sum(process['phase'] in ('ready', 'skipped', 'failed')
                                     for process in restart['processes']))
                for report in settled(restart):
                    if report not in told:
                        told.add(report)
                        self._report(display, report)
            if exit_status(restart) != Exit.OK and self.ctl.exitstatus == LSBInitExitStatuses.SUCCESS:
                self.ctl.exitstatus = LSBInitExitStatuses.GENERIC
            return restart
        except KeyboardInterrupt:
            raise Interrupted(f'restart {restart_id} goes on; to cancel it: cancelrestart {restart_id}' if restart_id
                              else 'a restart may have begun; to see: restarts') from None
        finally:
            display.close()

    def _report(self, display: Display, report: Report, ignored: int | None = None) -> None:
        display.line(report.line)
        self.ctl.set_exitstatus_from_xmlrpc_fault(report.code, ignored)

    def _restarts(self, ids: list[str]) -> None:
        display, client = Display(self.ctl, ''), self._client()
        found = [client.get(restart_id) for restart_id in ids] if ids else client.restarts()
        for line in table(found) if found else ['no restarts']:
            display.line(line)
        for restart in found if ids else []:
            for process in restart['processes']:
                display.line(process_line(process))

    def _cancel(self, ids: list[str]) -> None:
        client = self._client()
        for restart_id in ids:
            client.cancel(restart_id)
            Display(self.ctl, '').line(f'{restart_id}: cancelled')


def _words(arg: str) -> list[str]:
    """The words of a command, without the quotes that only a Unix shell would have removed."""
    try:
        return shlex.split(arg)
    except ValueError:
        return arg.split()


def _plain(text: str) -> str:
    """The text of a fault without its name before it: supervisorctl's users do not deal in codes."""
    name, colon, rest = text.partition(': ')
    return rest if colon and name in Code.__members__ else text


def _text(command: str, exc: ClientError) -> str:
    if exc.code == Faults.UNKNOWN_METHOD:
        return f'{command} needs the restarter interface, which this supervisord does not have'
    return _plain(str(exc))


def _status(exc: ClientError) -> int:
    """supervisorctl's exit status: it has none for what is refused or cannot be reached in the middle of a command."""
    return int(exc.status) if exc.status in (Exit.USAGE, Exit.NO_INTERFACE) else int(LSBInitExitStatuses.GENERIC)
