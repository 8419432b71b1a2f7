"""Compares the configuration files, as they are now, with what supervisord runs: for planConfig,
which tells what would change, and for an apply.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Callable, NamedTuple

from supervisor_restarter.configuration.diff import GroupChange, differences
from supervisor_restarter.configuration.plan import LookUp, config_plan
from supervisor_restarter.configuration.scales import NUMPROCS, Scale, ScaledReading, Scales
from supervisor_restarter.configuration.twin import Reading, Unreadable, read_aside
from supervisor_restarter.configuration.view import by_name, group_view
from supervisor_restarter.configuration.wording import masked, shown_value
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.option_kinds import FLAG, MOST_PROCESSES, checked, count
from supervisor_restarter.programs.host import (
    ProcessGroup,
    ProcessGroupConfig,
    ServerSection,
    Supervisor,
)
from supervisor_restarter.spelling import closest, did_you_mean
from supervisor_restarter.text import listed, printable, shown

ALL = 'all'
SECRETS = 'secrets'
# What a reading holds beside the keys of [supervisord] itself. Its environment is merged into that
# of each process, and seen there.
NO_SETTINGS = ('process_group_configs', 'environment', 'server_configs', 'rpcinterface_factories')
WANTED_PROCESSES = count(1, MOST_PROCESSES)


class Comparison(NamedTuple):
    """The files against what runs.

    changes: of the groups that were asked for, also of those that stay as they are. running, read:
    the configuration of these groups as it runs and as the files have it, by name. reload: what
    only a reload of supervisord applies. warnings: of the files, and of the scales that hold.
    outdated: the programs of these groups whose scale is over, for the file has another number now.
    scale: the one that was asked for, if it was.
    """

    changes: list[GroupChange]
    running: dict[str, ProcessGroupConfig]
    read: dict[str, ProcessGroupConfig]
    reading: Reading
    reload: list[str]
    warnings: list[str]
    scales: Scales
    outdated: list[str]
    scale: Scale | None = None


class Planner:
    """Compares the files of one supervisord with what it runs.

    It is made when supervisord starts, and remembers what only a reload can change. scaled: the
    programs with another number of processes than the file's.
    """

    def __init__(self, supervisord: Supervisor, look: LookUp) -> None:
        self._supervisord, self._look = supervisord, look
        self._at_start = _settings(supervisord.options.configroot.supervisord)
        self.scaled: Scales = {}
        self._homes: dict[str, tuple[str, ProcessGroup | None]] = {}

    def plan(self, compared: Comparison, secrets: bool = False) -> dict[str, Any]:
        """What would change, as a struct."""
        return {
            **config_plan(
                compared.changes, self._look, lambda key, value: shown_value(key, value, secrets)
            ),
            'reload': compared.reload,
            'warnings': list(compared.warnings),
        }

    def compare(self, names: Any, secrets: bool = False) -> Comparison:
        """The files against what runs, of the groups of these names, or of all if there are none.

        Unreadable if the files cannot be read; its text is without secrets, unless they are asked
        for. Refusal BAD_GROUP for a name that is neither in the files nor of what runs.
        """
        self._forget_reverted()
        return self._compared(names, *self._read(self.scaled, secrets))

    def scale(
        self, program: Any, wanted: Any, is_changing: Callable[[str], bool] = lambda group: False
    ) -> Comparison:
        """The files against what runs, of the group of the program, as if its numprocs were another
        one, which is not remembered before keep(). is_changing: whether the group is being changed
        at this moment, so that nothing can be said of it but that it is concerned.

        Unreadable if the files cannot be read. Refusal BAD_OPTION for what is no number of
        processes, and where the program cannot have so many; BAD_GROUP if there is no such program;
        BAD_STATE if its group has been changed since it was applied.
        """
        number = int(checked(NUMPROCS, WANTED_PROCESSES, wanted))
        self._forget_reverted()
        reading, scaled = self._read(self.scaled, asked=program)
        if not isinstance(program, str) or program not in scaled.in_file:
            meant = did_you_mean([closest(program, scaled.programs)])
            raise Refusal(Code.BAD_GROUP, f'no program named {shown(program)}{meant}')
        if scaled.programs[program] > 1:
            raise Refusal(Code.BAD_STATE, f'several sections define a program {shown(program)}')
        in_file, group = scaled.in_file[program], scaled.groups[program]
        before = self._compared([group], reading, scaled)
        if not is_changing(group) and not all(change.unchanged for change in before.changes):
            raise Refusal(
                Code.BAD_STATE,
                f'the files say something else of group {shown(group)} than what runs: '
                f'apply that first',
            )
        scale = Scale(in_file, number)
        try:
            aside = self._read({**self.scaled, program: scale})
        except Unreadable as error:
            raise Refusal(Code.BAD_OPTION, str(error)) from None
        return self._compared([group], *aside)._replace(scale=scale)

    def keep(self, program: str, group: str, scale: Scale) -> None:
        """Remember what a comparison of scale() was made for, as long as the file's number stays."""
        self.scaled.pop(program, None)
        if scale.wanted != scale.in_file:
            self.scaled[program] = scale
            self._homes[program] = group, self._supervisord.process_groups.get(group)

    def applied(self) -> None:
        """An apply is over: a group that it has replaced is still the one that was scaled."""
        groups = self._supervisord.process_groups
        self._homes = {
            program: (group, groups.get(group))
            for program, (group, _) in self._homes.items()
            if program in self.scaled
        }

    def _forget_reverted(self) -> None:
        """Whoever makes a group anew, as `supervisorctl update` does, wants the number of the file:
        the newer will wins.
        """
        for program, (group, home) in self._homes.items():
            if self._supervisord.process_groups.get(group) is not home:
                self.scaled.pop(program, None)

    # -- inside ------------------------------------------------------------------------------

    def _read(
        self, scales: Scales, secrets: bool = False, asked: Any = ''
    ) -> tuple[Reading, ScaledReading]:
        options = self._supervisord.options
        scaled = ScaledReading(scales, options.here, [asked] if isinstance(asked, str) else [])
        try:
            return read_aside(options, scaled.adjust), scaled
        except Unreadable as error:
            raise Unreadable(str(error) if secrets else masked(str(error))) from None

    def _compared(self, names: Any, reading: Reading, scaled: ScaledReading) -> Comparison:
        groups = self._supervisord.process_groups
        running = {name: group.config for name, group in groups.items()}
        read = by_name(reading.section.process_group_configs)
        wanted = _wanted(names, {*running, *read})
        running = {name: config for name, config in running.items() if name in wanted}
        read = {name: config for name, config in read.items() if name in wanted}

        def concerned(programs: Iterable[str]) -> list[str]:
            return [one for one in programs if scaled.groups.get(one, one) in wanted]

        return Comparison(
            differences(
                list(map(group_view, running.values())), list(map(group_view, read.values()))
            ),
            running,
            read,
            reading,
            self._for_a_reload(reading),
            [
                *(masked(printable(warning)) for warning in reading.warnings),
                *(
                    _warning_of(program, scaled.holds[program])
                    for program in concerned(scaled.holds)
                ),
            ],
            self.scaled,
            concerned(self.scaled.keys() - scaled.holds.keys()),
        )

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


def _warning_of(program: str, scale: Scale) -> str:
    return printable(
        f'numprocs of {program} is {scale.wanted}, as setNumprocs has set it; '
        f'the file has {scale.in_file}'
    )


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
