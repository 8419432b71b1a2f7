"""Whatever XML-RPC can carry, as an argument: refused in words, and nothing is touched.

Every value is tried for one argument of each kind, and a few values for every argument;
test_fuzzing.py makes up the rest. What an option may be is said by tests/unit/test_options.py.
"""

from __future__ import annotations

import xmlrpc.client

import pytest

from supervisor_restarter.faults import Code
from supervisor_restarter.option_kinds import DECLARED
from tests.integration.fuzz import (
    ARGUMENTS,
    OPTIONAL,
    Fuzzed,
    Request,
    array,
    decoded,
    nested,
    scalar,
)
from tests.integration.server import program, shared

INCORRECT_PARAMETERS = 2  # Supervisor's own fault
UNREADABLE = 400  # what Supervisor itself says to what it cannot read
DEPTH = 2000
NESTED_STRUCTS = (
    '<value><struct><member><name>a</name>' * DEPTH
    + '<value>1</value>'
    + '</member></struct></value>' * DEPTH
)
UNNAMED = (
    '<value><struct><member><value><int>5</int></value><value>x</value></member></struct></value>'
)


def struct(name, value):
    return f'<value><struct><member><name>{name}</name>{value}</member></struct></value>'


NIL = '<value><nil/></value>'
EMPTY = '<value><struct></struct></value>'
INT = scalar('int', 7)
# fmt: off
VALUES = {
    'zero': scalar('int', 0),                           'empty string': scalar('string', ''),
    'int': INT,                                         'string': scalar('string', 'nonsense'),
    'negative': scalar('int', -1),                      'untyped': '<value>nonsense</value>',
    'huge': scalar('int', 2**70),                       'long string': scalar('string', 'x' * 100_000),
    'enormous': scalar('int', '9' * 4000),              'stars': scalar('string', '*a' * 200),
    'too long': scalar('int', '9' * 20_000),            'markup': scalar('string', '&lt;/value&gt;&amp;]]&gt;'),
    'i4': scalar('i4', 3),                              'open bracket': scalar('string', '[z-a]['),
    'double': scalar('double', 0.5),                    'colons': scalar('string', ':::'),
    'negative double': scalar('double', -0.5),          'newlines': scalar('string', 'a&#10;b&#13;c&#9;d'),
    'nan': scalar('double', 'nan'),                     'non-ASCII': scalar('string', 'grüße-☃-😀'),
    'inf': scalar('double', 'inf'),                     'base64': scalar('base64', 'd2Vi'),  # it says 'web'
    '1e400': scalar('double', '1e400'),                 'control characters': scalar('base64', 'AAcbWzMxbQh/woU='),
    'true': scalar('boolean', 1),                       'noncharacters': scalar('base64', '77+/77++'),
    'false': scalar('boolean', 0),                      'not UTF-8': scalar('base64', '//79'),
    'nil': NIL,                                         'dateTime': scalar('dateTime.iso8601', '20260131T23:59:59'),
    'empty array': array([]),                           'bad dateTime': scalar('dateTime.iso8601', 'soon'),
    'array': array([INT, scalar('string', 'x'), NIL]),  'struct': struct('x', INT),
    'array of arrays': array([array(['web'])]),         'empty struct': EMPTY,
    'deep array': nested(DEPTH),                        'struct without name': struct('', INT),
    'deep struct': NESTED_STRUCTS,                      'struct with bad name': struct('ü&#9;', INT),
    'unknown type': scalar('complex', '1j'),            'struct of no names': UNNAMED,
}
# fmt: on
FEW = ('int', 'empty string', 'array', 'struct', 'dateTime', 'deep struct')
GOOD = {
    **dict.fromkeys(('group', 'groups', 'names', 'program'), scalar('string', 'web')),
    'n': scalar('int', 2),  # as many as there are
    'options': EMPTY,
    'wait': scalar('boolean', 1),
    **dict.fromkeys(('version', 'seconds', 'since'), scalar('int', 0)),
}
# What is right for an argument after all.
COUNTS = {'zero', 'int', 'negative', 'huge', 'enormous', 'i4'}
SECONDS = {'zero', 'int', 'i4', 'double'}
FITTING = {
    **dict.fromkeys(('group', 'names', 'program'), {'base64'}),
    'n': {'int'},  # 7
    'groups': {'base64', 'empty string', 'empty array'},  # of which the last two mean all
    'options': {'empty struct', 'nil'},
    'wait': {'true', 'false', 'zero'},
    'id': set(),
    'version': COUNTS,
    'since': COUNTS,
    'seconds': SECONDS,
}
FITTING_OPTIONS = {
    **dict.fromkeys(DECLARED, SECONDS),
    **dict.fromkeys(('stagger_factor', 'max_unavailable'), {'int', 'i4'}),
    **dict.fromkeys(('method', 'on_failure', 'if_busy', 'newer_than'), set()),
    'only_running': {'true', 'false', 'zero'},
}
CODES = {
    **dict.fromkeys(('group', 'groups', 'names', 'program'), Code.BAD_GROUP),
    'id': Code.NO_SUCH_RESTART,
}
UNREADABLE_VALUES = ('too long', 'bad dateTime', 'not UTF-8')
REFUSALS = {Code.BAD_GROUP, Code.BAD_OPTION, Code.NO_SUCH_RESTART, INCORRECT_PARAMETERS}


