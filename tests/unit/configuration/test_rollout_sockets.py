"""The listening sockets of fcgi programs: real ones, with clients that connect."""

from __future__ import annotations

import os
import socket
import stat

import pytest

from supervisor_restarter.configuration.rollout import Rollout
from supervisor_restarter.faults import Code, Refusal
from tests.unit.configuration.running import program

FCGI = 'fcgi-program'


def fcgi(path='one', name='web', **keys):
    where = path if '://' in path else f'unix://%(here)s/{path}'
    return program(name, FCGI, **{'socket': where, 'numprocs': 2, **keys})


def free_port():
    with socket.socket() as one:
        one.bind(('127.0.0.1', 0))
        return one.getsockname()[1]


def inode(one, path='one'):
    return os.stat(one.directory / path).st_ino


def answers(one, process, where='one'):
    """Whether the socket that the process has as its standard input is the one that answers."""
    listening = process.fcgi_sock
    listening.settimeout(5)
    with socket.socket(socket.AF_INET if isinstance(where, int) else socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(
                ('127.0.0.1', where) if isinstance(where, int) else f'{one.directory}/{where}'
            )
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        listening.setblocking(False)
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            return False
        with connection:
            connection.sendall(b'x')
            return client.recv(1) == b'x'


def test_processes_get_another_socket_one_after_the_other(applying):
    one = applying(fcgi())
    old_one, old_two = (one.process('web', name) for name in '01')
    rollout = one.rollout(fcgi('two'))
    first, second = rollout.slots
    rollout.begin()
    assert answers(one, old_one)
    one.forwards(rollout, [first])
    assert answers(one, first.process, 'two')
    assert answers(one, old_two)
    # One that supervisord starts by itself now gets the new one, too.
    one.stop('web', '1')
    one.start('web', '1')
    assert answers(one, old_two, 'two')
    one.forwards(rollout, [second])
    assert answers(one, second.process, 'two')
    rollout.settle()
    group = one.group('web')
    assert group.config.socket_config.url == f'unix://{one.directory}/two'
    assert group.socket_manager.get_socket_ref_count() == 2
    for name in '01':
        one.stop('web', name)
    assert not group.socket_manager.is_prepared()


def test_an_added_process_gets_the_other_socket_from_the_beginning(applying):
    one = applying(fcgi())
    rollout = one.rollout(fcgi('two', numprocs=3))
    rollout.begin()
    [added] = [slot for slot in rollout.slots if slot.old is None]
    assert not added.renewed
    one.forwards(rollout, [added])
    assert answers(one, added.process, 'two')
    assert answers(one, one.process('web', '0'))


def test_and_on_the_way_back_they_get_the_old_one(applying):
    one = applying(fcgi())
    before = inode(one)
    rollout = one.rollout(fcgi('two'))
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    rollout.undo()
    # No process has it, and who connects waits.
    assert not (one.directory / 'two').exists()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f'{one.directory}/one')
        one.backwards(rollout, rollout.slots)
        connection, _ = one.process('web', '0').fcgi_sock.accept()
        connection.close()
    assert answers(one, one.process('web', '1'))
    assert inode(one) == before
    rollout.close()
    assert one.group('web').socket_manager.get_socket_ref_count() == 2
    for name in '01':
        one.stop('web', name)
    assert not one.group('web').socket_manager.is_prepared()


def test_a_socket_that_cannot_be_bound(applying):
    one = applying(program('first') + fcgi())
    before = one.all_of_it()
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        for text in (
            fcgi(f'tcp://127.0.0.1:{port}'),
            fcgi() + fcgi(f'tcp://127.0.0.1:{port}', 'zoo'),
        ):
            rollout = one.rollout(program('first', startsecs=9) + text)
            with pytest.raises(Refusal) as info:
                rollout.begin()
            assert info.value.code is Code.BAD_STATE
            assert 'Address already in use; nothing was changed' in info.value.text
            assert '\n' not in info.value.text
            assert one.all_of_it() == before
            assert answers(one, one.process('web', '0'))


def test_other_keys_with_another_path_are_those_of_the_other_socket(applying):
    one = applying(fcgi())
    rollout = one.rollout(fcgi('two', socket_mode='0770'))
    assert rollout.at_once == []
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    assert [stat.S_IMODE(os.stat(one.directory / name).st_mode) for name in ('one', 'two')] == [
        0o700,
        0o770,
    ]


