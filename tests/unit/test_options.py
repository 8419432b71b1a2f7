"""Every option: what is allowed, what is refused, and what the refusal says."""

from __future__ import annotations

import datetime
import math
from signal import Signals
from xmlrpc.client import dumps

import pytest
from supervisor.datatypes import signal_number

from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.option_kinds import DECLARED, MOST_SECONDS
from supervisor_restarter.options import (
    CALL,
    CALL_ONLY,
    CALL_TIMEOUT,
    CONFIGURATION_ONLY,
    ApplyOptions,
    Options,
    Settings,
    for_apply,
    for_retry,
    from_configuration,
    with_call,
)
from supervisor_restarter.text import shown

SECTION = 'rpcinterface:restarter'
WHEN = datetime.datetime(2024, 1, 2, 3, 4, 5)
HUGE = 10**400
OTHER_TYPES = [None, [1], {'a': 1}, b'1', WHEN]  # what XML-RPC can bring, and None

SECONDS = (
    *('delay', 'timeout', 'scout', 'min_ready', 'ready_timeout', 'stop_timeout'),
    'hook_timeout',
)
FLAGS = ('only_running', 'heed_stops', 'fast_spawn', 'web', 'guard')
KNOWN = ', '.join(DECLARED)
KNOWN_HERE = ', '.join(name for name in DECLARED if name not in CALL_ONLY)
ALLOWED = {
    **dict.fromkeys(SECONDS, 'a number of seconds from 0 to 10000000'),
    **dict.fromkeys(FLAGS, 'true or false'),
    'stagger_factor': 'a whole number from 1 to 10000',
    'history': 'a whole number from 0 to 10000',
    'on_failure': 'abort or continue',
    'if_busy': 'fail or queue',
    'max_unavailable': 'a count from 1 to 10000, or a percentage from 1% to 100%',
    'max_surge': 'a count from 0 to 10000, or a percentage from 1% to 100%',
    'newer_than': 'an absolute path or an array of them: at most 100, of 4096 characters each',
    'method': 'restart, start, or signal: and the name of a signal, such as signal:HUP',
}

# fmt: off
PERCENTAGES = [('1%', '1%'), ('50%', '50%'), ('100%', '100%'), ('007%', '7%')]
NO_PERCENTAGES = [
    '%', '0%', '00%', '101%', '0100%', '-1%', '+5%', '50 %', '50%%', '1.5%', '\u0665%',
    '9' * 400 + '%', 'half', '1/2',
]
METHODS = [
    ('restart', 'restart'), ('start', 'start'), ('signal:HUP', 'signal:HUP'), ('signal:hup', 'signal:HUP'),
    ('signal:sighup', 'signal:HUP'), ('signal:SigUsr1', 'signal:USR1'),
]
NO_METHODS = [
    'signal', 'signal:', 'signal:1', 'signal:NONE', 'signal:SIGSIGHUP', 'signal:SIG_DFL',
    'signal:HUP,USR1', 'signal: HUP', 'Signal:HUP', 'restart:HUP', 'HUP', ':HUP', 'Restart', 'start:', 'START', '☃',
]

# Strings of which it is not certain that they mean a number, or which.
NO_NUMBERS = [
    '', ' 1', '1 ', '1\n', '+1', '-1', '1_0', '1e1', '0x1', 'nan', 'inf', '\u0661', '1,5', '.', '1.',
    '.5', '1.5.1', '9' * 5000, '99999999',
]
LONG_PATH = '/' + 4095 * 'x'

