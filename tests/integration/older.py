"""The restarter interface without what came with applies, as an older release has it.

The repository must be on supervisord's PYTHONPATH.
"""

from __future__ import annotations

from typing import Any

from supervisor_restarter import make_rpcinterface

NEWER = ('planConfig', 'startApply', 'setNumprocs')


def make_older(supervisord: Any, **config: str) -> Any:
    """The factory for [rpcinterface:restarter]."""
    interface = make_rpcinterface(supervisord, **config)
    for method in NEWER:
        setattr(interface, method, None)  # unknown, to Supervisor's look-up
    return interface
