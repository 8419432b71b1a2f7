"""The page's addresses on a real supervisord: what they answer, on every server, behind its
password, and over every kind of connection.
"""

from __future__ import annotations

import os
import re
import signal
import xmlrpc.client
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import supervisor_restarter
from supervisor_restarter.web.files import FOLDER, KINDS
from tests.integration.asking import Raw, ask, basic, state
from tests.integration.server import Server, free_port, program

CLOSED = {'Connection': 'close'}
TALKING = program(
    'loud',
    '/bin/sh -c "printf \'first\\n\\303\\244\\377\\n\'; exec sleep 1000"',
    stderr_logfile='NONE',
)


@pytest.fixture(scope='module')
def server():
    """A supervisord for all tests that only ask; its log is to hold nothing unexpected."""
    with Server(program(count=2) + TALKING) as running:
        running.wait_state()
        running.wait_state('loud')
        yield running
        running.check_log()
        assert 'ERRO' not in running.log_text()


# -- the addresses -------------------------------------------------------------------------------


def test_the_page_and_each_of_its_files(server):
    files = {path.name: path for path in FOLDER.iterdir()}
    assert {path.suffix for path in files.values()} <= KINDS.keys()
    for name, path in {**files, '': files['index.html']}.items():
        answer = ask(server, f'/restarter/{name}')
        assert (answer.status, answer.body) == (200, path.read_bytes())
        assert answer.headers['content-type'] == KINDS[path.suffix]
        assert answer.headers['cache-control'] == 'no-cache'


def test_a_browser_that_has_a_file_is_not_sent_it_again(server):
    first = ask(server, '/restarter/')
    tag = first.headers['etag']
    for known in (tag, f'W/{tag}', f'"other", {tag}', '*'):
        again = ask(server, '/restarter/', If_None_Match=known)
        assert (again.status, again.body) == (304, b'')
        assert again.headers['content-length'] == str(len(first.body))
    assert ask(server, '/restarter/', If_None_Match='"other"').status == 200


def test_the_address_without_a_slash_leads_to_the_page_under_any_prefix(server):
    answer = ask(server, '/restarter')
    assert (answer.status, answer.headers['location']) == (301, 'restarter/')


@pytest.mark.parametrize('path', ['x', 'page/index.html', '../setup.py', '%2e%2e/x', 'state/', '/'])
def test_there_is_nothing_else(server, path):
    answer = ask(server, f'/restarter/{path}')
    assert (answer.status, answer.line) == (404, 'there is nothing here')


@pytest.mark.parametrize('path', ['/restarterx', '/', '/index.html', '/stylesheets/supervisor.css'])
def test_other_addresses_are_supervisors_own(server, path):
    assert 'content-security-policy' not in ask(server, path).headers


@pytest.mark.parametrize(
    'path', ['', 'style.css', 'state', 'state?wait=x', 'log', 'metrics', 'none-such']
)
def test_every_answer_keeps_the_page_to_itself(server, path):
    headers = ask(server, f'/restarter/{path}').headers
    policy = headers['content-security-policy'].split('; ')
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= {*policy}
    assert {"require-trusted-types-for 'script'", "trusted-types 'none'"} <= {*policy}
    assert not [one for one in policy if 'unsafe' in one or '*' in one]
    assert headers['x-content-type-options'] == 'nosniff'
    assert headers['referrer-policy'] == 'no-referrer'
    assert headers['cross-origin-resource-policy'] == 'same-origin'


@pytest.mark.parametrize('path', ['', 'main.js', 'state', 'log', 'none-such'])
def test_a_head_is_what_the_get_begins_with(server, path):
    one, other = (ask(server, f'/restarter/{path}', method) for method in ('GET', 'HEAD'))
    assert (other.status, other.body) == (one.status, b'')
    for name in ('content-type', 'cache-control', 'etag'):
        assert one.headers.get(name) == other.headers.get(name)
    if path != 'state':  # which tells the time
        assert one.headers['content-length'] == other.headers['content-length']


