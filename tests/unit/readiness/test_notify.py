"""READY=1 from real processes, on the installed release's own loop."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time

import pytest

from supervisor_restarter.readiness import notify
from supervisor_restarter.readiness.notify import LONGEST_MESSAGE, NotifySocket
from tests.unit.readiness.loop import PATIENCE, descriptors

pytestmark = pytest.mark.skipif(not hasattr(socket, 'SO_PASSCRED'), reason='notify needs Linux')

SOCKET = 'import socket, sys; sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n'
SAY_IT = "sender.sendto(b'READY=1', sys.argv[1])\n"
ME = os.getpid()
NOBODY = 65534
AS_NOBODY = f'import os; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n{SAY_IT}'


@pytest.fixture
def listening(loop):
    """An open NotifySocket, in a directory of which nothing may be left."""
    listening = NotifySocket(loop)
    listening.open()
    directory = os.path.dirname(listening.path)
    yield listening
    listening.close()
    assert not os.path.exists(directory)


@contextlib.contextmanager
def somebody():
    """The pid of a process that says nothing."""
    with subprocess.Popen(['cat'], stdin=subprocess.PIPE) as process:
        yield process.pid


def say(listening, message=b'READY=1', pass_fds=()):
    """Send a message from this process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(PATIENCE)
        sender.connect(listening.path)
        if pass_fds:
            socket.send_fds(sender, [message], pass_fds)
        else:
            sender.send(message)


def child_says(listening, program=SAY_IT):
    """A child of this process that says READY=1 and exits; not reaped yet."""
    return subprocess.Popen([sys.executable, '-S', '-E', '-c', SOCKET + program, listening.path])


def test_ready_is_who_says_so(loop, listening):
    assert listening.is_ready(ME) is None
    listening.expect(ME)
    assert listening.is_ready(ME) is False
    loop.turn()
    assert listening.is_ready(ME) is False
    say(listening)
    loop.turn()
    assert listening.is_ready(ME) is True
    assert listening.is_ready(1) is None


@pytest.mark.parametrize(
    ('message', 'counts'),
    [
        (b'READY=1', True),
        (b'STATUS=up\nREADY=1\nMAINPID=1', True),
        (b'READY=1\x00', True),
        (b'\xff\xfe\nREADY=1', True),
        (b'READY=1\n' + b'x' * (LONGEST_MESSAGE - 8), True),
        (b'', False),
        (b'READY=10', False),
        (b' READY=1', False),
        (b'ready=1', False),
        (b'READY=1\r\n', False),
        (b'\x00READY=1', False),
        (b'READY=1\n' + b'x' * (LONGEST_MESSAGE - 7), False),
    ],
    ids=lambda value: repr(value[:20] + value[20:][-5:]) if isinstance(value, bytes) else None,
)
def test_messages(loop, listening, message, counts):
    listening.expect(ME)
    say(listening, message)
    loop.turn()
    assert listening.is_ready(ME) is counts


# -- who is believed ---------------------------------------------------------------------------


def test_a_child_of_who_is_expected_is_believed(loop, listening):
    listening.expect(ME)
    with child_says(listening):
        loop.until(lambda: listening.is_ready(ME))


def test_a_child_that_has_exited_is_believed_until_it_is_reaped(loop, listening):
    listening.expect(ME)
    child = child_says(listening)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    loop.turn()
    assert listening.is_ready(ME)
    child.wait(PATIENCE)


def test_the_nearest_one_is_meant(loop, listening):
    listening.expect(ME)
    with child_says(listening) as child:
        listening.expect(child.pid)
        loop.until(lambda: listening.is_ready(child.pid))
        assert listening.is_ready(ME) is False


def test_strangers_are_not_believed(loop, listening):
    with somebody() as pid:
        listening.expect(pid)
        say(listening)  # the parent of who is expected
        with child_says(listening) as sibling:
            sibling.wait(PATIENCE)
        for _ in range(3):
            loop.turn()
        assert listening.is_ready(pid) is False


def test_a_message_that_does_not_tell_its_sender_is_nobodys():
    assert notify._sender([]) == 0
    assert notify._sender([(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, b'short')]) == 0
    me = notify.CREDENTIALS.pack(ME, 0, 0)
    assert notify._sender([(socket.SOL_SOCKET, socket.SCM_RIGHTS, me)]) == 0


def test_who_is_forgotten_is_not_expected(loop, listening):
    listening.expect(ME)
    listening.forget(ME)
    listening.forget(ME)
    say(listening)
    loop.turn()
    assert listening.is_ready(ME) is None


def test_those_that_are_gone_are_forgotten(listening):
    listening.expect(ME)
    listening.expect(1)
    listening.forget_others([ME, 2])
    assert (listening.is_ready(ME), listening.is_ready(1)) == (False, None)


