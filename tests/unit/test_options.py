"""Every option: what is allowed, what is refused, and what the refusal says."""

from __future__ import annotations

import datetime
import math
from signal import Signals
from xmlrpc.client import dumps

import pytest
from supervisor.datatypes import signal_number

from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.options import (
    CALL_TIMEOUT,
    CONFIGURATION_ONLY,
    DECLARED,
    MOST_SECONDS,
    Options,
    Settings,
    from_configuration,
    with_call,
)
from supervisor_restarter.text import shown

SECTION = 'rpcinterface:restarter'
WHEN = datetime.datetime(2024, 1, 2, 3, 4, 5)
HUGE = 10**400
NOT_ODD = [None, [], [1], (), {}, {'a': 1}, WHEN, b'1', {1}, math.nan, math.inf, -math.inf]

SECONDS = ('delay', 'timeout', 'scout', 'min_ready', 'ready_timeout', 'stop_timeout')
COUNTS = {'stagger_factor': (1, 10_000), 'history': (0, 10_000)}
CHOICES = {'on_failure': ('abort', 'continue'), 'if_busy': ('fail', 'queue')}
FLAGS = ('only_running', 'heed_stops', 'fast_spawn')
KNOWN = (
    'delay, timeout, stagger_factor, max_unavailable, scout, min_ready, ready_timeout, method, stop_timeout, '
    'on_failure, if_busy, only_running'
)

ALLOWED = {
    **dict.fromkeys(SECONDS, 'a number of seconds from 0 to 10000000'),
    **{name: f'a whole number from {least} to {most}' for name, (least, most) in COUNTS.items()},
    **{name: ' or '.join(words) for name, words in CHOICES.items()},
    **dict.fromkeys(FLAGS, 'true or false'),
    'max_unavailable': 'a count from 1 to 10000, or a percentage from 1% to 100%',
    'method': 'restart, or signal: and the name of a signal, such as signal:HUP',
}

PERCENTAGES = [
    ('1%', '1%'),
    ('50%', '50%'),
    ('99%', '99%'),
    ('100%', '100%'),
    ('007%', '7%'),
    ('05%', '5%'),
]
NO_PERCENTAGES = [
    '%',
    '0%',
    '00%',
    '101%',
    '999%',
    '0100%',
    '-1%',
    '+5%',
    '50',
    '50 %',
    '50%%',
    '%50',
    '1.5%',
    '1e1%',
    '50%50%',
    '\u0665%',
    '9' * 400 + '%',
    '100',
    'half',
    'all',
    'None',
    '50p',
    '1/2',
]
METHODS = [
    ('restart', 'restart'),
    ('signal:HUP', 'signal:HUP'),
    ('signal:hup', 'signal:HUP'),
    ('signal:SIGHUP', 'signal:HUP'),
    ('signal:sighup', 'signal:HUP'),
    ('signal:SigUsr1', 'signal:USR1'),
    ('signal:TERM', 'signal:TERM'),
    ('signal:winch', 'signal:WINCH'),
]
NO_METHODS = [
    'signal',
    'signal:',
    'signal:1',
    'signal:NONE',
    'signal:SIG',
    'signal:SIGSIGHUP',
    'signal:_DFL',
    'signal:SIG_DFL',
    'signal:SIG_IGN',
    'signal:HUP,USR1',
    'signal:HUP:',
    'signal: HUP',
    'signal:HU P',
    'Signal:HUP',
    'restart:',
    'restart:HUP',
    'HUP',
    'SIGHUP',
    'reload',
    ':',
    ':HUP',
    'Restart',
    'größe',
    'signal:☃',
    'x' * 400,
]

