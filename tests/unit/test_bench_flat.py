"""What bench.flat makes of its rounds: figures, aims, the file and the picture. No supervisors."""

import json
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import pytest

from bench import flat, flat_chart, flat_costs, flat_figures, flat_page, page_tables
from bench.flat_figures import Cost, Restart, Row
from bench.lab import LabError
from bench.peers import trees, worker
from tests.pages import ROOT, page

# Three rounds, the second on a machine that is busy with something else.
ROUNDS = {
    'floor': [Restart(0.1), Restart(0.4), Restart(0.1)],
    'before': [Restart(0.3, 200.0), Restart(1.2, 260.0), Restart(0.5, 220.0)],
    'after': [Restart(0.15, 100.0), Restart(0.8, 130.0), Restart(0.2, 132.0)],
}


def grown(**after):
    """The rows of several numbers of processes; after: (of_floor, each), by w200 and the like."""
    return [
        row
        for name, (of_floor, each) in after.items()
        for row in (
            Row(int(name[1:]), 'floor', 0.1, 1.0, 0.0, float('nan')),
            Row(int(name[1:]), 'before', 0.5, 5.0, 2.0, 1.0),
            Row(int(name[1:]), 'after', 0.1 * of_floor, of_floor, each, each / 2.0),
        )
    ]


def judged(rows, costs=()):
    return {aim.text: aim.met for aim in flat_figures.judge(rows, list(costs))}


def test_ratios_are_of_the_same_round():
    floor, before, after = flat_figures.rows(100, ROUNDS)
    assert (floor.last_new, floor.of_floor, floor.each) == (0.1, 1.0, 0.0)
    assert before[2:] == pytest.approx((0.5, 3.0, 2.2, 1.0))
    # Of the medians it would be 0.2 / 0.1 as well, but 130 / 220 = 0.59.
    assert after[2:] == pytest.approx((0.2, 2.0, 1.3, 0.5))


def test_the_percentile_is_a_value_that_was_measured():
    values = [float(number) for number in range(100, 0, -1)]
    assert flat_figures.percentile(values, 0.99) == 100.0
    assert flat_figures.percentile(values, 0.5) == 51.0
    assert flat_figures.percentile([7.0], 1.0) == 7.0


def test_each_number_of_processes_has_its_own_aim():
    met = judged(grown(w200=(1.6, 0.5), w500=(1.6, 0.5), w1000=(2.0, 0.5), w2000=(2.6, 0.5)))
    assert [met[f'{count} processes: last new process / floor'] for count in flat.COUNTS] == [
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ('at_200', 'at_500', 'at_2000', 'met'),
    [(1.0, 1.3, 1.2, [True, True]), (1.0, 1.31, 1.21, [False, False])],
)
def test_processor_time_is_held_to_what_it_was_and_to_its_growth(at_200, at_500, at_2000, met):
    found = judged(grown(w200=(1.0, at_200), w500=(1.0, at_500), w2000=(1.0, at_2000)))
    assert [
        found['500 processes: processor per process / before'],
        found['processor per process, 2000 processes / 200'],
    ] == met


def test_what_was_not_measured_is_not_judged():
    assert list(judged(grown(w300=(9.0, 9.0)))) == []


def test_other_costs_are_held_to_a_limit_or_to_what_they_were():
    costs = [
        Cost('a', 'ms', 100.0, 14.0, 0.14, limit=15.0),
        Cost('b', 'idle', 2.0, 2.3, 1.15, most=1.1),
        Cost('c', 'for information', 1.0, 9.0, 9.0),
    ]
    assert judged([], costs) == {'ms': True, 'idle / before': False}


def test_answers_of_all_rounds_are_taken_together():
    rounds = {'before': [[1.0] * 50, [60.0]], 'after': [[1.0] * 50, [2.0] * 49 + [30.0]]}
    half, longest = flat_costs.waiting('asked', 'waits', rounds)
    assert (half.key, half.before, half.after, half.limit) == ('asked_p50', 1.0, 2.0, None)
    assert (longest.before, longest.after, longest.ratio) == (60.0, 30.0, 0.5)
    assert longest.limit == 50.0


def test_the_file_says_how_to_repeat_it_and_which_aims_are_missed():
    rows, costs = (
        grown(w200=(1.6, 0.5)),
        [Cost('answer', 'getRestart', 118.0, 12.34567, 0.1, 15.0)],
    )
    aims = list(flat_figures.judge(rows, costs))
    text = flat.document(rows, costs, aims, {'before': 'abc'}, 5)
    assert json.loads(json.dumps(text, allow_nan=False)) == text
    assert text['repeat'].endswith('python -m bench.flat --rounds 5')
    assert [aim['met'] for aim in text['aims']] == [False, True]
    assert 'of_before' not in text['restarts'][0]
    assert text['restarts'][2]['of_floor'] == 1.6
    assert text['costs'][0]['after'] == 12.3457
    assert 'most' not in text['costs'][0]


