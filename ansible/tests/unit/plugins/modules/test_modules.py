# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
"""The modules: their arguments beside their documentation, and what check mode asks of a server."""

from __future__ import annotations

import json
import xmlrpc.client

import pytest

pytest.importorskip('ansible.module_utils.basic')  # not where a target's oldest Python is tried

import yaml
from ansible.module_utils import basic
from ansible_collections.supervisor.restarter.plugins.doc_fragments import (
    connection,
    restart,
    rolling,
)
from ansible_collections.supervisor.restarter.plugins.modules import config, info, processes

EXTENDS = 'extends_documentation_fragment'
MODULES = [processes, config, info]
FRAGMENTS = {
    f'supervisor.restarter.{fragment.__name__.rpartition(".")[2]}': fragment.ModuleDocFragment
    for fragment in (connection, restart, rolling)
}
GIVEN = dict.fromkeys(processes.ARGUMENTS)
# What `config` has where nothing is given.
USUAL = {
    **dict.fromkeys(config.ARGUMENTS),
    **{
        name: argument['default']
        for name, argument in config.ARGUMENTS.items()
        if 'default' in argument
    },
}


def documented(module):
    """The options of the documentation, as arguments have them."""
    own = yaml.safe_load(module.DOCUMENTATION)
    parts = [own, *(yaml.safe_load(FRAGMENTS[name].DOCUMENTATION) for name in own[EXTENDS])]
    found = {}
    for part in parts:
        for name, option in part['options'].items():
            assert option.pop('description')
            assert name not in found
            found[name] = option
    return found


@pytest.mark.parametrize('module', MODULES)
def test_what_is_documented_is_what_is_taken(module):
    arguments = {
        name: {key: value for key, value in argument.items() if key != 'no_log'}
        for name, argument in module.ARGUMENTS.items()
    }

    assert documented(module) == arguments


@pytest.mark.parametrize('module', MODULES)
def test_the_examples_use_what_is_taken(module):
    name = f'supervisor.restarter.{module.__name__.rpartition(".")[2]}'
    tasks = yaml.safe_load(module.EXAMPLES)
    tasks += [task for play in tasks for task in play.get('tasks', [])]
    used = [task[name] or {} for task in tasks if name in task]
    taken = set(module.ARGUMENTS) | {'name'}

    assert used
    for arguments in used:
        assert set(arguments) <= taken


@pytest.mark.parametrize('module', MODULES)
def test_the_password_is_not_logged(module):
    assert module.ARGUMENTS['password']['no_log']


@pytest.mark.parametrize('state', ['started', 'restarted', 'signalled'])
def test_check_mode_asks_for_a_plan_and_nothing_else(state, scripted, make):
    restarter = scripted(plan=[make.plan([make.planned('0')])])
    params = {**GIVEN, 'names': ['web'], 'state': state, 'signal': 'HUP', 'if_busy': 'wait'}

    result = processes.outcome(params, restarter, check_mode=True)

    assert restarter.count('plan') == len(restarter.calls) == 1
    assert result['changed']


def test_check_mode_of_a_stop_asks_what_the_names_mean(scripted, make):
    restarter = scripted(plan=[make.plan([make.planned('0', state='STOPPED', pid=0)])])
    params = {**GIVEN, 'names': ['web'], 'state': 'stopped', 'timeout': 5.0, 'if_busy': 'fail'}

    result = processes.outcome(params, restarter, check_mode=True)

    assert restarter.calls == [('plan', ['web'], {})]
    assert (result['changed'], result['msg']) == (False, 'nothing to do: nothing is running')


@pytest.mark.parametrize('if_busy', ['fail', 'queue'])
def test_what_is_to_be_done_if_busy_is_sent(if_busy, scripted, make):
    restarter = scripted(start=['7'], wait=[make.restart(make.process())])
    params = {**GIVEN, 'names': ['web'], 'state': 'started', 'min_ready': 1.0, 'if_busy': if_busy}

    result = processes.outcome(params, restarter, check_mode=False)

    sent = {'min_ready': 1.0, 'method': 'start', 'if_busy': if_busy}
    assert restarter.calls[0] == ('start', ['web'], sent)
    assert result['followed'] is False


def test_check_mode_of_a_configuration_asks_for_its_plan_and_nothing_else(scripted, make):
    plan = make.config(make.group(make.changing('0', make.change())))
    restarter = scripted(plan_config=[plan])
    params = {**USUAL, 'secrets': True, 'max_unavailable': '1', 'if_busy': 'wait'}

    result = config.outcome(params, restarter, check_mode=True)

    assert restarter.calls == [('plan_config', [], True)]
    assert (result['changed'], result['plan']) == (True, plan)


