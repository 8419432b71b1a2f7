"""A place for a recipe of docs/recipes.md to run in: a temporary directory, free ports, this
machine's programs.
"""

from __future__ import annotations

import os
import pwd
import shutil
from glob import glob
from pathlib import Path

from bench.recipe_page import Recipe, moved
from bench.rolling import ROOT, free_ports

APPS = Path(__file__).parent / 'apps' / 'recipes'
ENVIRONMENT = ROOT / '.envs' / 'recipes'
# Debian keeps these where an ordinary user's PATH does not lead.
PATH = os.pathsep.join([os.environ.get('PATH', os.defpath), '/usr/local/sbin', '/usr/sbin'])
USER = 'www-data'  # of nginx and php-fpm on Debian, where they are started by root
NGINX_CONF = """\
{user}
pid {directory}/run/nginx.pid;
error_log stderr crit;
worker_processes 2;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {directory}/run/nginx-body;
    proxy_temp_path {directory}/run/nginx-proxy;
    fastcgi_temp_path {directory}/run/nginx-fastcgi;
    uwsgi_temp_path {directory}/run/nginx-uwsgi;
    scgi_temp_path {directory}/run/nginx-scgi;
    server {{ listen 127.0.0.1:{behind}; location / {{ return 200 "$pid\\n"; }} }}
    include {directory}/conf.d/*.conf;
}}
"""
# The recipe for nginx itself has no application of its own: nginx answers with its worker's pid.
UPSTREAM = 'upstream app {{ server 127.0.0.1:{behind}; }}\n'
REDIS = """\
[program:redis]
command=redis-server --port {port} --bind 127.0.0.1 --save "" --appendonly no
directory={directory}/run
"""
HAPROXY = """\
[program:haproxy]
command={command} -db -f {directory}/haproxy.cfg
"""


class Site:
    """A recipe in a temporary directory.

    proxy: the recipe for nginx, if it is to run before this one.
    redis: whether a redis runs beside it. haproxy: whether that runs, with the recipe's file.
    task_seconds: how long a task takes.
    """

    def __init__(
        self,
        directory: Path,
        recipe: Recipe,
        proxy: Recipe | None = None,
        redis: bool = False,
        haproxy: bool = False,
        task_seconds: float = 0.5,
    ) -> None:
        # the processes, and below: nginx's own, redis, the front
        ports = free_ports((*range(10), 97, 98, 99))
        self.directory = directory
        self.front = 100 * ports + 99
        self._moved = {
            '/srv/app': f'{directory}/app',
            '/run/app': f'{directory}/run',
            '/etc/nginx/nginx.conf': f'{directory}/nginx.conf',
            '/etc/nginx/conf.d': f'{directory}/conf.d',
            '/usr/sbin/nginx': f'{find("nginx")} -e stderr',
            '/usr/sbin/php-fpm8.2': find('php-fpm'),
            '/usr/bin/node': find('node'),
            '/etc/haproxy': str(directory),
            '/run/haproxy': f'{directory}/run',
            USER: pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else USER,
            '80%(process_num)02d': f'{ports}%(process_num)02d',
            ':8080': f':{self.front}',
            ':80': f':{ports}',
            ':6379/': f':{self.front - 1}/',
        }
        sections = self.moved(recipe.section + (proxy.section if proxy else ''))
        if redis:
            sections += REDIS.format(port=self.front - 1, directory=directory)
        if haproxy:
            sections += HAPROXY.format(command=find('haproxy'), directory=directory)
        # gunicorn writes there
        own = f'DONE="{self.done}",HOME="{directory}/run",XDG_RUNTIME_DIR="{directory}/run"'
        own += f',TASK_SECONDS="{task_seconds:g}"'
        self.sections = sections.replace('environment=', f'environment={own},')
        self._write({**proxy.files, **recipe.files} if proxy else recipe.files)

    @property
    def done(self) -> Path:
        """Where tasks write that they are done."""
        return self.directory / 'run' / 'done'

    def lines(self) -> list[str]:
        """What is written there so far."""
        return self.done.read_text(encoding='utf-8').splitlines() if self.done.exists() else []

    def moved(self, text: str) -> str:
        """The text with its paths and ports exchanged for those of this site."""
        return moved(text, self._moved)

    def _write(self, files: dict[str, str]) -> None:
        """The application, its environment, and the files of the page."""
        # php-fpm's and nginx's workers run as another user when this runs as root
        self.directory.chmod(0o755)
        shutil.copytree(APPS, self.directory / 'app')
        (self.directory / 'app' / 'venv').symlink_to(ENVIRONMENT)
        for name in ('run', 'conf.d'):
            (self.directory / name).mkdir()
        behind = self.front - 2
        user = f'user {USER};' if os.geteuid() == 0 else ''
        (self.directory / 'nginx.conf').write_text(
            NGINX_CONF.format(user=user, directory=self.directory, behind=behind)
        )
        (self.directory / 'conf.d' / 'upstream.conf').write_text(UPSTREAM.format(behind=behind))
        for path, text in files.items():
            Path(self.moved(path)).write_text(self.moved(text), encoding='utf-8')


def find(name: str) -> str:
    """The path of a program, '' if it is missing. Debian's php-fpm has its version in its name."""
    found = shutil.which(name, path=PATH)
    if name == 'php-fpm' and not found:
        paths = [
            path
            for folder in PATH.split(os.pathsep)
            for path in glob(os.path.join(folder, 'php-fpm[0-9]*'))
        ]
        found = max(paths, default='')
    return found or ''
