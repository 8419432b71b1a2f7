"""Text that is not ASCII, or no XML, in deferred answers and faults."""

from __future__ import annotations

from xmlrpc.client import Fault as ClientFault
from xmlrpc.client import dumps, loads

import pytest
from supervisor.compat import xmlrpclib

from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.server.ascii_text import AsciiText, NumberedStruct, SharedStruct, plain
from supervisor_restarter.server.interface import Fault

NOT_ASCII = ['größe', '\u20ac', '\U0001f600', 'a<b>&\u00e9', '\u2028']


@pytest.mark.parametrize('value', [*NOT_ASCII, {'a': [{'b': 'größe'}, 1]}])
def test_a_deferred_answer_is_all_ascii_and_means_the_same(value):
    xml = dumps((plain(value),), methodresponse=True)
    assert xml.isascii()
    assert loads(xml)[0][0] == value


@pytest.mark.parametrize('value', [True, 1.5, '', ['a', {'b': 1}], 'a<b>&"'])
def test_other_values_stay_as_they_are(value):
    assert plain(value) == value
    assert type(plain(value)) is type(value)
    assert loads(dumps((plain(value),)))[0][0] == value


@pytest.mark.parametrize('text', NOT_ASCII[:3])
def test_a_fault_is_all_ascii_and_means_the_same(text):
    refused = Fault(Refusal(Code.BAD_GROUP, text))
    xml = dumps(ClientFault(refused.code, refused.text))
    assert xml.isascii()
    with pytest.raises(ClientFault) as info:
        loads(xml)
    assert (info.value.faultCode, info.value.faultString) == (0x400, f'BAD_GROUP: {text}')


def test_ascii_text_is_a_string():
    assert AsciiText('größe') == 'größe'


@pytest.mark.parametrize(
    ('text', 'sent'),
    [
        ('we\x1b[31mb', 'we\\x1b[31mb'),
        ('\x07\x0b\x1f', '\\x07\\x0b\\x1f'),
        ('\ufffe', '\\ufffe'),
        ('gr\xf6\udc80', 'gr\xf6\\udc80'),
        ('a\nb\tc\x7f\x9b', 'a\nb\tc\x7f\x9b'),
    ],
)
def test_what_xml_cannot_carry_is_sent_as_an_escape(text, sent):
    assert loads(dumps((plain([{'name': text}]),), methodresponse=True))[0][0] == [{'name': sent}]


def test_a_fault_is_one_printable_line():
    assert (
        Fault(Refusal(Code.TIMEOUT, 'we\nb:\x1b[31m (\u2028)')).text
        == 'TIMEOUT: we\\nb:\\x1b[31m (\\u2028)'
    )


PROCESS = {'name': 'größe <1>', 'pid': 7, 'seconds': 0.5, 'way_there': {}, 'note': 'a\x1bb'}
AS_SENT = {**PROCESS, 'note': 'a\\x1bb'}


def marshalled(value):
    """As Supervisor puts an answer into XML."""
    return dumps((plain(value),), methodresponse=True)


def test_a_struct_that_is_shared_is_sent_as_any_other():
    assert marshalled([SharedStruct(PROCESS)] * 2) == marshalled([PROCESS] * 2)
    assert marshalled({'struct': SharedStruct({})}) == marshalled({'struct': {}})


def test_a_shared_struct_with_its_index_is_sent_as_any_other():
    struct = SharedStruct(PROCESS)
    assert NumberedStruct(3, struct) == {'index': 3, **PROCESS}
    for index in (3, 4):
        xml = marshalled([NumberedStruct(index, struct), struct])
        assert xml == marshalled([{'index': index, **PROCESS}, PROCESS])
        assert loads(xml)[0][0] == [{'index': index, **AS_SENT}, AS_SENT]


def test_a_shared_struct_is_marshalled_once(monkeypatch):
    dumped = []

    def dump_float(marshaller, value, write):
        dumped.append(value)
        write('<value><double>0.5</double></value>\n')

    monkeypatch.setitem(xmlrpclib.Marshaller.dispatch, float, dump_float)
    struct = SharedStruct(PROCESS)
    for value in (struct, [struct, struct], NumberedStruct(1, struct)):
        marshalled(value)
    assert dumped == [0.5]
