"""Calls, errors and the waiting for a restart. Sockets only where an error of HTTP or XML is what
it is about.
"""

from __future__ import annotations

import errno
import http.client
import socket
import threading
from collections.abc import Iterator
from typing import Any
from xmlrpc.client import Fault, ProtocolError, ServerProxy, dumps

import pytest
from supervisor.xmlrpc import Faults, SupervisorTransport

from supervisor_restarter.client.client import AT_THE_END, LONGEST_WAIT, LOOK_PAUSE, Client
from supervisor_restarter.client.errors import (
    ClientError,
    Exit,
    explain,
    sendable,
    without_password,
)
from supervisor_restarter.client.structs import conforms, signalled
from supervisor_restarter.faults import Code
from supervisor_restarter.text import printable
from tests.unit.client import samples, scripted
from tests.unit.client.samples import PLAN

URL = 'http://host:9001'


def restart(state='running', version=1, **others):
    return samples.restart(state, version=version, **others)


class Script(scripted.Script):
    """The proxy of a run of the command, which counts its connections."""

    def __init__(self, *steps: tuple[str, Any]) -> None:
        super().__init__(*steps)
        self.connections = 0

    def connect(self):
        self.connections += 1
        return self


def client_of(script):
    return Client(script.connect, URL)


def error_of(exc):
    with pytest.raises(ClientError) as caught:
        client_of(Script(('getRestart', exc))).get('7')
    return caught.value


# -- exit statuses and texts ---------------------------------------------------------------------


@pytest.mark.parametrize(('code', 'status'), [
    (Code.BAD_GROUP, 2), (Code.BAD_OPTION, 2), (Code.NO_SUCH_RESTART, 2), (Code.BUSY, 5),
    (Code.TIMEOUT, 1), (Faults.FAILED, 1), (Faults.UNKNOWN_METHOD, 3), (Faults.SHUTDOWN_STATE, 7),
    (Faults.INCORRECT_PARAMETERS, 2), (Faults.BAD_ARGUMENTS, 2),
])  # fmt: skip
def test_each_fault_has_its_exit_status(code, status):
    assert error_of(Fault(int(code), 'TEXT: of the server')).status == status


def test_text_of_a_fault_is_the_servers():
    error = error_of(Fault(int(Code.BUSY), 'BUSY: web is being restarted already'))
    assert str(error) == 'BUSY: web is being restarted already'
    assert error.code == Code.BUSY


def test_some_faults_say_what_to_do():
    assert '[rpcinterface:restarter]' in str(error_of(Fault(Faults.UNKNOWN_METHOD, 'UNKNOWN')))
    assert 'shutting down' in str(error_of(Fault(Faults.SHUTDOWN_STATE, 'SHUTDOWN_STATE')))


NOT_HTTP = 'does not speak HTTP as it should'


@pytest.mark.parametrize(('exc', 'text'), [
    (ConnectionRefusedError(errno.ECONNREFUSED, 'Connection refused'), 'refused connection'),
    (FileNotFoundError(errno.ENOENT, 'No such file or directory'), 'no such file'),
    (PermissionError(errno.EACCES, 'Permission denied'), 'permission denied'),
    (socket.gaierror(-2, 'Name not known'), 'unknown host (Name not known)'),
    (socket.timeout('timed out'), 'timed out'),
    (OSError('AF_UNIX path too long'), 'af_unix path too long'),
    (http.client.RemoteDisconnected(''), 'closed the connection without an answer'),
    (http.client.IncompleteRead(b'', 5), f'{NOT_HTTP} (IncompleteRead)'),
    (UnicodeEncodeError('idna', 'a..b', 2, 3, 'label empty'),
     'cannot be called (UnicodeEncodeError in host, user name or password)'),
    (ProtocolError('127.0.0.1/RPC2', 503, 'Busy', {}), 'answered HTTP 503 Busy'),
])  # fmt: skip
def test_unreachable_says_why_and_where(exc, text):
    error = error_of(exc)
    assert (error.status, str(error)) == (Exit.UNREACHABLE, f'{URL} {text}')


def test_errors_are_one_line_without_control_characters():
    error = error_of(Fault(int(Code.BAD_GROUP), 'BAD_GROUP: \x1b]0;title\x07\nsecond\u2028line'))
    assert str(error) == 'BAD_GROUP: \\x1b]0;title\\x07\\nsecond\\u2028line'


