"""Plans what the configuration files, as they are now, would change: what planConfig answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from supervisor_restarter.configuration.diff import differences
from supervisor_restarter.configuration.plan import LookUp, config_plan
from supervisor_restarter.configuration.twin import Reading, Unreadable, read_aside
from supervisor_restarter.configuration.view import group_views
from supervisor_restarter.configuration.wording import masked, shown_value
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.option_kinds import FLAG, checked
from supervisor_restarter.programs.host import ServerSection, Supervisor
from supervisor_restarter.spelling import closest, did_you_mean
from supervisor_restarter.text import listed, printable, shown

ALL = 'all'
SECRETS = 'secrets'
# What a reading holds beside the keys of [supervisord] itself. Its environment is merged into that
# of each process, and seen there.
NO_SETTINGS = ('process_group_configs', 'environment', 'server_configs', 'rpcinterface_factories')


class Planner:
    """Compares the files of one supervisord with what it runs.

    It is made when supervisord starts, and remembers what only a reload can change.
    """

    def __init__(self, supervisord: Supervisor, look: LookUp) -> None:
        self._supervisord, self._look = supervisord, look
        self._at_start = _settings(supervisord.options.configroot.supervisord)

    def plan(self, names: Any, secrets: bool = False) -> dict[str, Any]:
        """What would change in the groups of these names, in all if there are none; nothing is
        touched.

        Unreadable if the files cannot be read; Refusal BAD_GROUP for a name that is neither in the
        files nor of what runs.
        """
        try:
            reading = read_aside(self._supervisord.options)
        except Unreadable as error:
            raise Unreadable(str(error) if secrets else masked(str(error))) from None
        running = {name: group.config for name, group in self._supervisord.process_groups.items()}
        read = reading.section.process_group_configs
        wanted = _wanted(names, {*running, *(config.name for config in read)})
        changes = differences(
            group_views(config for config in running.values() if config.name in wanted),
            group_views(config for config in read if config.name in wanted),
        )
        return {
            **config_plan(changes, self._look, lambda key, value: shown_value(key, value, secrets)),
            'reload': self._for_a_reload(reading),
            'warnings': [masked(printable(warning)) for warning in reading.warnings],
        }

    def _for_a_reload(self, reading: Reading) -> list[str]:
        """What has changed that only a reload of supervisord, or its restart, applies."""
        now = _settings(reading.section)
        return [
            printable(key)
            for key in dict.fromkeys([*self._at_start, *now])
            if self._at_start.get(key) != now.get(key)
        ]


def secrets_of(options: Any) -> bool:
    """Whether the struct of options of a call has secrets shown; Refusal BAD_OPTION for any other
    option, and for anything else than a struct.
    """
    if options is None:
        return False
    if not isinstance(options, Mapping):
        raise Refusal(Code.BAD_OPTION, f'options must be a struct, not {shown(options)}')
    for name in options:
        if name != SECRETS:
            raise Refusal(Code.BAD_OPTION, f'unknown option {shown(name)}; known is {SECRETS}')
    return bool(checked(SECRETS, FLAG, options.get(SECRETS, False)))


def _settings(section: ServerSection) -> dict[str, object]:
    """What is configured of supervisord itself, by key or, where it is a section, by that."""
    found = {f'[supervisord] {k}': v for k, v in vars(section).items() if k not in NO_SETTINGS}
    for server in section.server_configs:
        found[f'[{server["section"]}]'] = dict(server)
    for name, factory, extras in section.rpcinterface_factories:
        found[f'[rpcinterface:{name}]'] = factory, dict(extras)
    return found


def _wanted(names: Any, known: Collection[str]) -> Collection[str]:
    """The names of the groups that are asked for; Refusal BAD_GROUP."""
    wanted = [names] if isinstance(names, str) else names
    if not isinstance(wanted, (list, tuple)) or not all(isinstance(one, str) for one in wanted):
        raise Refusal(
            Code.BAD_GROUP,
            f'groups must be the name of a process group or an array of such names, '
            f'not {shown(names)}',
        )
    if ALL in wanted or not any(wanted):
        return known
    missing = [name for name in dict.fromkeys(wanted) if name not in known]
    if missing:
        meant = did_you_mean([closest(missing[0], known)])
        raise Refusal(
            Code.BAD_GROUP, f'no process group named {listed(map(shown, missing))}{meant}'
        )
    return set(wanted)
