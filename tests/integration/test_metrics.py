"""restarter/metrics of a real supervisord; its text is read by prometheus_client's own parser and, where
it is installed, by promtool (Debian: prometheus).
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bench.lab import UnixConnection
from bench.recipe_site import find
from tests.fleet.conftest import skip_aloud
from tests.integration.server import SECONDS, Server, free_port, held, program
from tests.pages import blocks
from tests.unit.web.expressions import of_alerts, of_panels

Samples = dict[tuple[str, ...], float]


def answer(server: Server, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """The status and the text of restarter/metrics."""
    connection = UnixConnection(str(server.dir / 'sock'), SECONDS)
    connection.request('GET', '/restarter/metrics', headers=headers or {})
    response = connection.getresponse()
    return response.status, response.read().decode('utf-8')


def samples(server: Server) -> Samples:
    """The value of each sample, by its name without `supervisor_restarter_` and its labels."""
    status, text = answer(server)
    assert status == 200, text
    return {
        (sample.name.replace('supervisor_restarter_', ''), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def grown(before: Samples, after: Samples) -> dict[tuple[str, ...], float]:
    """What the counters have become more by."""
    return {
        key: value - before.get(key, 0.0)
        for key, value in after.items()
        if key[0] == 'operations_total' and value != before.get(key, 0.0)
    }


def promtool(*arguments: str, text: str = '') -> str:
    """What promtool says of it; it has to find nothing wrong."""
    path = find('promtool')
    if not path:
        skip_aloud('what promtool says of the metrics, for it is not here (Debian: prometheus)')
    done = subprocess.run(
        [path, *arguments], input=text, capture_output=True, text=True, timeout=SECONDS
    )
    assert (done.returncode, done.stderr) == (0, ''), done.stderr
    return done.stdout


def test_processes_by_state_and_a_restart_while_it_goes_on_and_after(start):
    server = start(held('web', 2) + program('app', count=3) + program('idle', autostart='false'))
    server.wait_workers('web')
    server.wait_state('app')
    before = samples(server)
    assert before['supervisor_processes', 'app', 'RUNNING'] == 3
    assert before['supervisor_processes', 'idle', 'STOPPED'] == 1
    id = server.restarter.startRestart(['web', 'app'], {'max_unavailable': 1})
    server.wait_phase(id, 'stopping')
    during = samples(server)
    assert during['supervisor_processes', 'web', 'STOPPING'] == 1
    assert (during['running_operations', 'web'], during['running_operations', 'idle']) == (1, 0)
    assert grown(before, during) == {}
    server.let_stop()
    restart = server.wait_finished(id)
    after = samples(server)
    assert grown(before, after) == {
        ('operations_total', 'web', 'restart', 'succeeded'): 1,
        ('operations_total', 'app', 'restart', 'succeeded'): 1,
    }
    assert after['running_operations', 'web'] == 0
    for group, total in (('web', 2), ('app', 3)):
        assert after['last_lowest_ready_processes', group] == total - 1
        assert after['last_allowed_ready_processes', group] == total - 1
        own = [process for process in restart['processes'] if process['group'] == group]
        for name in ('down_seconds', 'ready_seconds'):
            assert after[f'{name}_count', group] == total
            measured = sum(process[name] for process in own)
            assert after[f'{name}_sum', group] == pytest.approx(measured, abs=0.001)


def test_results_of_restarts_and_applies(start):
    server = start(
        program() + program('bad', '/bin/false', autostart='false', startretries=0, startsecs=1)
    )
    server.wait_state()
    before = samples(server)
    server.wait_finished(server.restarter.startRestart('bad'))
    server.conf.write_text(server.conf.read_text().replace('sleep 1000', 'sleep 1001'))
    server.wait_finished(server.restarter.startApply('web'))
    assert grown(before, samples(server)) == {
        ('operations_total', 'bad', 'restart', 'failed'): 1,
        ('operations_total', 'web', 'apply', 'succeeded'): 1,
    }


def test_a_removed_group_is_gone_and_a_reload_begins_anew(start):
    server = start(program() + program('app'))
    server.wait_state('app')
    for group in ('web', 'app'):
        server.wait_finished(server.restarter.startRestart(group))
    server.ctl('stop', 'app')
    server.ctl('remove', 'app')
    found = samples(server)
    assert {
        key[1] for key in found if key[0] in ('supervisor_processes', 'running_operations')
    } == {'web'}
    assert found['operations_total', 'web', 'restart', 'succeeded'] == 1
    server.ctl('reload')
    server.wait(lambda: server.log_text().count('supervisord started') == 2, 'reload')
    server.wait_state('web')
    assert samples(server)['operations_total', 'web', 'restart', 'succeeded'] == 0


def test_it_wants_the_password(start):
    server = start(program())
    conf = server.conf.read_text()
    locked = 'username = monitor\npassword = secret\n'
    server.conf.write_text(conf.replace('[unix_http_server]\n', f'[unix_http_server]\n{locked}'))
    server.ctl('reload')
    server.wait(lambda: answer(server)[0] == 401, 'a password')
    password = base64.b64encode(b'monitor:secret').decode()
    assert answer(server, {'Authorization': f'Basic {password}'})[0] == 200


def test_promtool_finds_nothing_wrong_with_it(start):
    server = start(program())
    server.wait_state()
    server.wait_finished(server.restarter.startRestart('web'))
    status, text = answer(server)
    assert status == 200
    promtool('check', 'metrics', text=text)


def test_promtool_takes_the_expressions_of_the_dashboard_and_the_page(tmp_path):
    panels = [
        {'record': f'panel:{number}', 'expr': expression}
        for number, expression in enumerate(of_panels())
    ]
    rules = tmp_path / 'panels.yml'  # JSON is YAML, too
    rules.write_text(json.dumps({'groups': [{'name': 'panels', 'rules': panels}]}))
    said = promtool('check', 'rules', str(rules))
    assert f'SUCCESS: {len(panels)} rules found' in said
    [alerts, scrape] = [
        next(text for name, text in blocks('yaml') if name == 'docs/metrics.md' and words in text)
        for words in ('alert:', 'scrape_configs:')
    ]
    rules.write_text(alerts)
    assert f'SUCCESS: {len(of_alerts())} rules found' in promtool('check', 'rules', str(rules))
    rules.write_text(scrape)
    assert 'SUCCESS' in promtool('check', 'config', '--syntax-only', str(rules))


def test_nginx_lets_out_the_metrics_and_nothing_else(start, tmp_path):
    nginx = find('nginx')
    if not nginx:
        skip_aloud('metrics through nginx, which is not here (Debian: nginx)')
    server = start(program(stdout_logfile='NONE'))
    port = free_port()
    [example] = [text for name, text in blocks('nginx') if name == 'docs/metrics.md']
    moved = example.replace('listen 9102', f'listen 127.0.0.1:{port}')
    moved = moved.replace('/run/supervisor.sock', str(server.dir / 'sock'))
    assert moved.count(str(port)) == moved.count('/sock:') == 1
    # The workers of a root's nginx run as that user, and so does supervisord in this test.
    conf = tmp_path / 'nginx.conf'
    own = 'user root;' if os.geteuid() == 0 else ''
    places = ''.join(
        f'{name}_temp_path {tmp_path}/{name};\n'
        for name in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi')
    )
    conf.write_text(
        f'{own}\npid {tmp_path}/pid;\ndaemon off;\nevents {{}}\n'
        f'http {{\naccess_log off;\n{places}{moved}}}\n'
    )
    process = subprocess.Popen([nginx, '-e', str(tmp_path / 'errors'), '-c', str(conf)])
    try:

        def status(path: str) -> int:
            connection = http.client.HTTPConnection('127.0.0.1', port, timeout=SECONDS)
            connection.request('GET', path)
            response = connection.getresponse()
            response.read()
            return response.status

        server.wait(lambda: status('/metrics') == 200, 'the metrics')
        others = [
            '/',
            '/RPC2',
            '/restarter/',
            '/restarter/metrics',
            '/metrics/../RPC2',
            '/logtail/web',
        ]
        assert [status(path) for path in others] == [404] * len(others)
    finally:
        process.terminate()
        process.wait(SECONDS)
