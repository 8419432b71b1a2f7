"""The commands that programs give in their environment."""

from __future__ import annotations

import pytest

from supervisor_restarter.commands import MOST_CHARACTERS, parse_command

ALLOWED = 'a command and its arguments, quoted as for a shell'


@pytest.mark.parametrize(('text', 'command'), [
    ('/srv/lb drain web1',        ['/srv/lb', 'drain', 'web1']),
    (' lb "a b" \'\' c\\ d\t',      ['lb', 'a b', '', 'c d']),
    ('lb ; rm $HOME && x > y #z', ['lb', ';', 'rm', '$HOME', '&&', 'x', '>', 'y', '#z']),
])  # fmt: skip
def test_a_command_is_its_words_as_a_shell_reads_them_and_nothing_more(text, command):
    assert parse_command('RESTARTER_BEFORE_STOP', text) == tuple(command)


@pytest.mark.parametrize(('text', 'why'), [
    ('',          "'': it is empty"),
    (' \t',       "' \\t': it is empty"),
    ('""',        '\'""\': there is no command'),
    ('lb "x',     '\'lb "x\': the command cannot be split into words: no closing quotation (Supervisor '
                  'cuts quotes off the end of a value: a blank after the last one keeps it)'),
    ('lb x\\',    "'lb x\\\\': the command cannot be split into words: no escaped character"),
    ('lb\ndrain', "'lb\\ndrain': no line ends or other control characters"),
    ('lb\udcff',  "'lb\\udcff': no line ends or other control characters"),
    ('lb ' + MOST_CHARACTERS * 'x', f'it has more than {MOST_CHARACTERS} characters'),
])  # fmt: skip
def test_a_text_that_is_none_is_told_in_one_line_with_its_variable(text, why):
    with pytest.raises(ValueError) as info:
        parse_command('RESTARTER_AFTER_READY', text)
    line = str(info.value)
    assert line.startswith('RESTARTER_AFTER_READY = ')
    assert line.endswith(f'{why}; allowed: {ALLOWED}')
    assert line.isprintable()
    assert len(line) < 300