# Every value that matters for one option of each kind, as XML-RPC brings it; and the texts of the
# configuration. What an option takes depends on its kind alone.
GOOD = {
    'delay': [(value, float(value))
              for value in (0, 1, 0.2, 1e-9, MOST_SECONDS, '0', '1', '30', '0.5', '007', '10000000.0')],
    'stagger_factor': [(1, 1), (2, 2), (10_000, 10_000), ('1', 1), ('010', 10), ('10000', 10_000)],
    'on_failure': [('abort', 'abort'), ('continue', 'continue')],
    'only_running': [(True, True), (False, False), (1, True), (0, False)],
    'max_unavailable': [(1, 1), (10_000, 10_000), ('1', 1), ('050', 50), *PERCENTAGES],
    'max_surge': [(0, 0), ('0', 0), (10_000, 10_000), ('050', 50), *PERCENTAGES],
    'method': METHODS,
    'newer_than': [('/a', ('/a',)), (['/a', '/b'], ('/a', '/b')), ([], ()), ('/', ('/',)),
                   (LONG_PATH, (LONG_PATH,)), (100 * ['/a'], 100 * ('/a',)), ('/ö\n', ('/ö\n',))],
}
BAD = {
    'delay': [*OTHER_TYPES, *NO_NUMBERS, True, '10000000.1', -1, -1e-9, MOST_SECONDS + 0.1, HUGE, 1j,
              math.nan, math.inf, -math.inf],
    'stagger_factor': [*OTHER_TYPES, *NO_NUMBERS, True, '1.0', '0', '10001', 1.0, math.nan, 0, -1, 10_001, HUGE],
    'on_failure': [*OTHER_TYPES, True, '', 1, 'ABORT', ' abort', 'abort\n', 'abort or continue'],
    'only_running': [*OTHER_TYPES, '', 'true', '1', 1.0, math.nan, 2, -1, HUGE],
    'max_unavailable': [*OTHER_TYPES, *NO_NUMBERS, True, '0', '10001', '1.0', 0, -1, 10_001, HUGE, 1.0, math.nan,
                        '50%\n', ' 50%', *NO_PERCENTAGES],
    'max_surge': [*OTHER_TYPES, *NO_NUMBERS, True, False, '10001', 0.0, -1, 10_001, HUGE, *NO_PERCENTAGES],
    'newer_than': [None, [1], {'a': 1}, b'/a', WHEN, True, 1, '', 'a', './a', '~/a', ' /a', '/a\0b',
                   [''], ['/a', 'b'], [['/a']], LONG_PATH + 'x', 101 * ['/a']],
    'method': [*OTHER_TYPES, True, '', 1, ' restart', 'restart\n', 'signal:HUP ', *NO_METHODS],
}
GOOD_TEXTS = {
    'delay': [('0', 0.0), ('.5', 0.5), ('1e3', 1000.0), (' 5\n', 5.0), ('10000000', 1e7)],
    'history': [('0', 0), ('007', 7), (' 10000 ', 10_000)],
    'if_busy': [('queue', 'queue'), ('QUEUE', 'queue'), (' fail ', 'fail')],
    'heed_stops': [*((word, True) for word in ('true', 'TRUE', 'yes', 'on', '1', ' true ')),
                   *((word, False) for word in ('false', 'False', 'no', 'off', '0'))],
    'max_unavailable': [('1', 1), ('007', 7), (' 5 ', 5), (' 25% ', '25%'), *PERCENTAGES],
    'max_surge': [('0', 0), (' 5 ', 5), (' 25% ', '25%'), *PERCENTAGES],
    'method': [(' restart ', 'restart'), *METHODS],
}
BAD_TEXTS = {
    'delay': ['', ' ', 'five', '5s', '5,0', '-1', 'nan', 'inf', '1e999', '10000001', '0x10', '5%',
              '9' * 500, '1\n2'],
    'history': ['', 'one', '1.0', '1e2', '-1', '10001', '0x1', '9' * 5000, '50%'],
    'stagger_factor': ['0'],
    'if_busy': ['', 'true', 'fails', 'fail or queue', 'größe', 'a\nb'],
    'heed_stops': ['', 'maybe', '2', 't', 'None', '1.0'],
    'max_unavailable': ['', '0', '-1', '10001', '1.0', '9' * 5000, 'nan', '5\n%', *NO_PERCENTAGES],
    'max_surge': ['', '-1', '10001', '1.0', '9' * 5000, 'nan', *NO_PERCENTAGES],
    'method': ['', 'a\nb', *NO_METHODS],
}
# One value for every option.
EACH = {
    **dict.fromkeys(SECONDS, 3.0), **dict.fromkeys(FLAGS, True),
    'stagger_factor': 3, 'history': 3, 'on_failure': 'continue', 'if_busy': 'queue',
    'max_unavailable': '25%', 'max_surge': '25%', 'method': 'signal:HUP', 'newer_than': ('/a', '/b'),
}
CONFIGURABLE = [name for name in (*DECLARED, *CONFIGURATION_ONLY) if name not in CALL_ONLY]
# fmt: on


def cases(table):
    """All of a table by option, as parameters with readable ids."""
    return [
        pytest.param(name, *(case if isinstance(case, tuple) else (case,)), id=f'{name}-{number}')
        for name, each in table.items()
        for number, case in enumerate(each)
    ]


def one_line(text):
    return '\n' not in text and '\r' not in text and len(text) < 400


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


def configured(name, text):
    settings = from_configuration(SECTION, {name: text})
    return getattr(settings.defaults if name in DECLARED else settings, name)


