"""Files read aside: what is wrong with them is told in one line, and nothing is changed by it."""

from __future__ import annotations

import errno
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from supervisor_restarter.configuration.twin import Unreadable, main_file, read_aside
from tests.unit.configuration.running import HEAD, program

INCLUDING = HEAD + '[include]\nfiles=conf.d/*\n'


def snapshot(options):
    """Everything that hangs on the options, by identity and, where parsing might fill it, in full."""
    kept = vars(options), vars(options.configroot), vars(options.configroot.supervisord)
    copies = [
        options.environ_expansions,
        options.attr_priorities,
        options.parse_infos,
        options.parse_warnings,
        options.parse_criticals,
        options.process_group_configs,
    ]
    return [{key: id(value) for key, value in one.items()} for one in kept], [
        type(one)(one) for one in copies
    ]


@pytest.fixture
def one(running):
    return running(program('web', numprocs=2), INCLUDING)


def refusal(one):
    """The one line, after which nothing of the options has changed."""
    before = snapshot(one.options)
    with pytest.raises(Unreadable) as info:
        read_aside(one.options)
    assert snapshot(one.options) == before
    text = str(info.value)
    assert '\n' not in text
    assert 'Available names' not in text
    return text


def test_nothing_is_changed_by_reading(one):
    before = snapshot(one.options)
    one.write(
        program('other', environment='A="%(ENV_NEW)s"') + program('x', stdout_logfile='syslog'),
        INCLUDING.replace('[supervisord]', '[supervisord]\nenvironment=NEW="1"\nminfds=7\n'),
    )
    one.include('a.conf', program('more'))
    reading = read_aside(one.options)
    assert [group.name for group in reading.section.process_group_configs] == ['more', 'other', 'x']
    assert vars(reading.section)['minfds'] == 7
    assert 'syslog' in reading.warnings[0]
    assert snapshot(one.options) == before
    assert 'ENV_NEW' not in one.options.environ_expansions


def test_what_was_read_is_freed_with_the_reading(one):
    """Not by the garbage collector, for which supervisord would stop and look at everything."""
    reading = read_aside(one.options)
    group = reading.section.process_group_configs[0]
    twin: Any = vars(group)['options']
    held = sys.getrefcount(twin)
    del reading
    [process, _] = group.process_configs
    assert twin is vars(process)['options']
    assert not any(value is group for value in vars(twin).values())
    assert sys.getrefcount(twin) <= held
    with pytest.raises(AttributeError):
        twin.configroot.supervisord.process_group_configs  # noqa: B018


BAD_MAIN = {
    'in supervisord': (
        HEAD.replace('[supervisord]', '[supervisord]\nminfds=many'),
        ["'many'", "in section 'supervisord' (file: '{main}')"],
    ),
    'a directory of supervisord': (
        HEAD.replace('%(here)s/log', '/nonexistent/supervisord.log'),
        ['/nonexistent/supervisord.log', "in section 'supervisord' (file: '{main}')"],
    ),
    'no supervisord': ('[include]\nfiles=conf.d/*\n', ['supervisord section', "(file: '{main}')"]),
    'empty include': (HEAD + '[include]\n', ['[include]', "(file: '{main}')"]),
    'expansion of an include': (
        HEAD + '[include]\nfiles=%(nope)s\n',
        ['include.files', "'nope'", "(file: '{main}')"],
    ),
    'no section header': ('x=1\n', ['no section headers', '{main}']),
    'syntax': (HEAD + 'no key at all\n', ["'no key at all", '{main}']),
    'an interface that is not there': (
        HEAD + '[rpcinterface:x]\nsupervisor.rpcinterface_factory=nope:nope\n',
        ['nope:nope', '[rpcinterface:x]', "(file: '{main}')"],
    ),
    'a server': (HEAD + '[inet_http_server]\n', ['[inet_http_server]', "(file: '{main}')"]),
    'a server without a password': (
        HEAD + '[inet_http_server]\nport=1\nusername=x\n',
        ['[inet_http_server]', "(file: '{main}')"],
    ),
}
PLACE = "(file: '{file}')"
BAD_SECTIONS = {
    'number': (program('bad', numprocs='x'), ["'x'", 'program:bad', PLACE]),
    'priority': (program('bad', priority='x'), ["'x'", "in section 'program:bad' " + PLACE]),
    'user': (program('bad', user='nope'), ['nope', 'program:bad', PLACE]),
    'no command': (program('bad', command='').replace('command=', ''), ['program:bad', PLACE]),
    'expansion': (program('bad', command='%(nope)s'), ['%(nope)s', "'program:bad'", PLACE]),
    'expansion of an environment': (
        program('bad', environment='A="%(ENV_NOPE)s",API_TOKEN="hunter2"'),
        ["'ENV_NOPE'", "'program:bad'", PLACE],
    ),
    'unknown program': ('[group:x]\nprograms=nope\n', ['[group:x]', 'nope', PLACE]),
    'unknown event': (
        program('bad', 'eventlistener', events='X'),
        ['X', 'eventlistener:bad', PLACE],
    ),
    'handler': (
        program('bad', 'eventlistener', events='TICK_5', result_handler='nope:nope'),
        ['nope:nope', 'eventlistener:bad', PLACE],
    ),
    'socket mode': (
        program('bad', 'fcgi-program', socket='unix:///x', socket_mode='9'),
        ['socket_mode', "in section 'fcgi-program:bad' " + PLACE],
    ),
    'syntax': ('[program:x]\ncommand=x\nwhat is this\n', ['what is this', "'{file}'"]),
    'no section header': ('x=1\n', ['no section headers', "'{file}'"]),
}


