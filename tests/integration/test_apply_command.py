"""--apply, and supervisorctl's apply and scale, on a real supervisord: what they show, what they leave
behind, and what their exit statuses say.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from bench.lab import script
from tests.integration.ctl import Ours, Session
from tests.integration.server import ROOT, SECONDS, Server, held, program
from tests.pages import blocks

COMMAND = 'supervisorctl_restart_group'
NOTHING = 'nothing to apply: what runs is what the files say'
# Dies soon after its start, with a word on stderr.
BROKEN = "/bin/sh -c 'echo no such option >&2; exit 3'"
NEW = program('new')
STILL = 'and the files still hold the new one'


def run(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [script(COMMAND), '-c', str(server.conf), *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def apply(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(server, '--apply', *arguments)


def begin(server: Server, *arguments: str) -> subprocess.Popen[str]:
    """An apply in the background, which Ctrl-C reaches."""
    return subprocess.Popen(
        [script(COMMAND), '-c', str(server.conf), '--apply', *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def write(server: Server, *changes: tuple[str, str]) -> None:
    """Change texts of the configuration file."""
    text = server.conf.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    server.conf.write_text(text)


def timeless(text: str) -> list[str]:
    """The lines without figures of time."""
    return re.sub(r'\d+\.\d+s', 'Ts', text).splitlines()


def errors(text: str) -> list[str]:
    """The lines without the warnings of startsecs = 0, which spares these tests some seconds."""
    return [line for line in text.splitlines() if not line.startswith('warning: ')]


def last(text: str) -> str:
    return text.splitlines()[-1]


@pytest.fixture
def web(start):
    """Four processes, and one that was stopped on purpose."""
    server = start(program(count=4) + program('off'), kind=Ours)
    server.wait_state()
    server.wait_state('off')
    server.rpc().supervisor.stopProcess('off')
    return server


@pytest.fixture
def holding(start):
    """Two workers that stop when the test lets them."""
    server = start(held(count=2), kind=Ours)
    server.wait_workers()
    return server


# -- plan, apply, nothing to do --------------------------------------------------------------------


def test_plan_then_apply_then_nothing_to_do(web):
    before = web.pids()
    write(
        web,
        ('[program:web]\ncommand=/bin/sleep 1000', '[program:web]\ncommand=/bin/sleep 2000'),
        ('numprocs=4', 'numprocs=5'),
        ('[program:off]', NEW + '[program:off]\numask=077'),
    )
    planned = apply(web, '--plan')
    assert planned.stdout.splitlines() == [
        'would change 7 processes: restart 4, start 2, change 1 for the next start',
        'new is new:',
        '  new: start',
        'off:',
        '  off: change for the next start (STOPPED)',
        '    ~ umask: (not set) -> 077 (restart)',
        'web:',
        '  web:0 to web:3 (4): restart',
        '    ~ command: /bin/sleep 1000 -> /bin/sleep 2000 (restart)',
        '  web:4: start',
    ]
    assert web.ctl('apply', '--plan').stdout == planned.stdout
    assert json.loads(apply(web, '--plan', '--json').stdout)['total'] == 7
    assert web.pids() == before

    done = apply(web)
    lines = timeless(done.stdout)
    assert lines[0] == 'off: changed, holds from its next start'
    assert sorted(lines[1:-1]) == [
        'new: started (ready after Ts)',
        *(f'web:{number}: restarted (down Ts, ready after Ts)' for number in range(4)),
        'web:4: started (ready after Ts)',
    ]
    assert re.fullmatch(
        r'new, off, web: applied in Ts: 4 restarted, 2 started, 1 changed for the next start; '
        r'at least [3-4] of 4 ready throughout',
        lines[-1],
    )
    assert (done.returncode, errors(done.stderr)) == (0, [])
    now = web.pids()
    assert {now[name] == pid for name, pid in before.items()} == {False}
    assert web.state('off') == 'STOPPED'
    assert web.ctl('reread').stdout == 'No config updates to processes\n'
    again = apply(web)
    assert (again.returncode, again.stdout, again.stderr) == (0, f'{NOTHING}\n', '')
    assert web.ctl('apply').stdout == f'{NOTHING}\n'
    assert web.pids() == now


def test_what_needs_no_restart_and_what_is_removed(web):
    before = web.pids()
    write(web, ('stopwaitsecs=10', 'stopwaitsecs=20'), ('numprocs=4', 'numprocs=3'))
    left = apply(web, '--plan', '--no-prune')
    assert '  web:3: remove' in left.stdout.splitlines()
    text = web.conf.read_text()
    web.conf.write_text(text[: text.index('[program:off]')])
    assert 'off is no longer' in apply(web, '--plan').stdout
    assert 'off' not in apply(web, '--plan', '--no-prune').stdout
    assert apply(web, '--no-prune').returncode == 0
    assert web.state('off') == 'STOPPED'
    assert web.pids() == {name: before[name] for name in '012'}
    done = apply(web)
    assert timeless(done.stdout)[-1] == 'off: applied in Ts: 1 removed'
    assert NOTHING in apply(web).stdout


def test_values_of_secrets_are_shown_if_asked_for(web):
    write(web, ('[program:web]', '[program:web]\nenvironment=API_TOKEN="wxyz"'))
    assert '    + environment.API_TOKEN: (hidden) (restart)' in apply(web, '--plan').stdout
    assert 'wxyz' in apply(web, '--plan', '--secrets').stdout


def test_only_the_groups_that_are_named(web):
    write(web, ('[program:off]', NEW + '[program:off]\numask=077'))
    assert apply(web, 'new').returncode == 0
    assert web.state('new') == 'RUNNING'
    assert last(apply(web, '--plan', 'new', 'web').stdout) == NOTHING
    assert 'umask' in apply(web, '--plan').stdout
    wrong = apply(web, 'wep')
    assert (wrong.returncode, wrong.stdout) == (2, '')
    assert "did you mean 'web'?" in wrong.stderr


# -- what fails ------------------------------------------------------------------------------------


def test_rolled_back(start):
    web = start(program(count=4, startsecs=1), kind=Ours)
    web.wait_state()
    before = web.pids()
    write(web, ('/bin/sleep 1000', BROKEN))
    why = 'web:0: exit status 3; Exited too quickly (process log may have details); state BACKOFF'
    done = apply(web, 'web')
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith('web:0: ')] == [
        f'web:0: ERROR ({why[7:]}; rolled back)'
    ]
    assert '  | no such option' in lines
    assert timeless(done.stderr) == [
        f'web: rolled back after Ts: {why}; the old configuration runs again, {STILL}'
    ]
    assert done.returncode == 1
    now = web.pids()
    assert [name for name in before if now[name] != before[name]] == ['0']
    assert 'would change' in apply(web, '--plan').stdout
    answer = json.loads(apply(web, '--json', 'web').stdout)
    assert (answer['state'], answer['exit_status'], answer['kind']) == ('rolled_back', 1, 'apply')
    assert answer['error'].startswith('web: rolled back after ')
    in_ctl = web.ctl('apply', 'web')
    assert last(in_ctl.stdout).startswith('web: rolled back after ')
    assert in_ctl.returncode == 1
    state = next(row for row in run(web, '--status').stdout.splitlines()[1:])
    assert state.split()[1] == 'rolled_back'
    assert ' apply ' in state


def test_a_command_that_does_not_exist_stops_nothing(web):
    before = web.pids()
    write(web, ('command=/bin/sleep 1000\nnumprocs=4', 'command=/nonexistent\nnumprocs=4'))
    done = apply(web, 'web')
    assert done.returncode == 1
    assert "can't find command '/nonexistent'" in done.stdout
    [error] = errors(done.stderr)
    assert error.endswith(f'; nothing was restarted, {STILL}')
    assert web.pids() == before


@pytest.mark.parametrize('words', [[], ['--plan'], ['--json']])
def test_files_that_make_no_sense(web, words):
    before = web.pids()
    with web.conf.open('a') as conf:
        conf.write('[program:bad]\ncommand=x\nnumprocs=four\n')
    done = apply(web, *words)
    assert done.returncode == 2
    assert re.fullmatch(
        r"Error: CANT_REREAD: .*'four' in section 'program:bad' \(file: '.*'\)\n", done.stderr
    )
    assert web.pids() == before
    in_ctl = web.ctl('apply', *(word for word in words if word == '--plan'))
    assert in_ctl.stdout == done.stderr
    assert in_ctl.returncode == 1  # as that of reread


# -- in the middle ---------------------------------------------------------------------------------


def changed(server: Server) -> None:
    """Have the workers' configuration ask for a restart."""
    write(server, ('stopwaitsecs=600', 'stopwaitsecs=600\numask=077'))


