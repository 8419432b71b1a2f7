"""Where others have put something of their own in the place of Supervisor's, that is noticed."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
from supervisor.options import FastCGIProcessConfig, ProcessConfig, ServerOptions
from supervisor.process import FastCGISubprocess, Subprocess

from supervisor_restarter.programs import reviewed
from supervisor_restarter.programs.reviewed import OF_OPTIONS, OF_PROCESS, altered


@pytest.fixture
def make():
    """make(kind) gives a process of Supervisor's."""
    options = ServerOptions()

    def process(kind: Any = Subprocess, config: Any = None):
        of_kind = FastCGIProcessConfig if kind is FastCGISubprocess else ProcessConfig
        settings = {**dict.fromkeys(ProcessConfig.req_param_names), 'name': 'web'}
        return kind((config or of_kind)(options, **settings))

    return process


def test_what_supervisor_makes_is_as_reviewed(make):
    assert altered(make()) == altered(make(FastCGISubprocess)) == ''


def test_other_classes_are_noticed(make):
    mine = "Mine is not one of Supervisor's"
    assert altered(make(type('Mine', (Subprocess,), {}))) == mine
    assert altered(make(config=type('Mine', (ProcessConfig,), {}))) == mine
    process = make()
    process.config.options.__class__ = type('Mine', (ServerOptions,), {})
    assert altered(process) == mine


def test_other_methods_are_noticed(make):
    for name in OF_PROCESS:
        process = make()
        setattr(process, name, print)
        assert altered(process) == f'somebody has replaced Subprocess.{name}'
    for name in OF_OPTIONS:
        process = make()
        setattr(process.config.options, name, print)
        assert altered(process) == f'somebody has replaced ServerOptions.{name}'
        delattr(process.config.options, name)


@pytest.mark.parametrize(
    ('kind', 'name'),
    [
        (Subprocess, 'spawn'),
        (FastCGISubprocess, 'spawn'),
        (FastCGISubprocess, '_prepare_child_fds'),
        (ServerOptions, 'make_pipes'),
    ],
)
def test_so_are_those_of_a_class(make, monkeypatch, kind, name):
    monkeypatch.setattr(kind, name, lambda *anything: None)
    process = make(Subprocess if kind is Subprocess else FastCGISubprocess)
    assert altered(process) == f'somebody has replaced {kind.__name__}.{name}'


@pytest.mark.parametrize(
    ('place', 'name', 'value', 'why'),
    [
        (reviewed, 'VERSION', '4.4.0', 'not compared with Supervisor 4.4.0'),
        (os, 'fork', lambda: 0, 'somebody has replaced os.fork or os.execve'),
        (os, 'execve', print, 'somebody has replaced os.fork or os.execve'),
        (subprocess.Popen, '__init__', print, 'somebody has replaced subprocess.Popen.__init__'),
    ],
)
def test_other_surroundings_are_noticed(make, monkeypatch, place, name, value, why):
    monkeypatch.setattr(place, name, value)
    assert altered(make()) == why
