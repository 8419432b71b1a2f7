"""The supervisors of bench.speed, each configured as its documentation has it; what is not given
here is its default.

floor        bench.peers.floor
supervisord  with and without the plugin; minfds as low as the workers permit, since Supervisor closes that many
             descriptors in each new child
circus       circusctl restart --waiting; without --waiting it returns at once
runit        sv restart with all services as arguments
s6           s6-svc knows one service at a time, hence a loop of the shell; it does not wait for the new process,
             which s6-supervise starts a second after the end of the old one
pm2          fork mode; restart takes down two at a time unless --parallel says otherwise: 12 s for 200 workers
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from xmlrpc.client import ServerProxy

import supervisor.options
from supervisor.xmlrpc import SupervisorTransport

from bench.lab import Lab, LabError, script
from bench.peers.base import STOP_SECONDS, WAIT_SECONDS, Loop, Peer, Way, run

ROOT = Path(__file__).parent.parent.parent
ENVS = ROOT / '.envs'

PROGRAM = """\
[program:web]
command={command}
process_name=w%(process_num)03d
numprocs={count}
startsecs=1
stopwaitsecs={stop:g}
"""
RESTARTER = """\
[rpcinterface:restarter]
supervisor.rpcinterface_factory = supervisor_restarter:make_rpcinterface
{keys}
"""
DESCRIPTORS = 6  # of supervisord per process: three pipes, two logs and some to spare
LEAST_MINFDS = 1024  # Supervisor's default


class Floor(Loop):
    """No supervisor: a loop around posix_spawn."""

    def command(self) -> list[str]:
        place = self.place
        return [
            sys.executable,
            str(Path(__file__).with_name('floor.py')),
            str(place.workers),
            str(place.worker),
            str(place.file),
            str(place.milliseconds),
        ]

    def ways(self) -> list[Way]:
        return [Way('floor: posix_spawn loop', 'floor', self.restart)]

    def restart(self) -> None:
        """One line there, one line back."""
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b'restart\n')
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise LabError('the floor has ended')


class Stock(Peer):
    """supervisord without the plugin."""

    interface = ''
    tree: Path | None = None  # whose plugin it runs, see Lab
    lab: Lab | None = None

    def open(self) -> None:
        place = self.place
        # Is closed by itself where it cannot be opened.
        self.lab = Lab(
            self.interface + self.program(),
            max(LEAST_MINFDS, DESCRIPTORS * place.workers),
            interface=False,
            tree=self.tree,
        ).__enter__()
        self.begin()
        self.lab.wait_running('web', place.workers, WAIT_SECONDS)

    def begin(self) -> None:
        """Have the processes started, where Supervisor does not do so by itself."""

    def program(self) -> str:
        """The section of the group `web`."""
        command = (
            shlex.join(self.place.command('NAME'))
            .replace('%', '%%')
            .replace('NAME', 'w%(process_num)03d')
        )
        return PROGRAM.format(command=command, count=self.place.workers, stop=STOP_SECONDS)

    def ways(self) -> list[Way]:
        return [
            Way(
                'supervisorctl restart web:*',
                'peer',
                self.ctl('supervisorctl', 'restart', 'web:*'),
                self.ctl('supervisorctl', 'version'),
            )
        ]

    def ctl(self, name: str, *arguments: str) -> Callable[[], None]:
        """To run this command."""
        assert self.lab is not None
        command = [script(name), '-c', str(self.lab.conf), *arguments]
        return lambda: run(command)

    def root(self) -> int:
        if self.lab is None:
            raise ProcessLookupError
        return int((self.lab.dir / 'supervisord.pid').read_text())

    def close(self) -> None:
        if self.lab is not None:
            super().close()  # without waiting for workers to stop
            self.lab.close()
            self.lab = None


class Plugin(Stock):
    """supervisord with the plugin."""

    interface = RESTARTER.format(keys='')
    suffix, role = '', 'rpc'

    def ways(self) -> list[Way]:
        return [
            Way(
                'supervisorctl_restart_group web',
                'command',
                self.ctl('supervisorctl_restart_group', 'web'),
                self.ctl('supervisorctl_restart_group', '--status'),
            ),
            self.by_rpc(),
        ]

    def by_rpc(self) -> Way:
        """A call from this process, over a connection that is there already."""
        assert self.lab is not None
        # waits as long as it takes
        transport = SupervisorTransport(None, None, f'unix://{self.lab.dir}/sock')
        proxy: Any = ServerProxy('http://localhost', transport=transport)

        def restart() -> None:
            result = proxy.restarter.restartProcessGroup('web', {'timeout': WAIT_SECONDS})
            if result is not True:
                raise LabError(f'restartProcessGroup: {result}')

        return Way(
            f'restartProcessGroup{self.suffix}',
            self.role,
            restart,
            proxy.restarter.getPluginVersion,
        )


class Forking(Plugin):
    """supervisord with the plugin, starting processes through Supervisor's own fork."""

    interface = RESTARTER.format(keys='fast_spawn = false')
    suffix, role = ', fast_spawn=false', 'aside'

    def ways(self) -> list[Way]:
        return [self.by_rpc()]


