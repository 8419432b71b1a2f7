"""What bench.rolling makes of its observations: counting and drawing. No processes."""

import re
import socket
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench import load, rolling
from bench.apps import picture, proxy, watch
from bench.lab import LabError
from bench.load import Request

OK_200 = b'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n4711\n'


@pytest.mark.parametrize(
    ('said', 'judged'),
    [
        (b'', None),
        (OK_200, ('ok', 4711)),
        (OK_200[:-1], None),
        (b'HTTP/1.1 200 OK\r\nDate: 1\r\n', None),
        (b'HTTP/1.0 503 Service Unavailable\r\n\r\n<html>', ('status 503', 0)),
    ],
)
def test_answers_are_judged_when_they_are_complete(said, judged):
    assert load.judge(said) == judged


class Server:
    """Answers on connections that are none; `opened` counts them, `closed` those that were closed."""

    def __init__(self, *answers):
        self.answers, self.opened, self.closed, self.asked = list(answers), 0, 0, b''

    def connect(self, address, timeout):
        self.opened += 1
        return self

    def sendall(self, request):
        self.asked = request

    def recv(self, size):
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def close(self):
        self.closed += 1


BUSY = b'HTTP/1.1 503 Service Unavailable\r\n\r\n'
LAST = OK_200.replace(b'\r\n\r\n', b'\r\nConnection: close\r\n\r\n')


@pytest.mark.parametrize(
    ('keeps', 'answers', 'kinds', 'connections'),
    [
        (True, [OK_200, OK_200[:9], OK_200[9:]], ['ok', 'ok'], 1),
        (False, [OK_200, OK_200], ['ok', 'ok'], 2),
        # The server closes it, and says so, or does not; what has failed is not used again.
        (True, [LAST, OK_200], ['ok', 'ok'], 2),
        (True, [OK_200, b'', OK_200], ['ok', 'closed without an answer', 'ok'], 2),
        (True, [OK_200, ConnectionResetError(), OK_200], ['ok', 'reset', 'ok'], 2),
        (True, [BUSY, OK_200], ['status 503', 'ok'], 2),
    ],
)
def test_a_client_keeps_its_connection_as_long_as_the_server_does(
    keeps, answers, kinds, connections, monkeypatch
):
    server = Server(*answers)
    monkeypatch.setattr(socket, 'create_connection', server.connect)
    client = load.Client('there', 80, keeps)
    assert [client.ask()[0] for _ in kinds] == kinds
    client.close()
    assert (server.opened, server.closed) == (connections, connections)
    assert (b'Connection: close' in server.asked) is not keeps


def test_requests_are_counted_and_the_longest_gap_is_between_good_answers_only():
    requests = [
        Request(0.0, 1.0, 'ok', 1),
        Request(1.0, 1.5, 'refused', 0),
        Request(1.0, 1.6, 'reset', 0),
        Request(1.6, 3.0, 'ok', 2),
        Request(2.0, 3.5, 'ok', 2),
    ]
    assert rolling.figures_of(requests, 3, 9.0) == rolling.Figures(5, 1, {'reset': 1}, 3, 2.0, 9.0)


def test_without_good_answers_there_are_no_figures():
    with pytest.raises(LabError, match='no good answers.*refused'):
        rolling.figures_of([Request(0.0, 1.0, 'refused', 0)], 0, 1.0)


def test_rounds_are_added_up_and_the_worst_is_kept():
    rounds = [
        rolling.Figures(10, 0, {'reset': 1}, 3, 0.5, 1.0),
        rolling.Figures(20, 2, {'reset': 2}, 0, 0.25, 3.0),
        rolling.Figures(30, 0, {'timeout': 1}, 4, 0.125, 2.0),
    ]
    assert rolling.together(rounds) == rolling.Figures(
        60, 2, {'reset': 3, 'timeout': 1}, 0, 0.5, 2.0
    )


# Worker 0 goes as worker 1 comes, a moment apart.
ONE_AFTER_THE_OTHER = [[(0.0, True), (2.0, False), (3.0, True)], [(0.0, False), (2.5, True)]]


@pytest.mark.parametrize(
    ('start', 'end', 'fewest'), [(0.5, 1.5, 1), (0.5, 2.2, 0), (2.6, 2.9, 1), (3.5, 4.0, 2)]
)
def test_lowest_is_the_fewest_that_were_ready(start, end, fewest):
    assert watch.lowest(ONE_AFTER_THE_OTHER, start, end) == fewest