def test_what_is_not_pruned_would_not_be_changed(scripted, make):
    restarter = scripted(plan_config=[make.config(make.group(action='remove'))])

    result = config.outcome({**USUAL, 'prune': False}, restarter, check_mode=True)

    assert result['changed'] is False


def test_a_configuration_is_planned_just_before_it_is_applied(scripted, make):
    plan = make.config(make.group(make.changing('0', make.change())))
    restarter = scripted(plan_config=[plan], apply=['7'], wait=[make.apply(make.process())])
    params = {**USUAL, 'names': ['web', 'app'], 'max_unavailable': '1', 'prune': False}

    result = config.outcome(params, restarter, check_mode=False)

    sent = {'max_unavailable': 1, 'rollback': True, 'prune': False, 'if_busy': 'fail'}
    assert restarter.calls[:2] == [
        ('plan_config', ['web', 'app'], False),
        ('apply', ['web', 'app'], sent),
    ]
    assert (result['changed'], result['plan']) == (True, plan)


# -- run as Ansible runs them ----------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch, capsys):
    def ran(module, **arguments):
        given = {'ANSIBLE_MODULE_ARGS': {'_ansible_diff': True, **arguments}}
        monkeypatch.setattr(basic, '_ANSIBLE_ARGS', json.dumps(given).encode())
        monkeypatch.setattr(basic, '_ANSIBLE_PROFILE', 'legacy', raising=False)
        with pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return ran


def test_a_run_and_its_diff(run, http_server, make):
    answers = {
        'restarter.startRestart': '7',
        'restarter.waitRestart': make.restart(make.process(), warnings=['look out']),
    }
    http_server.answer = lambda method, arguments: answers[method]

    result = run(processes, name='web', state='restarted', serverurl=http_server.url)

    assert result['changed']
    assert result['diff'] == {'before': 'web:0  pid 100\n', 'after': 'web:0  pid 200, ready\n'}
    assert 'look out' in str(result['warnings'])
    assert 'failed' not in result


def test_without_diff_there_is_none(run, http_server, make):
    http_server.answer = lambda method, arguments: make.plan([make.planned('0')])

    result = run(
        processes,
        name='web',
        state='restarted',
        serverurl=http_server.url,
        _ansible_diff=False,
        _ansible_check_mode=True,
    )

    assert 'diff' not in result
    assert result['plan']['total'] == 1


def test_a_failure_has_its_reason_and_all_results(run, http_server, make):
    failed = make.process(phase='failed', error='exit status 3')
    answers = {
        'restarter.startRestart': '7',
        'restarter.waitRestart': make.restart(failed, state='failed'),
    }
    http_server.answer = lambda method, arguments: answers[method]

    result = run(processes, name='web', state='restarted', serverurl=http_server.url)

    assert (result['failed'], result['changed']) == (True, True)
    assert result['msg'] == 'web:0: exit status 3'
    assert result['processes'][0]['reason'] == 'exit status 3'


def test_a_configuration_that_is_rolled_back(run, http_server, make):
    failed = make.process(error='exit status 3')
    why = 'web:0: exit status 3'
    answers = {
        'restarter.planConfig': make.config(
            make.group(make.changing('0', make.change())), warnings=['look out']
        ),
        'restarter.startApply': '7',
        'restarter.waitRestart': make.apply(failed, state='rolled_back', why=why),
    }
    http_server.answer = lambda method, arguments: answers[method]

    result = run(config, serverurl=http_server.url)

    assert (result['failed'], result['changed']) == (True, True)
    assert result['msg'].startswith('web:0: exit status 3; rolled back: ')
    assert '/srv/web 2' in result['diff']['after']
    assert 'look out' in str(result['warnings'])
    assert result['processes'][0]['reason'] == 'exit status 3'


def test_files_that_make_no_sense_are_told_in_a_line(run, http_server):
    said = "CANT_REREAD: no such key in section 'program:web' (file: '/etc/supervisor/web.conf')"
    http_server.answer = lambda method, arguments: xmlrpc.client.Fault(92, said)

    result = run(config, serverurl=http_server.url)

    assert result['msg'] == f'{said}; nothing was touched'
    assert [request.method for request in http_server.requests] == ['restarter.planConfig']


@pytest.mark.parametrize('module', MODULES)
def test_no_result_has_the_password(run, module, http_server):
    http_server.answer = lambda method, arguments: (401, 'no')
    url = http_server.url.replace('//', '//deploy:very%20sesame@')
    more = {'state': 'restarted'} if module is processes else {}

    for given in ({'serverurl': url}, {'serverurl': http_server.url, 'password': 'very sesame'}):
        result = run(module, name='web', **given, **more)

        assert 'requires authentication' in result['msg']
        assert 'sesame' not in json.dumps(result)
