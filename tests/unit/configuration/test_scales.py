"""Another number of processes than the file's."""

from __future__ import annotations

import pytest

from supervisor_restarter.configuration.scales import Scale
from supervisor_restarter.configuration.twin import Unreadable
from supervisor_restarter.faults import Code, Refusal
from tests.unit.configuration.running import HEAD, actions, program

LISTENER = {'kind': 'eventlistener', 'events': 'TICK_5'}
FCGI = {'kind': 'fcgi-program', 'socket': 'unix://%(here)s/one'}


def applied(one, rollout):
    rollout.begin()
    one.forwards(rollout, rollout.slots)
    rollout.settle()


def scale(one, name, wanted):
    """As setNumprocs does it, when it succeeds."""
    from supervisor_restarter.configuration.rollout import Rollout

    compared = one.planner.scale(name, wanted)
    applied(one, Rollout(one.supervisord, compared, one.look))
    one.planner.keep(name, compared.changes[0].name, compared.scale)


def names(one, group='web'):
    return list(one.group(group).processes)


def test_it_holds_until_the_number_in_the_file_changes(applying):
    one = applying(program(numprocs=2))
    scale(one, 'web', 4)
    assert names(one) == ['0', '1', '2', '3']
    assert one.planner.scaled == {'web': Scale(2, 4)}
    # Over an apply of something else.
    applied(one, one.rollout(program(numprocs=2, umask='1') + program('x')))
    assert names(one) == ['0', '1', '2', '3']
    assert one.process('web', '3').config.umask == 1
    plan = one.plan()
    assert plan['groups'] == []
    assert plan['warnings'] == ['numprocs of web is 4, as setNumprocs has set it; the file has 2']
    assert one.plan(names='x')['warnings'] == []
    # A plan forgets nothing.
    assert actions(one.plan(program(numprocs=3, umask='1') + program('x'))) == {'web:3': 'remove'}
    assert one.planner.scaled == {'web': Scale(2, 4)}
    # Nor does an apply of another group.
    applied(one, one.rollout(names='x'))
    assert one.planner.scaled == {'web': Scale(2, 4)}
    applied(one, one.rollout())
    assert one.planner.scaled == {}
    assert names(one) == ['0', '1', '2']
    one.write(program(numprocs=2, umask='1') + program('x'))
    assert actions(one.plan()) == {'web:2': 'remove'}


def test_what_is_not_kept_does_not_hold(applying):
    one = applying(program(numprocs=2))
    one.planner.scale('web', 4)
    assert one.planner.scaled == {}
    assert one.compare().changes[0].unchanged


def test_the_number_of_the_file_is_no_scale(applying):
    one = applying(program(numprocs=2))
    scale(one, 'web', 5)
    scale(one, 'web', 1)
    assert (names(one), one.planner.scaled) == (['0'], {'web': Scale(2, 1)})
    scale(one, 'web', 2)
    assert (names(one), one.planner.scaled) == (['0', '1'], {})


@pytest.mark.parametrize('kind', [{}, LISTENER, FCGI])
def test_every_kind_of_program(applying, kind):
    one = applying(program(numprocs=1, **kind))
    scale(one, 'web', '3')
    assert names(one) == ['0', '1', '2']


def test_a_program_of_a_group_and_a_number_of_the_environment(applying):
    head = HEAD.replace('[supervisord]', '[supervisord]\nenvironment=N="2"')
    one = applying(
        program('a', numprocs='%(ENV_N)s', process_name='%(program_name)s%(process_num)s')
        + program('b') + '[group:g]\nprograms=b, a\n', head
    )  # fmt: skip
    scale(one, 'a', 3)
    assert names(one, 'g') == ['b', 'a0', 'a1', 'a2']
    assert one.planner.scaled == {'a': Scale(2, 3)}
    assert one.plan(names='g')['warnings'] == [
        'numprocs of a is 3, as setNumprocs has set it; the file has 2'
    ]


def test_processes_that_say_how_many_there_are_restart(applying):
    one = applying(program(numprocs=2, command='/bin/echo %(numprocs)d'))
    compared = one.planner.scale('web', 3)
    [group] = compared.changes
    assert [bool(change.changes) for change in group.processes] == [True, True, False]


@pytest.mark.parametrize(
    ('program_name', 'wanted', 'code', 'text'),
    [
        ('web', 0, Code.BAD_OPTION, 'numprocs = 0 is not allowed: it must be a whole number from 1 '),
        ('web', 'many', Code.BAD_OPTION, "numprocs = 'many' is not allowed"),
        ('web', True, Code.BAD_OPTION, 'numprocs = True is not allowed'),
        ('wep', 2, Code.BAD_GROUP, "no program named 'wep'; did you mean 'web'?"),
        ('', 2, Code.BAD_GROUP, "no program named ''"),
        ('g', 2, Code.BAD_GROUP, "no program named 'g'"),
        (7, 2, Code.BAD_GROUP, 'no program named 7'),
        ('one', 2, Code.BAD_OPTION, '%(process_num) must be present within process_name when '),
        ('twice', 2, Code.BAD_STATE, "several sections define a program 'twice'"),
    ],
)  # fmt: skip
def test_what_cannot_be(applying, program_name, wanted, code, text):
    one = applying(
        program(numprocs=2) + program('one') + program('twice') + program('twice', **LISTENER)
        + program('in') + '[group:g]\nprograms=in\n'
    )  # fmt: skip
    before = one.all_of_it()
    with pytest.raises(Refusal) as info:
        one.planner.scale(program_name, wanted)
    assert info.value.code is code
    assert info.value.text.startswith(f'{code.name}: {text}')
    assert '\n' not in info.value.text
    assert one.all_of_it() == before
    assert one.planner.scaled == {}


@pytest.mark.parametrize(
    'changed',
    [program(numprocs=2, startsecs=9), program(numprocs=3), program(numprocs=2, umask='1')],
)
def test_a_group_that_has_been_changed_otherwise_is_to_be_applied_first(applying, changed):
    one = applying(program(numprocs=2) + program('x'))
    one.write(changed + program('x', startsecs=9))
    with pytest.raises(Refusal, match="BAD_STATE: .* group 'web' .* apply that first"):
        one.planner.scale('web', 4)
    applied(one, one.rollout(names='web'))
    # What is changed elsewhere does not matter.
    scale(one, 'web', 4)
    assert names(one) == ['0', '1', '2', '3']


def test_files_that_make_no_sense(applying):
    one = applying(program(numprocs=2))
    one.write('[program:web]\nnumprocs=x\n')
    with pytest.raises(Unreadable, match="invalid literal for int.* in section 'program:web'"):
        one.planner.scale('web', 4)


def test_a_scale_of_a_program_that_is_gone_says_nothing(applying):
    one = applying(program(numprocs=2) + program('x'))
    scale(one, 'web', 3)
    one.write(program('x'))
    assert one.plan()['warnings'] == []
    applied(one, one.rollout())
    assert one.planner.scaled == {}
