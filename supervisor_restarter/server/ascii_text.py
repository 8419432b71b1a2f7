"""Text that Supervisor sends whole: all in ASCII, and without what no XML can carry."""

from __future__ import annotations

from typing import Any, Callable

from supervisor.compat import xmlrpclib

from supervisor_restarter.text import NOT_XML, printable


class AsciiText(str):
    """A string that is marshalled in ASCII, with character references for everything else.

    Supervisor counts the length of a deferred answer in characters and sends it in UTF-8, so that
    clients would see only part of an answer with non-ASCII text in it.
    """


def _dump_ascii(marshaller: Any, value: str, write: Callable[[str], Any]) -> None:
    escaped = xmlrpclib.escape(value).encode('ascii', 'xmlcharrefreplace').decode('ascii')
    write(f'<value><string>{escaped}</string></value>\n')


xmlrpclib.Marshaller.dispatch[AsciiText] = _dump_ascii


def plain(value: Any) -> Any:
    """`value` with every string in it safe for a deferred answer, and escapes for what no XML can
    carry.
    """
    if isinstance(value, str):
        if not value.isprintable():
            value = NOT_XML.sub(lambda found: printable(found[0]), value)
        return value if value.isascii() else AsciiText(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
