"""Surges of a service on Supervisor's own objects, and what becomes of them when it breaks."""

from __future__ import annotations

import errno
import gc
import os
import signal
import weakref

import pytest
from supervisor import events
from supervisor.states import ProcessStates

from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.options import from_configuration
from supervisor_restarter.readiness.monitor import ReadinessMonitor
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.jobs import Jobs
from supervisor_restarter.server.plugin import joined
from supervisor_restarter.server.rpcinterface import RestarterNamespaceRPCInterface
from tests.unit.programs.turning import Turning, web

MAY_SURGE = {'environment': 'RESTARTER_SURGE="yes"'}


class Serving(Turning):
    """... with the plugin. lines: what it has logged as a warning."""

    def __init__(self, directory, text):
        super().__init__(directory, text)
        settings = from_configuration('x', {'web': 'false', 'scout': '0'})
        service = joined(self.supervisord, settings)
        self.restarter = RestarterNamespaceRPCInterface(
            self.supervisord, service, settings.defaults
        )
        self.lines: list[str] = []
        self.options.logger.warn = lambda text, **more: self.lines.append(text)

    def begin(self, **options):
        """Begin a restart, and wait until web:0 is there twice; the old one and the new one."""
        self.id = self.restarter.startRestart('web:0', {'max_surge': 1, **options})
        self.turn_until(lambda: '0.old' in self.names())
        return self.group().processes['0.old'], self.group().processes['0']

    @property
    def restart(self):
        return self.restarter.getRestart(self.id)


@pytest.fixture
def serving(tmp_path, monkeypatch):
    """... as it is running."""
    monkeypatch.setattr(events, 'callbacks', [])
    it = Serving(tmp_path, web(**MAY_SURGE))
    it.run()
    yield it
    it.supervisord.restarter_service = None
    it.end()


@pytest.fixture
def probed(tmp_path, monkeypatch):
    """... where the processes have a probe that says yes."""
    environment = 'RESTARTER_SURGE="yes",RESTARTER_READY="exec:true"'
    monkeypatch.setattr(events, 'callbacks', [])
    it = Serving(tmp_path, web(environment=environment))
    it.run()
    yield it
    it.supervisord.restarter_service = None
    it.end()


def broken(*args):
    raise RuntimeError('a defect')


def test_what_is_held_of_both_is_given_back(serving):
    old, new = serving.begin()
    config = new.config
    serving.turn_until(lambda: serving.restart['finished_at'])
    assert serving.restart['state'] == 'succeeded'
    assert serving.names() == ['0', '1']
    assert new.config is config is serving.group().config.process_configs[0]
    assert list(serving.options.pidhistory.values()) == [serving.group().processes['1'], new]
    assert old.pid == 0


def test_nothing_keeps_the_old_process_in_memory(serving):
    old, new = serving.begin()
    gone = weakref.ref(old)
    del old
    serving.turn_until(lambda: serving.restart['finished_at'])
    serving.turn_until(lambda: serving.names() == ['0', '1'])
    gc.collect()
    assert gone() is None
    assert serving.group().processes['0'] is new


def test_where_supervisord_cannot_spawn_all_is_as_it_was(serving, monkeypatch):
    old, fork = serving.group().processes['0'], serving.options.fork
    config, listing = old.config, serving.names()

    def too_many(*args):
        raise OSError(errno.EAGAIN, 'too many')

    with monkeypatch.context() as patched:
        patched.setattr(serving.options, 'fork', too_many)
        id = serving.restarter.startRestart('web:0', {'max_surge': 1})
        serving.turn_until(lambda: serving.restarter.getRestart(id)['finished_at'])
    restart = serving.restarter.getRestart(id)
    assert (restart['state'], restart['lowest_ready']) == ('failed', 1)
    assert 'Too many processes' in restart['processes'][0]['error']
    assert (serving.names(), serving.group().processes['0'], old.config) == (listing, old, config)
    assert serving.options.fork == fork
    # ... and it can be replaced later
    serving.begin()
    serving.turn_until(lambda: serving.restart['finished_at'])
    assert serving.restart['state'] == 'succeeded'


def test_a_job_that_breaks_once_gives_the_surge_up(serving, monkeypatch):
    old, new = serving.begin()
    with monkeypatch.context() as patched:
        patched.setattr(Operation, 'step', broken)
        serving.supervisord.runforever()
    serving.turn_until(lambda: serving.restart['finished_at'])
    assert serving.restart['state'] == 'cancelled'
    assert (serving.names(), serving.group().processes['0']) == (['0', '1'], old)
    assert new.pid == 0


@pytest.mark.parametrize(('owner', 'name'), [(Actions, 'start'), (ReadinessMonitor, 'started')])
def test_a_surge_that_breaks_before_or_after_the_start_leaves_the_old_process(
    probed, monkeypatch, owner, name
):
    old, config = probed.group().processes['0'], probed.group().processes['0'].config
    with monkeypatch.context() as patched:
        patched.setattr(owner, name, broken)
        id = probed.restarter.startRestart('web:0', {'max_surge': 1})
        probed.turn_until(lambda: probed.restarter.getRestart(id)['finished_at'])
    assert probed.restarter.getRestart(id)['state'] == 'cancelled'
    probed.turn_until(lambda: probed.names() == ['0', '1'])
    assert (probed.group().processes['0'], old.config) == (old, config)
    probed.turn_until(lambda: len(probed.options.pidhistory) == len(probed.names()))
    # ... and it can be replaced later
    probed.begin()
    probed.turn_until(lambda: probed.restart['finished_at'])
    assert probed.restart['state'] == 'succeeded'


@pytest.mark.parametrize('dies', [False, True])
def test_one_that_breaks_twice_leaves_one_process_under_the_name(serving, monkeypatch, dies):
    """The old one, unless that has died meanwhile."""
    old, new = serving.begin()
    if dies:
        os.kill(old.pid, signal.SIGKILL)
    while dies and old.pid:
        serving.supervisord.reap()
    with monkeypatch.context() as patched:
        patched.setattr(Operation, 'step', broken)
        serving.turn_until(lambda: serving.restart['finished_at'])
    serving.turn_until(lambda: serving.names() == ['0', '1'])
    serving.settle()
    it = serving.group().processes['0']
    assert (it is new, it.state) == (dies, ProcessStates.RUNNING)
    assert it.config is serving.group().config.process_configs[0]


def test_what_is_aside_when_all_jobs_break_leaves_the_group_by_itself(serving, monkeypatch):
    serving.group().processes['0'].config.startsecs = 600  # the new one does not become ready
    old, new = serving.begin()
    with monkeypatch.context() as patched:
        patched.setattr(Jobs, 'surplus', broken)
        serving.turn_until(lambda: serving.restart['finished_at'])
    assert serving.names() == ['0', '0.old', '1']
    assert serving.restarter.planRestart('web')['total'] == 2
    # The next restart is about the one that has the name.
    new.config.startsecs = 0
    id = serving.restarter.startRestart('web:0', {})
    serving.turn_until(lambda: serving.restarter.getRestart(id)['finished_at'])
    assert serving.restarter.getRestart(id)['state'] == 'succeeded'
    serving.group().processes['0.old'].stop()
    serving.turn_until(lambda: serving.names() == ['0', '1'])
    assert (old.pid, serving.group().processes['0']) == (0, new)
