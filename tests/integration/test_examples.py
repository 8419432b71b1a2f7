"""The examples of README and docs/ on real supervisords, run as they stand there; only paths, ports
and what the programs do are others. What can be read without one is in tests/unit/test_docs_examples.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.lab import script
from tests.integration.listening import Hand
from tests.integration.server import SECONDS, Server, free_port, program, shared, worker
from tests.pages import TEXTS, blocks, commands, page, table

GROWER = Path(__file__).with_name('grower.py')
# Stops at once, and lives on after SIGHUP.
SIMPLE = '/bin/sh -c \'trap "" HUP; exec sleep 1000\''


def block(name: str, kind: str, words: str) -> str:
    """The code block of that page and kind with these words in it."""
    (found,) = (text for page, text in blocks(kind) if page == name and words in text)
    return found


def examples(name: str) -> Iterator[tuple[str, int]]:
    """The commands of a page's console examples, and their exit statuses: 0 unless `echo $?` follows."""
    lines = [line for page, text in blocks('console') if page == name for line in text.splitlines()]
    for number, line in enumerate(lines):
        if line.startswith('$ ') and line != '$ echo $?':
            asked = lines[number + 1 : number + 2] == ['$ echo $?']
            yield line[2:], int(lines[number + 2]) if asked else 0


class Unaware(Server):
    """A supervisord without the plugin."""

    interface = False


