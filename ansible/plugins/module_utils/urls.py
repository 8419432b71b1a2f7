# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""The user and the password that a URL may contain: http://user:secret@host."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit


def without_password(url: str) -> str:
    """`url` without its user part: http://user:secret@host becomes http://host.

    The password may be one that breaks the URL, with a `/` in it. The path of a unix socket may
    contain an @.
    """
    return url if url.startswith('unix:') else re.sub('//.*@', '//', url, flags=re.DOTALL)


def user_of(url: str) -> tuple[str | None, str | None]:
    """User and password of the URL, decoded; None where there is none, or the URL is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None, None
    if parts.scheme == 'unix' or parts.username is None:
        return None, None
    return unquote(parts.username), None if parts.password is None else unquote(parts.password)


def secrets(url: str | None) -> set[str]:
    """What must not be shown of the URL: its password, in either spelling, also of a broken one."""
    if not url or url.startswith('unix:'):
        return set()
    user = url.partition('://')[2].rpartition('@')[0]
    password = user.partition(':')[2]
    return {password, unquote(password)} - {''}
