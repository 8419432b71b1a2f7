"""Commands of programs while a changed configuration is applied: what was is drained as it was
configured, what comes is told as it is configured now.
"""

from __future__ import annotations

import pytest

from tests.integration.applying import by_name
from tests.integration.draining import AFTER, BEFORE, HOOK, Hooks, drained

OLD, NEW = {BEFORE: 'before1', AFTER: 'after1'}, {BEFORE: 'before2', AFTER: 'after2'}
DRAINED = ['before1', 'before1-ended', 'down']
TOLD = ['up', 'after2', 'after2-ended']


class Web:
    """A site with one group, and what its commands do."""

    def __init__(self, site, here):
        self.site, self.here = site, here
        self.hooks = Hooks(site.server, here)

    def section(self, hooks, **settings):
        return drained(self.site.name, hooks=hooks, here=self.here, **settings)

    def set_up(self, count):
        pids = self.site.set_up(self.section(OLD, count=count), count=count)
        self.hooks.wait('up', count)
        self.hooks.forget()
        return pids

    def change(self, hooks=NEW, **settings):
        """The file has another environment from now on, so that the processes restart."""
        more = 'RELEASE="2",RESTARTER_READY="notify"'
        self.site.write(self.section(hooks, more=more, **settings))

    def begin(self, **options):
        return self.site.begin(**options)

    def apply(self, **options):
        return self.site.apply(**options)


@pytest.fixture
def web(site, tmp_path):
    one = Web(site, tmp_path)
    yield one
    one.hooks.wait_none_left()


def test_what_changes_is_drained_as_it_was_and_told_as_it_is(web):
    web.set_up(2)
    web.change(count=2)
    assert web.apply(max_unavailable=1)['state'] == 'succeeded'
    assert web.hooks.words() == (DRAINED + TOLD) * 2
    web.site.check()


@pytest.mark.parametrize(
    ('old', 'new', 'words'), [(OLD, {}, [*DRAINED, 'up']), ({}, NEW, ['down', *TOLD])]
)
def test_a_configuration_with_commands_beside_one_without(web, old, new, words):
    web.site.set_up(web.section(old))
    web.hooks.wait('up')
    web.hooks.forget()
    web.change(new)
    assert web.apply()['state'] == 'succeeded'
    assert web.hooks.words() == words


def test_what_is_removed_is_drained_and_what_is_added_is_told(web):
    web.set_up(2)
    web.site.write(web.section(OLD, count=3))
    assert web.apply()['state'] == 'succeeded'
    assert web.hooks.words() == ['up', 'after1', 'after1-ended']
    assert web.hooks.words('2') == web.hooks.words()
    web.hooks.forget()
    web.site.write(web.section(OLD, count=2))
    assert web.apply()['state'] == 'succeeded'
    assert web.hooks.words() == web.hooks.words('2') == DRAINED
    web.hooks.forget()
    web.site.write('')
    assert web.apply()['state'] == 'succeeded'
    assert [web.hooks.words(name) for name in '01'] == [DRAINED] * 2
    assert web.site.pids() == {}


def test_what_is_removed_and_cannot_be_drained_stays(web):
    pids = web.set_up(2)
    web.hooks.fail('before1')
    web.site.write(web.section(OLD, count=2).replace('numprocs=2', 'numprocs=1'))
    struct = web.apply()
    assert struct['state'] == 'failed'
    assert 'RESTARTER_BEFORE_STOP: exit status 7' in by_name(struct, 'error')['1']
    assert web.site.pids() == pids
    assert web.hooks.words() == ['before1', 'before1-failed', 'after1', 'after1-ended']


def test_what_is_removed_and_stopped_by_others_while_it_is_drained_is_gone(web):
    web.set_up(2)
    web.hooks.hold('before1')
    web.site.write(web.section(OLD, count=2).replace('numprocs=2', 'numprocs=1'))
    id = web.begin()
    web.hooks.wait('before1')
    web.site.server.rpc().supervisor.stopProcess(f'{web.site.name}:1')
    struct = web.site.server.wait_finished(id)
    assert (struct['state'], list(web.site.pids())) == ('succeeded', ['0']), struct
    web.site.check()


def test_other_commands_hold_at_once(web):
    pids = web.set_up(1)
    web.site.write(web.section(NEW))
    assert web.apply()['state'] == 'succeeded'
    assert (web.site.pids(), web.hooks.words()) == (pids, [])
    id = web.site.server.restarter.startRestart(web.site.name)
    assert web.site.server.wait_finished(id)['state'] == 'succeeded'
    assert web.hooks.words() == ['before2', 'before2-ended', 'down', *TOLD]