def test_url_is_shown_without_password():
    refused = ('getRestart', ConnectionRefusedError(errno.ECONNREFUSED, ''))
    with pytest.raises(ClientError, match='^http://host:9001 refused connection$'):
        Client(Script(refused).connect, 'http://user:sec@ret@host:9001').get('7')
    assert without_password('unix:///run/a@b.sock') == 'unix:///run/a@b.sock'


def test_keyboard_interrupt_is_not_an_error():
    with pytest.raises(KeyboardInterrupt):
        client_of(Script(('getRestart', KeyboardInterrupt()))).get('7')


# -- over a socket -------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[Any]:
    """server(bytes) answers one connection with them and closes it; returns the URL."""
    listener = socket.create_server(('127.0.0.1', 0))
    threads = []

    def serve(answer: bytes) -> str:
        def once():
            connection, _ = listener.accept()
            with connection:
                request = b''
                while b'</methodCall>' not in request:
                    request += connection.recv(65536)
                connection.sendall(answer)

        threads.append(threading.Thread(target=once, daemon=True))
        threads[-1].start()
        return f'http://127.0.0.1:{listener.getsockname()[1]}'

    yield serve
    for thread in threads:
        thread.join(10)
    listener.close()


def over_http(url: str, username=None, password=None) -> Client:
    def connect():
        transport = SupervisorTransport(username, password, url)
        return ServerProxy('http://127.0.0.1', transport=transport).restarter

    return Client(connect, url)


def http_answer(body: str, status: str = '200 OK') -> bytes:
    return (
        f'HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n'
        f'Connection: close\r\n\r\n{body}'
    ).encode()


ODD_INT = dumps(({},), methodresponse=True).replace('<struct>\n</struct>', '<int>x</int>')
NO_METHOD = dumps(Fault(1, 'UNKNOWN_METHOD'), methodresponse=True)
EIGHT = dumps((8,), methodresponse=True)


@pytest.mark.parametrize(('answer', 'status', 'text'), [
    (http_answer('', '401 Unauthorized'), 4, 'requires authentication'),
    (http_answer('', '404 Not Found'), 7, 'answered HTTP 404 Not Found'),
    (http_answer('<html><p>Hello</html>'), 7, 'not XML-RPC (ExpatError)'),
    (http_answer('<html/>'), 7, 'not XML-RPC (ResponseError)'),
    (http_answer(ODD_INT), 7, 'not XML-RPC (ValueError)'),
    (b'220 mail.example.org ESMTP\r\n', 7, f'{NOT_HTTP} (BadStatusLine)'),
    (b'', 7, 'closed the connection without an answer'),
    (http_answer(NO_METHOD), 3, '[rpcinterface:restarter]'),
    (http_answer(EIGHT), 3, 'answered getRestart with something unexpected'),
])  # fmt: skip
def test_what_a_server_may_answer(server, answer, status, text):
    with pytest.raises(ClientError, match='.') as caught:
        over_http(server(answer)).get('7')
    assert caught.value.status == status
    assert text in str(caught.value)
    assert '\n' not in str(caught.value)


def test_good_answer_over_http(server):
    url = server(http_answer(dumps((restart('succeeded'),), methodresponse=True)))
    assert over_http(url).get('7')['state'] == 'succeeded'


def test_no_such_socket_file_and_too_long_a_path(tmp_path):
    for path, said in ((f'{tmp_path}/none.sock', 'no such file'), ('/' + 'x' * 200, 'too long')):
        with pytest.raises(ClientError, match=said) as caught:
            over_http(f'unix://{path}').get('7')
        assert caught.value.status == Exit.UNREACHABLE


def test_password_that_cannot_be_encoded(server):
    with pytest.raises(ClientError, match='user name or password') as caught:
        over_http('http://127.0.0.1:9', 'user', 'sec\udcffret').get('7')
    assert 'ret' not in str(caught.value)


# -- answers -------------------------------------------------------------------------------------

PROCESS = samples.process('00')
BAD_PROCESSES = [
    {**PROCESS, 'down_seconds': '0.1'},
    {**PROCESS, 'new_pid': None},
    {key: value for key, value in PROCESS.items() if key != 'stop_seconds'},
]


