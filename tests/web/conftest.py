"""For the tests in a browser: one browser for all, a context of its own for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.fleet.conftest import pytest_terminal_summary  # noqa: F401
from tests.web.browser import SECONDS, WITNESS, Complaints, Site, browsing


@pytest.fixture(scope='session')
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """After the test there must be none."""
    found = Complaints()
    yield found
    assert found.unexpected() == []


@pytest.fixture
def new_context(
    browser: Browser, complaints: Complaints, site: Callable[..., Site]
) -> Iterator[Callable[..., BrowserContext]]:
    """new_context(**settings of playwright) is as a browser of its own, of which all pages are
    watched. It ends before the sites that it looks at.
    """
    contexts: list[BrowserContext] = []

    def make(**settings: Any) -> BrowserContext:
        context = browser.new_context(**{'viewport': {'width': 1200, 'height': 900}, **settings})
        contexts.append(context)
        context.set_default_timeout(SECONDS * 1000)
        context.add_init_script(WITNESS)
        context.on('page', complaints.watch)
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """An empty page, 1200 pixels wide."""
    return new_context().new_page()


@pytest.fixture
def site() -> Iterator[Callable[..., Site]]:
    """site(programs, restarter='', extra='', password='') gives a running Site; its log is checked
    at the end.
    """
    sites: list[Site] = []

    def begin(*arguments: Any, **settings: Any) -> Site:
        one = Site(*arguments, **settings)
        sites.append(one)
        one.__enter__()
        return one

    yield begin
    try:
        for one in sites:
            if one._dir is not None:
                one.check_log()
    finally:
        for one in sites:
            one.close()
