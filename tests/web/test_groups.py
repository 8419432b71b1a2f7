"""Groups and processes on the page: started, stopped, searched for, read."""

from __future__ import annotations

import sys

from playwright.sync_api import expect

from tests.integration.server import program

SEVERAL = (
    program('web', count=3)
    + program('queue', count=2, autostart='false')
    + program('broken', command='/nowhere/at-all', startretries=0)
)


def test_a_group_is_stopped_after_a_question_and_started(page, site):
    server = site(SEVERAL)
    server.wait_state('web')
    page.goto(server.url)
    web = page.locator('[data-group=web]')
    web.locator('[data-action=stop]').click()
    question = page.get_by_role('alertdialog')
    expect(question).to_contain_text('3 processes')
    page.keyboard.press('Enter')  # at once, as somebody does who reads no questions
    expect(question).to_have_count(0)
    assert set(server.states('web').values()) == {'RUNNING'}
    web.locator('[data-action=stop]').click()
    question.locator('[data-action=confirm]').click()
    expect(web.locator('[data-state=STOPPED]')).to_have_count(3)
    assert set(server.states('web').values()) == {'STOPPED'}
    web.locator('[data-action=start]').click()
    expect(web.locator('[data-state=RUNNING]')).to_have_count(3)
    assert set(server.states('web').values()) == {'RUNNING'}


def test_one_process_is_stopped_and_started_in_its_panel(page, site):
    server = site(SEVERAL)
    server.wait_state('web')
    page.goto(server.url)
    page.locator('[data-process="web:1"]').click()
    panel = page.locator('dialog[data-process="web:1"]')
    expect(panel).to_contain_text(str(server.info('web:1')['pid']))
    panel.locator('[data-action=stop]').click()
    page.get_by_role('alertdialog').locator('[data-action=confirm]').click()
    expect(panel.locator('[data-state]').first).to_have_attribute('data-state', 'STOPPED')
    assert server.states('web') == {'0': 'RUNNING', '1': 'STOPPED', '2': 'RUNNING'}
    panel.locator('[data-action=start]').click()
    expect(panel.locator('[data-state]').first).to_have_attribute('data-state', 'RUNNING')


def test_why_a_process_is_down_is_told_in_full(page, site):
    server = site(SEVERAL)
    server.wait_state('broken', 'FATAL')
    page.goto(server.url)
    expect(page.locator('[data-group=broken]')).to_contain_text(
        "can't find command '/nowhere/at-all'"
    )


def test_counters_and_search_filter(page, site):
    server = site(SEVERAL)
    server.wait_state('web')
    server.wait_state('broken', 'FATAL')
    page.goto(server.url)
    tiles = page.locator('[data-process]:visible')
    expect(tiles).to_have_count(6)
    counter = page.locator('[data-filter=RUNNING]')
    expect(counter).to_contain_text('3')
    counter.click()
    expect(counter).to_have_attribute('aria-pressed', 'true')
    expect(tiles).to_have_count(3)
    page.locator('[data-filter=FATAL]').click()
    expect(tiles).to_have_count(4)
    counter.click()
    expect(tiles).to_have_count(1)
    page.locator('[data-filter=FATAL]').click()
    page.locator('#search').fill('queue')
    expect(tiles).to_have_count(2)
    expect(page.locator('[data-group=web]')).to_be_hidden()
    page.locator('#search').fill('web:2')
    expect(tiles).to_have_count(1)
    page.locator('#search').press('Escape')
    expect(tiles).to_have_count(6)


def test_a_log_grows_and_has_its_channels(page, site):
    server = site(program('talker', command=f'{sys.executable} -u %(here)s/talker.py'))
    server.rpc().supervisor.stopProcess('talker')
    (server.dir / 'talker.py').write_text(
        'import os, sys, time\n'
        'print("first of all" + "\\n" * 99)\n'
        'print("an error", file=sys.stderr)\n'
        f'while not os.path.exists("{server.dir}/more"): time.sleep(0.02)\n'
        'print("and more")\n'
        f'while not os.path.exists("{server.dir}/flood"): time.sleep(0.02)\n'
        'print("x\\n" * 99_999 + "the end of it")\n'
        'time.sleep(1000)\n'
    )
    server.rpc().supervisor.startProcess('talker', False)
    page.goto(server.url)
    page.locator('[data-process="talker:talker"]').click()
    log = page.locator('pre.log')
    expect(log).to_contain_text('first of all')
    expect(log).not_to_contain_text('and more')
    (server.dir / 'more').touch()
    expect(log).to_contain_text('and more')
    # Whoever reads what is further up does not lose it, however much is written meanwhile.
    log.evaluate('(node) => { node.scrollTop = 0 }')
    expect(page.get_by_role('button', name='Follow')).to_have_attribute('aria-pressed', 'false')
    (server.dir / 'flood').touch()
    expect(log).to_contain_text('the end of it')
    expect(log).to_contain_text('left out')
    expect(log).to_contain_text('first of all')
    page.locator('[data-channel=stderr]').click()
    expect(log).to_contain_text('an error')
    expect(log).not_to_contain_text('first of all')
    asked = []
    page.on(
        'request', lambda request: asked.append(request.url) if '/log?' in request.url else None
    )
    page.keyboard.press('Escape')
    expect(page.locator('dialog')).to_have_count(0)
    with page.expect_response('**/state?**'):
        server.rpc().supervisor.stopProcess('talker')
    asked.clear()
    page.wait_for_timeout(1500)  # longer than a log's questions are apart
    assert asked == []