# Values as XML-RPC brings them: (key, given, what becomes of it).
GOOD = [
    *(
        (name, given, given)
        for name in SECONDS
        for given in (0, 0.0, 1, 0.2, 1e-9, MOST_SECONDS, float(MOST_SECONDS))
    ),
    *(
        (name, given, given)
        for name, (least, most) in COUNTS.items()
        for given in (least, least + 1, most)
    ),
    *((name, word, word) for name, words in CHOICES.items() for word in words),
    *((name, given, bool(given)) for name in FLAGS for given in (True, False, 1, 0)),
    *(('max_unavailable', given, given) for given in (1, 2, 10_000)),
    *(('max_unavailable', *case) for case in PERCENTAGES),
    *(('method', *case) for case in METHODS),
]
BAD = [
    *(
        (name, given)
        for name in SECONDS
        for given in (
            *NOT_ODD,
            True,
            False,
            '',
            '1',
            '0.2',
            'no',
            -1,
            -0.1,
            -1e-9,
            MOST_SECONDS + 1,
            MOST_SECONDS + 0.1,
            HUGE,
            -HUGE,
            1e300,
            1j,
        )
    ),
    *(
        (name, given)
        for name, (least, most) in COUNTS.items()
        for given in (
            *NOT_ODD,
            True,
            False,
            '',
            '1',
            'one',
            1.0,
            1.5,
            least - 1,
            -1,
            most + 1,
            HUGE,
            -HUGE,
        )
    ),
    *(
        (name, given)
        for name, words in CHOICES.items()
        for given in (
            *NOT_ODD,
            True,
            False,
            '',
            0,
            1,
            1.5,
            HUGE,
            words[0].upper(),
            f' {words[0]}',
            f'{words[0]}\n',
            words,
            list(words),
            ' or '.join(words),
        )
    ),
    *(
        (name, given)
        for name in FLAGS
        for given in (*NOT_ODD, '', 'true', 'false', '1', 1.0, 0.0, 2, -1, HUGE)
    ),
    *(
        ('max_unavailable', given)
        for given in (
            *NOT_ODD,
            True,
            False,
            '',
            '1',
            0,
            -1,
            10_001,
            HUGE,
            -HUGE,
            1.0,
            0.5,
            50.0,
            '50%\n',
            ' 50%',
            '50% ',
            b'50%',
            ['50%'],
            *NO_PERCENTAGES,
        )
    ),
    *(
        ('method', given)
        for given in (
            *NOT_ODD,
            True,
            False,
            '',
            0,
            1,
            1.5,
            HUGE,
            ' restart',
            'restart\n',
            'signal:HUP ',
            'signal:HUP\n',
            b'restart',
            ['restart'],
            ('signal', 'HUP'),
            *NO_METHODS,
        )
    ),
]


def per_call(cases):
    return [
        pytest.param(*case, id=f'{case[0]}-{shown(case[1])}')
        for case in cases
        if case[0] in DECLARED
    ]


def one_line(text):
    return '\n' not in text and '\r' not in text and len(text) < 300


def refusal(given):
    with pytest.raises(Refusal) as info:
        with_call(Options(), given)
    assert info.value.code is Code.BAD_OPTION
    assert one_line(info.value.text)
    return info.value.text


def configuration_error(**texts):
    with pytest.raises(ValueError) as info:
        from_configuration(SECTION, texts)
    assert one_line(str(info.value))
    return str(info.value)


def test_this_test_knows_every_option():
    assert {
        name: kind.allowed for name, kind in {**DECLARED, **CONFIGURATION_ONLY}.items()
    } == ALLOWED


def test_every_option_has_a_default():
    assert set(vars(Options())) == {*DECLARED, 'origin'}
    assert set(vars(Settings())) == {'defaults', *CONFIGURATION_ONLY}


def test_the_defaults():
    assert Settings() == Settings(
        defaults=Options(
            delay=0.2,
            timeout=None,
            stagger_factor=1,
            max_unavailable='100%',
            min_ready=0.0,
            ready_timeout=30.0,
            method='restart',
            stop_timeout=None,
            on_failure='abort',
            if_busy='fail',
            only_running=False,
        ),
        history=20,
        heed_stops=True,
        fast_spawn=True,
    )


@pytest.mark.parametrize(
    'name', [name for name in DECLARED if name not in ('timeout', 'stop_timeout')]
)
def test_the_defaults_are_allowed_values(name):
    default = getattr(Options(), name)
    assert getattr(with_call(Options(), {name: default}), name) == default


# -- options of a call ---------------------------------------------------------------------------


@pytest.mark.parametrize(('name', 'given', 'value'), per_call(GOOD))
def test_a_good_value_is_taken(name, given, value):
    taken = getattr(with_call(Options(), {name: given}), name)
    assert (taken, type(taken)) == (value, float if name in SECONDS else type(value))


