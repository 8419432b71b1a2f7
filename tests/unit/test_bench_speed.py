"""What bench.speed makes of what the workers wrote: figures, aims and the picture. No supervisors."""

import json
import os
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench import chart, page_tables, speed, speed_page
from bench.lab import LabError
from bench.peers import aims, base, supervisors, worker
from bench.peers.worker import Note
from tests.pages import ROOT, page

# Two workers; the second is told to stop later and is down longer.
NOTES = [
    Note('T', 'w000', 10.0),
    Note('T', 'w001', 10.1),
    Note('E', 'w000', 10.5),
    Note('S', 'w000', 10.6),
    Note('E', 'w001', 10.7),
    Note('S', 'w001', 11.0),
]


def rows(workers, **last_new):
    """A row for each role, its mean time down a tenth of its last_new; it returns a second after
    that.
    """
    return [
        speed.Row(
            workers,
            0,
            f'by {role}',
            role.rstrip('123'),
            speed.Figures(value, value / 10, value + 1),
        )
        for role, value in last_new.items()
    ]


def judged(found, starts=None):
    return {aim.text.partition(': ')[2]: aim.met for aim in aims.judge(found, starts or {})}


def test_figures_are_those_of_the_workers():
    figures = speed.figures_of(NOTES, 2, 9.5, 12.0)
    assert figures == pytest.approx((1.5, 0.2, 2.5, 0.0))


def test_names_do_not_matter_to_the_figures():
    renamed = [note._replace(name='web') for note in NOTES]
    assert speed.figures_of(renamed, 2, 9.5, 12.0) == speed.figures_of(NOTES, 2, 9.5, 12.0)


@pytest.mark.parametrize(
    'notes', [NOTES[:-1], [note for note in NOTES if note.what != 'E'], [*NOTES, NOTES[-1]]]
)
def test_a_worker_that_was_killed_or_started_twice_spoils_the_round(notes):
    with pytest.raises(LabError, match='not 2 times'):
        speed.figures_of(notes, 2, 9.5, 12.0)


def test_the_median_is_taken_of_each_figure():
    rounds = [speed.Figures(1, 6, 7), speed.Figures(2, 5, 9), speed.Figures(3, 4, 8)]
    assert speed.median(rounds, 20.5) == speed.Figures(2, 5, 8, 20.5)


def test_many_workers_are_held_to_the_floor_and_to_the_fastest_peer():
    assert judged(rows(200, floor=1.0, command=1.9, rpc=1.4, peer1=2.0, peer2=9.0)) == {
        'command, last new beside the fastest peer (by peer1)': True,
        'command, mean down beside the best peer (by peer1)': True,
        'rpc, last new / floor': True,
        'rpc, last new beside the fastest peer (by peer1)': True,
        'rpc, returned - startsecs - floor': False,
        'rpc, mean down beside the best peer (by peer1)': True,
    }


@pytest.mark.parametrize(
    ('workers', 'limit'), [(100, 1.5), (200, 1.5), (201, 1.8), (500, 1.8), (2000, 2.5), (5000, 2.5)]
)
def test_the_floor_is_held_to_by_the_number_of_workers(workers, limit):
    found = aims.judge(rows(workers, floor=1.0, rpc=1.4, peer=2.0), {})
    assert next(aim.limit for aim in found if 'last new / floor' in aim.text) == limit


def test_few_workers_are_held_to_the_floor_and_the_start_of_the_command():
    found = judged(
        rows(32, floor=0.1, command=0.33, rpc=0.15, peer=0.12), {'by command': 0.2, 'by rpc': 0.001}
    )
    assert found['command, last new - floor - start'] is True
    assert found['rpc, last new - floor - start'] is False
    assert found['rpc, mean down beside the best peer (by peer)'] is False


