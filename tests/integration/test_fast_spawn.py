"""Processes that a restart starts cannot tell that Supervisor's own fork did not start them.

In these tests supervisord itself starts the programs first, with its own fork; then they are
restarted.
"""

from __future__ import annotations

import json
import os
import resource
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from supervisor_restarter.programs.nursery import known_kernel
from tests.integration import witness
from tests.integration.server import ROOT, Server, free_port, lines_of, program

WITNESS = f'{sys.executable} -S -E {witness.__file__}'
FAST = sys.version_info >= (3, 11)
FORK, IN_C = 'os.fork', 'subprocess.Popen'  # what Python says when it starts a child
NURSED = known_kernel() is not None
needs_fast = pytest.mark.skipif(not FAST, reason='there is no fast way before Python 3.11')
needs_thread = pytest.mark.skipif(
    not NURSED, reason='its system calls are not known here, or filtered'
)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason='only root can become another user')

# fmt: off
KINDS: dict[str, dict[str, Any]] = {
    'plain': {},
    'by_path': {'command': 'sleep 1000'},
    'umask': {'umask': '027'},
    'directory': {'directory': '%(here)s'},
    'relative': {'directory': 'tests/../tests', 'command': '../bin/sleep 1000'},
    'environment': {
        'environment': 'ONE="1",PATH="/bin:/x",EMPTY="",UML="\u00e4\u4e2d",SUPERVISOR_ENABLED="x",C="a=b"',
    },
    'redirect_stderr': {'redirect_stderr': 'true'},
    'stdout_syslog': {'stdout_syslog': 'true', 'stderr_syslog': 'true', 'stdout_logfile': 'NONE'},
    'no_logs': {'stdout_logfile': 'NONE', 'stderr_logfile': 'NONE'},
    'numprocs': {'count': 3},
    'serverurl': {'serverurl': 'http://elsewhere:9001'},
    'all_of_it': {
        'directory': '%(here)s', 'umask': '077', 'environment': 'A="b"', 'redirect_stderr': 'true',
    },
    'tcp': {'kind': 'fcgi-program', 'socket': 'tcp://127.0.0.1:{port}'},
    'unix': {
        'kind': 'fcgi-program', 'socket': 'unix://%(here)s/fcgi', 'count': 2, 'redirect_stderr': 'true',
    },
    'listener': {'kind': 'eventlistener', 'events': 'TICK_3600'},
}
AS_USER = {
    'root': {'user': 'root', 'directory': '/'},
    'user': {'user': 'nobody'},
    'user_directory': {
        'user': 'nobody', 'directory': '/usr/lib', 'umask': '007', 'environment': 'HOME="/x"',
    },
    'user_fcgi': {
        'user': 'nobody', 'kind': 'fcgi-program', 'socket': 'unix://%(here)s/as_user', 'count': 2,
    },
}
# fmt: on


class Normal(Server):
    """A supervisord that tells how it starts each child."""

    strange = 'false'
    crowded = 'false'

    def __init__(self, programs, restarter='', extra=''):
        interface = (
            '[rpcinterface:strange]\nsupervisor.rpcinterface_factory=tests.integration.witness:'
            f'make_surroundings\nstrange={self.strange}\ncrowded={self.crowded}\n\n'
        )
        super().__init__(programs, restarter, interface + extra)
        self._text = self._text.replace('nodaemon=true', 'nodaemon=true\nloglevel=debug')

    def begun(self):
        """How the children began since this was asked last."""
        words = (self.dir / 'audit').read_text().split()
        os.truncate(self.dir / 'audit', 0)
        return words

    def portraits(self, group):
        """Each process of the group once it has become /bin/sleep, seen from outside."""
        self.wait_state(group)
        pids = self.pids(group)
        seen: dict[str, dict[str, Any]] = {}

        def settled():
            # First: it may become /bin/sleep in the middle of its portrait.
            if any(witness.text(Path(f'/proc/{pid}/comm')) != 'sleep\n' for pid in pids.values()):
                return False
            seen.update({name: witness.portrait(pid) for name, pid in pids.items()})
            # at its start it reads libraries and locales
            return not any(
                what.startswith(('/usr', '/lib', '/etc'))
                for one in seen.values()
                for what in one['descriptors'].values()
            )

        self.wait(settled, 'sleepers')
        return seen

    def restart(self, names='all'):
        """Restart them and wait until all are RUNNING again."""
        results = self.restarter.quickRestart(names, True)
        assert {result['description'] for result in results} == {'OK'}, results

    def busy(self, seconds):
        """The part of so many seconds in which supervisord uses a processor."""

        def used():
            fields = (
                witness.text(Path(f'/proc/{self.process.pid}/stat')).rpartition(') ')[2].split()
            )
            return int(fields[11]) + int(fields[12])

        before, began = used(), time.monotonic()
        time.sleep(seconds)
        return (used() - before) / os.sysconf('SC_CLK_TCK') / (time.monotonic() - began)

    def inherits(self, number):
        """Whether a child of supervisord is to inherit this descriptor if nothing closes it."""
        lines = witness.text(Path(f'/proc/{self.pid}/fdinfo/{number}')).splitlines()
        (flags,) = (line.split()[1] for line in lines if line.startswith('flags'))
        return not int(flags, 8) & os.O_CLOEXEC

    def children_by_thread(self):
        """The pids of its children by the thread that has started them."""
        threads = Path(f'/proc/{self.process.pid}/task').iterdir()
        return {
            int(thread.name): {*map(int, (thread / 'children').read_text().split())}
            for thread in threads
        }

    def nursed(self):
        """The children of another thread than the main one."""
        threads = self.children_by_thread()
        del threads[self.process.pid]
        return set().union(*threads.values())

    def children(self):
        """The pid and the state (Z is a zombie) of each child."""
        pids = set().union(*self.children_by_thread().values())
        return {
            pid: witness.text(Path(f'/proc/{pid}/stat')).rpartition(') ')[2][:1] for pid in pids
        }


