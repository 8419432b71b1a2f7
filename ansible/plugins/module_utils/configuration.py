# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""The section [supervisorctl] of a configuration file: found and read as supervisorctl does it.

[include] is not followed, as supervisorctl does not follow it either. Nothing that is said of a
mistake contains a value of the file: any of them may be the password.
"""

from __future__ import annotations

import configparser
import os
import shutil

from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble

DEFAULT_URL = 'http://localhost:9001'
# Where supervisorctl may be though a module's PATH, which is not that of a login, does not say so.
MORE_PATHS = ('/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin')


class Settings:
    """How supervisord is reached. username and password: None where they are not set."""

    def __init__(self, url: str, username: str | None = None, password: str | None = None) -> None:
        self.url = url
        self.username = username
        self.password = password


def places() -> list[str]:
    """Where supervisorctl looks for the configuration file, in its order.

    The first two places depend on where supervisorctl itself is; without one they are left out.
    """
    own = []
    path = os.pathsep.join([os.environ.get('PATH', os.defpath), *MORE_PATHS])
    command = shutil.which('supervisorctl', path=path)
    if command:
        root = os.path.dirname(os.path.dirname(os.path.abspath(command)))
        own = [
            os.path.join(root, 'etc', 'supervisord.conf'),
            os.path.join(root, 'supervisord.conf'),
        ]
    return [
        *own,
        os.path.abspath('supervisord.conf'),
        os.path.abspath('etc/supervisord.conf'),
        '/etc/supervisord.conf',
        '/etc/supervisor/supervisord.conf',
    ]


def found(candidates: list[str]) -> str:
    """The first of the files that exists; Trouble if there is none."""
    for path in candidates:
        if os.path.exists(path):
            return path
    raise Trouble(
        f'no configuration file of Supervisor at {", ".join(candidates)}: '
        'give `config` or `serverurl`'
    )


def read(path: str) -> Settings:
    """The settings of [supervisorctl] in this file; Trouble if they cannot be had."""
    path = _normal(path)
    parser = _parsed(path)
    if not parser.has_section('supervisorctl'):
        raise Trouble(
            f'{path} has no section [supervisorctl], which says where supervisord listens: '
            'add one, or give `serverurl`'
        )
    here = {'here': os.path.dirname(path)}
    url = _value(parser, path, 'serverurl', here) or DEFAULT_URL
    if url.startswith('unix://'):
        url = 'unix://' + _normal(url[len('unix://') :])
    return Settings(url, _value(parser, path, 'username'), _value(parser, path, 'password'))


def _normal(path: str) -> str:
    return os.path.normpath(os.path.abspath(os.path.expanduser(path)))


def _parsed(path: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(inline_comment_prefixes=(';', '#'), strict=False)
    try:
        # Bytes that are not UTF-8 are none of our business unless they are in the three values.
        with open(path, encoding='utf-8', errors='surrogateescape') as file:
            parser.read_file(file)
    except OSError as error:
        raise Trouble(f'cannot read {path}: {_why(error)}') from None
    except configparser.MissingSectionHeaderError as error:
        raise Trouble(f'{path}: line {error.lineno} stands before any section') from None
    except configparser.ParsingError as error:
        lines = ', '.join(str(number) for number, _text in error.errors)
        raise Trouble(f'{path}: cannot make sense of line {lines}') from None
    return parser


def _why(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return 'no such file'
    if isinstance(error, PermissionError):
        return 'permission denied (is `become: true` missing?)'
    return (error.strerror or type(error).__name__).lower()


def _value(
    parser: configparser.RawConfigParser, path: str, key: str, more: dict[str, str] | None = None
) -> str | None:
    """The value of a key with %(ENV_x)s and %% expanded, and what is in `more`; None if not set."""
    text = parser.get('supervisorctl', key, fallback=None)
    if text is None:
        return None
    known = {f'ENV_{name}': value for name, value in os.environ.items()}
    known.update(more or {})
    where = f'{path}: {key} in [supervisorctl]'
    try:
        return text % known
    except KeyError as error:
        raise Trouble(
            f'{where} contains %({error.args[0]})s, which is not known here: '
            'a module does not have the environment of a login'
        ) from None
    except (TypeError, ValueError):
        raise Trouble(f'{where} has a % that begins no expansion: it is written %%') from None
