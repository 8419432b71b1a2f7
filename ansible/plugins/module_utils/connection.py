# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""From a module's arguments to the plugin in the supervisord that they mean."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ansible_collections.supervisor.restarter.plugins.module_utils.configuration import (
    Settings,
    found,
    places,
    read,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter
from ansible_collections.supervisor.restarter.plugins.module_utils.transport import Server


def settings(params: dict[str, Any]) -> Settings:
    """How supervisord is reached: what is given, and the configuration file for the rest.

    The file is not looked for where the URL is given: its user and password are not for any server.
    Trouble if there is no file, or it cannot be read.
    """
    config, url = params['config'], params['serverurl']
    if config is None and url is not None:
        taken = Settings(url)
    else:
        taken = read(found(places()) if config is None else config)
    if url is not None:
        taken.url = url
    if params['username'] is not None:
        taken.username = params['username']
    if params['password'] is not None:
        taken.password = params['password']
    return taken


def connected(params: dict[str, Any]) -> Restarter:
    """The plugin in that supervisord. Nothing is sent yet."""
    return Restarter(Server(settings(params)))


def secrets(params: dict[str, Any]) -> set[str]:
    """What Ansible must not show besides `password`: the password in a URL, in either spelling."""
    url = params['serverurl'] or ''
    user = url.partition('://')[2].rpartition('@')[0] if not url.startswith('unix:') else ''
    password = user.partition(':')[2]
    return {password, unquote(password)} - {''}