class Strange(Normal):
    """The same, but there is much that a child can inherit."""

    strange = 'true'


class Crowded(Strange):
    """... which starts programs as if many descriptors were open."""

    crowded = 'true'


class CrowdedNormal(Normal):
    """The same, and nothing is strange. What is strange is stranger after each reload: nicer."""

    crowded = 'true'


@pytest.fixture(autouse=True)
def _around_supervisord(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv('PYTHONPATH', str(ROOT))  # for the witness
    monkeypatch.setenv('UML\u00c4UT', '\u00e4')


def sections(kinds):
    port = free_port()
    text = '\n'.join(
        program(name, **{'command': '/bin/sleep 1000', **settings})
        for name, settings in kinds.items()
    )
    return text.replace('{port}', str(port)).replace(
        '../bin/sleep', os.path.relpath('/bin/sleep', ROOT / 'tests')
    )


def differences(before, after, where=''):
    """In which places two portraits differ, and how."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for key in before | after
            for found in differences(before.get(key), after.get(key), f'{where}/{key}')
        ]
    return [] if before == after else [f'{where}: {before!r} is now {after!r}']


def compare(server, groups, how):
    """Restart everything; `how` each child begins, it sees the same as before."""
    before = {group: server.portraits(group) for group in groups}
    pids = {group: server.pids(group) for group in groups}
    assert set(server.begun()) == {FORK}
    server.restart()
    for group in groups:
        assert differences(before[group], server.portraits(group)) == []
        assert not set(server.pids(group).values()) & set(pids[group].values())
    assert server.begun() == [how] * sum(map(len, before.values()))
    return before


@needs_fast
@pytest.mark.parametrize('kind', [Normal, Strange, Crowded])
def test_a_child_cannot_tell_the_difference(start, kind):
    server = start(sections(KINDS), kind=kind)
    seen = compare(server, KINDS, IN_C)
    assert bool(server.nursed()) == (kind is Crowded and NURSED)
    assert 'own fork' not in server.log_text()
    assert seen['relative']['relative']['cwd'] == str(ROOT / 'tests')
    assert seen['umask']['umask']['status']['Umask'].strip() == '0027'
    assert 'UML=\u00e4\u4e2d' in seen['environment']['environment']['environment']
    ours = seen['redirect_stderr']['redirect_stderr']['descriptors']
    assert [ours[number].split(' [')[0] for number in '012'] == ['pipe 0', 'pipe 1', 'pipe 1']
    assert seen['unix']['0']['descriptors']['0'].startswith('socket 0')
    if kind is not Normal:
        assert server.inherits(witness.LOW)
        assert set(ours) == {'0', '1', '2'}
        assert seen['plain']['plain']['stat']['tty'] != '0'
        ours = os.getpriority(os.PRIO_PROCESS, 0)
        assert seen['plain']['plain']['stat']['niceness'] == str(min(ours + 3, 19))


@needs_fast
@needs_thread
def test_one_thread_starts_them_all_also_after_a_reload(start):
    server = start(program(count=3), kind=CrowdedNormal)
    for beginning in (1, 2):
        server.wait_state()
        assert not server.nursed()
        server.restart()
        assert server.nursed() == {*server.pids().values()}
        assert len(server.children_by_thread()) == 2
        if beginning == 1:
            server.rpc().supervisor.restart()
            server.wait(lambda: server.log_text().count('supervisord started') == 2, 'reload')


@needs_fast
@needs_thread
def test_what_others_fork_beside_the_thread_runs_as_before(start):
    server = start(program(count=3) + program('other', count=3), kind=Crowded)
    server.wait_state()
    server.restart('web')
    server.rpc().supervisor.stopProcessGroup('other')
    server.rpc().supervisor.startProcessGroup('other')
    server.wait_state('other')
    assert server.nursed() == {*server.pids().values()}
    assert {*server.children()} - server.nursed() == {*server.pids('other').values()}


@needs_fast
@needs_root
@pytest.mark.parametrize('kind', [Strange, Crowded])
def test_nor_can_one_that_becomes_another_user(start, kind):
    server = start(sections(AS_USER), kind=kind)
    seen = compare(server, AS_USER, IN_C)
    assert 'own fork' not in server.log_text()
    assert seen['user']['user']['status']['Uid'].split() == ['65534'] * 4
    assert seen['user']['user']['status']['Groups'].split() == ['65534']


@pytest.mark.parametrize('kind', [Strange, Crowded])
def test_a_program_says_the_same_of_itself(start, kind):
    kinds = {
        name: {**KINDS[name], 'command': WITNESS, 'stdout_logfile': f'%(here)s/{name}.out'}
        for name in ('plain', 'all_of_it', 'environment')
    }
    server = start(sections(kinds), kind=kind)

    def statements(name, count):
        found = [json.loads(line) for line in lines_of(server.dir / f'{name}.out')]
        return found if len(found) == count else None

    for name in kinds:
        server.wait(lambda name=name: statements(name, 1), f'statement of {name}')
    server.restart()
    for name in kinds:
        server.wait(lambda name=name: statements(name, 2), f'second statement of {name}')
        first, second = statements(name, 2)
        assert differences(first, second) == []
        assert first['leads_its_group']
        assert first['terminal'] == 'there is one'


def test_without_fast_spawn_everything_is_forked(start):
    server = start(sections(KINDS), 'fast_spawn=false', kind=Crowded)
    compare(server, KINDS, FORK)
    assert len(server.children_by_thread()) == 1


@needs_fast
@needs_root
def test_a_directory_that_the_user_may_not_enter_is_left_to_supervisor(start):
    server = start(
        sections({'web': {'user': 'nobody', 'startretries': 0, 'startsecs': 1}}), kind=Normal
    )
    server.wait_state()
    os.mkdir(server.dir / 'closed', 0o700)
    text = server.conf.read_text().replace('user=nobody', 'user=nobody\ndirectory=%(here)s/closed')
    server.conf.write_text(text)
    server.ctl('update')
    server.wait_state('web', 'FATAL')
    server.begun()
    server.restarter.quickRestart('web', True)
    assert server.begun()[0] == FORK
    stderr = ''.join(path.read_text() for path in server.dir.glob('web-stderr*'))
    assert stderr.count(f"supervisor: couldn't chdir to {server.dir}/closed: EACCES") >= 2


@needs_fast
@needs_root
def test_a_program_that_the_user_may_not_execute_is_said_at_once(start, tmp_path):
    tmp_path.chmod(0o700)
    file = tmp_path / 'app'
    file.write_text('#!/bin/sh\n')
    file.chmod(0o755)
    server = start(
        program('web', str(file), user='nobody', autostart='false', startretries=0, startsecs=1),
        kind=Normal,
    )
    failures = server.restarter.restartProcessGroup('web')
    assert [failure['text'] for failure in failures] == [
        f"START_FAILED: couldn't exec {file}: EACCES (Permission denied); state BACKOFF"
    ]


SCRIPTS = {
    'no #! line': ('echo hello\n', 'ENOEXEC (Exec format error)', 'true'),
    'no interpreter': ('#!/no/such/interpreter\n', 'ENOENT (No such file or directory)', 'false'),
    'no program for an interpreter': ('#!/etc/passwd\n', 'EACCES (Permission denied)', 'true'),
    'still being written': (None, 'ETXTBSY (Text file busy)', 'false'),
}


@needs_fast
@pytest.mark.parametrize('kind', [Normal, Crowded])
@pytest.mark.parametrize('what', SCRIPTS)
def test_what_cannot_be_executed_is_said_at_once(start, tmp_path, what, kind):
    content, reason, redirect = SCRIPTS[what]
    file = tmp_path / 'app'
    file.write_text('#!/bin/sh\nexec sleep 1000\n')
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    server = start(
        program('web', str(file), startretries=0, startsecs=1, redirect_stderr=redirect)
        + program('other'),
        kind=kind,
    )
    server.wait_state()
    server.wait_state('other')
    server.rpc().supervisor.stopProcess('web')  # what runs would not be stopped for this
    before = server.descriptors()
    with file.open('r+') as writer:
        if content is not None:
            writer.truncate(0)
            writer.write(content)
            writer.close()
        failures = server.restarter.restartProcessGroup('web')  # at once, or it would be a TIMEOUT
    assert [f['text'] for f in failures] == [
        f"START_FAILED: couldn't exec {file}: {reason}; state BACKOFF"
    ]
    server.wait_state('web', 'FATAL')
    assert server.info('web')['spawnerr'] == f"couldn't exec {file}: {reason}"
    (log,) = server.dir.glob('web-stdout*' if redirect == 'true' else 'web-stderr*')
    server.wait(lambda: 'was not spawned' in log.read_text(), 'log')
    assert log.read_text() == (
        f"supervisor: couldn't exec {file}: {reason.split()[0]}\n"
        'supervisor: child process was not spawned\n'
    )
    # nothing is left behind: no zombie, no pipe, no log, nothing that the loop polls without a
    # pause
    other = server.pids('other')['other']
    server.wait(lambda: server.children() == {other: 'S'}, 'children without a zombie')
    # it may hold fewer: what belonged to the process that was stopped before is closed in
    # supervisord's own time
    server.wait(lambda: server.descriptors() <= before, 'as many descriptors')
    assert server.busy(0.5) < 0.1


@needs_fast
def test_a_missing_directory_is_said_at_once_and_the_next_start_works(start, tmp_path):
    place = tmp_path / 'place'
    place.mkdir()
    server = start(
        program('web', directory=place, count=3, startretries=0, startsecs=1), kind=Normal
    )
    server.wait_state()
    server.rpc().supervisor.stopProcessGroup('web')
    place.rmdir()
    failures = server.restarter.restartProcessGroup('web')
    assert {failure['text'] for failure in failures} == {
        f"START_FAILED: couldn't chdir to {place}: ENOENT (No such file or directory); state BACKOFF"
    }
    server.wait_state('web', 'FATAL')
    place.mkdir()
    server.restart('web')
    assert len(server.portraits('web')) == 3


@pytest.mark.parametrize('kind', [Normal, Crowded])
def test_three_hundred_starts_leave_nothing_behind(start, kind):
    server = start(program(count=30) + sections({'unix': KINDS['unix']}), kind=kind)
    server.wait_state()
    before = server.descriptors()
    for _ in range(10):
        server.restart('all')
    server.wait(lambda: server.descriptors() <= before, 'as many descriptors')
    pids = {*server.pids('web').values(), *server.pids('unix').values()}
    assert set(server.children()) == pids
    server.wait(lambda: 'Z' not in server.children().values(), 'no zombie')
    assert server.log_text().count('stopped: ') == 320
    assert 'reaped unknown' not in server.log_text()


@pytest.mark.parametrize('kind', [Normal, Crowded])
def test_only_supervisord_reaps(start, kind):
    """Those that are gone at once are the ones that Popen would reap on behalf of their
    predecessors.
    """
    once: dict[str, Any] = {'autorestart': 'false', 'autostart': 'false', 'exitcodes': 3}
    server = start(program('web', '/bin/sh -c "exit 3"', 20, **once), kind=kind)

    def exits():
        return server.log_text().count('(exit status 3; expected)')

    for expected in (20, 40, 60):
        server.restarter.quickRestart('web', False)
        server.wait(lambda expected=expected: exits() == expected, 'exits')
    server.wait(lambda: server.children() == {}, 'no children')
    assert 'reaped unknown' not in server.log_text()


class Roomy(Normal):
    """A supervisord whose own fork closes so many descriptors that its children can be caught in
    between.
    """

    def __init__(self, programs, restarter='', extra=''):
        super().__init__(programs, restarter, extra)
        minfds = min(50_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        self._text = self._text.replace('minfds=1024', f'minfds={minfds}')


@needs_fast
def test_a_stop_that_follows_at_once_is_not_swallowed(start):
    server = start(program(count=20), kind=Roomy)
    server.wait_state()
    for _ in range(3):
        server.restarter.quickRestart('web', False)
        # Supervisor's own: it does not wait for an exec
        server.proxy().supervisor.stopProcessGroup('web')
    assert 'SIGKILL' not in server.log_text()
