"""On the page: what is drained before its stop, and the new process beside the old one."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.integration.server import held, program
from tests.web.test_operations import begin, open_plan

# It ends when there is the file.
DRAIN = 'until [ -e "$1" ]; do sleep 0.05; done\n'


def test_what_is_drained_is_shown_so_until_its_stop(page, site):
    hook = 'RESTARTER_BEFORE_STOP="/bin/sh %(here)s/drain.sh %(here)s/drained"'
    server = site(program(count=2, environment=hook))
    (server.dir / 'drain.sh').write_text(DRAIN)
    server.wait_state('web')
    page.goto(server.url)
    plan = open_plan(page)
    expect(plan).to_contain_text('runs RESTARTER_BEFORE_STOP for 2 processes')
    plan.get_by_role('button', name='Close', exact=True).last.click()
    operation = begin(page, max_unavailable='1')
    expect(operation.locator('.layer-bars .draining')).to_have_count(1)
    expect(operation).to_contain_text('Waiting for web:0 draining')
    (server.dir / 'drained').touch()
    expect(operation).to_have_attribute('data-state', 'succeeded')
    expect(operation.locator('.layer-bars .draining')).to_have_count(2)
    operation.get_by_role('button', name='Table', exact=True).click()
    drained = operation.locator('td[data-label="drained in"]')
    expect(drained).to_have_count(2)
    assert all(text.endswith(' s') for text in drained.all_text_contents())


def test_the_new_process_is_shown_beside_the_old_one_while_that_stops(page, site):
    server = site(held(count=2, environment='RESTARTER_SURGE="yes"'))
    server.wait_workers('web')
    page.goto(server.url)
    operation = begin(page, max_surge='1')
    expect(operation).to_contain_text('2 old processes still stopping')
    bars = operation.locator('.layer-bars rect')
    # the old one serves and stops, and the new one starts and is ready
    expect(bars.and_(page.locator('.stopping'))).to_have_count(2)
    expect(bars.and_(page.locator('.ready'))).to_have_count(2)
    tops = bars.evaluate_all('(all) => new Set(all.map((bar) => bar.getAttribute("y"))).size')
    assert tops > 2  # two lanes in a row
    expect(page.locator('[data-process]')).to_have_count(2)
    server.let_stop()
    expect(operation).to_have_attribute('data-state', 'succeeded')
    expect(operation).to_contain_text('at least 2 ready throughout')
    expect(operation).not_to_contain_text('still stopping')
