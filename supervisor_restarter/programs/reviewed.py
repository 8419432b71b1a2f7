"""Whether what takes part in a process's start is what was read in Supervisor's source.

A child is imitated, or its errors foretold, only where that is so: not where another plugin has
replaced a part of Supervisor's spawn(), nor with a release of Supervisor that was not compared.
"""

from __future__ import annotations

import os
import posix
import subprocess
import sys

from supervisor.options import (
    VERSION,
    EventListenerConfig,
    FastCGIProcessConfig,
    ProcessConfig,
    ServerOptions,
)
from supervisor.process import FastCGISubprocess, Subprocess

from supervisor_restarter.programs import host

# The releases of Supervisor whose child is imitated here.
REVIEWED_RELEASES = ('4.2.3', '4.2.4', '4.2.5', '4.3.0')
# What spawning goes through. Where others have put something else in its place, that is to run.
# fmt: off
OF_PROCESS = (
    'spawn', 'get_execv_args', 'drain', 'set_uid', '_prepare_child_fds', '_spawn_as_child',
    '_spawn_as_parent',
)
OF_OPTIONS = (
    'fork', 'setpgrp', 'dup2', 'close_fd', 'drop_privileges', 'chdir', 'setumask', 'execve',
    'write', '_exit', 'make_pipes', 'close_parent_pipes', 'close_child_pipes',
)
# fmt: on
OF_POPEN = ('__init__', '_execute_child')


def altered(process: host.Subprocess) -> str:
    """Why it is not known what a child of this process does; '' if it is what Supervisor's source
    says.
    """
    why = unreviewed(process)
    if why:
        return why
    if os.fork is not posix.fork or os.execve is not posix.execve:
        return 'somebody has replaced os.fork or os.execve'
    for name in OF_POPEN:
        if _globals(subprocess.Popen, name) is not vars(subprocess):
            return f'somebody has replaced subprocess.Popen.{name}'
    return ''


def unreviewed(process: host.Subprocess) -> str:
    """Why the process is left to its own spawn() as it is; '' if all that takes part is what was
    read in Supervisor.
    """
    if VERSION not in REVIEWED_RELEASES:
        return f'not compared with Supervisor {VERSION}'
    options = process.config.options
    for thing, kinds in (
        (process, (Subprocess, FastCGISubprocess)),
        (options, (ServerOptions,)),
        (process.config, (ProcessConfig, EventListenerConfig, FastCGIProcessConfig)),
    ):
        if type(thing) not in kinds:
            return f"{type(thing).__name__} is not one of Supervisor's"
    for thing, names in ((process, OF_PROCESS), (options, OF_OPTIONS)):
        for name in names:
            if _globals(thing, name) is not vars(sys.modules[type(thing).__module__]):
                return f'somebody has replaced {type(thing).__name__}.{name}'
    return ''


def _globals(thing: object, name: str) -> object:
    """The variables of the module in which a method of the thing was written."""
    return getattr(getattr(thing, name, None), '__globals__', None)
