"""The page for everyone: by keyboard alone, read aloud, narrow, dark, with many and with few."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.integration.server import held, program

# What has no name, or no more contrast than text needs (WCAG AA: 4.5, large text and shapes 3).
UNNAMED = """() => [...document.querySelectorAll('button, input, select, a[href], [role=img], dialog')]
  .filter((node) => node.checkVisibility() && !(
    node.getAttribute('aria-label') || node.getAttribute('aria-labelledby') ||
    node.textContent.trim() || node.labels?.length))
  .map((node) => node.outerHTML.slice(0, 100))"""
# A name that is not told, for what it belongs to is nothing by itself.
IN_VAIN = """() => [...document.querySelectorAll(':is(div, span, p, b, li)[aria-label]:not([role])')]
  .map((node) => node.outerHTML.slice(0, 100))"""
FAINT = """() => {
  const context = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const color = rgba(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return rgba(getComputedStyle(document.documentElement).colorScheme === 'dark' ? '#000' : '#fff');
  };
  const found = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!own || !node.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (node.closest('svg, :disabled, [aria-disabled=true]')) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(rgba(style.color)), light(ground(node))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${node.outerHTML.slice(0, 90)}`);
  }
  return found;
}"""
# Text or buttons that are cut off by the window or by what they stand in.
CUT_OFF = """() => [...document.querySelectorAll('body *')]
  .filter((node) => node.checkVisibility() && !node.closest('pre, svg, .skip, [aria-live]'))
  .filter((node) => {
    const box = node.getBoundingClientRect();
    return box.width > 1 && (box.right > innerWidth + 1 || box.left < -1);
  })
  .map((node) => node.outerHTML.slice(0, 100))"""
WIDE = '() => document.documentElement.scrollWidth > innerWidth'

MIXED = (
    held('web', count=8)
    + program('a-group-with-a-rather-long-name-as-they-are', count=3)
    + program('broken', command='/nowhere/at-all', startretries=0)
    + program('queue', count=2, autostart='false')
    + program('single')
)


@pytest.fixture
def busy(site):
    """A server on which everything is: something running, something past, something failed."""
    server = site(MIXED)
    server.wait_workers('web')
    server.wait_state('broken', 'FATAL')
    id = server.rpc().restarter.startRestart('single')
    server.wait_finished(id)
    id = server.rpc().restarter.startRestart('web', {'max_unavailable': '2'})
    server.wait_phase(id, 'stopping')
    text = server.conf.read_text()
    server.conf.write_text(text.replace('[program:single]', '[program:single]\nenvironment=A="1"'))
    return server


def views(page, server):
    """Each view of the page, one after the other."""
    page.goto(server.url)
    expect(page.locator('#running svg.chart')).to_be_visible()
    page.locator('[data-action=compare]').click()
    expect(page.locator('#config [data-group=single]')).to_be_visible()
    yield 'all'
    page.locator('#past .op-head').first.click()
    expect(page.locator('#past svg.chart')).to_be_visible()
    yield 'past'
    page.locator('[data-group=queue] [data-action=restart]').click()
    expect(page.locator('#plan')).to_be_visible()
    expect(page.locator('#plan [data-action=restart]')).to_contain_text('process')
    yield 'plan'
    page.keyboard.press('Escape')
    page.locator('[data-process="web:0"]').click()
    expect(page.locator('pre.log')).to_be_visible()
    yield 'process'
    page.keyboard.press('Escape')
    page.locator('[data-group=web] [data-action=stop]').click()
    expect(page.get_by_role('alertdialog')).to_be_visible()
    yield 'question'
    page.keyboard.press('Escape')


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [390, 1200])
def test_nothing_is_cut_off_faint_or_without_a_name(new_context, busy, width, scheme):
    context = new_context(viewport={'width': width, 'height': 800}, color_scheme=scheme)
    page = context.new_page()
    found = {}
    for view in views(page, busy):
        found[view] = {
            'wider than the window': page.evaluate(WIDE),
            'cut off': page.evaluate(CUT_OFF),
            'faint': page.evaluate(FAINT),
            'without a name': page.evaluate(UNNAMED),
            'named in vain': page.evaluate(IN_VAIN),
        }
    assert {
        view: {what: some for what, some in all.items() if some} for view, all in found.items()
    } == {view: {} for view in found}


def test_on_a_phone_the_tiles_of_a_group_have_the_whole_line(page, site):
    server = site(program(count=12) + program('single'))
    server.wait_state('web')
    page.set_viewport_size({'width': 390, 'height': 800})
    page.goto(server.url)

    def box(group, part):
        return page.locator(f'[data-group={group}] {part}').bounding_box()

    expect(page.locator('[data-process]')).to_have_count(13)
    tiles, buttons = box('web', '.tiles'), box('web', '.buttons')
    assert tiles['width'] > 330
    assert buttons['y'] >= tiles['y'] + tiles['height']
    tile, beside = box('single', '.tile'), box('single', '.buttons')
    assert tile['y'] < beside['y'] + beside['height']
    assert beside['y'] < tile['y'] + tile['height']


def test_dark_is_dark_and_light_is_light(new_context, site):
    server = site(program())
    grounds = {}
    for scheme in ('light', 'dark'):
        page = new_context(color_scheme=scheme).new_page()
        page.goto(server.url)
        grounds[scheme] = page.evaluate(
            '() => getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).map(Number)'
        )
    assert min(grounds['light'][:3]) > 200
    assert max(grounds['dark'][:3]) < 60


def test_a_restart_by_keyboard_alone(page, site):
    server = site(held(count=2))
    server.wait_workers('web')
    server.let_stop()
    page.goto(server.url)
    expect(page.locator('[data-process]')).to_have_count(2)
    page.keyboard.press('/')
    expect(page.locator('#search')).to_be_focused()
    page.keyboard.type('web')
    until_focus(page, '[data-process="web:0"]')
    page.keyboard.press('ArrowRight')
    expect(page.locator('[data-process="web:1"]')).to_be_focused()
    page.keyboard.press('Enter')
    panel = page.locator('dialog[data-process="web:1"]')
    expect(panel).to_be_visible()
    page.keyboard.press('Escape')
    expect(panel).to_have_count(0)
    expect(page.locator('[data-process="web:1"]')).to_be_focused()
    until_focus(page, '[data-group=web] [data-action=restart]')
    page.keyboard.press('Enter')
    expect(page.locator('#plan [data-action=restart]')).to_be_enabled()
    until_focus(page, '#plan [data-action=restart]')
    page.keyboard.press('Enter')
    expect(page.locator('[data-restart="1"]')).to_have_attribute('data-state', 'succeeded')


def until_focus(page, selector):
    """Press Tab until this has the focus, which must be seen there."""
    wanted = page.locator(selector)
    for _ in range(60):
        page.keyboard.press('Tab')
        if wanted.evaluate('(node) => node === document.activeElement'):
            break
    expect(wanted).to_be_focused()
    assert wanted.evaluate(
        """(node) => node.matches(':focus-visible') &&
          (getComputedStyle(node).outlineStyle !== 'none' || getComputedStyle(node).boxShadow !== 'none')"""
    )


def test_what_a_screen_reader_is_told(page, busy):
    page.goto(busy.url)
    expect(page.locator('#running svg.chart')).to_be_visible()
    pid = busy.info('single')['pid']
    expect(page.locator('[data-process="single:single"]')).to_have_attribute(
        'aria-label', re.compile(f'^single RUNNING pid {pid}, up ')
    )
    expect(page.get_by_role('button', name='broken FATAL')).to_be_visible()
    expect(page.get_by_role('group', name='Processes of web')).to_be_visible()
    expect(page.get_by_role('button', name='Restart web')).to_be_visible()
    expect(page.get_by_role('searchbox', name='Search for groups and processes')).to_be_visible()
    expect(page.get_by_role('region', name='Groups')).to_be_visible()
    picture = page.locator('#running').get_by_role('img')
    assert 'ready' in picture.get_attribute('aria-label')
    assert page.locator('[aria-live]').count() >= 1
    assert [head.inner_text() for head in page.locator('h1, h2').all()][1:] == [
        'Running', 'Groups', 'Changed configuration', 'Past',
    ]  # fmt: skip


def test_focus_and_scroll_stay_where_they_are_while_everything_changes(page, site):
    server = site(''.join(held(f'group{number:02}', count=2) for number in range(30)))
    server.wait_workers('group29')
    page.set_viewport_size({'width': 1200, 'height': 500})
    page.goto(server.url)
    tile = page.locator('[data-process="group20:1"]')
    tile.focus()
    tile.evaluate('(node) => { node.mine = true; scrollTo(0, 700) }')
    server.let_stop()
    server.rpc().supervisor.stopProcessGroup('group20')
    expect(tile).to_have_attribute('data-state', 'STOPPED')
    expect(tile).to_be_focused()
    assert tile.evaluate('(node) => node.mine && scrollY === 700')
