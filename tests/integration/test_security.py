"""Who may do what, what can be reached, and what text can do: see SECURITY.md."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import xml.parsers.expat
from pathlib import Path
from typing import Any

import pytest

from bench.lab import CTLPLUGIN, script
from supervisor_restarter.server.rpcinterface import RestarterNamespaceRPCInterface
from tests.integration.fuzz import (
    ARGUMENTS,
    PASSWORD,
    USER,
    Fuzzed,
    Request,
    array,
    decoded,
    scalar,
    struct,
)
from tests.integration.probe import SECTION as PROBE
from tests.integration.server import ROOT, Server, program, shared
from tests.integration.service import service

UNKNOWN_METHOD = 1
STOCK = 'supervisor.getState'


# -- who may call ----------------------------------------------------------------------------


class Guarded(Fuzzed):
    """A password on the inet server, none on the unix server."""

    guarded, open = True, False  # the values of `inet` that lead to each

    def status(self, inet, method, credentials=None, path=b'/RPC2'):
        """The HTTP status of a call."""
        body = Request(
            method, [scalar('string', 'web')][: len(ARGUMENTS.get(method.rpartition('.')[2], ()))]
        ).body()
        header = (
            b''
            if credentials is None
            else (b'Authorization: Basic ' + base64.b64encode(credentials.encode()) + b'\r\n')
        )
        with self.connect(inet) as connection:
            connection.sendall(
                b'POST %s HTTP/1.1\r\n%sConnection: close\r\nContent-Length: %d\r\n\r\n%s'
                % (path, header, len(body), body)
            )
            return int(connection.recv(65536).split()[1])


class GuardedTheOtherWay(Guarded):
    """A password on the unix server, none on the inet server."""

    guarded, open = False, True

    def __init__(self) -> None:
        super().__init__()
        words = f'username={USER}\npassword={PASSWORD}\n'
        self._text = self._text.replace(words, '').replace(
            'file=%(here)s/sock\n', f'file=%(here)s/sock\n{words}'
        )

    def _answers(self) -> bool:
        return self.status(False, STOCK, f'{USER}:{PASSWORD}') == 200

    def look(self):
        """Over inet, where no password is asked for."""
        _, body = self.post(Request('supervisor.getAllProcessInfo', []).body(), inet=True)
        return [
            (info['group'], info['name'], info['statename'], info['pid']) for info in decoded(body)
        ]


WRONG = [None, '', ':', USER, f'{USER}:', f':{PASSWORD}', f'{USER}:{PASSWORD} ', f'{USER}:wrong']
EVERY_CALL = [STOCK, 'system.multicall', *(f'restarter.{method}' for method in ARGUMENTS)]


@pytest.mark.parametrize('kind', [Guarded, GuardedTheOtherWay])
def test_every_call_needs_what_supervisors_own_calls_need(kind):
    with kind() as server:
        server.wait(
            lambda: {state for _, group, state, _ in server.look()} == {'RUNNING'},
            'running processes',
        )
        before = server.look()
        for credentials in WRONG:
            refused = server.status(server.guarded, STOCK, credentials)
            # Supervisor's own
            assert refused == (401 if credentials is None or ':' in credentials else 500)
            for method in EVERY_CALL:
                assert server.status(server.guarded, method, credentials) == refused, (
                    method,
                    credentials,
                )
        for path in b'/RPC2/ /RPC2x //RPC2 /%52PC2 /RPC2?x /RPC2;x /rpc2 /../RPC2'.split():
            assert server.status(server.guarded, 'restarter.startRestart', None, path) == 401
        assert server.look() == before
        assert server.status(server.guarded, 'restarter.getAPIVersion', f'{USER}:{PASSWORD}') == 200
        for credentials in (None, *WRONG):
            assert server.status(server.open, 'restarter.getAPIVersion', credentials) == 200
            assert server.status(server.open, STOCK, credentials) == 200
        server.check_log()


# -- what can be reached ---------------------------------------------------------------------


@pytest.fixture(scope='module')
def running():
    with Fuzzed() as server:
        server.settle()
        yield server
        server.check_log()


def test_nothing_but_the_published_methods_can_be_called(running):
    published = {f'restarter.{method}' for method in ARGUMENTS}
    listed = {
        name for name in running.proxy().system.listMethods() if name.startswith('restarter.')
    }
    assert listed == published
    inside = {*dir(RestarterNamespaceRPCInterface), '_service', '_supervisord', '_defaults'} - set(
        ARGUMENTS
    )
    names = [f'restarter.{name}' for name in inside]
    names += [
        f'restarter.{method}.{name}'
        for method in ARGUMENTS
        for name in ('__func__', '__wrapped__', '__call__')
    ]
    # fmt: off
    names += [
        'restarter', 'restarter.', '.restarter', 'restarter..getRestart', 'restarter.getRestart.',
        'restarter.restarter', 'restarter._service.request', 'restarter._supervisord.options.logger.info',
        'restarter.x.y', ' restarter.getRestart', 'restarter .getRestart', 'restarter.getRestart ',
        'Restarter.getRestart', 'restarter.restartprocessgroup', 'restarter.supervisor.shutdown',
        'restarter.published', 'restarter.Fault', 'system.namespaces.restarter',
        'system.restarter.getRestart', 'supervisor.supervisord.restarter_service',
        'supervisor.restarter_service',
    ]
    # fmt: on
    for name in names:
        for arguments in ([], [scalar('string', 'web')]):
            status, body = running.post(Request(name, arguments).body())
            assert (status, decoded(body).faultCode) == (200, UNKNOWN_METHOD), name
    calls = [
        struct(
            [('methodName', scalar('string', name)), ('params', array([scalar('string', 'web')]))]
        )
        for name in names
    ]
    _, body = running.post(Request('system.multicall', [array(calls)]).body())
    assert {answer['faultCode'] for answer in decoded(body)} == {UNKNOWN_METHOD}
    assert running.look() == running.calm


# -- what text can do ------------------------------------------------------------------------

RED, TITLE = '\x1b[31m', '\x1b]0;title\x07'
FORGED = f'b\nforged:{RED}line\r{TITLE}\x85\u2028\u202e'
COLOURED = f'we{RED}b'
TEXTS = ''.join(
    [
        program(COLOURED),
        program('two', process_name='%(ENV_FORGED)s'),
        program('plain'),
        program('gone', f'/nonexistent/{RED}{TITLE}/%(ENV_FORGED)s', autostart='false'),
        program(
            'dies',
            '/bin/sh -c \'printf "%(ENV_FORGED)s"; exit 3\'',
            startsecs=1,
            startretries=0,
            autostart='false',
        ),
    ]
)


@pytest.fixture(scope='module')
def odd():
    """Names and commands with all that might do harm; what Supervisor lets pass of it."""
    os.environ['FORGED'] = FORGED.replace(':', ';')
    try:
        with shared(TEXTS, extra=CTLPLUGIN) as server:
            server.wait(lambda: server.info('plain')['statename'] == 'RUNNING', 'the last process')
            yield server
    finally:
        del os.environ['FORGED']


def assert_harmless(text):
    """No control or format characters but the ends of lines, and no line that was forged."""
    assert all(char.isprintable() or char == '\n' for char in text), text
    assert not re.search(r'(?m)^forged', text), text


def ours_in(log):
    """What the plugin has logged."""
    return [line for line in re.split(r'(?m)^(?=\d{4}-\d\d-\d\d )', log) if 'restarter:' in line]


def test_names_and_reasons_in_answers_faults_and_the_log(odd):
    with pytest.raises(xml.parsers.expat.ExpatError):
        odd.rpc().supervisor.getAllProcessInfo()  # nobody can read Supervisor's own answer
    restarter = odd.restarter
    mark = odd.log_size()
    answers = [
        restarter.planRestart('all'),
        restarter.restartProcessGroup('two'),
        restarter.restartProcessGroup('gone'),
        restarter.restartProcessGroup('dies'),
        restarter.quickRestart('all', True),
        restarter.quickStart(['gone', 'dies'], True),
    ]
    id = restarter.startRestart(['we*', 'two', 'gone', 'dies'], {'on_failure': 'continue'})
    answers += [
        restarter.waitRestart(id, 2**31 - 1, 20),
        restarter.getRestart(id),
        restarter.listRestarts(),
    ]
    for answer in answers:
        for value in all_texts(answer, leave=('name',)):
            assert_harmless(value)
            assert '\n' not in value
    for call in (
        lambda: restarter.restartProcessGroup('two', {'if_busy': 'b\nforged\r\x85\u2028\u202e'}),
        lambda: restarter.getRestart('b\nforged\u2028'),
        lambda: restarter.quickStop(['plain', 'x\n\u202e']),
    ):
        text = odd.fault(call).faultString
        assert_harmless(text)
        assert '\n' not in text
    lines = ours_in(odd.log_text(mark))
    assert len(lines) >= 8
    for line in lines:
        assert_harmless(line)
        assert line.count('\n') == 1
    assert any('we\\x1b[31mb' in line for line in lines)


def all_texts(value, leave):
    """Every string in an answer, but those under the keys `leave`."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from all_texts(item, leave)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in leave:
                yield from all_texts(item, leave)


