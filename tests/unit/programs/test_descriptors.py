"""Low numbers for Popen's error pipe, and descriptors of which a child inherits none."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys

import pytest

from supervisor_restarter.programs import descriptors
from supervisor_restarter.programs.descriptors import LowNumbers, none_is_inherited


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


@pytest.fixture
def numbers():
    numbers = LowNumbers()
    yield numbers
    numbers.give_back()


@pytest.fixture
def two(numbers):
    """The two numbers that were taken."""
    lowest = os.pipe()
    for number in lowest:
        os.close(number)
    numbers.take()
    assert all(map(is_open, lowest))
    return lowest


# -- low numbers ---------------------------------------------------------------------------------


def test_they_go_to_the_next_pipe_and_come_back(numbers, two):
    later = os.open(os.devnull, os.O_RDONLY)
    for _ in range(3):
        with numbers.lent():
            pipe = os.pipe()
            assert pipe == two
            for number in pipe:
                os.close(number)
        assert all(map(is_open, two))
    os.close(later)


def test_no_child_inherits_them(two):
    assert [os.get_inheritable(number) for number in two] == [False, False]


def test_they_come_back_after_an_error(numbers, two):
    with pytest.raises(ZeroDivisionError), numbers.lent():
        raise ZeroDivisionError
    assert all(map(is_open, two))


def test_given_back_they_are_free_and_nothing_is_lent(numbers, two):
    numbers.give_back()
    with numbers.lent():
        assert not any(map(is_open, two))
    assert not any(map(is_open, two))
    numbers.give_back()


def test_what_others_have_put_there_stays(numbers, two):
    """As after a reload of supervisord, which closes whatever it finds."""
    for number in two:
        os.close(number)
    theirs = os.open(os.devnull, os.O_RDONLY)
    assert theirs in two
    with numbers.lent():
        assert is_open(theirs)
    numbers.give_back()
    assert is_open(theirs)
    os.close(theirs)


def test_so_does_another_pipe(numbers, two):
    for number in two:
        os.close(number)
    theirs = os.pipe()
    assert theirs == two
    numbers.give_back()
    assert all(map(is_open, theirs))
    for number in theirs:
        os.close(number)


def test_taken_again_there_are_no_more_than_two(numbers, two):
    before = len(os.listdir('/dev/fd'))
    numbers.take()
    assert len(os.listdir('/dev/fd')) == before
    assert all(map(is_open, two))


def test_without_descriptors_nothing_is_kept(numbers, monkeypatch):
    def pipe():
        raise OSError(errno.EMFILE, 'no more')

    monkeypatch.setattr(os, 'pipe', pipe)
    numbers.take()
    with numbers.lent():
        pass
    numbers.give_back()


# -- none is inherited ---------------------------------------------------------------------------

CHILD = 'import os; print(*sorted((name for name in os.listdir("/proc/self/fd") if int(name) > 3), key=int))'
PARENT = f"""
import os, subprocess, sys, threading
from supervisor_restarter.programs.descriptors import none_is_inherited
for number in (40, 900):
    os.dup2(1, number)
go = threading.Event()
thread = threading.Thread(target=go.wait)
if sys.argv[1] == 'beside a thread':
    thread.start()
certain = sys.argv[1] != 'never' and none_is_inherited()
subprocess.run([sys.executable, '-S', '-E', '-c', {CHILD!r}], close_fds=False, check=True)
go.set()
print(certain, os.get_inheritable(1))
"""


def kernel_can():
    call = descriptors._close_range()
    return call is not None and call(descriptors.LAST, descriptors.LAST, descriptors.CLOEXEC) == 0


@pytest.mark.skipif(not kernel_can(), reason='this system has no close_range() that does it')
@pytest.mark.parametrize(
    ('when', 'said'),
    [
        ('before', ['', 'True True']),
        ('never', ['40 900', 'False True']),
        ('beside a thread', ['40 900', 'False True']),
    ],
)
def test_a_child_sees_none_although_nothing_closes_them(when, said):
    told = subprocess.run(
        [sys.executable, '-c', PARENT, when], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines() == said


@pytest.mark.parametrize('call', [None, lambda first, last, flags: -1])
def test_nor_where_the_system_cannot_do_it(monkeypatch, call):
    monkeypatch.setattr(descriptors, '_call', call)
    assert not none_is_inherited()


@pytest.mark.parametrize('error', [OSError, MemoryError, None])
def test_a_c_library_without_it_is_no_error(monkeypatch, error):
    def library(name):
        if error is not None:
            raise error
        return object()

    monkeypatch.setattr(ctypes, 'PyDLL', library)
    assert descriptors._close_range() is None


def test_nor_is_a_python_without_ctypes(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ctypes', None)
    assert descriptors._close_range() is None
