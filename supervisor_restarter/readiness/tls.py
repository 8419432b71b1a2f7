"""The TLS of one connection, without the connection: bytes in, bytes out. So it never waits.

The ssl module is loaded when the first such probe is asked, for it costs memory and time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

MOST_AT_ONCE = 16384  # bytes: one record of TLS has no more
KEPT = 600.0  # seconds for which what this machine trusts is not read anew

# By whether certificates are checked: when the context was made, and the context.
_contexts: dict[bool, tuple[float, ssl.SSLContext]] = {}


class TlsError(Exception):
    """The other end cannot be talked to; the text says why."""


class Tls:
    """One conversation: a request that is sent when both have shaken hands, and what is said to it.

    host: what the certificate must be valid for, if it is to be checked; '': any certificate will
    do.
    """

    def __init__(self, request: bytes, host: str = '') -> None:
        try:
            import ssl
        except ImportError as error:
            raise TlsError(f'this Python has no TLS: {error}') from None
        self._module = ssl
        self._request = request
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._object = _context(bool(host)).wrap_bio(
                self._in, self._out, server_hostname=host or None
            )
        except (OSError, ValueError) as error:
            raise TlsError(str(error)) from None

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Go on with what has come from the other end: what it says, and what is to be sent.
        TlsError if it makes no sense. To be called with nothing at the beginning; at the end of the
        connection there is nothing to do.
        """
        self._in.write(data)
        said = b''
        try:
            if self._request:
                self._object.do_handshake()
                self._object.write(self._request)
                self._request = b''
            while part := self._object.read(MOST_AT_ONCE):
                said += part
        except self._module.SSLWantReadError:
            pass  # until there is more
        except self._module.SSLZeroReturnError:
            pass  # it has said all it wanted to say
        except self._module.SSLError as error:
            raise TlsError(_tls_reason(error)) from None
        return said, self._out.read()


def _tls_reason(error: ssl.SSLError) -> str:
    why = getattr(error, 'verify_message', '')
    if why:
        return f'bad certificate: {why}'
    return (error.reason or 'failed').lower().replace('_', ' ')


def _context(verify: bool) -> ssl.SSLContext:
    """One that is at hand, or a new one. Making one takes milliseconds; but supervisord outlives
    many certificates.
    """
    made_at, context = _contexts.get(verify, (0.0, None))
    if context is None or time.monotonic() > made_at + KEPT:
        import ssl

        if verify:
            context = ssl.create_default_context()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(['http/1.1'])
        _contexts[verify] = time.monotonic(), context
    return context
