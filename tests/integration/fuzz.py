"""Calls to the restarter namespace as no client should send them: strategies for hypothesis, and a
server for them.

Values are XML and not Python's, so that they can also be what xmlrpc.client would refuse to send.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import xmlrpc.client
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from supervisor_restarter.option_kinds import DECLARED
from tests.integration.server import SECONDS, Server, free_port, program

USER, PASSWORD = 'user', 'secret'
# seconds after which a call that waits is helped to its end, by cancelling what it waits for
PATIENT = 0.3
ARGUMENTS = {
    'restartProcessGroup': ['group', 'options'],
    'quickStop': ['names', 'wait'],
    'quickStart': ['names', 'wait'],
    'quickRestart': ['names', 'wait'],
    'startRestart': ['names', 'options'],
    'planRestart': ['names', 'options'],
    'planConfig': ['groups', 'options'],
    'startApply': ['groups', 'options'],
    'setNumprocs': ['program', 'n', 'options'],
    'retryRestart': ['id', 'options'],
    'getRestart': ['id'],
    'waitRestart': ['id', 'version', 'seconds', 'since'],
    'cancelRestart': ['id'],
    'listRestarts': [],
    'getPluginVersion': [],
    'getAPIVersion': [],
}
OPTIONAL = ('options', 'wait', 'groups', 'since')  # arguments that may be left out
PROGRAMS = program(count=2, stopwaitsecs=1) + program('lone', stopwaitsecs=1)


# -- values ----------------------------------------------------------------------------------


def scalar(kind: str, text: object) -> str:
    return f'<value><{kind}>{text}</{kind}></value>'


def array(values: list[str]) -> str:
    return f'<value><array><data>{"".join(values)}</data></array></value>'


def struct(members: list[tuple[str, str]]) -> str:
    inside = ''.join(f'<member><name>{name}</name>{value}</member>' for name, value in members)
    return f'<value><struct>{inside}</struct></value>'


def nested(depth: int) -> str:
    return '<value><array><data>' * depth + '</data></array></value>' * depth


def carried(text: str) -> str:
    """The text as XML carries it, line ends and tabs among it."""
    return escape(text, {'\r': '&#13;', '\n': '&#10;', '\t': '&#9;'})


def strings(*samples: str) -> st.SearchStrategy[str]:
    return st.sampled_from(samples).map(lambda text: scalar('string', carried(text)))


in_xml = st.characters(
    exclude_categories=['Cs'], exclude_characters='\ufffe\uffff', min_codepoint=0x20
) | st.sampled_from('\r\n\t\x7f\x9b\u2028\u202e*?[]:%')
texts = st.text(in_xml, max_size=30).map(carried)
# What XML cannot carry, or carries in another way.
# fmt: off
raw = st.sampled_from([
    '\x00', '&#0;', '\x1b[31m', '&#27;', '&#xD800;', '&#xFFFE;', '&nbsp;', '<', '&', ']]>',
    '<![CDATA[web]]>', '<!-- web -->', '<b>web</b>', '\ufffe', '<?php web ?>',
])
# fmt: on
numbers = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.sampled_from([2**31, -(2**31) - 1, 2**63, 10**7, 10**7 + 1, 10**308, 10**4000]),
    st.sampled_from(['9' * 5000, '', ' 1 ', '1_0', '0x1', '+1', '1.0', '\u0661', 'one']),
)
doubles = st.one_of(
    st.floats().map(repr),
    st.sampled_from(['nan', '-inf', '1e400', '-0.0', '', '1,5', '0x1p3', '1e-320']),
)
leaves = st.one_of(
    numbers.flatmap(
        lambda number: st.sampled_from(['int', 'i4', 'i8']).map(lambda kind: scalar(kind, number))
    ),
    doubles.map(lambda text: scalar('double', text)),
    st.sampled_from(['0', '1', '2', 'true', '', '-1']).map(lambda text: scalar('boolean', text)),
    texts.map(lambda text: scalar('string', text)),
    texts.map(lambda text: f'<value>{text}</value>'),
    raw.map(lambda text: scalar('string', text)),
    st.binary(max_size=20).map(lambda data: scalar('base64', base64.b64encode(data).decode())),
    st.sampled_from(['20260131T23:59:59', '20261331T23:59:59', '', '0', '00000000T00:00:00']).map(
        lambda text: scalar('dateTime.iso8601', text)
    ),
    st.sampled_from(
        [
            '<value><nil/></value>',
            '<value/>',
            '<value></value>',
            '',
            '<nil/>',
            '<int>1</int>',
            scalar('complex', '1j'),
            '<value><int>1</int><int>2</int></value>',
            scalar('base64', '%%%'),
            '<value><array/></value>',
            '<value><struct><member/></struct></value>',
            struct([('a', '')]),
            scalar('methodName', 'supervisor.shutdown'),
            scalar('params', ''),
            scalar('string', 'x' * 50_000),
            array([scalar('int', 1)] * 2000),
            nested(1000),
        ]
    ),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(array),
        st.lists(st.tuples(texts | st.sampled_from(list(DECLARED)), inner), max_size=4).map(struct),
    ),
    max_leaves=8,
)

# fmt: off
names = strings(
    'web', 'web:', 'web:*', 'web:0', 'web:1', 'we*', 'lone', '*', 'all', '[w]eb:0', 'WEB', ' web', 'web ',
    'web\n', 'web:9', 'web:0:1', 'web:\x7f', 'nope', '', ':', '[', 'web:[z-a]', 'w?b', 'web/0',
)
# fmt: on
seconds = st.one_of(
    st.sampled_from(['0', '0.01', '0.2', '1', '9999999.5', '10000001', '-0.1', 'nan', 'inf']).map(
        lambda text: scalar('double', text)
    ),
    st.sampled_from([0, 1, 10_000_000, 10_000_001, -1]).map(lambda number: scalar('int', number)),
)
flags = st.sampled_from(['0', '1']).map(lambda text: scalar('boolean', text)) | st.sampled_from(
    [0, 1, 2]
).map(lambda number: scalar('int', number))
NEARLY: dict[str, st.SearchStrategy[str]] = {
    **dict.fromkeys(['delay', 'timeout', 'min_ready', 'ready_timeout', 'stop_timeout'], seconds),
    'hook_timeout': seconds,
    'stagger_factor': st.sampled_from([0, 1, 2, 10_000, 10_001, True]).map(
        lambda number: scalar('int', number)
    ),
    'max_unavailable': st.sampled_from([0, 1, 2, 10_000]).map(lambda number: scalar('int', number))
    | strings('50%', '1%', '100%', '0%', '101%', '050%', '\u0665\u0660%', '50%\n', '1', '2', '0'),
    'max_surge': st.sampled_from([0, 1, 10_001]).map(lambda number: scalar('int', number))
    | strings('50%', '100%', '0%', '101%', '1', '0', ''),
    'method': strings(
        *('restart', 'start', 'signal:CONT', 'signal:sigcont', 'signal:', 'signal:0', 'signal:18'),
        *('signal:RTMIN+1', 'signal:CONT:', 'Restart'),
    ),
    'on_failure': strings('abort', 'continue', 'ABORT', ''),
    'if_busy': strings('fail', 'queue', 'queue '),
    'only_running': flags,
    'newer_than': (
        paths := strings('/', '/etc/passwd', '/no/where', '/etc/passwd/', '/\x7f', '', '.')
    )
    | st.lists(paths, max_size=3).map(array),
}
options = st.lists(
    st.sampled_from(sorted(NEARLY)).flatmap(
        lambda key: st.tuples(st.just(key), st.one_of(NEARLY[key], NEARLY[key], values))
    )
    | st.tuples(
        st.sampled_from(['history', 'fast_spawn', 'Delay', 'delay ', '__class__', '', 'self']),
        values,
    ),
    max_size=4,
).map(struct)
ids = st.integers(0, 30).map(lambda number: scalar('string', number)) | strings(
    '01', ' 1', '\u0661', '1.0', ''
)
versions = st.sampled_from([0, 1, -1, 2**31 - 1, 2**70]).map(lambda number: scalar('int', number))
nearly: dict[str, st.SearchStrategy[str]] = {
    'group': names,
    'groups': names | st.lists(names, max_size=4).map(array),
    'names': names | st.lists(names, max_size=4).map(array),
    'options': options,
    'program': names,
    # No random ones: so many processes would be started.
    'n': st.sampled_from([-1, 0, 1, 2, 3, 10_001, 2**70, True]).map(
        lambda number: scalar('int', number)
    )
    | strings('2', '', 'x'),
    'wait': flags,
    'id': ids,
    'version': versions,
    'seconds': seconds,
    'since': versions,
}


class Request(NamedTuple):
    """A call: its method, and its parameters in XML."""

    method: str
    values: list[str]

    def body(self, method: str = '') -> bytes:
        """The call in XML, or the same parameters for another method."""
        params = ''.join(f'<param>{value}</param>' for value in self.values)
        return (
            f'<?xml version="1.0"?><methodCall><methodName>{method or self.method}</methodName>'
            f'<params>{params}</params></methodCall>'
        ).encode('utf-8', 'surrogatepass')


@st.composite
def requests(draw: Any) -> Request:
    """A call of a published method whose parameters are nearly right, or anything."""
    method = draw(st.sampled_from(sorted(ARGUMENTS)))
    given = [
        draw(nearly['n'] if argument == 'n' else st.one_of(*[nearly[argument]] * 2, values))
        for argument in ARGUMENTS[method]
    ]
    extra = draw(st.sampled_from([0, 0, 0, 0, 1, -1, -2]))
    given = (
        given[: len(given) + extra] if extra < 0 else given + [draw(values) for _ in range(extra)]
    )
    return Request(f'restarter.{method}', given)


# -- the server ------------------------------------------------------------------------------


class Fuzzed(Server):
    """The server that gets it all, over a unix socket and, with a password, over inet."""

    calm: Any = None

    def __init__(
        self, programs: str = PROGRAMS, restarter: str = 'history=10', extra: str = ''
    ) -> None:
        self.port = free_port()
        inet = f'[inet_http_server]\nport=127.0.0.1:{self.port}\nusername={USER}\npassword={PASSWORD}\n\n'
        super().__init__(programs, restarter, extra + inet)

    def __enter__(self) -> Fuzzed:
        super().__enter__()
        return self

    def connect(self, inet: bool) -> socket.socket:
        """A connection to one of the servers."""
        if inet:
            return socket.create_connection(('127.0.0.1', self.port), timeout=SECONDS)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        connection.connect(str(self.dir / 'sock'))
        return connection

    def post(self, body: bytes, inet: bool = False) -> tuple[int, bytes]:
        """HTTP status and body of the answer. One that does not come at once is helped on."""
        authorization = base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()
        with self.connect(inet) as connection:
            connection.sendall(
                b'POST /RPC2 HTTP/1.1\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n%s'
                % (authorization.encode(), len(body), body)
            )
            connection.settimeout(PATIENT)
            try:
                connection.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                self.cancel_all()
            connection.settimeout(SECONDS)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.read()

    def cancel_all(self) -> None:
        """Cancel every restart, and wait until all have come to their end."""

        def over() -> bool:
            unfinished = [
                struct
                for struct in self.rpc().restarter.listRestarts()
                if not struct['finished_at']
            ]
            for struct in unfinished:
                with contextlib.suppress(xmlrpc.client.Fault):  # it has just ended
                    self.rpc().restarter.cancelRestart(struct['id'])
            return not unfinished

        self.wait(over, 'end of all restarts')

    def look(self) -> Any:
        """The state and pid of every process."""
        return [
            (info['group'], info['name'], info['statename'], info['pid'])
            for info in self.rpc().supervisor.getAllProcessInfo()
        ]

    def settle(self) -> None:
        """Bring everything back to where all processes run, and remember their pids."""
        self.cancel_all()

        def up() -> bool:
            self.rpc().restarter.quickStart('all', True)
            return {state for _, _, state, _ in self.look()} == {'RUNNING'}

        self.wait(up, 'return of every process')
        self.calm = self.look()


def decoded(body: bytes) -> Any:
    """The value or Fault of an answer."""
    try:
        (value,), _ = xmlrpc.client.loads(body.decode('utf-8'))
    except xmlrpc.client.Fault as fault:
        return fault
    return value
