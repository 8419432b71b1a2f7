"""Whatever XML-RPC can carry, for every argument of every method: refused in words, and nothing is
touched.
"""

from __future__ import annotations

import http.client
import socket
import xml.parsers.expat
import xmlrpc.client

import pytest

from supervisor_restarter.faults import Code
from supervisor_restarter.options import DECLARED
from tests.integration.server import Server, program, shared

UNKNOWN_METHOD, INCORRECT_PARAMETERS = 1, 2  # Supervisor's own faults
DEPTH = 2000


def nested(depth):
    return '<value><array><data>' * depth + '</data></array></value>' * depth


def nested_structs(depth):
    return (
        '<value><struct><member><name>a</name>' * depth
        + '<value>1</value>'
        + '</member></struct></value>' * depth
    )


def scalar(kind, text):
    return f'<value><{kind}>{text}</{kind}></value>'


def struct(name, value):
    return f'<value><struct><member><name>{name}</name>{value}</member></struct></value>'


def array(*values):
    return f'<value><array><data>{"".join(values)}</data></array></value>'


VALUES = {
    'zero': scalar('int', 0),
    'int': scalar('int', 7),
    'negative': scalar('int', -1),
    'huge': scalar('int', 2**70),
    'enormous': scalar('int', '9' * 4000),
    'too long': scalar('int', '9' * 20_000),
    'i4': scalar('i4', 3),
    'double': scalar('double', 0.5),
    'negative double': scalar('double', -0.5),
    'nan': scalar('double', 'nan'),
    'inf': scalar('double', 'inf'),
    'minus inf': scalar('double', '-inf'),
    '1e400': scalar('double', '1e400'),
    'true': scalar('boolean', 1),
    'false': scalar('boolean', 0),
    'string': scalar('string', 'nonsense'),
    'empty string': scalar('string', ''),
    'untyped': '<value>nonsense</value>',
    'long string': scalar('string', 'x' * 100_000),
    'markup': scalar('string', '&lt;/value&gt;&amp;]]&gt;'),
    'open bracket': scalar('string', '[z-a]['),
    'stars': scalar('string', '*a' * 200),
    'colons': scalar('string', ':::'),
    'newlines': scalar('string', 'a&#10;b&#13;c&#9;d'),
    'non-ASCII': scalar('string', 'grüße-☃-😀'),
    'empty array': array(),
    'array': array(scalar('int', 1), scalar('string', 'x'), '<value><nil/></value>'),
    'deep array': nested(DEPTH),
    'deep struct': nested_structs(DEPTH),
    'array of arrays': array(array('web')),
    'empty struct': '<value><struct></struct></value>',
    'struct': struct('x', scalar('int', 1)),
    'struct without name': struct('', scalar('int', 1)),
    'struct with bad name': struct('ü&#9;', scalar('int', 1)),
    'struct named by an int': '<value><struct><member><value><int>5</int></value>'
    '<value>x</value></member></struct></value>',
    'dateTime': scalar('dateTime.iso8601', '20260131T23:59:59'),
    'bad dateTime': scalar('dateTime.iso8601', 'soon'),
    'base64': scalar('base64', 'd2Vi'),
    'control characters': scalar('base64', 'AAcbWzMxbQh/woU='),
    'not UTF-8': scalar('base64', '//79'),
    'noncharacters': scalar('base64', '77+/77++'),
    'nil': '<value><nil/></value>',
    'unknown type': scalar('complex', '1j'),
}
GOOD = {
    'name': scalar('string', 'web'),
    'options': VALUES['empty struct'],
    'wait': VALUES['true'],
    'version': VALUES['zero'],
    'seconds': VALUES['zero'],
}
METHODS = {
    'restartProcessGroup': ['name', 'options'],
    'quickStop': ['name', 'wait'],
    'quickStart': ['name', 'wait'],
    'quickRestart': ['name', 'wait'],
    'startRestart': ['name', 'options'],
    'planRestart': ['name', 'options'],
    'getRestart': ['id'],
    'waitRestart': ['id', 'version', 'seconds'],
    'cancelRestart': ['id'],
    'retryRestart': ['id', 'options'],
    'listRestarts': [],
    'getPluginVersion': [],
    'getAPIVersion': [],
}
OPTIONAL = ('options', 'wait')
# What is right for an argument after all.
FITTING = {
    'name': {'base64'},  # it says 'web'
    'options': {'empty struct', 'nil'},
    'wait': {'true', 'false', 'zero'},
    'id': set(),
    'version': {'zero', 'int', 'negative', 'huge', 'enormous', 'i4'},
    'seconds': {'zero', 'int', 'i4', 'double'},
}
OPTION_VALUES = {
    'delay': {'zero', 'int', 'i4', 'double'},
    'timeout': {'zero', 'int', 'i4', 'double'},
    'stop_timeout': {'zero', 'int', 'i4', 'double'},
    'stagger_factor': {'int', 'i4'},
    'max_unavailable': {'int', 'i4'},
    'scout': {'zero', 'int', 'i4', 'double'},
    'min_ready': {'zero', 'int', 'i4', 'double'},
    'ready_timeout': {'zero', 'int', 'i4', 'double'},
    'method': set(),
    'only_running': {'true', 'false', 'zero'},
    'on_failure': set(),
    'if_busy': set(),
}
# Supervisor itself answers these with 400.
UNREADABLE = ('too long', 'bad dateTime', 'not UTF-8')
REFUSALS = {Code.BAD_GROUP, Code.BAD_OPTION, Code.NO_SUCH_RESTART, INCORRECT_PARAMETERS}