def test_cancelled(holding):
    changed(holding)
    before = holding.pids()
    running = begin(holding)
    id = holding.only_restart()
    holding.wait_phase(id, 'stopping')
    assert run(holding, '--cancel', id).stdout == f'{id}: cancelled\n'
    assert running.stdout is not None
    assert running.stdout.readline() == 'web: rolling back: the apply was cancelled\n'
    holding.let_stop()
    out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 1
    assert 'web:0: restarted (rolled back, down Ts, ready after Ts)' in timeless(out)
    assert timeless('\n'.join(errors(err))) == [
        f'web: rolled back after Ts: the apply was cancelled; the old configuration runs again, {STILL}'
    ]
    assert len(set(holding.pids().values()) - set(before.values())) == 1


def test_detached_and_waited_for(holding):
    changed(holding)
    id = apply(holding, '--detach').stdout.strip()
    holding.wait_phase(id, 'stopping')
    busy = apply(holding)
    assert (busy.returncode, len(busy.stderr.splitlines())) == (5, 1)
    assert busy.stderr.startswith('Error: BUSY: ')
    assert holding.ctl('apply').returncode == 1
    waiting = subprocess.Popen(
        [script(COMMAND), '-c', str(holding.conf), '--wait', id], stdout=subprocess.PIPE, text=True
    )
    holding.let_stop()
    out, _ = waiting.communicate(timeout=SECONDS)
    assert waiting.returncode == 0
    assert re.fullmatch(
        'web: applied in Ts: 2 restarted; at least [01] of 2 ready throughout', timeless(out)[-1]
    )
    assert run(holding, '--status', id).returncode == 0
    assert ' apply ' in holding.ctl('restarts').stdout


