# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""XML-RPC calls to supervisord over a unix socket or HTTP, with the standard library alone.

Each call has a connection of its own, and is sent once: xmlrpc.client would send it again when the
connection breaks, and a restart would be started twice.
"""

from __future__ import annotations

import base64
import errno
import http.client
import re
import socket
import ssl
import xmlrpc.client
from typing import Any
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

from ansible_collections.supervisor.restarter.plugins.module_utils.configuration import Settings
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import (
    Refused,
    Trouble,
    Unreachable,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.urls import without_password

CONNECT_SECONDS = 10.0
# supervisord has one thread, which may be busy for a while; no call asks it to wait for longer.
ANSWER_SECONDS = 60.0
USUAL_PATH = '/RPC2'
# What XML 1.0 cannot carry.
NOT_XML = re.compile('[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')
NOT_URL = re.compile('[\x00-\x20\x7f]')
FORMS = 'unix:///path, http://host:port or https://host:port'
# What xmlrpc.client raises for an answer that is none.
NO_ANSWER = (xmlrpc.client.ResponseError, ExpatError, TypeError, LookupError, ValueError)


class Server:
    """A supervisord. Its methods are called by their full names, such as restarter.listRestarts."""

    def __init__(
        self, settings: Settings, connect: float = CONNECT_SECONDS, answer: float = ANSWER_SECONDS
    ) -> None:
        """Trouble if the URL cannot be one. connect, answer: seconds until they are given up."""
        self.name = without_password(settings.url)
        self._connect, self._answer = connect, answer
        try:
            parts = urlsplit(settings.url)
            self._scheme, self._host, self._port = parts.scheme, parts.hostname or '', parts.port
        except ValueError:
            raise self._bad_url() from None
        self._socket_path = settings.url[len('unix://') :] if self._scheme == 'unix' else ''
        self._path = USUAL_PATH
        if self._scheme in ('http', 'https') and self._host:
            self._path = parts.path if parts.path.strip('/') else USUAL_PATH
        elif not self._socket_path.startswith('/'):
            raise self._bad_url()
        if NOT_URL.search(self._host) or not self._path.isascii() or NOT_URL.search(self._path):
            raise self._bad_url()
        self._headers = {'Content-Type': 'text/xml', 'Accept': 'text/xml'}
        if settings.username is not None:
            pair = f'{settings.username}:{settings.password or ""}'.encode(
                'utf-8', 'surrogateescape'
            )
            self._headers['Authorization'] = 'Basic ' + base64.b64encode(pair).decode('ascii')

    def call(self, method: str, *arguments: Any) -> Any:
        """The answer to one call, which is sent once.

        Trouble if it cannot be sent, Refused for a fault, Unreachable for anything else.
        """
        body = _request(method, arguments)
        response = self._exchange(body)
        try:
            return xmlrpc.client.loads(response)[0][0]
        except xmlrpc.client.Fault as fault:
            code = fault.faultCode if isinstance(fault.faultCode, int) else 0
            raise Refused(code, str(fault.faultString)) from None
        except NO_ANSWER:
            said = 'answered with something that is not XML-RPC'
            raise self._unreachable(said, sent=False) from None

    def _exchange(self, body: bytes) -> bytes:
        connection = self._connection()
        try:
            self._open(connection)
            try:
                connection.request('POST', self._path, body, self._headers)
                response = connection.getresponse()
                text = response.read()
            except socket.timeout:
                raise self._unreachable(f'has not answered within {self._answer:g} s') from None
            except http.client.RemoteDisconnected:
                raise self._unreachable('closed the connection without an answer') from None
            except http.client.IncompleteRead:
                raise self._unreachable('broke the connection') from None
            except http.client.HTTPException as error:
                said = f'does not speak HTTP as it should ({type(error).__name__})'
                raise self._unreachable(said, sent=False) from None
            except OSError as error:
                raise self._unreachable(_why(error)) from None
        finally:
            connection.close()
        if response.status == 401:
            raise Trouble(
                f'{self.name} requires authentication: username or password missing or wrong'
            )
        if response.status != 200:
            said = f'answered HTTP {response.status} {response.reason}'
            # 502 or 504 of a proxy says nothing about what supervisord has received.
            raise self._unreachable(said, sent=response.status >= 500)
        return text

    def _connection(self) -> http.client.HTTPConnection:
        if self._scheme == 'unix':
            return http.client.HTTPConnection('localhost', timeout=self._connect)
        if self._scheme == 'https':
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._connect)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._connect)

    def _open(self, connection: http.client.HTTPConnection) -> None:
        try:
            if self._scheme == 'unix':
                connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                connection.sock.settimeout(self._connect)
                connection.sock.connect(self._socket_path)
            else:
                connection.connect()
        except socket.timeout:
            said = f'has not accepted a connection within {self._connect:g} s'
            if self._scheme == 'https':  # supervisord waits for the rest of the request
                said += '; supervisord itself does not speak TLS, is it http://?'
            raise self._unreachable(said, sent=False) from None
        except FileNotFoundError:
            said = 'no such socket: supervisord does not run, or listens elsewhere'
            raise self._unreachable(said, gone=True, sent=False) from None
        except ConnectionRefusedError:
            said = 'refused connection: supervisord does not run, or listens elsewhere'
            raise self._unreachable(said, gone=True, sent=False) from None
        except PermissionError:
            raise Trouble(
                f'{self.name}: permission denied: `become: true` is probably missing'
            ) from None
        except (OSError, ValueError) as error:
            raise self._unreachable(_why(error), sent=False) from None
        connection.sock.settimeout(self._answer)

    def _unreachable(self, said: str, gone: bool = False, sent: bool = True) -> Unreachable:
        colon = ':' if gone else ''
        return Unreachable(f'{self.name}{colon} {said}', gone=gone, sent=sent)

    def _bad_url(self) -> Trouble:
        return Trouble(f'serverurl = {self.name!r} is not allowed: it must be {FORMS}')


def _request(method: str, arguments: tuple[Any, ...]) -> bytes:
    try:
        text = xmlrpc.client.dumps(arguments, method)
    except OverflowError:
        raise Trouble('a number is too large: XML-RPC has whole numbers of 32 bits') from None
    bad = NOT_XML.search(text)
    if bad:
        raise Trouble(f'a name or option contains {bad[0]!r}, which XML-RPC cannot carry')
    return text.encode('utf-8')


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f'has a certificate that is not trusted ({error.verify_message})'
    if isinstance(error, ssl.SSLError):
        return f'does not speak TLS as it should ({error.reason})'
    if isinstance(error, socket.gaierror):
        return f'is at an unknown host ({error.strerror})'
    if isinstance(error, UnicodeError):
        return 'has a host name that cannot be one'
    code = getattr(error, 'errno', None)
    if code in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return 'broke the connection'
    return f'cannot be reached ({getattr(error, "strerror", None) or error})'
