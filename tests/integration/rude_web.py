"""A web server that ends at SIGTERM at once, whatever it is answering: rude_web.py PORT [--shared FILE]

It keeps connections. An answer takes some milliseconds; GET / says the pid. With --shared it listens
beside others on that port (SO_REUSEPORT) as soon as there is the file, and says READY=1 when it does: a
probe could not tell them apart.
"""

import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORK_SECONDS = 0.02


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self) -> None:
        if self.path != '/health':
            time.sleep(WORK_SECONDS)
        body = b'%d\n' % os.getpid()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


class Shared(ThreadingHTTPServer):
    request_queue_size = 100

    def server_bind(self) -> None:
        while not os.path.exists(sys.argv[3]):
            time.sleep(0.01)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

    def server_activate(self) -> None:
        super().server_activate()
        if path := os.environ.get('NOTIFY_SOCKET'):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.sendto(b'READY=1', path)


if __name__ == '__main__':
    kind = Shared if '--shared' in sys.argv else ThreadingHTTPServer
    kind(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