def test_queued_behind_another_one(holding):
    changed(holding)
    id = apply(holding, '--detach').stdout.strip()
    holding.wait_phase(id, 'stopping')
    running = begin(holding, '--queue')
    assert running.stdout is not None
    assert running.stdout.readline() == 'web: queued behind another restart\n'
    holding.let_stop()
    out, err = running.communicate(timeout=SECONDS)
    assert (running.returncode, errors(err)) == (0, [])
    assert last(out) == NOTHING  # it is planned anew


def test_ctrl_c_ends_the_watching_only(holding):
    changed(holding)
    running = begin(holding)
    id = holding.only_restart()
    holding.wait_phase(id, 'stopping')
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert err.startswith(f'detached: apply {id} goes on; to wait for it: ')
    holding.let_stop()
    assert holding.wait_finished(id)['state'] == 'succeeded'


def test_a_bar_on_a_terminal(holding):
    changed(holding)
    with Session(holding.conf, '--apply', program=COMMAND, columns=200) as session:
        session.expect(r'web: web:\d stopping for \d+ s of 600 ')
        holding.let_stop()
        assert session.end() == 0
        assert 'web: applied in ' in session.shown()


# -- scale -----------------------------------------------------------------------------------------


def test_scale(web):
    before = web.pids()
    up = web.ctl('scale', 'web', '6')
    assert timeless('\n'.join(errors(up.stdout))) == [
        'web:4: started (ready after Ts)',
        'web:5: started (ready after Ts)',
        'web: applied in Ts: 2 started',
    ]
    assert up.returncode == 0
    assert {name: web.pids()[name] for name in before} == before
    assert web.ctl('scale', 'web', '6').stdout == (
        'web: nothing to do: its number of processes is 6\n'
    )
    kept = apply(web)
    assert NOTHING in kept.stdout
    down = web.ctl('scale', 'web', '3')
    assert sorted(timeless(down.stdout)[:-1]) == [f'web:{number}: removed' for number in (3, 4, 5)]
    assert web.pids() == {name: before[name] for name in '012'}
    for words, status in ((['nosuch', '2'], 2), (['off', '2'], 2), (['web', '0'], 2)):
        wrong = web.ctl('scale', *words)
        assert (wrong.returncode, len(wrong.stdout.splitlines())) == (status, 1)
        assert wrong.stdout.startswith('Error: ')


