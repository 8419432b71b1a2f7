"""Anything that can be sent to the restarter's methods, through real HTTP, made up by hypothesis.

FUZZ=20 pytest tests/integration/test_fuzzing.py tries twenty times as much.
"""

from __future__ import annotations

import os
import re
import xmlrpc.client

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from supervisor_restarter.faults import Code
from tests.integration.fuzz import (
    ARGUMENTS,
    Fuzzed,
    Request,
    array,
    decoded,
    nested,
    requests,
    scalar,
    struct,
    values,
)

FUZZ = int(os.environ.get('FUZZ', '1'))
INCORRECT_PARAMETERS = 2
FAULTS = {INCORRECT_PARAMETERS, *map(int, Code)}
STOCK = 'supervisor.getProcessInfo'  # Supervisor's own, for comparison: takes one string
UNREADABLE = 400  # what Supervisor says to a request that is none

pytestmark = pytest.mark.timeout(600 * FUZZ)


def tries(number):
    """So many examples; none is waited for by the clock, as the server may restart processes in it."""
    return settings(
        max_examples=number * FUZZ,
        deadline=None,
        database=None,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.function_scoped_fixture,
        ],
    )


@pytest.fixture(scope='module')
def running():
    with Fuzzed() as server:
        yield server
        server.settle()


@pytest.fixture
def fuzzed(running):
    running.settle()
    return running


def assert_fault(fault):
    """A code of ours, and one short printable line."""
    assert fault.faultCode in FAULTS, fault
    assert fault.faultString.isprintable()
    assert len(fault.faultString) < 1000


def assert_nothing_touched(server):
    assert server.look() == server.calm


def check(server, request, inet=False):
    """Send it, and look at all that must hold whatever it is."""
    mark = server.log_size()
    status, body = server.post(request.body(), inet)
    if status == 200:
        answer = decoded(body)
        if isinstance(answer, xmlrpc.client.Fault):
            assert_fault(answer)
            assert_nothing_touched(server)
        elif request.method.rpartition('.')[2] not in (
            'getRestart',
            'listRestarts',
            'planRestart',
            'planConfig',
            'getPluginVersion',
            'getAPIVersion',
            'waitRestart',
        ):
            server.settle()
        else:
            assert_nothing_touched(server)
    else:
        assert status == UNREADABLE
        # it is not the method that matters
        assert server.post(request.body(STOCK), inet)[0] == UNREADABLE
        assert_nothing_touched(server)
    assert 'Traceback' not in server.log_text(mark)
    assert server.process.poll() is None


@tries(400)
@given(request=requests(), inet=st.booleans())
@example(request=Request('restarter.getRestart', [nested(50_000)]), inet=False)
@example(request=Request('restarter.startRestart', [scalar('string', '[' * 200_000)]), inet=True)
@example(
    request=Request(
        'restarter.planRestart', [array([scalar('string', '[' * 180 + str(n)) for n in range(400)])]
    ),
    inet=False,
)
@example(
    request=Request(
        'restarter.quickStart', [scalar('string', 'web'), struct([('x' * 100_000, nested(500))])]
    ),
    inet=False,
)
def test_whatever_is_sent_is_answered(fuzzed, request, inet):
    check(fuzzed, request, inet)


@tries(80)
@given(method=st.sampled_from(sorted(ARGUMENTS)), given=st.lists(values, max_size=5))
def test_any_values_in_any_number(fuzzed, method, given):
    check(fuzzed, Request(f'restarter.{method}', given))


@tries(40)
@given(calls=st.lists(requests(), min_size=1, max_size=4), params=st.none() | values)
def test_calls_within_a_multicall(fuzzed, calls, params):
    """`params` stands for the array of parameters of the first call, where Supervisor expects one."""
    inner = [
        struct(
            [
                ('methodName', scalar('string', call.method)),
                ('params', params if params is not None and not number else array(call.values)),
            ]
        )
        for number, call in enumerate(calls)
    ]
    mark = fuzzed.log_size()
    status, body = fuzzed.post(Request('system.multicall', [array(inner)]).body())
    answers = decoded(body) if status == 200 else []
    if isinstance(answers, list):
        for answer in answers[1 if params is not None else 0 :]:
            if isinstance(answer, dict) and 'faultCode' in answer:
                assert_fault(xmlrpc.client.Fault(**answer))
    assert status in (200, UNREADABLE)
    assert 'Traceback' not in fuzzed.log_text(mark)
    fuzzed.settle()


# -- requests that are none ------------------------------------------------------------------

HEAD = (b'POST /RPC2 HTTP/1.1', b'Host: x', b'Content-Type: text/xml')
METHOD = b'@METHOD@'
OURS, THEIRS = b'restarter.getRestart', STOCK.encode()
BODY = Request(METHOD.decode(), [scalar('string', 'web')]).body()
STATUS = re.compile(rb'^HTTP/1\.[01] ([0-9]{3})', re.MULTILINE)
# fmt: off
heads = st.one_of(
    st.just(HEAD),
    st.sampled_from([
        (b'POST /RPC2 HTTP/1.0',), (b'POST /RPC2',), (b'GET /RPC2 HTTP/1.1',), (b'PUT /RPC2 HTTP/1.1',),
        (b'POST /RPC2/../x HTTP/1.1',), (b'POST /RPC2;x?y#z HTTP/1.1',), (b'POST /%52PC2 HTTP/1.1',),
        (b'',), (b'POST  HTTP/1.1',), (b'\x00',), (*HEAD, b'Connection: close'), (*HEAD, b'nonsense'),
        (*HEAD, b'Transfer-Encoding: chunked'), (*HEAD, b'Expect: 100-continue'),
        (*HEAD, b'Authorization: Basic eDp5'), (*HEAD, b'Content-Encoding: gzip'),
    ]),
)
lengths = st.sampled_from([*4 * [None], b'', b'-1', b'0', b'1', b'99999', b'ten', b'1e1'])
pieces = st.binary(max_size=4) | st.sampled_from([
    b'<value>', b'</params>', b'<methodName>', b'&#0;', b'\xff', METHOD, b'<!DOCTYPE x', b'<struct>', b'<name>',
    b'<param>', b'<array>', b'\x00',
])
# fmt: on
edits = st.lists(st.tuples(st.integers(0, len(BODY)), st.integers(0, 12), pieces), max_size=3)


def edited(body, changes):
    for at, drop, put in changes:
        body = body[:at] + put + body[at + drop :]
    return body


def exchanged(server, head, length, body, method):
    """The HTTP statuses that the server answers to these bytes before it closes, and whether it
    logs a traceback.
    """
    mark = server.log_size()
    body = body.replace(METHOD, method)
    length = str(len(body)).encode() if length is None else length
    with server.connect(False) as connection:
        try:
            connection.sendall(b'\r\n'.join([*head, b'Content-Length: ' + length, b'', body]))
            connection.shutdown(1)  # SHUT_WR: where it waits for more it learns that nothing comes
            answer = b''.join(iter(lambda: connection.recv(65536), b''))
        except ConnectionError:
            answer = b'broken'
    assert server.process.poll() is None
    return [int(status) for status in STATUS.findall(answer)], 'Traceback' in server.log_text(mark)


@tries(150)
@given(head=heads, length=lengths, changes=edits)
@example(head=HEAD, length=None, changes=[])
def test_broken_requests_are_answered_as_for_a_method_of_supervisors_own(
    fuzzed, head, length, changes
):
    body = edited(BODY, changes)
    ours = exchanged(fuzzed, head, length, body, OURS)
    assert ours == exchanged(fuzzed, head, length, body, THEIRS)
    assert_nothing_touched(fuzzed)
