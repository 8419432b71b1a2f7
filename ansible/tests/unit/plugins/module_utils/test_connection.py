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


def test_with_a_url_alone_no_file_is_looked_for(config, monkeypatch):
    monkeypatch.setattr(connection, 'places', lambda: [config])

    assert reached(serverurl='http://a') == ('http://a', None, None)


@pytest.mark.parametrize(
    ('given', 'user'),
    [
        ({}, ('me', 'mine')),
        ({'serverurl': 'http://a'}, ('me', 'mine')),
        ({'serverurl': 'http://you:y%40u@a'}, ('you', 'y@u')),
        ({'serverurl': 'http://you@a'}, ('you', None)),
        ({'serverurl': 'http://you@a', 'password': 'yours'}, ('you', 'yours')),
        ({'serverurl': 'http://x:y@a', 'username': 'you', 'password': 'yours'}, ('you', 'yours')),
        ({'password': 'yours'}, ('me', 'yours')),
    ],
)
def test_what_is_given_apart_comes_first_then_the_url_then_the_file(config, given, user):
    assert reached(config=config, **given)[1:] == user


@pytest.mark.parametrize(
    ('more', 'user'), [('', ('you', 'yours')), ('username=me\n', ('me', None))]
)
def test_in_the_file_a_user_beside_the_url_comes_first(tmp_path, more, user):
    path = tmp_path / 'conf'
    path.write_text(f'[supervisorctl]\nserverurl=http://you:yours@a\n{more}')

    assert reached(config=str(path))[1:] == user
