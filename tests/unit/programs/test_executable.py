"""What is said of the first bytes of a file is what the kernel makes of them."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor_restarter.programs import executable
from supervisor_restarter.programs.executable import HEAD, LINE, Needs, needs

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='it is about the kernel of Linux')

SCRIPTS = {
    b'#!/bin/sh\n': ('/bin/sh', ''),
    b'#! \t/bin/sh \t\nexit 0': ('/bin/sh', ''),
    b'#!/bin/sh -e -u \n': ('/bin/sh', '-e -u'),
    b'#!/bin/sh\r\n': ('/bin/sh\r', ''),
    b'#!gone/sh\n': ('gone/sh', ''),
    '#!/größe\n'.encode(): ('/größe', ''),
    b'#!/gone' + b'x' * 100 + b'\n': ('/gone' + 'x' * 100, ''),
    b'#!/bin/sh ' + b'x' * LINE: ('', ''),
    b'#!/' + b'x' * LINE: ('', ''),
}
NOTHING = {
    b'': 'it is empty',
    b'echo hello\n': 'it is a text that does not begin with #!',
    b'\n#!/bin/sh\n': 'it is a text that does not begin with #!',
    b'\xef\xbb\xbf#!/bin/sh\n': 'it is a text that does not begin with #!',
    'echo größe\n'.encode(): 'it is a text that does not begin with #!',
    b'#!  \t \nexit 0': 'its first line names no interpreter',
    b'\0' * 100: 'it holds nothing but zeros',
    b'\x7fELF': 'it ends within its header',
    Path(sys.executable).resolve().read_bytes()[:40]: 'it ends within its header',
}
UNKNOWN = [b'\xca\xfe\xba\xbe', b'\xff\xfee\0c\0', b'text, but\0not all of it']


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch, tmp_path):
    """As if the kernel were told of no other formats."""
    monkeypatch.setattr(executable, 'MISC', str(tmp_path / 'misc'))


def executed(path, content):
    """What becomes of the file: the number of the error, 0 if it is executed."""
    path.write_bytes(content)
    path.chmod(0o755)
    try:
        subprocess.run(
            [path], executable=path, capture_output=True, check=False, cwd=path.parent, timeout=20
        )
    except OSError as error:
        return error.errno
    return 0


@pytest.mark.parametrize('content', SCRIPTS)
def test_a_script_needs_its_interpreter(tmp_path, content):
    name, argument = SCRIPTS[content]
    assert needs('/app', content) == Needs(name, 'interpreter' if name else '', argument)
    if name:
        there = Path(tmp_path, name).exists()
        assert executed(tmp_path / 'app', content) == (0 if there else errno.ENOENT)


@pytest.mark.parametrize('content', NOTHING)
def test_what_is_no_program_is_none_for_the_kernel_either(tmp_path, content):
    assert needs('/app', content) == Needs(nothing=NOTHING[content])
    assert executed(tmp_path / 'app', content) == errno.ENOEXEC


@pytest.mark.parametrize('content', UNKNOWN)
def test_nothing_is_said_of_what_may_be_a_program(content):
    assert needs('/app', content) == Needs()


# -- programs ------------------------------------------------------------------------------------


def test_a_program_needs_its_loader():
    head = Path(sys.executable).resolve().read_bytes()[:HEAD]
    needed = needs('/app', head)
    assert (needed.kind, needed.nothing) == ('loader', '')
    assert not needed.helper or os.access(needed.helper, os.X_OK)  # a static Python needs none


def program(wide=True, machine=62, kinds=(6, 3, 1), name=b'/lib/loader\0', at=0x300):
    """The head of a program with parts of these kinds."""
    ident = b'\x7fELF' + bytes([1 + wide, 1 if sys.byteorder == 'little' else 2, 1]) + bytes(9)
    table, size = (64, 56) if wide else (52, 32)
    places = struct.pack('=QQQ' if wide else '=III', 0, table, 0)
    sizes = struct.pack('=IHHHHHH', 0, table, size, len(kinds), 0, 0, 0)
    parts = [
        struct.pack('=IIQ', kind, 0, at) if wide else struct.pack('=II', kind, at) for kind in kinds
    ]
    head = ident + struct.pack('=HHI', 3, machine, 1) + places + sizes
    return (head + b''.join(part.ljust(size, b'\0') for part in parts)).ljust(at, b'\0') + name


@pytest.mark.parametrize('wide', [True, False])
def test_the_loader_is_read_from_the_header(monkeypatch, wide):
    head = program(wide)
    monkeypatch.setattr(executable, '_this_machine', lambda: head[4:7] + head[18:20])
    assert needs('/app', head).helper == '/lib/loader'
    assert needs('/app', program(wide, kinds=(6, 1))).helper == ''
    assert needs('/app', program(wide, machine=183)).helper == ''
    assert needs('/app', program(not wide)).helper == ''
    for broken in (head[:100], head[:-1], program(wide, name=b'/lib/loader')):
        assert needs('/app', broken).helper == ''


def test_where_the_own_kind_of_machine_is_not_known_no_loader_is(monkeypatch):
    def unreadable(*_, **__):
        raise PermissionError

    monkeypatch.setattr(executable, 'open', unreadable, raising=False)
    executable._this_machine.cache_clear()
    assert needs('/app', program()).helper == ''
    executable._this_machine.cache_clear()


# -- formats that the machine was told of --------------------------------------------------------

MAGIC = 'enabled\ninterpreter /usr/bin/x\nflags: OC\noffset 1\nmagic 6368\n'
MASKED = 'enabled\ninterpreter /usr/bin/x\nflags: \noffset 0\nmagic 45434800\nmask dfdfdf00\n'
BY_NAME = 'enabled\ninterpreter /usr/bin/x\nflags: \nextension .sh\n'


@pytest.mark.parametrize(
    ('entries', 'path', 'known'),
    [
        ({'status': 'enabled\n', 'register': ''}, '/app.sh', False),
        ({'status': 'enabled\n', 'x': MAGIC}, '/app', True),
        ({'status': 'enabled\n', 'x': MAGIC.replace('1', '255')}, '/app', False),
        ({'status': 'enabled\n', 'x': MASKED}, '/app', True),
        ({'status': 'enabled\n', 'x': MASKED.replace('dfdfdf', 'ffffff')}, '/app', False),
        ({'status': 'enabled\n', 'x': MAGIC.replace('enabled', 'disabled')}, '/app', False),
        ({'status': 'disabled\n', 'x': MAGIC}, '/app', False),
        ({'status': 'enabled\n', 'x': BY_NAME}, '/app.sh', True),
        ({'status': 'enabled\n', 'x': BY_NAME}, '/app.py', False),
        ({'status': 'enabled\n', 'x': 'enabled\nof a kind that is not known\n'}, '/app', True),
        # A container does not see them; some are told by what a name ends with.
        ({}, '/app', False),
        ({}, '/app.sh', True),
    ],
)
def test_other_formats_are_respected(monkeypatch, tmp_path, entries, path, known):
    (tmp_path / 'misc').mkdir()
    for name, text in entries.items():
        (tmp_path / 'misc' / name).write_text(text)
    assert needs(path, b'echo hello\n') == (
        Needs() if known else Needs(nothing=NOTHING[b'echo hello\n'])
    )


def test_where_formats_cannot_be_looked_up_nothing_is_said(monkeypatch, tmp_path):
    (tmp_path / 'misc').touch()
    assert needs('/app', b'') == Needs()
    monkeypatch.setattr(executable, 'MISC', str(tmp_path / 'gone'))
    monkeypatch.setattr(executable, 'NO_MISC', str(tmp_path / 'gone'))  # no /proc at all
    assert needs('/app', b'') == Needs()
