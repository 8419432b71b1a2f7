"""Other values in the configuration of a process that is neither stopped nor started for them."""

from __future__ import annotations

from supervisor_restarter.configuration.diff import ProcessChange
from supervisor_restarter.configuration.keys import Effect
from supervisor_restarter.configuration.logs import NewLogs
from supervisor_restarter.configuration.ownconfig import keep_down, name_logs, overwrite, own_config
from supervisor_restarter.configuration.steps import Steps
from supervisor_restarter.programs.host import ProcessConfig, Subprocess
from supervisor_restarter.text import printable


class InPlace:
    """A process whose configuration has other values from put() on, in the object that it has: a
    copy that stands in for it, or another job, may hold on to that.

    later: it is down, and some of them hold only from its next start on.
    """

    def __init__(
        self, process: Subprocess, change: ProcessChange, new: ProcessConfig, later: bool
    ) -> None:
        self._process, self._new, self._later = process, new, later
        self._channels = {
            one.key.partition('_')[0] for one in change.changes if one.effect is Effect.LOG
        }
        self._before = dict(vars(own_config(process)))
        self._started_before = process.laststart

    def put(self, steps: Steps) -> None:
        """The values hold; a log that cannot be opened is an OSError."""
        process = self._process
        name_logs(self._new, steps)
        if self._channels and process.dispatchers:
            steps.add_logs(NewLogs(process, self._new, self._channels))
        overwrite(own_config(process), vars(self._new))
        if not self._before['autostart']:
            # It was not started because of that, and only its next start may change it.
            keep_down(process)
            self._started_before = process.laststart

    def back(self, steps: Steps) -> None:
        """The former values hold again, unless others have started it with the new ones since."""
        process = self._process
        if self._later and process.laststart != self._started_before:
            return
        config = own_config(process)
        overwrite(config, self._before)
        if self._channels and process.dispatchers and steps.finished:
            try:
                logs = NewLogs(process, config, self._channels)
            except OSError as error:
                text = f'restarter: {config.name} keeps its new log: {error}'
                config.options.logger.warn(printable(text))
                return
            logs.exchange()
            logs.close()
