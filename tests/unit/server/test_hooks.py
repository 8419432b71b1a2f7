"""Replacing what others replace, too, and where that is done. What it means for supervisord is in
tests/integration/test_hooks.py.
"""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import Any

import pytest

from supervisor_restarter.programs import host
from supervisor_restarter.server import hooks
from supervisor_restarter.server.hooks import MOST_IN_CHAIN, replaced

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / 'supervisor_restarter'


class Poller:
    """Something with a method to be replaced; what it was called with is told with the name of who
    was called.
    """

    def poll(self, told):
        return [*told, 'stock']


def saying(name, below):
    """A class's function is given its object, too."""
    return lambda *args: below(*args[:-1], [*args[-1], name])


ours = functools.partial(saying, 'ours')


@pytest.fixture(params=['instance', 'class'])
def place(request):
    """Where poll() is replaced: in a poller, or in its class."""
    kind = type('Kind', (Poller,), {'poll': Poller.poll})
    return kind() if request.param == 'instance' else kind


def call(place):
    return (place() if isinstance(place, type) else place).poll([])


def wrap(place, visibly=True):
    """As another plugin does it; gives what was there before."""
    found = place.poll
    theirs = saying('theirs', found)
    place.poll = functools.wraps(found)(theirs) if visibly else theirs
    return found


either_way = pytest.mark.parametrize('visibly', [True, False])


def test_ours_is_called_until_undo(place):
    before = dict(vars(place))
    hook = replaced(place, 'poll', ours)
    hook.keep()
    assert call(place) == ['ours', 'stock']
    for _ in range(2):
        hook.undo()
        assert call(place) == ['stock']
        assert dict(vars(place)) == before


def test_what_was_there_before_is_put_back(place):
    wrap(place)
    before = vars(place)['poll']
    hook = replaced(place, 'poll', ours)
    assert call(place) == ['ours', 'theirs', 'stock']
    hook.undo()
    assert vars(place)['poll'] is before


@either_way
def test_what_came_later_stays_and_one_of_ours_acts(place, visibly):
    hook = replaced(place, 'poll', ours)
    wrap(place, visibly)
    theirs = vars(place)['poll']
    assert call(place) == ['theirs', 'ours', 'stock']
    for _ in range(3):
        hook.keep()
        both = ['theirs', 'ours'] if visibly else ['ours', 'theirs']
        assert call(place) == [*both, 'stock']
        hook.undo()
        assert call(place) == ['theirs', 'stock']
        assert vars(place)['poll'] is theirs
        hook = replaced(place, 'poll', ours)
    hook.undo()


@either_way
def test_what_others_put_back_in_place_of_ours_gets_ours_again(place, visibly):
    found = wrap(place, visibly)
    hook = replaced(place, 'poll', ours)
    place.poll = found  # without a look at what is there by now
    assert call(place) == ['stock']
    hook.keep()
    assert call(place) == ['ours', 'stock']
    hook.undo()
    assert call(place) == ['stock']


@either_way
def test_others_that_come_and_go_while_ours_is_there_leave_nothing(place, visibly):
    hook = replaced(place, 'poll', ours)
    first = vars(place)['poll']
    for _ in range(3):
        found = wrap(place, visibly)
        hook.keep()
        assert sorted(call(place)) == ['ours', 'stock', 'theirs']
        place.poll = found
        hook.keep()
        assert call(place) == ['ours', 'stock']
        assert vars(place)['poll'] is first
    hook.undo()
    assert 'poll' not in vars(place) or vars(place)['poll'] is Poller.poll


def test_others_that_go_only_if_they_are_on_top_can_go(place):
    """As we do; in each restart, and nothing piles up."""
    for _ in range(3):
        hook = replaced(place, 'poll', ours)
        found = wrap(place)
        theirs = vars(place)['poll']
        hook.keep()
        assert vars(place)['poll'] is theirs
        place.poll = found
        hook.undo()
        assert call(place) == ['stock']
        assert 'poll' not in vars(place) or vars(place)['poll'] is Poller.poll


@either_way
def test_ours_that_others_put_back_later_passes_on_until_it_is_revived_and_taken_off(
    place, visibly
):
    hook = replaced(place, 'poll', ours)
    found = wrap(place, visibly)
    hook.undo()
    place.poll = found
    assert call(place) == ['stock']
    hook = replaced(place, 'poll', ours)
    assert vars(place)['poll'] is found
    assert call(place) == ['ours', 'stock']
    hook.undo()
    assert call(place) == ['stock']
    assert vars(place).get('poll') is not found


