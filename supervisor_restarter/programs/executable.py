"""What Linux makes of a file that is to be executed: which other file it needs for that, or why it
cannot be executed at all.

The kernel looks at the first bytes: of a script it executes the interpreter that is named in its
first line, of a program the loader that is named in its header. Nothing is said of formats that are
not known here.
"""

from __future__ import annotations

import functools
import os
import struct
from typing import NamedTuple

HEAD = 4096  # bytes; the headers of a program are at its beginning
LINE = 256  # of the first line of a script the kernel reads no more
BLANK = b' \t'
ELF, SCRIPT, MARK = b'\x7fELF', b'#!', b'\xef\xbb\xbf'
SHORTEST_ELF = 52  # bytes of a header
LOADER = 3  # PT_INTERP: this part of a program names its loader
# Where the header of a program of this machine has what, by its class (32 or 64 bits): the format
# of a place in the file; where the table of parts begins; the size and number of its rows; in a
# row: where the part begins.
LAYOUTS = {1: ('=I', 28, 42, 4), 2: ('=Q', 32, 54, 8)}
MISC = '/proc/sys/fs/binfmt_misc'  # other formats that this machine has been told of
NO_MISC = '/proc/sys/fs'


class Needs(NamedTuple):
    """What a file needs to be executed, '' where nothing is known of it.

    helper: the file that is executed in its place, or with it; kind: what that is. argument: what
    the interpreter is given before the script. nothing: why the file cannot be executed at all.
    """

    helper: str = ''
    kind: str = ''
    argument: str = ''
    nothing: str = ''


def needs(path: str, head: bytes) -> Needs:
    """What the file needs whose first HEAD bytes are `head`."""
    if head.startswith(SCRIPT):
        return _script(head)
    if head.startswith(ELF) and len(head) >= SHORTEST_ELF:
        return Needs(_loader(head), 'loader')
    trouble = _trouble(head)
    return Needs(nothing=trouble) if trouble and not _known_elsewhere(path, head) else Needs()


def _script(head: bytes) -> Needs:
    line, end, _ = head[len(SCRIPT) : LINE].partition(b'\n')
    if not end and len(head) >= LINE:
        return Needs()  # kernels differ in what they make of a line so long
    name, _, argument = line.strip(BLANK).replace(b'\t', b' ').partition(b' ')
    if not name:
        return Needs(nothing='its first line names no interpreter')
    return Needs(os.fsdecode(name), 'interpreter', os.fsdecode(argument.strip(BLANK)))


def _loader(head: bytes) -> str:
    """The path of the loader; '' if there is none, or the program is for another machine."""
    if head[4:7] + head[18:20] != _this_machine():
        return ''
    word, at_table, at_sizes, at_place = LAYOUTS[head[4]]
    try:
        (first,) = struct.unpack_from(word, head, at_table)
        size, number = struct.unpack_from('=HH', head, at_sizes)
        for at in range(first, first + size * number, size):
            if struct.unpack_from('=I', head, at)[0] == LOADER:
                (place,) = struct.unpack_from(word, head, at + at_place)
                name, end, _ = head[place:].partition(b'\0')
                return os.fsdecode(name) if end else ''
    except (struct.error, ValueError):
        pass  # no such header, or it is further on in the file
    return ''


@functools.cache
def _this_machine() -> bytes:
    """The kind of machine that supervisord itself is a program for, as a header says it."""
    try:
        with open('/proc/self/exe', 'rb') as file:
            head = file.read(20)
    except OSError:
        return b''
    return head[4:7] + head[18:20]


def _trouble(head: bytes) -> str:
    """Why this is neither a program nor a script; '' if it may be one."""
    if not head:
        return 'it is empty'
    if head.startswith(ELF):
        return 'it ends within its header'
    if not head.strip(b'\0'):
        return 'it holds nothing but zeros'
    if b'\0' not in head and (
        head.startswith(MARK) or all(32 <= byte < 127 or byte in b'\t\n\r' for byte in head[:4])
    ):
        return 'it is a text that does not begin with #!'
    return ''


def _known_elsewhere(path: str, head: bytes) -> bool:
    """Whether the machine may have been told of a format of its own that the file has."""
    try:
        names = os.listdir(MISC)
    except FileNotFoundError:
        return not os.path.isdir(NO_MISC)  # the kernel knows nothing of such formats
    except OSError:
        return True
    if 'status' not in names:
        # A container does not see what its machine was told. What has no first bytes of its own
        # could be told only by what the name ends with.
        return '.' in os.path.basename(path)
    try:
        if _read(f'{MISC}/status').strip() == 'disabled':
            return False
        return any(
            _fits(_read(f'{MISC}/{name}'), path, head)
            for name in names
            if name not in ('status', 'register')
        )
    except (OSError, LookupError, ValueError):
        return True


def _read(path: str) -> str:
    with open(path, encoding='utf-8', errors='surrogateescape') as file:
        return file.read()


def _fits(entry: str, path: str, head: bytes) -> bool:
    state, *lines = entry.splitlines()
    said = dict(line.partition(' ')[::2] for line in lines)
    if state != 'enabled':
        return False
    if 'extension' in said:
        return path.endswith(said['extension'])
    magic = bytes.fromhex(said['magic'])
    mask = bytes.fromhex(said['mask']) if 'mask' in said else b'\xff' * len(magic)
    part = head.ljust(LINE, b'\0')[int(said['offset']) :][: len(magic)]
    return len(part) == len(magic) and all((a ^ b) & m == 0 for a, b, m in zip(part, magic, mask))
