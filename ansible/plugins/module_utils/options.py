# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""What the modules can be told: their arguments, which go with which state, and what is sent of them.

The server checks the values; it is the one that knows what is allowed, and says so.
"""

from __future__ import annotations

import re
from typing import Any, Iterable

from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble

CONNECTION: dict[str, dict[str, Any]] = {
    'config': {'type': 'path'},
    'serverurl': {'type': 'str'},
    'username': {'type': 'str'},
    'password': {'type': 'str', 'no_log': True},
}
# An option that is not given is not sent: what the configuration and the programs say holds then.
RESTART: dict[str, dict[str, Any]] = {
    'newer_than': {'type': 'list', 'elements': 'path'},
    'max_unavailable': {'type': 'str'},
    'max_surge': {'type': 'str'},
    'stagger_factor': {'type': 'int'},
    'delay': {'type': 'float'},
    'timeout': {'type': 'float'},
    'scout': {'type': 'float'},
    'min_ready': {'type': 'float'},
    'ready_timeout': {'type': 'float'},
    'hook_timeout': {'type': 'float'},
    'stop_timeout': {'type': 'float'},
    'on_failure': {'type': 'str', 'choices': ['abort', 'continue']},
    'only_running': {'type': 'bool'},
}
# Of these, what an apply of a configuration takes; the files say what is restarted.
APPLY = {
    **{
        name: argument
        for name, argument in RESTART.items()
        if name not in ('newer_than', 'only_running', 'max_surge')
    },
    'rollback': {'type': 'bool', 'default': True},
    'prune': {'type': 'bool', 'default': True},
}
# How processes are taken down.
TAKING_DOWN = ('max_unavailable', 'max_surge', 'stagger_factor', 'delay', 'scout', 'stop_timeout')
MOST = 2**31 - 1  # XML-RPC has whole numbers of 32 bits
# Options that have no meaning with a state, as nothing is taken down, or nothing brought up.
MEANINGLESS = {
    'started': ('newer_than', *TAKING_DOWN, 'only_running'),
    'stopped': tuple(name for name in RESTART if name != 'timeout'),
    'restarted': (),
    'signalled': ('max_surge', 'hook_timeout', 'stop_timeout'),
}


def refuse_meaningless(params: dict[str, Any]) -> None:
    """Trouble if an option is given that has no meaning with the state."""
    state = params['state']
    if params['signal'] is not None and state != 'signalled':
        raise Trouble(f'signal has no meaning with state: {state}, only with state: signalled')
    for name in MEANINGLESS[state]:
        if params[name] is not None:
            states = [other for other in MEANINGLESS if name not in MEANINGLESS[other]]
            raise Trouble(
                f'{name} has no meaning with state: {state}, only with {" or ".join(states)}'
            )


def method(params: dict[str, Any]) -> dict[str, str]:
    """The option `method` that the state stands for, if it is not the usual one."""
    if params['state'] == 'started':
        return {'method': 'start'}
    if params['state'] == 'signalled':
        return {'method': f'signal:{params["signal"]}'}
    return {}


def in_own_words(refusal: str) -> str:
    """The server's refusal of a method, where it is that of a signal: nobody has given a method."""
    return re.sub(
        """method = (['"])signal:(.*)\\1 is not allowed: .*such as signal:HUP""",
        r'signal = \1\2\1 is not allowed: it must be the name of a signal, such as HUP',
        refusal,
    )


def given(params: dict[str, Any], known: Iterable[str] = tuple(RESTART)) -> dict[str, Any]:
    """Of these options those that are given, as they are sent. Trouble if newer_than is empty."""
    values = {name: params[name] for name in known if params[name] is not None}
    if values.get('newer_than') == []:
        # A list that a template has made: restarting everything is not what was meant by it.
        raise Trouble('newer_than is empty: give a path, or leave it out to restart everything')
    # A plugin of version 1.0.0 takes a count only as a number.
    count = values.get('max_unavailable', '').strip()
    if count.isascii() and count.isdigit() and len(count) < len(str(MOST)):
        values['max_unavailable'] = int(count)
    for name, value in values.items():
        # XML-RPC cannot carry it, so that the server could not say what is allowed.
        if isinstance(value, int) and abs(value) > MOST:
            values[name] = str(value)
    return values
