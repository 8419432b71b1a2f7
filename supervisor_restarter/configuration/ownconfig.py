"""The configuration object of a process: which one is its own, and how it gets another."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from supervisor.datatypes import Automatic

from supervisor_restarter.configuration.steps import Steps
from supervisor_restarter.configuration.view import LOG_FILES, is_made_up
from supervisor_restarter.programs.host import ProcessConfig, ProcessGroupConfig, Subprocess

# As the time of a process's last start: it is not the 0 of one that supervisord has yet to start by
# itself, and is shown as that.
NOT_BY_ITSELF = 1e-9


def own_config(process: Subprocess) -> ProcessConfig:
    """What is configured of the process: not the copy that may stand in for it."""
    return getattr(process.config, 'restarter_original', process.config)


def give_config(process: Subprocess, config: ProcessConfig) -> None:
    """The process has this configuration from now on. A copy that stands in goes on doing so, and
    what it stands for is the new one.
    """
    if own_config(process) is process.config:
        process.config = config
    else:
        process.config.restarter_original = config


def overwrite(config: ProcessConfig | ProcessGroupConfig, values: Mapping[str, object]) -> None:
    """The same object, with these attributes and no others: whoever holds on to it sees them."""
    vars(config).clear()
    vars(config).update(values)


def keep_log_names(old: ProcessConfig, new: ProcessConfig) -> None:
    """Where both say AUTO, the name that Supervisor has made up for the old one stays."""
    for channel, key in LOG_FILES.items():
        name = getattr(old, key)
        if getattr(new, key) is Automatic and is_made_up(name, old.name, channel):
            setattr(new, key, name)


def name_logs(config: ProcessConfig, steps: Steps) -> None:
    """Supervisor makes up names, and files, for logs that are AUTO. If a begin() fails, the files
    go, for nothing can be in them.
    """
    missing = [key for key in LOG_FILES.values() if getattr(config, key) is Automatic]
    if missing:
        steps.undo_by(_remove_logs, config, missing, steps)
        config.create_autochildlogs()


def _remove_logs(config: ProcessConfig, keys: list[str], steps: Steps) -> None:
    for path in (getattr(config, key) for key in keys):
        if isinstance(path, str) and not steps.finished:
            with contextlib.suppress(OSError):
                os.unlink(path)


def keep_down(process: Subprocess) -> None:
    """Supervisor is not to start the process by itself because it never ran."""
    process.laststart = process.laststart or NOT_BY_ITSELF