def test_a_moment_shorter_than_the_samples_can_tell_is_not_the_lowest():
    changes = [
        [(0.0, True), (2.0, False), (3.0, True)],
        [(0.0, False), (2.0 + watch.SAMPLE_SECONDS, True)],
    ]
    assert watch.lowest(changes, 0.0, 5.0) == 1


def test_a_worker_that_was_not_seen_yet_is_not_ready():
    assert not watch.ready_at([(1.0, True)], 0.5)


def test_spans_are_cut_at_both_ends():
    assert watch.spans(ONE_AFTER_THE_OTHER[0], 1.0, 4.0) == [(1.0, 2.0), (3.0, 4.0)]
    assert watch.spans(ONE_AFTER_THE_OTHER[1], 1.0, 2.0) == []


def test_pids_are_all_that_were_logged_the_newest_first_also_across_half_lines(tmp_path: Path):
    log = tmp_path / 'log'
    log.write_text(
        "2026-01-31 23:59:59,125 INFO spawned: '00' with pid 1\n"
        "2026-01-31 23:59:59,125 INFO spawned: '01' wi"
    )
    pids = watch.Pids(log)
    assert (pids.get('00'), pids.get('01')) == ([1], [])
    with log.open('a') as file:
        file.write("th pid 2\n2026-01-31 23:59:59,125 INFO spawned: '00' with pid 3\n")
    assert (pids.get('00'), pids.get('01')) == ([3, 1], [2])


def row(title: str, way: str, kind: str) -> picture.Row:
    requests = [
        Request(9.0, 10.01, 'ok', 1),
        Request(10.0, 10.02, kind, 0),
        Request(13.0, 14.0, 'ok', 1),
    ]
    figures = rolling.figures_of(requests, 1, 1.0)
    return picture.Row(
        title, way, figures._asdict(), picture.Course(requests, ONE_AFTER_THE_OTHER, 10.0, 11.0)
    )


def test_bins_count_from_the_command_on():
    assert picture.bins(row('', '', 'reset').course) == {0: (1, 1), 40: (1, 0)}


def test_the_picture_is_well_formed_and_says_what_failed():
    rows = [row('a < b', 'one', 'reset'), row('a < b', 'two', 'ok'), row('c', 'one', 'refused')]
    drawn = picture.draw(rows, 'head & line', ['foot'])
    words = [
        ''.join(element.itertext())
        for element in ElementTree.fromstring(drawn).iter()
        if element.tag.endswith('}text')
    ]
    assert {'head & line', 'foot', 'a < b', 'c', 'one', 'two', 'worker 1'} <= set(words)
    assert sum(said.startswith('1 failed of 3') for said in words) == 1
    assert sum(said.startswith('1 refused of 3') for said in words) == 1
    assert sum(said.startswith('none failed of 3') for said in words) == 1


def test_a_path_is_safe_in_supervisords_configuration():
    assert proxy.quoted(Path('/a b/100%/c')) == '"/a b/100%%/c"'


def test_the_small_picture_is_the_left_column_of_the_large_one():
    docs = rolling.DOCS
    drawn = (docs / 'rolling-small.svg').read_text(encoding='utf-8')
    assert drawn == rolling.small((docs / 'rolling.svg').read_text(encoding='utf-8'), 3)
    texts = [element.text for element in ElementTree.fromstring(drawn).iter() if element.text]
    assert [text for text in texts if 'supervisorctl' in text] == [
        'supervisorctl restart web:*',
        'supervisorctl_restart_group --rolling web',
        'new configuration: supervisorctl update',
        'new configuration: supervisorctl_restart_group --apply',
    ]


def test_settings_can_share_a_column():
    rows = [row('a', 'one', 'ok'), row('a', 'two', 'ok'), row('b', 'three', 'ok')]
    drawn = picture.draw([*rows, row('c', 'four', 'ok')], 'head', [], columns=2)
    tops = re.findall(r'<g transform="translate\((\d+) (\d+)\)">', drawn)
    columns = [[int(y) for x, y in tops if x == left] for left in dict.fromkeys(x for x, _ in tops)]
    assert [len(column) for column in columns] == [2, 2]
    first, second = columns
    assert second[1] == first[1] + picture.TITLE


def test_a_picture_without_columns_has_no_left_one():
    with pytest.raises(ValueError, match='not a picture'):
        picture.left_column('<svg></svg>', ['one'], 'x', [])
