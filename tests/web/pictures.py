"""The pictures of the page in docs/: `make pictures`.

Each shows a supervisord that is really doing it. Times and pids differ from run to run.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.integration.server import ROOT, program, worker
from tests.web.browser import Complaints, Site, browsing

DOCS = ROOT / 'docs'
MOST_BYTES = 400_000  # all pictures together
SEEN = 'web1.example:9001'  # what the pictures show as the address
TO_WEBP = """async (url) => {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext('2d').drawImage(picture, 0, 0);
  return canvas.toDataURL('image/webp', 0.8);
}"""
WIDE, NARROW = 1200, 390
QUEUE = 'RESTARTER_SURGE="yes",RESTARTER_BEFORE_STOP="/bin/sleep 0.5"'
PROGRAMS = (
    program('web', worker('--stop', '0.%(process_num)d'), 12, startsecs=1)
    + program('api', worker('--stop', '1'), 6, environment='POOL="8",DB_PASSWORD="x"')
    + program('queue', worker('--stop', '4'), 4, startsecs=1, environment=QUEUE)
    + program('reports', '/srv/reports/bin/worker', startretries=0)
    + program('mailer', worker(), autostart='false')
    + program('scheduler', worker())
)


def rolling(page: Page, site: Site) -> None:
    """A rolling restart in motion."""
    expect(page.locator('[data-process][data-state=RUNNING]')).to_have_count(23)
    id = site.rpc().restarter.startRestart('web', {'max_unavailable': '3'})

    def halfway() -> bool:
        restart = site.rpc().restarter.getRestart(id)
        stopping = [one for one in restart['processes'] if one['phase'] == 'stopping']
        return restart['done'] >= 4 and bool(stopping)

    site.wait(halfway, 'half of the restart')


def surge(page: Page, site: Site) -> None:
    """New processes beside old ones, in motion."""
    id = site.rpc().restarter.startRestart('queue', {'max_surge': 2, 'scout': 0})

    site.wait(lambda: site.rpc().restarter.getRestart(id)['done'] == 4, 'four new processes')
    expect(page.locator('#running')).to_contain_text('old processes still stopping')


def past(page: Page, site: Site) -> None:
    """What it was like, afterwards."""
    id = site.rpc().restarter.startRestart('web', {'max_unavailable': '3'})
    restart = site.wait_finished(id)
    assert restart['state'] == 'succeeded'
    expect(page.locator(f'[data-restart="{id}"]')).to_have_attribute('data-state', 'succeeded')


def plan(page: Page, site: Site) -> None:
    """The plan before the click."""
    page.locator('[data-group=web] [data-action=restart]').click()
    page.locator('#plan [name=max_unavailable]').fill('25%')
    expect(page.locator('#plan .batches > li')).to_have_count(4)


def config(page: Page, site: Site) -> None:
    """A changed configuration."""
    text = site.conf.read_text().replace('POOL="8",DB_PASSWORD="x"', 'POOL="16",DB_PASSWORD="y"')
    site.conf.write_text(text + program('search', worker(), 2))
    page.locator('[data-action=compare]').click()
    expect(page.locator('#config section[data-group=search]')).to_be_visible()


Scene = tuple[str, Callable[[Page, Site], None], str, int, str]
# The file, what is done before, what is shown of the page ('' for all of it), width, colours.
SCENES: list[Scene] = [
    ('web-rolling.webp', rolling, '', WIDE, 'light'),
    ('web-rolling-dark.webp', rolling, '', WIDE, 'dark'),
    ('web-rolling-narrow.webp', rolling, '', NARROW, 'light'),
    ('web-surge.webp', surge, '#running', WIDE, 'light'),
    ('web-past.webp', past, '#running', WIDE, 'light'),
    ('web-plan.webp', plan, '#plan', WIDE, 'light'),
    ('web-config.webp', config, '#config', WIDE, 'light'),
]


def take(scene: Scene) -> None:
    """Make one picture, and be content with it."""
    name, prepare, selector, width, scheme = scene
    with Site(PROGRAMS) as site:
        site.wait_workers('web')
        site.wait_state('reports', 'FATAL')
        with browsing(f'MAP {SEEN} 127.0.0.1:{site.port}') as browser:
            complaints = Complaints()
            context = browser.new_context(
                viewport={'width': width, 'height': 800}, color_scheme=scheme
            )
            page = context.new_page()
            complaints.watch(page)
            page.goto(f'http://{SEEN}/restarter/')
            expect(page.locator('#connection')).to_have_attribute('data-connected', 'true')
            prepare(page, site)
            (DOCS / name).write_bytes(picture(page, selector))
            assert not complaints.unexpected(), complaints.unexpected()
            context.close()


def picture(page: Page, selector: str) -> bytes:
    """The page, or a part of it, as WebP, which playwright itself does not make."""
    if selector:
        png = page.locator(selector).screenshot()
    else:
        png = page.screenshot(full_page=True)
    blank = page.context.new_page()  # without the page's policy
    url: str = blank.evaluate(TO_WEBP, f'data:image/png;base64,{base64.b64encode(png).decode()}')
    return base64.b64decode(url.partition(',')[2])


def main() -> None:
    for scene in SCENES:
        take(scene)
        print(f'docs/{scene[0]}: {(DOCS / scene[0]).stat().st_size / 1000:.0f} kB', flush=True)
    total = sum((DOCS / scene[0]).stat().st_size for scene in SCENES)
    assert total <= MOST_BYTES, f'{total} bytes of pictures are more than {MOST_BYTES}'


if __name__ == '__main__':
    main()