def test_ours_goes_on_top_where_it_was_missed(place):
    """It looks as if theirs called ours, but it does not."""
    hook = replaced(place, 'poll', ours)
    stock = Poller.poll if isinstance(place, type) else functools.partial(Poller.poll, place)
    place.poll = functools.wraps(place.poll)(saying('theirs', stock))
    top = vars(place)['poll']
    hook.keep()
    assert call(place) == ['theirs', 'stock']
    for _ in range(2):
        hook.keep(missed=True)
        assert call(place) == ['ours', 'theirs', 'stock']
    hook.undo()
    assert vars(place)['poll'] is top


def test_with_one_that_insists_on_being_on_top_there_is_an_end_unless_ours_is_missed(place):
    hook = replaced(place, 'poll', ours)
    for _ in range(3 * MOST_IN_CHAIN):
        wrap(place, visibly=False)
        hook.keep()
    told = call(place)
    assert told.count('ours') == 1
    assert told[0] == 'theirs'
    hook.keep(missed=True)
    assert call(place)[:2] == ['ours', 'theirs']
    hook.undo()
    assert 'ours' not in call(place)


def test_one_that_insists_on_being_on_top_makes_no_chain_longer_in_restart_after_restart(place):
    for _ in range(3 * MOST_IN_CHAIN):
        hook = replaced(place, 'poll', ours)
        for _ in range(3):
            if call(place)[0] != 'theirs':
                wrap(place, visibly=False)
            hook.keep()
        assert call(place).count('ours') == 1
        hook.undo()
        assert 'ours' not in call(place)
    assert call(place).count('theirs') <= 2 * MOST_IN_CHAIN


def test_one_that_comes_and_goes_politely_and_unseen_makes_no_chain_longer(place):
    """It takes its own off only where that is on top, as we do."""
    for _ in range(3 * MOST_IN_CHAIN):
        hook = replaced(place, 'poll', ours)
        found = wrap(place, visibly=False)
        theirs = vars(place)['poll']
        hook.keep()
        assert call(place).count('ours') == 1
        if vars(place)['poll'] is theirs:
            place.poll = found
        hook.undo()
        assert 'ours' not in call(place)
    assert call(place).count('theirs') <= MOST_IN_CHAIN


def test_the_documentation_stays(place):
    type_of: Any = place if isinstance(place, type) else type(place)
    type_of.poll = lambda self, told: told
    type_of.poll.__doc__ = 'What it does.'
    hook = replaced(place, 'poll', ours)
    assert place.poll.__doc__ == 'What it does.'
    hook.undo()


# -- the table of all hooks ------------------------------------------------------------------------

ROWS = re.sub(r'\n    ', ' ', hooks.__doc__ or '').split('\n\n')[2].splitlines()
WHAT = ' '.join(row.split(' | ')[0] for row in ROWS)

# What is assigned to attributes of Supervisor's objects, and to items of its tables: these are
# hooks, which the table names.
HOOKED = {
    'config',
    'processes',
    'normallog',
    'childlog',
    'pidhistory',
    'get_socket_map',
    'last_writable_check',
    'ac_out_buffer_size',
    'current_request',
    'restarter_service',
    'dispatch',
    'usage',
    'warn',
    'complete',
    'do_help',
    'default',
}
# The state of one process, as its own spawn() would set it, and settings of a copy that is ours.
STATE = {
    'backoff': 'a new start has all of its startretries',
    'state': 'FATAL again, after an apply that was rolled back',
    'spawnerr': 'the reason why there is no child',
    'dispatchers': 'closed with the pipes where there is no child',
    'pipes': 'the same',
    'options': 'of a copy of its config',
    'stopwaitsecs': 'the same',
    'environment': 'the same',
    'restarter_original': 'the same; the name is ours',
    'restarter_aside': 'the process lies aside; the name is ours',
    'restarter_execed': 'the child is known to be its program; the name is ours',
    'name': 'of a copy of its config, while the process lies aside',
    'autorestart': 'the same',
    'exitstatus': "supervisorctl's own",
    'reply_code': 'of a request that is answered',
    'collector': 'the same',
}
# What an apply changes for good, as Supervisor's own update would; and what a file is read with.
APPLIED = {
    *('config', 'restarter_original', 'laststart'),  # of a process
    *('group', 'processes', 'process_groups', 'process_configs', 'options'),
    *('socket_config', 'socket_manager'),  # of an fcgi group
    *('childlog', 'capturemode'),  # of what reads a process's output
    'process_group_configs',  # of Supervisor's options: what `add` means
}
OF_THE_TWIN = {'configroot', 'environ_expansions', 'process_groups_from_parser', 'supervisord'}
CALLS = ('set_wakeup_fd', 'register_at_fork', 'subscribe', 'register', 'setattr', 'delattr')
# Attributes of our own objects that are called like one of Supervisor's.
OWN = {'handle', 'obituary', 'child', 'member', 'job', 'self', 'answer', 'both'}