def test_the_next_ready_can_be_waited_for(loop, listening):
    listening.expect(ME)
    say(listening)
    loop.turn()
    say(listening)  # not read yet when the next one is asked for
    listening.expect(ME)
    loop.turn()
    assert listening.is_ready(ME) is False
    say(listening)
    loop.turn()
    assert listening.is_ready(ME) is True


def test_a_quick_process_may_speak_before_it_is_expected(loop, listening):
    say(listening)
    listening.expect(ME)
    loop.turn()
    assert listening.is_ready(ME) is True


# -- what senders can do -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ('message', 'count'),
    [(b'READY=1', 2), (b'BARRIER=1', 1), (b'x' * 10_000, 200)],
    ids=['ready', 'barrier', 'long'],
)
def test_descriptors_that_are_passed_along_are_closed(loop, listening, count, message):
    reading, writing = os.pipe()
    listening.expect(ME)
    say(listening, message, [writing] * count)
    os.close(writing)
    before = descriptors()
    loop.turn()
    assert descriptors() == before
    assert select.select([reading], [], [], PATIENCE)[0]
    assert os.read(reading, 1) == b''  # nobody has the other end any more
    os.close(reading)
    assert listening.is_ready(ME) is (message == b'READY=1')


@pytest.mark.skipif(not shutil.which('systemd-notify'), reason='systemd-notify is not installed')
def test_systemd_notify(loop, listening):
    listening.expect(ME)
    environment = {**os.environ, 'NOTIFY_SOCKET': listening.path}
    with subprocess.Popen(['systemd-notify', '--ready'], env=environment) as process:
        loop.until(lambda: process.poll() is not None)
    assert process.returncode == 0
    assert listening.is_ready(ME) is True


def test_a_turn_reads_so_many_messages_only(loop, listening, monkeypatch):
    monkeypatch.setattr(notify, 'MOST_MESSAGES', 3)
    listening.expect(ME)
    for message in [b'STATUS=1'] * 3 + [b'READY=1']:
        say(listening, message)
    loop.turn()
    assert listening.is_ready(ME) is False
    loop.turn()
    assert listening.is_ready(ME) is True


def test_a_flood_does_not_hold_up_the_loop(loop, listening):
    without_end = f'while True: {SAY_IT}'
    with somebody() as pid, child_says(listening, without_end) as sender:
        listening.expect(pid)
        loop.until(lambda: loop.seen[0])
        for _ in range(50):
            before = time.thread_time()
            loop.turn()
            assert time.thread_time() - before < 0.2
        sender.kill()
        assert listening.is_ready(pid) is False


# -- the socket --------------------------------------------------------------------------------


def test_everybody_can_send_and_nobody_can_replace_it(listening):
    assert stat.S_IMODE(os.stat(listening.path).st_mode) == 0o666
    assert stat.S_IMODE(os.stat(os.path.dirname(listening.path)).st_mode) == 0o711


def test_children_do_not_inherit_it(loop, listening):
    (descriptor,) = loop.map
    assert not os.get_inheritable(descriptor)
    assert not os.get_blocking(descriptor)


def test_open_and_close_may_be_called_again(loop, listening):
    path = listening.path
    listening.open()
    assert listening.path == path
    assert len(loop.map) == 1
    listening.close()
    listening.close()
    assert listening.path == ''
    assert not os.path.exists(path)
    assert loop.is_clean()
    listening.open()
    listening.expect(ME)
    say(listening)
    loop.turn()
    assert listening.is_ready(ME)


def test_one_that_was_removed_is_made_anew(loop, listening):
    os.unlink(listening.path)
    listening.open()
    listening.expect(ME)
    say(listening)
    loop.turn()
    assert listening.is_ready(ME)


def test_a_socket_that_cannot_be_made(loop, monkeypatch):
    listening = NotifySocket(loop)
    monkeypatch.setattr(tempfile, 'tempdir', '/missing\n')
    monkeypatch.setattr(notify, 'ELSEWHERE', ())
    with pytest.raises(OSError, match='No such file') as caught:
        listening.open()
    assert str(caught.value).isprintable()
    assert listening.path == ''


# -- where other users can reach it ------------------------------------------------------------


@pytest.fixture
def places(monkeypatch):
    """Directories for the socket, from the best to the worst: $TMPDIR and where else it may be."""
    # not below pytest's own, which no other user may enter
    top = tempfile.mkdtemp(prefix='t-', dir='/tmp')
    os.chmod(top, 0o755)
    places = [os.path.join(top, name) for name in ('tmpdir', 'b', 'c')]
    for place in places:
        os.mkdir(place)
        os.chmod(place, 0o1777)
    monkeypatch.setattr(tempfile, 'tempdir', places[0])
    monkeypatch.setattr(notify, 'ELSEWHERE', tuple(places[1:]))
    yield places
    shutil.rmtree(top)


def place_of(listening, for_others):
    """Where the socket comes to be."""
    listening.open(for_others)
    path = listening.path
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o711
    listening.close()
    assert not os.path.exists(path)
    return os.path.dirname(os.path.dirname(path))