@pytest.mark.parametrize(('name', 'given'), per_call(BAD))
def test_a_bad_value_is_refused(name, given):
    assert refusal({name: given}) == (
        f'BAD_OPTION: {name} = {shown(given)} is not allowed: it must be {ALLOWED[name]}'
    )


@pytest.mark.parametrize(
    'name',
    [
        'Delay',
        'DELAY',
        'delay ',
        '',
        'history',
        'heed_stops',
        'limit',
        '__class__',
        'x\ny',
        'größe',
        None,
        7,
        'supervisor.rpcinterface_factory',
    ],
)
def test_an_unknown_option_is_refused_and_the_known_ones_are_named(name):
    meant = "; did you mean 'delay'?" if name in ('Delay', 'delay ') else ''
    assert refusal({name: 1}) == (
        f'BAD_OPTION: unknown option {shown(name)}; known are {KNOWN}{meant}'
    )


@pytest.mark.parametrize(
    'given',
    ['', 'delay', 0, 1, True, False, 1.5, math.nan, [], [('delay', 1)], (), WHEN, b'', HUGE],
)
def test_options_that_are_no_struct_are_refused(given):
    assert refusal(given) == f'BAD_OPTION: options must be a struct, not {shown(given)}'


@pytest.mark.parametrize('given', [None, {}])
def test_no_options_are_the_defaults(given):
    defaults = Options(delay=3.0)
    assert with_call(defaults, given) == defaults


def test_a_call_overrides_the_configuration_and_leaves_it_as_it_was():
    defaults = Options(delay=3.0, timeout=7.0)
    assert with_call(defaults, {'timeout': 0}) == Options(delay=3.0, timeout=0.0)
    assert defaults == Options(delay=3.0, timeout=7.0)


def test_one_bad_option_refuses_the_good_ones_too():
    assert 'timeout' in refusal({'delay': 1, 'timeout': -1})


@pytest.mark.parametrize(
    'given', ['x' * 10**6, ['x' * 10**6], {'x' * 10**6: [1] * 10**5}, [[[[[[]]]]]] * 999]
)
def test_a_refusal_stays_short_whatever_is_sent(given):
    assert len(refusal({'delay': given})) < 300
    assert len(refusal({'on_failure': given})) < 300
    assert len(refusal({'max_unavailable': given})) < 300
    assert len(refusal({'method': given})) < 300


# -- the configuration ---------------------------------------------------------------------------

GOOD_TEXTS = [
    *(
        (name, text, float(text))
        for name in SECONDS
        for text in ('0', '0.0', '5', '0.2', '.5', '1e3', ' 5 ', '10000000')
    ),
    ('delay', '5\n', 5.0),
    *((name, str(value), value) for name, bounds in COUNTS.items() for value in bounds),
    ('stop_timeout', ' ', None),
    ('timeout', '', None),
    ('stagger_factor', ' 4 ', 4),
    ('history', '007', 7),
    *(
        (name, text, words[1])
        for name, words in CHOICES.items()
        for text in (words[1], words[1].upper(), f' {words[1]} ')
    ),
    *(
        (name, text, True)
        for name in FLAGS
        for text in ('true', 'True', 'TRUE', 'yes', 'on', '1', ' true ')
    ),
    *(
        (name, text, False)
        for name in FLAGS
        for text in ('false', 'False', 'FALSE', 'no', 'off', '0', ' off ')
    ),
    *(
        ('max_unavailable', text, value)
        for text, value in (
            *PERCENTAGES,
            ('1', 1),
            ('10000', 10_000),
            (' 5 ', 5),
            ('007', 7),
            (' 25% ', '25%'),
        )
    ),
    *(
        ('method', text, value)
        for text, value in (*METHODS, (' restart ', 'restart'), (' signal:hup ', 'signal:HUP'))
    ),
]
BAD_TEXTS = [
    ('delay', ' '),
    *(
        (name, text)
        for name in SECONDS
        for text in (
            'five',
            '5s',
            '5,0',
            '-1',
            '-0.001',
            'nan',
            'inf',
            '-inf',
            'infinity',
            '1e999',
            '10000001',
            'None',
            '0x10',
            '1 2',
            '5%',
            'true',
            '9' * 500,
            '1\n2',
        )
    ),
    *(
        (name, text)
        for name, (least, most) in COUNTS.items()
        for text in (
            '',
            ' ',
            'one',
            '1.0',
            '1.5',
            '1e2',
            str(least - 1),
            str(most + 1),
            'nan',
            'inf',
            '0x1',
            '9' * 500,
            '9' * 5000,
            'None',
            'true',
            '50%',
        )
    ),
    *(
        (name, text)
        for name, words in CHOICES.items()
        for text in (
            '',
            ' ',
            'true',
            '0',
            words[0] + 's',
            ','.join(words),
            ' or '.join(words),
            'größe',
            'a\nb',
        )
    ),
    *(
        (name, text)
        for name in FLAGS
        for text in ('', ' ', 'maybe', '2', '-1', 'truee', 't', 'y', 'None', '1.0')
    ),
    *(
        ('max_unavailable', text)
        for text in (
            '',
            ' ',
            '0',
            '-1',
            '10001',
            '1.0',
            '1e2',
            '9' * 500,
            '9' * 5000,
            '9' * 5000 + '%',
            'nan',
            '5\n%',
            *(text for text in NO_PERCENTAGES if not text.isdigit()),
        )
    ),
    *(('method', text) for text in ('', ' ', 'true', 'a\nb', *NO_METHODS)),
]


