# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""The calls of the plugin and of Supervisor that the modules use, and what their faults mean."""

from __future__ import annotations

from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils.errors import (
    BAD_OPTION,
    SHUTDOWN_STATE,
    UNKNOWN_METHOD,
    Refused,
    Trouble,
    Unreachable,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.transport import Server

NO_PLUGIN = (
    'supervisord there runs without the plugin: its configuration file needs a section '
    '[rpcinterface:restarter] with supervisor.rpcinterface_factory = '
    'supervisor_restarter:make_rpcinterface, and then `supervisorctl reload`, which restarts all '
    'programs'
)
SHUTTING_DOWN = 'supervisord is shutting down or being reloaded'


class Restarter:
    """The plugin in one supervisord.

    Every method raises Trouble, or what is derived from it: Refused for a fault, Unreachable where
    no answer has come.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    def start(self, names: list[str], options: dict[str, Any]) -> str:
        """Begins a restart, which then goes on by itself. Returns its id. It is sent once."""
        return self._begun('restart', 'startRestart', names, options)

    def apply(self, groups: list[str], options: dict[str, Any]) -> str:
        """Begins to apply the configuration files, as start() begins a restart. []: all groups."""
        return self._begun('apply', 'startApply', groups, options)

    def plan(self, names: list[str], options: dict[str, Any]) -> dict[str, Any]:
        """What start() with the same arguments would do. Nothing is touched."""
        return self._checked(dict, self._asked('planRestart', names, options))

    def plan_config(self, groups: list[str], secrets: bool) -> dict[str, Any]:
        """What apply() would do, key by key. Nothing is touched. secrets: show them in clear."""
        plan = self._checked(dict, self._asked('planConfig', groups, {'secrets': secrets}))
        self._checked(list, plan.get('groups'))
        return plan

    def wait(self, restart_id: str, version: int, seconds: float) -> dict[str, Any]:
        """The restart as soon as its version is greater, or has ended, or the seconds are over."""
        answer = self._asked('waitRestart', restart_id, version, seconds)
        restart = self._checked(dict, answer)
        self._checked(list, restart.get('processes'))
        return restart

    def get(self, restart_id: str) -> dict[str, Any]:
        """The restart as it is."""
        return self._checked(dict, self._asked('getRestart', restart_id))

    def restarts(self) -> list[dict[str, Any]]:
        """All restarts that the server knows, newest first, without their processes."""
        return self._checked(list, self._asked('listRestarts'))

    def stop(self, names: list[str]) -> list[dict[str, Any]]:
        """Begins to stop processes, and does not wait. Returns a struct for each, with a status."""
        return self._checked(list, self._asked('quickStop', names, False))

    def version(self) -> str:
        """The version of the plugin."""
        return str(self._asked('getPluginVersion'))

    def processes(self) -> list[dict[str, Any]]:
        """All processes, as Supervisor itself tells of them."""
        return self._checked(list, self._call('supervisor.getAllProcessInfo'))

    def _begun(self, kind: str, method: str, *arguments: Any) -> str:
        try:
            return str(self._asked(method, *arguments))
        except Unreachable as error:
            if not error.sent:
                raise
            raise Trouble(
                f'{error}; whether the {kind} has begun is not known: '
                '`supervisorctl_restart_group --status` there tells'
            ) from None

    def _asked(self, method: str, *arguments: Any) -> Any:
        try:
            return self._call(f'restarter.{method}', *arguments)
        except Refused as fault:
            if fault.code == UNKNOWN_METHOD:
                raise self._without(method) from None
            if fault.code == BAD_OPTION and _unknown(str(fault)):
                raise Refused(BAD_OPTION, f'{fault} ({self._older()})') from None
            raise

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return self._server.call(method, *arguments)
        except Refused as fault:
            if fault.code == SHUTDOWN_STATE:
                # Of a reload one cannot say when it is over, only that there is no answer now.
                raise Unreachable(SHUTTING_DOWN, sent=False) from None
            raise

    def _without(self, method: str) -> Trouble:
        try:
            self._call('restarter.getPluginVersion')
        except Refused:
            return Trouble(NO_PLUGIN)
        return Trouble(f'the plugin there does not know {method}: {self._older()}')

    def _older(self) -> str:
        version = self._call('restarter.getPluginVersion')
        return f'the plugin there has version {version} and may be older than this collection'

    def _checked(self, kind: type, answer: Any) -> Any:
        if not isinstance(answer, kind):
            raise Unreachable(f'{self._server.name} answered with something unexpected')
        return answer


def _unknown(text: str) -> bool:
    """Whether a refusal of an option may mean that the plugin is too old to know it."""
    return 'unknown option' in text or "method = 'start'" in text