def test_it_is_in_the_first_directory_that_everybody_may_enter(loop, places):
    listening = NotifySocket(loop)
    for place, for_others in zip(places, (False, True, False)):
        assert place_of(listening, for_others) == place
        os.chmod(place, 0o700)


def test_every_directory_above_counts_and_what_a_link_leads_to(loop, places):
    listening = NotifySocket(loop)
    inner = os.path.join(places[0], 'inner')
    os.mkdir(inner)
    os.chmod(inner, 0o777)
    os.symlink(inner, os.path.join(places[1], 'link'))
    assert notify.open_to_all(inner)
    assert notify.open_to_all(os.path.join(places[1], 'link'))
    os.chmod(places[0], 0o770)
    assert not notify.open_to_all(inner)
    assert not notify.open_to_all(os.path.join(places[1], 'link'))
    assert place_of(listening, True) == places[1]


def test_a_directory_with_a_long_name_is_passed_over(loop, places, monkeypatch):
    directory = os.path.join(places[0], 'x' * 100)
    os.mkdir(directory)
    monkeypatch.setattr(tempfile, 'tempdir', directory)
    assert place_of(NotifySocket(loop), False) == places[1]


def test_a_directory_that_cannot_be_written_to_is_passed_over(loop, places, monkeypatch):
    def make(prefix, dir):
        if dir == places[0]:
            raise PermissionError(13, 'Permission denied')
        return real(prefix=prefix, dir=dir)

    real = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, 'mkdtemp', make)
    assert place_of(NotifySocket(loop), True) == places[1]


def test_without_a_place_for_everybody_it_serves_supervisords_own_user_only(loop, places):
    for place in places:
        os.chmod(place, 0o700)
    listening = NotifySocket(loop)
    assert place_of(listening, False) == places[0]
    for _ in range(2):  # the second time there is one
        with pytest.raises(OSError, match=f'^notify: .* cannot reach {places[0]}/') as caught:
            listening.open(True)
        assert str(caught.value).isprintable()
    listening.open()
    listening.close()


@pytest.mark.skipif(os.geteuid() != 0, reason='only root can start processes as others')
def test_other_users_reach_it_although_the_directory_of_temporary_files_is_private(loop, places):
    os.chmod(places[0], 0o700)
    listening = NotifySocket(loop)
    listening.open(True)
    listening.expect(ME)
    with child_says(listening, AS_NOBODY):
        loop.until(lambda: listening.is_ready(ME))
    listening.close()


def test_elsewhere_than_on_linux(loop, monkeypatch):
    monkeypatch.delattr(socket, 'SO_PASSCRED')
    with pytest.raises(OSError, match='^notify needs Linux'):
        NotifySocket(loop).open()


# -- in the loop -------------------------------------------------------------------------------


def test_opened_before_the_poll_it_ends_its_sleep(loop):
    listening = NotifySocket(loop)
    listening.expect(ME)

    def open_and_say():
        listening.open()
        say(listening)
        loop.before_poll = lambda: None

    loop.before_poll = open_and_say
    loop.nap = PATIENCE
    began = time.monotonic()
    loop.turn()
    loop.turn()
    assert listening.is_ready(ME)
    assert time.monotonic() - began < PATIENCE / 2
    listening.close()


def test_closed_in_the_turn_in_which_a_message_comes(loop, listening):
    def say_and_close():
        say(listening)
        (number,) = loop.map
        listening.close()
        reading, writing = os.pipe()  # under the same number
        assert number in (reading, writing)
        loop.poller.register_readable(reading)
        os.write(writing, b'x')
        pipe.extend([reading, writing])
        loop.before_poll = lambda: None

    pipe: list[int] = []
    listening.expect(ME)
    loop.before_poll = say_and_close
    loop.turn()
    assert not listening.is_ready(ME)
    assert not listening.readable()
    loop.turn()
    loop.poller.readables.discard(pipe[0])
    assert os.read(pipe[0], 10) == b'x'
    for descriptor in pipe:
        os.close(descriptor)


def test_after_the_end_nothing_comes_any_more(loop, listening):
    listening.expect(ME)
    listening.close()
    listening.expect(ME)
    listening.handle_read_event()
    listening.handle_write_event()
    assert listening.is_ready(ME) is False


def test_what_goes_wrong_ends_the_socket_and_not_supervisord(loop, listening, monkeypatch):
    def fail(sender):
        raise RuntimeError('a mistake')

    monkeypatch.setattr(notify, 'lineage', fail)
    listening.expect(ME)
    say(listening)
    loop.turn()
    assert loop.is_clean()
    assert listening.is_ready(ME) is None  # nobody is waited for any more
    listening.handle_error()


def test_who_has_the_number_in_the_map_keeps_it(loop, listening):
    (number,) = loop.map
    loop.map[number] = another = object()
    listening.close()
    assert loop.map.pop(number) is another