# -- an older server -------------------------------------------------------------------------------


class Older(Ours):
    """A server that knows restarts alone."""

    def __init__(self, programs: str, restarter: str = '', extra: str = '') -> None:
        super().__init__(programs, restarter, extra)
        factory = 'supervisor_restarter:make_rpcinterface'
        assert factory in self._text
        self._text = self._text.replace(factory, 'tests.integration.older:make_older')


def test_an_older_server(start, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    server = start(program(), kind=Older)
    server.wait_state()
    for words, method in ([], 'startApply'), (['--plan'], 'planConfig'):
        done = apply(server, *words)
        assert (done.returncode, done.stdout) == (3, '')
        assert re.fullmatch(
            rf'Error: the restarter there \(.*\) knows no {method}: it is older than this '
            r'command; upgrade it, and restart supervisord\n',
            done.stderr,
        )
        assert server.ctl('apply', *words).stdout == done.stderr
    assert 'knows no setNumprocs' in server.ctl('scale', 'web', '2').stdout


# -- the page --------------------------------------------------------------------------------------


SERVE = """\
#!/bin/sh
case "$*" in *--prot*) echo "no such option: --prot" >&2; exit 1;; esac
exec sleep 1000
"""
COMMANDLINE = '%(here)s/41/serve --port 80%(process_num)02d'


def examples() -> list[tuple[str, list[str]]]:
    """The commands of docs/apply.md, each with what it prints."""
    found: list[tuple[str, list[str]]] = []
    for name, text in blocks('console'):
        for line in text.splitlines() if name == 'docs/apply.md' else []:
            if line.startswith('$ '):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


@pytest.fixture
def site(start):
    """Where the page's files are. site.shell() runs a line there, and gives what it prints as it
    would look on the page.
    """
    server = start(
        program(command=COMMANDLINE, count=4, startsecs=1, startretries=100)
        + program('api', count=3),
        extra='[include]\nfiles=conf.d/*.conf\n\n',
        kind=Ours,
    )
    (server.dir / 'supervisord.conf').symlink_to(server.conf)
    (server.dir / 'conf.d').mkdir()
    (server.dir / 'conf.d' / 'empty.conf').touch()  # Supervisor warns of includes without files
    for release in ('41', '42'):
        (server.dir / release).mkdir()
        serve = server.dir / release / 'serve'
        serve.write_text(SERVE)
        serve.chmod(0o755)
    server.wait_state()  # Supervisor tries again until it is there
    server.wait_state('api')

    def shell(line: str) -> list[str]:
        path = f'{Path(script(COMMAND)).parent}:{os.environ["PATH"]}'
        done = subprocess.run(
            ['sh', '-c', line],
            cwd=server.dir,
            env={**os.environ, 'PATH': path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        text = done.stdout.replace(f'{server.dir}/conf.d', '/etc/supervisor/conf.d')
        return timeless(text.replace(str(server.dir), '/srv/web'))

    server.shell = shell
    return server


def settled_lines(lines: list[str]) -> list[str]:
    """The lines in an order of their own, without the one that a look in between has to catch."""
    return sorted(line for line in lines if ': rolling back: ' not in line)


def test_the_examples_of_the_page(site):
    plan, apply_it, nothing, bad, broken, scale = examples()

    def expect(example: tuple[str, list[str]]) -> None:
        line, said = example
        assert settled_lines(site.shell(line)) == settled_lines(timeless('\n'.join(said)))

    write(site, ('/41/', '/42/'), ('numprocs=4', 'numprocs=6'))
    head, web, rest = site.conf.read_text().partition('[program:web]')
    site.conf.write_text(head + web + rest.replace('stopwaitsecs=10', 'stopwaitsecs=30', 1))
    for example in (plan, apply_it, nothing):
        expect(example)
    mail = site.dir / 'conf.d' / 'mail.conf'
    mail.write_text('[program:mail]\ncommand=x\nnumprocs=four\n')
    expect(bad)
    mail.unlink()
    write(site, ('--port', '--prot'))
    expect(broken)
    write(site, ('--prot', '--port'))
    expect(scale)