def test_the_tables_of_the_page_are_those_of_the_file():
    found = json.loads((ROOT / 'docs' / 'flat.json').read_text(encoding='utf-8'))
    assert page_tables.filled(page('performance'), flat_page.tables(found)) == page('performance')


def test_tables_are_filled_in_and_nothing_else_is_touched():
    rows = grown(w2000=(2.6, 0.5))
    costs = [Cost('answer', 'getRestart', 118.0, 12.34, 0.1, 15.0)]
    aims = list(flat_figures.judge(rows, costs))
    text = flat.document(rows, costs, aims, {}, 5)
    heads = [f'{head}\n|---|--|\n' for head in flat_page.HEADS]
    once = page_tables.filled('a\n' + 'b\n'.join(heads) + '\nc\n', flat_page.tables(text))
    assert once == (
        f'a\n{heads[0]}| 2,000 | 0.10 | 0.50 (5.0) | 0.26 (2.6) | 2.00 | 0.50 |\n'
        f'b\n{heads[1]}| getRestart | 118.0 | 12.3 |\n'
        f'b\n{heads[2]}| 2000 processes: last new process / floor | 2.60 | 2.5 | **MISSED** |\n'
        '| getRestart | 12.34 | 15 | met |\n\nc\n'
    )
    assert page_tables.filled(once, flat_page.tables(text)) == once
    with pytest.raises(ValueError, match='0 tables begin with'):
        page_tables.filled('nothing', flat_page.tables(text))


def test_the_picture_has_a_line_for_each_of_the_three():
    rows = grown(w200=(1.5, 0.5), w1000=(2.25, 0.75))
    drawn = ElementTree.fromstring(flat_chart.draw(rows, {'python': '3.x'}, 5, 2))
    lines = [
        part.get('class') for part in drawn.iter() if 'line' in (part.get('class') or '').split()
    ]
    assert lines == ['line before', 'line after', 'line floor', 'line before', 'line after']
    text = ' '.join(drawn.itertext())
    assert 'Restarting 200 to 1,000 processes' in text
    assert 'after 2.25' in text
    assert 'before 2.00' in text
    # One for each number of processes that has an aim.
    assert len([part for part in drawn.iter() if part.get('class') == 'aim']) == 2


def test_names_of_lines_that_end_side_by_side_do_not_touch():
    heights = [y for y, _ in flat_chart.apart([(100.0, 'a'), (101.0, 'b'), (40.0, 'c')])]
    assert heights == [40.0, 100.0, 100.0 + flat_chart.CLOSEST]


@pytest.mark.parametrize(('most', 'top'), [(0.55, 0.6), (2.1, 2.5), (9.8, 10.0), (51.0, 60.0)])
def test_a_scale_holds_the_greatest_value_in_round_steps(most, top):
    scale = flat_chart.scale_of([most, 0.1], 2000)
    assert scale.top == pytest.approx(top)
    assert scale.y(most) >= flat_chart.TOP


def test_a_tree_is_that_whose_plugin_is_loaded(tmp_path):
    tree = tmp_path / 'tree'
    package = tree / 'supervisor_restarter'
    package.mkdir(parents=True)
    with pytest.raises(LabError, match='is loaded'):
        trees.of(tree, trees.Many, 'before')
    (package / '__init__.py').touch()
    kind = trees.of(tree, trees.Many, 'before')
    assert (kind.__name__, kind.tree) == ('before', tree)
    assert trees.earlier(str(tree), tmp_path / 'other') == tree


def test_a_commit_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(LabError, match='^git'):
        trees.earlier('no-such-commit', tmp_path)
    assert trees.commit('no-such-commit') == ''


def test_ports_are_free_and_in_a_row(monkeypatch):
    first = flat_costs.free_ports(3)
    with socket.create_server(('127.0.0.1', first + 1)):
        monkeypatch.setattr('random.sample', lambda numbers, count: [first])
        with pytest.raises(LabError, match='no 3 free ports'):
            flat_costs.free_ports(3)


def test_the_listener_takes_connections(tmp_path):
    worker.build(tmp_path / 'listener', flat_costs.LISTENER)
    port = flat_costs.free_ports(1)
    deadline = time.monotonic() + 60
    with subprocess.Popen([tmp_path / 'listener', str(port)]) as process:
        for _ in range(2):
            while True:
                assert time.monotonic() < deadline
                assert process.poll() is None
                try:
                    socket.create_connection(('127.0.0.1', port), timeout=60).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.01)
        process.kill()


@pytest.mark.parametrize(
    'words', [['--rounds', '0'], ['--counts', '0'], ['--counts', '200', '10000']]
)
def test_a_command_line_that_means_nothing_is_refused(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['flat', *words])
    with pytest.raises(SystemExit):
        flat.main()
    assert 'at least one round' in capsys.readouterr().err