def test_this_test_knows_every_option():
    kinds = {**DECLARED, **CONFIGURATION_ONLY}
    assert {name: kind.allowed for name, kind in kinds.items()} == ALLOWED
    assert EACH.keys() == kinds.keys()
    assert set(vars(Options())) == {*DECLARED, 'origin'}
    assert set(vars(Settings())) == {'defaults', *CONFIGURATION_ONLY}


def test_the_defaults():
    struct = {
        'delay': 0.2,
        'timeout': '',
        'stagger_factor': 1,
        'max_unavailable': '100%',
        'max_surge': 0,
        'scout': 5.0,
        'min_ready': 0.0,
        'ready_timeout': 30.0,
        'hook_timeout': 30.0,
        'method': 'restart',
        'stop_timeout': '',
        'on_failure': 'abort',
        'if_busy': 'fail',
        'only_running': False,
        'newer_than': [],
    }
    assert Options().struct() == struct  # XML-RPC has no null
    assert dumps((struct,))
    assert with_call(Options(), {key: each for key, each in struct.items() if each != ''}) == (
        Options()
    )
    assert Settings() == Settings(Options(), history=20, heed_stops=True, fast_spawn=True)


# -- options of a call ---------------------------------------------------------------------------


@pytest.mark.parametrize(('name', 'given', 'value'), cases(GOOD))
def test_a_good_value_is_taken_and_can_be_given_back(name, given, value):
    options = with_call(Options(), {name: given})
    taken = getattr(options, name)
    assert (taken, type(taken)) == (value, type(value))
    assert with_call(Options(), {name: options.struct()[name]}) == options


@pytest.mark.parametrize(('name', 'given'), cases(BAD))
def test_a_bad_value_is_refused(name, given):
    assert refusal({name: given}) == (
        f'BAD_OPTION: {name} = {shown(given)} is not allowed: it must be {ALLOWED[name]}'
    )


@pytest.mark.parametrize('name', DECLARED)
def test_every_option_takes_a_good_value_and_refuses_a_bad_one(name):
    assert getattr(with_call(Options(), {name: EACH[name]}), name) == EACH[name]
    assert refusal({name: [1]}) == (
        f'BAD_OPTION: {name} = [1] is not allowed: it must be {ALLOWED[name]}'
    )


@pytest.mark.parametrize('name', [
    'Delay', 'delay ', '', 'history', '__class__', 'x\ny', 'größe', None, 7,
    'supervisor.rpcinterface_factory',
])  # fmt: skip
def test_an_unknown_option_is_refused_and_the_known_ones_are_named(name):
    meant = "; did you mean 'delay'?" if name in ('Delay', 'delay ') else ''
    assert refusal({name: 1}) == (
        f'BAD_OPTION: unknown option {shown(name)}; known are {KNOWN}{meant}'
    )


@pytest.mark.parametrize('given', ['', 'delay', 0, True, 1.5, [('delay', 1)], WHEN, b'', HUGE])
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


@pytest.mark.parametrize('given', ['x' * 10**6, {'x' * 10**6: [1] * 10**5}, [[[[[[]]]]]] * 999])
def test_a_refusal_stays_short_whatever_is_sent(given):
    for name in ('delay', 'on_failure', 'max_unavailable', 'method', 'newer_than'):
        refusal({name: given})


# -- the configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize(('name', 'text', 'value'), cases(GOOD_TEXTS))
def test_a_good_text_is_taken(name, text, value):
    taken = configured(name, text)
    assert (taken, type(taken)) == (value, type(value))


@pytest.mark.parametrize(('name', 'text'), cases(BAD_TEXTS))
def test_a_bad_text_is_refused_in_one_line_with_section_key_value_and_what_is_allowed(name, text):
    assert configuration_error(**{name: text}) == (
        f'[{SECTION}] {name} = {shown(text)} is not allowed: it must be {ALLOWED[name]}'
    )


@pytest.mark.parametrize('name', CONFIGURABLE)
def test_every_key_takes_a_good_text_and_refuses_a_bad_one(name):
    assert configured(name, str(EACH[name])) == EACH[name]
    assert configuration_error(**{name: '-'}) == (
        f"[{SECTION}] {name} = '-' is not allowed: it must be {ALLOWED[name]}"
    )


@pytest.mark.parametrize('name', ['timeout', 'stop_timeout'])
def test_a_key_without_a_value_is_not_set(name):
    assert configured(name, ' ') is None


