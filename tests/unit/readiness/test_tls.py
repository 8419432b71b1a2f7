"""https:// against real TLS servers, on the installed release's own loop."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
import sys
import time

import pytest

from supervisor_restarter.readiness import probe, tls
from supervisor_restarter.readiness.probe import MOST_TLS_BYTES
from supervisor_restarter.readiness.tls import Tls, TlsError
from tests.unit.readiness.loop import answering, serving, silent

pytestmark = pytest.mark.skipif(
    not shutil.which('openssl'), reason='openssl makes the certificates'
)
OK = b'HTTP/1.1 200 OK\r\n\r\n'


@pytest.fixture(scope='module')
def certificate(tmp_path_factory):
    """The path of a file with a certificate for 127.0.0.1 and localhost that nobody vouches for,
    and its key.
    """
    path = tmp_path_factory.mktemp('tls') / 'server.pem'
    how = 'openssl req -x509 -newkey rsa:2048 -nodes -keyout - -out - -days 2 -subj /CN=test'
    names = 'subjectAltName=IP:127.0.0.1,DNS:localhost'
    command = [*how.split(), '-addext', names]
    made = subprocess.run(command, capture_output=True, timeout=60, check=True)
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


V2, V3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


# fmt: off
@pytest.mark.parametrize(('answer', 'version', 'why'), [
    (OK,                               V2, ''),
    (OK + b'x' * 1_000_000,            V3, ''),
    (b'HTTP/1.1 503 x\r\n\r\n',        V3, 'answered 503'),
    (b'',                              V3, 'closed the connection without an answer'),
    (b'x' * 100_000,                   V2, 'answered with something that is not HTTP'),
], ids=['yes', 'long', 'no', 'nothing', 'garbage'])
# fmt: on
def test_answers(loop, certificate, answer, version, why):
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
    assert received[0].startswith(f'GET /up?x HTTP/1.1\r\nHost: localhost:{other.port}\r\n'.encode())


def test_an_answer_that_comes_in_parts(loop, certificate):
    def behave(connection, over):
        connection.recv(65536)
        for at in range(len(OK)):
            connection.sendall(OK[at : at + 1])  # each is a record of TLS

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
        error = loop.ask(f'https+verify://127.0.0.2:{other.port}').error
    assert 'bad certificate: ip address mismatch' in error.lower()


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
        attempt = loop.begin(f'https://127.0.0.1:{other.port}', 5)
        loop.until(attempt.readable)
        loop.turn()
        assert not attempt.done
        attempt.look(attempt.deadline)
        assert attempt.error.endswith('no answer within 5 s')


def test_too_many_bytes(loop, certificate, monkeypatch):
    monkeypatch.setattr(probe, 'MOST_TLS_BYTES', 100)
    assert MOST_TLS_BYTES > 100_000
    with serving(encrypted(certificate, answering(OK))) as other:
        error = loop.ask(f'https://127.0.0.1:{other.port}').error
    assert error.endswith('TLS: too many bytes without an answer')


def test_a_python_without_tls(loop, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ssl', None)
    assert 'TLS: this Python has no TLS' in loop.ask('https://127.0.0.1:1/').error


def test_what_cannot_be_read_of_the_trusted_certificates(loop, monkeypatch):
    def refuse():
        raise OSError('no such\nfile')

    monkeypatch.setattr(ssl, 'create_default_context', refuse)
    error = loop.ask('https+verify://127.0.0.1:1/').error
    assert error == 'https+verify://127.0.0.1:1/: TLS: no such\\nfile'


def test_it_is_loaded_only_when_it_is_needed():
    # Supervisor's own XML-RPC may load it; what the probes import must not
    code = 'import sys; import supervisor_restarter.readiness.tls; sys.exit("ssl" in sys.modules)'
    environment = {'PYTHONPATH': ':'.join(filter(None, sys.path))}
    subprocess.run([sys.executable, '-S', '-c', code], check=True, timeout=60, env=environment)


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
    with contextlib.suppress(ssl.SSLWantReadError):
        server.unwrap()  # it says that it has said all
    assert client.receive(outgoing.read())[0] == b''
    with pytest.raises(TlsError):
        Tls(b'request').receive(b'nonsense' * 9)


def test_the_end_of_a_conversation_that_has_not_begun():
    client = Tls(b'request')
    client.receive(b'')
    close_notify = bytes.fromhex('15 0303 0002 0100')
    assert client.receive(close_notify) == (b'', b'')
