# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import base64
import shutil
import socket
import ssl
import subprocess
import threading
import xmlrpc.client

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import transport
from ansible_collections.supervisor.restarter.plugins.module_utils.configuration import Settings
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import (
    Refused,
    Trouble,
    Unreachable,
)

Server = transport.Server


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def authorization(server):
    return base64.b64decode(server.requests[0].headers['Authorization'].split()[1]).decode()


@pytest.mark.parametrize('kind', ['http_server', 'unix_server'])
def test_a_call_is_answered(kind, request):
    server = request.getfixturevalue(kind)
    server.answer = lambda method, arguments: {'method': method, 'names': arguments[0]}

    answer = Server(Settings(server.url)).call('restarter.planRestart', ['wéb'], {})

    assert answer == {'method': 'restarter.planRestart', 'names': ['wéb']}
    assert server.requests[0].path == '/RPC2'
    assert 'Authorization' not in server.requests[0].headers


def test_a_fault_keeps_its_code_and_text(unix_server):
    unix_server.answer = lambda method, arguments: xmlrpc.client.Fault(0x440, 'BUSY: web\nis')

    with pytest.raises(Refused) as caught:
        Server(Settings(unix_server.url)).call('restarter.startRestart')

    assert caught.value.code == 0x440
    assert str(caught.value) == 'BUSY: web\\nis'


def test_user_and_password_are_sent(http_server):
    Server(Settings(http_server.url, 'deploy', 'pa:ss wörd')).call('a.b')

    assert authorization(http_server) == 'deploy:pa:ss wörd'


def test_a_path_is_kept(http_server):
    Server(Settings(http_server.url + '/host3/RPC2')).call('a.b')

    assert http_server.requests[0].path == '/host3/RPC2'


def test_a_proxy_of_the_environment_does_not_matter(http_server, monkeypatch):
    monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{free_port()}')

    assert Server(Settings(http_server.url)).call('a.b') is True


def test_a_call_is_never_sent_twice(unix_server, make):
    unix_server.answer = lambda method, arguments: make.HANG_UP

    with pytest.raises(Unreachable, match='closed the connection without an answer') as caught:
        Server(Settings(unix_server.url)).call('restarter.startRestart')

    assert caught.value.sent
    assert len(unix_server.requests) == 1


def test_an_answer_is_not_waited_for_for_ever(unix_server):
    over = threading.Event()
    unix_server.answer = lambda method, arguments: over.wait(30)
    server = Server(Settings(unix_server.url), connect=60.0, answer=0.05)

    try:
        with pytest.raises(Unreachable, match='has not answered within 0.05 s') as caught:
            server.call('a.b')
    finally:
        over.set()

    assert caught.value.sent
    assert not caught.value.gone


def test_a_connection_is_not_waited_for_for_ever():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        url = f'http://127.0.0.1:{listener.getsockname()[1]}'
        waiting = [socket.socket() for _number in range(3)]  # they fill the queue of the listener
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            with pytest.raises(Unreachable, match='not accepted a connection within 0.2') as caught:
                Server(Settings(url), connect=0.2).call('a.b')
        finally:
            for one in waiting:
                one.close()

    assert not caught.value.sent


def test_a_wrong_password_is_said_without_it(http_server):
    http_server.answer = lambda method, arguments: (401, 'no')
    url = http_server.url.replace('//', '//deploy:geheim@')

    with pytest.raises(Trouble) as caught:
        Server(Settings(url)).call('a.b')

    assert str(caught.value) == (
        f'{http_server.url} requires authentication: username or password missing or wrong'
    )


@pytest.mark.parametrize(('status', 'sent'), [(404, False), (502, True), (504, True)])
def test_what_a_proxy_has_passed_on_is_not_known(http_server, status, sent):
    http_server.answer = lambda method, arguments: (status, 'x')

    with pytest.raises(Unreachable) as caught:
        Server(Settings(http_server.url)).call('restarter.startRestart')

    assert caught.value.sent is sent


@pytest.mark.parametrize(
    ('answer', 'said'),
    [
        ((500, 'x'), 'answered HTTP 500'),
        ((200, '<html>'), 'answered with something that is not XML-RPC'),
        ((200, '<a/>'), 'answered with something that is not XML-RPC'),
        ((200, ''), 'answered with something that is not XML-RPC'),
    ],
)
def test_what_is_no_answer(http_server, answer, said):
    http_server.answer = lambda method, arguments: answer

    with pytest.raises(Unreachable, match=said):
        Server(Settings(http_server.url)).call('a.b')


