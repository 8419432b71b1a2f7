"""An SSH server of one's own on a free loopback port, with keys that are thrown away."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.lab import polls
from tests.integration.server import SECONDS, free_port

# Debian keeps sshd where an ordinary user's PATH does not lead.
PATH = os.pathsep.join([os.environ.get('PATH', os.defpath), '/usr/local/sbin', '/usr/sbin'])
# sshd, started by root, insists on it; Debian's service makes it, too. It stays, for another run of the
# tests may be using it.
PRIVILEGE_SEPARATION = Path('/run/sshd')
CONF = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {place}/host
AuthorizedKeysFile {place}/user.pub
PidFile none
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
"""


def missing() -> str:
    """The programs that are not installed here, '' if all are."""
    wanted = ('sshd', 'ssh', 'ssh-keygen')
    return ', '.join(name for name in wanted if not shutil.which(name, path=PATH))


class SshServer:
    """sshd, for the user who runs the tests, who gets in by the key alone."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> SshServer:
        self.place.mkdir()
        for name in ('host', 'user'):
            subprocess.run(
                ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', str(self.place / name)],
                check=True,
                timeout=SECONDS,
            )
        host_key = (self.place / 'host.pub').read_text()
        (self.place / 'known_hosts').write_text(f'[127.0.0.1]:{self.port} {host_key}')
        (self.place / 'conf').write_text(CONF.format(port=self.port, place=self.place))
        if os.getuid() == 0:
            PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)

    def _options(self) -> list[str]:
        """For ssh: this server's key, and nothing of the user's own."""
        options = {
            'UserKnownHostsFile': self.place / 'known_hosts',
            'GlobalKnownHostsFile': '/dev/null',
            'StrictHostKeyChecking': 'yes',
            'IdentitiesOnly': 'yes',
            'IdentityAgent': 'none',
        }
        return [word for key, value in options.items() for word in ('-o', f'{key}={value}')]

    def variables(self) -> dict[str, Any]:
        """What the inventory says of a host behind this server."""
        return {
            'ansible_connection': 'ssh',
            'ansible_host': '127.0.0.1',
            'ansible_port': self.port,
            'ansible_user': getpass.getuser(),
            'ansible_ssh_private_key_file': str(self.place / 'user'),
            'ansible_ssh_common_args': ' '.join(self._options()),
        }

    def locked_out(self) -> bool:
        """Whether our account has no password that could be right: without PAM, sshd refuses it then."""
        command = ['ssh', '-F', '/dev/null', '-n', *self._options(), '-i', str(self.place / 'user')]
        subprocess.run(
            [*command, '-p', str(self.port), f'{getpass.getuser()}@127.0.0.1', 'true'],
            capture_output=True,
            timeout=SECONDS,
        )
        return 'account is locked' in self.log()

    def log(self) -> str:
        """What sshd has said."""
        return (self.place / 'log').read_text(errors='replace')

    def _start(self) -> None:
        sshd = shutil.which('sshd', path=PATH)
        assert sshd is not None
        with (self.place / 'log').open('wb') as log:
            self._process = subprocess.Popen(  # sshd wants to be called by its full path
                [sshd, '-D', '-e', '-f', str(self.place / 'conf')],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + SECONDS
        for pause in polls():
            try:
                socket.create_connection(('127.0.0.1', self.port), SECONDS).close()
                return
            except OSError:
                assert self._process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
            time.sleep(pause)
