"""What Supervisor puts into XML for us: all in ASCII, without what no XML can carry, and a struct
that many clients are sent only once.
"""

from __future__ import annotations

from typing import Any, Callable

from supervisor.compat import xmlrpclib

from supervisor_restarter.text import NOT_XML, printable

Write = Callable[[str], Any]
# What a struct is marshalled between.
OPENING, CLOSING = '<value><struct>\n', '</struct></value>\n'


class AsciiText(str):
    """A string that is marshalled in ASCII, with character references for everything else.

    Supervisor counts the length of a deferred answer in characters and sends it in UTF-8, so that
    clients would see only part of an answer with non-ASCII text in it.
    """


class SharedStruct(dict[str, Any]):
    """A struct that is marshalled once, for all who are sent it: it is never changed.

    To marshal the 500 processes of a restart takes several milliseconds, to copy their XML none.
    """

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__(members)
        self._xml = ''

    def members_xml(self, marshaller: Any) -> str:
        """Its members in XML."""
        self._xml = self._xml or _members_xml(marshaller, self)
        return self._xml


class NumberedStruct(dict[str, Any]):
    """A SharedStruct with one member more, its `index` in an array."""

    def __init__(self, index: int, struct: SharedStruct) -> None:
        super().__init__(index=index, **struct)
        self._index, self._struct = index, struct

    def members_xml(self, marshaller: Any) -> str:
        """Its members in XML."""
        index = _members_xml(marshaller, {'index': self._index})
        return index + self._struct.members_xml(marshaller)


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
    if isinstance(value, (SharedStruct, NumberedStruct)):
        return value  # made so when they are marshalled
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _members_xml(marshaller: Any, struct: dict[str, Any]) -> str:
    written: list[str] = []
    members = {key: plain(item) for key, item in struct.items()}
    marshaller.dispatch[dict](marshaller, members, written.append)
    return ''.join(written)[len(OPENING) : -len(CLOSING)]


def _dump_ascii(marshaller: Any, value: str, write: Write) -> None:
    escaped = xmlrpclib.escape(value).encode('ascii', 'xmlcharrefreplace').decode('ascii')
    write(f'<value><string>{escaped}</string></value>\n')


def _dump_prepared(marshaller: Any, value: SharedStruct | NumberedStruct, write: Write) -> None:
    write(f'{OPENING}{value.members_xml(marshaller)}{CLOSING}')


xmlrpclib.Marshaller.dispatch[AsciiText] = _dump_ascii
xmlrpclib.Marshaller.dispatch[SharedStruct] = _dump_prepared
xmlrpclib.Marshaller.dispatch[NumberedStruct] = _dump_prepared
