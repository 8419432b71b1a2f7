"""supervisorctl's own commands and the web page look as with a supervisord without the plugin:
during and after a restart. `fg`, which never ends, is left out.
"""

from __future__ import annotations

import re
import subprocess
import time

import pytest

from bench.lab import script
from tests.integration.pair import ADDED, STAGES, pair, stage
from tests.integration.server import SECONDS

PROMPT = 'supervisor> '


def commands(text):
    """The commands of a text, between bars and line ends."""
    return [command.strip() for command in text.strip().replace('\n', '|').split('|')]


# `stop` and `start` of single processes, and of few of them: each takes Supervisor up to a second.
COMMANDS = commands("""
    status | status web:* | status lone nope | status nope:* | pid | pid all | pid web:0
    pid nope | version | avail | start web:0 | start missing | start false | start nope nope:*
    start | stop web:0 | stop web:0 | status web:0 | start web:0 | stop
    stop missing nope nope:* | restart lone | restart nope | restart | signal CONT web:0
    signal CONT web:* site:* | signal NONE web:0 | signal CONT missing nope | signal
    clear echo | clear nope | clear | tail echo | tail -3 echo | tail -3 echo stderr | tail nope
    tail missing | tail | tail -x echo | maintail x y | reread | update | add web | add nope
    remove web | remove nope | stop site:* | start site:* | open | open nonsense | nonsense
    help status | help update | help nonsense
""")
WITH_ANOTHER_PROGRAM = commands("""
    reread | avail | update | status | reread | remove added | stop added | remove added
    add added | status added | update nope | stop added
""")
STATUSES = commands("""
    status | status web:0 | status nope | status missing | pid nope | start nope | stop missing
    signal NONE web:0 | tail nope | clear nope | add nope | avail | nonsense | restart nope
""")


@pytest.fixture(scope='module')
def both():
    with pair() as running:
        running.both(lambda half: half.call('supervisor.sendProcessStdin', 'echo', 'hello\n'))
        yield running


def session(half, typed):
    """What each command prints in one session, by the command."""
    shown = subprocess.run(
        [script('supervisorctl'), '-c', str(half.conf), '-i'],
        input=''.join(f'{command}\n' for command in typed),
        capture_output=True,
        text=True,
        timeout=3 * SECONDS,
        check=True,
    )
    assert shown.stderr == ''
    parts = shown.stdout.split(PROMPT)
    assert len(parts) == len(typed) + 2  # the status at first, and the end
    parts = [re.sub(r'(?m)^\d+$', 'N', part) for part in parts]
    return [
        ('at first', parts[0]),
        *((command, lines(part)) for command, part in zip(typed, parts[1:])),
    ]


def lines(shown):
    """Lines about single processes come in the order in which they were done."""
    return (
        sorted(shown.splitlines())
        if re.search(r'(?m)^\S+: (stopped|started|signalled|cleared)', shown)
        else shown
    )


def assert_same_session(both, typed):
    ours, stock = both.both(lambda half: session(half, typed))
    for mine, other in zip(ours, stock):
        assert mine == other
    return dict(ours)


@pytest.mark.parametrize('when', STAGES)
def test_commands(both, when):
    with stage(both, when):
        both.both(lambda half: half.call('supervisor.sendProcessStdin', 'echo', 'hello\n'))
        shown = assert_same_session(both, COMMANDS)
    assert 'RUNNING   pid N, uptime T' in shown['status web:*']
    assert shown['stop site:*'] == ['site:back: stopped', 'site:front: stopped']
    assert shown['restart lone'] == ['lone: started', 'lone: stopped']


@pytest.mark.parametrize('when', STAGES)
def test_commands_for_a_changed_configuration(both, when):
    with stage(both, when):
        try:
            for half in (both.ours, both.stock):
                half.conf.write_text(half.conf.read_text() + ADDED)
            shown = assert_same_session(both, WITH_ANOTHER_PROGRAM)
        finally:
            for half in (both.ours, both.stock):
                half.conf.write_text(half.conf.read_text().replace(ADDED, ''))
        assert shown['update'] == 'added: added process group\n'
        shown = assert_same_session(both, ['reread', 'update', 'reread', 'status'])
        assert 'removed process group' in str(shown['update'])


def test_exit_statuses(both):
    for command in STATUSES:

        def ask(half, command=command):
            done = half.ctl(*command.split())
            return command, done.returncode, re.sub(r'(?m)^\d+$', 'N', done.stdout), done.stderr

        both.assert_same(ask)


# -- the web page ----------------------------------------------------------------------------

PAGES = [
    '/',
    '/index.html',
    '/index.html?message=hello',
    '/tail.html',
    '/tail.html?processname=echo',
    '/tail.html?processname=echo&limit=2',
    '/tail.html?processname=nope',
    '/ok.html',
    '/stylesheets/supervisor.css',
    '/nope.html',
    '/logtail/nope',
    '/RPC2',
    '/../supervisord.conf',
    '/%2e%2e/',
    '/index.html?processname=nope&action=stop',
    '/index.html?processname=missing&action=start',
    '/index.html?processname=web:0&action=start',
    '/index.html?action=refresh',
    '/index.html?action=nonsense',
    '/index.html?processname=lone&action=clearlog',
    '/index.html?processname=missing&action=stop',
]
ACTIONS = [
    '/index.html?processname=web:0&action=stop',
    '/index.html',
    '/index.html?processname=web:0&action=stop',
    '/index.html?processname=web:0&action=start',
    '/index.html?processname=lone&action=restart',
]


def page(half, path, method='GET'):
    status, headers, body = half.get(path, method)
    headers.pop('Content-Length', None)  # of a page with times in it
    return path, status, headers, body


@pytest.mark.parametrize('when', STAGES)
def test_pages(both, when):
    with stage(both, when):
        for path in [*PAGES, *ACTIONS]:
            both.assert_same(lambda half, path=path: page(half, path))
        for method in ('HEAD', 'NONSENSE'):  # POST of nothing is waited for without end
            both.assert_same(lambda half, method=method: page(half, '/RPC2', method)[:2])


def test_stop_and_restart_of_everything(both):
    for when in STAGES:
        with stage(both, when):
            for path in (
                '/index.html?action=stopall',
                '/index.html',
                '/index.html?action=restartall',
                '/index.html',
            ):
                both.assert_same(lambda half, path=path: page(half, path))
                both.both(lambda half: half.wait_calm())


@pytest.mark.parametrize('when', STAGES)
def test_the_following_of_a_log(both, when):
    with stage(both, when):

        def follow(half):
            with subprocess.Popen(
                [script('supervisorctl'), '-c', str(half.conf), 'tail', '-f', 'echo'],
                stdout=subprocess.PIPE,
                text=True,
            ) as tail:
                assert tail.stdout is not None
                try:
                    deadline, seen = time.monotonic() + SECONDS, []
                    half.call('supervisor.sendProcessStdin', 'echo', 'first\nlast\n')
                    while 'last\n' not in seen and time.monotonic() < deadline:
                        seen.append(tail.stdout.readline())
                    return seen
                finally:
                    tail.kill()

        seen = both.assert_same(follow)
        assert seen[-2:] == ['first\n', 'last\n']