@pytest.mark.parametrize('method', ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'get'])
@pytest.mark.parametrize('path', ['', 'state', 'none-such'])
def test_only_get_and_head_are_answered(server, method, path):
    answer = ask(server, f'/restarter/{path}', method, b'x' * 100)
    assert (answer.status, answer.headers['allow']) == (405, 'GET, HEAD')
    assert answer.line == 'only GET and HEAD are answered here'


# -- queries -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('query', 'said'),
    [
        ('wait=x', "wait = 'x': must be seconds, 0 to 25"),
        ('wait=-1', "wait = '-1': must be seconds, 0 to 25"),
        ('wait=nan', "wait = 'nan': must be seconds, 0 to 25"),
        ('wait=', "wait = '': must be seconds, 0 to 25"),
        ('wait=1&wait=2', 'wait is given twice'),
        ('since=1', "since = '1': must be EPOCH:VERSION, as the answer before had them"),
        ('since=a:-1', "since = 'a:-1': must be EPOCH:VERSION, as the answer before had them"),
        ('restart=1', "restart = '1': must be ID:VERSION, the version as the answer before had it"),
        ('until=1', "unknown field 'until'; known are since, wait, restart"),
        (
            '&'.join('wait=1' for _ in range(11)),
            'more than 10 fields; known are since, wait, restart',
        ),
    ],
)
def test_a_bad_query_is_refused_with_what_is_wrong(server, query, said):
    answer = ask(server, f'/restarter/state?{query}')
    assert (answer.status, answer.line) == (400, said)


@pytest.mark.parametrize(
    ('query', 'status', 'said'),
    [
        ('', 400, 'process is missing: must be GROUP:NAME'),
        ('process=web:0&channel=log', 400, "channel = 'log': must be stdout or stderr"),
        (
            'process=web:0&offset=-2',
            400,
            "offset = '-2': must be a count of bytes, or -1 for the end",
        ),
        ('process=web:0&length=x', 400, "length = 'x': must be a count of bytes, at most 65536"),
        ('process=web:9', 404, 'there is no such process'),
        ('process=web', 404, 'there is no such process'),
        ('process=%ff%00:0', 404, 'there is no such process'),
        ('process=loud:loud&channel=stderr', 404, 'it has no log of its stderr'),
    ],
)
def test_a_bad_query_for_a_log_is_refused_with_what_is_wrong(server, query, status, said):
    answer = ask(server, f'/restarter/log?{query}')
    assert (answer.status, answer.line) == (status, said)


VALUES = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(['web:0', 'loud:loud', ':', '-1', '0', '9' * 400, '1:1', '١']),
    st.binary(max_size=20).map(lambda data: data.decode('latin-1')),
)
NAMES = st.one_of(
    st.sampled_from(['since', 'wait', 'restart', 'process', 'channel', 'offset', 'length']),
    st.text(max_size=10),
)
# What a request line can carry, as it is and escaped.
RAW = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)


@given(
    path=st.sampled_from(['', 'state', 'log', 'metrics', 'main.js', 'x']),
    query=st.one_of(RAW, st.lists(st.tuples(NAMES, VALUES), max_size=12).map(urlencode)),
)
@example(path='state', query='since=%ff%fe:%00&wait=0#?')
@example(path='log', query='process=web:0&offset=999999999999999&length=999999999999999')
def test_no_query_is_an_internal_error(server, path, query):
    query = re.sub(r'\bwait=([1-9]|0\.)', 'wait=x', query)  # those that are right would wait
    answer = ask(server, f'/restarter/{path}?{query}')
    assert answer.status in (200, 400, 404)
    if answer.status != 200:
        assert answer.line.isprintable()


@given(rest=RAW)
def test_no_address_is_an_internal_error(server, rest):
    assert ask(server, f'/restarter/{rest.replace("wait=", "w=").replace("#", "")}').status in (
        200,
        400,
        404,
    )


# -- what is told --------------------------------------------------------------------------------


