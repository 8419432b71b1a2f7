"""Every XML-RPC call of Supervisor's own is answered as by a supervisord without the plugin:
during and after a restart.
"""

from __future__ import annotations

import xmlrpc.client
from contextlib import suppress
from typing import Any

import pytest

from tests.integration.pair import ADDED, STAGES, pair, stage

SUPERVISOR = 'supervisor.'
STRANGE: list[list[Any]] = [
    *([], [5], [''], ['nope'], ['nope:*'], ['web:nope'], ['web:']),
    *([['web']], [{'a': 1}], [True], ['web'] * 4),
]
# Those that look up a name, each in its own way: they get every strange argument.
LOOK_UP = ['getProcessInfo', 'startProcess', 'stopProcess', 'stopProcessGroup', 'signalProcess']
NAMED = [
    *('startProcessGroup', 'clearProcessLogs', 'clearProcessLog', 'addProcessGroup'),
    *('removeProcessGroup', 'signalProcessGroup', 'sendProcessStdin', 'tailProcessStdoutLog'),
    *('tailProcessStderrLog', 'readProcessStdoutLog', 'tailProcessLog', 'readProcessStderrLog'),
    *('readProcessLog', 'sendRemoteCommEvent'),
]
# In this order; 'calm': wait until no process is on its way.
CALLS: list[tuple[Any, ...]] = [
    *[
        (name,)
        for name in (
            'getAPIVersion',
            'getVersion',
            'getSupervisorVersion',
            'getIdentification',
            'getState',
            'getAllProcessInfo',
            'getAllConfigInfo',
        )
    ],
    ('getProcessInfo', 'web:0'),
    ('getProcessInfo', 'done'),
    ('getProcessInfo', 'missing'),
    # faults
    *[(name, *arguments) for name in LOOK_UP for arguments in STRANGE],
    *[(name, *arguments) for name in NAMED for arguments in STRANGE[1:9:3]],
    ('getState', 1),
    ('stopAllProcesses', True, True),
    ('startAllProcesses', 1, 2),
    ('signalAllProcesses',),
    ('startProcess', 'web:0'),
    ('startProcess', 'missing'),
    ('stopProcess', 'missing'),
    ('startProcess', 'false'),
    ('signalProcess', 'web:0', 'NONE'),
    ('signalProcess', 'missing', 'HUP'),
    ('signalProcess', 'web:0', 0),
    ('stopProcessGroup', 'missing'),
    ('signalProcessGroup', 'missing', 'CONT'),
    ('removeProcessGroup', 'web'),
    ('addProcessGroup', 'web'),
    ('readProcessStdoutLog', 'web:0', -1, 5),
    ('readLog', -1, 5),
    ('readLog', 0),
    # one process
    ('stopProcess', 'web:0'),
    ('getProcessInfo', 'web:0'),
    ('stopProcess', 'web:0'),
    ('startProcess', 'web:0'),
    ('stopProcess', 'web:1', False),
    ('calm',),
    ('getProcessInfo', 'web:1'),
    ('startProcess', 'web:1', False),
    ('calm',),
    ('startProcess', 'slow'),
    ('getProcessInfo', 'slow'),
    ('stopProcess', 'slow', True),
    ('startProcess', 'slow', False),
    ('getProcessInfo', 'slow'),
    ('stopProcess', 'slow'),
    ('signalProcess', 'web:0', 'CONT'),
    ('signalProcess', 'web:1', '18'),
    ('signalProcess', 'lone', 'TERM'),
    ('exited', 'lone'),
    ('calm',),
    ('getProcessInfo', 'lone'),
    ('startProcess', 'lone'),
    # groups
    ('stopProcessGroup', 'site'),
    ('stopProcessGroup', 'site'),
    ('startProcessGroup', 'site'),
    ('startProcessGroup', 'site'),
    ('stopProcess', 'site:*', False),
    ('calm',),
    ('startProcess', 'site:*'),
    ('signalProcessGroup', 'site', 'CONT'),
    ('signalProcess', 'site:*', 'CONT'),
    ('stopProcessGroup', 'web', True),
    ('getAllProcessInfo',),
    ('startProcessGroup', 'web', False),
    ('calm',),
    # output and input
    ('sendProcessStdin', 'echo', 'hello\ngr\xfc\xdfe\n'),
    ('written',),
    ('tailProcessStdoutLog', 'echo', 0, 100),
    ('tailProcessLog', 'echo', 0, 3),
    ('readProcessStdoutLog', 'echo', 0, 5),
    ('readProcessLog', 'echo', 2, 100),
    ('tailProcessStderrLog', 'echo', 0, 100),
    ('readProcessStderrLog', 'echo', 0, 100),
    ('clearProcessLogs', 'echo'),
    ('clearProcessLog', 'echo'),
    ('tailProcessStdoutLog', 'echo', 0, 100),
    ('sendProcessStdin', 'missing', 'x'),
    ('sendProcessStdin', 'echo', 5),
    ('sendRemoteCommEvent', 'a', 'b'),
    # other configurations
    ('reloadConfig',),
    ('addProcessGroup', 'added'),
    ('adding',),
    ('reloadConfig',),
    ('addProcessGroup', 'added'),
    ('calm',),
    ('getAllProcessInfo',),
    ('removeProcessGroup', 'added'),
    ('stopProcess', 'added'),
    ('removeProcessGroup', 'added'),
    ('taking back',),
    ('reloadConfig',),
]
# These take a second for every process, or so.
LAST = [
    ('clearAllProcessLogs',),
    ('signalAllProcesses', 'CONT'),
    ('stopAllProcesses', False),
    ('calm',),
    ('getAllProcessInfo',),
    ('startAllProcesses',),
    ('calm',),
    ('getAllProcessInfo',),
    ('stopAllProcesses',),
    ('getAllProcessInfo',),
    ('startAllProcesses', False),
    ('calm',),
    ('getAllProcessInfo',),
]
# The log of one has more in it; restart and shutdown have their own tests.
APART = {'getPID', 'readLog', 'readMainLog', 'clearLog', 'restart', 'shutdown'}