def host_attributes():
    return {
        name
        for kind in vars(host).values()
        if isinstance(kind, type) and getattr(kind, '_is_protocol', False)
        for name in getattr(kind, '__annotations__', {})
    }


@functools.cache
def trees(rooms=('programs', 'readiness', 'web', 'server')):
    return [
        (path, ast.parse(path.read_text(encoding='utf-8')))
        for path in sorted(PACKAGE.rglob('*.py'))
        if path.parent.name in rooms or path.name == 'ctlplugin.py'
    ]


def stored(tree):
    """(receiver, name) of each attribute that is assigned to or deleted, and of each table of which
    an item is.
    """
    for node in ast.walk(tree):
        if not isinstance(getattr(node, 'ctx', None), (ast.Store, ast.Del)):
            continue
        if isinstance(node, ast.Subscript):
            table = node.value.func if isinstance(node.value, ast.Call) else node.value
            if isinstance(table, ast.Attribute):
                yield ast.unparse(table.value), table.attr
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node.value), node.attr


def test_this_test_sees_what_is_stored():
    source = (
        'a.b.c = 1\na.d[1] = 2\na.e()[1] = 3\ndel a.f\na.g += 1\nx, a.h = 1, 2\nfor a.i in j: y = k'
    )
    assert {name for _, name in stored(ast.parse(source))} == set('cdefghi')


def test_what_is_assigned_to_supervisors_objects_is_hooked_or_state_of_one_process():
    tables = {'get_socket_map', 'dispatch', 'complete', 'do_help', 'default', 'last_writable_check'}
    found = {
        name
        for _, tree in trees()
        for receiver, name in stored(tree)
        if name in host_attributes() | tables and receiver not in OWN
    }
    assert found == HOOKED | set(STATE)


def test_what_an_apply_changes_is_what_the_page_says():
    found = {
        (name, receiver.partition('.')[0] == 'twin')
        for path, tree in trees(('configuration',))
        if path.parent.name == 'configuration'
        for receiver, name in stored(tree)
        if name in host_attributes() and receiver not in OWN
    }
    assert {name for name, of_twin in found if not of_twin} == APPLIED
    assert {name for name, of_twin in found if of_twin} == OF_THE_TWIN
    page = (ROOT / 'docs' / 'hooks.md').read_text(encoding='utf-8')
    said = page.partition('## What an apply changes')[2]
    own = {'restarter_original', 'childlog', 'capturemode', 'options', 'group'}
    assert {name for name in APPLIED - own if f'{name}`' not in said} == set()


def test_what_is_hooked_is_in_the_table():
    assert {name for name in HOOKED if name not in WHAT} == set()


def test_calls_that_hook_something_are_where_the_table_says():
    found = {
        (ast.unparse(node.func).rpartition('.')[2], path.name)
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition('.')[2] in CALLS
    }
    own = {('setattr', 'hooks.py'), ('delattr', 'hooks.py')}
    own |= {('register', 'metrics.py')}  # with a registry of prometheus_client
    assert own <= found
    for name, file in found - own:
        assert [row for row in ROWS if name in row and file in row], (name, file)


def test_the_table_names_every_event_and_every_place_of_replaced():
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if ast.unparse(node.func) == 'events.subscribe':
                assert ast.unparse(node.args[0]).partition('.')[2] in WHAT
            if ast.unparse(node.func) == 'replaced':
                assert [row for row in ROWS if 'Replacement.undo()' in row and path.name in row]


def test_the_page_for_users_names_the_same():
    said = ' '.join(path.read_text(encoding='utf-8') for path in (ROOT / 'docs').glob('*.md'))
    names = re.findall(r'[\w]+\.[\w.]+|[a-z]+[A-Z]\w+|[A-Z]\w+Event|\w+_\w+', WHAT)
    assert len(names) > 15
    missing = {name for name in names if name.rpartition('.')[2] not in said}
    assert missing == set()
