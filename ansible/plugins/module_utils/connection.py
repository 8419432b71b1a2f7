# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""From a module's arguments to the plugin in the supervisord that they mean."""

from __future__ import annotations

from typing import Any

from ansible_collections.supervisor.restarter.plugins.module_utils.configuration import (
    Settings,
    found,
    places,
    read,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter
from ansible_collections.supervisor.restarter.plugins.module_utils.transport import Server
from ansible_collections.supervisor.restarter.plugins.module_utils.urls import user_of


def settings(params: dict[str, Any]) -> Settings:
    """How supervisord is reached: what is given apart, then what is in the URL, then what is in the
    configuration file.

    The file is not looked for where the URL is given: its user and password are not for any server.
    Trouble if there is no file, or it cannot be read.
    """
    config, url = params['config'], params['serverurl']
    if config is None and url is not None:
        taken = Settings(url)
    else:
        taken = read(found(places()) if config is None else config)
        taken.url = taken.url if url is None else url
    username, password = user_of(taken.url)
    # supervisorctl passes over a user in the URL, and takes the one of the file.
    if username is not None and (url is not None or taken.username is None):
        taken.username, taken.password = username, password
    if params['username'] is not None:
        taken.username = params['username']
    if params['password'] is not None:
        taken.password = params['password']
    return taken


def connected(params: dict[str, Any]) -> Restarter:
    """The plugin in that supervisord. Nothing is sent yet."""
    return Restarter(Server(settings(params)))
