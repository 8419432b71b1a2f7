"""supervisorctl_restart_group: restarts process groups and shows how that goes."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from supervisor_restarter import progress
from supervisor_restarter.client import ClientError, Exit, exit_status
from supervisor_restarter.commandline import RestartOptions


class Command:
    """What the command line asks for. The methods return the exit status and raise ClientError."""

    def __init__(self, options: RestartOptions, screen: progress.Screen) -> None:
        self._options = options
        self._screen = screen
        self._client = options.client()

    def run(self) -> int:
        if self._options.cancel is not None:
            return self._cancel(self._options.cancel)
        if self._options.status:
            return self._status()
        if self._options.plan:
            return self._plan()
        return self._restart()

    def _restart(self) -> int:
        restart_id = ''
        try:
            restart_id = self._client.start(self._options.args, self._options.restart_options())
            if self._options.detach:
                self._show({'id': restart_id}, [restart_id])
                return Exit.OK
            return self._wait(restart_id)
        except KeyboardInterrupt:
            self._screen.error(self._detached(restart_id))
            return Exit.DETACHED

    def _wait(self, restart_id: str) -> int:
        """Shows the restart until it ends, then its result."""
        if self._options.json or self._options.quiet:
            restart = self._client.wait(restart_id)
        else:
            reporter = progress.make_reporter(self._screen)
            try:
                for restart in self._client.follow(restart_id):
                    reporter.update(restart)
            finally:
                reporter.close()
        status = exit_status(restart)
        if self._options.json:
            self._show(restart, [])
        elif status == Exit.OK and not self._options.quiet:
            self._screen.out(progress.summary(restart))
        if status != Exit.OK:
            self._screen.error(progress.failure(restart))
        return status

    def _detached(self, restart_id: str) -> str:
        if restart_id:
            return (f'detached: restart {restart_id} goes on; to cancel it: '
                    f"{self._options.command('--cancel', restart_id)}")
        return f"interrupted: a restart may have begun; to see: {self._options.command('--status')}"

    def _plan(self) -> int:
        plan = self._client.plan(self._options.args, self._options.restart_options())
        self._show(plan, progress.plan_lines(plan))
        return Exit.OK

    def _status(self) -> int:
        if self._options.args:
            restart = self._client.get(self._options.args[0])
            self._show(restart, [*progress.table([restart]), *map(progress.process_line, restart['processes'])])
        else:
            restarts = self._client.restarts()
            self._show(restarts, progress.table(restarts) if restarts else ['no restarts'])
        return Exit.OK

    def _cancel(self, restart_id: str) -> int:
        self._client.cancel(restart_id)
        lines = [] if self._options.quiet else [f'{restart_id}: cancelled']
        self._show({'id': restart_id, 'cancelled': True}, lines)
        return Exit.OK

    def _show(self, answer: Any, lines: Any) -> None:
        """The answer as JSON, or the lines."""
        if self._options.json:
            import json
            self._screen.text(json.dumps(answer, indent=2) + '\n')
        else:
            for line in lines:
                self._screen.out(line)


def open_shell(options: RestartOptions) -> None:
    """supervisorctl's interactive shell, for the same supervisord."""
    from supervisor.supervisorctl import Controller
    options.history_file = options.history    # -r sets the one, supervisorctl reads the other
    Controller(options).exec_cmdloop([], options)


def main(argv: Sequence[str] | None = None) -> int:
    """The command. `argv` leaves out the program's name. Returns the exit status."""
    screen = progress.Screen(sys.stdout, sys.stderr)
    try:
        options = RestartOptions(screen)
        options.realize(sys.argv[1:] if argv is None else argv)
        status = Command(options, screen).run()
        if options.shell and status in (Exit.OK, Exit.FAILED):
            open_shell(options)
        return int(status)
    except ClientError as exc:
        screen.error(f'Error: {exc}')
        return int(exc.status)
    except KeyboardInterrupt:
        screen.error('Error: interrupted')
        return int(Exit.DETACHED)
    except SystemExit as exc:    # -h
        return int(exc.code or 0)


if __name__ == '__main__':
    sys.exit(main())
