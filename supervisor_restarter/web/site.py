"""The page's addresses below restarter/, and how they get into supervisord's HTTP servers.

Supervisor makes its servers' handlers after it has made the interfaces, so ours are put in when it
says that it is running: before its last one, which takes whatever is left; others count on the
places of the rest.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from typing import Callable, NamedTuple

from supervisor.http import supervisor_auth_handler

from supervisor_restarter.programs.host import HttpHandler, HttpRequest, HttpServer, Supervisor
from supervisor_restarter.web.files import unless_known
from supervisor_restarter.web.guard import Guard
from supervisor_restarter.web.live import Live
from supervisor_restarter.web.logs import log_path, process_called, tail
from supervisor_restarter.web.queries import BadQuery, log_wanted, wanted
from supervisor_restarter.web.replies import NO_STORE, Reply, header_of, line, send, without_body

ROOT = '/restarter'
Metrics = Callable[[], tuple[int, str, bytes]]


class Site(NamedTuple):
    """What stands below restarter/; a handler of Supervisor's HTTP servers.

    files: the page's own, by name. metrics: the status, the type and the text of the metrics; None:
    there are none. failed: is told of an exception, which is being handled.
    """

    supervisord: Supervisor
    live: Live
    files: dict[str, Reply]
    metrics: Metrics | None
    failed: Callable[[], None]

    def match(self, request: HttpRequest) -> bool:
        """Whether the address is one of ours."""
        path, _ = _path_and_query(request)
        return path == ROOT or path.startswith(f'{ROOT}/')

    def handle_request(self, request: HttpRequest) -> None:
        """Answer it, now or later."""
        without_body(request, lambda: self._answer(request))

    def _answer(self, request: HttpRequest) -> None:
        try:
            reply = self._reply(request)
        except BadQuery as error:
            reply = line(400, str(error))
        except Exception:
            self.failed()
            reply = line(500, 'internal error; it is in the log of supervisord')
        if reply is not None:
            send(request, reply)

    def _reply(self, request: HttpRequest) -> Reply | None:
        """The answer; None if it is given elsewhere."""
        path, query = _path_and_query(request)
        if request.command not in ('GET', 'HEAD'):
            return line(405, 'only GET and HEAD are answered here', Allow='GET, HEAD')
        if path == ROOT:
            return line(301, 'restarter/', Location='restarter/')
        name = path[len(ROOT) + 1 :]
        if name in self.files:
            return unless_known(self.files[name], header_of(request, 'if-none-match'))
        if name == 'state':
            self.live.answer(request, wanted(query))
            return None
        if name == 'log':
            return self._log(query)
        if name == 'metrics' and self.metrics is not None:
            status, kind, body = self.metrics()
            return Reply(status, kind, body, NO_STORE)
        return line(404, 'there is nothing here')

    def _log(self, query: str) -> Reply:
        asked = log_wanted(query)
        process = process_called(self.supervisord, asked.process)
        if process is None:
            return line(404, 'there is no such process')
        path = log_path(process, asked.channel)
        if path is None:
            return line(404, f'it has no log of its {asked.channel}')
        try:
            found = tail(path, asked)
        except (OSError, ValueError):
            return line(404, f'the log of its {asked.channel} cannot be read')
        body = json.dumps(found, separators=(',', ':')).encode('ascii')
        return Reply(200, 'application/json', body, NO_STORE)


def mount(
    servers: Iterable[tuple[dict[str, object], HttpServer]], site: Site | None, guard: Guard | None
) -> list[str]:
    """Put them into the HTTP servers; the addresses of the page in each, for the log."""
    addresses = []
    for section, server in servers:
        if site is not None:
            server.handlers.insert(
                max(0, len(server.handlers) - 1), _behind_password(site, section)
            )
            addresses.append(address(section))
        if guard is not None:
            server.handlers.insert(0, guard)
    return addresses


def address(section: dict[str, object]) -> str:
    """Where the page of this server is found."""
    if section['family'] == socket.AF_UNIX:
        return f'on unix://{section["file"]}'
    host = section['host'] if section['host'] not in ('', '0.0.0.0') else socket.gethostname()
    return f'at http://{host}:{section["port"]}{ROOT}/'


def _behind_password(handler: HttpHandler, section: dict[str, object]) -> HttpHandler:
    if not section['username']:
        return handler
    behind: HttpHandler = supervisor_auth_handler(
        {section['username']: section['password']}, handler
    )
    return behind


def _path_and_query(request: HttpRequest) -> tuple[str, str]:
    path, _, query = request.uri.partition('?')
    return path, query.partition('#')[0]
