"""Restart process groups under Supervisor, fast and without losing a process.

[rpcinterface:restarter]
supervisor.rpcinterface_factory = supervisor_restarter:make_rpcinterface

[ctlplugin:restarter]
supervisor.ctl_factory = supervisor_restarter:make_ctlplugin
"""

from __future__ import annotations

from typing import Any

__version__ = '1.0.0'


def __getattr__(name: str) -> Any:
    """make_rpcinterface, the factory for [rpcinterface:x] sections; see server/plugin.py.

    supervisord looks it up before it reads its [eventlistener:x] sections, and by then the
    GROUP_RESTART events have to be known. The command line uses this package too, and need not wait
    for the server's parts.
    """
    if name != 'make_rpcinterface':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from supervisor_restarter.server.plugin import make_rpcinterface

    return make_rpcinterface


def make_ctlplugin(controller: Any, **config: str) -> Any:
    """The factory for [ctlplugin:x] sections; see client/ctlplugin.py."""
    from supervisor_restarter.client.ctlplugin import make_ctlplugin as make

    return make(controller, **config)
