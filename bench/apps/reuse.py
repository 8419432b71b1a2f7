"""bench.apps.web on a port that old and new processes share: python -m bench.apps.reuse PORT

uvicorn has no option for SO_REUSEPORT, so it is given the socket. The kernel shares new connections
out among all sockets that listen on the port.
"""

from __future__ import annotations

import os
import socket
import sys

# Where the listening socket is, for who watches from outside (bench.apps.watch) and looks below
# /proc; uvicorn closes it when it stops to listen.
DESCRIPTOR = 100


def main() -> None:
    import uvicorn  # not where this module is only asked for DESCRIPTOR

    with socket.socket() as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(('127.0.0.1', int(sys.argv[1])))
        os.dup2(opened.fileno(), DESCRIPTOR)
    config = uvicorn.Config(
        'bench.apps.web:app', loop='asyncio', http='h11', access_log=False, log_level='warning'
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=DESCRIPTOR)])


if __name__ == '__main__':
    main()
