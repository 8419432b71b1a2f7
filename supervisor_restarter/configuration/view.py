"""What is compared of a configuration: groups and processes as plain values, whether they come from
what runs or from what was read aside.

All that Supervisor's objects hold is taken, also what a newer release adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from supervisor.datatypes import Automatic
from supervisor.events import getEventNameByType

from supervisor_restarter.configuration.diff import GroupView, ProcessView
from supervisor_restarter.programs.host import ProcessConfig, ProcessGroupConfig

AUTO = 'AUTO'  # a log file whose name Supervisor makes up
# What it makes up: PROCESS-stdout---IDENTIFIER-RANDOM.log. Identifier and directory may have been
# changed by a `reread` since.
MADE_UP = re.compile('---.*-[a-z0-9_]{8}[.]log', re.DOTALL)
LOG_FILES = {'stdout': 'stdout_logfile', 'stderr': 'stderr_logfile'}
# Of a group or a socket, what is no key: back references, and what the socket's url says.
NO_KEYS = {'options', 'name', 'process_configs', 'socket_config'}
OF_URL = {'url', 'path', 'host', 'port'}


def by_name(configs: Iterable[ProcessGroupConfig]) -> dict[str, ProcessGroupConfig]:
    """The groups by their names. Of two with the same name Supervisor runs the first."""
    first: dict[str, ProcessGroupConfig] = {}
    for config in configs:
        first.setdefault(config.name, config)
    return first


def processes_by_name(config: ProcessGroupConfig) -> dict[str, ProcessConfig]:
    """The processes of the group by their names. Of two with the same name Supervisor runs the
    last.
    """
    return {process.name: process for process in config.process_configs}


def group_view(config: ProcessGroupConfig) -> GroupView:
    """The group as it is configured."""
    kind = 'program'
    values = {key: value for key, value in vars(config).items() if key not in NO_KEYS}
    socket = getattr(config, 'socket_config', None)
    if socket is not None:
        kind = 'fcgi-program'
        values['socket'] = socket.url
        values.update(
            (f'socket_{key}', value)
            for key, value in vars(socket).items()
            if key not in OF_URL and value is not None
        )
    if 'pool_events' in values:
        kind = 'eventlistener'
        # Supervisor has them in the order of a set, which is none.
        values['pool_events'] = tuple(sorted(map(_event_name, values['pool_events'])))
    processes = [process_view(process) for process in processes_by_name(config).values()]
    return GroupView(config.name, kind, values, processes)


def process_view(config: ProcessConfig) -> ProcessView:
    """The process as it is configured."""
    keys = [*config.req_param_names, *config.optional_param_names]
    values = {key: getattr(config, key) for key in keys}
    del values['name']
    for variable, value in (values.pop('environment') or {}).items():
        values[f'environment.{variable}'] = value
    for channel, key in LOG_FILES.items():
        if values[key] is Automatic or is_made_up(values[key], config.name, channel):
            values[key] = AUTO
    return ProcessView(config.name, values)


def is_made_up(path: object, name: str, channel: str) -> bool:
    """Whether Supervisor has made up the name of this log, as it does once for AUTO."""
    if not isinstance(path, str):
        return False
    file, start = path.rpartition('/')[2], f'{name}-{channel}'
    return file.startswith(start) and MADE_UP.fullmatch(file, len(start)) is not None


def _event_name(event: object) -> str:
    return getEventNameByType(event) or repr(event)
