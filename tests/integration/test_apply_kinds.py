"""Applying files in which fcgi programs, event listeners and the types of programs change."""

from __future__ import annotations

import socket

import pytest

from supervisor_restarter.faults import Code
from tests.integration.applying import at_once, by_name, section
from tests.integration.asking import Asker
from tests.integration.server import lines_of
from tests.integration.service import address, marks, service
from tests.integration.test_fcgi import is_open

# An event listener that notes down what it gets, and does not answer before it is let.
PATIENT_LISTENER = """\
#!/bin/sh
# FILE GATE
while printf 'READY\\n' && read -r header; do
    payload=$(dd bs=1 count="${header##*len:}" 2> /dev/null)
    printf '%s\\n' "$payload" | tr '\\n' ' ' >> "$1"
    echo >> "$1"
    while ! [ -e "$2" ]; do sleep 0.02; done
    printf 'RESULT 2\\nOK'
done
"""


# -- fcgi programs -------------------------------------------------------------------------------


def fcgi(site, url, count=3, **settings):
    command = service('--fd', '--notify', '--slow', '0.05')
    given = {'socket': url, 'environment': 'RESTARTER_READY="notify"', **settings}
    return section(site.name, command, count, 'fcgi-program', **given)


def set_up(site, text, count=3):
    old = site.set_up(text, count=count)
    site.server.wait(
        lambda: {one.pid for one in marks(site.server.dir, 'ready')} >= set(site.pids().values()),
        'services',
    )
    return old


def roll_under_load(site, *addresses):
    """Apply, while a client asks. The apply, and what was refused."""
    with Asker(*addresses) as client:
        site.server.wait(lambda: client.answers > 0, 'an answer')
        struct = site.apply(max_unavailable=1)
        answered = client.answers
        site.server.wait(lambda: client.answers > answered + 5, 'more answers')
    return struct, client.refused


def test_a_new_version_on_the_same_socket(site):
    at = address()
    old = set_up(site, fcgi(site, f'tcp://{at}:8000'))
    mark = site.server.log_size()
    site.edit(('--slow 0.05', '--slow 0.06'))
    struct, refused = roll_under_load(site, (at, 8000))
    assert (struct['state'], struct['lowest_ready']) == ('succeeded', 2)
    assert refused == []
    assert not set(old.values()) & set(site.pids().values())
    assert f'socket tcp://{at}' not in site.server.log_text(mark)
    site.check()


def test_another_port_is_opened_before_the_old_one_is_let_go(site):
    at = address()
    old = set_up(site, fcgi(site, f'tcp://{at}:8000'))
    site.edit((f'{at}:8000', f'{at}:8001'))
    struct, refused = roll_under_load(site, (at, 8001), (at, 8000))
    assert (struct['state'], struct['lowest_ready']) == ('succeeded', 2)
    assert refused == []
    assert not set(old.values()) & set(site.pids().values())
    site.server.wait(lambda: not is_open(at, 8000), 'end of the old socket')
    site.check()
    site.server.rpc().supervisor.stopProcessGroup(site.name)
    site.server.wait(lambda: not is_open(at, 8001), 'end of the new socket')


def test_another_backlog_on_the_same_port(site):
    at = address()
    set_up(site, fcgi(site, f'tcp://{at}:8000', socket_backlog=5))
    site.edit(('socket_backlog=5', 'socket_backlog=50'))
    struct, refused = roll_under_load(site, (at, 8000))
    assert (struct['state'], struct['total']) == ('succeeded', 0)
    assert refused == []
    site.check()


def test_a_unix_socket_with_another_mode(site):
    path = f'{site.server.dir}/{site.name}.sock'
    set_up(site, fcgi(site, f'unix://{path}', socket_mode='0700'))
    site.edit(('socket_mode=0700', 'socket_mode=0770'))
    struct, refused = roll_under_load(site, path)
    assert (struct['state'], struct['total']) == ('succeeded', 0)
    assert refused == []
    assert (site.server.dir / f'{site.name}.sock').stat().st_mode & 0o777 == 0o770
    site.check()


def test_numprocs_of_an_fcgi_program(site):
    at = address()
    old = set_up(site, fcgi(site, f'tcp://{at}:8000', 2), 2)
    site.edit(('numprocs=2', 'numprocs=3'))
    struct, refused = roll_under_load(site, (at, 8000))
    assert by_name(struct, 'action') == {'2': 'start'}
    assert refused == []
    assert {name: site.pids()[name] for name in old} == old
    site.check()


