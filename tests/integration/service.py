"""A server for tests that becomes ready, or does not, as told.

service.py NAME DIR [option ...]

NAME stands in DIR/marks, where it appends 'TIME PID NAME WHAT' (TIME monotonic) when it is 'ready',
'stopped' (has got SIGTERM), 'signalled' (SIGHUP), 'renewed' (ready again after it) or 'dying';
before it becomes so, or at once after. Options in the file DIR/orders.NAME hold too, so that a new
process can behave unlike the old one.

--tcp HOST:PORT, --unix PATH   where it listens once it is ready; a port that is in use is tried again and again
--reuse                        several may listen at that port (SO_REUSEPORT)
--fd                           it listens at the socket that is its stdin
--tls FILE                     it speaks TLS there, with the certificate and key in the file
--notify                       it says READY=1; --by child: a child of its own says so
--slow S                       it becomes ready after S seconds, and again after SIGHUP
--gate                         it becomes ready, and again after SIGHUP, only once there is DIR/gate; see open_gate
--never                        it never becomes ready
--answer HOW                   ok (HTTP 200), busy (503), silent (none), garbage, reset
--first HOW --until S          ... so until S seconds after the start
--last S                       it dies S seconds after it became ready
--exit N                       ... with this exit status; without --last at once
--stop S                       on SIGTERM it takes S seconds to exit
--hold                         on SIGTERM it waits until there is the file DIR/may-stop; see Server.let_stop
--hup HOW                      on SIGHUP: renew (not ready for --slow seconds), or an answer as above from then on;
                               prompt: it says READY=1 as fast as it can, and does nothing else any more
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

RETRY = 0.02  # seconds until a port that is in use is tried again


# -- for tests -------------------------------------------------------------------------------


def service(*options: str, name: str = '%(group_name)s:%(process_num)d') -> str:
    """The command of a service in a configuration file."""
    return ' '.join([sys.executable, '-S', '-E', __file__, name, '%(here)s', *options])


def unix() -> dict[str, str]:
    """The settings of a program whose processes listen at a unix socket each, by which they are
    ready.
    """
    path = '%(here)s/%(group_name)s.%(process_num)d'
    return {'command': service('--unix', path), 'environment': f'RESTARTER_READY="unix://{path}"'}


def order(directory: Path, name: str, *options: str) -> None:
    """Have the next process of that name ('web:0') behave so; without options as the command says."""
    (directory / f'orders.{name}').write_text(' '.join(options))


def address() -> str:
    """A loopback address (Linux has 2 ** 24) that no other test uses, so that every port is free."""
    chance = random.SystemRandom()
    return f'127.{chance.randrange(1, 255)}.{chance.randrange(256)}.{chance.randrange(1, 255)}'


def open_gate(directory: Path) -> None:
    """Let services with --gate become ready."""
    (directory / 'gate').touch()


def close_gate(directory: Path) -> None:
    """Let no further service with --gate become ready."""
    (directory / 'gate').unlink()


class Mark(NamedTuple):
    """Something that a service has done."""

    time: float
    pid: int
    name: str
    what: str


def marks(directory: Path, what: str = '') -> list[Mark]:
    """What services have done, in order; only this, if given."""
    # A line that is being written is left out.
    text = (directory / 'marks').read_text() if (directory / 'marks').exists() else ''
    lines = text[: text.rfind('\n') + 1].splitlines()
    found = [
        Mark(float(time), int(pid), name, done) for time, pid, name, done in map(str.split, lines)
    ]
    return sorted(mark for mark in found if what in ('', mark.what))


def mark(directory: str | Path, pid: int, name: str, what: str) -> None:
    """Note down that a service does something now."""
    with open(f'{directory}/marks', 'ab', buffering=0) as file:
        file.write(f'{time.monotonic():.6f} {pid} {name} {what}\n'.encode())


def ready_after(
    directory: Path, group: str = 'web', what: str = 'stopped', since: float = 0.0
) -> list[int]:
    """How many processes of the group were ready after each one that was ready and then, after the
    monotonic time `since`, became `what`.
    """
    ready: set[int] = set()
    counts = []
    for one in marks(directory):
        if one.name.partition(':')[0] != group:
            continue
        if one.what in ('ready', 'renewed'):
            ready.add(one.pid)
        elif one.pid in ready:
            ready.remove(one.pid)
            if one.what == what and one.time > since:
                counts.append(len(ready))
    return counts


# -- the program -----------------------------------------------------------------------------


class Service:
    """Serves one connection after the other."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.began = time.monotonic()
        self.answer = options.answer
        self.renewing = False
        self.silent: list[socket.socket] = []  # connections that are kept open without an answer
        self.listener: socket.socket | None = None
        self.tls: Any = None
        if options.tls:
            import ssl

            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(options.tls)

    def mark(self, what: str) -> None:
        mark(self.options.directory, os.getpid(), self.options.name, what)

    def stop(self, signum: int, frame: object) -> None:
        self.mark('stopped')
        if self.listener and not self.options.fd:
            self.listener.close()
        if self.options.hold:
            self.wait_for('may-stop')
        time.sleep(self.options.stop)
        os._exit(0)

    def wait_for(self, file: str) -> None:
        while not os.path.exists(f'{self.options.directory}/{file}'):
            time.sleep(0.01)

    def renew(self, signum: int, frame: object) -> None:
        self.mark('signalled')
        if self.options.hup == 'renew':
            self.renewing = True
        else:
            self.answer = self.options.hup

    def run(self) -> int:
        options = self.options
        if options.hup == 'prompt':
            self.be_prompt()
        if options.exit is not None and options.last is None:
            self.mark('dying')
            return int(options.exit)
        if options.never:
            while True:
                signal.pause()
        self.be_slow()
        self.get_ready('ready')
        ready_at = time.monotonic()
        while options.last is None or time.monotonic() < ready_at + options.last:
            if self.renewing:
                self.get_unready()
                self.be_slow()
                self.get_ready('renewed')
            self.serve(0.05 if options.last is None and not options.hup else 0.01)
        self.mark('dying')
        return int(options.exit or 0)

    def be_prompt(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            path = os.environ.get('NOTIFY_SOCKET')
            if path:
                sender.connect(path)
                sender.send(b'READY=1')
            self.mark('ready')
            signals, wait, send = {signal.SIGHUP}, signal.sigwait, sender.send
            while True:
                wait(signals)
                if path:
                    send(b'READY=1')

    def be_slow(self) -> None:
        time.sleep(self.options.slow)
        if self.options.gate:
            self.wait_for('gate')

    def get_ready(self, what: str) -> None:
        self.renewing = False
        if self.options.fd:
            self.listener = socket.socket(fileno=os.dup(0))
            self.listener.setblocking(False)  # several processes are woken by one connection
        elif self.options.unix or self.options.tcp:
            self.listener = self.bound()
        self.mark(what)
        if self.listener and not self.options.fd:
            self.listener.listen(100)
        if self.options.notify:
            self.notify()

    def get_unready(self) -> None:
        if self.listener and not self.options.fd:
            self.listener.close()
        self.listener = None

    def bound(self) -> socket.socket:
        if self.options.unix:
            listener = socket.socket(socket.AF_UNIX)
            if os.path.exists(self.options.unix):
                os.unlink(self.options.unix)
            listener.bind(self.options.unix)
            return listener
        host, _, port = self.options.tcp.rpartition(':')
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.options.reuse:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        while True:
            try:
                listener.bind((host, int(port)))
            except OSError:
                time.sleep(RETRY)
            else:
                return listener

    def notify(self) -> None:
        path, parent = os.environ.get('NOTIFY_SOCKET'), os.getpid()
        if path and (self.options.by != 'child' or os.fork() == 0):
            with (
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
                contextlib.suppress(OSError),
            ):
                # that nobody listens is no error for sd_notify
                sender.sendto(b'STATUS=up\nREADY=1\n', path)
            if self.options.by == 'child':
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                while os.getppid() == parent:  # nobody else would end it
                    time.sleep(0.05)
                os._exit(0)

    def serve(self, seconds: float) -> None:
        if self.listener is None:
            time.sleep(seconds)
        elif select.select([self.listener], [], [], seconds)[0]:
            try:
                connection = self.listener.accept()[0]
                if self.tls:
                    connection.settimeout(5.0)
                    connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:
                return  # another process has taken it, or it is no good
            ANSWERS[self.how()](self, connection)

    def how(self) -> str:
        first = self.options.first and time.monotonic() < self.began + self.options.until
        return str(self.options.first if first else self.answer)


def ok(service: Service, connection: socket.socket) -> None:
    respond(connection, b'HTTP/1.0 200 OK\r\n\r\nfine')


def busy(service: Service, connection: socket.socket) -> None:
    respond(connection, b'HTTP/1.0 503 Not Yet\r\n\r\n')


def garbage(service: Service, connection: socket.socket) -> None:
    respond(connection, bytes(range(256)) * 40)


def respond(connection: socket.socket, answer: bytes) -> None:
    with connection:
        try:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(0.2)
            while connection.recv(65536):
                pass  # closed with something unread, it would be a reset
        except OSError:
            pass  # the other end needs no more


def silent(service: Service, connection: socket.socket) -> None:
    service.silent.append(connection)


def reset(service: Service, connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


ANSWERS: dict[str, Callable[[Service, socket.socket], None]] = {
    'ok': ok,
    'busy': busy,
    'garbage': garbage,
    'silent': silent,
    'reset': reset,
}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument('name')
    parser.add_argument('directory')
    for option in ('--tcp', '--unix', '--tls', '--by', '--hup', '--first'):
        parser.add_argument(option)
    for option in ('--fd', '--notify', '--never', '--gate', '--hold', '--reuse'):
        parser.add_argument(option, action='store_true')
    for option in ('--slow', '--stop', '--until'):
        parser.add_argument(option, type=float, default=0.0)
    parser.add_argument('--last', type=float)
    parser.add_argument('--exit', type=int)
    parser.add_argument('--answer', default='ok')
    known = parser.parse_args()
    orders = Path(known.directory, f'orders.{known.name}')
    arguments = sys.argv[1:] + (orders.read_text().split() if orders.exists() else [])
    service = Service(parser.parse_args(arguments))
    signal.signal(signal.SIGTERM, service.stop)
    if service.options.hup:
        signal.signal(signal.SIGHUP, service.renew)
    return service.run()


if __name__ == '__main__':
    sys.exit(main())
