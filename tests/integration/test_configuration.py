"""The keys of an [rpcinterface:x] section: which are taken, and what supervisord says of those that
are not.
"""

from __future__ import annotations

import subprocess

import pytest

from bench.lab import CONF, script
from supervisor_restarter.option_kinds import DECLARED
from supervisor_restarter.options import CALL_ONLY, CONFIGURATION_ONLY
from tests.integration.server import program

KNOWN = [name for name in (*DECLARED, *CONFIGURATION_ONLY) if name not in CALL_ONLY]
# key -> texts that are right for it, texts that are wrong, a word on what is allowed
NUMBERS = (['0', '0.25', '3', '1e3'], ['', 'soon', '-1', 'nan', 'inf', '1e9', '2 s'], 'seconds')
# Left empty, these are not set.
UNSET = (['', *NUMBERS[0]], NUMBERS[1][1:], NUMBERS[2])
FLAGS = (['true', 'False', 'on', '0'], ['', 'maybe', '2'], 'true or false')
TEXTS = {
    'delay': NUMBERS,
    'timeout': UNSET,
    'stagger_factor': (['1', '50'], ['', '0', '-1', '1.5', 'all'], 'whole number'),
    'max_unavailable': (
        ['1', '10000', '1%', '25%', '100%'],
        ['', '0', '-1', '10001', '1.5', '0%', '101%', '%', 'half'],
        'a count from 1 to 10000, or a percentage from 1% to 100%',
    ),
    'max_surge': (
        ['0', '1', '10000', '1%', '100%'],
        ['', '-1', '10001', '1.5', '0%', '101%', 'half'],
        'a count from 0 to 10000, or a percentage from 1% to 100%',
    ),
    'scout': NUMBERS,
    'min_ready': NUMBERS,
    'ready_timeout': NUMBERS,
    'hook_timeout': NUMBERS,
    'method': (
        ['restart', 'start', 'signal:HUP', 'signal:sigusr2'],
        ['', 'reload', 'HUP', 'signal:', 'signal:1', 'signal:NONE'],
        'restart, start, or signal: and the name of a signal',
    ),
    'stop_timeout': UNSET,
    'on_failure': (['abort', 'continue', 'Abort'], ['', 'ignore', '1'], 'abort or continue'),
    'if_busy': (['fail', 'queue'], ['', 'wait'], 'fail or queue'),
    'only_running': FLAGS,
    'fast_spawn': FLAGS,
    'heed_stops': FLAGS,
    'web': FLAGS,
    'guard': FLAGS,
    'history': (['0', '1', '1000'], ['', '-1', '2.5', 'all'], 'whole number'),
}
SECTION = '[rpcinterface:careful]\nsupervisor.rpcinterface_factory=supervisor_restarter:make_rpcinterface\n'


def written(key, text):
    """A line of the configuration file, in which % begins an expansion."""
    return f'{key}={text}\n'.replace('%', '%%')


def test_all_valid_values(start):
    """One supervisord with a section for each of the values."""
    sections = [
        SECTION.replace('careful', f'section{number}') + written(key, text)
        for number, (key, text) in enumerate((key, text) for key in KNOWN for text in TEXTS[key][0])
    ]
    server = start(program(), extra='\n'.join(sections))
    server.wait_state()
    for number in range(len(sections)):
        plan = getattr(server.proxy(), f'section{number}').planRestart('web')
        assert plan['total'] + len(plan['left']) == 1
    assert server.restarter.restartProcessGroup('web') is True


def test_a_plan_shows_what_is_configured(start):
    server = start(
        program(),
        restarter=''.join(
            [
                written('max_unavailable', '025%'),
                written('min_ready', '2'),
                written('ready_timeout', '0'),
                written('method', 'signal:sighup'),
            ]
        ),
    )
    server.wait_state()
    options = server.restarter.planRestart('web')['options']
    assert {
        key: options[key] for key in ('max_unavailable', 'min_ready', 'ready_timeout', 'method')
    } == {'max_unavailable': '25%', 'min_ready': 2.0, 'ready_timeout': 0.0, 'method': 'signal:HUP'}


def refused(directory, section, nodaemon='true'):
    """What supervisord says on stderr, where it must not start because of the section."""
    conf = directory / 'conf'
    conf.write_text(
        CONF.format(minfds=1024).replace('nodaemon=true', f'nodaemon={nodaemon}') + section
    )
    done = subprocess.run(
        [script('supervisord'), '-c', str(conf)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert 'Traceback' not in done.stdout + done.stderr
    log = directory / 'supervisord.log'
    assert not log.exists() or 'Traceback' not in log.read_text()
    assert not (directory / 'supervisord.pid').exists()
    lines = [line for line in done.stderr.splitlines() if not line.startswith('For help, use ')]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ('key', 'text'), [(key, TEXTS[key][1][-1]) for key in KNOWN] + [('delay', ''), ('delay', 'nan')]
)
def test_bad_value(tmp_path, key, text):
    line = refused(tmp_path, SECTION + written(key, text))
    assert line.startswith(
        f"Error: [rpcinterface:careful] {key} = '{text}' is not allowed: it must be "
    )
    assert TEXTS[key][2] in line.partition(' is not allowed: ')[2]


@pytest.mark.parametrize(
    ('nodaemon', 'setting', 'words'),
    [
        ('false', 'max_unavailable=0%%', ['max_unavailable', "'0%'", '1% to 100%']),
        ('true', 'timout=3', ["'timout'", "'3'", 'known are', *KNOWN]),
        ('false', 'größe=groß', ["'größe'", "'groß'", 'known are', *KNOWN]),
    ],
)
def test_in_foreground_and_as_a_daemon(tmp_path, nodaemon, setting, words):
    line = refused(tmp_path, f'{SECTION}{setting}\n', nodaemon)
    for word in ['[rpcinterface:careful]', *words]:
        assert word in line


@pytest.mark.parametrize('text', ['25%', '%(count)s'])
def test_a_percent_sign_that_is_not_doubled_is_refused_by_supervisor(tmp_path, text):
    line = refused(tmp_path, f'{SECTION}max_unavailable={text}\n')
    assert 'max_unavailable' in line
    assert text in line