class Target(Fuzzed):
    """The server that gets it all, with one restart (its id) behind it."""

    id = ''

    def ask(self, method: str, *values: str) -> xmlrpc.client.Fault | object:
        """The fault or the value that a method answers to parameters in XML; None if Supervisor
        itself could not read the request and said so.
        """
        status, body = self.post(Request(f'restarter.{method}', [*values]).body())
        if status == UNREADABLE:
            return None
        assert status == 200
        text = body.decode()
        assert all(char.isprintable() or char == '\n' for char in text), text
        assert text.endswith('</methodResponse>\n')  # the whole of it has come
        return decoded(body)

    def good(self, method: str) -> dict[str, str]:
        """The arguments of a method with values in XML that are right for them."""
        good = {'id': scalar('string', self.id), **GOOD}
        return {argument: good[argument] for argument in ARGUMENTS[method]}

    def assert_refused(self, name: str, code: Code, method: str, *values: str) -> str:
        """The value of this name makes the call a fault, in one short line; that line, '' if
        Supervisor has refused it.
        """
        fault = self.ask(method, *values)
        if fault is None:
            assert name in UNREADABLE_VALUES
            return ''
        assert isinstance(fault, xmlrpc.client.Fault), (method, name, fault)
        assert (fault.faultCode, fault.faultString.partition(': ')[0]) == (code, code.name), name
        assert fault.faultString.isprintable()
        assert len(fault.faultString) < 1000
        return fault.faultString


@pytest.fixture(scope='module')
def running():
    with shared(program(count=2), kind=Target) as server:
        server.wait_state()
        server.id = server.restarter.startRestart('web')
        server.wait_finished(server.id)
        server.settle()
        yield server


@pytest.fixture
def target(running):
    yield running
    assert running.look() == running.calm


@pytest.mark.parametrize(
    ('method', 'argument', 'tried'),
    [
        *(
            (method, argument, VALUES)
            for method, argument in (
                ('restartProcessGroup', 'group'),
                ('quickRestart', 'names'),
                ('startRestart', 'options'),
                ('quickStop', 'wait'),
                ('cancelRestart', 'id'),
                ('waitRestart', 'version'),
                ('waitRestart', 'seconds'),
                ('waitRestart', 'since'),
            )
        ),
        *((method, argument, FEW) for method, every in ARGUMENTS.items() for argument in every),
    ],
    ids=lambda value: value if isinstance(value, str) else 'few' if value is FEW else 'all',
)
def test_a_wrong_argument(target, method, argument, tried):
    for name in set(tried) - FITTING[argument]:
        values = {**target.good(method), argument: VALUES[name]}
        code = CODES.get(argument, Code.BAD_OPTION)
        text = target.assert_refused(name, code, method, *values.values())
        if text and code is Code.BAD_OPTION:
            assert argument in text or 'unknown option' in text


def test_a_wrong_name_among_others(target):
    for method in ('quickStop', 'quickStart', 'quickRestart', 'startRestart', 'planRestart'):
        for name in set(VALUES if method == 'startRestart' else FEW) - {'base64'}:
            names = array([GOOD['names'], VALUES[name]])
            target.assert_refused(name, Code.BAD_GROUP, method, names)


@pytest.mark.parametrize('option', DECLARED)
def test_a_wrong_value_of_an_option(target, option):
    methods = ['restartProcessGroup', 'startRestart', 'planRestart']
    for method in methods if option == 'max_unavailable' else methods[:1]:
        for name in set(VALUES if option == 'max_unavailable' else FEW) - FITTING_OPTIONS[option]:
            options = struct(option, VALUES[name])
            text = target.assert_refused(name, Code.BAD_OPTION, method, GOOD['names'], options)
            assert not text or text.startswith(f'BAD_OPTION: {option} = ')
            assert not text or 'must be' in text


@pytest.mark.parametrize('argument', ['version', 'seconds', 'since'])
def test_fitting_values_of_every_type(target, argument):
    for name in FITTING[argument]:
        values = {**target.good('waitRestart'), argument: VALUES[name]}
        answer = target.ask('waitRestart', *values.values())
        assert isinstance(answer, dict), name
        assert answer['id'] == target.id


def test_a_wrong_number_of_arguments(target):
    for method, arguments in ARGUMENTS.items():
        values = [*target.good(method).values(), NIL, INT, EMPTY]
        needed = sum(argument not in OPTIONAL for argument in arguments)
        for count in {*range(needed), *range(len(arguments) + 1, len(values) + 1)}:
            fault = target.ask(method, *values[:count])
            assert isinstance(fault, xmlrpc.client.Fault), (method, count)
            assert (fault.faultCode, fault.faultString) == (
                INCORRECT_PARAMETERS,
                'INCORRECT_PARAMETERS',
            )


def test_non_ascii_text_is_echoed_whole(target):
    for method, (first, *rest) in filter(lambda item: item[1], ARGUMENTS.items()):
        for text in ('grüße-☃-😀', 'пере:запуск', '日本*'):
            values = {**target.good(method), first: scalar('string', text)}
            fault = target.ask(method, *values.values())
            assert isinstance(fault, xmlrpc.client.Fault)
            assert repr(text) in fault.faultString
            inner = {'methodName': f'restarter.{method}', 'params': [text, *[0] * len(rest)]}
            answers = target.proxy().system.multicall([inner, inner])
            assert [answer['faultCode'] in REFUSALS for answer in answers] == [True, True]


def test_bad_params_inside_a_multicall(target):
    for method, arguments in ARGUMENTS.items():
        for name in ('untyped', 'int', 'struct', 'nil', 'array of arrays'):
            call = (
                '<value><struct><member><name>methodName</name>'
                f'{scalar("string", f"restarter.{method}")}</member>'
                f'<member><name>params</name>{VALUES[name]}</member></struct></value>'
            )
            _, body = target.post(Request('system.multicall', [array([call])]).body())
            (answer,) = decoded(body)
            if set(arguments) - set(OPTIONAL):
                assert answer['faultCode'] in REFUSALS, (method, name)
