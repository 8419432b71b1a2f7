# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import urls


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
    assert urls.secrets(url) == hidden


@pytest.mark.parametrize(
    ('url', 'user'),
    [
        ('http://localhost', (None, None)),
        ('http://me@localhost', ('me', None)),
        ('http://m%C3%A9:p%40ss%2Fw@localhost', ('mé', 'p@ss/w')),
        ('unix:///run/a:b@c', (None, None)),
        ('unix://a:b@c/d', (None, None)),
        ('http://[me:x@localhost', (None, None)),
    ],
)
def test_the_user_of_a_url(url, user):
    assert urls.user_of(url) == user


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('http://localhost:1', 'http://localhost:1'),
        ('http://me:x@localhost:1', 'http://localhost:1'),
        ('http://me:x/y@z@localhost:1', 'http://localhost:1'),
        ('unix:///run/a:b@c', 'unix:///run/a:b@c'),
    ],
)
def test_a_url_is_shown_without_its_user(url, shown):
    assert urls.without_password(url) == shown
