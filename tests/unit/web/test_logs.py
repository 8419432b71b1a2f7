"""The end of a log, byte by byte."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor_restarter.web.logs import process_called, tail
from supervisor_restarter.web.queries import LogWanted


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    return tmp_path_factory.mktemp('log') / 'log'


def read(path, offset=-1, length=100):
    return tail(str(path), LogWanted('web:0', 'stdout', offset, length))


@given(
    text=st.text(max_size=60),
    cuts=st.lists(st.integers(0, 300), max_size=6),
    length=st.integers(0, 40),
)
def test_a_reader_that_follows_gets_every_character_or_is_told_that_some_are_missing(
    path, text, cuts, length
):
    data = text.encode()
    path.write_bytes(b'')
    got, missed, offset = '', False, 0
    for cut in [*sorted(cuts), len(data)]:
        path.write_bytes(data[:cut])
        told = read(path, offset, length)
        got, missed, offset = got + told['text'], missed or told['overflow'], told['offset']
    if missed:
        assert len(data) > length
    else:
        assert (got, offset) == (text, len(data))


def test_a_log_that_was_begun_anew_is_read_from_there(path):
    path.write_bytes(b'x' * 50)
    offset = read(path)['offset']
    path.write_bytes(b'new')
    assert read(path, offset) == {'text': 'new', 'offset': 3, 'overflow': True}


def test_what_is_no_text_is_shown_all_the_same(path):
    path.write_bytes(b'\xff\xfe\x00a\xc3')
    assert read(path) == {'text': '\ufffd\ufffd\x00a', 'offset': 4, 'overflow': False}
    path.write_bytes(b'\xff\xfe\x00a\xc3b')
    assert read(path, 4)['text'] == '\ufffdb'


def test_a_pipe_a_directory_and_nothing_are_no_logs(tmp_path):
    os.mkfifo(tmp_path / 'pipe')
    for name in ('pipe', '', 'none-such'):
        with pytest.raises(OSError):
            read(tmp_path / name)


ASK_IN_A_SESSION = """
import os, sys
from supervisor_restarter.web.logs import tail
from supervisor_restarter.web.queries import LogWanted
try:
    tail(sys.argv[1], LogWanted('web:0', 'stdout', -1, 100))
except OSError:
    os.open('/dev/tty', os.O_RDONLY)
"""


def test_a_terminal_is_no_log_and_does_not_become_that_of_supervisord():
    master, terminal = os.openpty()
    name = os.ttyname(terminal)
    asked = subprocess.run(
        [sys.executable, '-c', ASK_IN_A_SESSION, name],
        start_new_session=True,
        capture_output=True,
        text=True,
        check=False,
    )
    os.close(terminal)
    os.close(master)
    assert "No such device or address: '/dev/tty'" in asked.stderr  # it has none


def test_a_process_is_found_whatever_is_in_its_name():
    one, other = object(), object()
    groups = {
        'a': SimpleNamespace(processes={'b:c': one}),
        'a:b': SimpleNamespace(processes={'c:d': other}),
    }
    supervisord: Any = SimpleNamespace(process_groups=groups)
    assert process_called(supervisord, 'a:b:c') is one
    assert process_called(supervisord, 'a:b:c:d') is other
    for name in ('a', 'a:', 'b:c', 'a:b', ''):
        assert process_called(supervisord, name) is None
