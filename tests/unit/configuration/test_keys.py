"""The table of keys, closed: all that the installed Supervisor knows of a process or a group is in
it, and what is not counts as a restart.
"""

from __future__ import annotations

import inspect
import os
import re
from typing import Any

import pytest
from supervisor import options
from supervisor.options import ProcessConfig

from supervisor_restarter.configuration.keys import (
    GROUP_KEYS,
    ORDER,
    PROCESS_KEYS,
    TYPE,
    Effect,
    effect_of,
    effect_of_group,
    written_key,
)
from supervisor_restarter.configuration.view import group_view
from tests.pages import page, table
from tests.unit.configuration.running import changes, effects, only, program

KINDS: dict[str, dict[str, Any]] = {
    'program': {},
    'fcgi-program': {
        'socket': 'unix:///tmp/none',
        'socket_owner': os.getuid(),
        'socket_backlog': 9,
    },
    'eventlistener': {'events': 'TICK_5'},
}


def known_to_supervisor():
    return {*ProcessConfig.req_param_names, *ProcessConfig.optional_param_names} - {'name'}


def test_every_key_of_a_process_is_in_the_table():
    assert known_to_supervisor() == set(PROCESS_KEYS)


def test_every_key_of_every_kind_of_group_is_in_the_table(running):
    one = running(''.join(program(kind, **{'kind': kind, **keys}) for kind, keys in KINDS.items()))
    views = {config.name: group_view(config) for config in one.options.process_group_configs}
    assert {view.kind for view in views.values()} == set(KINDS)
    found = {key for view in views.values() for key in view.values}
    assert found | {TYPE, ORDER} == set(GROUP_KEYS)


def test_all_that_supervisor_reads_of_a_section_has_been_looked_at():
    """A release that reads another key, whatever it makes of it, is seen here."""
    source = inspect.getsource(options)
    body = source[source.index('def process_groups_from_parser') : source.index('def daemonize')]
    read = set(re.findall(r"get\(section, ?'(\w+)'", body))
    for key in ('logfile', 'logfile_backups', 'logfile_maxbytes', 'syslog'):
        assert f"'%s_{key}' % k" in body
        read |= {f'stdout_{key}', f'stderr_{key}'}
    of_servers = {'username', 'password', 'port', 'file', 'chown', 'chmod'}
    # Their effect is seen in what is made of them: the names and the number of processes.
    of_names = {'process_name', 'numprocs', 'numprocs_start', 'programs'}
    written = {written_key(key) for key in {**PROCESS_KEYS, **GROUP_KEYS}} - {TYPE}
    assert read - of_servers - of_names == written - of_names


def test_a_key_that_nobody_knows_asks_for_a_restart(running, monkeypatch):
    assert (
        effect_of('of_a_newer_release') is effect_of_group('of_a_newer_release') is Effect.RESTART
    )
    more = [*ProcessConfig.optional_param_names, 'pace']
    monkeypatch.setattr(ProcessConfig, 'optional_param_names', more)
    one = running(program())
    [group] = one.supervisord.process_groups.values()
    group.config.process_configs[0].pace = 2
    group.config.mood = 'bad'
    planned = only(one.plan())
    [process] = planned['processes']
    assert (process['action'], changes(process)) == ('restart', {'pace': ('2', '')})
    assert effects(planned) == {'mood': 'restart'}


@pytest.mark.parametrize(
    ('key', 'effect'),
    [
        ('stopwaitsecs', Effect.LIVE),
        ('stdout_logfile', Effect.LOG),
        ('command', Effect.RESTART),
        ('environment.PATH', Effect.RESTART),
        ('environment.RESTARTER_READY', Effect.LIVE),
        ('environment.MY_RESTARTER_', Effect.RESTART),
        ('command.RESTARTER_', Effect.RESTART),
    ],
)
def test_what_a_key_of_a_process_asks_for(key, effect):
    assert effect_of(key) is effect


@pytest.mark.parametrize('name', ['xmlrpc', 'apply'])
def test_the_table_of_the_documentation_is_this_one(name):
    written: dict[str, set[str]] = {}
    for effect, keys in (row[:2] for row in table(page(name), 'effect')):
        for key in re.findall('`(.*?)`', keys):
            written.setdefault(key, set()).add(effect.strip('`'))
    expected: dict[str, set[str]] = {'RESTARTER_*': {'live'}}
    for key, effect in [*PROCESS_KEYS.items(), *GROUP_KEYS.items()]:
        expected.setdefault(written_key(key).replace('stderr_', 'stdout_'), set()).add(effect.value)
    assert written == expected