@pytest.mark.parametrize(
    'wrong',
    [
        {**restart(), 'groups': 'web'},
        restart(total='3'),
        restart(options=[]),
        restart(processes=['web:00']),
        *(restart(processes=[bad]) for bad in BAD_PROCESSES),
        {'id': '7'},
        [],
    ],
)
def test_struct_of_another_shape_is_an_error(wrong):
    with pytest.raises(ClientError) as caught:
        client_of(Script(('getRestart', wrong))).get('7')
    error = caught.value
    assert error.status == Exit.NO_INTERFACE
    assert 'not of the same version' in str(error)


def test_struct_of_the_right_shape():
    script = Script(('getRestart', restart(processes=[PROCESS])))
    assert client_of(script).get('7')['processes'] == [PROCESS]


@pytest.mark.parametrize(
    ('old', 'new', 'is_it'), [(1, 2, False), (1, 1, True), (0, 2, False), (0, 0, False)]
)
def test_a_process_that_is_ready_and_the_old_one_was_signalled(old, new, is_it):
    assert signalled({**PROCESS, 'old_pid': old, 'new_pid': new}) is is_it  # type: ignore[typeddict-item]


def test_plan_without_one_of_its_keys_is_an_error():
    assert client_of(Script(('planRestart', PLAN))).plan(['web'], {}) == PLAN
    batch = {key: value for key, value in PLAN['batches'][0].items() if key != 'after'}
    with pytest.raises(ClientError, match='not of the same version'):
        client_of(Script(('planRestart', {**PLAN, 'batches': [batch]}))).plan(['web'], {})


def test_further_keys_are_welcome():
    assert conforms(restart(news=1), {'id': str})


def test_connection_is_kept_while_it_answers_and_replaced_after_an_error():
    script = Script(
        ('getRestart', restart()),
        ('getRestart', restart()),
        ('getRestart', OSError(errno.EPIPE, 'Broken pipe')),
        ('getRestart', restart()),
    )
    client = client_of(script)
    client.get('7')
    client.get('7')
    assert script.connections == 1
    with pytest.raises(ClientError):
        client.get('7')
    client.get('7')
    assert script.connections == 2


# -- waiting -------------------------------------------------------------------------------------


def test_follow_waits_for_a_change_only_after_a_look_that_saw_none():
    script = Script(
        ('waitRestart', restart(version=1)),
        ('waitRestart', restart(version=4)),
        ('waitRestart', restart(version=4)),
        ('waitRestart', restart(version=5)),
        ('waitRestart', restart('succeeded', 9)),
    )
    states = [r['state'] for r in client_of(script).follow('7')]
    assert states[-1] == 'succeeded'
    assert script.calls == [
        ('waitRestart', '7', AT_THE_END, LOOK_PAUSE),
        ('waitRestart', '7', AT_THE_END, LOOK_PAUSE),
        ('waitRestart', '7', AT_THE_END, LOOK_PAUSE),
        ('waitRestart', '7', 4, LONGEST_WAIT),
        ('waitRestart', '7', AT_THE_END, LOOK_PAUSE),
    ]


@pytest.mark.parametrize('state', ['failed', 'timed_out'])
def test_follow_ends_with_the_state_though_processes_are_still_coming_back(state):
    script = Script(('waitRestart', restart()), ('waitRestart', restart(state, 2, finished_at='')))
    assert [r['state'] for r in client_of(script).follow('7')] == ['running', state]


def test_wait_asks_for_the_end_only():
    script = Script(
        ('waitRestart', restart('queued')),
        ('waitRestart', restart()),
        ('waitRestart', restart('failed')),
    )
    assert client_of(script).wait('7')['state'] == 'failed'
    assert script.calls == [('waitRestart', '7', AT_THE_END, LONGEST_WAIT)] * 3


def test_broken_connection_is_tried_once_more():
    script = Script(
        ('waitRestart', ConnectionResetError(errno.ECONNRESET, 'reset')),
        ('waitRestart', restart('succeeded')),
    )
    assert client_of(script).wait('7')['state'] == 'succeeded'
    assert script.connections == 2


def test_server_gone_in_mid_wait():
    script = Script(
        ('waitRestart', restart()),
        ('waitRestart', http.client.RemoteDisconnected('')),
        ('waitRestart', ConnectionRefusedError(errno.ECONNREFUSED, '')),
    )
    with pytest.raises(ClientError) as caught:
        client_of(script).wait('7')
    assert caught.value.status == Exit.UNREACHABLE
    assert str(caught.value) == f'supervisord went away during restart 7: {URL} refused connection'


