# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""A tiny XML-RPC server, a clock that tests advance, and structs as the plugin answers them."""

from __future__ import annotations

import http.server
import socketserver
import threading
import xmlrpc.client
from types import SimpleNamespace

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils.patience import Patience

HANG_UP = object()  # the server closes the connection without an answer


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers what `server.answer(method, arguments)` returns: a value, a Fault, a status with
    text, or HANG_UP.
    """

    protocol_version = 'HTTP/1.1'
    timeout = 30

    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        arguments, method = xmlrpc.client.loads(body)
        self.server.requests.append(
            SimpleNamespace(
                method=method, arguments=arguments, path=self.path, headers=dict(self.headers)
            )
        )
        answer = self.server.answer(method, arguments)
        self.close_connection = True
        if answer is HANG_UP:
            return
        status, text = 200, answer
        if isinstance(answer, tuple):
            status, text = answer
        elif isinstance(answer, xmlrpc.client.Fault):
            text = xmlrpc.client.dumps(answer, methodresponse=True)
        else:
            text = xmlrpc.client.dumps((answer,), methodresponse=True)
        try:
            self.send_response(status)
            self.send_header('Content-Length', str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())
        except ConnectionError:
            pass  # the client of a late answer has gone

    def log_message(self, *_arguments):
        pass


class Http(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


class Unix(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self):
        request, _address = super().get_request()
        return request, ('local', 0)


def served(server):
    server.requests = []
    server.answer = lambda method, arguments: True
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def http_server():
    server = Http(('127.0.0.1', 0), Handler)
    server.url = f'http://127.0.0.1:{server.server_address[1]}'
    yield from served(server)


@pytest.fixture
def unix_server(tmp_path):
    path = str(tmp_path / 'sock')
    server = Unix(path, Handler)
    server.url = f'unix://{path}'
    yield from served(server)


class Clock:
    """Monotonic seconds; sleeping is what makes them pass."""

    def __init__(self):
        self.now = 1000.0
        self.naps = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def patience(clock):
    return Patience(clock, clock.sleep)


class Scripted:
    """Stands for a Restarter: each call takes the next of its answers, and raises an exception.

    script: {method: answers}; the last one is kept for all later calls.
    """

    def __init__(self, **script):
        self._script = {method: list(answers) for method, answers in script.items()}
        self.calls = []

    def __getattr__(self, method):
        if method.startswith('_') or method not in self._script:
            raise AttributeError(f'{method} is not in the script')

        def call(*arguments):
            self.calls.append((method, *arguments))
            answers = self._script[method]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def count(self, method):
        return sum(call[0] == method for call in self.calls)


@pytest.fixture
def scripted():
    return Scripted


def process_of(name='0', group='web', **more):
    return {
        'group': group,
        'name': name,
        'phase': 'ready',
        'old_pid': 100,
        'new_pid': 200,
        'stop_seconds': 0.1,
        'down_seconds': 0.02,
        'ready_seconds': 1.5,
        'error': '',
        'killed': False,
        'note': '',
        **more,
    }


def restart_of(*processes, **more):
    method = more.pop('method', 'restart')
    return {
        'id': '7',
        'groups': ['web'],
        'state': 'succeeded',
        'version': 5,
        'requested_at': '2026-01-31T12:00:00.000Z',
        'finished_at': '2026-01-31T12:00:04.000Z',
        'duration': 4.0,
        'options': {'method': method, 'timeout': 0.5},
        'total': len(processes),
        'lowest_ready': 1,
        'warnings': [],
        'processes': list(processes),
        **more,
    }


def planned(name, action='restart', **more):
    row = {'group': 'web', 'name': name, 'state': 'RUNNING', 'pid': 100, **more}
    return {**row, 'action': action} if action else row


def plan_of(*batches, left=(), method='restart'):
    return {
        'groups': ['web'],
        'options': {'method': method},
        'total': sum(map(len, batches)),
        'batches': [
            {'number': number, 'processes': list(batch)} for number, batch in enumerate(batches, 1)
        ],
        'left': list(left),
        'warnings': [],
    }


def apply_of(*processes, **more):
    rows = [{'action': 'restart', **process} for process in processes]
    usual = {'kind': 'apply', 'why': '', 'at_once': []}
    return {**restart_of(*rows), 'options': {'timeout': 0.5}, **usual, **more}


def change_of(key='command', what='changed', old='/srv/web 1', new='/srv/web 2', effect='restart'):
    return {'key': key, 'what': what, 'old': old, 'new': new, 'effect': effect}


def changing(name='0', *changes, **more):
    """A process in a plan of the configuration."""
    usual = {'action': 'restart', 'state': 'RUNNING', 'pid': 100, 'follows': ''}
    return {'name': name, **usual, 'changes': list(changes), **more}


def group_of(*processes, group='web', **more):
    """A group in a plan of the configuration."""
    usual = {'action': 'change', 'changes': [], 'unchanged': 0}
    return {'group': group, **usual, 'processes': list(processes), **more}


def config_of(*groups, **more):
    total = sum(len(group['processes']) for group in groups)
    usual = {'total': total, 'unchanged': 0, 'reload': [], 'warnings': []}
    return {'groups': list(groups), **usual, **more}


@pytest.fixture
def make():
    """Builders of what the plugin answers."""
    return SimpleNamespace(
        process=process_of,
        restart=restart_of,
        planned=planned,
        plan=plan_of,
        apply=apply_of,
        change=change_of,
        changing=changing,
        group=group_of,
        config=config_of,
        HANG_UP=HANG_UP,
    )
