"""What clients are told of a restart is made once for all of them."""

from __future__ import annotations

import pytest

from supervisor_restarter.engine.answers import process_struct
from supervisor_restarter.server.told import Told
from tests.world import World, group

NAMES = ('web:0', 'web:1', 'web:2')


@pytest.fixture
def operation():
    return group(World(), *NAMES).end()


@pytest.fixture
def told(operation):
    """All of it, noted at the operation's end."""
    noted = Told()
    noted.note(operation, {})
    return noted


def as_they_are(operation):
    return [process_struct(operation, member) for member in operation.members]


def test_all_processes_are_told(told, operation):
    assert told.processes.rows == as_they_are(operation)
    assert len(told.processes.since(-1)) == len(NAMES)


def test_only_what_has_changed_is_made_anew(told, operation):
    first, second, third = told.processes.rows
    operation.members[1].error = 'exit status 1'
    operation.version += 1
    told.note(operation, {})
    assert told.processes.rows[0] is first
    assert told.processes.rows[2] is third
    assert told.processes.rows == as_they_are(operation) != [first, second, third]
    assert told.processes.since(operation.version - 1) == [(1, told.processes.rows[1])]


@pytest.mark.parametrize('place', [0, 2])
def test_processes_that_are_no_longer_of_it_are_not_told(told, operation, place):
    del operation.members[place]
    operation.version += 1
    told.note(operation, {})
    assert told.processes.rows == as_they_are(operation)
    assert len(told.processes.since(operation.version - 1)) == len(NAMES) - 1


def test_a_process_in_the_place_of_another_is_told(told, operation):
    operation.members.reverse()
    told.note(operation, {})
    assert told.processes.rows == as_they_are(operation)


def test_an_operation_that_begins_is_told_anew():
    operation = group(World(), *NAMES).operation
    for member in operation.members:
        member.old_pid = 0  # what it was is known when the operation begins
    told = Told()
    for begun_at, action in ((0.0, 'restart'), (1.0, 'start')):
        operation.begun_at = begun_at
        told.note(operation, {})
        assert {row['action'] for row in told.processes.rows} == {action}
