"""The man pages, read by the programs that show them."""

from __future__ import annotations

import subprocess

import pytest

from share.make import SHARE
from tests.integration.server import SECONDS
from tests.integration.shells import COMMAND, LISTENER, needs


def said(*command: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env={
            'PATH': '/usr/bin:/bin',
            'LC_ALL': 'C.UTF-8',
            'MANWIDTH': '80',
            'HOME': '/nonexistent',
        },
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize('name', [COMMAND, LISTENER])
def test_man_has_nothing_to_complain_of(name):
    needs('man', 'groff')
    page = str(SHARE / 'man' / 'man1' / f'{name}.1')
    status, text, warnings = said('man', '--warnings=w', '-l', page)
    assert (status, warnings) == (0, '')
    headings = [line for line in text.splitlines() if line[:1].isupper()][1:]
    assert headings[:4] == ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS']
    assert headings[4:] == ['EXIT STATUS', 'ENVIRONMENT', 'FILES', 'EXAMPLES', 'SEE ALSO']
    assert '--max-unavailable N|N%\n' in text
    assert '\u2010\n' not in text, 'no word is divided'


@pytest.mark.parametrize('name', [COMMAND, LISTENER])
def test_mandoc_has_nothing_to_complain_of(name):
    needs('mandoc')
    assert said('mandoc', '-Tlint', str(SHARE / 'man' / 'man1' / f'{name}.1')) == (0, '', '')


def test_man_finds_them_by_name():
    needs('man')
    for name in (COMMAND, LISTENER):
        status, path, _ = said('man', '-M', str(SHARE / 'man'), '-w', name)
        assert (status, path.strip()) == (0, str(SHARE / 'man' / 'man1' / f'{name}.1'))
