"""Codes and texts of the faults."""

from __future__ import annotations

import errno

from supervisor.xmlrpc import Faults

from supervisor_restarter.faults import Code, Refusal, shortage, text_of

CODES = {
    'BAD_GROUP': 0x400,
    'BAD_STATE': 0x410,
    'TIMEOUT': 0x420,
    'START_FAILED': 0x430,
    'STOP_FAILED': 0x431,
    'BUSY': 0x440,
    'BAD_OPTION': 0x450,
    'NO_SUCH_RESTART': 0x460,
    'CANCELLED': 0x470,
}


def test_the_codes_are_those_that_clients_rely_on():
    assert {code.name: code.value for code in Code} == CODES


def test_no_code_is_one_of_supervisors_own():
    supervisors = {value for value in vars(Faults).values() if isinstance(value, int)}
    assert len(supervisors) > 15
    assert supervisors.isdisjoint(code.value for code in Code)


def test_a_refusal_carries_code_and_text_which_begins_with_the_name():
    refusal = Refusal(Code.BUSY, 'why')
    assert refusal.code is Code.BUSY
    assert refusal.text == str(refusal) == text_of(Code.BUSY, 'why') == 'BUSY: why'


def test_a_shortage_of_descriptors_is_named_also_where_it_is_a_cause():
    outer = OSError('notify: no socket could be made')
    outer.__cause__ = OSError(errno.ENFILE, 'Too many open files in system')
    assert shortage(OSError(errno.EMFILE, 'Too many open files')).startswith(
        'supervisord has no descriptors left (EMFILE): '
    )
    assert shortage(outer).startswith('supervisord has no descriptors left (ENFILE): ')
    others = (None, OSError(errno.EACCES, 'no'), OSError('no'), ValueError())
    assert [shortage(other) for other in others] == [''] * 4
