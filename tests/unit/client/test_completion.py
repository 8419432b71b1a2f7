"""What the shells' completion is answered: which kind of word is wanted, and which ones there are."""

from __future__ import annotations

import io
import threading
import types
from xmlrpc.client import Fault

import pytest

from supervisor_restarter.client import cli, completion
from supervisor_restarter.client.cli_options import COMPLETE, RestartOptions
from supervisor_restarter.client.completion import (
    GROUP_WANTED,
    ID_WANTED,
    LONGEST_QUESTION,
    NAME_WANTED,
    AtCursor,
    at_cursor,
    complete,
    ids,
    names,
    unquoted,
)
from supervisor_restarter.client.screen import Screen
from tests.unit.client.samples import listed
from tests.unit.client.scripted import Script


def info(group, name, state='RUNNING'):
    times = {'pid': 1, 'start': 1, 'now': 2}
    return {'group': group, 'name': name, 'statename': state, 'spawnerr': '', **times}


WEB = [info('web', name) for name in ('10', '9', '0.old', '0', '9.new2', '1.older')]
ALL = [*WEB, info('app', 'app', 'FATAL'), info('apple', 'a'), info('apple', 'b')]


# -- what is wanted ------------------------------------------------------------------------------

NAME, GROUP = AtCursor(NAME_WANTED, '', []), AtCursor(GROUP_WANTED, '', [])
NOTHING = AtCursor('', '', [])


@pytest.mark.parametrize(
    ('before', 'current', 'expected'),
    [
        ('', 'we', NAME),
        ('', '', NAME),
        ('web app', 'x', NAME),
        ('--rolling', '', NAME),
        ('web --delay 3', '', NAME),
        ('--apply', 'we', GROUP),
        ('--apply --plan web', '', GROUP),
        ('--wait', '', AtCursor(ID_WANTED, 'wait', [])),
        ('', '--wait=1', AtCursor(ID_WANTED, 'wait', [])),
        ('--canc', '', AtCursor(ID_WANTED, 'cancel', [])),
        ('--status', '', AtCursor(ID_WANTED, 'status', [])),
        ('--status 7', '', AtCursor('', 'status', [])),
        ('--retry 7', '', NOTHING),
        ('--delay', '', AtCursor('', 'delay', [])),
        ('', '--delay=3', AtCursor('', 'delay', [])),
        ('--nonsense', '', NOTHING),
        ('--apply=3', '', NOTHING),
        ('-c', '/e', AtCursor('', 'c', [])),
        ('-- --apply', '', NAME),
    ],
)
def test_what_is_wanted(before, current, expected):
    assert at_cursor(RestartOptions(Screen(None, None)), before.split(), current) == expected


def test_the_server_is_the_one_that_the_line_names():
    line = ['-c', 'a.conf', '--serverurl', 'http://h', '-ume', '--passw=x', '--json', 'web']
    found = at_cursor(RestartOptions(Screen(None, None)), line, '').connecting
    assert found == ['-c', 'a.conf', '-s', 'http://h', '-u', 'me', '-p', 'x']


@pytest.mark.parametrize(
    ('word', 'meant'),
    [
        ('web:0', 'web:0'),
        ("'web:0", 'web:0'),
        ('"web:0', 'web:0'),
        ("'$X/a'", '$X/a'),
        ('"$X/a"', 'x/a'),
        ('~/a', '/home/me/a'),
        ('"~/a"', '~/a'),
        ('$X/${X}', 'x/x'),
        ('\\$X', '$X'),
        ("it's", "it's"),
        ('$(touch /tmp/no)', '$(touch/tmp/no)'),
        ('', ''),
    ],
)
def test_a_word_as_the_command_gets_it(monkeypatch, word, meant):
    monkeypatch.setenv('X', 'x')
    monkeypatch.setenv('HOME', '/home/me')
    assert unquoted(word) == meant


# -- what there is -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('begun', 'only_groups', 'expected'),
    [
        ('', False, 'app apple web all'),
        ('a', False, 'app apple all'),
        ('al', False, 'all'),
        ('appl', False, 'apple apple:a apple:b'),
        ('app', False, 'app apple'),
        ('app:', False, 'app:app'),
        ('w', False, 'web web:0 web:1.older web:9 web:10'),
        ('web:', False, 'web:0 web:1.older web:9 web:10'),
        ('web:1', False, 'web:1.older web:10'),
        ('nix:', False, ''),
        ('web:*', False, ''),
        ('', True, 'app apple web'),
        ('w', True, 'web'),
    ],
)
def test_names_and_nothing_that_is_aside(begun, only_groups, expected):
    found = names(ALL, begun, only_groups)
    assert [one.word for one in found] == expected.split()


