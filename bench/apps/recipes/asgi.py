"""For uvicorn. Two seconds to start; GET / answers with the pid, and it says READY=1 as
docs/recipes.md has it.
"""

import asyncio
import os

from ready import ready


async def app(scope, receive, send):
    """The ASGI application."""
    if scope['type'] == 'lifespan':
        await receive()
        await asyncio.sleep(2)
        await send({'type': 'lifespan.startup.complete'})
        ready()
        await receive()
        await send({'type': 'lifespan.shutdown.complete'})
        return
    await asyncio.sleep(0.01)
    body = b'%d\n' % os.getpid()
    await send(
        {
            'type': 'http.response.start',
            'status': 200,
            'headers': [(b'content-length', b'%d' % len(body))],
        }
    )
    await send({'type': 'http.response.body', 'body': body})