def test_everything_is_told_to_one_that_knows_nothing(server):
    told = state(server)
    assert told['about'] == {
        'name': 'supervisor',
        'supervisor': server.rpc().supervisor.getSupervisorVersion(),
        'restarter': supervisor_restarter.__version__,
        'namespace': 'restarter',
        'pid': server.pid,
        'state': 'RUNNING',
    }
    assert sorted(told['groups'], key=str) == [
        {'name': 'loud', 'processes': ['loud']},
        {'name': 'web', 'processes': ['0', '1']},
    ]
    names = [f'{one["name"]}:{name}' for one in told['groups'] for name in one['processes']]
    for index, shown, pid, since, text, logs in told['processes']:
        info = server.info(names[index])
        assert (shown, pid, since) == (info['statename'], info['pid'], info['start'])
        assert (text, logs) == ('', 1 if info['group'] == 'loud' else 3)
    assert (told['full'], told['restarts'], told['order']) == (True, [], [])


def test_a_log_is_told_whatever_is_in_it(server):
    server.wait(lambda: len(log(server, 'loud:loud')['text']) == 9, 'log')
    assert log(server, 'loud:loud') == {'text': 'first\nä�\n', 'offset': 10, 'overflow': False}
    assert log(server, 'loud:loud', offset=8)['text'] == '�\n'
    assert log(server, 'loud:loud', offset=0, length=2) == {
        'text': '�\n',
        'offset': 10,
        'overflow': True,
    }
    assert log(server, 'loud:loud', offset=10) == {'text': '', 'offset': 10, 'overflow': False}


def log(server, process, **query):
    return ask(server, f'/restarter/log?{urlencode({"process": process, **query})}').json


def test_names_may_have_any_characters(start):
    name = 'a<b>"&\'*[ü]'
    server = start(program(name, stdout_logfile='%(here)s/weird'))
    server.wait_state(name)
    assert state(server)['groups'] == [{'name': name, 'processes': [name]}]
    assert log(server, f'{name}:{name}')['text'] == ''
    assert ask(server, f'/restarter/log?process={quote(name)}').status == 404


# -- connections ---------------------------------------------------------------------------------

GET = b'GET /restarter/style.css HTTP/1.1\r\n\r\n'
WAITING = b'GET /restarter/state?wait=20&since=%s HTTP/1.1\r\n\r\n'


def known(server):
    told = state(server)
    return f'{told["epoch"]}:{told["version"]}'.encode()


def test_a_connection_is_kept_for_further_requests(server):
    client = Raw(server, GET)
    for _ in range(3):
        assert client.answer().status == 200
        client.socket.sendall(GET)


def test_requests_that_come_together_are_answered_in_order(server):
    head = b'HEAD /restarter/ HTTP/1.1\r\n\r\n'
    client = Raw(server, GET + head + b'GET /restarter/x HTTP/1.1\r\n\r\n' + GET)
    assert client.answer().headers['content-type'].startswith('text/css')
    assert client.answer(body=False).headers['content-type'].startswith('text/html')
    assert client.answer().status == 404
    assert client.answer().status == 200


def test_a_request_behind_one_that_waits_is_answered_after_it(start):
    server = start(program())
    server.wait_state()
    client = Raw(server, WAITING % known(server), GET)
    server.rpc().supervisor.stopProcess('web')
    assert client.answer().json['processes'][0][1] in ('STOPPING', 'STOPPED')
    assert client.answer().headers['content-type'].startswith('text/css')


@pytest.mark.parametrize(
    ('version', 'connection', 'kept'),
    [
        ('1.1', 'close', None),
        ('1.1', 'TE, Close', None),
        ('1.0', '', None),
        ('1.0', 'Keep-Alive', 'Keep-Alive'),
        ('2.7', '', None),
    ],
)
@pytest.mark.parametrize('path', ['style.css', 'state', 'state?wait=0.01', 'state?wait=x'])
def test_a_connection_is_closed_as_the_client_wants_it(server, version, connection, kept, path):
    header = f'Connection: {connection}\r\n' if connection else ''
    client = Raw(server, f'GET /restarter/{path} HTTP/{version}\r\n{header}\r\n'.encode())
    assert client.answer().headers['connection'] == (kept or 'close')
    if kept:
        client.socket.sendall(GET)
        assert client.answer().status == 200
    else:
        assert client.is_closed()


