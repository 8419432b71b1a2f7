"""Values of a configuration as users write them, and what of them is better not shown."""

from __future__ import annotations

import grp
import pwd
import re
from signal import Signals

from supervisor.datatypes import RestartUnconditionally, RestartWhenExitUnexpected

from supervisor_restarter.configuration.diff import NOT_SET
from supervisor_restarter.text import listed, plainly, printable

HIDDEN = '(hidden)'
# What names of secrets have in them. Better one too many.
PART = 'pass|pwd|secret|token|credential|private|salt|cookie|auth|dsn|signature|key(?![a-z])'
SECRET = re.compile(PART, re.IGNORECASE)
WORD = re.compile(r"""[^\s"']+""")
# The name is looked at from its beginning alone: a long one costs no time.
SECRETLY_NAMED = rf'(?<![\w.-])(?=[\w.-]*(?:{PART}))'
# A comma or semicolon ends it only where a further name and value follow.
VALUE = r"""(?:"[^"]*"|'[^']*'|["']?(?:[^\s,;"']|[,;](?![\w.-]+["']?\s*[=:]))+)"""
# What stands before the secret in 'Authorization: Bearer x'.
SCHEME = r'(?:(?:basic|bearer|digest|negotiate|token|apikey)\s+)?'
# DB_PASSWORD="x", ?token=x, --api-key=x, "secret": "x"
ASSIGNED = re.compile(
    rf"""({SECRETLY_NAMED}[\w.-]+["']?\s*[=:]\s*{SCHEME}){VALUE}""", re.IGNORECASE
)
# --password x; and 'password x', a line of the file that Supervisor's parser does not understand
SPOKEN = re.compile(rf"""({SECRETLY_NAMED}(?:(?=-)|(?<=["']))[\w.-]+\s+){VALUE}""", re.IGNORECASE)
# What Supervisor says of a value with a % that it cannot expand: which value, and of which key.
FORMAT = re.compile(
    rf"""(?<=Format string )('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?= for '[^']*(?:{PART}))""",
    re.IGNORECASE,
)
# ... and of an environment that it cannot take apart: where a secret ends in there is not to be told.
UNPARSED = re.compile(
    rf"(?<=key/value pairs in value )'(?=.*(?:{PART})).*'(?= in section )", re.IGNORECASE
)

# What holds where nothing is set.
UNSET = {'stdout_logfile': 'NONE', 'stderr_logfile': 'NONE', 'serverurl': 'AUTO'}
RESTARTS: dict[object, str] = {
    RestartUnconditionally: 'true',
    RestartWhenExitUnexpected: 'unexpected',
    False: 'false',
}


def shown_value(key: str, value: object, secrets: bool = False) -> str:
    """The value as the configuration file would have it, '' where it is not set. secrets: show what
    looks like one in clear.
    """
    if value is NOT_SET:
        return ''
    if value is None:
        return UNSET.get(key, '')
    if not secrets and SECRET.search(key):
        return HIDDEN
    text = printable(_as_written(key, value))
    return text if secrets else masked(text)


def masked(text: str) -> str:
    """The text without what looks like a secret in it."""
    if '://' in text:
        text = WORD.sub(lambda found: _without_user(found[0]), text)
    if SECRET.search(text):
        text = UNPARSED.sub(HIDDEN, FORMAT.sub(HIDDEN, text))
        text = SPOKEN.sub(rf'\1{HIDDEN}', ASSIGNED.sub(rf'\1{HIDDEN}', text))
    return text


def _without_user(word: str) -> str:
    """https://user:password@host and https://token@host without what stands before the @. In a
    password there may be anything, also another @.
    """
    scheme, _, rest = word.partition('://')
    user, at, host = rest.rpartition('@') if ':' in rest else rest.partition('@')
    if not at or ('/' in user and ':' not in user):
        return word
    return f'{scheme}://{HIDDEN}@{host}'


def _as_written(key: str, value: object) -> str:
    if key in ('umask', 'socket_mode') and isinstance(value, int):
        return f'{value:03o}'
    if key == 'autorestart':
        return RESTARTS.get(value, str(value))
    if key == 'stopsignal' and isinstance(value, int):
        return _signal(value)
    if key == 'uid' and isinstance(value, int):
        return _user(value)
    if key == 'socket_owner' and isinstance(value, tuple):
        return _owner(*value)
    if key == 'result_handler':
        return f'{getattr(value, "__module__", "")}:{getattr(value, "__name__", value)}'
    if isinstance(value, (list, tuple)):
        return listed(map(str, value)).replace(', ', ',')
    return plainly(value)


def _signal(number: int) -> str:
    try:
        return Signals(number).name[len('SIG') :]
    except ValueError:
        return str(number)  # a real-time signal


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _owner(uid: int, gid: int) -> str:
    if gid == -1:
        return _user(uid)
    try:
        return f'{_user(uid)}:{grp.getgrgid(gid).gr_name}'
    except KeyError:
        return f'{_user(uid)}:{gid}'