@pytest.mark.parametrize('name', BAD_MAIN)
def test_an_error_in_the_main_file(one, name):
    text, expected = BAD_MAIN[name]
    one.include('good.conf', program('good'))
    one.file.write_text(text)
    told = refusal(one)
    for part in expected:
        assert part.format(main=one.file) in told
    assert told.count('section') <= 2


@pytest.mark.parametrize('name', BAD_SECTIONS)
def test_an_error_in_an_included_file(one, name):
    text, expected = BAD_SECTIONS[name]
    one.include('0-good.conf', program('good'))
    file = one.include('1-bad.conf', text)
    one.include('2-good.conf', program('better'))
    told = refusal(one)
    for part in expected:
        assert part.format(file=file) in told
    assert told.count(str(file)) == 1


@pytest.mark.parametrize('included', [True, False])
def test_what_is_no_text(one, included):
    file = one.include('bad.conf', '') if included else one.file
    file.write_bytes(b'[program:x]\ncommand=\xff\n')
    told = refusal(one)
    assert "can't decode byte 0xff" in told
    assert f"(file: '{file}')" in told


def test_no_main_file(one):
    one.file.unlink()
    assert refusal(one) == f'could not find config file {one.file}'


def test_a_main_file_that_cannot_be_opened(one):
    one.file.unlink()
    one.file.mkdir()
    assert refusal(one) == f'could not read config file {one.file}'


def test_no_file_at_all():
    for options in (
        SimpleNamespace(configfile=None, here=None),
        SimpleNamespace(configfile=sys.stdin, here=None),
    ):
        with pytest.raises(Unreadable, match='no configuration file'):
            main_file(options)


def test_the_main_file_is_found_from_another_directory(one, monkeypatch, tmp_path):
    one.options.configfile = 'supervisord.conf'
    monkeypatch.chdir(tmp_path.parent)
    assert main_file(one.options) == str(one.file)


def test_an_included_file_that_cannot_be_read(one, monkeypatch):
    file = one.directory / 'conf.d' / 'loop'
    one.include('good.conf', program('good'))
    file.symlink_to(file)
    assert refusal(one) == (f'could not read config file {file}: {os.strerror(errno.ELOOP)}')
    file.unlink()
    file.write_text('')
    # Root may read everything.
    monkeypatch.setattr(os, 'access', lambda path, mode: path != str(file))
    assert refusal(one) == f'could not read config file {file}: Permission denied'


def test_an_included_file_that_is_not_there_is_a_warning(one, monkeypatch):
    gone = one.directory / 'conf.d' / 'gone'
    one.include('good.conf', program('good'))
    gone.symlink_to('/nonexistent')
    (one.directory / 'conf.d' / 'directory').mkdir()
    monkeypatch.setattr(os, 'access', lambda path, mode: not os.path.isdir(path))
    assert read_aside(one.options).warnings == [f'included file "{gone}" does not exist']


def test_include_that_matches_nothing_is_supervisors_own_warning(one):
    [warning] = read_aside(one.options).warnings
    assert warning == f'No file matches via include "{one.directory}/conf.d/*"'


@pytest.mark.parametrize(('error', 'name'), [
    ('raise KeyError("x")', 'KeyError'),
    ('a syntax error', 'SyntaxError'),
    ('1 / 0', 'ZeroDivisionError'),
    ('import sys; sys.exit("x")', 'SystemExit'),
])  # fmt: skip
def test_a_module_that_the_files_name_may_raise_anything(one, monkeypatch, error, name):
    (one.directory / 'broken_handlers.py').write_text(f'section = "other"\n{error}')
    monkeypatch.syspath_prepend(str(one.directory))
    section = program('x', 'eventlistener', events='TICK_5', result_handler='broken_handlers:f')
    file = one.include('bad.conf', section)
    told = refusal(one)
    assert told.split(':')[0] == name
    assert told.endswith(f"in section 'eventlistener:x' (file: '{file}')")


def test_where_supervisors_variables_have_other_names_the_main_file_is_named(one, monkeypatch):
    import supervisor.options

    monkeypatch.setattr(supervisor.options, 'integer', lambda value: int('not a number'))
    functions = vars(supervisor.options).copy()
    monkeypatch.setattr(
        'supervisor_restarter.configuration.twin.supervisor.options', SimpleNamespace(**functions)
    )
    assert refusal(one).endswith(f"(file: '{one.file}')")
