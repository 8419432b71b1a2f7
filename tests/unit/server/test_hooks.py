"""Replacing what others replace, too. What it means for supervisord is in
tests/integration/test_hooks.py.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest

from supervisor_restarter.server.hooks import replaced


class Poller:
    """Something with a method to be replaced; what it was called with is told with the name of who
    was called.
    """

    def poll(self, told):
        return [*told, 'stock']


def ours(below):
    return lambda *args: below(
        *args[:-1], [*args[-1], 'ours']
    )  # a class's function is given its object, too


def theirs(below):
    @functools.wraps(below)
    def poll(*args):
        return below(*args[:-1], [*args[-1], 'theirs'])

    return poll


@pytest.fixture(params=['instance', 'class'])
def place(request):
    """Where poll() is replaced: in a poller, or in its class."""
    kind = type('Kind', (Poller,), {'poll': Poller.poll})
    return kind() if request.param == 'instance' else kind


def call(place):
    return (place() if isinstance(place, type) else place).poll([])


def wrap(place):
    """As another plugin does it; gives what was there before."""
    found = place.poll
    place.poll = theirs(found)
    return found


def test_ours_is_called_until_undo(place):
    before = dict(vars(place))
    hook = replaced(place, 'poll', ours)
    assert call(place) == ['ours', 'stock']
    hook.undo()
    assert call(place) == ['stock']
    assert dict(vars(place)) == before
    hook.undo()
    assert dict(vars(place)) == before


def test_what_was_there_before_is_put_back(place):
    wrap(place)
    before = vars(place)['poll']
    hook = replaced(place, 'poll', ours)
    assert call(place) == ['ours', 'theirs', 'stock']
    hook.undo()
    assert vars(place)['poll'] is before


def test_what_came_later_stays_and_ours_is_revived_beneath_it(place):
    hook = replaced(place, 'poll', ours)
    wrap(place)
    top = vars(place)['poll']
    for _ in range(3):
        assert call(place) == ['theirs', 'ours', 'stock']
        hook.undo()
        assert call(place) == ['theirs', 'stock']
        hook = replaced(place, 'poll', ours)
        assert vars(place)['poll'] is top
    hook.undo()


def test_what_others_put_back_in_place_of_ours_gets_ours_again(place):
    found = wrap(place)
    hook = replaced(place, 'poll', ours)
    place.poll = found  # without a look at what is there by now
    assert call(place) == ['stock']
    hook.keep()
    assert call(place) == ['ours', 'stock']
    hook.undo()
    assert call(place) == ['stock']


def test_others_come_and_go_while_ours_is_there(place):
    hook = replaced(place, 'poll', ours)
    for _ in range(3):
        found = wrap(place)
        hook.keep()
        assert call(place) == ['theirs', 'ours', 'stock']
        place.poll = found
        hook.keep()
        assert call(place) == ['ours', 'stock']
    hook.undo()
    assert call(place) == ['stock']


def test_ours_that_others_put_back_later_passes_on_until_it_is_revived_and_taken_off(place):
    hook = replaced(place, 'poll', ours)
    found = wrap(place)
    hook.undo()
    place.poll = found
    assert call(place) == ['stock']
    hook = replaced(place, 'poll', ours)
    assert call(place) == ['ours', 'stock']
    hook.undo()
    assert call(place) == ['stock']
    assert vars(place).get('poll') is not found


remembered: Any = None


def remember(found):
    """Another plugin that keeps what it has wrapped in a variable of its module."""
    global remembered
    remembered = found
    return lambda told: remembered([*told, 'theirs'])


class Plugin:
    """Another plugin that keeps what it has wrapped as an attribute, or in a table."""

    def __init__(self, place, table):
        self.place, self.found = place, {'poll': place.poll} if table else place.poll
        self.closed = None

    def poll(self, *args):
        found = self.found['poll'] if isinstance(self.found, dict) else self.found
        return found(*args[:-1], [*args[-1], 'theirs'])

    def __call__(self, *args):
        return self.poll(*args)


@pytest.mark.parametrize(
    'how',
    [
        lambda place: Plugin(place, table=False).poll,
        lambda place: Plugin(place, table=True).poll,
        lambda place: Plugin(place, table=False),
        lambda place: functools.partial(lambda found, told: found([*told, 'theirs']), place.poll),
        lambda place: lambda told, found=place.poll: found([*told, 'theirs']),
        lambda place: remember(place.poll),
    ],
    ids=['attribute', 'table', 'object', 'partial', 'default', 'global'],
)
def test_ours_is_found_however_others_keep_it(how):
    poller: Any = Poller()
    hook = replaced(poller, 'poll', ours)
    poller.poll = top = how(poller)
    for _ in range(3):
        assert call(poller) == ['theirs', 'ours', 'stock']
        hook.undo()
        hook = replaced(poller, 'poll', ours)
        assert poller.poll is top or poller.poll == top
    hook.undo()


def test_ours_of_one_place_is_not_taken_for_that_of_another():
    """Another plugin keeps everything that it has wrapped in one table."""
    one, other = Poller(), Poller()
    table = {'one': replaced(one, 'poll', ours), 'other': replaced(other, 'poll', ours)}
    plugin = Plugin(one, table=True)
    plugin.found = {'other': other.poll, 'poll': one.poll}
    one.poll = plugin.poll  # type: ignore[method-assign]
    table['one'].undo()
    assert call(one) == ['theirs', 'stock']
    table['one'] = replaced(one, 'poll', ours)
    assert call(one) == ['theirs', 'ours', 'stock']
    table['other'].undo()
    assert call(one) == ['theirs', 'ours', 'stock']
    assert call(other) == ['stock']


def test_ours_is_called_once_also_where_it_cannot_be_seen(place):
    """Behind something that hides it, the old one passes on, and the new one is taken off again."""
    hook = replaced(place, 'poll', ours)
    hidden = frozenset([wrap(place)])
    place.poll = lambda *args: next(iter(hidden))(*args[:-1], [*args[-1], 'theirs'])
    top = vars(place)['poll']
    for _ in range(3):
        hook.keep()
        assert call(place) == ['ours', 'theirs', 'stock']
        hook.undo()
        assert vars(place)['poll'] is top
        hook = replaced(place, 'poll', ours)
    hook.undo()


def test_ours_is_put_on_top_where_it_was_missed(place):
    """It looks as if theirs called ours, but it does not."""
    hook = replaced(place, 'poll', ours)
    stock: Any = Poller.poll if isinstance(place, type) else Poller.poll.__get__(place)
    found = place.poll
    place.poll = lambda *args, found=found: stock(*args[:-1], [*args[-1], 'theirs'])
    top = vars(place)['poll']
    hook.keep()
    assert call(place) == ['theirs', 'stock']
    for _ in range(3):
        hook.keep(missed=True)
        assert call(place) == ['ours', 'theirs', 'stock']
    hook.undo()
    assert vars(place)['poll'] is top


def test_the_documentation_stays(place):
    type_of: Any = place if isinstance(place, type) else type(place)
    type_of.poll = lambda self, told: told
    type_of.poll.__doc__ = 'What it does.'
    hook = replaced(place, 'poll', ours)
    assert place.poll.__doc__ == 'What it does.'
    hook.undo()
