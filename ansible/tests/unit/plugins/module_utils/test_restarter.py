# Copyright: supervisor-restarter contributors
# MIT licence: see LICENSE, or https://opensource.org/license/mit
from __future__ import annotations

import pytest
from ansible_collections.supervisor.restarter.plugins.module_utils import errors
from ansible_collections.supervisor.restarter.plugins.module_utils.errors import (
    Refused,
    Trouble,
    Unreachable,
)
from ansible_collections.supervisor.restarter.plugins.module_utils.restarter import Restarter


class Server:
    """Answers each method as told; an exception is raised, and what is not told is unknown."""

    name = 'unix:///sock'

    def __init__(self, **answers):
        self._answers = answers
        self.calls = []

    def call(self, method, *arguments):
        self.calls.append((method, *arguments))
        unknown = Refused(errors.UNKNOWN_METHOD, 'UNKNOWN_METHOD')
        answer = self._answers.get(method.partition('.')[2], unknown)
        if isinstance(answer, Exception):
            raise answer
        return answer


def trouble(call, **answers):
    with pytest.raises(Trouble) as caught:
        call(Restarter(Server(**answers)))
    return caught.value


def test_without_the_plugin_it_says_what_to_add():
    text = str(trouble(lambda restarter: restarter.start(['web'], {})))

    assert '[rpcinterface:restarter]' in text
    assert 'supervisor.rpcinterface_factory = supervisor_restarter:make_rpcinterface' in text
    assert '`supervisorctl reload`, which restarts all programs' in text


def test_a_plugin_without_the_method_is_older():
    text = str(trouble(lambda restarter: restarter.start(['web'], {}), getPluginVersion='0.9'))

    assert 'does not know startRestart: the plugin there has version 0.9' in text


@pytest.mark.parametrize(
    'refusal', ["unknown option 'newer_than'; known are", "method = 'start' is not allowed"]
)
def test_a_plugin_that_does_not_know_an_option_may_be_older(refusal):
    fault = Refused(errors.BAD_OPTION, f'BAD_OPTION: {refusal}')

    error = trouble(
        lambda restarter: restarter.start(['web'], {}), startRestart=fault, getPluginVersion='1.0.0'
    )

    assert str(error).startswith(str(fault))
    assert 'version 1.0.0 and may be older than this collection' in str(error)


def test_another_bad_option_is_told_as_it_is():
    fault = Refused(errors.BAD_OPTION, 'BAD_OPTION: scout = -1 is not allowed')

    error = trouble(lambda restarter: restarter.start(['web'], {}), startRestart=fault)

    assert error is fault


def test_a_start_without_an_answer_may_have_begun():
    broken = Unreachable('unix:///sock broke the connection')

    text = str(trouble(lambda restarter: restarter.start(['web'], {}), startRestart=broken))

    assert text.startswith('unix:///sock broke the connection; whether the restart has begun is')


def test_a_start_that_was_not_sent_has_not():
    gone = Unreachable('unix:///sock: no such socket', gone=True, sent=False)

    assert trouble(lambda restarter: restarter.start(['web'], {}), startRestart=gone) is gone


def test_a_supervisord_that_shuts_down_is_as_good_as_unreachable():
    leaving = Refused(errors.SHUTDOWN_STATE, 'SHUTDOWN_STATE')

    error = trouble(lambda restarter: restarter.wait('7', 0, 10.0), waitRestart=leaving)

    assert isinstance(error, Unreachable)
    assert str(error) == 'supervisord is shutting down or being reloaded'


@pytest.mark.parametrize('answer', ['x', {}, {'processes': 'x'}])
def test_an_answer_of_another_kind(answer):
    error = trouble(lambda restarter: restarter.wait('7', 0, 10.0), waitRestart=answer)

    assert str(error) == 'unix:///sock answered with something unexpected'


def test_a_stop_does_not_wait():
    # The server would wait for as long as its configuration says, which may be for ever.
    server = Server(quickStop=[])

    assert Restarter(server).stop(['web']) == []
    assert server.calls == [('restarter.quickStop', ['web'], False)]


def test_a_plugin_that_applies_nothing_is_older():
    text = str(
        trouble(lambda restarter: restarter.apply([], {}), planConfig={}, getPluginVersion='1.0.0')
    )

    assert 'does not know startApply: the plugin there has version 1.0.0 and may be older' in text


def test_an_apply_without_an_answer_may_have_begun():
    broken = Unreachable('unix:///sock broke the connection')

    text = str(trouble(lambda restarter: restarter.apply([], {}), startApply=broken))

    assert '; whether the apply has begun is not known' in text


@pytest.mark.parametrize('answer', ['x', {}, {'groups': 'x'}])
def test_a_plan_of_another_kind(answer):
    error = trouble(lambda restarter: restarter.plan_config([], False), planConfig=answer)

    assert str(error) == 'unix:///sock answered with something unexpected'
