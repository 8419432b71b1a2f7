"""The proxy before the workers: HAProxy, or nginx where there is none; configured by the files
beside this one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
# Debian keeps these where an ordinary user's PATH does not lead.
PATH = os.pathsep.join([os.environ.get('PATH', os.defpath), '/usr/local/sbin', '/usr/sbin'])
TITLES = {'haproxy': 'HAProxy', 'nginx': 'nginx'}
SECTION = (
    '[program:proxy]\nautostart=false\nstdout_logfile=%(here)s/proxy.log\nredirect_stderr=true\n'
)


class Proxy(NamedTuple):
    """A proxy that is installed."""

    name: str  # 'HAProxy 2.6.12'
    command: str  # its path

    def program(self, front: int, ports: int) -> str:
        """Its [program:proxy] section. It listens on port `front`; the workers' ports are `ports`00
        and so on.
        """
        if self.name.startswith('nginx'):
            return (
                f'{SECTION}command={self.command} -e stderr -p %(here)s/ -c %(here)s/nginx.conf\n'
            )
        return (
            f'{SECTION}command={self.command} -db -f {quoted(HERE / "haproxy.cfg")}\n'
            f'environment=FRONT="{front}",PORTS="{ports}"\n'
        )

    def prepare(self, directory: Path, front: int, ports: int) -> None:
        """Write what it reads into supervisord's directory; before it is started."""
        text = (HERE / 'nginx.conf').read_text(encoding='utf-8')
        text = re.sub(r'\bFRONT;', f'{front};', text)
        (directory / 'nginx.conf').write_text(
            re.sub(r':PORTS(\d\d)', rf':{ports}\1', text), encoding='utf-8'
        )


def find(among: tuple[str, ...] = ('haproxy', 'nginx')) -> Proxy | None:
    """The first of these proxies that is installed, or None."""
    for name in among:
        command = shutil.which(name, path=PATH)
        if command:
            said = subprocess.run(
                [command, '-v'],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=10,
            ).stdout
            version = re.search(r'\d+(\.\d+)+', said)
            return Proxy(f'{TITLES[name]} {version[0] if version else ""}'.strip(), command)
    return None


def quoted(path: Path) -> str:
    """A path in a command of supervisord's configuration, with its expansions and quotes escaped."""
    return '"' + str(path).replace('%', '%%') + '"'
