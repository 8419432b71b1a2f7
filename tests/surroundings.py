"""What all tests rely on, whatever they are started with: from a terminal or cron, by nohup, a CI
job or supervisord.

settle() sets it for this process, and so for the supervisords and commands that tests start. A test
that is about such a thing sets it itself; tests/integration/test_surroundings.py has those about
the product as a whole.
"""

from __future__ import annotations

import locale
import os
import re
import signal
import tempfile
from pathlib import Path
from typing import Any

LOCALE = 'C.UTF-8'
# Characters; a unix socket's path has about 100, and pytest's directories are below it.
LONGEST_TMPDIR = 40
# No quoting needed in a configuration file, a shell or a URL.
PLAIN_PATH = re.compile(r'[-/\w.]+', re.ASCII)
# Of the environment: what says where output goes and how it looks, in which language, through which
# proxy, and what supervisord and systemd tell their children.
FOREIGN = re.compile(
    r'(LC_\w+|LANGUAGE|PYTHON(UTF8|COERCECLOCALE|IOENCODING|UNBUFFERED|WARNINGS|OPTIMIZE|INSPECT|STARTUP)'
    r'|PYTHONDONTWRITEBYTECODE'  # with it, every supervisord compiles the package anew
    r'|COLUMNS|LINES|NO_COLOR|FORCE_COLOR|CLICOLOR\w*|SUPERVISOR_\w+|RESTARTER_\w+'
    r'|NOTIFY_SOCKET|WATCHDOG_\w+|LISTEN_\w+|(http|https|all|no|ftp)_proxy)',
    re.IGNORECASE,
)


def settle() -> None:
    """Signals, umask, environment, locale and the directory for temporary files as the tests expect
    them.
    """
    settle_signals()
    os.umask(0o022)
    for name in [name for name in os.environ if FOREIGN.fullmatch(name)]:
        del os.environ[name]
    os.environ.update({'LANG': LOCALE, 'TERM': 'dumb'})
    try:
        locale.setlocale(locale.LC_CTYPE, LOCALE)  # what open() goes by
    except locale.Error:
        pass
    if not is_fit(tempfile.gettempdir()):
        os.environ['TMPDIR'] = tempfile.tempdir = '/tmp'


def settle_signals() -> None:
    """Every signal as in a Python that has been started by a shell: none is blocked, and few are
    ignored.
    """
    own: dict[int, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGPIPE: signal.SIG_IGN,
        signal.SIGXFSZ: signal.SIG_IGN,
    }
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            if signal.getsignal(number) == signal.SIG_IGN or number in own:
                signal.signal(number, own.get(number, signal.SIG_DFL))
        except (OSError, ValueError):
            pass  # the C library keeps it for itself, or it has no name
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def is_fit(directory: str) -> bool:
    """Whether unix sockets can be made below it, and other users can be let into it."""
    path = Path(directory).resolve()
    return (
        len(str(path)) <= LONGEST_TMPDIR
        and PLAIN_PATH.fullmatch(str(path)) is not None
        and all(one.stat().st_mode & 0o001 for one in (path, *path.parents))
    )
