"""What our commands in supervisorctl do: the calls to the server, and the lines about them.

All of it is addressed to the supervisord that supervisorctl is connected with at present.
quickstart, quickstop and quickrestart ask its restarter interface and, where there is none, make
Supervisor's own calls (stock_calls.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

from supervisor.supervisorctl import LSBInitExitStatuses
from supervisor.xmlrpc import Faults

from supervisor_restarter.client import quick_reports
from supervisor_restarter.client.applies import (
    Headlines,
    at_once_lines,
    last_error,
    last_line,
    one_of,
    why_lines,
)
from supervisor_restarter.client.client import Client, exit_status
from supervisor_restarter.client.config_plans import config_plan_lines
from supervisor_restarter.client.ctl_display import Display
from supervisor_restarter.client.errors import ClientError, Exit
from supervisor_restarter.client.gauge import Title
from supervisor_restarter.client.progress import Titles, done
from supervisor_restarter.client.quick_reports import Report
from supervisor_restarter.client.stock_calls import GOES_ON, Interrupted, Requests, carry_out
from supervisor_restarter.client.stock_quick import Quick, Verb
from supervisor_restarter.client.structs import Restart, conforms
from supervisor_restarter.client.tables import old_stopping_lines, policy_lines, table
from supervisor_restarter.client.wording import (
    OldStopping,
    failure,
    not_reached,
    process_lines,
    warning_lines,
)
from supervisor_restarter.faults import Code

# A row of what quickStart and quickStop answer.
ROW_SHAPE: dict[str, Any] = {'name': str, 'group': str, 'status': int, 'description': str}


class CtlCommands:
    """The commands. Each prints its lines and sets supervisorctl's exit status.

    They raise ClientError, Refusal and Interrupted, whose texts are still to be shown, and
    KeyboardInterrupt.
    """

    def __init__(self, ctl: Any) -> None:
        self._ctl = ctl

    def client(self, namespace: str | None = 'restarter') -> Client:
        """The server that supervisorctl is connected with, and its namespace; None: all of them."""
        proxy = self._ctl.get_server_proxy
        return Client(lambda: proxy(namespace), str(self._ctl.options.serverurl))

    # -- quickstart, quickstop, quickrestart -------------------------------------------------

    def quick(self, verb: Verb, names: list[str]) -> None:
        """Start or stop processes."""
        method = 'quickStart' if verb is Verb.START else 'quickStop'
        try:
            rows = self.client().call(method, names, False)
        except ClientError as exc:
            if exc.code != Faults.UNKNOWN_METHOD:
                raise
            self._by_stock_calls(verb, names)
            return
        except KeyboardInterrupt:
            raise Interrupted(GOES_ON) from None  # the server may have begun already
        if not conforms(rows, [ROW_SHAPE]):
            raise ClientError(Exit.FAILED, 'supervisord answered with something unexpected')
        self._carry_out(Quick.begun(verb, rows), names, Requests(self.client(None)))

    def quickrestart(self, names: list[str]) -> None:
        try:
            # No warnings: it says the same as where there is no interface.
            restart = self._follow('quickrestart', lambda client: client.start(names, {}))
        except ClientError as exc:
            if exc.code != Faults.UNKNOWN_METHOD:
                raise
            self._by_stock_calls(Verb.RESTART, names)
            return
        if any(map(not_reached, restart['processes'])):
            Display(self._ctl).line(failure(restart))

    def _by_stock_calls(self, verb: Verb, names: list[str]) -> None:
        requests = Requests(self.client(None))
        self._carry_out(Quick.of(verb, names, requests.look()), names, requests)

    def _carry_out(self, quick: Quick, names: list[str], requests: Requests) -> None:
        display, title = Display(self._ctl), Title(f'quick{quick.verb.value}')
        ignored = Faults.NOT_RUNNING if quick.verb is Verb.STOP else Faults.ALREADY_STARTED

        def show(quick: Quick) -> None:
            display.progress(lambda: title, quick.done, quick.total)
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

    # -- restarts by the server --------------------------------------------------------------

    def rolling(self, names: list[str], options: dict[str, Any]) -> None:
        self._show_to_the_end('rolling', lambda client: client.start(names, options))

    def apply(self, plan: bool, names: list[str]) -> None:
        if plan:
            display = Display(self._ctl)
            for line in config_plan_lines(self.client().plan_config(names)):
                display.line(line)
            return
        self._show_to_the_end('apply', lambda client: client.apply(names, {}))

    def scale(self, program: str, number: int) -> None:
        restart = self._follow('scale', lambda client: client.scale(program, number), warn=True)
        nothing = f'{program}: nothing to do: its number of processes is {number}'
        succeeded = exit_status(restart) == Exit.OK
        Display(self._ctl).line(
            last_line(restart, nothing) if succeeded else last_error(restart, of_files=False)
        )

    def waitrestart(self, ids: Sequence[str]) -> None:
        restart_id = _only('waitrestart', ids)
        self._show_to_the_end('waitrestart', lambda client: client.get(restart_id)['id'])

    def retryrestart(self, ids: Sequence[str]) -> None:
        restart_id = _only('retryrestart', ids)
        self._show_to_the_end('retryrestart', lambda client: client.retry(restart_id, {}))

    def restarts(self, ids: Sequence[str]) -> None:
        display, client = Display(self._ctl), self.client()
        found = [client.get(restart_id) for restart_id in ids] if ids else client.restarts()
        for line in table(found) if found else ['no restarts']:
            display.line(line)
        for restart in found if ids else []:
            for line in (
                *policy_lines(restart),
                *why_lines(restart),
                *at_once_lines(restart),
                *process_lines(restart),
                *old_stopping_lines(restart),
            ):
                display.line(line)

    def cancelrestart(self, ids: Sequence[str]) -> None:
        client = self.client()
        for restart_id in ids:
            client.cancel(restart_id)
            Display(self._ctl).line(f'{restart_id}: cancelled')

    def _show_to_the_end(self, title: str, begin: Callable[[Client], str]) -> None:
        restart = self._follow(title, begin, warn=True)
        # A user who restarts in this way wants to know what has stayed ready, and which processes
        # are still the old ones.
        succeeded = exit_status(restart) == Exit.OK
        Display(self._ctl).line(last_line(restart) if succeeded else last_error(restart))

    def _follow(self, title: str, begin: Callable[[Client], str], warn: bool = False) -> Restart:
        """A restart or an apply by the server: shows how it goes, returns how it ended. Ctrl-C ends
        the waiting only.

        begin: begins it, or finds it, and returns its id. warn: show the warnings of its plan.
        """
        client, display, restart_id = self.client(), Display(self._ctl), ''
        titles, headlines, old = Titles(title), Headlines(), OldStopping()
        told: set[Report] = set()
        try:
            restart_id = begin(client)
            for look, restart in enumerate(client.follow(restart_id)):
                for line in warning_lines(restart) if warn and look == 0 else []:
                    display.line(line)
                for line in headlines.fresh(restart):
                    display.line(line)
                display.open_bar(restart['total'])  # an apply is planned anew after the queue
                titles.update(restart)
                display.progress(titles.now, done(restart), restart['total'])
                for report in quick_reports.of_restart(restart):
                    if report not in told:
                        told.add(report)
                        self._report(display, report)
                for line in old.fresh(restart):
                    display.line(line)
            self._set_status(restart)
            return restart
        except KeyboardInterrupt:
            raise Interrupted(_still_runs(client.begun, restart_id)) from None
        finally:
            display.close()

    # -- inside ------------------------------------------------------------------------------

    def _report(self, display: Display, report: Report, ignored: int | None = None) -> None:
        display.line(report.line)
        self._ctl.set_exitstatus_from_xmlrpc_fault(report.code, ignored)

    def _set_status(self, restart: Restart) -> None:
        """The exit status for what is no report's: that processes were not reached, or nothing but
        the end itself.
        """
        if any(map(not_reached, restart['processes'])):
            self._ctl.set_exitstatus_from_xmlrpc_fault(int(Code.CANCELLED))
        succeeded = exit_status(restart) == Exit.OK
        if not succeeded and self._ctl.exitstatus == LSBInitExitStatuses.SUCCESS:
            self._ctl.exitstatus = LSBInitExitStatuses.GENERIC


def _only(command: str, ids: Sequence[str]) -> str:
    if len(ids) > 1:
        raise ClientError(Exit.USAGE, f'{command} takes one restart ID')
    return ids[0]


def _still_runs(begun: str, restart_id: str) -> str:
    """What Ctrl-C means for a restart or an apply; '': it is not known whether it has begun."""
    if not restart_id:
        return f'{one_of(begun)} may have begun; to see: restarts'
    return (
        f'{begun} {restart_id} goes on; to wait for it: waitrestart {restart_id}; '
        f'to cancel it: cancelrestart {restart_id}'
    )
