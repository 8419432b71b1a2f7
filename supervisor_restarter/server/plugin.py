"""What supervisord calls to make the interface: the only place where the parts are joined."""

from __future__ import annotations

import types
from typing import Any

from supervisor_restarter.options import from_configuration
from supervisor_restarter.server.rpcinterface import RestarterNamespaceRPCInterface
from supervisor_restarter.server.service import Service


def make_rpcinterface(supervisord: Any, **config: str) -> RestarterNamespaceRPCInterface:
    """The factory for [rpcinterface:x] sections.

    Supervisor calls it once for each of its HTTP servers; all of them share one Service.
    ValueError for an unknown key or a bad value.
    """
    try:
        settings = from_configuration(_section(supervisord, config), config)
    except ValueError as error:
        _say_so(supervisord.options, str(error))
        raise
    service = getattr(supervisord, 'restarter_service', None)
    if service is None:
        # It lives and dies with this Supervisor object: a reload makes a new one.
        service = supervisord.restarter_service = Service(supervisord, settings)
    return RestarterNamespaceRPCInterface(supervisord, service, settings.defaults)


def _section(supervisord: Any, config: dict[str, str]) -> str:
    # Supervisor does not tell a factory its section; it is the one with these keys.
    for name, factory, extras in getattr(supervisord.options, 'rpcinterface_factories', ()):
        if factory is make_rpcinterface and extras == config:
            return f'rpcinterface:{name}'
    return 'rpcinterface:restarter'


def _say_so(options: Any, line: str) -> None:
    """Have supervisord, which is about to exit, say `line` as its error.

    Of its own it logs a traceback and says that it could not make the interface, and nothing more.
    """

    def usage(self: Any, message: str) -> None:
        type(self).usage(self, line)

    options.usage = types.MethodType(usage, options)
    options.logger.critical(line)
    options.logger.warn = lambda message, **kw: None
