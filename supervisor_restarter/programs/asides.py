"""Two processes of one program side by side: the new one has the name, the old one lies *aside*.

Supervisor knows one process for each name in a group. For a surge there is a second Subprocess with
the same configuration. It takes the name, and the one that had it stays in the group under another:

    0: old  --take_place()-->  0: new, 0.old: old  --the old one exits-->  0: new
                                 |
                                 give_back()--> 0: old, 0.new: new  --the new one exits--> 0: old

What lies aside is Supervisor's process like any other. Supervisor reads its pipes, reaps it, sends
it SIGKILL after its stopwaitsecs, and stops it at a shutdown or reload, whatever becomes of this
plugin. Three things are different:

* Its configuration is a copy with its name, which says autorestart=false. That of the group stays
  as it is, so `update` finds nothing changed.
* It is never started again: its spawn() refuses.
* It leaves the group once it has exited, at its next transition(): that is what Supervisor calls
  in each turn of its loop. So nothing of ours has to be alive then.
"""

from __future__ import annotations

import copy
import functools
import itertools
from typing import cast

from supervisor.dispatchers import POutputDispatcher

from supervisor_restarter.programs.host import (
    OutputDispatcher,
    Pipes,
    ProcessConfig,
    ProcessGroup,
    Subprocess,
)

NEVER_AGAIN = 'it was replaced, and is not started again'


def is_aside(process: Subprocess) -> bool:
    """Whether the process is one beside that which has its program's name."""
    return bool(getattr(process, 'restarter_aside', ''))


def program_name(process: Subprocess) -> str:
    """The name that the process is configured with, also where it lies aside."""
    return getattr(process, 'restarter_aside', '') or process.config.name


def residents(group: ProcessGroup) -> dict[str, Subprocess]:
    """The processes of the group by their names, without what lies aside."""
    return {name: one for name, one in group.processes.items() if not is_aside(one)}


def take_place(old: Subprocess, config: ProcessConfig) -> Subprocess:
    """Make a second process with this configuration, the old one's own, and give it the name. It is
    not spawned yet, and has to be in this very turn, or Supervisor may do that.
    """
    group, new = _group_of(old), config.make_process(_group_of(old))
    _set_aside(old, f'{config.name}.old')
    processes = {}
    for name, process in group.processes.items():
        processes[name] = new if process is old else process
        if process is old:
            processes[old.config.name] = old
    group.processes = processes
    return new


def give_back(old: Subprocess, new: Subprocess, config: ProcessConfig) -> None:
    """Undo take_place(): the old one, which is still there, has its name and its configuration
    again, and the new one lies aside until it exits. It is not signalled.
    """
    group = _group_of(old)
    _set_aside(new, f'{config.name}.new')
    old.config, old.restarter_aside = config, ''
    _forget_overrides(old)
    processes = {}
    for name, process in group.processes.items():
        if process is new:
            processes[config.name] = old
            processes[new.config.name] = new
        elif process is not old:
            processes[name] = process
    group.processes = processes
    if not new.pid:
        take_out(new)


def take_out(process: Subprocess) -> None:
    """What lies aside has exited: the group is without it."""
    group = _group_of(process)
    # Another dictionary, for Supervisor may be on its way through this one.
    group.processes = {name: one for name, one in group.processes.items() if one is not process}
    _forget_overrides(process)


def sharing_logs(config: ProcessConfig, old: Subprocess) -> ProcessConfig:
    """A copy of the configuration; what is spawned with it writes to the logs that the old one has
    open.

    A log that rotates is renamed by the handle that it is written through. A second handle would go
    on writing to the file that is a backup by then.
    """
    sharing = copy.copy(config)
    its_logs = {one.channel: one.normallog for one in _outputs(old.dispatchers)}

    def make_dispatchers(proc: Subprocess) -> tuple[dict[int, object], Pipes]:
        plain = copy.copy(proc.config)
        del plain.make_dispatchers
        dispatchers, pipes = plain.make_dispatchers(proc)
        for dispatcher in _outputs(dispatchers):
            log, shared = dispatcher.normallog, its_logs.get(dispatcher.channel)
            if log is not None and shared is not None:
                dispatcher.normallog = dispatcher.childlog = shared
                log.close()
        return dispatchers, pipes

    sharing.make_dispatchers = make_dispatchers  # type: ignore[method-assign]
    return sharing


def _outputs(dispatchers: dict[int, object]) -> list[OutputDispatcher]:
    return [
        cast(OutputDispatcher, one)
        for one in dispatchers.values()
        if isinstance(one, POutputDispatcher)
    ]


def _group_of(process: Subprocess) -> ProcessGroup:
    assert process.group is not None, 'it is in its group'
    return process.group


def _set_aside(process: Subprocess, name: str) -> None:
    # Of what it has now: while it is being stopped, that may be a copy with another stopwaitsecs.
    config = copy.copy(process.config)
    vars(config).pop('restarter_original', None)
    config.name = _free_name(_group_of(process), name)
    config.autorestart = False
    process.restarter_aside = process.config.name
    process.config = config
    process.spawn = functools.partial(_refuse_spawn, process)  # type: ignore[method-assign]
    process.transition = functools.partial(_pass_on, process)  # type: ignore[method-assign]


def _free_name(group: ProcessGroup, name: str) -> str:
    names = itertools.chain([name], (f'{name}{number}' for number in itertools.count(2)))
    return next(one for one in names if one not in group.processes)


def _forget_overrides(process: Subprocess) -> None:
    for name in ('spawn', 'transition'):
        vars(process).pop(name, None)


def _refuse_spawn(process: Subprocess) -> None:
    process.spawnerr = NEVER_AGAIN  # supervisorctl start says "spawn error"


def _pass_on(process: Subprocess) -> None:
    if process.pid:
        type(process).transition(process)
    else:
        take_out(process)
