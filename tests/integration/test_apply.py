"""Changed configuration files, applied to a real supervisord: what changes in place, what is rolled,
and that nothing else is touched. Afterwards stock `reread` has nothing to say.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.applying import at_once, by_name, held_by, section, variable
from tests.integration.server import lines_of
from tests.integration.service import address, marks, ready_after, service, unix


def web(site, release=1, arguments='', **settings):
    """Four services, ready by a unix socket each."""
    given = unix()
    given['environment'] += f',RELEASE="{release}"'
    given['command'] += arguments
    return section(site.name, **{'count': 4, **given, **settings})


def ready(site, count):
    """Wait until so many services of the site have become ready."""
    site.server.wait(
        lambda: (
            sum(one.name.startswith(f'{site.name}:') for one in marks(site.server.dir, 'ready'))
            >= count
        ),
        f'{count} ready services',
    )


# -- what needs a restart: member by member ------------------------------------------------------


@pytest.mark.parametrize('change', [{'release': 2}, {'arguments': ' --stop 0.01'}])
def test_a_new_version_is_rolled(site, change):
    old = site.set_up(web(site), count=4)
    ready(site, 4)
    site.write(web(site, **change))
    struct = site.apply()
    assert (struct['kind'], struct['state'], struct['why']) == ('apply', 'succeeded', '')
    assert by_name(struct, 'action') == dict.fromkeys('0123', 'restart')
    assert struct['at_once'] == []
    assert (struct['total'], struct['done'], struct['lowest_ready']) == (4, 4, 3)
    assert min(ready_after(site.server.dir, site.name)) == 3
    new = site.pids()
    assert not set(new.values()) & set(old.values())
    assert by_name(struct, 'new_pid') == new
    assert by_name(struct, 'old_pid') == old
    for pid in new.values():
        assert variable(pid, 'RELEASE') == str(change.get('release', 1))
        assert ('--stop' in Path(f'/proc/{pid}/cmdline').read_text()) == ('arguments' in change)
    site.check()


def test_a_call_has_its_own_max_unavailable(site):
    site.set_up(web(site), count=4)
    ready(site, 4)
    site.write(web(site, 2))
    struct = site.apply(max_unavailable='100%')
    assert (struct['state'], struct['lowest_ready']) == ('succeeded', 0)


def test_where_nothing_differs_nothing_is_done(site):
    old = site.set_up(web(site), count=4)
    mark = site.server.log_size()
    struct = site.apply()
    assert (struct['state'], struct['total'], struct['at_once']) == ('succeeded', 0, [])
    assert site.apply('all')['state'] == 'succeeded'
    assert site.pids() == old
    assert not re.search('spawned|stopped|exited', site.server.log_text(mark))
    site.check()


def test_of_two_changed_groups_only_what_was_asked_for_is_applied(site):
    both = [f'{site.name}a', f'{site.name}b']
    site.write(*map(section, both))
    site.stock_add()
    for name in both:
        site.server.wait_state(name)
    before = [site.pids(name) for name in both]
    site.edit(('sleep 1000', 'sleep 2000'))
    assert site.apply(both[0])['groups'] == [both[0]]
    assert site.pids(both[0]) != before[0]
    assert site.pids(both[1]) == before[1]
    [left] = site.server.restarter.planConfig()['groups']
    assert left['group'] == both[1]
    assert site.server.rpc().supervisor.reloadConfig() == [[[], [both[1]], []]]


def test_stock_calls_mean_what_was_applied(site):
    """A group that an apply added, changed, and somebody removes: it can be added without a reread."""
    site.write(section(site.name))
    site.apply()
    site.edit(('sleep 1000', 'sleep 2000'))
    site.apply()
    rpc = site.server.rpc()
    rpc.supervisor.stopProcessGroup(site.name)
    rpc.supervisor.removeProcessGroup(site.name)
    rpc.supervisor.addProcessGroup(site.name)
    site.server.wait_state(site.name)
    pid = site.pids()[site.name]
    site.server.wait(lambda: b'2000' in Path(f'/proc/{pid}/cmdline').read_bytes(), 'its program')


def test_stderr_that_is_redirected_now(site):
    command = "/bin/sh -c 'echo to-stderr >&2; exec /bin/sleep 1000'"
    out = site.server.dir / f'{site.name}.out'
    old = site.set_up(section(site.name, command, stdout_logfile=out))
    site.edit(('startsecs', 'redirect_stderr=true\nstartsecs'))
    struct = site.apply()
    assert by_name(struct, 'action') == {site.name: 'restart'}
    assert site.pids() != old
    site.server.wait(lambda: lines_of(out) == ['to-stderr'], 'output')
    site.check()


# -- numprocs ------------------------------------------------------------------------------------


def test_numprocs_touches_the_surplus_alone(site):
    old = site.set_up(web(site), count=4)
    ready(site, 4)
    site.edit(('numprocs=4', 'numprocs=6'))
    struct = site.apply()
    assert struct['state'] == 'succeeded'
    assert by_name(struct, 'action') == {'4': 'start', '5': 'start'}
    six = site.pids()
    assert {name: six[name] for name in old} == old
    assert set(six) == set('012345')
    info = site.server.info(f'{site.name}:5')
    assert info['statename'] == 'RUNNING'
    assert Path(info['stdout_logfile']).exists()
    site.check()

    mark = site.server.log_size()
    site.edit(('numprocs=6', 'numprocs=3'))
    struct = site.apply()
    assert struct['state'] == 'succeeded'
    assert by_name(struct, 'action') == {'3': 'remove', '4': 'remove', '5': 'remove'}
    assert by_name(struct, 'new_pid') == {'3': 0, '4': 0, '5': 0}
    assert site.pids() == {name: old[name] for name in '012'}
    assert set(re.findall(r'(?:stopped|spawned): (\S+)', site.server.log_text(mark))) == set('345')
    site.check()


def test_an_added_process_is_ready_when_it_says_so(site):
    """... and a whole group that is added, too: one that never does is rolled back."""
    site.write(web(site, arguments=' --slow 0.3'))
    struct = site.apply()
    assert struct['state'] == 'succeeded'
    assert all(seconds >= 0.3 for seconds in by_name(struct, 'ready_seconds').values())
    old = site.pids()
    site.edit(('numprocs=4', 'numprocs=5'))
    assert by_name(site.apply(), 'ready_seconds')['4'] >= 0.3
    site.check()

    site.edit(('numprocs=5', 'numprocs=6'))
    (site.server.dir / f'orders.{site.name}:5').write_text('--never')
    struct = site.apply(ready_timeout=0.5)
    assert struct['state'] == 'rolled_back'
    assert 'not ready within 0.5 s' in struct['why']
    assert {name: site.pids()[name] for name in old} == old
    assert set(site.pids()) == set('01234')


def test_what_goes_is_stopped_when_all_else_is_ready(site):
    """numprocs 4 -> 3 and a new version: four are up for as long as three are not new."""
    site.set_up(web(site), count=4)
    ready(site, 4)
    site.write(web(site, 2, numprocs=3, count=1, process_name='%(process_num)d'))
    struct = site.apply()
    assert by_name(struct, 'action') == {**dict.fromkeys('012', 'restart'), '3': 'remove'}
    assert struct['state'] == 'succeeded'
    *_, last = (
        one.name
        for one in marks(site.server.dir)
        if one.name.startswith(f'{site.name}:') and one.what in ('stopped', 'ready')
    )
    assert last == f'{site.name}:3'
    site.check()


# -- what holds at once: the same pids -----------------------------------------------------------

LIVE = {
    'priority': 7,
    'autostart': 'false',
    'autorestart': 'false',
    'startsecs': 1,
    'startretries': 9,
    'stopsignal': 'USR1',
    'stopwaitsecs': 77,
    'stopasgroup': 'true',
    'killasgroup': 'true',
    'exitcodes': '0,5',
    'environment': 'RESTARTER_MAX_UNAVAILABLE="50%%",RESTARTER_READY_TIMEOUT="9"',
}


def test_all_live_keys_at_once(site):
    """... and then they hold: the stop signal is another, and what dies does not come back."""
    note, script = f'{site.server.dir}/{site.name}.', site.server.dir / f'{site.name}.sh'
    script.write_text(
        f'for name in TERM USR1; do trap "touch {note}$name; exit 0" $name; done\n'
        f'touch {note}$1\n'
        'while :; do sleep 0.02; done\n'
    )
    command = f'/bin/sh {script} %(process_num)d'
    old = site.set_up(section(site.name, command, 2), count=2)
    site.server.wait(
        lambda: all(Path(f'{note}{number}').exists() for number in range(2)), 'both traps'
    )
    mark = site.server.log_size()
    site.write(section(site.name, command, 2, **LIVE))
    struct = site.apply()
    assert (struct['state'], struct['total']) == ('succeeded', 0)
    assert at_once(struct) == {f'{site.name}:0': 'live', f'{site.name}:1': 'live'} | {
        key: 'live' for key in at_once(struct) if key == f'{site.name}:'
    }
    assert site.pids() == old
    assert not re.search('spawned|stopped|exited', site.server.log_text(mark))
    site.check()

    planned = site.server.restarter.planRestart(site.name)
    [policy] = planned['policies']
    assert policy['max_unavailable'] == '50%'
    site.server.rpc().supervisor.stopProcess(f'{site.name}:0')
    assert Path(f'{note}USR1').exists()
    assert not Path(f'{note}TERM').exists()
    os.kill(old['1'], signal.SIGKILL)
    site.server.wait_state(site.name, 'STOPPED', 'EXITED')


def test_a_stop_takes_as_long_as_the_new_configuration_says(site):
    site.set_up(section(site.name, '/bin/sleep 1000', stopwaitsecs=5))
    site.edit(('stopwaitsecs=5', 'stopwaitsecs=55'))
    site.apply()
    id = site.server.restarter.startRestart(site.name)
    assert by_name(site.server.wait_finished(id), 'stop_limit') == {site.name: 55}


def test_the_log_file_is_another_and_no_line_is_lost(site):
    first, second = (site.server.dir / f'{site.name}.{number}' for number in (1, 2))
    script = site.server.dir / f'{site.name}.py'
    script.write_text(
        'import itertools, os, time\n'
        'for number in itertools.count():\n'
        "    os.write(1, b'%d\\n' % number)\n"
        '    time.sleep(0.002)\n'
    )
    old = site.set_up(
        section(site.name, f'{sys.executable} -S -E {script}', stdout_logfile=str(first))
    )
    site.server.wait(lambda: len(lines_of(first)) > 5, 'output')
    site.edit((str(first), str(second)))
    struct = site.apply()
    assert (struct['state'], at_once(struct)) == ('succeeded', {f'{site.name}:{site.name}': 'live'})
    assert site.pids() == old
    site.server.wait(lambda: len(lines_of(second)) > 5, 'output in the new file')
    numbers = [int(line) for line in (*lines_of(first), *lines_of(second))]
    assert numbers == list(range(len(numbers)))
    site.check()


# -- groups --------------------------------------------------------------------------------------


def test_groups_come_and_go_and_change_their_priority(site):
    one, two, three = (f'{site.name}{letter}' for letter in 'abc')
    site.write(section(one, priority=1), section(two, priority=2))
    site.stock_add()
    for name in (one, two):
        site.server.wait_state(name)
    before = site.pids(two)

    site.write(section(two, priority=5), section(three, priority=4))
    struct = site.apply('all')
    assert struct['state'] == 'succeeded'
    assert by_name(struct, 'action') == {three: 'start', one: 'remove'}
    assert [process['name'] for process in struct['processes']][-1] == one
    assert set(struct['groups']) == {one, two, three}
    assert site.pids(two) == before
    assert site.server.states(one) == {}
    assert site.server.states(three) == {three: 'RUNNING'}
    planned = site.server.restarter.planRestart([two, three])['batches']
    assert [one['group'] for batch in planned for one in batch['processes']] == [three, two]
    site.check()


def test_an_added_group_that_is_not_to_start(site):
    site.write(section(site.name, autostart='false'))
    struct = site.apply()
    assert (struct['state'], struct['total']) == ('succeeded', 0)
    assert at_once(struct)[f'{site.name}:{site.name}'] == 'add'
    assert site.server.states(site.name) == {site.name: 'STOPPED'}
    site.check()
    site.write()
    struct = site.apply()
    assert 'drop' in at_once(struct).values()
    assert site.server.states(site.name) == {}
    site.check()


def test_programs_that_move_from_a_group_into_another(site):
    left, right = (f'{site.name}{letter}' for letter in 'ab')

    def grouped(name, *programs):
        members = ','.join(programs)
        return f'[group:{name}]\nprograms={members}\n\n' + ''.join(map(section, programs))

    p, q, r = (f'{site.name}{letter}' for letter in 'pqr')
    site.write(grouped(left, p, q), grouped(right, r))
    site.stock_add()
    for name in (left, right):
        site.server.wait_state(name)
    stay = site.pids(left)[p], site.pids(right)[r]
    site.write(grouped(left, p), grouped(right, q, r))
    struct = site.apply('all')
    assert struct['state'] == 'succeeded'
    assert sorted((one['group'], one['name'], one['action']) for one in struct['processes']) == [
        (left, q, 'remove'),
        (right, q, 'start'),
    ]
    assert (site.pids(left)[p], site.pids(right)[r]) == stay
    assert set(site.pids(left)) == {p}
    assert list(site.pids(right)) == [q, r]
    site.check()


def test_without_prune_groups_that_are_gone_from_the_files_stay(site):
    old = site.set_up(section(site.name))
    site.write()
    struct = site.apply(prune=False)
    assert (struct['state'], struct['total']) == ('succeeded', 0)
    assert site.pids() == old
    assert site.server.rpc().supervisor.reloadConfig() == [[[], [], [site.name]]]
    assert site.apply()['state'] == 'succeeded'
    site.check()


# -- names ---------------------------------------------------------------------------------------


def test_a_renamed_process_takes_the_place_of_its_predecessor(site):
    """... on the same port: the k-th stops, then the k-th of the new ones starts."""
    at = address()
    settings = {
        'command': service('--tcp', f'{at}:80%(process_num)02d', '--slow', '0.05'),
        'environment': f'RESTARTER_READY="tcp://{at}:80%(process_num)02d"',
    }
    site.set_up(section(site.name, count=4, **settings), count=4)
    ready(site, 4)
    site.edit(('process_name=%(process_num)d', 'process_name=new%(process_num)d'))
    struct = site.apply(max_unavailable=1)
    assert (struct['state'], struct['lowest_ready']) == ('succeeded', 3)
    assert site.server.states(site.name) == dict.fromkeys(
        ['new0', 'new1', 'new2', 'new3'], 'RUNNING'
    )
    assert min(ready_after(site.server.dir, site.name)) == 3
    site.check()


# -- processes that are down ---------------------------------------------------------------------


def test_what_is_down_comes_up_only_if_nobody_wanted_it_down(site):
    """Stopped on purpose and ended as expected: the new configuration, no start. FATAL: a start."""
    gate = site.server.dir / f'{site.name}.gate'
    asleep, done, broken = (f'{site.name}{letter}' for letter in 'adb')
    site.write(
        section(asleep, '/bin/sleep 1000'),
        section(done, '/bin/true', autorestart='unexpected'),
        section(broken, f'{gate} 1000', startretries=0),
    )
    site.stock_add()
    site.server.wait_state(asleep)
    site.server.wait_state(done, 'EXITED')
    site.server.wait_state(broken, 'FATAL')
    site.server.rpc().supervisor.stopProcess(asleep)
    gate.symlink_to('/bin/sleep')
    site.edit(('1000', '2000'), ('/bin/true', '/bin/true x'))
    struct = site.apply([asleep, done, broken])
    assert struct['state'] == 'succeeded'
    assert by_name(struct, 'action') == {broken: 'start'}
    assert at_once(struct) == {f'{asleep}:{asleep}': 'later', f'{done}:{done}': 'later'}
    assert [site.server.state(name) for name in (asleep, done, broken)] == [
        'STOPPED',
        'EXITED',
        'RUNNING',
    ]
    site.check()
    site.server.rpc().supervisor.startProcess(asleep)
    pid = site.pids(asleep)[asleep]
    site.server.wait(
        lambda: Path(f'/proc/{pid}/cmdline').read_bytes() == b'/bin/sleep\x002000\0', 'its program'
    )


def test_what_was_stopped_on_purpose_does_not_count(site):
    """One of four is stopped: it takes no room, and stays stopped."""
    site.set_up(web(site), count=4)
    ready(site, 4)
    site.server.rpc().supervisor.stopProcess(f'{site.name}:2')
    site.write(web(site, 2))
    struct = site.apply()
    assert struct['state'] == 'succeeded'
    assert by_name(struct, 'action') == dict.fromkeys('013', 'restart')
    assert site.server.states(site.name) == {**dict.fromkeys('013', 'RUNNING'), '2': 'STOPPED'}
    site.check()


def test_what_is_held_is_stopped_under_its_old_configuration(site):
    """Its stopwaitsecs of before: the new one would kill it."""
    site.set_up(section(site.name, held_by(site.name), stopwaitsecs=600))
    site.server.wait_workers(site.name)
    site.write(section(site.name, held_by(site.name, '--exit', '0'), stopwaitsecs=0))
    id = site.begin()
    struct = site.server.wait_phase(id, 'stopping')
    assert by_name(struct, 'stop_limit') == {site.name: 600}
    site.let_stop()
    assert by_name(site.server.wait_finished(id), 'killed') == {site.name: False}
    site.check()