@pytest.mark.parametrize('name', ['Delay', 'dealy', '', 'defaults', 'x\ny', 'größe'])
def test_an_unknown_key_is_refused_in_one_line_with_section_key_value_and_the_known_ones(name):
    meant = "; did you mean 'delay'?" if name in ('Delay', 'dealy') else ''
    assert configuration_error(**{name: '5'}) == (
        f"[{SECTION}] has an unknown key {name!r} (value '5'); "
        f'known are {KNOWN_HERE}, history, heed_stops, fast_spawn, web, guard{meant}'
    )


def test_what_is_given_in_each_call_is_not_configured():
    assert configuration_error(newer_than='/srv/app') == (
        f"[{SECTION}] newer_than = '/srv/app': newer_than is given in each call"
    )


def test_nothing_configured_is_the_defaults():
    assert from_configuration(SECTION, {}) == Settings()


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
        (7.0, CALL_TIMEOUT, 7.0),
    ],
)
def test_the_limit_is_the_timeout_where_it_is_set_and_else_the_default_of_the_call(
    timeout, default, limit
):
    assert Options(timeout=timeout).timeout_or(default) == limit


def test_a_restart_is_rolling_if_max_unavailable_is_anything_but_everything():
    assert [Options(max_unavailable=each).rolling for each in ('100%', '99%', 1, 10_000)] == [
        False,
        True,
        True,
        True,
    ]


@pytest.mark.parametrize(('max_unavailable', 'size', 'allowed'), [
    (1, 1, 1), (5, 32, 5), (5, 3, 5),
    ('100%', 1, 1), ('100%', 32, 32), ('50%', 1, 1), ('50%', 3, 1), ('50%', 4, 2),
    ('34%', 3, 1), ('99%', 99, 98), ('1%', 199, 1), ('1%', 200, 2),
    ('57%', 100, 57), ('29%', 100, 29),  # 100 * 0.29 is less than 29
])  # fmt: skip
def test_a_count_is_allowed_as_it_is_and_a_percentage_rounded_down_to_at_least_one(
    max_unavailable, size, allowed
):
    assert Options(max_unavailable=max_unavailable).allowed(size) == allowed


@pytest.mark.parametrize(('max_surge', 'size', 'surging'), [
    (0, 8, 0), (1, 8, 1), (5, 3, 5),
    ('1%', 1, 1), ('1%', 100, 1), ('1%', 101, 2), ('25%', 4, 1), ('25%', 5, 2), ('100%', 7, 7),
    ('29%', 100, 29),  # 100 * 0.29 is less than 29
])  # fmt: skip
def test_a_percentage_of_what_may_be_there_twice_is_rounded_up(max_surge, size, surging):
    assert Options(max_surge=max_surge).surging(size) == surging