def test_a_group_that_becomes_another_one_waits_for_all_that_are_drained(web):
    names = {BEFORE: 'before%(process_num)d', AFTER: 'after1'}
    web.site.set_up(web.section(names, count=2), count=2)
    web.hooks.wait('up', 2)
    web.hooks.forget()
    web.hooks.hold('before1')
    socket = f'unix://{web.here}/fcgi'
    web.site.write(web.section(NEW, count=2, kind='fcgi-program', socket=socket, more=''))
    id = web.begin()
    web.hooks.wait('before1')
    web.hooks.wait('down')
    web.site.server.wait(lambda: 0 in web.site.pids().values(), 'exit of the first')
    assert web.site.server.restarter.getRestart(id)['state'] == 'running'
    web.hooks.go('before1')
    assert web.site.server.wait_finished(id)['state'] == 'succeeded'
    assert web.hooks.words().count('after2-ended') == 2
    web.site.check()


# -- the way back --------------------------------------------------------------------------------


def test_a_broken_version_is_drained_and_the_old_one_told(web):
    web.set_up(2)
    web.change(count=2, command='/bin/sleep 1000')  # never ready
    struct = web.apply(max_unavailable=1, ready_timeout=0.5)
    assert struct['state'] == 'rolled_back', struct
    assert web.hooks.words('1') == []
    words = web.hooks.words('0')
    assert words == [*DRAINED, 'before2', 'before2-ended', 'up', 'after1', 'after1-ended']


def test_what_was_added_and_told_is_drained_on_the_way_back(web):
    pids = web.set_up(2)
    web.hooks.hold('after3')
    web.hooks.fail('after3')
    names = {BEFORE: 'before%(process_num)d', AFTER: 'after%(process_num)d'}
    web.site.write(web.section(names, count=4, more='RESTARTER_READY="notify"'))
    id = web.begin()
    web.hooks.wait('after2-ended')
    web.hooks.go('after3')
    struct = web.site.server.wait_finished(id)
    assert (struct['state'], web.site.pids()) == ('rolled_back', pids), struct
    told = ['up', 'after2', 'after2-ended']
    assert web.hooks.words('2') == [*told, 'before2', 'before2-ended', 'down']
    assert web.hooks.words('0') == []


def test_what_cannot_be_told_goes_back(web):
    web.set_up(2)
    web.hooks.fail('after2')
    web.change(count=2)
    struct = web.apply(max_unavailable=1)
    assert struct['state'] == 'rolled_back', struct
    assert 'RESTARTER_AFTER_READY: exit status 7' in struct['why']
    assert web.hooks.words('1') == []
    there = [*DRAINED, 'up', 'after2', 'after2-failed']
    back = ['before2', 'before2-ended', 'down', 'up', 'after1', 'after1-ended']
    assert web.hooks.words('0') == there + back


@pytest.mark.parametrize('end', ['cancel', 'timeout', 'failure'])
def test_turned_back_while_it_is_drained_it_is_put_back(web, end):
    pids = web.set_up(2)
    if end == 'failure':
        web.hooks.fail('before1')
    else:
        web.hooks.hold('before1')
    web.change(count=2)
    id = web.begin(max_unavailable=1, **({'timeout': 1} if end == 'timeout' else {}))
    web.hooks.wait('before1')
    if end == 'cancel':
        web.site.server.restarter.cancelRestart(id)
    struct = web.site.server.wait_finished(id)
    assert (struct['state'], web.site.pids()) == ('rolled_back', pids)
    words = web.hooks.words()
    assert [word for word in words if word != 'before1-failed'] == [
        *('before1', 'after1', 'after1-ended')
    ]


def test_the_old_one_comes_back_though_its_command_is_gone(web, tmp_path):
    lb = tmp_path / 'lb'
    lb.symlink_to(HOOK)
    ready = 'RESTARTER_READY="notify"'
    old = web.section({}, more=f'{ready},RESTARTER_AFTER_READY="{lb} after1"')
    before = web.site.set_up(old)[web.site.name]
    web.hooks.wait('up')
    web.change({}, command='/bin/sleep 1000')  # never ready
    id = web.begin(ready_timeout=2)
    web.site.server.wait(lambda: web.site.pids()[web.site.name] not in (0, before), 'the new one')
    lb.unlink()
    struct = web.site.server.wait_finished(id)
    assert 'then: RESTARTER_AFTER_READY' in by_name(struct, 'error')[web.site.name]
    assert web.hooks.words() == ['up', 'down', 'up']
    assert web.site.server.states(web.site.name) == {web.site.name: 'RUNNING'}
