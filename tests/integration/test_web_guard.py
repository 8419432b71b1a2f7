"""guard = true on a real supervisord: what a browser sends for another site is refused, each form by
what browsers say of it; tests/web has real browsers.
"""

from __future__ import annotations

import pytest

from tests.integration.asking import Raw, ask, basic
from tests.integration.server import Server, free_port, program

HOST = 'localhost:9001'
STOP = '/index.html?processname=web&action=stop'
CALL = b'<methodCall><methodName>supervisor.getState</methodName><params/></methodCall>'
HERE = {'Sec_Fetch_Site': 'same-origin', 'Origin': f'http://{HOST}', 'Host': HOST}
# What browsers say of a request that the page of another site makes them send.
ELSEWHERE = {
    'another site': {'Sec_Fetch_Site': 'cross-site'},
    'a neighbour of the same site': {'Sec_Fetch_Site': 'same-site', 'Origin': f'http://{HOST}'},
    'a word of tomorrow': {'Sec_Fetch_Site': 'nested'},
    'another site, by plain http': {'Origin': 'http://evil.example'},
    'a sandbox': {'Origin': 'null'},
    'another port': {'Origin': 'http://localhost:9002'},
    'another host of that name': {'Origin': 'http://localhost.evil.example:9001'},
    'what is no origin': {'Origin': 'http://[x'},
}


@pytest.fixture(scope='module')
def server():
    with Server(program(), restarter='guard=true') as running:
        running.wait_state()
        yield running
        running.check_log()
        assert running.state('web') == 'RUNNING'  # nothing here has stopped it


def headers(said):
    return {'Host': HOST, **said}


@pytest.mark.parametrize('who', ELSEWHERE)
@pytest.mark.parametrize(
    ('method', 'path'),
    [
        ('GET', STOP),
        ('HEAD', STOP),
        ('GET', '/?%61ction=stop&processname=web'),
        ('GET', '/index.html%3Fprocessname=web&action=stop'),
        ('GET', '/?action=stopall'),
        ('POST', '/RPC2'),
        ('POST', '/index.html'),
        ('POST', '/logtail/web'),
        ('OPTIONS', '/RPC2'),
    ],
)
def test_what_another_site_sends_is_refused(server, who, method, path):
    body = CALL if method == 'POST' else None
    answer = ask(server, path, method, body, **headers(ELSEWHERE[who]))
    assert answer.status == 403
    if method != 'HEAD':
        assert answer.line.startswith('refused: the request comes from the page of another site')


@pytest.mark.parametrize('who', ELSEWHERE)
@pytest.mark.parametrize('path', ['/', '/restarter/', '/restarter/state', '/tail.html?limit=1'])
def test_links_from_elsewhere_work(server, who, path):
    assert ask(server, path, **headers(ELSEWHERE[who])).status == 200


@pytest.mark.parametrize(
    'said',
    [
        HERE,
        {'Sec_Fetch_Site': 'none'},  # a bookmark, or what was typed
        {'Origin': f'http://{HOST}'},
        {'Origin': 'https://sv.example', 'Host': 'sv.example:443'},  # behind a proxy with https
        {'Origin': 'http://SV.example', 'Host': 'sv.example:80'},
        {'Referer': f'http://{HOST}/'},
    ],
)
def test_what_its_own_page_sends_passes(server, said):
    assert ask(server, '/?action=refresh', **headers(said)).status == 301
    assert ask(server, '/RPC2', 'POST', CALL, **headers(said)).status == 200


@pytest.mark.parametrize(
    'said', [{}, {'Referer': 'http://evil.example/'}, {'Referer': 'about:blank'}]
)
def test_an_action_needs_to_come_from_somewhere(server, said):
    """Browsers send neither Sec-Fetch-Site nor, with GET, Origin to http://10.0.0.1."""
    assert ask(server, STOP, **headers(said)).status == 403


def test_programs_pass(server):
    assert server.rpc().supervisor.getState()['statename'] == 'RUNNING'
    assert server.ctl('pid').returncode == 0
    assert ask(server, '/restarter/state').status == 200
    assert ask(server, '/RPC2', 'POST', CALL).status == 200


def test_a_refused_body_is_not_taken_for_a_request(server):
    """A form as text/plain can have any body, and what is in it says nothing of where it is from."""
    inner = f'GET {STOP} HTTP/1.1\r\nReferer: http://x/\r\nHost: x\r\n\r\n'.encode()
    head = f'POST /RPC2 HTTP/1.1\r\nSec-Fetch-Site: cross-site\r\nContent-Length: {len(inner)}\r\n'
    client = Raw(server, head.encode() + b'\r\n' + inner)
    assert client.answer().status == 403
    client.socket.sendall(b'GET /restarter/state HTTP/1.1\r\n\r\n')
    assert client.answer().json['processes'][0][1] == 'RUNNING'


def test_it_stands_before_the_password_and_on_every_server(start):
    port = free_port()
    server = start(
        program(),
        restarter='guard=true\nweb=false',
        extra=f'[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=secret\n',
    )
    server.wait_state()
    for address in (server, port):
        refused = ask(address, STOP, Sec_Fetch_Site='cross-site', Authorization=basic('me:secret'))
        assert refused.status == 403
    assert ask(port, STOP).status == 403
    assert ask(port, '/').status == 401
    assert ask(server, '/restarter/').status == 404


def test_without_it_supervisor_does_what_any_site_asks_for(start):
    """What it is for."""
    server = start(program())
    server.wait_state()
    assert ask(server, STOP, Sec_Fetch_Site='cross-site').status == 301
    server.wait_state('web', 'STOPPED')