def test_the_mode_of_a_socket(applying):
    one = applying(fcgi(socket_mode='0700'))
    before, process = inode(one), one.process('web', '0')

    def mode():
        return stat.S_IMODE(os.stat(one.directory / 'one').st_mode)

    rollout = one.rollout(fcgi(socket_mode='0770'))
    assert rollout.slots == []
    assert rollout.at_once == [{'group': 'web', 'name': '', 'action': 'live'}]
    rollout.begin()
    assert (mode(), inode(one)) == (0o770, before)
    rollout.undo()
    assert (mode(), inode(one)) == (0o700, before)
    assert answers(one, process)
    one.rollout(fcgi(socket_mode='0750')).begin()
    for name in '01':
        one.stop('web', name)
    # What is opened anew has it, too.
    one.start('web', '0')
    assert mode() == 0o750
    # Also if that was changed while it was closed.
    one.stop('web', '0')
    one.rollout(fcgi(socket_mode='0711')).begin()
    one.start('web', '0')
    assert mode() == 0o711


@pytest.mark.skipif(os.getuid() != 0, reason='only root may give files away')
def test_the_owner_of_a_socket(applying):
    one = applying(fcgi())

    def owner():
        its = os.stat(one.directory / 'one')
        return its.st_uid, its.st_gid

    rollout = one.rollout(fcgi(socket_owner='1:2'))
    rollout.begin()
    assert owner() == (1, 2)
    one.rollout(fcgi(socket_owner='2')).begin()
    assert owner() == (2, 2)
    one.rollout(fcgi()).begin()
    assert owner() == (os.geteuid(), os.getegid())


def test_a_socket_whose_path_is_gone(applying):
    one = applying(fcgi())
    (one.directory / 'one').unlink()
    before = one.all_of_it()
    with pytest.raises(Refusal, match='BAD_STATE: web: .*No such file or directory'):
        one.rollout(fcgi(socket_mode='0770')).begin()
    assert one.all_of_it() == before


@pytest.mark.parametrize('where', ['one', 'tcp'])
def test_the_backlog_of_a_socket(applying, where):
    where = f'tcp://127.0.0.1:{free_port()}' if where == 'tcp' else where
    one = applying(fcgi(where))
    told: list[int] = []
    manager = one.group('web').socket_manager
    its = manager.socket

    class Told:
        def listen(self, backlog):
            told.append(backlog)
            its.listen(backlog)

    manager.socket = Told()
    rollout = one.rollout(fcgi(where, socket_backlog=7))
    assert rollout.slots == []
    rollout.begin()
    rollout.undo()
    assert told == [7, socket.SOMAXCONN]
    manager.socket = its


def test_another_port(applying):
    old, new = free_port(), free_port()
    one = applying(fcgi(f'tcp://127.0.0.1:{old}'))
    rollout = one.rollout(fcgi(f'tcp://127.0.0.1:{new}'))
    rollout.begin()
    first, second = rollout.slots
    one.forwards(rollout, [first])
    assert answers(one, first.process, new)
    assert answers(one, second.process, old)
    rollout.undo()
    one.backwards(rollout, [first])
    assert answers(one, first.process, old)
    rollout.close()
    assert not answers(one, first.process, new)


# -- paths that others listen at --------------------------------------------------------------


def test_a_program_with_another_name_takes_the_path_over_and_gives_it_back(applying):
    one = applying(fcgi(name='old'))
    before, process = inode(one), one.process('old', '0')
    rollout = one.rollout(fcgi(name='new'))
    rollout.begin()
    assert inode(one) != before
    added = [slot for slot in rollout.slots if slot.new is not None]
    one.forwards(rollout, added[:1])
    assert answers(one, added[0].process)
    rollout.undo()
    assert inode(one) == before
    assert answers(one, process)
    one.backwards(rollout, added)
    rollout.close()
    assert sorted(os.listdir(one.directory)) == files(one)
    assert list(one.supervisord.process_groups) == ['old']


def files(one):
    """What is in the directory beside what was put aside."""
    return sorted(
        name for name in os.listdir(one.directory) if not name.endswith(f'.{os.getpid()}')
    )


def test_and_keeps_it_at_the_end(applying):
    one = applying(fcgi(name='old'))
    rollout = one.rollout(fcgi(name='new'))
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    rollout.settle()
    assert answers(one, one.process('new', '0'))
    assert sorted(os.listdir(one.directory)) == files(one)


def test_who_connects_to_an_added_group_before_it_has_processes_waits(applying):
    one = applying(program('x'))
    rollout: Rollout = one.rollout(program('x') + fcgi())
    rollout.begin()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f'{one.directory}/one')
        one.forwards(rollout, rollout.slots)
        connection, _ = one.process('web', '0').fcgi_sock.accept()
        connection.close()
    rollout.settle()
    assert one.group('web').socket_manager.get_socket_ref_count() == 2
