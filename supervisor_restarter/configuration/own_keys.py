"""What a group has of its own, beside its processes: priority, events, socket and so on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable, cast

from supervisor_restarter.configuration.ownconfig import overwrite
from supervisor_restarter.configuration.sockets import KeptPath, OtherSocket, adjust_socket
from supervisor_restarter.configuration.steps import Steps
from supervisor_restarter.programs.host import (
    EventListenerPool,
    FcgiGroupConfig,
    FcgiProcessGroup,
    ProcessGroup,
    ProcessGroupConfig,
    SocketConfig,
)

# What a group's configuration has beside its own keys, or is changed apart from them.
APART = ('options', 'name', 'process_configs', 'socket_config')


class OwnKeys:
    """The keys of one group. is_there: whether the group still is what it was."""

    def __init__(self, group: ProcessGroup, is_there: Callable[[], bool]) -> None:
        self._group, self._is_there = group, is_there
        self._socket: OtherSocket | None = None
        self._path: KeptPath | None = None

    @property
    def other_socket(self) -> bool:
        """Whether there is a second socket, which processes get at their next start."""
        return self._socket is not None

    def change(self, new: ProcessGroupConfig, other_socket: bool, steps: Steps) -> None:
        """All that can hold at once does. other_socket: the group is to listen somewhere else; that
        socket is bound, and put in place later.
        """
        steps.undo_by(self.set, dict(vars(self._group.config)))
        self.set(vars(new))
        if not hasattr(new, 'socket_config'):
            return
        group, wanted = self._fcgi_group, cast(FcgiGroupConfig, new).socket_config
        if other_socket:
            self._path = KeptPath(wanted)
            steps.undo_by(self._path.put_back)
            self._socket = OtherSocket(group, wanted)
            steps.undo_by(self._take_socket_out)
        else:
            steps.undo_by(self._set_socket, group.config.socket_config)
            self._set_socket(wanted)

    @property
    def _fcgi_group(self) -> FcgiProcessGroup:
        return cast(FcgiProcessGroup, self._group)

    def set(self, values: Mapping[str, object]) -> None:
        """The keys have these values, but for those of the socket."""
        if not self._is_there():
            return
        config = self._group.config
        kept = {key: value for key, value in vars(config).items() if key in APART}
        others = {key: value for key, value in values.items() if key not in APART}
        listens_anew = others.get('pool_events') != vars(config).get('pool_events')
        pool = cast(EventListenerPool, self._group)
        if listens_anew:
            pool.before_remove()  # it looks up what it is subscribed to
        overwrite(config, {**others, **kept})
        if listens_anew:
            pool._subscribe()

    def _set_socket(self, wanted: SocketConfig) -> None:
        if self._is_there():
            adjust_socket(self._fcgi_group.socket_manager, wanted)
            self._fcgi_group.config.socket_config = wanted

    def put_socket_in_place(self) -> None:
        """What is started from now on gets the other socket, if there is one."""
        if self._socket is not None:
            self._socket.put_in_place()

    def _take_socket_out(self) -> None:
        if self._socket is not None and self._is_there():
            self._socket.take_out()

    def release(self) -> None:
        """Neither the other socket nor the former one is held open for those that start later."""
        if self._socket is not None:
            self._socket.let_go()
        if self._path is not None:
            self._path.forget()