def test_a_socket_that_cannot_be_bound_is_a_reason_and_nothing_is_stopped(site):
    at = address()
    old = set_up(site, fcgi(site, f'tcp://{at}:8000'))
    mark = site.server.log_size()
    with socket.create_server((at, 8001)):
        site.edit((f'{at}:8000', f'{at}:8001'))
        fault = site.server.fault(site.begin)
    assert fault.faultCode == Code.BAD_STATE
    assert f'{at}:8001' in fault.faultString
    assert site.pids() == old
    assert 'stopped:' not in site.server.log_text(mark)


# -- types ---------------------------------------------------------------------------------------


@pytest.mark.parametrize('kind', ['fcgi-program', 'eventlistener'])
def test_a_program_becomes_something_else_and_a_program_again(site, kind):
    at = address()
    more = {
        'fcgi-program': {'socket': f'tcp://{at}:8000'},
        'eventlistener': {'events': 'TICK_3600'},
    }[kind]
    was = section(site.name, '/bin/sleep 1000', 2)
    old = site.set_up(was, count=2)
    site.write(section(site.name, '/bin/sleep 1000', 2, kind, **more))
    struct = site.apply()
    assert struct['state'] == 'succeeded', struct
    new = site.pids()
    assert set(new) == set(old)
    assert not set(new.values()) & set(old.values())
    assert is_open(at) == (kind == 'fcgi-program')
    site.check()
    site.write(was)
    assert site.apply()['state'] == 'succeeded'
    assert not set(site.pids().values()) & set(new.values())
    site.server.wait(lambda: not is_open(at), 'end of the socket')
    site.check()


# -- event listeners -----------------------------------------------------------------------------


def listener(site, events='REMOTE_COMMUNICATION', **settings):
    script = site.server.dir / f'{site.name}.sh'
    script.write_text(PATIENT_LISTENER)
    at = f'{site.server.dir}/{site.name}'
    return section(
        site.name,
        f'/bin/sh {script} {at}.events {at}.gate',
        kind='eventlistener',
        events=events,
        **settings,
    )


def tell(site, *words):
    for word in words:
        assert site.server.rpc().supervisor.sendRemoteCommEvent(site.name, word) is True


def heard(site):
    return [
        line.partition(f'type:{site.name} ')[2].strip()
        for line in lines_of(site.server.dir / f'{site.name}.events')
        if f'type:{site.name} ' in line
    ]


def test_events_and_buffer_of_a_listener_change_and_none_is_lost(site):
    old = site.set_up(listener(site, buffer_size=20))
    tell(site, 'first')
    site.server.wait(lambda: heard(site) == ['first'], 'the first event')
    tell(site, 'second', 'third')  # they wait in the buffer
    site.write(
        listener(site, 'REMOTE_COMMUNICATION,PROCESS_STATE_STOPPED', buffer_size=30, priority=2)
    )
    struct = site.apply()
    assert (struct['state'], struct['total']) == ('succeeded', 0)
    assert set(at_once(struct).values()) == {'live'}
    assert site.pids() == old
    tell(site, 'fourth')
    (site.server.dir / f'{site.name}.gate').touch()
    site.server.wait(lambda: len(heard(site)) >= 4, 'all events')
    assert heard(site) == ['first', 'second', 'third', 'fourth']
    site.check()

    site.server.rpc().supervisor.stopProcess('bystander:1')
    site.server.wait(
        lambda: any(
            'processname:1 groupname:bystander' in line
            for line in lines_of(site.server.dir / f'{site.name}.events')
        ),
        'an event of the kind that is new',
    )
    site.server.rpc().supervisor.startProcess('bystander:1')
    site.server.wait_state('bystander')


def test_a_listener_is_restarted_with_its_events_kept(site):
    old = site.set_up(listener(site))
    tell(site, 'first')
    site.server.wait(lambda: heard(site) == ['first'], 'the first event')
    tell(site, 'second')
    site.edit(('.gate', '.gate2'))
    struct = site.apply()
    assert struct['state'] == 'succeeded'
    assert site.pids() != old
    (site.server.dir / f'{site.name}.gate2').touch()
    # Supervisor sends again what was not answered.
    site.server.wait(lambda: heard(site)[-2:] == ['first', 'second'], 'all events')
    site.check()