def test_the_results_say_how_to_repeat_them_and_which_aims_are_missed():
    text = speed.document(
        rows(200, floor=1.0, command=3.0, rpc=1.4, peer=2.0), {'by command': 0.1}, {'x': '1'}, 3
    )
    assert text['repeat'] == 'make bench ROUNDS=3'
    assert [aim['met'] for aim in text['aims']] == [False, False, True, True, False, True]
    assert text['results'][1]['figures'] == {
        'last_new': 3.0,
        'down': 0.3,
        'returned': 4.0,
        'peak': 0.0,
    }


def test_the_table_of_the_page_is_that_of_the_file():
    found = json.loads((ROOT / 'docs' / 'speed.json').read_text(encoding='utf-8'))
    assert page_tables.filled(page('performance'), speed_page.table(found)) == page('performance')


def test_a_line_has_what_was_measured_of_its_way():
    found = [
        row._replace(way='restartProcessGroup') for row in rows(32, rpc=0.1) + rows(500, rpc=1.0)
    ]
    text = {'results': [{**row._asdict(), 'figures': row.figures._asdict()} for row in found]}
    assert list(speed_page.lines(text)) == [
        ['**`restartProcessGroup`** (XML-RPC)', '**0.10** (0.010)', '', '**1.00** (0.10)', '']
    ]


def test_the_picture_has_a_lane_for_each_process():
    course = chart.Course('supervisorctl <restart>', NOTES, 9.5, 12.0)
    spans = chart.lanes(course, 2.0)
    assert [span.what for span in spans['w001']] == list(chart.MEANING)
    assert spans['w001'][2] == pytest.approx(('down', 1.2, 1.5))
    drawn = chart.draw([course, course], [chart.Bar('floor', 'old', 0.5)], 'A & B', ['foot'])
    text = ''.join(ElementTree.fromstring(drawn).itertext())
    assert 'supervisorctl <restart>' in text
    assert 'last new process after 1.50 s; each down for 200 ms' in text
    assert 'A & B' in text


def test_lines_that_are_not_complete_yet_are_left_for_later(tmp_path):
    file = tmp_path / 'notes'
    assert worker.notes(file) == []
    assert worker.size(file) == 0
    file.write_text('S w000 1.5\nT w0')
    assert worker.notes(file) == [Note('S', 'w000', 1.5)]


def test_the_worker_writes_down_when_it_starts_is_told_to_stop_and_ends(tmp_path):
    worker.build(tmp_path / 'worker')
    place = base.Place(tmp_path, tmp_path / 'worker', 1, 50)
    before = time.monotonic()
    with subprocess.Popen(place.command('w000')) as process:
        deadline = before + 60
        while not worker.notes(place.file):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert list(base.users(tmp_path)) == [process.pid]
        assert base.runs(process.pid, place.worker)
        assert process.pid in base.tree(os.getpid())
        assert base.memory(process.pid) > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    started, told, ended = worker.notes(place.file)
    assert [started.what, told.what, ended.what] == ['S', 'T', 'E']
    assert before < started.at < told.at
    assert 0.05 <= ended.at - told.at < 60


def test_sweep_kills_what_works_in_a_directory_and_nothing_else(tmp_path):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'inside').mkdir()
    sleep = ['/bin/sleep', '60']
    with (
        subprocess.Popen(sleep, cwd=tmp_path / 'in') as mine,
        subprocess.Popen(sleep, cwd=tmp_path / 'inside') as other,
    ):
        deadline = time.monotonic() + 60
        while not Path(
            f'/proc/{mine.pid}/cmdline'
        ).read_bytes():  # the kernel fills it in a moment after the start
            assert time.monotonic() < deadline
        base.sweep(tmp_path / 'in')
        assert mine.wait(60) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()


def test_who_looks_at_all_processes_is_measured_alone():
    kinds = [supervisors.Floor, supervisors.Circus, supervisors.S6, supervisors.Pm2]
    assert speed.companies(kinds) == [
        [supervisors.Floor, supervisors.S6],
        [supervisors.Circus],
        [supervisors.Pm2],
    ]
