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
    b'#!/bin/sh': ('/bin/sh', ''),
    b'#! \t/bin/sh \t\nexit 0': ('/bin/sh', ''),
    b'#!/bin/sh -e -u \n': ('/bin/sh', '-e -u'),
    b'#!/bin/sh\t-e\n': ('/bin/sh', '-e'),
    b'#!/usr/bin/env sh\n': ('/usr/bin/env', 'sh'),
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
    b'#': 'it is a text that does not begin with #!',
    b' #!/bin/sh\n': 'it is a text that does not begin with #!',
    b'\n#!/bin/sh\n': 'it is a text that does not begin with #!',
    b'\xef\xbb\xbf#!/bin/sh\n': 'it is a text that does not begin with #!',
    'echo größe\n'.encode(): 'it is a text that does not begin with #!',
    b'#!\n': 'its first line names no interpreter',
    b'#!  \t \nexit 0': 'its first line names no interpreter',
    b'\0' * 100: 'it holds nothing but zeros',
    b'\x7fELF': 'it ends within its header',
    Path(sys.executable).resolve().read_bytes()[:40]: 'it ends within its header',
}
UNKNOWN = [
    b'MZ\x90\0',
    b'\xca\xfe\xba\xbe',
    b'PK\x03\x04',
    b'\xff\xfee\0c\0',
    b'text, but\0not all of it',
    b'\x89text',
]


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


def program(wide=True, order='<', machine=62, kinds=(6, 3, 1), name=b'/lib/loader\0', at=0x300):
    """The head of a program with parts of these kinds."""
    ident = b'\x7fELF' + bytes([2 if wide else 1, 1 if order == '<' else 2, 1]) + bytes(9)
    size = 56 if wide else 32
    if wide:
        rest = struct.pack(
            f'{order}HHIQQQIHHHHHH', 3, machine, 1, 0, 64, 0, 0, 64, size, len(kinds), 0, 0, 0
        )
        parts = [
            struct.pack(f'{order}IIQQQQQQ', kind, 0, at, 0, 0, len(name), 0, 0) for kind in kinds
        ]
    else:
        rest = struct.pack(
            f'{order}HHIIIIIHHHHHH', 3, machine, 1, 0, 52, 0, 0, 52, size, len(kinds), 0, 0, 0
        )
        parts = [
            struct.pack(f'{order}IIIIIIII', kind, at, 0, 0, len(name), 0, 0, 0) for kind in kinds
        ]
    return (ident + rest + b''.join(parts)).ljust(at, b'\0') + name


@pytest.mark.parametrize(('wide', 'order'), [(True, '<'), (True, '>'), (False, '<'), (False, '>')])
def test_the_loader_is_read_from_headers_of_every_kind(monkeypatch, wide, order):
    head = program(wide, order)
    monkeypatch.setattr(executable, '_ours', lambda: head[4:7] + head[18:20])
    assert needs('/app', head).helper == '/lib/loader'
    assert needs('/app', program(wide, order, kinds=(6, 1))).helper == ''
    for broken in (head[:100], head[:-1], program(wide, order, at=0x300, name=b'/lib/loader')):
        assert needs('/app', broken).helper == ''


def test_nothing_is_said_of_programs_for_other_machines(monkeypatch):
    monkeypatch.setattr(executable, '_ours', lambda: program()[4:7] + program()[18:20])
    assert needs('/app', program()).helper == '/lib/loader'
    assert needs('/app', program(machine=183)).helper == ''
    assert needs('/app', program(wide=False, machine=62)).helper == ''


# -- formats that the machine was told of --------------------------------------------------------

MAGIC = 'enabled\ninterpreter /usr/bin/x\nflags: OC\noffset 1\nmagic 6368\n'
MASKED = 'enabled\ninterpreter /usr/bin/x\nflags: \noffset 0\nmagic 45434800\nmask dfdfdf00\n'
BY_NAME = 'enabled\ninterpreter /usr/bin/x\nflags: \nextension .sh\n'


@pytest.mark.parametrize(
    ('entries', 'path', 'known'),
    [
        ({'status': 'enabled\n'}, '/app', False),
        ({'status': 'enabled\n', 'register': ''}, '/app.sh', False),
        ({'status': 'enabled\n', 'x': MAGIC}, '/app', True),
        ({'status': 'enabled\n', 'x': MAGIC.replace('1', '2')}, '/app', False),
        ({'status': 'enabled\n', 'x': MAGIC.replace('1', '255')}, '/app', False),
        ({'status': 'enabled\n', 'x': MASKED}, '/app', True),
        ({'status': 'enabled\n', 'x': MASKED.replace('dfdfdf', 'ffffff')}, '/app', False),
        ({'status': 'enabled\n', 'x': MAGIC.replace('enabled', 'disabled')}, '/app', False),
        ({'status': 'disabled\n', 'x': MAGIC}, '/app', False),
        ({'status': 'enabled\n', 'x': BY_NAME}, '/app.sh', True),
        ({'status': 'enabled\n', 'x': BY_NAME}, '/app.py', False),
        ({'status': 'enabled\n', 'x': 'enabled\nof a kind that is not known\n'}, '/app', True),
        (
            {},
            '/app',
            False,
        ),  # a container does not see them; some are told by what a name ends with
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


def test_without_proc_nothing_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(executable, 'NO_MISC', str(tmp_path / 'gone'))
    assert needs('/app', b'') == Needs()
