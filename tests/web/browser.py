"""A real browser with the page in it, and what it complains about.

The page's content security policy forbids eval, so `wait_for_function` fails; and as there is always a
question under way, `networkidle` never comes. Tests wait for elements.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.integration.server import Server, free_port

CHROMIUM = os.environ.get('CHROMIUM') or shutil.which('chromium') or '/usr/bin/chromium'
SECONDS = 30.0  # the deadline of every wait
# Names that lead to this machine and that a browser does not take for it: over plain HTTP it tells
# a server with such a name nothing about who asks.
NAMES = ('supervisor.test', 'evil.test', 'rebound.test')

# Noted down in each document before any script of the page runs.
WITNESS = """
addEventListener('securitypolicyviolation', (event) =>
  console.error('policy: ' + event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sample));
"""

expect.set_options(timeout=SECONDS * 1000)


@contextmanager
def browsing(*rules: str) -> Iterator[Browser]:
    """A browser without a window. rules: more of what hosts lead to, as Chromium takes them."""
    resolve = ','.join([*(f'MAP {name} 127.0.0.1' for name in NAMES), *rules])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=['--no-sandbox', f'--host-resolver-rules={resolve}']
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Complaints:
    """What the pages of a test have written to the console as errors, the violations of their
    policy among it.
    """

    lines: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def allow(self, text: str) -> None:
        """Lines with this text are no complaint, before and after."""
        self.allowed.append(text)

    def watch(self, page: Page) -> None:
        """Listen to this page."""
        page.on('console', self._console)
        page.on('pageerror', lambda error: self.lines.append(f'uncaught: {error}'))

    def _console(self, message: Any) -> None:
        if message.type in ('error', 'warning'):
            self.lines.append(f'{message.type}: {message.text} ({message.location["url"]})')

    def unexpected(self) -> list[str]:
        """The complaints that nobody has allowed."""
        return [line for line in self.lines if not any(text in line for text in self.allowed)]


class Site(Server):
    """A running supervisord with an HTTP server on a port of 127.0.0.1.

    password: of its user 'user', '' for none.
    """

    def __init__(
        self, programs: str, restarter: str = '', extra: str = '', password: str = ''
    ) -> None:
        self.port = free_port()
        self.password = password
        login = f'username=user\npassword={password}\n' if password else ''
        inet = f'[inet_http_server]\nport=127.0.0.1:{self.port}\n{login}\n'
        super().__init__(programs, restarter, inet + extra)

    def __enter__(self) -> Site:
        super().__enter__()
        return self

    def origin(self, name: str = '127.0.0.1', login: bool = False) -> str:
        """'http://127.0.0.1:9001', with user and password if so wished."""
        user = f'user:{self.password}@' if login else ''
        return f'http://{user}{name}:{self.port}'

    @property
    def url(self) -> str:
        """The address of the page."""
        return f'{self.origin()}/restarter/'
