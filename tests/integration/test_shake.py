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

def test_careless():
    subprocess.Popen(['/bin/sleep', '1000'], start_new_session=True, stdout=subprocess.DEVNULL)
"""


def shake(*arguments):
    """Exit status and output."""
    done = subprocess.run(
        [sys.executable, '-m', 'tests.shake', '--jobs', '0', '--loops', '0', *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # What went wrong is kept for those who want to look.
    for output in re.findall(r'\(output: (.*?)/output\)', done.stdout):
        shutil.rmtree(output)
    return done.returncode, done.stdout


def test_tests_pass_under_most_conditions_at_once():
    status, shown = shake('--only', 'crowded', '--only', 'bare', 'tests/unit/test_faults.py')
    assert status == 0, shown
    assert re.findall(r'^1 (\w+): ok: [1-9]', shown, re.MULTILINE) == ['crowded', 'bare']


def test_a_test_that_depends_on_a_condition_is_named_and_so_is_what_a_test_leaves_behind(tmp_path):
    file = tmp_path / 'test_it.py'
    file.write_text(FRAGILE)
    status, shown = shake('--only', 'nohup', file)
    assert (status, shown.partition(' (output')[0]) == (
        1,
        '1 nohup: FAILED: test_it::test_fragile, left behind: /bin/sleep 1000 ',
    )


@pytest.mark.parametrize('name', BY_NAME)
def test_every_condition_can_be_had_or_says_why_not(tmp_path, name):
    condition = BY_NAME[name]
    if condition.impossible():
        pytest.skip(condition.impossible())
    python = [sys.executable, '-S', '-E', '-m', 'tests.conditions']
    done = subprocess.run(
        [*python, name, str(tmp_path), '/bin/sh', '-c', 'echo here'],
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b'here\n', b'')


@pytest.mark.parametrize(
    ('name', 'argument', 'slowed'),
    [
        ('slow-supervisord', '/bin/supervisord', 'poll'),
        ('slow-supervisord', '/bin/supervisorctl', ''),
        ('slow-clients', '/bin/supervisord', ''),
        ('slow-clients', '/bin/supervisorctl', 'call'),
    ],
)
def test_slow_is_who_is_to_be_slow(tmp_path, name, argument, slowed):
    script = """
from supervisor.poller import PollPoller
from xmlrpc.client import ServerProxy
methods = {'poll': PollPoller.poll, 'call': ServerProxy._ServerProxy__request}
print(*(name for name, method in methods.items() if method.__module__ == 'sitecustomize'))
"""
    command = [sys.executable, '-c', script, argument]
    done = subprocess.run(
        [sys.executable, '-m', 'tests.conditions', name, str(tmp_path), *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == (slowed, '')


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
