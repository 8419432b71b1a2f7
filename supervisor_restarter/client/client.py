"""Talks to the `restarter` namespace of a supervisord, and says what came of it.

Nothing is printed here: the command supervisorctl_restart_group and supervisorctl's plugin show the
same answers and errors in their own ways. Whatever goes wrong between this process and supervisord
comes out as one ClientError with one line of text and the exit status that belongs to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable, cast

from supervisor.xmlrpc import Faults

from supervisor_restarter.client.errors import (
    CALL_ERRORS,
    ClientError,
    Exit,
    explain,
    in_mid_wait,
    without_password,
)
from supervisor_restarter.client.structs import (
    CONFIG_PLAN_SHAPE,
    INFO_SHAPE,
    LISTED_SHAPE,
    NEWS_SHAPE,
    PLAN_SHAPE,
    RESTART_SHAPE,
    ConfigPlan,
    Plan,
    Restart,
    conforms,
    ended,
    merged,
    tells_news,
)

# Seconds one waitRestart may take: short enough for proxies that drop idle connections.
LONGEST_WAIT = 20.0
# Seconds between two looks at a restart in motion. A look that waits for a change follows only on
# one that saw none, so that there are never more than 2 / LOOK_PAUSE = 10 looks per second, however many
# processes change.
LOOK_PAUSE = 0.2
# A version no restart reaches: waitRestart then returns when the restart has ended, or when its
# seconds are over.
AT_THE_END = 2**31 - 1
# The name of a process that a surge has put aside until it has stopped.
ASIDE = re.compile(r'(?P<name>.+)\.(old|new)[0-9]*')


def exit_status(restart: Restart) -> Exit:
    """The exit status for a restart or an apply that has ended."""
    return Exit.OK if restart['state'] == 'succeeded' else Exit.FAILED


class Client:
    """The restarter namespace of one supervisord.

    `connect` makes a fresh proxy of the namespace (each with its own connection); `url` names the
    server in error texts. Every method raises ClientError, and nothing else but KeyboardInterrupt.

    begun: 'restart' or 'apply', whichever was begun or looked at last. A restart that it has looked
    at is known: of the next looks the server sends only what has changed.
    """

    def __init__(self, connect: Callable[[], Any], url: str) -> None:
        self._connect = connect
        self._proxy: Any = None
        self._url = without_password(url)
        self.begun = 'restart'
        self._known: Restart | None = None

    def call(self, method: str, *args: object) -> Any:
        """The answer of one call, as it came."""
        try:
            proxy = self._connect() if self._proxy is None else self._proxy
            # Kept only after an answer: an interrupted connection is good for nothing more.
            self._proxy = None
            answer = getattr(proxy, method)(*args)
            self._proxy = proxy
        except CALL_ERRORS as exc:
            raise explain(exc, self._url) from exc
        return answer

    def start(self, names: Sequence[str], options: dict[str, Any]) -> str:
        """Starts a restart, which then goes on by itself. Returns its id."""
        return cast(str, self._checked(str, 'startRestart', list(names), options))

    def retry(self, restart_id: str, options: dict[str, Any]) -> str:
        """Starts a restart of what failed or was not reached in another one. Returns its id."""
        given = [options] if options else []
        return cast(str, self._of_newer(str, 'retryRestart', restart_id, *given))

    def apply(self, groups: Sequence[str], options: dict[str, Any]) -> str:
        """Starts to apply the configuration files to these groups, or to all. Returns its id."""
        self.begun = 'apply'
        return cast(str, self._of_newer(str, 'startApply', list(groups), options))

    def scale(self, program: str, number: int) -> str:
        """Starts to give the program so many processes. Returns the id of that apply."""
        self.begun = 'apply'
        return cast(str, self._of_newer(str, 'setNumprocs', program, number))

    def plan_config(self, groups: Sequence[str], secrets: bool = False) -> ConfigPlan:
        """What the configuration files would change in these groups, or in all. Nothing is touched.

        secrets: with what looks like a secret in clear.
        """
        given = [{'secrets': True}] if secrets else []
        plan = self._of_newer(CONFIG_PLAN_SHAPE, 'planConfig', list(groups), *given)
        return cast(ConfigPlan, plan)

    def plan(self, names: Sequence[str], options: dict[str, Any]) -> Plan:
        """What `start` with the same arguments would do. Nothing is touched."""
        return cast(Plan, self._checked(PLAN_SHAPE, 'planRestart', list(names), options))

    def get(self, restart_id: str) -> Restart:
        """The restart as it is now."""
        return self._noted(self._checked(RESTART_SHAPE, 'getRestart', restart_id))

    def restarts(self) -> list[Restart]:
        """Running and past restarts, newest first, without their processes."""
        return cast('list[Restart]', self._checked([LISTED_SHAPE], 'listRestarts'))

    def cancel(self, restart_id: str) -> None:
        """Takes nothing further down; what is down comes back."""
        self.call('cancelRestart', restart_id)

    def follow(self, restart_id: str) -> Iterator[Restart]:
        """The restart several times a second while it changes, and last when it has ended."""
        version, moving = 0, True
        while True:
            until = (AT_THE_END, LOOK_PAUSE) if moving else (version, LONGEST_WAIT)
            restart = self._look(restart_id, *until)
            yield restart
            if ended(restart):
                return
            version, moving = restart['version'], restart['version'] != version

    def wait(self, restart_id: str) -> Restart:
        """The restart when it has ended, however long that takes."""
        while True:
            restart = self._look(restart_id, AT_THE_END, LONGEST_WAIT)
            if ended(restart):
                return restart

    def _look(self, restart_id: str, version: int, seconds: float) -> Restart:
        """One look at a restart in motion, over a new connection if the old one broke.

        Looking twice does no harm, and a broken connection alone says nothing about the restart:
        after a reload it is the new supervisord that knows whether it still has it.
        """
        known = self._known
        if known is not None and (known['id'] != restart_id or not tells_news(known)):
            known = None
        since = [] if known is None else [known['version']]
        shape, ask = (NEWS_SHAPE if since else RESTART_SHAPE), (restart_id, version, seconds)
        try:
            looked = once_more(lambda: self._checked(shape, 'waitRestart', *ask, *since))
        except ClientError as exc:
            raise in_mid_wait(exc, f'{self.begun} {restart_id}') from exc
        whole = looked if known is None else merged(known, looked)
        if whole is None:
            raise self._unexpected('waitRestart')
        return self._noted(whole)

    def _noted(self, restart: Any) -> Restart:
        self._known = cast(Restart, restart)
        self.begun = restart.get('kind', 'restart')
        return self._known

    def _of_newer(self, shape: Any, method: str, *args: object) -> Any:
        """As _checked, of a method that an older server does not have: the error says so."""
        try:
            return self._checked(shape, method, *args)
        except ClientError as exc:
            if exc.code != Faults.UNKNOWN_METHOD:
                raise
            # Raises the same if there is no interface at all.
            version = self._checked(str, 'getPluginVersion')
            raise ClientError(
                Exit.NO_INTERFACE,
                f'the restarter there ({version}) knows no {method}: it is older '
                'than this command; upgrade it, and restart supervisord',
            ) from exc

    def _checked(self, shape: Any, method: str, *args: object) -> Any:
        answer = self.call(method, *args)
        if not conforms(answer, shape):
            raise self._unexpected(method)
        return answer

    def _unexpected(self, method: str) -> ClientError:
        return ClientError(
            Exit.NO_INTERFACE,
            f'{self._url} answered {method} with something unexpected: the '
            'restarter there and this command are not of the same version',
        )


def process_infos(answer: object) -> list[dict[str, Any]]:
    """The processes that getAllProcessInfo has answered; ClientError if it is anything else."""
    if not conforms(answer, [INFO_SHAPE]):
        raise ClientError(
            Exit.FAILED, 'supervisord answered getAllProcessInfo with something unexpected'
        )
    return cast('list[dict[str, Any]]', answer)


def without_asides(infos: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of Supervisor's processes that can be named. A program may be called so, too: whoever
    acts on a name that a user has typed does not ask this.
    """
    found = list(infos)
    there = {(info['group'], info['name']) for info in found}
    asides = [ASIDE.fullmatch(info['name']) for info in found]
    return [
        info
        for info, aside in zip(found, asides)
        if aside is None or (info['group'], aside['name']) not in there
    ]


def once_more(ask: Callable[[], Any]) -> Any:
    """What `ask` returns, which may do no harm if done twice: it is called again, over a new
    connection, if the old one broke.
    """
    try:
        return ask()
    except ClientError as exc:
        if not isinstance(exc.__cause__, ConnectionError):
            raise
        return ask()