def texts(cases):
    return [pytest.param(*case, id=f'{case[0]}-{shown(case[1])}') for case in cases]


@pytest.mark.parametrize(('name', 'text', 'value'), texts(GOOD_TEXTS))
def test_a_good_text_is_taken(name, text, value):
    settings = from_configuration(SECTION, {name: text})
    taken = getattr(settings.defaults if name in DECLARED else settings, name)
    assert (taken, type(taken)) == (value, type(value))


@pytest.mark.parametrize(('name', 'text'), texts(BAD_TEXTS))
def test_a_bad_text_is_refused_in_one_line_with_section_key_value_and_what_is_allowed(name, text):
    assert configuration_error(**{name: text}) == (
        f'[{SECTION}] {name} = {shown(text)} is not allowed: it must be {ALLOWED[name]}'
    )


@pytest.mark.parametrize('name', ['Delay', 'dealy', '', 'limit', 'defaults', 'x\ny', 'größe'])
def test_an_unknown_key_is_refused_in_one_line_with_section_key_value_and_the_known_ones(name):
    meant = {'Delay': "; did you mean 'delay'?", 'dealy': "; did you mean 'delay'?"}.get(name, '')
    assert configuration_error(**{name: '5'}) == (
        f'[{SECTION}] has an unknown key {name!r} (value {shown("5")}); known are {KNOWN}, history, heed_stops, '
        f'fast_spawn{meant}'
    )


def test_nothing_configured_is_the_defaults():
    assert from_configuration(SECTION, {}) == Settings()


def test_everything_configured():
    assert from_configuration(
        SECTION,
        {
            'delay': '1',
            'timeout': '0',
            'stagger_factor': '3',
            'max_unavailable': '25%',
            'scout': '7',
            'min_ready': '2',
            'ready_timeout': '0',
            'method': 'signal:sighup',
            'stop_timeout': '0',
            'on_failure': 'Continue',
            'if_busy': 'queue',
            'only_running': 'yes',
            'history': '0',
            'heed_stops': 'no',
            'fast_spawn': 'off',
        },
    ) == Settings(
        Options(
            delay=1.0,
            timeout=0.0,
            stagger_factor=3,
            max_unavailable='25%',
            scout=7.0,
            min_ready=2.0,
            ready_timeout=0.0,
            method='signal:HUP',
            stop_timeout=0.0,
            on_failure='continue',
            if_busy='queue',
            only_running=True,
        ),
        history=0,
        heed_stops=False,
        fast_spawn=False,
    )


def test_another_section_is_named_as_it_is_called():
    with pytest.raises(ValueError, match=r'^\[rpcinterface:other\] delay = '):
        from_configuration('rpcinterface:other', {'delay': 'x'})