def test_what_does_not_speak_http():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()

        def greet():
            connection, _address = listener.accept()
            connection.sendall(b'SSH-2.0-x\r\n')
            connection.recv(10_000)
            connection.close()

        thread = threading.Thread(target=greet)
        thread.start()
        url = f'http://127.0.0.1:{listener.getsockname()[1]}'
        with pytest.raises(Unreachable, match='does not speak HTTP as it should'):
            Server(Settings(url)).call('a.b')
        thread.join()


@pytest.fixture
def https_server(http_server, tmp_path):
    """A server behind TLS; `certificate` is the file with its own."""
    if not shutil.which('openssl'):
        pytest.skip('openssl makes the certificate')
    http_server.certificate = str(tmp_path / 'server.pem')
    how = 'openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -addext'
    files = ['-keyout', http_server.certificate + '.key', '-out', http_server.certificate]
    subprocess.run(
        [*how.split(), 'subjectAltName=IP:127.0.0.1', *files], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(http_server.certificate, http_server.certificate + '.key')
    http_server.socket = context.wrap_socket(http_server.socket, server_side=True)
    http_server.url = http_server.url.replace('http:', 'https:')
    return http_server


def test_a_call_over_tls(https_server, monkeypatch):
    monkeypatch.setenv('SSL_CERT_FILE', https_server.certificate)

    assert Server(Settings(https_server.url)).call('a.b') is True


def test_a_certificate_is_checked(https_server):
    with pytest.raises(Unreachable, match='has a certificate that is not trusted'):
        Server(Settings(https_server.url)).call('a.b')

    assert https_server.requests == []


def test_what_does_not_speak_tls(http_server):
    with pytest.raises(Unreachable, match='does not speak TLS as it should'):
        Server(Settings(http_server.url.replace('http:', 'https:'))).call('a.b')


def test_what_waits_for_the_end_of_a_line_as_supervisord_does():
    with socket.create_server(('127.0.0.1', 0)) as silent:
        url = f'https://127.0.0.1:{silent.getsockname()[1]}'

        with pytest.raises(Unreachable, match='does not speak TLS, is it http://'):
            Server(Settings(url), connect=0.1).call('a.b')


@pytest.mark.parametrize('kind', ['http', 'unix'])
def test_where_nothing_listens_supervisord_is_gone(kind, tmp_path):
    urls = {'http': f'http://127.0.0.1:{free_port()}', 'unix': f'unix://{tmp_path}/sock'}

    with pytest.raises(
        Unreachable, match='supervisord does not run, or listens elsewhere'
    ) as caught:
        Server(Settings(urls[kind])).call('a.b')

    assert caught.value.gone
    assert not caught.value.sent
    assert str(caught.value).startswith(urls[kind])


def test_a_socket_that_is_left_over_is_one_where_nothing_listens(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / 'sock'))

    with pytest.raises(Unreachable, match='refused connection'):
        Server(Settings(f'unix://{tmp_path}/sock')).call('a.b')


def test_a_socket_that_may_not_be_used_asks_for_become(unix_server, monkeypatch):
    class Forbidden(socket.socket):  # the tests may run as root, who may use any
        def connect(self, address):
            raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(transport.socket, 'socket', Forbidden)

    with pytest.raises(Trouble, match='permission denied: `become: true` is probably missing'):
        Server(Settings(unix_server.url)).call('a.b')


@pytest.mark.parametrize(
    'url',
    [
        '',
        'localhost:9001',
        '/run/supervisor.sock',
        'unix://',
        'unix://run/supervisor.sock',
        'ftp://localhost/x',
        'http://',
        'http://localhost:port',
        'http://localhost:99999',
        'http://local host:9001',
        'http://localhost:9001/a b',
        'http://localhost:9001/é',
        'http://deploy:ge/heim@localhost:9001',
    ],
)
def test_a_url_that_cannot_be_one(url):
    with pytest.raises(Trouble, match='is not allowed: it must be unix:///path, http') as caught:
        Server(Settings(url))

    assert 'heim' not in str(caught.value)


@pytest.mark.parametrize(
    ('argument', 'said'),
    [(2**31, 'a number is too large'), ('web\x00', "contains '\\\\x00'"), ('\ud800', 'contains')],
)
def test_what_cannot_be_sent_is_not(unix_server, argument, said):
    with pytest.raises(Trouble, match=said):
        Server(Settings(unix_server.url)).call('a.b', argument)

    assert unix_server.requests == []