def test_reloaded_in_mid_wait():
    script = Script(
        ('waitRestart', restart()),
        ('waitRestart', ConnectionResetError(errno.ECONNRESET, '')),
        ('waitRestart', Fault(int(Code.NO_SUCH_RESTART), 'NO_SUCH_RESTART: 7')),
    )
    with pytest.raises(ClientError, match='reloaded or restarted meanwhile') as caught:
        list(client_of(script).follow('7'))
    assert caught.value.status == Exit.FAILED


def test_shutdown_in_mid_wait():
    script = Script(('waitRestart', Fault(Faults.SHUTDOWN_STATE, 'SHUTDOWN_STATE')))
    with pytest.raises(ClientError, match='shutting down') as caught:
        client_of(script).wait('7')
    assert caught.value.status == Exit.UNREACHABLE
    assert len(script.calls) == 1


def test_another_fault_in_mid_wait_is_told_as_it_is():
    script = Script(('waitRestart', Fault(Faults.FAILED, 'FAILED: internal error')))
    with pytest.raises(ClientError, match='^FAILED: internal error$'):
        client_of(script).wait('7')


def test_a_retry_that_is_refused_is_told_as_it_is():
    script = Script(('retryRestart', Fault(int(Code.BUSY), 'BUSY: web')))
    with pytest.raises(ClientError, match='^BUSY: web$'):
        client_of(script).retry('7', {})


@pytest.mark.parametrize(
    ('call', 'sent'),
    [
        (lambda client: client.apply(['web'], {'prune': False}), ('startApply', ['web'], {'prune': False})),
        (lambda client: client.scale('web', 6), ('setNumprocs', 'web', 6)),
        (lambda client: client.plan_config([]), ('planConfig', [])),
        (lambda client: client.retry('7', {}), ('retryRestart', '7')),
    ],
)  # fmt: skip
def test_what_an_older_server_does_not_know(call, sent):
    unknown = Fault(Faults.UNKNOWN_METHOD, 'UNKNOWN_METHOD')
    script = Script((sent[0], unknown), ('getPluginVersion', '1.0.0'))
    with pytest.raises(ClientError, match=rf'\(1.0.0\) knows no {sent[0]}') as caught:
        call(client_of(script))
    assert caught.value.status is Exit.NO_INTERFACE
    assert script.calls[0] == sent
    with pytest.raises(ClientError, match=r'section \[rpcinterface:restarter\]'):
        call(client_of(Script((sent[0], unknown), ('getPluginVersion', unknown))))


def test_what_has_begun_is_a_restart_unless_the_server_says_otherwise():
    apply = {**restart(), 'kind': 'apply'}
    client = client_of(Script(('getRestart', apply), ('getRestart', restart())))
    assert client.begun == 'restart'
    client.get('7')
    assert client.begun == 'apply'
    client.get('8')
    assert client.begun == 'restart'


def test_a_plan_of_the_configuration_of_another_shape_is_an_error():
    plan = samples.config_plan(samples.changed_group(samples.planned_change('0')))
    assert client_of(Script(('planConfig', plan))).plan_config([]) == plan
    del plan['groups'][0]['processes'][0]['follows']
    with pytest.raises(ClientError, match='something unexpected'):
        client_of(Script(('planConfig', plan))).plan_config([])


# -- only what has changed -----------------------------------------------------------------------

TWO = (samples.process('0', 'stopping'), samples.process('1', 'waiting'))
KNOWN = samples.restart('running', *TWO, version=3, allowed=1, ready=1, warnings=['a word'])


