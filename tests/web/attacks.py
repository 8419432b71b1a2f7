"""What other sites can have a visitor's browser do to a supervisord: each attack is a page of theirs,
which sends one request that shall stop one process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from playwright.sync_api import Page, Request, WebSocket

from tests.web.browser import SECONDS

CALL = (
    '<methodCall><methodName>supervisor.stopProcess</methodName><params><param><value><string>'
    'VICTIM</string></value></param></params></methodCall>'
)
STOP = 'index.html?processname=VICTIM&action=stop'


def nothing(page: Page, victim: str) -> bool:
    """The visitor does nothing; the page does it all."""
    return True


def click(page: Page, victim: str) -> bool:
    """The visitor clicks on what is there."""
    page.locator('#bait').dispatch_event('click')
    return True


def click_in_frame(page: Page, victim: str) -> bool:
    """The visitor clicks on what lies below the bait: supervisord's own page in a frame."""
    page.wait_for_load_state()
    stop = f'processname={quote(victim)}&action=stop'
    link = page.frames[1].locator(f'a[href$="{stop}"]')
    if link.count() == 0:
        return False
    link.dispatch_event('click')
    return True


@dataclass(frozen=True)
class Attack:
    """A page of another site.

    name: as SECURITY.md has it. html: with TARGET for the address that is attacked, a slash at its
    end, and VICTIM for the process. visit: what the visitor does when it is loaded; False: there is
    nothing to be done.
    """

    name: str
    html: str
    visit: Callable[[Page, str], bool] = nothing


def script(code: str) -> str:
    """A page that runs this code."""
    return f'<script>{code}</script>'


def form(action: str, kind: str, name: str, value: str, head: str = '') -> str:
    """A page that sends a form by itself."""
    return (
        f'{head}<form method="post" action="{action}" enctype="{kind}">'
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}"></form>'
        + script('document.forms[0].submit()')
    )


def fetch(path: str, options: str) -> str:
    """A page that fetches this, with the visitor's password where the browser lets it."""
    return script(f'fetch("TARGET{path}", {{credentials: "include", {options}}}).catch(() => 0)')


LINK = f'TARGET{escape(STOP)}'
HIDDEN_FORM = form('TARGETRPC2', 'text/plain', '<?xml version', f'"1.0"?>{CALL}')

ATTACKS = [
    Attack('an image', f'<img src="{LINK}">'),
    Attack('a link that the visitor follows', f'<a id="bait" href="{LINK}">prize</a>', click),
    Attack(
        'such a link without a referrer',
        f'<a id="bait" rel="noreferrer" href="{LINK}">prize</a>',
        click,
    ),
    Attack('a script that leaves for there', script(f'location = "TARGET{STOP}"')),
    Attack('a frame', f'<iframe src="{LINK}"></iframe>'),
    Attack('a form by POST', form(LINK, 'multipart/form-data', 'a', 'b')),
    Attack('a form, text/plain, to `/RPC2`', HIDDEN_FORM),
    Attack(
        'such a form without a referrer',
        '<meta name="referrer" content="no-referrer">' + HIDDEN_FORM,
    ),
    Attack('`fetch`, GET', fetch(STOP, 'mode: "no-cors"')),
    Attack(
        '`fetch`, text/plain, to `/RPC2`',
        fetch('RPC2', f"method: 'POST', mode: 'no-cors', body: '{CALL}'"),
    ),
    Attack(
        '`fetch`, text/xml, to `/RPC2`',
        fetch('RPC2', f"method: 'POST', headers: {{'Content-Type': 'text/xml'}}, body: '{CALL}'"),
    ),
    Attack('a WebSocket', script(f'new WebSocket("TARGET{STOP}".replace("http", "ws"))')),
    Attack(
        "a click on Supervisor's own page in a frame",
        '<iframe width="900" height="600" src="TARGET"></iframe>',
        click_in_frame,
    ),
]


def strike(attack: Attack, page: Page, origin: str, target: str, victim: str) -> Callable[[], bool]:
    """Visit the attack on the server of this origin, in a fresh page; says whether the attacked one
    has answered.
    """
    answered: list[object] = []

    def note(request: Request) -> None:
        if request.url.startswith(target) and ('action=' in request.url or 'RPC2' in request.url):
            answered.append(request)

    def socket(web_socket: WebSocket) -> None:
        web_socket.on('close', lambda one: answered.append(one))

    page.on('response', lambda response: note(response.request))
    page.on('requestfailed', note)
    page.on('websocket', socket)
    words = urlencode({'TARGET': target, 'VICTIM': victim})
    page.goto(f'{origin}/{ATTACKS.index(attack)}?{words}', wait_until='commit')
    if not attack.visit(page, victim):
        answered.append(None)
    return lambda: bool(answered)


REBINDING = script(
    "fetch('/RPC2', {method: 'POST', headers: {'Content-Type': 'text/xml'}, "
    f"body: '{CALL}'}}).then((answer) => {{ document.title = answer.status; }})"
)


class Evil(BaseHTTPRequestHandler):
    """GET /3?TARGET=...&VICTIM=... is the attack of that number.

    GET /rebind?PORT=...&VICTIM=... has the page of a name that is rebound afterwards: what its script asks
    for goes to the supervisord at that port. Browser and supervisord see what they would see then.
    """

    rebound = 0  # the port

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        name, query = parts.path[1:], dict(parse_qsl(parts.query))
        if name.isdecimal():
            self._page(ATTACKS[int(name)].html, **query)
        elif name == 'rebind':
            type(self).rebound = int(query['PORT'])
            self._page(REBINDING, **query)
        else:
            self._page('')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers['Content-Length']))
        connection = HTTPConnection('127.0.0.1', self.rebound, timeout=SECONDS)
        connection.request('POST', self.path, body, dict(self.headers.items()))
        answer = connection.getresponse()
        self._answer(answer.status, answer.read())
        connection.close()

    def _page(self, html: str, **words: str) -> None:
        for word, value in words.items():
            html = html.replace(word, value)
        self._answer(200, html.encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def evil_server() -> Iterator[int]:
    """A server with all attacks; its port."""
    with ThreadingHTTPServer(('127.0.0.1', 0), Evil) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
