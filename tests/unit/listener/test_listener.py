"""What the listener asks supervisord for, and what it says."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from supervisor import childutils

from supervisor_restarter.client.errors import ClientError, Exit
from supervisor_restarter.faults import Code
from supervisor_restarter.listener import rules
from supervisor_restarter.listener.listener import RETRY_SECONDS, Listener, Supervisord
from supervisor_restarter.listener.protocol import Event
from supervisor_restarter.listener.rulebook import ProcessInfo, RuleBook
from tests.unit.client.samples import info

BUSY = ClientError(
    Exit.BUSY, "BUSY: process group 'web' is being restarted already (restart 3)", Code.BUSY
)
GONE = ClientError(Exit.UNREACHABLE, 'unix:///sock refused connection')
TICK = Event('TICK_5', 'when:1')


class FakeServer:
    """Answers as told: `refusals` are raised by the next starts, `gone` by all calls."""

    def __init__(self):
        self.refusals = []
        self.gone = False
        self.asked = []
        self.everything = [
            ProcessInfo('web', '0', 'RUNNING', 100, 0, 900),
            ProcessInfo('app', 'app', 'RUNNING', 7, 0, 900),
        ]

    def processes(self):
        if self.gone:
            raise GONE
        return self.everything

    def start(self, names, options):
        if self.refusals:
            raise self.refusals.pop(0)
        self.asked.append((tuple(names), options))
        return str(len(self.asked))


def make(server, *whens, watched=(), dry_run=False, sizes=None):
    said: list[str] = []
    made = Listener(
        server,
        [rules.when_rule(when) for when in whens],
        RuleBook(list(watched)),
        {'max_unavailable': 1},
        lambda pids: sizes or {},
        said.append,
        dry_run,
    )
    return made, said


def test_an_event_restarts_the_group():
    server = FakeServer()
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    made.obey(Event('REMOTE_COMMUNICATION', 'type:deploy\n'))
    assert server.asked == [(('web',), {'max_unavailable': 1})]
    assert said == ['REMOTE_COMMUNICATION came: restart 1 of web']


def test_other_events_do_nothing():
    server = FakeServer()
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    for name in ('TICK_5', 'PROCESS_STATE_EXITED', 'NEVER_HEARD_OF'):
        made.obey(Event(name, 'any thing: '))
    assert (server.asked, said) == ([], [])


@pytest.mark.parametrize(
    ('error', 'later', 'after'),
    [(BUSY, TICK, 0), (GONE, Event('PROCESS_LOG_STDOUT', 'x'), RETRY_SECONDS)],
)
def test_what_is_refused_for_now_is_tried_at_the_next_tick_or_a_later_event(
    monkeypatch, error, later, after
):
    now = [1000.0]
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    server = FakeServer()
    server.refusals = [error]
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    made.obey(Event('REMOTE_COMMUNICATION', ''))
    made.obey(Event('PROCESS_LOG_STDOUT', 'x'))  # too soon
    assert server.asked == []
    now[0] += after
    made.obey(later)
    made.obey(later)
    assert len(server.asked) == 1
    assert said[0].startswith(f'REMOTE_COMMUNICATION came: restart of web refused: {error}')
    assert said[1:] == ['REMOTE_COMMUNICATION came: restart 1 of web']


def test_the_same_busy_group_is_told_once():
    server = FakeServer()
    server.refusals = [BUSY] * 3
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    made.obey(Event('REMOTE_COMMUNICATION', ''))
    for _ in range(3):
        made.obey(TICK)
    assert len(said) == 2


def test_what_is_refused_for_good_is_not_tried_again():
    server = FakeServer()
    server.refusals = [ClientError(Exit.USAGE, 'BAD_GROUP: nothing', Code.BAD_GROUP)]
    made, said = make(server, 'REMOTE_COMMUNICATION=web')
    made.obey(Event('REMOTE_COMMUNICATION', ''))
    made.obey(TICK)
    assert said == ['REMOTE_COMMUNICATION came: restart of web refused: BAD_GROUP: nothing']


def test_an_unreachable_supervisord_is_told_with_each_attempt():
    server = FakeServer()
    server.gone = True
    made, said = make(server, 'PROCESS_STATE=web')
    made.obey(Event('PROCESS_STATE_EXITED', 'processname:app groupname:app'))
    made.obey(TICK)
    assert len(said) == 2
    server.gone = False
    made.obey(TICK)
    assert [names for names, _ in server.asked] == [('web',)]


def test_several_events_are_one_restart():
    server = FakeServer()
    server.refusals = [BUSY]
    made, said = make(server, 'PROCESS_STATE=web')
    for name in ('PROCESS_STATE_STOPPED', 'PROCESS_STATE_STARTING'):
        made.obey(Event(name, 'processname:app groupname:app'))
    made.obey(TICK)
    assert len(server.asked) == 1
    assert said[-1] == 'PROCESS_STATE_STOPPED, PROCESS_STATE_STARTING came: restart 1 of web'


EXITED = ('PROCESS_STATE_EXITED', 'processname:0 groupname:web from_state:RUNNING')
SUCCEEDED = ('GROUP_RESTART_SUCCEEDED', 'id:1 groupname:app,web total:2')


@pytest.mark.parametrize(
    ('target', 'name', 'payload'),
    [
        ('web', *EXITED),
        ('0', *EXITED),
        ('*:0', *SUCCEEDED),
        ('all', 'PROCESS_GROUP_ADDED', 'groupname:web\n'),
    ],
)
def test_what_is_about_the_group_itself_is_not_obeyed(target, name, payload):
    server = FakeServer()
    made, said = make(server, f'{name}={target}')
    for _ in range(3):
        made.obey(Event(name, payload))
    assert server.asked == []
    assert len(said) == 1
    assert 'is not obeyed, for it is about ' in said[0]


def test_what_is_about_another_group_is_obeyed():
    server = FakeServer()
    made, said = make(server, 'GROUP_RESTART=web')
    made.obey(Event('GROUP_RESTART_SUCCEEDED', 'id:1 groupname:app total:1'))
    assert len(server.asked) == 1


def test_the_rules_are_looked_at_with_each_tick_and_no_other_event():
    server = FakeServer()
    made, said = make(server, watched=[rules.memory_rule('web=1MB')], sizes={100: 2**21})
    made.obey(Event('PROCESS_STATE_EXITED', 'processname:x groupname:x'))
    assert server.asked == []
    made.obey(Event('TICK_60', ''))
    # What the configuration says does not make a signal of it, and does not leave it down.
    assert server.asked == [
        (('web:0',), {'max_unavailable': 1, 'method': 'restart', 'only_running': False})
    ]
    assert said == ['web:0 uses 2MB (more than 1MB): restart 1 of web:0']
    made.obey(TICK)
    assert len(server.asked) == 1


def test_a_restart_that_was_refused_is_asked_for_at_the_next_tick():
    server = FakeServer()
    server.refusals = [BUSY]
    made, said = make(server, watched=[rules.age_rule('web=1s')])
    made.obey(TICK)
    assert server.asked == []
    made.obey(TICK)
    assert [names for names, _ in server.asked] == [('web:0',)]


def test_a_dry_run_says_what_it_would_do():
    server = FakeServer()
    made, said = make(server, 'TICK_5=app', watched=[rules.age_rule('web=1s')], dry_run=True)
    made.obey(TICK)
    assert server.asked == []
    assert said == [
        'TICK_5 came: would restart app (dry run)',
        'web:0 is 900 s old (more than 1s): would restart web:0 (dry run)',
    ]


def test_a_name_that_matches_nothing_is_told_once_for_as_long_as_it_does():
    server = FakeServer()
    made, said = make(server, watched=[rules.memory_rule('wbe=1MB')])
    for _ in range(3):
        made.obey(TICK)
    assert said == [
        "--memory wbe=1MB: BAD_GROUP: nothing is named or matched by 'wbe'; did you mean 'web'?"
    ]
    server.everything.append(ProcessInfo('wbe', 'wbe', 'STOPPED', 0, 0, 0))
    made.obey(TICK)
    del server.everything[-1]
    made.obey(TICK)
    assert len(said) == 2


def test_the_calls_to_supervisord(monkeypatch):
    infos = [info('web:0'), info('web:0.old')]  # the latter has made way in a surge
    proxy = SimpleNamespace(
        supervisor=SimpleNamespace(getAllProcessInfo=lambda: infos),
        restarter=SimpleNamespace(startRestart=lambda names, options: '-'.join(names)),
    )
    monkeypatch.setattr(childutils, 'getRPCInterface', lambda environment: proxy)
    supervisord = Supervisord({'SUPERVISOR_SERVER_URL': 'unix:///nonexistent'})
    assert supervisord.processes() == [ProcessInfo('web', '0', 'RUNNING', 7, 1000, 60)]
    assert supervisord.start(('web', 'app'), {}) == 'web-app'
    del infos[0]['pid']
    with pytest.raises(ClientError, match='something unexpected'):
        supervisord.processes()