# -- what becomes of them ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('timeout', 'default', 'limit'),
    [
        (None, 0.0, None),
        (None, CALL_TIMEOUT, 5.0),
        (0.0, CALL_TIMEOUT, None),
        (0.0, 0.0, None),
        (7.0, CALL_TIMEOUT, 7.0),
        (7.0, 0.0, 7.0),
    ],
)
def test_the_limit_is_the_timeout_where_it_is_set_and_else_the_default_of_the_call(
    timeout, default, limit
):
    assert Options(timeout=timeout).timeout_or(default) == limit


@pytest.mark.parametrize(
    ('max_unavailable', 'rolling'),
    [('100%', False), ('99%', True), ('1%', True), (1, True), (10_000, True)],
)
def test_a_restart_is_rolling_if_max_unavailable_is_anything_but_everything(
    max_unavailable, rolling
):
    assert Options(max_unavailable=max_unavailable).rolling is rolling


@pytest.mark.parametrize(
    ('max_unavailable', 'size', 'allowed'),
    [
        (1, 1, 1),
        (1, 32, 1),
        (5, 32, 5),
        (5, 3, 5),
        (10_000, 1, 10_000),
        ('100%', 1, 1),
        ('100%', 32, 32),
        ('50%', 1, 1),
        ('50%', 2, 1),
        ('50%', 3, 1),
        ('50%', 4, 2),
        ('50%', 5, 2),
        ('25%', 3, 1),
        ('25%', 4, 1),
        ('25%', 7, 1),
        ('25%', 8, 2),
        ('25%', 32, 8),
        ('33%', 3, 1),
        ('34%', 3, 1),
        ('99%', 2, 1),
        ('99%', 100, 99),
        ('99%', 99, 98),
        ('1%', 1, 1),
        ('1%', 99, 1),
        ('1%', 199, 1),
        ('1%', 200, 2),
        ('1%', 10_000, 100),
        ('29%', 100, 29),
        ('57%', 100, 57),  # 100 * 0.29 is less than 29
    ],
)
def test_a_count_is_allowed_as_it_is_and_a_percentage_rounded_down_to_at_least_one(
    max_unavailable, size, allowed
):
    assert Options(max_unavailable=max_unavailable).allowed(size) == allowed


@pytest.mark.parametrize('size', [1, 2, 3, 7, 10, 99, 100, 101, 10_000])
def test_no_percentage_allows_fewer_than_one_or_more_than_all(size):
    allowed = [Options(max_unavailable=f'{percent}%').allowed(size) for percent in range(1, 101)]
    assert allowed == sorted(allowed)
    assert (allowed[0], allowed[-1]) == (max(1, size // 100), size)


@pytest.mark.parametrize(
    ('method', 'signal'),
    [
        ('restart', ''),
        ('signal:HUP', 'HUP'),
        ('signal:sigusr2', 'USR2'),
        ('signal:SIGTERM', 'TERM'),
    ],
)
def test_the_signal_of_a_method(method, signal):
    assert with_call(Options(), {'method': method}).signal == signal


@pytest.mark.parametrize('name', sorted(Signals.__members__))
def test_every_signal_of_this_machine_can_be_sent(name):
    assert with_call(Options(), {'method': f'signal:{name.lower()}'}).signal == name[len('SIG') :]
    assert signal_number(name[len('SIG') :]) == Signals[name]  # which is how it will be


def test_a_struct_of_options_has_no_null():
    assert Options().struct() == {
        'delay': 0.2,
        'timeout': '',
        'stagger_factor': 1,
        'max_unavailable': '100%',
        'scout': 5.0,
        'min_ready': 0.0,
        'ready_timeout': 30.0,
        'method': 'restart',
        'stop_timeout': '',
        'on_failure': 'abort',
        'if_busy': 'fail',
        'only_running': False,
    }
    assert None not in Options().struct().values()
    assert dumps((Options().struct(),))


@pytest.mark.parametrize(('name', 'given', 'value'), per_call(GOOD))
def test_what_a_struct_says_can_be_given_back(name, given, value):
    options = with_call(Options(), {name: given})
    said = {key: each for key, each in options.struct().items() if each != ''}
    assert with_call(Options(), said) == options


def test_options_cannot_be_changed():
    with pytest.raises(AttributeError):
        Options().delay = 1.0  # type: ignore[misc]
