"""Values as users write them; secrets."""

from __future__ import annotations

import grp
import os
import pwd
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervisor.datatypes import RestartUnconditionally, RestartWhenExitUnexpected

from supervisor_restarter.configuration.diff import NOT_SET
from supervisor_restarter.configuration.keys import GROUP_KEYS, PROCESS_KEYS
from supervisor_restarter.configuration.wording import HIDDEN, SECRET, masked, shown_value

ME = pwd.getpwuid(os.getuid()).pw_name
MY_GROUP = grp.getgrgid(os.getgid()).gr_name
NOBODY = 3_999_999_999  # an id that has no name


@pytest.mark.parametrize(
    ('key', 'value', 'text'),
    [
        ('command', '/bin/cat %', '/bin/cat %'),
        ('environment.A', NOT_SET, ''),
        ('environment.A', '', ''),
        ('directory', None, ''),
        ('stdout_logfile', None, 'NONE'),
        ('stdout_logfile', 'AUTO', 'AUTO'),
        ('serverurl', None, 'AUTO'),
        ('umask', 0o22, '022'),
        ('umask', None, ''),
        ('socket_mode', 0o700, '700'),
        ('autorestart', RestartUnconditionally, 'true'),
        ('autorestart', RestartWhenExitUnexpected, 'unexpected'),
        ('autorestart', False, 'false'),
        ('stopsignal', signal.SIGQUIT, 'QUIT'),
        ('stopsignal', 1, 'HUP'),
        ('stopsignal', 200, '200'),
        ('uid', os.getuid(), ME),
        ('uid', NOBODY, str(NOBODY)),
        ('socket_owner', (os.getuid(), os.getgid()), f'{ME}:{MY_GROUP}'),
        ('socket_owner', (os.getuid(), -1), ME),
        ('socket_owner', (NOBODY, NOBODY), f'{NOBODY}:{NOBODY}'),
        ('exitcodes', [0, 2], '0,2'),
        ('pool_events', ('PROCESS_STATE', 'TICK_5'), 'PROCESS_STATE,TICK_5'),
        ('programs', tuple(map(str, range(12))), '0,1,2,3,4,5,6,7,8,9 and 2 more'),
        ('result_handler', print, 'builtins:print'),
        ('stopasgroup', True, 'true'),
        ('stopwaitsecs', 10, '10'),
        ('environment.A', 'a\nb\x1b\u202e', r'a\nb\x1b\u202e'),
    ],
)
def test_a_value_is_shown_as_it_is_written(key, value, text):
    assert shown_value(key, value) == shown_value(key, value, secrets=True) == text


def test_a_handler_without_a_name():
    handler = pytest.approx
    assert shown_value('result_handler', handler(1)).startswith('_pytest.python_api:')


@pytest.mark.parametrize(
    'name',
    [
        *('PASSWORD', 'db_passwd', 'PGPWD', 'SECRET_KEY_BASE', 'GITHUB_TOKEN', 'API_KEY', 'apikey'),
        *('AWS_ACCESS_KEY_ID', 'SENTRY_DSN', 'HTTP_AUTH', 'COOKIE', 'Credentials'),
    ],
)
def test_what_is_named_like_a_secret_is_hidden(name):
    key = f'environment.{name}'
    assert shown_value(key, 'hunter2') == HIDDEN
    assert shown_value(key, 'hunter2', secrets=True) == 'hunter2'
    assert shown_value(key, NOT_SET) == ''


def test_no_key_of_supervisors_looks_like_a_secret():
    assert [key for key in [*PROCESS_KEYS, *GROUP_KEYS] if SECRET.search(key)] == []


@pytest.mark.parametrize('name', ['PATH', 'VERSION', 'KEYBOARD', 'LANG', 'PORT'])
def test_what_is_not_is_shown(name):
    assert shown_value(f'environment.{name}', 'hunter2') == 'hunter2'