class Target(Server):
    """The server that gets it all, with one restart (its id) behind it."""

    id = ''
    calm_pids: dict[str, int] = {}

    def post(self, body: str) -> tuple[int, bytes]:
        """HTTP status and body of the answer to a raw body."""
        connection = http.client.HTTPConnection('localhost', timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(20)
        connection.sock.connect(str(self.dir / 'sock'))
        connection.request('POST', '/RPC2', body.encode(), {'Content-Type': 'text/xml'})
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def ask(self, method: str, *values: str) -> xmlrpc.client.Fault | object:
        """The fault or the value that a method answers to parameters in XML; None if Supervisor
        itself could not read the request and said so.
        """
        parameters = ''.join(f'<param>{value}</param>' for value in values)
        status, body = self.post(
            f'<?xml version="1.0"?><methodCall><methodName>{method}</methodName>'
            f'<params>{parameters}</params></methodCall>'
        )
        if status == 400:
            return None
        assert status == 200
        text = body.decode('utf-8')
        assert all(char.isprintable() or char == '\n' for char in text), text
        assert text.endswith('</methodResponse>\n')  # the whole of it has come
        try:
            (value,), _ = xmlrpc.client.loads(text)
        except xmlrpc.client.Fault as fault:
            return fault
        return value

    def good(self, argument: str) -> str:
        """The XML of a value that is right for the argument."""
        return GOOD[argument] if argument in GOOD else scalar('string', self.id)

    def assert_untouched(self) -> None:
        """The processes are the same as ever."""
        assert self.pids() == self.calm_pids
        assert set(self.states('web').values()) == {'RUNNING'}


def assert_refused(fault, code):
    """It is a fault with the code, in one short line."""
    assert isinstance(fault, xmlrpc.client.Fault)
    assert fault.faultCode == code
    assert fault.faultString.startswith(f'{code.name}: ')
    assert fault.faultString.isprintable()
    assert len(fault.faultString) < 1000


@pytest.fixture(scope='module')
def target():
    with shared(program(count=2), kind=Target) as server:
        server.wait_state()
        server.id = server.restarter.startRestart('web')
        server.wait_finished(server.id)
        server.calm_pids = server.pids()
        yield server


def wrong(fitting):
    """The names of the values that are wrong for an argument."""
    return [value for value in VALUES if value not in fitting]


@pytest.mark.parametrize(
    ('method', 'argument', 'value'),
    [
        (method, argument, value)
        for method, arguments in METHODS.items()
        for argument in arguments
        for value in wrong(FITTING[argument])
    ],
)
def test_any_value_for_any_argument(target, method, argument, value):
    fault = target.ask(
        f'restarter.{method}',
        *(VALUES[value] if name == argument else target.good(name) for name in METHODS[method]),
    )
    if fault is None:
        assert value in UNREADABLE
    else:
        code = {'name': Code.BAD_GROUP, 'id': Code.NO_SUCH_RESTART}.get(argument, Code.BAD_OPTION)
        assert_refused(fault, code)
        if code is Code.BAD_OPTION:
            assert argument in fault.faultString or 'unknown option' in fault.faultString
    target.assert_untouched()


@pytest.mark.parametrize(
    ('option', 'value'),
    [(option, value) for option, fitting in OPTION_VALUES.items() for value in wrong(fitting)],
)
def test_any_value_for_any_option(target, option, value):
    for method in ('restartProcessGroup', 'startRestart', 'planRestart'):
        fault = target.ask(f'restarter.{method}', GOOD['name'], struct(option, VALUES[value]))
        if fault is None:
            assert value in UNREADABLE
        else:
            assert_refused(fault, Code.BAD_OPTION)
            assert fault.faultString.startswith(f'BAD_OPTION: {option} = ')
            assert 'must be' in fault.faultString
    target.assert_untouched()


@pytest.mark.parametrize(
    ('option', 'text'),
    [
        *(
            ('max_unavailable', text)
            for text in ('0%', '101%', '50', '50 %', '50%%', '-1%', '1.5%', '%', ' 50%', 'half')
        ),
        *(
            ('method', text)
            for text in (
                'signal',
                'signal:',
                'signal:1',
                'signal:NONE',
                'signal:SIGSIGHUP',
                'signal:HUP\n',
                'HUP',
                'reload',
                'Restart',
                'restart:HUP',
            )
        ),
    ],
)
def test_texts_that_are_nearly_right(target, option, text):
    for method in ('restartProcessGroup', 'startRestart', 'planRestart'):
        fault = target.fault(
            lambda method=method: getattr(target.restarter, method)('web', {option: text})
        )
        assert_refused(fault, Code.BAD_OPTION)
        assert fault.faultString.startswith(
            f'BAD_OPTION: {option} = {text!r} is not allowed: it must be '
        )
    target.assert_untouched()


def test_every_option_is_tried():
    assert set(OPTION_VALUES) == set(DECLARED)


@pytest.mark.parametrize('value', wrong({'base64'}))
def test_any_value_among_the_names(target, value):
    for method in ('quickStop', 'quickStart', 'quickRestart', 'startRestart', 'planRestart'):
        fault = target.ask(f'restarter.{method}', array(GOOD['name'], VALUES[value]))
        if fault is None:
            assert value in UNREADABLE
        else:
            assert_refused(fault, Code.BAD_GROUP)
    target.assert_untouched()


@pytest.mark.parametrize(
    ('argument', 'value'),
    [
        (argument, value)
        for argument in ('version', 'seconds')
        for value in sorted(FITTING[argument])
    ],
)
def test_fitting_values_of_every_type(target, argument, value):
    values = {'id': target.good('id'), 'version': GOOD['version'], 'seconds': GOOD['seconds']}
    answer = target.ask('restarter.waitRestart', *{**values, argument: VALUES[value]}.values())
    assert isinstance(answer, dict)
    assert answer['id'] == target.id
    target.assert_untouched()


@pytest.mark.parametrize('method', METHODS)
def test_number_of_arguments(target, method):
    arguments = METHODS[method]
    required = [argument for argument in arguments if argument not in OPTIONAL]
    counts = [
        count for count in range(len(arguments) + 4) if not len(required) <= count <= len(arguments)
    ]
    for count in counts:
        values = [target.good(name) for name in arguments] + [
            VALUES['nil'],
            VALUES['int'],
            VALUES['empty struct'],
        ]
        fault = target.ask(f'restarter.{method}', *values[:count])
        assert isinstance(fault, xmlrpc.client.Fault)
        assert (fault.faultCode, fault.faultString) == (
            INCORRECT_PARAMETERS,
            'INCORRECT_PARAMETERS',
        )
    target.assert_untouched()


@pytest.mark.parametrize(
    'name',
    [
        '_service',
        '_defaults',
        '_supervisord',
        '_quick',
        '_deferred',
        '_guarded',
        '_refuse_in_shutdown',
        '__init__',
        '__class__',
        '__dict__',
        '__doc__',
        'nonsense',
        '',
        'restartprocessgroup',
        '_service.groups',
        'getRestart.__func__',
        'restarter.getRestart',
        '_supervisord.options.logger.info',
        'supervisor.shutdown',
    ],
)
def test_nothing_else_can_be_reached(target, name):
    for values in ([], [GOOD['name']]):
        fault = target.ask(f'restarter.{name}', *values)
        assert isinstance(fault, xmlrpc.client.Fault)
        assert fault.faultCode == UNKNOWN_METHOD
    target.assert_untouched()


@pytest.mark.parametrize(
    ('method', 'argument'),
    [
        (method, argument)
        for method, arguments in METHODS.items()
        for argument in arguments
        if argument in ('name', 'id')
    ],
)
@pytest.mark.parametrize('text', ['grüße-☃-😀', 'пере:запуск', '日本*'])
def test_non_ascii_text_is_echoed_whole(target, method, argument, text):
    rest = METHODS[method][1:]
    fault = target.ask(f'restarter.{method}', scalar('string', text), *map(target.good, rest))
    assert isinstance(fault, xmlrpc.client.Fault)
    assert repr(text) in fault.faultString
    inner = {'methodName': f'restarter.{method}', 'params': [text, *[0] * len(rest)]}
    answers = target.proxy().system.multicall([inner, inner])
    assert [answer['faultCode'] in REFUSALS for answer in answers] == [True, True]


@pytest.mark.parametrize(
    'params', [VALUES['untyped'], VALUES['int'], VALUES['struct'], VALUES['nil'], array(array())]
)
def test_bad_params_inside_a_multicall(target, params):
    for method in METHODS:
        call = (
            f'<value><struct><member><name>methodName</name><value>restarter.{method}</value></member>'
            f'<member><name>params</name>{params}</member></struct></value>'
        )
        answers = target.ask('system.multicall', array(call))
        assert isinstance(answers, list)
        if METHODS[method]:
            assert answers[0]['faultCode'] in REFUSALS
    target.assert_untouched()


@pytest.mark.parametrize(
    'body',
    [
        'web',
        '<methodCall/>',
        '<methodCall><methodName>restarter.getRestart</methodName></methodCall>',
        '<methodCall><methodName>restarter.getRestart</methodName><params><param/></params></methodCall>',
        '<methodCall><methodName>restarter.getRestart</methodName><params><param><value>1</value></params>',
        '<methodCall><methodName>restarter.getRestart</methodName><params><param><value>&#0;</value></param></params>'
        '</methodCall>',
    ],
)
def test_requests_that_are_none(target, body):
    status, answer = target.post(body)
    assert status in (200, 400, 411)
    if status == 200:
        with pytest.raises(xmlrpc.client.Fault):
            xmlrpc.client.loads(answer)
    else:
        with pytest.raises((xml.parsers.expat.ExpatError, xmlrpc.client.Error)):
            xmlrpc.client.loads(answer)
    target.assert_untouched()


# -- a program's environment that makes no sense ---------------------------------------------------

# Of the first, web:0 has a bad port; the second is spoiled by one of its programs; the third has a
# bad policy.
MALFORMED = {
    'web': "web:0: RESTARTER_READY = 'tcp://127.0.0.1:0': ",
    'mixed': "mixed:bad: RESTARTER_READY = 'nonsense': unknown kind; allowed: tcp://",
    'lots': "lots: RESTARTER_MAX_UNAVAILABLE = 'lots' is not allowed: it must be a count from 1 to 10000, or a ",
}


@pytest.fixture(scope='module')
def malformed():
    with shared(
        ''.join(
            [
                program(count=2, environment='RESTARTER_READY="tcp://127.0.0.1:%(process_num)d"'),
                program('fine'),
                program('bad', environment='RESTARTER_READY="nonsense"'),
                program('lonely'),
                program('lots', environment='RESTARTER_MAX_UNAVAILABLE="lots"'),
                '[group:mixed]\nprograms=fine,bad\n',
            ]
        )
    ) as server:
        server.wait_state('mixed')
        server.wait_state('web')
        yield server


@pytest.mark.parametrize(
    ('method', 'names', 'group'),
    [
        *(('restartProcessGroup', group, group) for group in MALFORMED),
        *(
            (method, names, group)
            for method in ('quickRestart', 'startRestart')
            for names, group in (
                ('web', 'web'),
                ('web:0', 'web'),
                ('mixed:*', 'mixed'),
                (['web', 'lots'], 'lots'),
                ('lots', 'lots'),
                # one of the group that makes no sense says little good of the others
                ('web:1', 'web'),
                ('mixed:fine', 'mixed'),
                ('*:fine', 'mixed'),
            )
        ),
    ],
)
def test_a_malformed_readiness_of_one_process_refuses_every_restart_of_its_group(
    malformed, method, names, group
):
    before = malformed.rpc().supervisor.getAllProcessInfo()
    fault = malformed.fault(lambda: getattr(malformed.restarter, method)(names))
    assert_refused(fault, Code.BAD_OPTION)
    assert fault.faultString.startswith(f'BAD_OPTION: {MALFORMED[group]}')
    assert pids(malformed.rpc().supervisor.getAllProcessInfo()) == pids(before)
    if method == 'startRestart':
        # to be overridden by the call is no excuse
        options = {'max_unavailable': 1, 'min_ready': 0, 'ready_timeout': 1}
        assert (
            malformed.fault(lambda: malformed.restarter.startRestart(names, options)).faultCode
            == Code.BAD_OPTION
        )


@pytest.mark.parametrize('names', ['all', '*', ['web:1', 'mixed', 'lonely', 'lots']])
def test_of_several_groups_only_those_that_make_no_sense_are_left_alone(malformed, names):
    before = {group: malformed.pids(group) for group in (*MALFORMED, 'lonely')}
    planned = malformed.restarter.planRestart(names)
    restart = malformed.wait_finished(malformed.restarter.startRestart(names))
    after = {group: malformed.pids(group) for group in before}
    assert [group for group in before if before[group] != after[group]] == ['lonely']
    assert (restart['state'], restart['done']) == ('failed', 1)
    for process in restart['processes']:
        if process['group'] == 'lonely':
            assert (process['phase'], process['error']) == ('ready', '')
        else:
            assert process['phase'] == 'failed'
            assert process['error'].startswith(f'left as it is: {MALFORMED[process["group"]]}')
    assert {policy['group'] for policy in restart['policies']} == {'lonely'}
    for plan_of in (planned, restart):
        for group, text in MALFORMED.items():
            assert [
                warning
                for warning in plan_of['warnings']
                if warning.startswith(f'{group}: would be left as it is: {text}')
            ]
    assert [process['name'] for batch in planned['batches'] for process in batch['processes']] == [
        'lonely'
    ]
    assert {process['group'] for process in planned['left']} == set(MALFORMED)


def test_what_would_be_left_alone_anyway_does_not_fail_for_its_groups_environment(malformed):
    malformed.restarter.quickStop('lots', True)
    restart = malformed.wait_finished(malformed.restarter.startRestart(['lonely', 'lot*']))
    assert (restart['state'], [process['phase'] for process in restart['processes']]) == (
        'succeeded',
        ['ready', 'skipped'],
    )
    malformed.restarter.quickStart('lots', True)


def test_a_quick_restart_of_several_groups_answers_bad_option_for_those_alone(malformed):
    rows = malformed.restarter.quickRestart(['lonely', 'mixed', 'lots'], True)
    assert {row['name']: row['status'] for row in rows} == {
        'lonely': 80,
        'fine': Code.BAD_OPTION,
        'bad': Code.BAD_OPTION,
        'lots': Code.BAD_OPTION,
    }


def pids(infos):
    return {(info['group'], info['name']): info['pid'] for info in infos}


def test_a_plan_says_that_it_would_be_refused(malformed):
    for names in ('web', 'web:1'):
        warning = malformed.restarter.planRestart(names)['warnings'][0]
        assert warning.startswith(f'this restart would be refused: {MALFORMED["web"]}')
    warnings = malformed.restarter.planRestart('lonely')['warnings']
    assert [text for text in warnings if 'refused' in text] == []


@pytest.mark.parametrize('group', MALFORMED)
def test_a_malformed_readiness_keeps_nobody_from_starting_and_stopping(malformed, group):
    for method, state in (('quickStop', 'STOPPED'), ('quickStart', 'RUNNING')):
        rows = getattr(malformed.restarter, method)(group, True)
        assert {row['description'] for row in rows} == {'OK'}
        malformed.wait_state(group, state)


def test_what_makes_no_sense_is_logged_when_supervisord_starts(malformed):
    lines = [line for line in malformed.log_text().splitlines() if ' WARN restarter: ' in line]
    for text in MALFORMED.values():
        assert len([line for line in lines if f' WARN restarter: {text}' in line]) == 1
    assert len(lines) == len(MALFORMED)


def test_a_malformed_readiness_keeps_no_other_group_from_being_restarted(malformed):
    before = malformed.pids('lonely')
    assert malformed.restarter.restartProcessGroup('lonely') is True
    assert malformed.pids('lonely') != before
