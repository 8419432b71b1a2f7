"""Against requests that a browser is made to send by the page of another site.

A browser says where a request comes from, in Sec-Fetch-Site or else in Origin, and no page can make
it say anything else; programs say neither, and pass. Following a link is harmless unless it has
?action= in it, which is how Supervisor's own page starts and stops; so it passes without.

Browsers leave Sec-Fetch-Site out to a server that has neither https nor the name localhost, and
Origin out with GET: then ?action= needs a Referer of the same host. No answer is shown in a frame of
another site.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from supervisor_restarter.programs.host import HttpRequest
from supervisor_restarter.web.replies import header_of, line, send, without_body

USUAL_PORTS = {'http': ':80', 'https': ':443'}
REFUSED = 'refused: the request comes from the page of another site (guard = true)'


class Guard:
    """A handler of Supervisor's HTTP servers, the first one: its own are the requests that are
    refused.
    """

    def match(self, request: HttpRequest) -> bool:
        """Whether it is refused."""
        # Within a frame of another site, a visitor's click would be one of Supervisor's own page.
        request['X-Frame-Options'] = 'SAMEORIGIN'
        return is_foreign(
            request.command,
            request.uri,
            site=header_of(request, 'sec-fetch-site'),
            origin=header_of(request, 'origin'),
            referer=header_of(request, 'referer'),
            host=header_of(request, 'host'),
        )

    def handle_request(self, request: HttpRequest) -> None:
        """Refuse it."""
        without_body(request, lambda: send(request, line(403, REFUSED)))


def is_foreign(
    command: str,
    uri: str,
    *,
    site: str | None = None,
    origin: str | None = None,
    referer: str | None = None,
    host: str | None = None,
) -> bool:
    """Whether a browser sends the request for another site, as its headers say."""
    acts = command not in ('GET', 'HEAD') or _has_action(uri)
    if not acts:
        return False
    if site is not None:
        return site.lower() not in ('same-origin', 'none')
    if origin is not None:
        return not _is_of(origin, host)
    return command in ('GET', 'HEAD') and not _is_of(referer, host)


def _has_action(uri: str) -> bool:
    """Whether Supervisor's page would find an action in the query."""
    query = uri.partition('?')[2].partition('#')[0]
    try:
        return 'action' in parse_qs(query, keep_blank_values=True)
    except ValueError:
        return True  # Supervisor would not understand it either


def _is_of(address: str | None, host: str | None) -> bool:
    """Whether an Origin or a Referer is of the host that the request is for."""
    try:
        parts = urlsplit(address or '')
    except ValueError:
        return False
    usual = USUAL_PORTS.get(parts.scheme)
    if not host or usual is None or not parts.netloc:
        return False
    theirs, ours = (_without(name.lower(), usual) for name in (parts.netloc, host))
    return theirs == ours


def _without(name: str, port: str) -> str:
    return name[: -len(port)] if name.endswith(port) else name