@pytest.mark.parametrize(
    ('text', 'left'),
    [
        ('redis://:hunter2@host/0', 'redis://(hidden)@host/0'),
        ('postgres://me:hunter2@host:5432/db', 'postgres://(hidden)@host:5432/db'),
        ('amqp://me:hun/ter2@x@host', 'amqp://(hidden)@host'),
        ('https://hunter2@github.com/x', 'https://(hidden)@github.com/x'),
        ('curl http://host:80/a@b http://host/c', 'curl http://(hidden)@b http://host/c'),
        ('https://host/@someone', 'https://host/@someone'),
        ('https://hunter2@host/@someone', 'https://(hidden)@host/@someone'),
        ('https://hunter2@host:80/x', 'https://(hidden)@host:80/x'),
        ('run --password=hunter2 --port=1', 'run --password=(hidden) --port=1'),
        ('run --api-key "hunter2 x" -v', 'run --api-key (hidden) -v'),
        ('run -token hunter2', 'run -token (hidden)'),
        ('tokenizer hunter.txt', 'tokenizer hunter.txt'),
        ('Server=x;Password=hunter2;Port=1', 'Server=x;Password=(hidden);Port=1'),
        (
            'curl -H "Authorization: Bearer hunter2" -v',
            'curl -H "Authorization: Bearer (hidden)" -v',
        ),
        ("--header='X-Auth: basic hunter2='", "--header='X-Auth: basic (hidden)'"),
        ('AUTH=basic', 'AUTH=(hidden)'),
        ('Password=hun;ter,2;Port=1', 'Password=(hidden);Port=1'),
        ('run --password hun,ter2;x -v', 'run --password (hidden) -v'),
        ('{"secret": "hunter2", "a": 1}', '{"secret": (hidden), "a": 1}'),
        ('http://h/?a=1&token=hunter2&b', 'http://h/?a=1&token=(hidden)'),
        ('--set opts=api-key=hunter2', '--set opts=api-key=(hidden)'),
        (
            "value 'A=1,DB_PASSWORD=\"hunter2' in section",
            "value 'A=1,DB_PASSWORD=(hidden)' in section",
        ),
        (
            "end of key/value pairs in value 'A=1,PASSWORD=hun ter,2' in section 'x' (file: 'y')",
            "end of key/value pairs in value (hidden) in section 'x' (file: 'y')",
        ),
        (
            "end of key/value pairs in value 'A=1 2' in section 'x'",
            "end of key/value pairs in value 'A=1 2' in section 'x'",
        ),
        (r"[line 3]: 'password hunter2\n'", "[line 3]: 'password (hidden)'"),
        (
            "Format string 'h%unter2' for 'unix_http_server.password' is badly formatted",
            "Format string (hidden) for 'unix_http_server.password' is badly formatted",
        ),
        (
            r"""Format string "h%unt'er2" for 'x.API_KEY' contains""",
            "Format string (hidden) for 'x.API_KEY' contains",
        ),
        (
            "Format string '%x' for 'x.command' and 'password'",
            "Format string '%x' for 'x.command' and 'password'",
        ),
        ('A="1",DB_PASSWORD="hunter2",B="2"', 'A="1",DB_PASSWORD=(hidden),B="2"'),
    ],
)
def test_secrets_inside_of_a_value_are_hidden(text, left):
    assert masked(text) == left
    assert shown_value('command', text) == left
    assert shown_value('environment.OPTIONS', text) == left
    assert shown_value('command', text, secrets=True) == text


@given(st.text())
def test_text_without_secrets_is_left_as_it_is(text):
    if not any(mark in text for mark in ('@', '=', ':')):
        assert masked(text) == text


@pytest.mark.timeout(20)
def test_a_long_value_costs_no_time():
    """Supervisord has one thread: what would take minutes if it were searched at every place."""
    for text in (
        'a' * 200_000 + 'pass',
        '-' * 200_000 + 'pass',
        'pass' * 50_000,
        'x://@:' * 50_000,
        'key=' + ',;' * 100_000,
        'key=' + 100_000 * ',a',
    ):
        masked(text)
