"""Whether configuration files have changed since supervisord has read them."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from supervisor_restarter.server.configfile import MOST_INCLUDED, ConfigurationFiles


@pytest.fixture
def options(tmp_path):
    """Of a supervisord that has read a.conf and two files that this one includes."""
    for name in 'abc':
        (tmp_path / f'{name}.conf').write_text('[supervisord]')
    return SimpleNamespace(
        configfile='conf.d/../a.conf',  # as it was named; supervisord is elsewhere by now
        here=str(tmp_path),
        parse_infos=[
            included(tmp_path / 'b.conf'),
            'of something else',
            included(tmp_path / 'c.conf'),
        ],
        process_group_configs=[],
    )


def included(path):
    return f'Included extra file "{path}" during parsing'


def test_nothing_is_said_as_long_as_nothing_has_changed(options):
    assert ConfigurationFiles(options).warning() == ''


def test_what_has_changed_is_named(options, tmp_path):
    files = ConfigurationFiles(options)
    (tmp_path / 'a.conf').write_text('[supervisord]\n')
    assert files.warning() == (
        f'the configuration file {tmp_path}/a.conf has changed since supervisord read it; a restart '
        'does not apply that (supervisorctl apply does)'
    )
    os.unlink(tmp_path / 'c.conf')
    assert files.warning() == (
        f'the configuration files {tmp_path}/a.conf, {tmp_path}/c.conf have changed since '
        'supervisord read them; a restart does not apply that (supervisorctl apply does)'
    )


def test_nothing_is_said_after_they_were_read_again(options, tmp_path):
    files = ConfigurationFiles(options)
    (tmp_path / 'a.conf').write_text('')
    options.process_group_configs = []
    assert files.warning() == ''


def test_a_file_that_was_not_there_is_not_missed(options, tmp_path):
    options.parse_infos = [included(tmp_path / 'gone'), included('x\0y')]
    files = ConfigurationFiles(options)
    (tmp_path / 'gone').touch()
    assert files.warning() == ''


def test_of_too_many_files_only_the_main_one_is_looked_at(options, tmp_path):
    options.parse_infos = [included(tmp_path / 'b.conf')] * (MOST_INCLUDED + 1)
    files = ConfigurationFiles(options)
    (tmp_path / 'b.conf').write_text('')
    assert files.warning() == ''
    (tmp_path / 'a.conf').write_text('')
    assert 'a.conf has changed' in files.warning()


def test_without_a_file_there_is_nothing_to_be_said():
    assert ConfigurationFiles(SimpleNamespace()).warning() == ''
