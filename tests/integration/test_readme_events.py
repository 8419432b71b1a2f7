"""The README's examples of event listeners, run as they stand there; only paths and ports are
others.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bench.lab import script
from tests.integration.listening import Hand
from tests.integration.server import program, worker

README = (Path(__file__).parents[2] / 'README.md').read_text(encoding='utf-8')
GROWER = Path(__file__).with_name('grower.py')


def block(kind, words):
    """The code block of that kind with these words in it."""
    (found,) = (
        text for text in re.findall(f'```{kind}\n(.*?)```', README, re.DOTALL) if words in text
    )
    return found


def test_mail_when_a_restart_fails(start, tmp_path):
    (tmp_path / 'sendmail').write_text(
        f'#!/bin/sh\necho spoken by sendmail\ncat >> {tmp_path}/mail\n'
    )
    (tmp_path / 'restart-mail').write_text(
        block('sh', 'restart-mail').replace('/usr/sbin', str(tmp_path))
    )
    for file in tmp_path.iterdir():
        file.chmod(0o755)
    section = block('ini', '[eventlistener:restart-mail]').replace('/usr/local/bin', str(tmp_path))
    server = start(
        section
        + program(command=worker('--unless', '%(here)s/good'), count=2, startretries=0, startsecs=1)
    )
    server.wait_state('web', 'FATAL')
    for times in (1, 2):
        server.wait_finished(server.restarter.startRestart('web'))
        server.wait(
            lambda times=times: (
                (tmp_path / 'mail').exists()
                and (tmp_path / 'mail').read_text().count('To: ') == times
            ),
            'mail',
        )
    head, _, body = (tmp_path / 'mail').read_text().partition('\n\n')
    assert head == 'To: ops@example.org\nSubject: restart of web failed'
    assert re.match(
        r'id:\d+ groupname:web total:2 done:0 failed:2 .*\nweb:0 START_FAILED: exit status 3; .*\n'
        r'web:1 START_FAILED: ',
        body,
    )


def test_workers_recycled_without_downtime(start):
    text = block('ini', '[eventlistener:recycle]')
    listener = text[text.index('[eventlistener:recycle]') :]
    command = re.search('command = supervisor_restart_listener (.*)', listener)
    assert command is not None
    listener = listener.replace(
        'supervisor_restart_listener', script('supervisor_restart_listener')
    ).replace('/var/log/supervisor', '%(here)s')
    server = start(
        listener + program(command=f'{sys.executable} {GROWER} %(here)s/size self', count=4)
    )
    server.wait_state()
    server.wait_state('recycle')  # the section is accepted; its tick would come in a minute
    before = server.pids()
    (server.dir / 'size.1').write_text('600')
    with Hand(server, *command[1].split()) as hand:
        line = hand.until('web:1 uses ')
        (server.dir / 'size.1').unlink()
        assert re.fullmatch(r'web:1 uses [0-9.]+MB \(more than 512MB\): restart 1 of web:1', line)
        assert server.wait_finished('1')['lowest_ready'] == 0
    assert {name for name in before if before[name] != server.pids()[name]} == {'1'}


@pytest.mark.parametrize(
    'option', ['--memory', '--age', '--fatal', '--when', '--max-unavailable', '--dry-run']
)
def test_every_option_is_in_the_table(option):
    assert re.search(rf'^\| `{option}[ `]', README, re.MULTILINE)
