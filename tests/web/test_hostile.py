"""Names, reasons and log lines that try to become a part of the page: they are text."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.integration.server import program

SCRIPT = '<script>window.__pwned=1</script>'
NAME = '<script>window.__pwned=1<script>'  # Supervisor takes no slash
IMAGE = '<img src=x onerror=window.__pwned=1>'
# What a configuration file can have as a name; a colon would part group and process.
NAMES = [
    f'{IMAGE}'.replace(' ', '_'),
    '"onmouseover="window.__pwned=1',
    "'];window.__pwned=1;",
    'a*[b]?',
    'javascript-alert(1)',
    'ü\u202ename\u2066',
    'x' * 200,
    '__proto__',
    'constructor',
]


def untouched(page):
    """Nothing has been executed, and nothing stands in the page that is not its own."""
    assert page.evaluate('() => window.__pwned') is None
    assert page.locator('script').count() == 1
    assert page.locator('img, iframe, object, embed, [onerror], [onmouseover]').count() == 0
    assert page.evaluate('() => document.documentElement.scrollWidth <= innerWidth')


@pytest.fixture
def server(site):
    """A process with each of these names, in a group of that name."""
    one = site(
        ''.join(program(name) for name in NAMES) + f'[group:{NAME}]\nprograms=a\n' + program('a')
    )
    one.wait(
        lambda: all(info['pid'] for info in one.rpc().supervisor.getAllProcessInfo()), 'processes'
    )
    return one


def line_of(page, group):
    """The group's line on the page."""
    own = page.locator(f'xpath=self::*[@data-group={literal(group)}]')
    return page.locator('li[data-group]').filter(has=own)


def literal(text):
    """The text as XPath has it."""
    parts = ", '\"', ".join(f'"{part}"' for part in text.split('"'))
    return f'concat({parts}, "")'


def test_whatever_a_name_is_it_is_text_and_its_process_can_be_restarted(page, server):
    page.goto(server.url)
    expect(page.locator('[data-process]')).to_have_count(len(NAMES) + 1)
    untouched(page)
    groups = {info['group'] for info in server.rpc().supervisor.getAllProcessInfo()}
    assert {
        node.get_attribute('data-group') for node in page.locator('li[data-group]').all()
    } == groups
    for number, group in enumerate(sorted(groups), 1):
        line = line_of(page, group)
        line.locator('[data-action=restart]').click()
        page.locator('#plan [data-action=restart]').click()
        operation = page.locator(f'[data-restart="{number}"]')
        expect(operation).to_have_attribute('data-state', 'succeeded')
        assert server.rpc().restarter.listRestarts()[0]['groups'] == [group]
        untouched(page)


def test_each_is_stopped_and_started_alone(page, server):
    page.goto(server.url)

    def states():
        infos = server.rpc().supervisor.getAllProcessInfo()
        return {info['group']: info['statename'] for info in infos}

    for group in sorted(states()):
        line = line_of(page, group)
        for action, state in (('stop', 'STOPPED'), ('start', 'RUNNING')):
            line.locator(f'[data-action={action}]').click()
            if action == 'stop':
                page.get_by_role('alertdialog').locator('[data-action=confirm]').click()
            expect(line.locator('[data-process]')).to_have_attribute('data-state', state)
            others = {name: other for name, other in states().items() if name != group}
            assert set(others.values()) == {'RUNNING'}
            assert states()[group] == state
    untouched(page)


def test_reasons_and_log_lines_are_text(page, site):
    server = site(
        program('broken', command=f'/nowhere/{IMAGE.replace(" ", "_")}', startretries=0)
        + program('talker', command='/bin/sh %(here)s/talk.sh', autostart='false')
    )
    (server.dir / 'talk.sh').write_text(
        f"""printf '%s\\n' '{SCRIPT}' '{IMAGE}' '</pre><b>bold</b>'
        printf 'a\\033[31mred\\033[0m \\000\\001\\377 \\342\\200\\256end\\n'
        exec sleep 1000\n"""
    )
    server.rpc().supervisor.startProcess('talker', False)
    server.wait_state('broken', 'FATAL')
    page.goto(server.url)
    expect(page.locator('[data-group=broken]')).to_contain_text('<img')
    page.locator('[data-process="talker:talker"]').click()
    log = page.locator('pre.log')
    for text in (SCRIPT, IMAGE, '</pre><b>bold</b>', 'red', 'end'):
        expect(log).to_contain_text(text)
    assert log.locator('b, img, script').count() == 0
    untouched(page)