def test_of_a_restart_that_is_known_only_what_has_changed_is_asked_for():
    ready, stopping = samples.process('0'), samples.process('1', 'stopping')
    script = Script(
        ('waitRestart', KNOWN),
        ('waitRestart', samples.news('running', (0, ready), total=2, version=5)),
        ('waitRestart', samples.news('running', total=2, version=5, ready=2)),
        ('waitRestart', samples.news('failed', (1, stopping), total=2, version=7)),
    )
    looks = list(client_of(script).follow('7'))
    assert [look['processes'] for look in looks] == [
        [*TWO],
        [ready, TWO[1]],
        [ready, TWO[1]],
        [ready, stopping],
    ]
    assert [look['version'] for look in looks] == [3, 5, 5, 7]
    assert (looks[2]['ready'], looks[-1]['state'], looks[-1]['warnings']) == (
        2,
        'failed',
        ['a word'],
    )
    assert all(look.keys() == KNOWN.keys() for look in looks)
    assert script.calls == [
        ('waitRestart', '7', AT_THE_END, LOOK_PAUSE),
        ('waitRestart', '7', AT_THE_END, LOOK_PAUSE, 3),
        ('waitRestart', '7', AT_THE_END, LOOK_PAUSE, 5),
        ('waitRestart', '7', 5, LONGEST_WAIT, 5),
    ]


def test_to_wait_for_the_end_asks_once_for_everything_too():
    script = Script(
        ('waitRestart', KNOWN),
        ('waitRestart', samples.news('running', total=2, version=5)),
        ('waitRestart', samples.news('failed', (1, samples.process('1')), total=2, version=7)),
    )
    assert client_of(script).wait('7')['processes'] == [TWO[0], samples.process('1')]
    assert [call[4:] for call in script.calls] == [(), (3,), (5,)]


def test_what_was_looked_at_before_is_known():
    script = Script(
        ('getRestart', KNOWN), ('waitRestart', samples.news('failed', total=2, version=4))
    )
    client = client_of(script)
    client.get('7')
    assert client.wait('7')['processes'] == [*TWO]
    assert script.calls[1][4:] == (3,)


def test_another_restart_is_asked_for_whole():
    script = Script(
        ('getRestart', {**KNOWN, 'id': '6'}), ('waitRestart', {**KNOWN, 'state': 'failed'})
    )
    client = client_of(script)
    client.get('6')
    client.wait('7')
    assert script.calls[1][4:] == ()


def test_an_older_server_is_asked_for_everything_again_and_again():
    older = {key: value for key, value in KNOWN.items() if key not in ('allowed', 'ready')}
    script = Script(('waitRestart', older), ('waitRestart', {**older, 'state': 'failed'}))
    list(client_of(script).follow('7'))
    assert [call[4:] for call in script.calls] == [(), ()]


@pytest.mark.parametrize(('total', 'changed', 'left'), [
    (2, [],                [0, 1]),
    (3, [0, 1, 2],         [0, 1, 2]),  # planned anew when it left the queue
    (1, [0],               [0]),
    (0, [],                []),
    (3, [],                None),
    (3, [0, 1],            None),
    (2, [2],               None),
    (2, [-1],              None),
])  # fmt: skip
def test_what_has_changed_has_its_place(total, changed, left):
    processes = [(index, samples.process(str(index))) for index in changed]
    script = Script(
        ('waitRestart', KNOWN), ('waitRestart', samples.news('failed', *processes, total=total))
    )
    client = client_of(script)
    if left is None:
        with pytest.raises(ClientError, match='answered waitRestart with something unexpected'):
            client.wait('7')
        return
    found = client.wait('7')['processes']
    assert [int(process['name']) for process in found] == left


def test_news_of_another_shape_is_an_error():
    script = Script(('waitRestart', KNOWN), ('waitRestart', {**KNOWN, 'state': 'failed'}))
    with pytest.raises(ClientError, match='answered waitRestart with something unexpected'):
        client_of(script).wait('7')  # its processes have no index


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('word', ['', 'a\x1bb', 'a\udcff', '\ufffe'])
def test_words_that_cannot_be_sent(word):
    with pytest.raises(ClientError) as caught:
        sendable(word)
    assert caught.value.status == Exit.USAGE


def test_words_that_are_sent():
    assert sendable('größe a\u00a0b*') == 'größe a\u00a0b*'
    assert sendable('caf\udcc3\udca9:1') == 'café:1'  # undecoded by the locale


def test_printable_leaves_letters_of_all_kinds():
    assert printable('größe 東京 [x]') == 'größe 東京 [x]'
    assert printable('a\x9b31m\u202eb\r') == 'a\\x9b31m\\u202eb\\r'


def test_explain_survives_a_fault_of_the_wrong_type():
    assert explain(Fault([], 'x'), URL).status == Exit.FAILED  # type: ignore[arg-type]