@pytest.mark.parametrize(
    'arguments',
    [
        ['supervisorctl_restart_group', '--on-failure', 'continue', 'all'],
        ['supervisorctl_restart_group', '--json', '--on-failure', 'continue', 'two', 'gone'],
        ['supervisorctl_restart_group', '--status'],
        ['supervisorctl_restart_group', f'x{RED}'],
        ['supervisorctl_restart_group', '--status', f'1{TITLE}'],
        ['supervisorctl', 'quickrestart', 'all'],
        ['supervisorctl', 'rolling', 'two:', 'gone', 'dies'],
        ['supervisorctl', 'restarts'],
        ['supervisorctl', 'quickstop', f'x{RED}\n'],
    ],
)
def test_what_the_commands_print(odd, arguments):
    done = subprocess.run(
        [script(arguments[0]), '-c', str(odd.conf), *arguments[1:]],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stdout + done.stderr != b''
    assert b'Traceback' not in done.stderr
    assert_harmless((done.stdout + done.stderr).decode())


# -- the notify socket -----------------------------------------------------------------------


@pytest.mark.skipif(not Path('/proc/self/environ').exists(), reason='needs /proc')
def test_the_notify_socket_belongs_to_supervisord_and_goes_with_it():
    notify: dict[str, Any] = {
        'command': service('--notify', name='web'),
        'environment': 'RESTARTER_READY="notify"',
    }
    with shared(program(**notify)) as server:
        server.wait_state()
        assert server.restarter.restartProcessGroup('web') is True
        environment = (
            Path(f'/proc/{next(iter(server.pids().values()))}/environ').read_bytes().split(b'\0')
        )
        path = Path(
            os.fsdecode(next(one[14:] for one in environment if one.startswith(b'NOTIFY_SOCKET=')))
        )
        assert path.is_socket()
        parent = path.parent.stat()
        assert (parent.st_mode & 0o7777, parent.st_uid) == (0o711, os.geteuid())
        assert path.stat().st_mode & 0o7777 == 0o666
        assert [*path.parent.iterdir()] == [path]
    assert not path.parent.exists()


# -- memory ----------------------------------------------------------------------------------


def test_of_many_restarts_only_the_history_is_kept(monkeypatch, start):
    """Counted in objects: the pages of supervisord grow by themselves, for CPython remembers the
    names of attributes that Supervisor puts together, thousands of them.
    """
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    server: Server = start(program(), 'history=3', PROBE)
    server.wait_state()
    restarter, probe = server.restarter, server.proxy().probe

    def restart(times):
        for _ in range(times):
            assert restarter.restartProcessGroup('web') is True
            restarter.quickRestart('web')

    probe.kept()
    restart(30)  # everything that is loaded once
    objects, size = probe.kept()
    restart(60)
    more_objects, more_size = probe.kept()
    assert more_objects - objects < 300
    assert more_size - size < 20_000
    assert len(restarter.listRestarts()) == 3
