# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import gathering, options
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import Trouble

NOTHING = {**dict.fromkeys(options.RESTART), 'names': ['all'], 'gather': [], 'restart': None}


def info(group, name, **more):
    usual = {'statename': 'RUNNING', 'pid': 7, 'exitstatus': 0, 'spawnerr': ''}
    return {**usual, 'group': group, 'name': name, 'start': 1000, 'now': 1060, **more}


@pytest.fixture
def restarter(scripted, make):
    return scripted(
        version=['1.1.0'],
        processes=[[info('app', 'app'), info('web', '0'), info('web', '1')]],
        restarts=[
            [make.restart(id='2', groups=['app', 'web']), make.restart(id='1', groups=['app'])]
        ],
        plan=[make.plan([make.planned('0')])],
        get=[make.restart(id='2')],
    )


def test_without_names_it_is_all_of_them(restarter):
    result = gathering.gathered({**NOTHING, 'gather': ['processes', 'restarts']}, restarter)

    assert [process['name'] for process in result['processes']] == ['app', 'web:0', 'web:1']
    assert [restart['id'] for restart in result['restarts']] == ['2', '1']
    assert set(result) == {'version', 'processes', 'restarts'}
    assert restarter.count('plan') == 0


def test_the_server_knows_what_names_mean(restarter):
    asked = {**NOTHING, 'names': ['web:0'], 'gather': ['processes', 'restarts']}

    result = gathering.gathered(asked, restarter)

    assert [process['name'] for process in result['processes']] == ['web:0']
    assert [restart['id'] for restart in result['restarts']] == ['2']
    assert ('plan', ['web:0'], {}) in restarter.calls


def test_a_plan_has_the_options_that_are_given(restarter):
    asked = {**NOTHING, 'gather': ['plan'], 'scout': 1.0, 'restart': '2'}

    result = gathering.gathered(asked, restarter)

    assert set(result) == {'version', 'plan', 'restart'}
    assert ('plan', ['all'], {'scout': 1.0}) in restarter.calls
    assert ('get', '2') in restarter.calls


def test_options_without_a_plan_have_no_meaning(restarter):
    with pytest.raises(Trouble, match='scout has no meaning without gather: plan'):
        gathering.gathered({**NOTHING, 'scout': 1.0}, restarter)


def test_a_process_as_it_is_told(scripted):
    down = info('web', '0', pid=0, statename='FATAL', exitstatus=3, spawnerr='no such file')
    never = info('web', '1', pid=0, statename='STOPPED', start=0)
    restarter = scripted(version=['1'], processes=[[down, never, info('web', '2')]])

    rows = gathering.gathered({**NOTHING, 'gather': ['processes']}, restarter)['processes']

    assert rows[0] == {
        'name': 'web:0',
        'group': 'web',
        'state': 'FATAL',
        'pid': 0,
        'started_at': '1970-01-01T00:16:40Z',
        'uptime': 0,
        'exit_status': 3,
        'reason': 'no such file',
    }
    assert rows[1]['started_at'] == ''
    assert rows[2]['uptime'] == 60
