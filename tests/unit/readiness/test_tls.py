"""https:// against real TLS servers, on the installed release's own loop."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
import sys
import time

import pytest

from supervisor_restarter.readiness import tls
from supervisor_restarter.readiness.probe import MOST_BYTES, Attempt
from supervisor_restarter.readiness.spec import parse
from supervisor_restarter.readiness.tls import Tls, TlsError
from tests.unit.readiness.test_probe import Loop, answering, descriptors, serving, silent

pytestmark = pytest.mark.skipif(
    not shutil.which('openssl'), reason='openssl makes the certificates'
)
OK = b'HTTP/1.1 200 OK\r\n\r\n'


@pytest.fixture
def loop():
    before = descriptors()
    loop = Loop()
    yield loop
    assert loop.is_clean()
    del loop
    assert descriptors() == before


@pytest.fixture(scope='module')
def certificate(tmp_path_factory):
    """The path of a file with a certificate for 127.0.0.1 and localhost that nobody vouches for,
    and its key.
    """
    path = tmp_path_factory.mktemp('tls') / 'server.pem'
    made = subprocess.run(
        [
            'openssl',
            'req',
            '-x509',
            '-newkey',
            'rsa:2048',
            '-nodes',
            '-keyout',
            '-',
            '-out',
            '-',
            '-days',
            '2',
            '-subj',
            '/CN=test',
            '-addext',
            'subjectAltName=IP:127.0.0.1,DNS:localhost',
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    path.write_bytes(made.stdout)
    return path


@pytest.fixture(autouse=True)
def _nothing_is_remembered(monkeypatch):
    monkeypatch.setattr(tls, '_contexts', {})


def encrypted(certificate, behave, version=None):
    """Behave so inside of TLS."""

    def shake_hands_and_behave(connection, over):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if version:
            context.maximum_version = version
        with (
            contextlib.suppress(ssl.SSLError),
            context.wrap_socket(connection, server_side=True) as wrapped,
        ):
            behave(wrapped, over)

    return shake_hands_and_behave


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ('answer', 'why'),
    [
        (OK, ''),
        (b'HTTP/1.1 103 x\r\n\r\n' + OK, ''),
        (b'HTTP/1.1 503 x\r\n\r\n', 'answered 503'),
        (OK + b'x' * 1_000_000, ''),
        (b'', 'closed the connection without an answer'),
        (b'x' * 100_000, 'answered with something that is not HTTP'),
    ],
)
def test_answers(loop, certificate, version, answer, why):
    with serving(encrypted(certificate, answering(answer), version)) as other:
        attempt = loop.ask(f'https://127.0.0.1:{other.port}/up')
    assert attempt.error.partition('/up: ')[2] == why
    assert attempt.ready == (not why)


def test_the_request(loop, certificate):
    received: list = []

    def behave(connection, over):
        received.append(connection.recv(65536))
        connection.sendall(OK)

    with serving(encrypted(certificate, behave)) as other:
        assert loop.ask(f'https://localhost:{other.port}/up?x').ready
    assert received == [
        (
            f'GET /up?x HTTP/1.1\r\nHost: localhost:{other.port}\r\n'
            'User-Agent: supervisor-restarter\r\nConnection: close\r\n\r\n'
        ).encode()
    ]


def test_an_answer_that_comes_in_parts(loop, certificate):
    def behave(connection, over):
        connection.recv(65536)
        for at in range(len(OK)):
            connection.sendall(OK[at : at + 1])
            time.sleep(0.001)

    with serving(encrypted(certificate, behave)) as other:
        assert loop.ask(f'https://127.0.0.1:{other.port}').ready


@pytest.mark.parametrize('host', ['127.0.0.1', 'localhost'])
def test_a_certificate_is_checked_if_that_is_asked_for(loop, certificate, monkeypatch, host):
    with serving(encrypted(certificate, answering(OK))) as other:
        spec = f'https+verify://{host}:{other.port}'
        assert loop.ask(spec).error.startswith(f'{spec}: TLS: bad certificate: self')
        tls._contexts.clear()
        monkeypatch.setenv('SSL_CERT_FILE', str(certificate))
        assert loop.ask(spec).error == ''


def test_a_certificate_for_somebody_else(loop, certificate, monkeypatch):
    monkeypatch.setenv('SSL_CERT_FILE', str(certificate))
    with serving(encrypted(certificate, answering(OK)), ('127.0.0.2', 0)) as other:
        assert (
            'bad certificate: ip address mismatch'
            in loop.ask(f'https+verify://127.0.0.2:{other.port}').error.lower()
        )


@pytest.mark.parametrize(
    'said',
    [b'HTTP/1.1 400 Bad Request\r\n\r\n', b'SSH-2.0-OpenSSH\r\n', b'\x16\x03\x01' + b'\xff' * 999],
)
def test_who_does_not_speak_tls(loop, said):
    with serving(answering(said)) as other:
        error = loop.ask(f'https://127.0.0.1:{other.port}/').error
    assert error.startswith(f'https://127.0.0.1:{other.port}/: TLS: ')
    assert error.isprintable()


def test_who_says_nothing_runs_out_of_time(loop):
    with serving(silent) as other:
        attempt = Attempt(loop, parse(f'https://127.0.0.1:{other.port}'), time.monotonic() + 5)
        loop.until(attempt.readable)
        loop.turn()
        assert not attempt.done
        attempt.look(attempt.deadline)
        assert attempt.error.endswith('no answer within 5 s')


def test_who_closes_without_a_word(loop):
    with serving(lambda connection, over: connection.recv(9999)) as other:
        assert loop.ask(f'https://127.0.0.1:{other.port}').error.endswith(
            'closed the connection without an answer'
        )


def test_too_many_bytes(loop, certificate, monkeypatch):
    monkeypatch.setattr('supervisor_restarter.readiness.probe.MOST_BYTES', 100)
    assert MOST_BYTES > 100_000
    with serving(encrypted(certificate, answering(OK))) as other:
        assert loop.ask(f'https://127.0.0.1:{other.port}').error.endswith(
            'TLS: too many bytes without an answer'
        )


def test_a_python_without_tls(loop, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ssl', None)
    assert 'TLS: this Python has no TLS' in loop.ask('https://127.0.0.1:1/').error


def test_what_cannot_be_read_of_the_trusted_certificates(loop, monkeypatch):
    def refuse():
        raise OSError('no such\nfile')

    monkeypatch.setattr(ssl, 'create_default_context', refuse)
    assert (
        loop.ask('https+verify://127.0.0.1:1/').error
        == 'https+verify://127.0.0.1:1/: TLS: no such\\nfile'
    )


def test_it_is_loaded_only_when_it_is_needed():
    # Supervisor's own XML-RPC may load it; what the probes import must not
    code = 'import sys; import supervisor_restarter.readiness.tls; sys.exit("ssl" in sys.modules)'
    assert (
        subprocess.run(
            [sys.executable, '-S', '-c', code],
            check=False,
            timeout=60,
            env={'PYTHONPATH': ':'.join(filter(None, sys.path))},
        ).returncode
        == 0
    )


def test_what_is_trusted_is_read_anew_after_a_while(monkeypatch):
    now = 5000.0
    monkeypatch.setattr(time, 'monotonic', lambda: now)
    first = tls._context(True)
    assert tls._context(True) is first
    now += tls.KEPT + 1
    assert tls._context(True) is not first


def test_nothing_of_it_needs_a_connection(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = context.wrap_bio(incoming, outgoing, server_side=True), Tls(b'request')
    incoming.write(client.receive(b'')[1])
    with contextlib.suppress(ssl.SSLWantReadError):
        server.do_handshake()
    said, reply = client.receive(outgoing.read())
    incoming.write(reply)
    server.do_handshake()
    assert (said, server.read(100)) == (b'', b'request')
    server.write(b'answer')
    assert client.receive(outgoing.read()) == (b'answer', b'')
    with pytest.raises(TlsError):
        client.receive(b'nonsense' * 9)
