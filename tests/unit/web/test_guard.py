"""The guard's rule where no HTTP server is needed to tell; tests/integration/test_web_guard.py has
what browsers say.
"""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.web.guard import is_foreign


@given(
    escaped=st.lists(st.booleans(), min_size=6, max_size=6),
    before=st.lists(st.sampled_from(['a=1', 'action', 'processname=x', 'action=', '']), max_size=3),
)
def test_an_action_is_found_however_it_is_written(escaped, before):
    name = ''.join(f'%{ord(c):02x}' if hide else c for c, hide in zip('action', escaped))
    query = '&'.join([*before, f'{name}=stop'])
    assert is_foreign('GET', f'/?{query}', site='cross-site', host='x')


@pytest.mark.parametrize(
    'uri', ['/', '/?reaction=1', '/?x=action', '/action=stop', '/?x=%3Faction%3D1']
)
def test_what_is_no_action_passes(uri):
    assert not is_foreign('GET', uri, site='cross-site', host='x')


HOSTS = st.sampled_from(['x', 'x:80', 'x:443', 'x:9001', '[::1]:9001', 'X', 'y', ''])


@given(scheme=st.sampled_from(['http', 'https', 'ftp', '']), theirs=HOSTS, ours=HOSTS)
def test_an_origin_is_of_the_host_if_both_mean_the_same_port(scheme, theirs, ours):
    usual = {'http': ':80', 'https': ':443'}.get(scheme, ':?')
    same = theirs.lower().removesuffix(usual) if theirs else None
    own = bool(ours) and usual != ':?' and same == ours.lower().removesuffix(usual)
    origin = f'{scheme}://{theirs}'
    assert is_foreign('POST', '/RPC2', origin=origin, host=ours or None) is not own


@given(text=st.text(max_size=30))
def test_nothing_that_a_header_can_have_is_an_error(text):
    for name in ('site', 'origin', 'referer', 'host'):
        is_foreign('GET', f'/?action={quote(text)}', **{'host': 'x', name: text})
    is_foreign('GET', f'/{text}', site='cross-site', host='x')