class Site:
    """A supervisord into which the plugin comes as the README says, and a shell beside it."""

    def __init__(self, server: Server, port: int) -> None:
        self.server = server
        self.port = port
        (server.dir / 'supervisord.conf').symlink_to(server.conf)

    def run(self, line: str) -> tuple[int, str]:
        """The exit status and the output of a shell command."""
        path = f'{Path(script("supervisorctl")).parent}:{os.environ["PATH"]}'
        done = subprocess.run(
            ['sh', '-c', line],
            cwd=self.server.dir,
            env={**os.environ, 'PATH': path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        return done.returncode, done.stdout


@pytest.fixture(scope='module')
def site() -> Iterator[Any]:
    """See Site; the plugin is in."""
    port = free_port()
    sections = (
        block('docs/supervisorctl.md', 'ini', '[ctlplugin:restarter]')
        + f'[inet_http_server]\nport=127.0.0.1:{port}\n\n'
        + program(command=SIMPLE, count=4)
        + program('app', command=SIMPLE, count=12, environment='RESTARTER_SURGE="yes"')
        + program('broken', '/bin/false', autostart='false', startretries=0, startsecs=1)
    )
    pip, install, reload = commands('README.md')[1:4]
    assert pip == 'python3 -m pip install .'
    assert install.endswith(' >> supervisord.conf')  # it is run: not on a file of this machine
    with shared(sections, kind=Unaware) as server:
        made = Site(server, port)
        assert made.run(install) == (0, '')
        with server.conf.open('a') as conf:
            # The examples need not take 5 seconds each, and the first one is asked for at the end.
            conf.write('scout = 0\nhistory = 100\n')
        assert made.run(reload)[0] == 0
        server.wait(
            lambda: 'restarter.getRestart' in server.rpc().system.listMethods(), 'the plugin'
        )
        server.wait_state('web')
        server.wait_state('app')
        yield made


def test_commands_end_as_the_pages_say(site):
    lines = [('README.md', *example) for example in list(examples('README.md'))[4:]]
    lines += [
        (name, *one)
        for name in ('docs/command.md', 'docs/supervisorctl.md')
        for one in examples(name)
    ]
    assert len(lines) > 20
    for name, line, status in lines:
        quicker = line.replace('--min-ready 1', '--min-ready 0.1')
        got, said = site.run(quicker)
        assert got == status, (name, line, said)
        site.server.wait(
            lambda: all(one['finished_at'] for one in site.server.rpc().restarter.listRestarts()),
            'an end of what runs on by itself',
        )
    assert site.run('supervisorctl scale app 12')[0] == 0  # as the other tests know it


def test_the_python_examples(site, capsys):
    examples_of_page = [text for name, text in blocks('python') if name == 'docs/xmlrpc.md']
    of_a_restart, of_what_changes, of_a_plan, of_a_scale = examples_of_page
    names: dict[str, Any] = {}
    exec(of_a_restart.replace('localhost:9001', f'127.0.0.1:{site.port}'), names)
    assert (names['restart']['state'], names['restart']['done']) == ('succeeded', 6)
    said = capsys.readouterr().out
    assert said.endswith('succeeded 6 of 6\n') or not said  # where it was over at the first look
    restarter = names['restarter']
    names['id'] = restarter.startRestart(['web', 'app:1?'])
    exec(of_what_changes, names)
    assert names['restart'] == restarter.getRestart(names['id'])
    original = site.server.conf.read_text()
    site.server.conf.write_text(original.replace('[program:web]', '[program:web]\nstartretries=7'))
    exec(of_a_plan, names)
    site.server.conf.write_text(original)
    assert capsys.readouterr().out.startswith("web 0 live ['startretries']\n")
    exec(of_a_scale, names)
    site.server.wait(lambda: len(site.server.pids()) == 6, 'six processes')


def test_the_keys_of_a_restart_and_a_plan_are_in_the_page(site):
    restarter = site.server.rpc().restarter
    plan = restarter.planRestart('web:0')
    restart = restarter.getRestart(restarter.startRestart('web:0'))
    site.server.wait_finished(restart['id'])
    apply = restarter.getRestart(restarter.startApply('web'))
    options = set(apply['options']) - set(restart['options'])
    written = {key for row in table(page('xmlrpc'), 'key') for key in re.findall('`(.*?)`', row[0])}
    assert written == set(apply) | set(restart['processes'][0]) | set(plan) | options
    assert set(restart) < set(apply)
    [nested] = [row[1] for row in table(page('xmlrpc'), 'key') if row[0] == '`batches`']
    [batch] = plan['batches']
    assert {*batch, *batch['processes'][0]} <= set(re.findall('`(.*?)`', nested))


# -- events -----------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def listening(tmp_path_factory) -> Iterator[Any]:
    """A supervisord with both listeners of the pages; server.mail is where the one sends to."""
    here = tmp_path_factory.mktemp('examples')
    (here / 'sendmail').write_text(f'#!/bin/sh\necho spoken by sendmail\ncat >> {here}/mail\n')
    mailer = block('docs/events.md', 'sh', 'restart-mail').replace('/usr/sbin', str(here))
    (here / 'restart-mail').write_text(mailer)
    for file in here.iterdir():
        file.chmod(0o755)
    mail = block('docs/events.md', 'ini', 'restart-mail').replace('/usr/local/bin', str(here))
    section = block('docs/listener.md', 'ini', 'eventlistener').partition('[eventlistener')
    recycle = (
        ''.join(section[1:])
        .replace('supervisor_restart_listener', script('supervisor_restart_listener'))
        .replace('/var/log/supervisor', '%(here)s')
    )
    failing = program(
        'bad', worker('--unless', '%(here)s/good'), count=2, startretries=0, startsecs=1
    )
    growing = program(command=f'{sys.executable} {GROWER} %(here)s/size self', count=4)
    with shared(mail + recycle + failing + growing) as server:
        server.mail = here / 'mail'
        yield server


def test_mail_when_a_restart_fails(listening):
    listening.wait_state('bad', 'FATAL')
    for times in (1, 2):
        listening.wait_finished(listening.restarter.startRestart('bad'))
        listening.wait(
            lambda times=times: (
                listening.mail.exists() and listening.mail.read_text().count('To: ') == times
            ),
            'mail',
        )
    head, _, body = listening.mail.read_text().partition('\n\n')
    assert head == 'To: ops@example.org\nSubject: restart of bad failed'
    assert re.match(
        r'id:\d+ groupname:bad total:2 done:0 failed:2 .*\nbad:0 START_FAILED: exit status 3; .*\n'
        r'bad:1 START_FAILED: ',
        body,
    )
    words = re.findall(r'(\w+):', body.splitlines()[0])
    assert set(words) == {
        word for row in table(page('events'), 'word') for word in re.findall('`(.*?)`', row[0])
    }


def test_workers_recycled_without_downtime(listening):
    command = re.search('command = supervisor_restart_listener (.*)', TEXTS['docs/listener.md'])
    assert command is not None
    listening.wait_state()
    listening.wait_state('recycle')  # the section is accepted; its tick would come in a minute
    before = listening.pids()
    (listening.dir / 'size.1').write_text('600')
    with Hand(listening, *command[1].split()) as hand:
        line = hand.until('web:1 uses ')
        (listening.dir / 'size.1').unlink()
        found = re.fullmatch(
            r'web:1 uses [0-9.]+MB \(more than 512MB\): restart (\d+) of web:1', line
        )
        assert found is not None, line
        assert listening.wait_finished(found[1])['lowest_ready'] == 0  # of web:1
    assert {name for name in before if before[name] != listening.pids()[name]} == {'1'}
