"""The plan of a changed configuration as a diff."""

from __future__ import annotations

from typing import Any

from supervisor_restarter.client.applies import NOTHING_TO_APPLY
from supervisor_restarter.client.config_plans import config_plan_lines, without_removals
from tests.unit.client.samples import change, changed_group, config_plan, planned_change


def lines(*groups, **others):
    plan: Any = config_plan(*groups, **others)
    return list(config_plan_lines(plan))


def test_nothing_to_apply():
    assert lines(unchanged=4) == [NOTHING_TO_APPLY]


def test_every_kind_of_change():
    waits = change('stopwaitsecs', '10', '20', 'live')
    shown = lines(
        changed_group(
            planned_change('0', 'restart', change(), waits),
            planned_change('1', 'later', change(), waits, state='STOPPED'),
            planned_change('2', 'start', state=''),
            planned_change('3', 'remove', state='FATAL'),
            changes=[change('priority', '1', '2', 'live')],
            unchanged=3,
        ),
        changed_group(planned_change('new', 'add', state=''), name='new', action='add'),
        changed_group(planned_change('old', 'remove'), name='old', action='remove'),
        changed_group(
            planned_change('x', 'restart'),
            name='x',
            action='replace',
            changes=[change('type', 'program', 'fcgi-program')],
        ),
        changed_group(planned_change('api', 'live', waits), name='api'),
        unchanged=3,
        reload=['[supervisord] minfds', '[unix_http_server]'],
        warnings=['Included file is missing'],
    )
    assert shown == [
        'would change 8 processes: restart 2, start 1, remove 2, change 1 live, '
        'change 1 for the next start, add 1 without a start; 3 unchanged',
        'web:',
        '  ~ priority: 1 -> 2 (live)',
        '  web:0: restart',
        '    ~ command: /bin/a -> /bin/b (restart)',
        '    ~ stopwaitsecs: 10 -> 20 (live)',
        '  web:1: change for the next start (STOPPED)',
        '    ~ command: /bin/a -> /bin/b (restart)',
        '    ~ stopwaitsecs: 10 -> 20 (live)',
        '  web:2: start',
        '  web:3: remove (FATAL)',
        'new is new:',
        '  new: add, without a start (autostart=false)',
        'old is no longer in the files:',
        '  old: remove',
        'x becomes another kind of group:',
        '  ~ type: program -> fcgi-program (restart)',
        '  x: restart',
        'api:',
        '  api: change live, no restart',
        '    ~ stopwaitsecs: 10 -> 20 (live)',
        'only a reload of supervisord applies: [supervisord] minfds, [unix_http_server]',
        'warning: Included file is missing',
    ]


def test_keys_that_come_go_or_were_not_set():
    changes = [
        change('environment.A', '', '1', what='added'),
        change('environment.B', '2', '', what='removed'),
        change('directory', '', '/srv'),
        change('environment.C', '', '', what='added'),
    ]
    assert lines(changed_group(planned_change('0', 'restart', *changes)))[3:] == [
        '    + environment.A: 1 (restart)',
        '    - environment.B: 2 (restart)',
        '    ~ directory: (not set) -> /srv (restart)',
        '    + environment.C: (not set) (restart)',
    ]


def numbered(names, old='serve --port {}', new='serve2 --port {}'):
    return [
        planned_change(name, 'restart', change('command', old.format(port), new.format(port)))
        for port, name in enumerate(names, 8000)
    ]


def test_processes_that_differ_in_their_numbers_alone_are_one_entry():
    assert lines(changed_group(*numbered(map(str, range(32)))))[2:] == [
        '  web:0 to web:31 (32): restart',
        '    ~ command: serve --port 8000 -> serve2 --port 8000 (restart)',
        '    (of web:0; the others alike, with other numbers)',
    ]


def test_processes_of_two_programs_are_one_entry_only_if_all_is_the_same():
    different = changed_group(*numbered(['a_0', 'a_1', 'b_0', 'b_1']))
    assert [line for line in lines(different) if line.startswith('  web')] == [
        '  web:a_0, web:a_1 (2): restart',
        '  web:b_0, web:b_1 (2): restart',
    ]
    alike = changed_group(*numbered(['a_0', 'a_1', 'b_0', 'b_1'], 'x', 'y'))
    assert lines(alike)[2:] == [
        '  web:a_0, web:a_1, web:b_0, web:b_1 (4): restart',
        '    ~ command: x -> y (restart)',
    ]


def test_a_change_that_only_some_have_is_an_entry_of_its_own():
    processes = [
        planned_change('0', 'restart', change()),
        planned_change('1', 'restart', change(), change('umask', '022', '077')),
        planned_change('2', 'restart', change()),
    ]
    assert [line for line in lines(changed_group(*processes)) if line.startswith('  web')] == [
        '  web:0, web:2 (2): restart',
        '  web:1: restart',
    ]


def test_a_run_of_numbers_has_no_gaps_and_several_names_are_cut():
    gap = changed_group(*numbered(['1', '2', '4']))
    assert '  web:1, web:2, web:4 (3): restart' in lines(gap)
    many = changed_group(*numbered([f'w{number * 2:02}' for number in range(9)]))
    assert '  web:w00, web:w02, web:w04, web:w06, web:w08 and 4 more (9): restart' in lines(many)
    padded = changed_group(*numbered(['web_08', 'web_09', 'web_10']))
    assert '  web:web_08 to web:web_10 (3): restart' in lines(padded)


def test_renamed_processes_take_the_place_of_others():
    pairs = [('b_0', 'a_0'), ('b_1', 'a_1'), ('b_2', 'a_2')]
    new = [planned_change(name, 'start', state='', follows=old) for name, old in pairs]
    old = [planned_change(name, 'remove') for _, name in pairs]
    assert lines(changed_group(*new, planned_change('c', 'start', state=''), *old))[2:] == [
        '  web:b_0 to web:b_2 (3): start, in place of web:a_0 to web:a_2',
        '  web:c: start',
        '  web:a_0 to web:a_2 (3): remove',
    ]


def test_groups_alone_may_change():
    assert lines(changed_group(changes=[change('priority', '1', '2', 'live')])) == [
        'would change no process',
        'web:',
        '  ~ priority: 1 -> 2 (live)',
    ]


def test_a_plan_without_removals():
    plan: Any = config_plan(
        changed_group(planned_change('0', 'live')),
        changed_group(planned_change('old', 'remove'), name='old', action='remove'),
        unchanged=2,
    )
    left: Any = without_removals(plan)
    assert [group['group'] for group in left['groups']] == ['web']
    assert (left['total'], left['unchanged']) == (1, 3)
