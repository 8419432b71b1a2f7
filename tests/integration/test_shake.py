"""`python -m tests.shake` itself: a condition holds, and what goes wrong under it is told."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from tests.conditions import BY_NAME
from tests.integration.server import ROOT
from tests.surroundings import settle_signals

FRAGILE = """
import os, signal, subprocess

def test_good():
    assert os.environ['SHAKEN_BY']

def test_fragile():
    assert signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
"""
CARELESS = """
import subprocess

def test_careless():
    subprocess.Popen(['/bin/sleep', '1000'], start_new_session=True, stdout=subprocess.DEVNULL)
"""


def shake(tmp_path, text, condition):
    """Exit status and output for a file with these tests."""
    file = tmp_path / 'test_it.py'
    file.write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'tests.shake',
            '--only',
            condition,
            '--jobs',
            '1',
            '--loops',
            '1',
            str(file),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    for output in re.findall(
        r'\(output: (.*?)/output\)', done.stdout
    ):  # is kept for those who want to look
        shutil.rmtree(output)
    return done.returncode, done.stdout


def test_a_test_that_depends_on_a_condition_is_named(tmp_path):
    status, shown = shake(tmp_path, FRAGILE, 'plain')
    assert (status, shown.partition(' in ')[0]) == (0, '1 plain: ok: 2 passed')
    status, shown = shake(tmp_path, FRAGILE, 'nohup')
    assert (status, shown.partition(' (output')[0]) == (1, '1 nohup: FAILED: test_it::test_fragile')


def test_a_process_that_is_left_behind_is_named_and_ended(tmp_path):
    status, shown = shake(tmp_path, CARELESS, 'plain')
    assert (status, shown.partition(' (output')[0]) == (
        1,
        '1 plain: FAILED: left behind: /bin/sleep 1000 ',
    )


@pytest.mark.parametrize('name', BY_NAME)
def test_every_condition_can_be_had_or_says_why_not(tmp_path, name):
    condition = BY_NAME[name]
    if condition.impossible():
        pytest.skip(condition.impossible())
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'tests.conditions',
            name,
            str(tmp_path),
            '/bin/sh',
            '-c',
            'echo here',
        ],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b'here\n', b'')


def test_the_tests_have_their_signals_whatever_they_are_started_with():
    before = signal.getsignal(signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        settle_signals()
        assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
        assert os.umask(0o022) == 0o022
    finally:
        signal.signal(signal.SIGUSR2, before)