class Circus(Loop):
    """circusd with one watcher. It lists a process's children, by psutil, before it stops it."""

    alone = True

    def command(self) -> list[str]:
        place = self.place
        (place.dir / 'circus.ini').write_text(
            f'[circus]\nendpoint = {self.endpoint()}\npubsub_endpoint = ipc://{place.dir}/pubsub\n'
            f'[watcher:web]\ncmd = {shlex.join(place.command("NAME")).replace("NAME", "$(circus.wid)")}\n'
            f'numprocesses = {place.workers}\ngraceful_timeout = {STOP_SECONDS:g}\n',
            encoding='utf-8',
        )
        return [
            tool('circusd'),
            '--log-output',
            str(place.dir / 'log'),
            str(place.dir / 'circus.ini'),
        ]

    def endpoint(self) -> str:
        """Where circusctl finds it."""
        return f'ipc://{self.place.dir}/endpoint'

    def ways(self) -> list[Way]:
        ctl = [tool('circusctl'), '--endpoint', self.endpoint(), '--timeout', f'{WAIT_SECONDS:g}']
        return [
            Way(
                'circusctl restart --waiting web',
                'peer',
                lambda: run([*ctl, 'restart', '--waiting', 'web']),
                lambda: run([*ctl, 'numprocesses', 'web']),
            )
        ]


class Runit(Loop):
    """runsvdir, a runsv for each worker."""

    def services(self) -> list[str]:
        """The directories of the services."""
        return [str(self.place.dir / 'services' / name) for name in self.place.names()]

    def make_services(self) -> str:
        """Make them, and return the directory in which they are."""
        for name, service in zip(self.place.names(), map(Path, self.services())):
            service.mkdir(parents=True)
            (service / 'run').write_text(
                f'#!/bin/sh\nexec {shlex.join(self.place.command(name))}\n'
            )
            (service / 'run').chmod(0o755)
        return str(self.place.dir / 'services')

    def command(self) -> list[str]:
        return [tool('runsvdir'), self.make_services()]

    def ways(self) -> list[Way]:
        wait = ['-w', f'{WAIT_SECONDS:g}']
        return [
            Way(
                'sv restart w000 w001 ...',
                'peer',
                lambda: run([tool('sv'), *wait, 'restart', *self.services()]),
                lambda: run([tool('sv'), 'status', self.services()[0]]),
            )
        ]


