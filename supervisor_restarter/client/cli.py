"""supervisorctl_restart_group: restarts process groups, or applies a changed configuration, and
shows how that goes.

What only some commands need is imported when they do: most restarts take less time than a start of
Python.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from supervisor_restarter.client import results
from supervisor_restarter.client.applies import (
    at_once_lines,
    last_error,
    last_line,
    one_of,
    why_lines,
)
from supervisor_restarter.client.cli_options import COMPLETE, RestartOptions
from supervisor_restarter.client.client import exit_status
from supervisor_restarter.client.errors import ClientError, Exit
from supervisor_restarter.client.progress import Reporter, make_reporter
from supervisor_restarter.client.screen import Colour, Screen
from supervisor_restarter.client.structs import Restart, ended
from supervisor_restarter.client.wording import process_lines, warning_lines


class Command:
    """What the command line asks for. The methods return the exit status and raise ClientError.

    restart_id: that of the restart or apply that is begun or waited for, as soon as it is known.
    """

    def __init__(self, options: RestartOptions, screen: Screen) -> None:
        self._options = options
        self._screen = screen
        self._client = options.client()
        self.restart_id = ''

    def run(self) -> int:
        if self._options.cancel is not None:
            return self._cancel(self._options.cancel)
        if self._options.status:
            return self._status()
        if self._options.plan:
            return self._plan_config() if self._options.apply else self._plan()
        return self._restart()

    # -- restarts ----------------------------------------------------------------------------

    def _restart(self) -> int:
        """Begin a restart or an apply, or take up one that has begun, and wait for its end."""
        try:
            self.restart_id = self._begin()
            if self._options.detach:
                return self._detach()
            return self._wait(self.restart_id)
        except KeyboardInterrupt:
            text = self._interrupted()
            self._screen.error(text, Colour.ODD)
            if self._options.json:
                self._print(results.failed(self.restart_id, text, Exit.DETACHED))
            return Exit.DETACHED

    def _begin(self) -> str:
        if self._options.wait is not None:
            self.restart_id = self._options.wait
            self._client.get(self._options.wait)  # says so at once if there is none
            return self._options.wait
        if self._options.retry is not None:
            return self._client.retry(self._options.retry, self._options.restart_options())
        begin = self._client.apply if self._options.apply else self._client.start
        return begin(self._options.args, self._options.restart_options())

    def _detach(self) -> int:
        status = self._show({'id': self.restart_id}, [self.restart_id])
        if not self._options.json and not self._options.quiet:
            self._screen.hint(f'to wait for it: {self._options.command("--wait", self.restart_id)}')
        return status

    def _wait(self, restart_id: str) -> int:
        """Shows the restart until it ends, then its result."""
        if self._options.json or self._options.quiet:
            restart = self._client.wait(restart_id)
        else:
            reporter = make_reporter(self._screen)
            try:
                for look, restart in enumerate(self._client.follow(restart_id)):
                    for line in warning_lines(restart) if look == 0 else []:
                        self._screen.error(line, Colour.ODD)
                    reporter.update(restart)
            finally:
                reporter.close()
            self._conclude(restart, reporter)
        status = exit_status(restart)
        if status != Exit.OK:
            # What was on the terminal a line above need not be said again.
            silent = self._options.quiet or self._options.json or self._screen.terminal is None
            self._screen.error(last_error(restart, reasons=silent))
        if self._options.json:
            return self._print(self._result(restart, status))
        return status

    def _conclude(self, restart: Restart, reporter: Reporter) -> None:
        """What comes last on standard output."""
        good = exit_status(restart) == Exit.OK
        for line in reporter.leftovers(restart):
            self._screen.out(line, Colour.PLAIN if good else Colour.ODD)
        if good:
            self._screen.out(last_line(restart), Colour.GOOD)
            return
        from supervisor_restarter.client.failures import in_full
        from supervisor_restarter.client.logtails import Logs

        def supervisorctl(*words: str) -> str:
            return self._options.command(*words, program='supervisorctl')

        for line, colour in in_full(restart, Logs(self._options.getServerProxy), supervisorctl):
            self._screen.out(line, colour)

    def _result(self, restart: Restart, status: int) -> dict[str, Any]:
        if status == Exit.OK:
            return results.result(restart, status)
        return {
            **results.result(restart, status),
            **results.failed(restart['id'], last_error(restart), status),
        }

    def _interrupted(self) -> str:
        command, begun = self._options.command, self._client.begun
        if self.restart_id:
            return (
                f'detached: {begun} {self.restart_id} goes on; '
                f'to wait for it: {command("--wait", self.restart_id)}; '
                f'to cancel it: {command("--cancel", self.restart_id)}'
            )
        return f'interrupted: {one_of(begun)} may have begun; to see: {command("--status")}'

    # -- other questions ---------------------------------------------------------------------

    def _plan(self) -> int:
        from supervisor_restarter.client.tables import plan_lines

        plan = self._client.plan(self._options.args, self._options.restart_options())
        return self._show(plan, plan_lines(plan))

    def _plan_config(self) -> int:
        from supervisor_restarter.client.config_plans import config_plan_lines, without_removals

        plan = self._client.plan_config(self._options.args, bool(self._options.secrets))
        if self._options.no_prune:
            plan = without_removals(plan)
        return self._show(plan, config_plan_lines(plan))

    def _status(self) -> int:
        from supervisor_restarter.client.tables import (
            newer_than_lines,
            old_stopping_lines,
            policy_lines,
            table,
        )

        if not self._options.args:
            restarts = self._client.restarts()
            if self._options.json:
                return self._print(results.results(restarts, Exit.OK))
            return self._show({}, table(restarts) if restarts else ['no restarts'])
        restart = self._client.get(self._options.args[0])
        status = exit_status(restart) if ended(restart) else Exit.OK
        if self._options.json:
            return self._print(self._result(restart, status))
        return self._show(
            {},
            [
                *table([restart]),
                *newer_than_lines(restart),
                *policy_lines(restart),
                *why_lines(restart),
                *at_once_lines(restart),
                *process_lines(restart),
                *old_stopping_lines(restart),
            ],
            status,
        )

    def _cancel(self, restart_id: str) -> int:
        self._client.cancel(restart_id)
        lines = [] if self._options.quiet else [f'{restart_id}: cancelled']
        return self._show({'id': restart_id, 'cancelled': True}, lines)

    # -- printing ----------------------------------------------------------------------------

    def _show(self, answer: Any, lines: Iterable[str], status: int = Exit.OK) -> int:
        """The answer as JSON, or the lines. Returns the exit status: not 0 if that could not be
        printed.
        """
        if self._options.json:
            return self._print(results.result(answer, status))
        for line in lines:
            self._screen.out(line)
        return status or (Exit.FAILED if self._screen.lost else Exit.OK)

    def _print(self, result: dict[str, Any]) -> int:
        return print_json(self._screen, result)


def print_json(screen: Screen, result: dict[str, Any]) -> int:
    """The one object that --json prints. Returns its exit status, and not 0 if it could not be
    printed.
    """
    import json

    screen.text(json.dumps(result, indent=2) + '\n')
    return int(result['exit_status']) or (Exit.FAILED if screen.lost else Exit.OK)


def wants_json(argv: Sequence[str]) -> bool:
    """Whether a command line, which may be full of mistakes, has --json in it, or its beginning."""
    options = argv[: argv.index('--')] if '--' in argv else argv
    return any(len(word) > 2 and '--json'.startswith(word) for word in options)


def open_shell(options: RestartOptions) -> None:
    """supervisorctl's interactive shell, for the same supervisord."""
    from supervisor.supervisorctl import Controller

    options.history_file = options.history  # -r sets the one, supervisorctl reads the other
    Controller(options).exec_cmdloop([], options)


def main(argv: Sequence[str] | None = None) -> int:
    """The command. `argv` leaves out the program's name. Returns the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    screen = Screen(sys.stdout, sys.stderr)
    if argv[:1] == [COMPLETE]:
        from supervisor_restarter.client.completion import complete

        return complete(screen, argv[1:])
    command = None
    try:
        options = RestartOptions(screen)
        options.realize(argv)
        command = Command(options, screen)
        status = command.run()
        if options.shell and status in (Exit.OK, Exit.FAILED):
            open_shell(options)
        return int(status)
    except ClientError as exc:
        error, problem = f'Error: {exc}', exc
    except KeyboardInterrupt:
        error, problem = 'Error: interrupted', ClientError(Exit.DETACHED, 'interrupted')
    except SystemExit as exc:  # -h, --version
        return int(exc.code or 0)
    screen.error(error)
    if wants_json(argv):
        restart_id = command.restart_id if command is not None else ''
        print_json(screen, results.failed(restart_id, str(problem), problem.status, problem.code))
    return int(problem.status)


if __name__ == '__main__':  # pragma: no cover - the tests call main()
    sys.exit(main())
