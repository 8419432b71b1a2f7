"""The server that bench.rolling restarts, for uvicorn: uvicorn bench.apps.web:app

A second to start, as with caches to fill; some milliseconds of waiting per request, as for a
database. GET / answers with the pid that served it, GET /health with an empty 200. While there is the
file that BROKEN names, it does not start.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

# with the imports more than startsecs: a process is RUNNING before it is of use
START_SECONDS = 1.0
WORK_SECONDS = 0.01

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope['type'] == 'lifespan':
        await live(receive, send)
    elif scope['path'] == '/health':
        await answer(send, b'')
    else:
        await asyncio.sleep(WORK_SECONDS)
        await answer(send, b'%d\n' % os.getpid())


async def live(receive: Receive, send: Send) -> None:
    """Warm up, say so to whoever started us, and stay until uvicorn shuts down."""
    await receive()  # lifespan.startup
    if os.path.exists(os.environ.get('BROKEN', '')):
        await send({'type': 'lifespan.startup.failed', 'message': 'no connection to the database'})
        return
    await asyncio.sleep(START_SECONDS)
    await send({'type': 'lifespan.startup.complete'})
    # uvicorn, which waits for this, opens its socket in the loop's next turn; what we ask for now
    # comes right after it
    asyncio.get_running_loop().call_soon(notify, 'READY=1')
    await receive()  # lifespan.shutdown: requests in flight are answered by now
    await send({'type': 'lifespan.shutdown.complete'})


async def answer(send: Send, body: bytes) -> None:
    """Send a 200 with this body."""
    headers = [(b'content-type', b'text/plain'), (b'content-length', b'%d' % len(body))]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})


def notify(text: str) -> None:
    """sd_notify(3): tell the supervisor that has set NOTIFY_SOCKET; without one, nobody."""
    path = os.environ.get('NOTIFY_SOCKET')
    if path:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            # '@' stands for the null byte that begins an abstract address
            channel.sendto(text.encode(), '\0' + path[1:] if path.startswith('@') else path)
