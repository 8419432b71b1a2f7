"""Restarts on the page: planned, begun, watched, cancelled, failed, retried."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.integration.server import held, program, worker


def open_plan(page, group='web'):
    """The dialog that a group's Restart… opens, with its plan."""
    page.locator(f'[data-group={group}] [data-action=restart]').click()
    plan = page.locator('#plan')
    expect(plan.locator('[data-action=restart]')).to_be_enabled()
    return plan


def begin(page, group='web', **options):
    """Restart the group with these options; the operation on the page."""
    plan = open_plan(page, group)
    plan.locator('details').first.evaluate('(node) => { node.open = true }')
    for name, value in options.items():
        field = plan.locator(f'[name={name}]')
        if field.evaluate('(node) => node.tagName') == 'SELECT':
            field.select_option(value)
        else:
            field.fill(value)
            field.blur()
    button = plan.locator('[data-action=restart]')
    expect(button).to_be_enabled()
    button.click()
    expect(plan).to_have_count(0)
    return page.locator('[data-restart]').first


def test_a_rolling_restart_is_watched_to_its_end(page, site):
    server = site(held(count=4))
    server.wait_workers('web')
    before = server.pids()
    page.goto(server.url)
    operation = begin(page, max_unavailable='1')
    expect(operation).to_have_attribute('data-state', 'running')
    expect(page.locator('#running svg.chart')).to_be_visible()
    expect(page.locator('#running')).to_contain_text('allowed')
    expect(page.locator('[data-process][data-state=STOPPING]')).to_have_count(1)
    server.let_stop()
    expect(operation).to_have_attribute('data-state', 'succeeded')
    expect(operation).to_contain_text('4 of 4 done')
    expect(page.locator('[data-process][data-state=RUNNING]')).to_have_count(4)
    assert not set(before.values()) & set(server.pids().values())

    # It is in the address, and so is there after the page is loaded anew; and can be closed.
    assert page.url.endswith('#restart-1')
    page.reload()
    past = page.locator('#past [data-restart="1"]')
    expect(past.locator('svg.chart')).to_be_visible()
    past.get_by_role('button').first.click()
    expect(page.locator('svg.chart')).to_have_count(0)


def test_the_chart_has_a_bar_for_each_phase_and_a_table_beside_it(page, site):
    server = site(program(count=3))
    server.wait_state('web')
    id = server.rpc().restarter.startRestart('web')
    server.wait_finished(id)
    page.goto(f'{server.url}#restart-{id}')
    chart = page.locator('svg.chart')
    expect(chart.locator('.layer-bars rect').first).to_be_visible()
    page.get_by_role('button', name='Table', exact=True).click()
    rows = page.locator('tr[data-phase=ready]')
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text('web:0')


def test_a_cancel_is_asked_for_and_what_is_down_comes_back(page, site):
    server = site(held(count=4))
    server.wait_workers('web')
    page.goto(server.url)
    operation = begin(page, max_unavailable='1')
    expect(page.locator('[data-process][data-state=STOPPING]')).to_have_count(1)
    cancel = operation.locator('[data-action=cancel]')
    cancel.click()
    page.keyboard.press('Escape')  # which means no
    expect(cancel).to_be_visible()
    cancel.click()
    page.get_by_role('alertdialog').locator('[data-action=confirm]').click()
    expect(operation).to_have_attribute('data-state', 'cancelled')
    expect(operation).to_contain_text(re.compile('cancel', re.IGNORECASE))
    expect(operation.locator('[data-action=table]')).to_be_focused()  # beside what was pressed
    server.let_stop()
    expect(page.locator('[data-process][data-state=RUNNING]')).to_have_count(4)


def test_a_broken_release_shows_why_and_can_be_retried(page, site):
    good = '%(here)s/good'
    server = site(
        program(command=worker('--unless', good), count=3, autostart='false', startsecs=1)
    )
    (server.dir / 'good').touch()
    server.rpc().supervisor.startProcessGroup('web')
    server.wait_workers('web')
    (server.dir / 'good').unlink()
    page.goto(server.url)
    operation = begin(page, max_unavailable='1', min_ready='0')
    expect(operation).to_have_attribute('data-state', 'failed')
    expect(operation).to_contain_text('exit status 3')
    expect(operation).to_contain_text('not reached')
    expect(page.locator('[data-process][data-state=RUNNING]')).to_have_count(2)
    (server.dir / 'good').touch()
    operation.locator('[data-action=retry]').click()
    again = page.locator('[data-restart="2"]')
    expect(again).to_have_attribute('data-state', 'succeeded')
    expect(page.locator('[data-process][data-state=RUNNING]')).to_have_count(3)


