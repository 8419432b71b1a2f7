"""What a change of each configuration key asks for: nothing, new logs, a restart, a socket. Pure.

The keys are those of Supervisor's configuration objects; users know some of them under another
name (NAMES). A key that is not listed here, such as one of a newer Supervisor, asks for a restart:
that is never wrong, only more than is needed.
"""

from __future__ import annotations

from enum import Enum


class Effect(str, Enum):
    """What has to be done before a changed key holds."""

    LIVE = 'live'  # nothing is restarted: it is looked up when it is needed, or put in place
    LOG = 'log'  # the log is opened anew; the process does not notice
    RESTART = 'restart'  # the process is started anew
    SOCKET = 'socket'  # of an fcgi-program: another socket, and each process is started anew


# What holds only for a process that is started with it.
NEEDS_START = frozenset({Effect.RESTART, Effect.SOCKET})

LIVE_KEYS = (
    *('priority', 'autostart', 'autorestart', 'startsecs', 'startretries'),
    *('stopsignal', 'stopwaitsecs', 'stopasgroup', 'killasgroup', 'exitcodes'),
)
LOG_KEYS = tuple(
    f'{channel}_{key}'
    for channel in ('stdout', 'stderr')
    for key in (
        *('logfile', 'logfile_maxbytes', 'logfile_backups'),
        *('syslog', 'events_enabled', 'capture_maxbytes'),
    )
)
RESTART_KEYS = (
    'command',
    'directory',
    'uid',
    'umask',
    'environment',
    'serverurl',
    'redirect_stderr',
)
PROCESS_KEYS: dict[str, Effect] = {
    **dict.fromkeys(LIVE_KEYS, Effect.LIVE),
    **dict.fromkeys(LOG_KEYS, Effect.LOG),
    **dict.fromkeys(RESTART_KEYS, Effect.RESTART),
}

OF_LISTENERS = ('buffer_size', 'pool_events', 'result_handler')
SOCKET = 'socket'  # where an fcgi-program listens
OF_SOCKETS = ('socket_mode', 'socket_owner', 'socket_backlog')  # can change while it is open
TYPE = 'type'  # program, fcgi-program or eventlistener: no key, but the section's kind
ORDER = 'programs'  # the order of the processes, which is that of this key of a [group:x]
GROUP_KEYS: dict[str, Effect] = {
    TYPE: Effect.RESTART,
    SOCKET: Effect.SOCKET,
    **dict.fromkeys(('priority', ORDER, *OF_LISTENERS, *OF_SOCKETS), Effect.LIVE),
}

# Where the configuration file has another name for it.
NAMES = {'uid': 'user', 'pool_events': 'events'}
# This plugin reads these of a program's variables, whenever it needs them; the program does not.
OWN_VARIABLES = 'RESTARTER_'


def effect_of(key: str) -> Effect:
    """What a change of a process's key asks for; `environment.X` is one variable."""
    section, dot, variable = key.partition('.')
    if dot and section == 'environment' and variable.startswith(OWN_VARIABLES):
        return Effect.LIVE
    return PROCESS_KEYS.get(section, Effect.RESTART)


def effect_of_group(key: str) -> Effect:
    """What a change of a group's key asks for, of all its processes."""
    return GROUP_KEYS.get(key, Effect.RESTART)


def written_key(key: str) -> str:
    """The key as the configuration file has it."""
    return NAMES.get(key, key)