class S6(Runit):
    """s6-svscan, an s6-supervise for each worker."""

    def command(self) -> list[str]:
        # its default is 500 services
        return [tool('s6-svscan'), '-c', '1000', self.make_services()]

    def ways(self) -> list[Way]:
        loop = ['/bin/sh', '-c', 'for service do s6-svc -r "$service"; done', 'sh']
        return [
            Way(
                's6-svc -r, in a loop',
                'peer',
                lambda: run([*loop, *self.services()]),
                lambda: run([tool('s6-svstat'), self.services()[0]]),
            )
        ]


class Pm2(Peer):
    """pm2's daemon. It lists a process's children, by ps, before it stops it."""

    alone = True

    def open(self) -> None:
        place = self.place
        program, *arguments = place.command('web')
        app = {
            'name': 'web',
            'script': program,
            'args': arguments,
            'interpreter': 'none',
            'exec_mode': 'fork',
            'instances': place.workers,
            'kill_timeout': int(1000 * STOP_SECONDS),
            'cwd': str(place.dir),
        }
        file = place.dir / 'web.config.json'
        file.write_text(json.dumps({'apps': [app]}), encoding='utf-8')
        self.pm2('start', str(file))
        self.wait_started(place.workers)

    def pm2(self, *arguments: str) -> None:
        """Run pm2 with a home of its own."""
        run([tool('pm2'), *arguments], {'PM2_HOME': str(self.place.dir / 'home')})

    def ways(self) -> list[Way]:
        count = str(self.place.workers)
        return [
            Way(
                'pm2 restart web --parallel N',
                'peer',
                lambda: self.pm2('restart', 'web', '--parallel', count),
                lambda: self.pm2('ping'),
            )
        ]

    def root(self) -> int:
        try:
            return int((self.place.dir / 'home' / 'pm2.pid').read_text())
        except FileNotFoundError:
            raise ProcessLookupError from None


def tool(name: str) -> str:
    """The path of a peer's command; make bench installs circus and pm2 below .envs/. LabError if
    there is none.
    """
    for folder in (ENVS / 'circus' / 'bin', ENVS / 'pm2' / 'node_modules' / '.bin'):
        if (folder / name).exists():
            return str(folder / name)
    found = shutil.which(name)
    if found is None:
        raise LabError(f'{name} is not installed')
    return found


def has_fast_spawn() -> bool:
    """Whether the plugin has a setting of that name."""
    from supervisor_restarter import options

    return 'fast_spawn' in options.CONFIGURATION_ONLY


def find() -> Iterator[tuple[str, str, type[Peer]]]:
    """Name, version and class of each supervisor that can be measured here; says so of those that
    cannot.
    """
    yield 'floor', '', Floor
    yield 'supervisor', supervisor.options.VERSION, Stock
    yield 'supervisor-restarter', metadata.version('supervisor-restarter'), Plugin
    if has_fast_spawn():
        yield 'fast_spawn=false', '', Forking
    for name, kind, needs, hint in (
        ('circus', Circus, ('circusd', 'circusctl'), 'make bench installs it'),
        ('runit', Runit, ('runsvdir', 'sv'), 'Debian, Ubuntu: apt install runit'),
        ('s6', S6, ('s6-svscan', 's6-svc'), 'Debian, Ubuntu: apt install s6'),
        ('pm2', Pm2, ('pm2',), 'make bench installs it where there is npm'),
    ):
        try:
            for command in needs:
                tool(command)
        except LabError as error:
            print(f'{name} is left out: {error} ({hint}).')
            continue
        yield name, version(name), kind


def version(name: str) -> str:
    """The version of a peer that is installed, '' where it does not tell."""
    try:
        if name == 'circus':
            return output([tool('circusd'), '--version'])
        if name == 'pm2':
            return str(
                json.loads(
                    (Path(os.path.realpath(tool('pm2'))).parent.parent / 'package.json').read_text()
                )['version']
            )
        return output(['dpkg-query', '-W', '-f', '${Version}', name])
    except (OSError, subprocess.SubprocessError, KeyError, ValueError):
        return ''


def output(command: list[str]) -> str:
    """What the command prints."""
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=20
    ).stdout.strip()
