"""Fixtures for the tests of the command."""

from __future__ import annotations

import io
import sys
import types

import pytest

from supervisor_restarter.client import cli, cli_options
from supervisor_restarter.client.helptext import COMMAND_NAME
from tests.unit.client.samples import FakeTqdm
from tests.unit.client.scripted import Ran, Script, Terminal


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A directory without a configuration file, and none of the machine's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [COMMAND_NAME])
    monkeypatch.setenv('TERM', 'dumb')
    monkeypatch.setattr(cli_options.RestartOptions, 'default_configfile', lambda self: None)


@pytest.fixture
def run(elsewhere, monkeypatch, capsys):
    supervisors = cli_options.RestartOptions.getServerProxy

    def run(*args, script=(), stdout=None):
        proxy = Script(*script)

        def connect(options):
            supervisors(options)  # it refuses bad URLs, and does not connect yet
            return types.SimpleNamespace(restarter=proxy)

        monkeypatch.setattr(cli_options.RestartOptions, 'getServerProxy', connect)
        with monkeypatch.context() as patch:
            if stdout is not None:
                patch.setattr(sys, 'stdout', stdout)
            status = cli.main(args)
        captured = capsys.readouterr()
        assert proxy.steps == [], 'less was asked than expected'
        return Ran(status, captured.out, captured.err, proxy.calls)

    return run


@pytest.fixture
def terminal(monkeypatch):
    """A terminal for standard output, and a tqdm that cannot be imported before startRestart is
    sent.
    """
    stream = Terminal(io.BytesIO(), encoding='utf-8')
    monkeypatch.setattr(FakeTqdm, 'bars', [])
    module = types.ModuleType('tqdm')
    module.tqdm = FakeTqdm  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, 'tqdm', None)

    def started():
        monkeypatch.setitem(sys.modules, 'tqdm', module)
        return '7'

    stream.started = started  # type: ignore[attr-defined]
    return stream
