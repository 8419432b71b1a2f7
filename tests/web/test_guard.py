"""What other sites can have a browser do to supervisord, with and without a password and `guard`: the
table in SECURITY.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.integration.server import program
from tests.pages import TEXTS, table
from tests.web.attacks import ATTACKS, evil_server, strike
from tests.web.browser import SECONDS, Site

PASSWORD = 'a-secret'
# The columns of the table: what is set.
OPEN, LOGIN, LOGIN_SAME_HOST, GUARD, BOTH = range(5)
# Over plain HTTP a browser tells a name that is not the local host less; both are attacked from
# another site, and from another port of the same host.
PLACES = [
    ('supervisor.test', 'evil.test'),
    ('localhost', 'evil.test'),
    ('supervisor.test', 'supervisor.test'),
    ('localhost', 'localhost'),
]
STOPS, REFUSED = 'stops it', 'refused'
REBINDING = 'a name of its own that it rebinds to supervisord'


@pytest.fixture(scope='module')
def evil() -> Iterator[int]:
    with evil_server() as port:
        yield port


@pytest.fixture(params=['open', 'password', 'guard', 'guard and password'])
def victim(request: pytest.FixtureRequest, site: Callable[..., Site]) -> Site:
    return site(
        program('victim', count=len(ATTACKS)),
        'guard=true' if 'guard' in request.param else '',
        password=PASSWORD if 'password' in request.param else '',
    )


def column(victim: Site, same_host: bool = False) -> int:
    if 'guard=true' in victim.conf.read_text():
        return BOTH if victim.password else GUARD
    if not victim.password:
        return OPEN
    return LOGIN_SAME_HOST if same_host else LOGIN


def told(column: int) -> dict[str, str]:
    """The table's column: what becomes of each attack."""
    return {row[0]: row[column + 1] for row in table(TEXTS['SECURITY.md'], 'an attack')}


def outcome(victim: Site, process: str) -> str:
    """What has become of the process."""
    return REFUSED if victim.state(process) == 'RUNNING' else STOPS


def log_in(victim: Site, name: str, context: BrowserContext) -> None:
    """Give the browser the password, which it remembers."""
    if victim.password:
        page = context.new_page()
        page.goto(victim.origin(name, login=True))
        expect(page.get_by_role('link', name='Stop', exact=True).first).to_be_visible()


@pytest.mark.parametrize(('host', 'attacker'), PLACES)
def test_what_a_browser_can_be_made_to_do(new_context, complaints, evil, victim, host, attacker):
    complaints.allow('')  # the attacks' own
    context = new_context()
    log_in(victim, host, context)
    target = f'{victim.origin(host)}/'
    answered = [
        strike(attack, context.new_page(), f'http://{attacker}:{evil}', target, f'victim:{number}')
        for number, attack in enumerate(ATTACKS)
    ]
    deadline = time.monotonic() + SECONDS
    while not all(one() for one in answered):
        assert time.monotonic() < deadline, [one() for one in answered]
        context.cookies()  # any call takes in what the browser has told
        time.sleep(0.01)
    measured = {
        attack.name: outcome(victim, f'victim:{number}') for number, attack in enumerate(ATTACKS)
    }
    expected = told(column(victim, host == attacker))
    assert measured == {name: expected[name] for name in measured}
    assert {REBINDING, *measured} == expected.keys()


def test_a_rebound_name_needs_a_password(page, complaints, evil, victim):
    """The attacker's page comes from its own server, and then its name leads to supervisord."""
    complaints.allow('401')
    log_in(victim, 'localhost', page.context)
    page.goto(f'http://rebound.test:{evil}/rebind?PORT={victim.port}&VICTIM=victim:0')
    expect(page).to_have_title('401' if victim.password else '200')
    assert outcome(victim, 'victim:0') == told(column(victim))[REBINDING]


# -- what goes on working with a guard --------------------------------------------------------


@pytest.mark.parametrize('host', ['supervisor.test', 'localhost'])
@pytest.mark.parametrize('password', ['', PASSWORD])
def test_supervisors_own_page_and_links_to_it_work_with_the_guard(
    page: Page, evil, site, host, password
):
    guarded = site(program('victim'), 'guard=true', password=password)
    page.goto(guarded.origin(host, login=True))
    page.get_by_role('link', name='Stop', exact=True).click()
    expect(page.get_by_role('link', name='Start', exact=True)).to_be_visible()
    assert guarded.state('victim') == 'STOPPED'
    page.get_by_role('link', name='Start', exact=True).click()
    expect(page.get_by_role('link', name='Stop', exact=True)).to_be_visible()

    page.goto(f'http://evil.test:{evil}/')
    page.evaluate('(url) => { location = url }', f'{guarded.origin(host)}/')  # a link from there
    expect(page.get_by_role('link', name='Stop', exact=True)).to_be_visible()