def test_what_a_name_is():
    found = {one.word: one.meaning for one in [*names(ALL, '', False), *names(ALL, 'web:9', False)]}
    assert found['web'] == 'group of 4 processes'
    assert found['app'] == 'FATAL'
    assert found['web:9'] == 'RUNNING'


def test_a_program_of_one_that_is_there_twice_is_one_name():
    found = list(names([info('web', 'web'), info('web', 'web.old', 'STOPPING')], 'w', False))
    assert found == [('web', 'RUNNING')]


RESTARTS = [
    listed('queued', id='4'),
    listed('running', id='3'),
    listed('failed', id='2', groups=('web', 'app')),
    listed('succeeded', id='1'),
]


@pytest.mark.parametrize(
    ('of', 'expected'), [('status', '4321'), ('wait', '4321'), ('cancel', '43'), ('retry', '2')]
)
def test_ids_newest_first_of_restarts_for_which_the_option_makes_sense(of, expected):
    found = {one.word: one.meaning for one in ids(RESTARTS, of)}
    assert list(found) == list(expected)
    assert found.get('2', 'failed: web, app') == 'failed: web, app'


# -- the answer ----------------------------------------------------------------------------------


def asked(monkeypatch, *words, restarter=(), supervisor=()):
    """What the command prints for this question, and what it asked."""
    proxies = types.SimpleNamespace(restarter=Script(*restarter), supervisor=Script(*supervisor))
    monkeypatch.setattr(RestartOptions, 'getServerProxy', lambda self: proxies)
    monkeypatch.setattr(completion, 'LONGEST_QUESTION', None)  # however slow this machine is
    stdout, stderr = io.StringIO(), io.StringIO()
    monkeypatch.setattr('sys.stdout', stdout)
    monkeypatch.setattr('sys.stderr', stderr)
    status = cli.main([COMPLETE, *words])
    assert (status, stderr.getvalue()) == (0, '')
    return stdout.getvalue(), proxies.restarter.calls + proxies.supervisor.calls


@pytest.mark.usefixtures('elsewhere')
def test_a_line_for_each_word(monkeypatch):
    found = asked(monkeypatch, 'web:9', supervisor=[('getAllProcessInfo', ALL)])
    assert found == ('web:9\tRUNNING\n', [('getAllProcessInfo',)])
    found = asked(monkeypatch, '', '--retry', restarter=[('listRestarts', RESTARTS)])
    assert found == ('2\tfailed: web, app\n', [('listRestarts',)])
    assert asked(monkeypatch, '', '--delay') == ('', [])


@pytest.mark.usefixtures('elsewhere')
def test_nothing_moves_the_cursor(monkeypatch):
    odd = [info('w\x1b[2J', '0'), info('w\t2', 'w\t2')]
    found = asked(monkeypatch, 'w', supervisor=[('getAllProcessInfo', odd)])
    assert found[0] == ''
    restarts = [listed('failed', id='2', groups=('w\x1b[2J',))]
    found = asked(monkeypatch, '', '--status', restarter=[('listRestarts', restarts)])
    assert found[0] == '2\tfailed: w\\x1b[2J\n'


@pytest.mark.usefixtures('elsewhere')
@pytest.mark.parametrize(
    'answer', [ConnectionRefusedError(), Fault(1, 'UNKNOWN_METHOD'), 'nonsense', [{}]]
)
def test_whatever_is_wrong_is_no_answer(monkeypatch, answer):
    found = asked(monkeypatch, 'w', supervisor=[('getAllProcessInfo', answer)])
    assert found == ('', [('getAllProcessInfo',)])


@pytest.mark.usefixtures('elsewhere')
def test_no_question_without_a_configuration(monkeypatch):
    assert asked(monkeypatch, 'w', '-c', '/no/such/file') == ('', [])
    assert asked(monkeypatch, 'w', '-s', 'nonsense') == ('', [])


@pytest.mark.usefixtures('elsewhere')
def test_an_answer_that_takes_too_long_is_not_waited_for(monkeypatch):
    assert LONGEST_QUESTION == 0.3
    answered = threading.Event()
    monkeypatch.setattr(completion, 'LONGEST_QUESTION', 0.01)
    monkeypatch.setattr(completion, '_candidates', lambda *words: answered.wait(60) and [])
    stdout = io.StringIO()
    try:
        assert complete(Screen(stdout, None), ['w']) == 0
    finally:
        answered.set()
    assert stdout.getvalue() == ''
