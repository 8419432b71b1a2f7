# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import connection

NOTHING = {'config': None, 'serverurl': None, 'username': None, 'password': None}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'conf'
    path.write_text('[supervisorctl]\nserverurl=unix:///file\nusername=me\npassword=mine\n')
    return str(path)


def reached(**params):
    settings = connection.settings({**NOTHING, **params})
    return settings.url, settings.username, settings.password


def test_the_file_says_all(config):
    assert reached(config=config) == ('unix:///file', 'me', 'mine')


def test_the_file_is_looked_for(config, monkeypatch):
    monkeypatch.setattr(connection, 'places', lambda: ['/nowhere', config])

    assert reached(username='you') == ('unix:///file', 'you', 'mine')


def test_what_is_given_comes_before_the_file(config):
    given = {'serverurl': 'http://a', 'username': 'you', 'password': 'yours'}

    assert reached(config=config, **given) == ('http://a', 'you', 'yours')


def test_with_a_url_alone_no_file_is_looked_for(config, monkeypatch):
    monkeypatch.setattr(connection, 'places', lambda: [config])

    assert reached(serverurl='http://a') == ('http://a', None, None)


@pytest.mark.parametrize(
    ('url', 'hidden'),
    [
        (None, set()),
        ('http://localhost', set()),
        ('http://me@localhost', set()),
        ('http://me:s%40x@localhost', {'s%40x', 's@x'}),
        ('http://me:br/ok@en@localhost', {'br/ok@en'}),
        ('unix:///run/a:b@c', set()),
    ],
)
def test_the_password_of_a_url_is_hidden(url, hidden):
    assert connection.secrets({**NOTHING, 'serverurl': url}) == hidden
