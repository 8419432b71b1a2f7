"""The Protocols of host.py, against the real classes of the Supervisor that is installed."""

from __future__ import annotations

import ast
import collections.abc
import functools
import inspect
import os
import sys
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
from supervisor import events, loggers
from supervisor.http import (
    LogWrapper,
    deferring_globbing_producer,
    deferring_http_channel,
    deferring_http_request,
    logtail_handler,
    supervisor_af_unix_http_server,
)
from supervisor.medusa.xmlrpc_handler import collector
from supervisor.options import ServerOptions, UnhosedConfigParser
from supervisor.supervisord import Supervisor

import supervisor_restarter
from supervisor_restarter.programs import host

CONFIGURATION = """
[supervisord]
[unix_http_server]
file=%(here)s/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:cat]
command=/bin/cat
directory=/tmp
environment=A="b"
umask=027
stdout_capture_maxbytes=9
[fcgi-program:dog]
command=/bin/cat
socket=unix://%(here)s/fcgi
[fcgi-program:cow]
command=/bin/cat
socket=tcp://localhost:1
[eventlistener:ear]
command=/bin/cat
events=TICK_5
"""
PROTOCOLS = {
    name: kind
    for name, kind in vars(host).items()
    if isinstance(kind, type) and getattr(kind, '_is_protocol', False) and name != 'Protocol'
}
PACKAGE = Path(supervisor_restarter.__file__).parent
OURS = 'restarter_'  # attributes that begin with this are put there by us


@pytest.fixture
def real(tmp_path, monkeypatch):
    """Real objects for each Protocol, by its name."""
    (tmp_path / 'conf').write_text(CONFIGURATION)
    monkeypatch.setattr(events, 'callbacks', [])
    options = ServerOptions()
    options.realize(['-c', str(tmp_path / 'conf'), '-n'], doc='')
    options.logger = loggers.Logger()
    supervisord = Supervisor(options)
    [cow] = [config for config in options.process_group_configs if config.name == 'cow']
    for config in options.process_group_configs:
        if config is not cow:
            supervisord.add_process_group(config)
    ears = supervisord.process_groups['ear']
    ear = ears.processes['ear']
    cats, dogs = (supervisord.process_groups[name] for name in ('cat', 'dog'))
    cat, dog = cats.processes['cat'], dogs.processes['dog']
    dog.fcgi_sock = dogs.socket_manager.get_socket()
    of_cat, its_pipes = cat.config.make_dispatchers(cat)
    of_ear, other_pipes = ear.config.make_dispatchers(ear)
    stdout, stderr = (of_cat[its_pipes[name]] for name in ('stdout', 'stderr'))
    listening = of_ear[other_pipes['stdout']]
    channel = deferring_http_channel.__new__(deferring_http_channel)
    request = deferring_http_request(
        channel, 'GET / HTTP/1.1', 'GET', '/', '1.1', ['Content-Length: 1']
    )
    server = supervisor_af_unix_http_server(
        str(tmp_path / 'http'), 0o700, (os.getuid(), os.getgid()), LogWrapper(options.logger)
    )
    yield {
        'HttpChannel': [channel],
        'HttpCollector': [collector(None, request)],
        'HttpHandler': [logtail_handler(supervisord)],
        'HttpProducer': [deferring_globbing_producer(None)],
        'HttpRequest': [request],
        'HttpServer': [server],
        'Reaped': [cat, dog],
        'ProcessConfig': [cat.config, dog.config, ear.config],
        'Dispatcher': [channel, *of_cat.values(), *of_ear.values()],
        'LoggingDispatcher': [stdout, stderr, listening],
        'OutputDispatcher': [stdout, stderr],
        'ChildLog': [stdout.capturelog],
        'CommunicationEvent': [stdout.event_type, stderr.event_type],
        'EventListenerPool': [ears],
        'FcgiGroupConfig': [dogs.config],
        'SocketConfig': [dogs.config.socket_config, cow.socket_config],
        'UnixSocketConfig': [dogs.config.socket_config],
        'ListeningSocket': [dogs.socket_manager.socket],
        'Parser': [UnhosedConfigParser()],
        'FcgiProcessGroup': [dogs],
        'FcgiSubprocess': [dog],
        'ProcessGroup': [cats, dogs, ears],
        'ProcessGroupConfig': [cats.config, dogs.config, ears.config],
        'ServerSection': [options.configroot.supervisord],
        'ConfigurationRoot': [options.configroot],
        'ProcessGroupEvent': [events.ProcessGroupAddedEvent('cat')],
        'Logger': [options.logger],
        'ServerOptions': [options],
        'Poller': [options.poller],
        'Subprocess': [cat, dog],
        'SharedSocket': [dog.fcgi_sock],
        'SocketManager': [dogs.socket_manager],
        'Supervisor': [supervisord],
    }
    server.close()
    for ends in (its_pipes, other_pipes):
        options.close_parent_pipes(ends)
        options.close_child_pipes(ends)


def attributes(kind):
    """The names of a Protocol's data, with their types."""
    return {name: hint for name, hint in get_type_hints(kind).items() if not name.startswith(OURS)}


def methods(kind):
    return {
        name: function
        for base in kind.__mro__[:-1]
        if base in PROTOCOLS.values()
        for name, function in vars(base).items()
        if inspect.isfunction(function) and not name.startswith(('__', '_no_init'))
    }


