"""What `make demo` prints. No processes."""

import re

import pytest

from bench import demo
from tests.pages import TEXTS

PLAIN = demo.Measurement('supervisorctl restart web:*', 0.233, 0.391, 0, 1.6)
PLUGIN = demo.Measurement('supervisorctl_restart_group web', 0.0, 0.002, 0, 1.52)
ROLLING = demo.Measurement(
    f'supervisorctl_restart_group {demo.ROLLING} web', 0.0012, 0.003, 24, 10.25
)


def test_a_row_begins_with_the_seconds_down():
    assert [demo.row(one, best=False, colour=False) for one in (PLAIN, PLUGIN, ROLLING)] == [
        '  0.233   0.391     0 of 32   1.60 s   supervisorctl restart web:*',
        '  0.000   0.002     0 of 32   1.52 s   supervisorctl_restart_group web',
        '  0.001   0.003    24 of 32  10.25 s   ... --max-unavailable 25% web',
    ]


@pytest.mark.parametrize(('best', 'code'), [(True, '32'), (False, '31')])
def test_colour_changes_the_first_figure_alone(best, code):
    plain, coloured = (demo.row(PLAIN, best, colour) for colour in (False, True))
    assert coloured == plain.replace('  0.233', f'\033[1m\033[{code}m  0.233\033[0m')


def test_every_line_fits_80_columns_and_the_head_its_figures():
    endings = [demo.ending([PLAIN, PLUGIN, ROLLING], 65535, hold) for hold in (False, True)]
    lines = [*demo.HEAD.splitlines(), *'\n'.join(endings).splitlines()]
    rows = [demo.row(one, best=True, colour=False) for one in (PLAIN, PLUGIN, ROLLING)]
    assert all(len(line) <= 80 for line in [*lines, *rows])
    ends = [found.end() for found in re.finditer('mean|most|at least|takes', lines[1])]
    assert ends == [found.end() for found in re.finditer(r'\.\d+( s)?|of 32', rows[0])]


def test_the_verdict_counts_in_milliseconds():
    assert demo.verdict(PLAIN, PLUGIN, ROLLING) == (
        'Each process is down for 0.000 s instead of 0.233 s: 233 times less.\n'
        'With --max-unavailable 25% at least 24 of 32 serve throughout.'
    )


def test_the_end_says_where_the_page_is_and_for_how_long():
    gone, held = (
        demo.ending([PLAIN, PLUGIN, ROLLING], 9001, hold).partition('in a browser')[2]
        for hold in (False, True)
    )
    assert gone == ': http://127.0.0.1:9001/restarter/\n(gone now; make demo HOLD=1 stays up)'
    assert held == ', until Ctrl-C: http://127.0.0.1:9001/restarter/'


def test_fewest_running_is_the_worst_moment_of_the_log():
    line = '2026-01-31 23:59:59,123 INFO {}\n'
    log = ''.join(
        map(
            line.format,
            [
                'stopped: 07 (exit status 0)',
                "spawned: '07' with pid 1",
                'exited: 08 (exit status 1; not expected)',
                'success: 07 entered RUNNING state, process has stayed up',
                'stopped: 09 (terminated by SIGTERM)',
                'success: 08 entered RUNNING state, process has stayed up',
                'restarter: restart 1 of web succeeded after 1.021 s: 3 of 3 done',
            ],
        )
    )
    assert demo.fewest_running(log, 32) == 30
    assert demo.fewest_running('', 32) == 32


def test_the_readme_shows_a_run_as_it_is_printed():
    table = TEXTS['README.md'].partition(f'{demo.HEAD}\n')[2].partition('```')[0].splitlines()
    commands = [one.command for one in (PLAIN, PLUGIN, ROLLING)]
    for line, command in zip(table, commands):
        mean, most, serving, _, _, total = line.split()[:6]
        measured = demo.Measurement(command, float(mean), float(most), int(serving), float(total))
        assert line == demo.row(measured, best=False, colour=False)
    assert len(table) == len(commands)