def test_a_plan_touches_nothing_and_follows_the_options(page, site):
    server = site(program(count=6))
    server.wait_state('web')
    before = server.pids()
    page.goto(server.url)
    plan = open_plan(page)
    batches = plan.locator('.batches > li')
    expect(batches).to_have_count(1)
    plan.locator('[name=max_unavailable]').fill('2')
    expect(batches).to_have_count(3)
    expect(plan.locator('[data-action=restart]')).to_have_text('Restart 6 processes')
    plan.locator('[name=max_unavailable]').fill('two')
    expect(plan).to_contain_text('max_unavailable')
    expect(plan.locator('[name=max_unavailable]')).to_have_attribute('aria-invalid', 'true')
    expect(plan.locator('[data-action=restart]')).to_be_disabled()
    # At once, for nothing is to begin that has not been shown.
    plan.locator('[name=max_unavailable]').fill('2')
    expect(plan.locator('[data-action=restart]')).to_be_enabled()
    assert plan.evaluate(
        """(node) => {
          node.querySelector('[name=max_unavailable]').dispatchEvent(new Event('input', {bubbles: true}));
          return node.querySelector('[data-action=restart]').disabled;
        }"""
    )
    # A press on its edge or its scroll bar is none beside it.
    box = plan.bounding_box()
    page.mouse.click(box['x'] + 0.5, box['y'] + box['height'] / 2)
    expect(plan.locator('[data-action=restart]')).to_be_enabled()
    page.mouse.click(box['x'] - 5, box['y'] + box['height'] / 2)
    expect(plan).to_have_count(0)
    assert server.pids() == before
    assert server.rpc().restarter.listRestarts() == []


def test_an_operation_that_somebody_else_begins_is_shown_by_itself(page, site):
    server = site(held(count=2))
    server.wait_workers('web')
    page.goto(server.url)
    expect(page.locator('#connection')).to_have_attribute('data-connected', 'true')
    server.rpc().restarter.startRestart('web')
    expect(page.locator('#running [data-restart="1"] svg.chart')).to_be_visible()
    server.let_stop()
    expect(page.locator('[data-restart="1"]')).to_have_attribute('data-state', 'succeeded')


def test_a_group_leads_to_what_happens_to_it_not_to_what_waits_for_that(page, site):
    server = site(held(count=2))
    server.wait_workers('web')
    page.goto(server.url)
    server.rpc().restarter.startRestart('web', {'max_unavailable': '1'})
    server.rpc().restarter.startRestart('web', {'max_unavailable': '1', 'if_busy': 'queue'})
    expect(page.locator('[data-restart="2"]')).to_have_attribute('data-state', 'queued')
    motion = page.locator('[data-group=web] .motion')
    expect(motion).to_have_text('restarting')
    motion.click()
    expect(page.locator('[data-restart="1"] svg.chart')).to_be_visible()
    server.let_stop()
    expect(page.locator('[data-restart="2"]')).to_have_attribute('data-state', 'succeeded')


def test_a_changed_configuration_is_compared_and_applied(page, site):
    server = site(program(count=2, environment='A="old",DB_PASSWORD="hush"'))
    server.wait_state('web')
    before = server.pids()
    text = server.conf.read_text()
    server.conf.write_text(text.replace('A="old",DB_PASSWORD="hush"', 'A="new",DB_PASSWORD="psst"'))
    page.goto(server.url)
    config = page.locator('#config')
    config.locator('[data-action=compare]').click()
    expect(config.locator('[data-group=web]')).to_contain_text('environment.A')
    expect(config.locator('del', has_text='old')).to_be_visible()
    expect(config.locator('ins', has_text='new')).to_be_visible()
    assert 'hush' not in page.content()
    assert 'psst' not in page.content()
    config.locator('[data-action=apply]').first.click()
    page.locator('dialog [data-action=apply]').click()
    expect(page.locator('[data-restart="1"]')).to_have_attribute('data-state', 'succeeded')
    assert not set(before.values()) & set(server.pids().values())
    config.locator('[data-action=compare]').click()
    expect(config.get_by_role('status')).to_contain_text(re.compile('nothing', re.IGNORECASE))
    expect(config.locator('[data-group]')).to_have_count(0)


def test_a_configuration_that_makes_no_sense_is_told_with_its_place(page, site):
    server = site(program(count=2))
    server.conf.write_text(server.conf.read_text() + '\n[program:x]\ncommand=x\npriority=high\n')
    page.goto(server.url)
    page.locator('[data-action=compare]').click()
    expect(page.locator('#config').get_by_role('status')).to_contain_text("'program:x'")
    expect(page.locator('#config [data-action=apply]')).to_be_hidden()
