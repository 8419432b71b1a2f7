"""Where the page and the guard stand among the handlers of a server, and what is logged of it."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest
from supervisor.http import supervisor_auth_handler

from supervisor_restarter.web.site import address, mount

INET: dict[str, object] = {
    'family': socket.AF_INET, 'host': '127.0.0.1', 'port': 9001, 'username': None, 'password': None,
}  # fmt: skip
UNIX: dict[str, object] = {**INET, 'family': socket.AF_UNIX, 'file': '/run/x.sock'}
STOCK = ['rpc', 'tail', 'main', 'ui', 'default']
SITE: Any = 'page'
GUARD: Any = 'guard'


def mounted(section, site=SITE, guard=GUARD):
    """The handlers of a server of Supervisor's, and the addresses of the page."""
    server: Any = SimpleNamespace(handlers=list(STOCK))
    return mount([(section, server)], site, guard), server.handlers


def test_the_page_is_asked_last_but_one_and_the_guard_first():
    assert mounted(INET) == (
        ['at http://127.0.0.1:9001/restarter/'],
        ['guard', 'rpc', 'tail', 'main', 'ui', 'page', 'default'],
    )


def test_without_guard_the_others_keep_their_places():
    addresses, handlers = mounted(UNIX, guard=None)
    assert addresses == ['on unix:///run/x.sock']
    assert handlers[:4] == STOCK[:4]
    assert handlers[-1] == 'default'


def test_the_page_stands_behind_the_password_and_the_guard_before_it():
    _, handlers = mounted({**INET, 'username': 'me', 'password': 'secret'})
    assert handlers[0] == 'guard'
    assert isinstance(handlers[-2], supervisor_auth_handler)
    assert handlers[-2].handler == 'page'


def test_with_neither_nothing_is_touched():
    assert mounted(INET, None, None) == ([], STOCK)


@pytest.mark.parametrize('host', ['', '0.0.0.0'])
def test_a_server_on_all_addresses_is_found_by_the_name_of_its_host(host):
    there = address({**INET, 'host': host})
    assert there == f'at http://{socket.gethostname()}:9001/restarter/'