STOP = xmlrpc.client.dumps(('web:0', False), 'supervisor.stopProcess').encode()
INNER = b'POST /RPC2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s' % (len(STOP), STOP)


@pytest.mark.parametrize('request_line', [b'POST /restarter/', b'GET /restarter/x'])
@pytest.mark.parametrize(
    ('length', 'kept'),
    [
        (b'Content-Length: %d' % len(INNER), True),
        (b'content-length:%d' % len(INNER), True),
        (b'Transfer-Encoding: chunked', False),
        (b'Content-Length: 999999999', False),
        (b'Content-Length: -1', False),
        (b'Content-Length: x', False),
    ],
)
def test_a_body_is_not_taken_for_a_request(server, request_line, length, kept):
    client = Raw(server, request_line + b' HTTP/1.1\r\n' + length + b'\r\n\r\n' + INNER)
    assert client.answer().status in (404, 405)
    if kept:
        client.socket.sendall(GET)
        assert client.answer().status == 200
    else:
        assert client.is_closed()
    assert server.state('web:0') == 'RUNNING'


# -- servers -------------------------------------------------------------------------------------


def test_every_server_has_it_behind_its_own_password(start):
    port = free_port()
    server = start(
        program(),
        extra=f'[inet_http_server]\nport=127.0.0.1:{port}\nusername=me\npassword=secret\n',
    )
    server.wait_state()
    assert ask(server, '/restarter/').status == 200
    for path in ('', 'style.css', 'state', 'log?process=web:web', 'metrics', 'x'):
        for user in ('me:wrong', 'secret:me', ':'):
            refused = ask(port, f'/restarter/{path}', Authorization=basic(user))
            assert (refused.status, 'www-authenticate' in refused.headers) == (401, True)
            assert b'web' not in refused.body
    assert ask(port, '/restarter/').status == 401
    right = basic('me:secret')
    assert ask(port, '/restarter/', Authorization=right).status == 200
    assert ask(port, '/restarter/state', Authorization=right).json['full']
    lines = server.log_text()
    assert f'INFO restarter: page at http://127.0.0.1:{port}/restarter/\n' in lines
    assert f'INFO restarter: page on unix://{server.dir}/sock\n' in lines


def test_several_interfaces_have_one_page(start):
    server = start(
        program(),
        extra='[rpcinterface:another]\n'
        'supervisor.rpcinterface_factory = supervisor_restarter:make_rpcinterface\ndelay=1\n',
    )
    assert state(server)['about']['namespace'] in ('restarter', 'another')
    assert server.log_text().count('restarter: page ') == 1


def test_it_is_there_again_after_a_reload_with_another_epoch(start):
    server = start(program())
    server.wait_state()
    before = state(server)
    (server.conf).write_text(server.conf.read_text().replace('[program:web]', '[program:new]'))
    os.kill(server.pid, signal.SIGHUP)
    server.wait(lambda: is_new(server, before), 'reload')
    after = state(server, before)
    assert (after['full'], after['groups']) == (True, [{'name': 'new', 'processes': ['new']}])
    assert server.log_text().count('restarter: page ') == 2


def is_new(server, before):
    answer = ask(server, '/restarter/state')
    return answer.status == 200 and answer.json['epoch'] != before['epoch']


def test_without_it_the_servers_are_supervisors_own(start):
    server = start(program(), restarter='web=false')
    for path in ('/restarter', '/restarter/', '/restarter/state', '/restarter/metrics'):
        answer = ask(server, path)
        assert (answer.status, 'content-security-policy' in answer.headers) == (404, False)
    assert 'restarter: page' not in server.log_text()
    assert server.restarter.restartProcessGroup('web') is True