@pytest.mark.parametrize('size', [1, 7, 99, 101, 10_000])
def test_no_percentage_allows_fewer_than_one_or_more_than_all(size):
    allowed = [Options(max_unavailable=f'{percent}%').allowed(size) for percent in range(1, 101)]
    assert allowed == sorted(allowed)
    assert (allowed[0], allowed[-1]) == (max(1, size // 100), size)


def test_every_signal_of_this_machine_can_be_sent():
    assert with_call(Options(), {'method': 'restart'}).signal == ''
    for name, number in Signals.__members__.items():
        options = with_call(Options(), {'method': f'signal:{name.lower()}'})
        assert options.signal == name[len('SIG') :]
        assert signal_number(options.signal) == number  # which is how it will be


def test_what_differs_from_the_defaults_is_shown_as_it_would_be_configured():
    options = Options(delay=0.5, only_running=True, max_unavailable='25%', ready_timeout=30.0)
    assert options.differing() == ['delay = 0.5', 'max_unavailable = 25%', 'only_running = true']
    paths = '/a\nb', '/' + 300 * 'x' + '/end', *(20 * ['/c'])
    (line,) = Options(newer_than=paths).differing()
    assert line.startswith('newer_than = /a\\nb, /xxx')
    assert 'xxx...xxx' in line
    assert line.endswith('/end, /c, /c, /c, /c, /c, /c, /c, /c and 12 more')


CONTRADICTION = 'only_running = true contradicts method = start: it leaves alone what is down'


@pytest.mark.parametrize('configured', [{}, {'method': 'start'}])
def test_only_running_in_a_call_contradicts_a_start(configured):
    defaults = from_configuration(SECTION, configured).defaults
    with pytest.raises(Refusal) as info:
        with_call(defaults, {'method': 'start', 'only_running': True, **configured})
    assert info.value.text == f'BAD_OPTION: {CONTRADICTION}'


def test_of_a_start_and_a_configured_only_running_the_call_comes_first():
    defaults = from_configuration(SECTION, {'only_running': 'true'}).defaults
    assert with_call(defaults, {'method': 'start'}) == Options(method='start')
    assert with_call(defaults, {}).only_running
    texts = {'only_running': 'true', 'method': 'start'}
    assert configuration_error(**texts) == f'[{SECTION}] {CONTRADICTION}'


SURGE_IN_VAIN = 'max_surge = 25% contradicts method = {}: nothing is replaced'


@pytest.mark.parametrize('method', ['start', 'signal:HUP'])
def test_max_surge_is_for_restarts_alone(method):
    with pytest.raises(Refusal) as info:
        with_call(Options(), {'method': method, 'max_surge': '25%'})
    assert info.value.text == f'BAD_OPTION: {SURGE_IN_VAIN.format(method)}'
    texts = {'method': method, 'max_surge': '25%'}
    assert configuration_error(**texts) == f'[{SECTION}] {SURGE_IN_VAIN.format(method)}'
    # configured for restarts, it is none of a call for something else
    defaults = from_configuration(SECTION, {'max_surge': '25%'}).defaults
    assert with_call(defaults, {'method': method}) == Options(method=method)
    assert with_call(defaults, {}).max_surge == '25%'
    assert with_call(Options(), {'method': method, 'max_surge': 0}) == Options(method=method)


def test_a_retry_has_the_options_of_its_restart_but_for_what_was_meant_for_others():
    before = with_call(
        Options(), {'max_surge': 1, 'only_running': True, 'newer_than': '/a', 'delay': 3}
    )
    again = for_retry(before, None)
    assert again == Options(max_surge=1, delay=3)
    assert again.origin == {'delay': CALL, 'only_running': CALL, 'newer_than': CALL}
    # ... so this is no contradiction, unless the retry says both
    assert for_retry(before, {'method': 'start'}) == Options(method='start', delay=3)
    with pytest.raises(Refusal):
        for_retry(before, {'method': 'start', 'max_surge': 1})


def test_options_cannot_be_changed():
    with pytest.raises(AttributeError):
        Options().delay = 1.0  # type: ignore[misc]


# -- of an apply --------------------------------------------------------------------------------


def test_an_apply_leaves_three_of_four_processes_up_unless_somebody_says_something_else():
    assert for_apply(Options(), None) == ApplyOptions(Options(max_unavailable='25%'), True, True)
    configured = from_configuration(SECTION, {'max_unavailable': '100%'}).defaults
    assert for_apply(configured, {}).options.max_unavailable == '100%'
    assert for_apply(Options(), {'max_unavailable': 1}).options.max_unavailable == 1


def test_what_the_configuration_says_of_restarts_alone_does_not_hold_for_an_apply():
    texts = {'method': 'signal:HUP', 'only_running': 'true', 'on_failure': 'continue', 'delay': '3'}
    configured = from_configuration(SECTION, texts).defaults
    surging = from_configuration(SECTION, {'max_surge': '1'}).defaults
    assert for_apply(surging, None).options.max_surge == 0
    taken = for_apply(configured, {'rollback': False, 'prune': 0})
    assert taken[1:] == (False, False)
    options = taken.options
    assert (options.method, options.only_running, options.on_failure) == (
        'restart',
        False,
        'continue',
    )
    assert options.delay == 3
    assert for_apply(configured, None).options.on_failure == 'abort'  # it is rolled back


@pytest.mark.parametrize(
    ('given', 'text'),
    [
        ({'method': 'restart'}, 'method is no option of an apply'),
        ({'only_running': False}, 'only_running is no option of an apply'),
        ({'newer_than': '/x'}, 'newer_than is no option of an apply'),
        ({'max_surge': 0}, 'max_surge is no option of an apply'),
        ({'rollback': 'yes'}, "rollback = 'yes' is not allowed: it must be true or false"),
        ({'on_failure': 'continue'}, 'on_failure = continue needs rollback = false'),
        ({'rollback': True, 'on_failure': 'continue'}, 'on_failure = continue needs rollback'),
        ({'roll': True}, "unknown option 'roll'"),
        ([1], 'options must be a struct, not [1]'),
    ],
)
def test_what_an_apply_does_not_take(given, text):
    with pytest.raises(Refusal, match='BAD_OPTION') as info:
        for_apply(Options(), given)
    assert text in info.value.text