@pytest.fixture(scope='module')
def both():
    with pair() as running:
        yield running


def carry_out(half, name, *arguments):
    """One of CALLS; its answer."""
    if name == 'calm':
        half.wait_calm()
    elif name == 'exited':
        half.wait_state(*arguments, 'EXITED')  # it runs on until the signal has reached it
    elif name == 'written':
        half.wait(lambda: len((half.dir / 'echo.out').read_bytes()) == 14, 'the echo')
    elif name == 'adding':
        half.conf.write_text(half.conf.read_text() + ADDED)
    elif name == 'taking back':
        half.conf.write_text(half.conf.read_text().replace(ADDED, ''))
    elif (name, *arguments) == ('startAllProcesses', False):
        # whether the one that exits at once has done so already is chance
        return [row for row in half.call(SUPERVISOR + name, *arguments) if row['name'] != 'false']
    else:
        return half.call(SUPERVISOR + name, *arguments)
    return None


@pytest.mark.parametrize('when', STAGES)
def test_every_call(both, when):
    with stage(both, when):
        for call in CALLS:

            def ask(half, call=call):
                return call, carry_out(half, *call)

            both.assert_same(ask)


def test_calls_for_all_processes(both):
    for call in LAST:
        both.assert_same(lambda half, call=call: (call, carry_out(half, *call)))


def test_calls_for_all_processes_while_a_restart_waits(both):
    """The restart goes on with what it has left: nothing, as it is cancelled before the processes
    come back.
    """
    with stage(both, 'during'):
        for call in LAST[1:5]:
            both.assert_same(lambda half, call=call: (call, carry_out(half, *call)))


def test_no_call_is_left_out(both):
    tried = {f'{SUPERVISOR}{call[0]}' for call in [*CALLS, *LAST]} | {
        f'{SUPERVISOR}{name}' for name in APART
    }
    stock = both.stock.proxy().system.listMethods()
    assert {name for name in stock if name.startswith(SUPERVISOR)} <= tried
    assert [
        name for name in both.ours.proxy().system.listMethods() if not name.startswith('restarter.')
    ] == stock


@pytest.mark.parametrize('when', STAGES)
def test_system_calls(both, when):
    with stage(both, when):
        for name in [
            *both.stock.proxy().system.listMethods(),
            'nope',
            'supervisor.nope',
            'system._listMethods',
            '',
        ]:
            for method in ('methodHelp', 'methodSignature'):
                both.assert_same(
                    lambda half, name=name, method=method: (
                        name,
                        half.call(f'system.{method}', name),
                    )
                )
        calls = [
            {'methodName': f'supervisor.{name}', 'params': params}
            for name, params in [
                ('getState', []),
                ('stopProcess', ['web:0']),
                ('startProcess', ['web:0']),
                ('startProcess', ['nope']),
                ('stopProcessGroup', ['site']),
                ('startProcessGroup', ['site']),
                ('getState', [1]),
            ]
        ]
        odd = [
            {'methodName': 'system.multicall', 'params': [[]]},
            {},
            {'methodName': 'nope'},
            {'params': []},
        ]
        strange: list[list[Any]] = [[[*calls, *odd]], [[]], [], [5], [['x']], ['x']]
        for arguments in strange:
            both.assert_same(
                lambda half, arguments=arguments: half.call('system.multicall', *arguments)
            )


def test_what_is_no_call(both):
    """With the answer being the error that xmlrpc.client raises."""
    methods = [
        *('', '.', 'supervisor', 'supervisor.', 'nope.getState', '__class__.mro'),
        *('supervisor._update', 'supervisor.supervisord', 'supervisor.update_text'),
        *('supervisor.getState.__func__', 'supervisor.stopProcess.__wrapped__'),
        *('system.namespaces', 'system.namespaces.restarter', 'supervisor.__init__'),
    ]

    def ask(half, method):
        try:
            return half.proxy()._ServerProxy__request(method, ())
        except (xmlrpc.client.Fault, xmlrpc.client.ProtocolError) as error:
            return method, type(error).__name__, vars(error)

    with stage(both, 'during'):
        for method in methods:
            both.assert_same(lambda half, method=method: ask(half, method))


def test_the_log_and_the_end(both):
    assert both.ours.rpc().supervisor.getPID() == both.ours.process.pid
    for half in (both.ours, both.stock):
        assert 'spawned' in half.rpc().supervisor.readLog(0, 0)
        assert half.rpc().supervisor.readMainLog(0, 20) == half.log_text()[:20]
    both.assert_same(lambda half: half.call('supervisor.clearLog'))
    both.assert_same(lambda half: half.call('supervisor.restart'))

    def again(half):
        def back():
            with suppress(xmlrpc.client.Fault):  # SHUTDOWN_STATE
                return half.state('web:0') == 'RUNNING'
            return False

        half.wait(back, 'return')
        half.restore()
        return half.call('supervisor.getAllProcessInfo')

    both.assert_same(again)
