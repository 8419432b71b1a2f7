"""Restart process groups under Supervisor, fast and without losing a process.

    [rpcinterface:restarter]
    supervisor.rpcinterface_factory = supervisor_restarter:make_rpcinterface

    [ctlplugin:restarter]
    supervisor.ctl_factory = supervisor_restarter:make_ctlplugin
"""
from __future__ import annotations

from typing import Any

__version__ = '1.0.0'


def make_rpcinterface(supervisord: Any, **config: str) -> Any:
    """The factory for [rpcinterface:x] sections; see plugin.py."""
    # Imported only here: the command line uses this package too, and need not wait for the server's parts.
    from supervisor_restarter.plugin import make_rpcinterface as make
    return make(supervisord, **config)


def make_ctlplugin(controller: Any, **config: str) -> Any:
    """The factory for [ctlplugin:x] sections; see controllerplugin.py."""
    from supervisor_restarter.controllerplugin import make_ctlplugin as make
    return make(controller, **config)
