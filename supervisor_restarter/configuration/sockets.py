"""The listening socket of an [fcgi-program:x]: another one, or other keys of the same."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import cast

from supervisor.datatypes import UnixStreamSocketConfig

from supervisor_restarter.programs.host import (
    FcgiProcessGroup,
    SharedSocket,
    SocketConfig,
    SocketManager,
    UnixSocketConfig,
)


def adjust_socket(manager: SocketManager, config: SocketConfig) -> None:
    """The socket, open or not, gets mode, owner and backlog of this configuration; OSError.

    All three can be changed while clients connect.
    """
    if manager.is_prepared() and manager.socket is not None:
        if isinstance(config, UnixStreamSocketConfig):
            _adjust_path(cast(UnixSocketConfig, config))
        manager.socket.listen(config.get_backlog() or socket.SOMAXCONN)
    manager.socket_config = config


def _adjust_path(config: UnixSocketConfig) -> None:
    its = os.stat(config.path)
    owner = config.owner or (os.geteuid(), os.getegid())
    wanted = tuple(new if new != -1 else now for new, now in zip(owner, (its.st_uid, its.st_gid)))
    if wanted != (its.st_uid, its.st_gid):
        os.chown(config.path, *wanted)
    if config.mode is not None:
        os.chmod(config.path, config.mode)


class KeptPath:
    """What is at the path of a unix socket that is about to be bound: put aside, with those who
    listen there, so that it can come back. OSError if that is not possible.

    config: of any socket, or None where there is none.
    """

    def __init__(self, config: SocketConfig | None) -> None:
        self._path = self._aside = ''
        if isinstance(config, UnixStreamSocketConfig):
            self._path = cast(UnixSocketConfig, config).path
            if os.path.lexists(self._path):
                self._aside = f'{self._path}.{os.getpid()}'
                os.rename(self._path, self._aside)

    def put_back(self) -> None:
        """What was there is there again, or nothing, if nothing was."""
        if self._aside:
            os.rename(self._aside, self._path)
        elif self._path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)
        self._path = self._aside = ''

    def forget(self) -> None:
        """What was there is not needed any more."""
        if self._aside:
            with contextlib.suppress(OSError):
                os.unlink(self._aside)
        self._path = self._aside = ''


class OtherSocket:
    """A second socket for a group: its processes get the new one at their next start, and the old
    one stays open for those that have it.

    It is bound when this is made; ValueError with its url if that is not possible.
    """

    def __init__(self, group: FcgiProcessGroup, config: SocketConfig) -> None:
        self._group = group
        self._old, old_manager = group.config.socket_config, group.socket_manager
        self._old_manager = old_manager
        self._new = config
        self._manager: SocketManager = type(old_manager)(  # type: ignore[call-arg]
            config, logger=group.config.options.logger
        )
        try:
            ours = self._manager.get_socket()
        except OSError as error:
            raise ValueError(f'{config.url}: {error.strerror}') from error
        # As long as there are references to them, both stay open.
        self._held: list[SharedSocket] = [ours]
        if old_manager.is_prepared():
            self._held.append(old_manager.get_socket())

    def put_in_place(self) -> None:
        """What is started from now on gets the new one."""
        self._group.socket_manager = self._manager
        self._group.config.socket_config = self._new

    def take_out(self) -> None:
        """What is started from now on gets the old one."""
        self._group.socket_manager = self._old_manager
        self._group.config.socket_config = self._old

    def let_go(self) -> None:
        """Both are closed when no process has them any more."""
        self._held.clear()
