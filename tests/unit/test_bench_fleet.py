"""What bench.fleet makes of what Ansible and the processes said, and the page that shows it."""

import json

import pytest

from bench import fleet
from bench.lab import LabError
from tests.pages import page

# Two of 32: one is told to stop and started anew, while it is away so is the other.
NOTES = ['T 00', 'S 00', 'T 01', 'R 00', 'S 01', 'R 01']


def told(changed, *durations):
    """What the callback ansible.posix.json prints, as far as it is read. durations: seconds."""
    tasks = [
        {
            'task': {
                'duration': {
                    'start': '2026-01-31T23:59:50.500000Z',
                    'end': f'2026-01-31T23:59:{50 + seconds}.500000Z',
                }
            }
        }
        for seconds in durations
    ]
    stats = {'host': {'changed': changed, 'ok': len(durations)}}
    return {'plays': [{'tasks': tasks}], 'stats': stats}


def test_the_figures_are_those_of_all_tasks_and_processes():
    found = fleet.figures_of(told(1, 2, 3), NOTES, 6.5)
    assert found == fleet.Figures(5.0, 6.5, 2, 30, True, 2)


def test_nothing_was_touched():
    found = fleet.figures_of(told(0, 1), [], 2.5)
    assert found == fleet.Figures(1.0, 2.5, 0, 32, False, 1)


def test_a_process_is_ready_when_it_says_so_and_until_it_is_told_to_stop():
    assert [fleet.ready(NOTES[:count]) for count in range(7)] == [0, 0, 0, 0, 1, 1, 2]


def test_the_median_is_taken_of_what_is_measured():
    rounds = [
        fleet.Figures(1.0, 6.0, 32, 24, True, 1),
        fleet.Figures(2.0, 4.0, 32, 25, True, 1),
        fleet.Figures(3.0, 5.0, 64, 26, True, 1),
    ]
    assert fleet.median(rounds) == fleet.Figures(2.0, 5.0, 32, 25, True, 1)
    with pytest.raises(LabError, match='disagree'):
        fleet.median([*rounds, rounds[0]._replace(changed=False)])


def test_the_results_say_how_to_repeat_them():
    row = fleet.Row('restart', 'x', fleet.Figures(1.234, 5.0, 32, 0, True, 1))
    text = fleet.document([row], {'python': '3'}, 5)
    assert text['repeat'] == 'make ansible-bench ROUNDS=5'
    assert text['results'] == [
        {
            'situation': 'restart',
            'play': 'x',
            'figures': {
                **{'task': 1.23, 'play': 5.0, 'started': 32, 'lowest': 0},
                **{'changed': True, 'ok': 1},
            },
        }
    ]


def test_the_page_shows_what_was_measured():
    results = json.loads(fleet.RESULTS.read_text(encoding='utf-8'))
    heading = '## Compared with community.general.supervisorctl'
    section = page('fleet').partition(f'\n{heading}\n')[2].partition('\n## ')[0]
    shown = [line for line in section.splitlines() if line.startswith('|')]
    assert shown == fleet.table(results['results']), f'docs/fleet.md, {heading}'
    assert f'`{results["repeat"]}`' in section
