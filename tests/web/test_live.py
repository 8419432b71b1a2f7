"""The page and its connection: reloads, tabs that nobody sees, passwords, proxies, many processes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fleet.conftest import skip_aloud
from tests.integration.server import SECONDS, free_port, held, program
from tests.web.browser import Site

NGINX = """\
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {dir}/t1;
  proxy_temp_path {dir}/t2;
  fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4;
  scgi_temp_path {dir}/t5;
  server {{
    listen 127.0.0.1:{port};
    location /ops/one/ {{
      proxy_pass http://unix:{dir}/sock:/;
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""


def connected(page):
    """Wait until the page is up to date."""
    expect(page.locator('#connection')).to_have_attribute('data-connected', 'true')


def test_after_a_reload_of_supervisord_the_page_is_back_by_itself(page, site, complaints):
    complaints.allow('Failed to load resource')  # while supervisord is away
    server = site(held(count=2))
    server.wait_workers('web')
    server.let_stop()
    page.goto(server.url)
    connected(page)
    page.evaluate('() => { window.here = true }')
    text = server.conf.read_text()
    server.conf.write_text(text + program('more'))
    os.kill(server.pid, signal.SIGHUP)
    expect(page.locator('[data-process="more:more"][data-state=RUNNING]')).to_be_visible()
    connected(page)
    assert page.evaluate('() => window.here') is True


def test_a_defect_of_the_page_is_told_as_such(page, site, complaints):
    complaints.allow('uncaught: groups.map is not a function')  # once, and where it is
    server = site(program())
    server.wait_state('web')
    nonsense = {'epoch': 'x', 'version': 1, 'full': True, 'now': 0, 'groups': {}}
    page.route('**/state?**', lambda route: route.fulfill(json=nonsense))
    page.goto(server.url)
    defect = re.compile('this page has a defect: groups.map', re.IGNORECASE)
    expect(page.get_by_role('alert')).to_have_text(defect)
    expect(page.locator('#connection')).to_have_text(defect)
    page.unroute('**/state?**')
    connected(page)
    assert any('groups.map' in line for line in complaints.lines)


def test_a_reload_in_the_middle_of_a_restart_leaves_no_operation(page, site, complaints):
    complaints.allow('Failed to load resource')
    server = site(held(count=2))
    server.wait_workers('web')
    id = server.rpc().restarter.startRestart('web', {'max_unavailable': '1'})
    server.wait_phase(id, 'stopping')
    page.goto(server.url)
    expect(page.locator('[data-restart="1"] svg.chart')).to_be_visible()
    os.kill(server.pid, signal.SIGHUP)
    server.let_stop()
    expect(page.locator('[data-restart]')).to_have_count(0)
    expect(page.locator('[data-process][data-state=RUNNING]')).to_have_count(2)
    connected(page)


def test_a_page_whose_supervisord_is_gone_says_so(page, site, complaints):
    complaints.allow('Failed to load resource')
    server = site(program())
    page.goto(server.url)
    connected(page)
    server.process.send_signal(signal.SIGTERM)
    expect(page.locator('#connection')).to_have_attribute('data-connected', 'false')
    expect(page.locator('[data-process]')).to_be_visible()
    server.process.wait(SECONDS)


def test_a_hidden_tab_asks_for_nothing_and_catches_up(page, site):
    server = site(program())
    page.goto(server.url)
    connected(page)
    asked = []
    page.on('request', lambda request: asked.append(request.url))
    hide(page, True)
    server.rpc().supervisor.stopProcess('web')
    page.wait_for_timeout(500)
    assert asked == []
    expect(page.locator('[data-process]')).to_have_attribute('data-state', 'RUNNING')
    hide(page, False)
    expect(page.locator('[data-process]')).to_have_attribute('data-state', 'STOPPED')


def hide(page, hidden):
    """Have the page believe that its tab is in the background, or in front again."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, 'hidden', {configurable: true, get: () => hidden});
          document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


def test_eight_tabs_are_open_at_once(new_context, site):
    """A browser has six connections to a host, and each tab in front takes one."""
    server = site(program())
    context = new_context()
    pages: list[Page] = []
    for _ in range(8):
        for one in pages:
            hide(one, True)
        pages.append(context.new_page())
        pages[-1].goto(server.url)
        connected(pages[-1])


@pytest.mark.parametrize('how', ['asked for', 'in the address'])
def test_a_password_is_enough_for_all_of_it(new_context, site, how):
    server = site(held(count=2), 'guard=true', password='a-secret')
    server.wait_workers('web')
    server.let_stop()
    login = {'username': 'user', 'password': server.password}
    context = new_context(**({'http_credentials': login} if how == 'asked for' else {}))
    page = context.new_page()
    page.goto(f'{server.origin(login=how != "asked for")}/restarter/')
    connected(page)
    page.locator('[data-group=web] [data-action=restart]').click()
    page.locator('#plan [data-action=restart]').click()
    expect(page.locator('[data-restart="1"]')).to_have_attribute('data-state', 'succeeded')
    page.locator('[data-process="web:0"]').click()
    expect(page.locator('pre.log')).to_be_visible()


def test_another_host_over_plain_http(page, site):
    """Where a browser tells the guard less, and likes some headers less."""
    server = site(program(), 'guard=true')
    page.goto(f'{server.origin("supervisor.test")}/restarter/')
    connected(page)
    page.locator('[data-group=web] [data-action=stop]').click()
    page.get_by_role('alertdialog').locator('[data-action=confirm]').click()
    expect(page.locator('[data-process]')).to_have_attribute('data-state', 'STOPPED')


def test_a_unix_socket_behind_nginx_under_a_prefix(page, site):
    if shutil.which('nginx', path=f'{os.environ["PATH"]}:/usr/sbin') is None:
        skip_aloud('the page behind a proxy; nginx is missing: apt install nginx')
    server = site(held(count=2), 'guard=true')
    server.wait_workers('web')
    with proxied(server) as address:
        page.goto(f'{address}/restarter')  # without a slash at its end
        connected(page)
        assert page.url == f'{address}/restarter/'
        page.locator('[data-group=web] [data-action=restart]').click()
        page.locator('#plan [data-action=restart]').click()
        operation = page.locator('[data-restart="1"]')
        expect(operation.locator('svg.chart')).to_be_visible()
        server.let_stop()
        expect(operation).to_have_attribute('data-state', 'succeeded')
        page.locator('[data-process="web:0"]').click()
        expect(page.locator('pre.log')).to_be_visible()
        page.close()  # before nginx ends, which it would complain of


@contextmanager
def proxied(server: Site) -> Iterator[str]:
    """nginx before the unix socket of this server, under a prefix; its address."""
    port = free_port()
    conf = server.dir / 'nginx.conf'
    conf.write_text(NGINX.format(dir=server.dir, port=port))
    for path in (server.dir, Path(server.dir / 'sock').resolve()):
        path.chmod(0o777)  # nginx's workers run as somebody else
    binary = shutil.which('nginx', path=f'{os.environ["PATH"]}:/usr/sbin')
    with (server.dir / 'nginx.out').open('wb') as out:
        nginx = subprocess.Popen(
            [str(binary), '-c', str(conf), '-g', 'daemon off;'], stdout=out, stderr=out
        )
    try:
        server.wait(lambda: (server.dir / 'nginx.pid').exists(), 'nginx')
        yield f'http://127.0.0.1:{port}/ops/one'
    finally:
        nginx.terminate()
        nginx.wait(SECONDS)


def test_five_hundred_processes(page, site):
    """All are there, and can be searched; of a large restart those in motion have a row, and the rest
    is counted.
    """
    many = ''.join(program(f'app{group}', count=50) for group in range(10))
    server = site(many)
    server.wait(lambda: len(running(server)) == 500, '500 processes')
    page.goto(server.url)
    expect(page.locator('[data-process][data-state=RUNNING]')).to_have_count(500)
    page.locator('#search').fill('app3:49')
    expect(page.locator('[data-process]:visible')).to_have_count(1)
    page.locator('#search').press('Escape')
    before = running(server)
    server.rpc().restarter.startRestart(['app0', 'app1'], {'max_unavailable': '50%'})
    operation = page.locator('[data-restart="1"]')
    expect(operation).to_have_attribute('data-state', 'succeeded')
    expect(operation).to_contain_text('100 of 100 done')
    expect(page.locator('[data-process][data-state=RUNNING]')).to_have_count(500)
    assert len(running(server) - before) == 100
    assert operation.locator('svg.chart .layer-bars rect').count() < 100


def running(server: Site) -> set[int]:
    """The pids of all that run."""
    infos = server.rpc().supervisor.getAllProcessInfo()
    return {info['pid'] for info in infos if info['statename'] == 'RUNNING'}
