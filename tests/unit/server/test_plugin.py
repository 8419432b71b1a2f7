"""The factory that supervisord calls for each of its HTTP servers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from supervisor import events
from supervisor.states import ProcessStates

import supervisor_restarter
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.options import Options, Settings
from supervisor_restarter.programs.nursery import nursery
from supervisor_restarter.server import plugin
from supervisor_restarter.server.request import Call, Request, Selection
from supervisor_restarter.server.rpcinterface import RestarterNamespaceRPCInterface
from tests.unit.server.subprocesses import One


class FakeOptions:
    """As much of ServerOptions as a factory meets while supervisord starts."""

    def __init__(self, *factories):
        self.rpcinterface_factories = list(factories)
        self.logged: list[str] = []
        self.logger = SimpleNamespace(
            critical=self.logged.append, warn=self.logged.append, info=self.logged.append
        )
        section = SimpleNamespace(server_configs=[], rpcinterface_factories=[])
        self.configroot = SimpleNamespace(supervisord=section)

    def usage(self, message):
        raise SystemExit(f'Error: {message}')


def supervisord(*factories):
    return SimpleNamespace(options=FakeOptions(*factories), process_groups={})


@pytest.fixture(autouse=True)
def _nothing_left(monkeypatch):
    monkeypatch.setattr(events, 'callbacks', [])
    monkeypatch.setattr(nursery, 'switched_on', True)


@pytest.fixture
def created(monkeypatch):
    """The settings with which a Service is made, one for each."""
    made = []

    def make(supervisord, settings, namespace):
        made.append(settings)
        return SimpleNamespace(settings=settings)

    monkeypatch.setattr(plugin, 'joined', make)
    return made


def test_all_http_servers_share_one_service():
    one = supervisord()
    first, second = plugin.make_rpcinterface(one), plugin.make_rpcinterface(one)
    assert first is not second
    assert first._service is second._service


def test_another_supervisord_has_another_service():
    first, second = (plugin.make_rpcinterface(supervisord()) for _ in range(2))
    assert first._service is not second._service


def test_the_package_has_the_factory_of_the_documentation():
    assert (
        type(supervisor_restarter.make_rpcinterface(supervisord()))
        is RestarterNamespaceRPCInterface
    )


def test_the_settings_reach_the_service_and_the_options_the_interface(created):
    interface = plugin.make_rpcinterface(supervisord(), delay='3', history='7', heed_stops='no')
    assert created == [Settings(Options(delay=3.0), history=7, heed_stops=False)]
    assert interface._defaults == Options(delay=3.0)


def test_a_factory_leaves_supervisords_own_things_alone_when_all_is_well():
    one = supervisord()
    plugin.make_rpcinterface(one)
    assert 'usage' not in vars(one.options)
    assert one.options.logged == []


BAD = [
    (
        {'delay': 'soon'},
        "delay = 'soon' is not allowed: it must be a number of seconds from 0 to 10000000",
    ),
    ({'dealy': '5'}, "has an unknown key 'dealy' (value '5'); known are "),
    ({'on_failure': 'a\nb'}, "on_failure = 'a\\nb' is not allowed: it must be abort or continue"),
]


@pytest.mark.parametrize(('config', 'text'), BAD)
def test_a_bad_configuration_is_a_value_error_of_one_line(config, text, created):
    with pytest.raises(ValueError) as info:
        plugin.make_rpcinterface(supervisord(), **config)
    assert str(info.value).startswith(f'[rpcinterface:restarter] {text}')
    assert '\n' not in str(info.value)
    assert created == []


@pytest.mark.parametrize(('config', 'text'), BAD)
def test_supervisord_says_that_line_when_it_gives_up(config, text):
    one = supervisord()
    with pytest.raises(ValueError) as info:
        plugin.make_rpcinterface(one, **config)
    one.options.logger.warn('Traceback (most recent call last): ...')
    with pytest.raises(SystemExit) as said:
        one.options.usage('Could not make restarter rpc interface')
    assert str(said.value) == f'Error: {info.value}'
    assert one.options.logged == [str(info.value)]


def test_the_line_names_the_section_as_the_user_has_called_it():
    config = {'delay': 'x'}
    one = supervisord(
        ('supervisor', print, {}),
        ('other', supervisor_restarter.make_rpcinterface, {'delay': '1'}),
        ('quick', supervisor_restarter.make_rpcinterface, config),
        ('wrong', print, config),
    )
    with pytest.raises(ValueError, match=r'^\[rpcinterface:quick\] delay = '):
        supervisor_restarter.make_rpcinterface(one, **config)


def test_a_second_bad_call_says_its_own_line():
    one = supervisord()
    for key in ('first', 'second'):
        with pytest.raises(ValueError, match=key):
            plugin.make_rpcinterface(one, **{key: '1'})
    with pytest.raises(SystemExit, match='second'):
        one.options.usage('Could not make restarter rpc interface')


# -- what it hears of supervisord ----------------------------------------------------------------


def test_what_makes_no_sense_is_logged_before_the_first_restart_meets_it():
    one = One(environment={'RESTARTER_READY': 'x'})
    plugin.joined(one.supervisord, Settings(Options()))
    events.notify(events.SupervisorRunningEvent())
    events.notify(events.ProcessGroupAddedEvent('web'))
    assert len(one.options.lines) == 2
    assert one.options.lines[0].startswith("restarter: web:0: RESTARTER_READY = 'x'")


@pytest.mark.parametrize('fast_spawn', [True, False])
def test_without_fast_spawn_there_is_no_thread(fast_spawn):
    one = One()
    vars(one.options).update(get_socket_map=dict)
    plugin.joined(one.supervisord, Settings(Options(), web=False, fast_spawn=fast_spawn))
    assert nursery.switched_on is fast_spawn


def test_an_error_in_that_does_not_end_supervisord():
    one = One()
    one.options.logger.critical = one.options.lines.append
    plugin.joined(one.supervisord, Settings(Options()))
    events.notify(events.ProcessGroupAddedEvent('none such'))
    assert 'KeyError' in one.options.lines[0]


@pytest.mark.parametrize('guard', [False, True])
def test_a_page_that_cannot_be_put_in_place_does_not_end_supervisord(guard):
    one = One()
    one.options.logger.critical = one.options.lines.append
    vars(one.options).update(httpservers=[({}, None)], get_socket_map=dict)
    plugin.joined(one.supervisord, Settings(Options(), guard=guard))
    events.notify(events.SupervisorRunningEvent())
    assert 'AttributeError' in one.options.lines[0]


def test_nor_does_an_error_of_the_page_where_a_process_changes_its_state(monkeypatch):
    one = One(startsecs=0)
    one.options.logger.critical = one.options.lines.append
    monkeypatch.setattr('supervisor_restarter.web.live.Live.changed', lambda live: 1 / 0)
    plugin.joined(one.supervisord, Settings(Options()))
    one.exit(0)
    assert one.process.state == ProcessStates.EXITED
    assert 'ZeroDivisionError' in one.options.lines[-1]


def test_without_page_and_guard_supervisors_servers_and_processes_have_nothing_of_ours():
    one = One()
    vars(one.options).update(httpservers=[({}, None)])  # nothing can be put in there
    plugin.joined(one.supervisord, Settings(Options(), web=False))
    events.notify(events.SupervisorRunningEvent())
    subscribers = [str(subscriber) for _, subscriber in events.callbacks]
    assert not [name for name in subscribers if '_harmless' in name], 'of the page'
    assert one.options.lines == []


def test_the_loop_drives_the_restarts_until_supervisord_shuts_down():
    one = One(startsecs=0)
    poller = SimpleNamespace(
        poll=lambda timeout: timeout, readables=set(), writables=set(), unregister_readable=print
    )
    sockets: dict[int, object] = {}
    vars(one.options).update(poller=poller, get_socket_map=lambda: sockets)
    service = plugin.joined(one.supervisord, Settings(Options()))
    request = Request(Goal.STOP, Selection('web'), Options(), Call.QUICK)
    job = service.request(request)
    assert one.process.state == ProcessStates.STOPPING
    one.exit(0)
    poller.poll(1.0)
    assert (job.operation.finished, sockets) == (True, {})
    one.process.spawn()
    job = service.request(request)
    events.notify(events.SupervisorStoppingEvent())
    assert (job.operation.state.value, sockets) == ('cancelled', {})


def test_a_restart_that_cannot_be_counted_goes_on_all_the_same(monkeypatch):
    one = One()
    one.options.logger.critical = one.options.lines.append
    monkeypatch.setattr('supervisor_restarter.web.tally.Tally.note', lambda *args: 1 / 0)
    poller = SimpleNamespace(poll=print, readables=set(), writables=set())
    vars(one.options).update(poller=poller, get_socket_map=dict)
    service = plugin.joined(one.supervisord, Settings(Options()))
    job = service.request(Request(Goal.RESTART, Selection('web'), Options(), Call.DETACHED))
    assert job.operation.state.value == 'running'
    assert 'ZeroDivisionError' in one.options.lines[-1]
