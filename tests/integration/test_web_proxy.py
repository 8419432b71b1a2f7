"""The page behind nginx: under a prefix, from a unix socket, by the HTTP/1.0 that nginx uses."""

from __future__ import annotations

import subprocess
import time
from urllib.parse import urljoin

import pytest

from bench.recipe_site import find
from tests.fleet.conftest import skip_aloud
from tests.integration.asking import ask, state
from tests.integration.server import SECONDS, free_port, program

CONFIGURATION = """
daemon off;
master_process off;
pid {here}/nginx.pid;
error_log {here}/nginx.error;
events {{}}
http {{
    access_log off;
    client_body_temp_path {here}/body;
    proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi;
    uwsgi_temp_path {here}/uwsgi;
    scgi_temp_path {here}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /any/where/ {{
            proxy_pass http://unix:{socket}:/;
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""
PREFIX = '/any/where/'


@pytest.fixture
def behind(start, tmp_path):
    """A supervisord with guard = true, and the port of an nginx in front of it."""
    path = find('nginx')
    if not path:
        skip_aloud('the page behind nginx, for it is not here (Debian: nginx)')
    server = start(program(count=2), restarter='guard=true')
    server.wait_state()
    port = free_port()
    text = CONFIGURATION.format(here=tmp_path, port=port, socket=server.dir / 'sock')
    (tmp_path / 'conf').write_text(text)
    nginx = subprocess.Popen(
        [path, '-p', tmp_path, '-c', tmp_path / 'conf', '-e', tmp_path / 'nginx.error'],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server.wait(lambda: ask(port, '/').status > 0, 'nginx')
        yield server, port
    finally:
        nginx.terminate()
        nginx.wait(SECONDS)


def state_there(port, **query):
    fields = '&'.join(f'{name}={value}' for name, value in query.items())
    return ask(port, f'{PREFIX}restarter/state?{fields}').json


def test_every_address_works_under_the_prefix(behind):
    server, port = behind
    answer = ask(port, f'{PREFIX}restarter')
    assert answer.status == 301
    there = urljoin(f'http://localhost:{port}{PREFIX}restarter', answer.headers['location'])
    assert there == f'http://localhost:{port}{PREFIX}restarter/'
    page = ask(port, f'{PREFIX}restarter/')
    assert page.body == ask(server, '/restarter/').body
    tag = page.headers['etag']
    assert ask(port, f'{PREFIX}restarter/', If_None_Match=tag).status == 304
    assert ask(port, f'{PREFIX}restarter/log?process=web:0').json['text'] == ''
    assert ask(port, f'{PREFIX}restarter/', 'POST', b'x').status == 405


def test_news_come_through_at_once(behind):
    server, port = behind
    told, begun = state_there(port), time.monotonic()
    known = f'{told["epoch"]}:{told["version"]}'
    call = server.in_background(lambda: state_there(port, since=known, wait=20))
    server.rpc().supervisor.stopProcess('web:1')
    rows = call.result()['processes']
    assert [row[0] for row in rows] == [told['groups'][0]['processes'].index('1')]
    assert time.monotonic() - begun < 15
    assert state(server)['epoch'] == told['epoch']


def test_the_guard_lets_its_own_page_pass_and_no_other(behind):
    _, port = behind
    own = {'Host': f'localhost:{port}', 'Origin': f'http://localhost:{port}'}
    call = b'<methodCall><methodName>supervisor.getState</methodName><params/></methodCall>'
    assert ask(port, f'{PREFIX}RPC2', 'POST', call, **own).status == 200
    other = {**own, 'Origin': 'http://evil.example'}
    assert ask(port, f'{PREFIX}RPC2', 'POST', call, **other).status == 403
