"""What hangs in one group is no matter of another: the probes of each group have their own share."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.integration.server import SECONDS, program
from tests.integration.service import address

HUNG, SOUND = 150, 80


class Answers(threading.Thread):
    """A server that never says a word to who asks for /hung, and is ready for everybody else when
    asked again.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.asked: set[bytes] = set()
        self.kept: list[socket.socket] = []
        self.listener = socket.socket()
        self.listener.bind((address(), 0))
        self.listener.listen(1000)
        self.at = '{}:{}'.format(*self.listener.getsockname())
        self.start()

    def run(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return  # the test is over
            connection.settimeout(SECONDS)
            request = connection.recv(65536)
            if b'/hung' in request:
                self.kept.append(connection)
                continue
            with connection:
                # nobody takes the first good answer for that of a process that does not listen
                connection.sendall(
                    b'HTTP/1.0 %d x\r\n\r\n' % (200 if request in self.asked else 503)
                )
            self.asked.add(request)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.join(SECONDS)
        for one in [self.listener, *self.kept]:
            one.close()


@pytest.fixture
def answers():
    server = Answers()
    yield server
    server.close()


@pytest.mark.parametrize('together', [False, True], ids=['two restarts', 'one restart'])
def test_a_group_whose_probes_hang_does_not_hold_up_another(start, answers, together):
    """It would take minutes, if both had to wait for the same places."""
    server = start(
        ''.join(
            [
                program(
                    'hung',
                    count=HUNG,
                    environment=f'RESTARTER_READY="http://{answers.at}/hung"',
                    autostart='false',
                ),
                program(
                    'sound',
                    count=SOUND,
                    environment=f'RESTARTER_READY="http://{answers.at}/%(process_num)d"',
                    autostart='false',
                ),
            ]
        )
    )
    restarter, endless = server.restarter, {'ready_timeout': 0, 'on_failure': 'continue'}
    hung = restarter.startRestart(['hung', 'sound'] if together else 'hung', endless)
    server.wait(
        lambda: all(process['new_pid'] for process in restarter.getRestart(hung)['processes']),
        'processes',
    )
    sound = hung if together else restarter.startRestart('sound', endless)

    def all_ready():
        phases = [
            process['phase']
            for process in server.rpc().restarter.getRestart(sound)['processes']
            if process['group'] == 'sound'
        ]
        return phases == ['ready'] * SOUND

    server.wait(all_ready, 'healthy processes')
    struct = restarter.getRestart(hung)
    assert struct['state'] == 'running'
    assert {process['phase'] for process in struct['processes'] if process['group'] == 'hung'} == {
        'starting'
    }
    restarter.cancelRestart(hung)