def fits(value, hint):
    """Whether the value is of the type, as far as that is seen without looking into it."""
    origin = get_origin(hint)
    if origin in (Union, getattr(types, 'UnionType', Union)):
        return any(fits(value, one) for one in get_args(hint))
    if origin is collections.abc.Callable:
        return callable(value)
    if hint in PROTOCOLS.values():
        return all(hasattr(value, name) for name in [*attributes(hint), *methods(hint)])
    return isinstance(value, (int, float) if hint is float else origin or hint)


@pytest.mark.skipif(sys.version_info < (3, 10), reason='types are written as of Python 3.10')
@pytest.mark.parametrize('name', PROTOCOLS)
def test_real_objects_are_as_the_protocol_says(real, name):
    kind = PROTOCOLS[name]
    for thing in real[name]:
        for attribute, hint in attributes(kind).items():
            assert hasattr(thing, attribute), attribute
            assert fits(getattr(thing, attribute), hint), attribute
        for method, said in methods(kind).items():
            real_one = getattr(thing, method)
            if inspect.isbuiltin(real_one):
                continue  # a socket's, which Python's own documentation promises
            accepted = inspect.signature(real_one)
            parameters = list(inspect.signature(said).parameters.values())[1:]
            needed = [one.name for one in parameters if one.default is one.empty]
            accepted.bind(*needed)
            accepted.bind(*parameters)
            names = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
            assert names == list(accepted.parameters)[: len(names)]


def test_one_that_is_not_is_seen(real):
    (options,) = real['ServerOptions']
    del options.poller
    with pytest.raises(AssertionError, match='poller'):
        test_real_objects_are_as_the_protocol_says(real, 'ServerOptions')


def test_one_of_another_type_is_seen(real):
    real['Subprocess'][0].laststart = None
    with pytest.raises(AssertionError, match='laststart'):
        test_real_objects_are_as_the_protocol_says(real, 'Subprocess')


def test_what_is_called_on_the_fly_accepts_one_argument(real):
    (options,), (logger,) = real['ServerOptions'], real['Logger']
    for call in (options.usage, logger.warn):
        inspect.signature(call).bind('text')


@functools.cache
def trees():
    return [
        (path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding='utf-8')))
        for path in sorted(PACKAGE.rglob('*.py'))
    ]


def test_nothing_is_listed_that_is_not_used():
    """What the loop calls of ours is used by being there."""
    named: set[str] = set()
    for file, tree in trees():
        if file != 'programs/host.py':
            named |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            named |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            named |= {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    listed = {
        name for kind in PROTOCOLS.values() for name in [*kind.__annotations__, *methods(kind)]
    }
    assert listed - named == set()


# Where values of any type come in: what passes through a function of others, and what Popen takes.
ANY = {
    ('configuration/parsing.py', 'saneget'),
    ('programs/fast_spawn.py', '__getattr__'),
    ('programs/fast_spawn.py', 'popen_arguments'),
    ('server/hooks.py', ''),
    ('server/hooks.py', 'function'),
    ('server/stop_calls.py', '_wrapped'),
    ('server/stop_calls.py', 'stop'),
    ('server/stop_calls.py', '_keys'),
    ('server/stop_calls.py', '_joined'),
    ('server/stop_calls.py', 'both'),
    ('server/obituary.py', '__getattr__'),
    ('server/plugin.py', 'usage'),
    ('programs/child_command.py', '_start'),
    ('programs/nursery.py', ''),
    ('programs/nursery.py', 'start'),
    ('readiness/monitor.py', '__init__'),
    ('readiness/probe.py', '_open'),
    ('readiness/spec.py', ''),
    ('readiness/spec.py', '_addresses'),
}
# Where the values of XML-RPC come in and go out.
CLIENTS_VALUES = {
    f'server/{name}.py'
    for name in (
        'ascii_text', 'intake', 'interface', 'job', 'jobs', 'request', 'rpcinterface', 'service'
    )
} | {'configuration/plan.py', 'configuration/planner.py'}  # fmt: skip
TYPED = ('programs/', 'readiness/', 'configuration/', 'web/', 'server/')


def places_of_any(tree):
    """The innermost function around each Any."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == 'Any':
            around = [
                function
                for function in functions
                if function.lineno <= node.lineno <= (function.end_lineno or 0)
            ]
            yield max(around, key=lambda one: one.lineno).name if around else ''


def test_everything_else_has_a_type():
    """So mypy holds what is used of Supervisor to the Protocols."""
    found = {
        (file, place)
        for file, tree in trees()
        if file.startswith(TYPED) and file not in CLIENTS_VALUES
        for place in places_of_any(tree)
    }
    assert found == ANY


def test_the_engine_knows_nothing_of_supervisors_objects():
    importers = {
        file.split('/')[0]
        for file, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == host.__name__
    }
    assert importers <= {'programs', 'readiness', 'configuration', 'web', 'server'}


def test_the_type_of_a_value_is_told():
    cases: list[tuple[Any, Any, bool]] = [
        (1, int, True),
        ('1', int, False),
        (1, float, True),
        ({}, dict[str, int], True),
        ([], dict[str, int], False),
        (print, collections.abc.Callable[[str], None], True),
        (object(), host.Logger, False),
    ]
    assert [fits(value, hint) for value, hint, _ in cases] == [told for _, _, told in cases]
