"""The `restarter` namespace: what it takes, what it refuses, what it answers."""

from __future__ import annotations

import datetime
import inspect
import math
from types import SimpleNamespace
from typing import Any
from xmlrpc.client import Fault as ClientFault
from xmlrpc.client import dumps, loads

import pytest
from supervisor.http import NOT_DONE_YET
from supervisor.states import SupervisorStates
from supervisor.xmlrpc import Faults, RPCError, SystemNamespaceRPCInterface

from supervisor_restarter import __version__
from supervisor_restarter.configuration.twin import Unreadable
from supervisor_restarter.engine.admission import Goal
from supervisor_restarter.engine.operation import Operation, State
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.options import ApplyOptions, Options, with_call
from supervisor_restarter.server.ascii_text import AsciiText
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.request import Call, Request, Selection
from supervisor_restarter.server.rpcinterface import RestarterNamespaceRPCInterface
from tests.world import Program, World, group

SIGNATURES = {
    'restartProcessGroup': ['array', 'string', 'struct'],
    'quickStop': ['array', 'array', 'boolean'],
    'quickStart': ['array', 'array', 'boolean'],
    'quickRestart': ['array', 'array', 'boolean'],
    'startRestart': ['string', 'array', 'struct'],
    'getRestart': ['struct', 'string'],
    'waitRestart': ['struct', 'string', 'int', 'double', 'int'],
    'cancelRestart': ['boolean', 'string'],
    'listRestarts': ['array'],
    'planRestart': ['struct', 'array', 'struct'],
    'planConfig': ['struct', 'array', 'struct'],
    'startApply': ['string', 'array', 'struct'],
    'setNumprocs': ['string', 'string', 'int', 'struct'],
    'retryRestart': ['string', 'string', 'struct'],
    'getPluginVersion': ['string'],
    'getAPIVersion': ['string'],
}
LEAST = {
    'restartProcessGroup': 1,
    'quickStop': 1,
    'quickStart': 1,
    'quickRestart': 1,
    'startRestart': 1,
    'getRestart': 1,
    'waitRestart': 3,
    'cancelRestart': 1,
    'planRestart': 1,
    'retryRestart': 1,
    'setNumprocs': 2,
}
# fmt: off
ODD: list[Any] = [
    None, 1, True, math.nan, '', ['x'], [None], {'a': 1}, b'x', datetime.datetime(2024, 1, 2), 10**400,
]
# fmt: on

BAD_WAITS: list[Any] = [None, 'yes', 2, 1.0, math.nan, [], 10**400]
BAD_VERSIONS: list[Any] = [None, '1', 1.5, True, math.nan, []]
BAD_SECONDS: list[Any] = [None, '1s', True, math.nan, math.inf, -0.1, 10**400]


class FakeService:
    """Begins each request in a simulated world, and notes how it was called."""

    def __init__(self) -> None:
        self.world = World()
        for name in ('web:0', 'web:1'):
            self.world.add(name, program=Program(stop_seconds=1.0))
        self.calls: list[tuple] = []
        self.runs: dict[str, Job] = {}
        self.waited = False

    def groups(self):
        return {'web': ['0', '1'], 'größe': ['höhe']}

    def request(self, request):
        request.selection.resolved(self.groups())
        self.calls.append((request.goal, request.call, request.options))
        self.until_ordered = request.until_ordered
        self.drive = group(self.world, goal=request.goal)
        run = Job(str(len(self.runs) + 1), self.drive.operation, request.selection, 0.0)
        self.runs[run.id] = run
        return run

    def retry(self, wanted, given):
        run = self.get(wanted)
        options = with_call(Options(), given)
        return self.request(Request(Goal.RESTART, run.selection, options, Call.DETACHED))

    def plan(self, selection, options):
        selection.resolved(self.groups())
        self.calls.append(('plan', None, options))
        return {'total': 2}

    def get(self, wanted):
        if not isinstance(wanted, str) or wanted not in self.runs:
            raise Refusal(Code.NO_SUCH_RESTART, 'no such')
        return self.runs[wanted]

    def cancel(self, wanted):
        self.get(wanted).operation.cancel('cancelled')

    def restarts(self):
        return list(self.runs.values())

    # The files cannot be read if groups called 'größe\n' are asked for.

    def plan_config(self, groups, secrets):
        if groups == 'größe\n':
            raise Unreadable(f'nothing for {groups}')
        return {'total': 0, 'warnings': [str(groups)], 'secrets': secrets}

    def apply(self, groups, options):
        self.plan_config(groups, False)
        self.calls.append(('apply', groups, options))
        return SimpleNamespace(id='7')

    def scale(self, program, number, options):
        self.plan_config(program, False)
        self.calls.append(('scale', program, number, options))
        return SimpleNamespace(id='8')

    def timer(self, seconds):
        self.calls.append(('timer', seconds))
        return lambda: self.waited


@pytest.fixture
def service():
    return FakeService()


@pytest.fixture
def supervisord():
    logged: list[str] = []
    logger = SimpleNamespace(critical=logged.append)
    return SimpleNamespace(
        options=SimpleNamespace(mood=SupervisorStates.RUNNING, logger=logger, get_socket_map=dict),
        logged=logged,
    )


@pytest.fixture
def interface(service, supervisord):
    return RestarterNamespaceRPCInterface(supervisord, service, Options(delay=3.0))


def fault(call, *args):
    with pytest.raises(RPCError) as info:
        call(*args)
    dumps(ClientFault(info.value.code, info.value.text))
    assert '\n' not in info.value.text
    return info.value


# -- what is published ---------------------------------------------------------------------------


def system(interface):
    return SystemNamespaceRPCInterface([('restarter', interface)])


def test_the_methods_are_those_of_the_contract(interface):
    names = {name for name in system(interface).listMethods() if name.startswith('restarter.')}
    assert names == {f'restarter.{name}' for name in SIGNATURES}


def test_supervisor_can_tell_each_signature(interface):
    tell = system(interface).methodSignature
    assert {name: tell(f'restarter.{name}') for name in SIGNATURES} == SIGNATURES


def test_each_method_documents_its_parameters_as_they_are_called(interface):
    for name in SIGNATURES:
        text = system(interface).methodHelp(f'restarter.{name}')
        lines = [line.split() for line in text.splitlines()]
        documented = [words[2] for words in lines if words and words[0] == '@param']
        parameters = list(inspect.signature(getattr(interface, name)).parameters.values())
        assert documented == [parameter.name for parameter in parameters]
        needed = [parameter for parameter in parameters if parameter.default is parameter.empty]
        assert len(needed) == LEAST.get(name, 0)
        assert text.strip().splitlines()[0].strip()


def test_the_versions(interface):
    assert (interface.getPluginVersion(), interface.getAPIVersion()) == (__version__, '1.0')


# -- arguments -----------------------------------------------------------------------------------


def test_a_wrong_number_of_arguments_is_incorrect_parameters(interface, service, supervisord):
    for name, signature in SIGNATURES.items():
        most = len(signature) - 1
        for count in {LEAST.get(name, 0) - 1, most + 1, most + 5} - {-1}:
            call = getattr(interface, name)
            assert fault(call, *['web'] * count).code == Faults.INCORRECT_PARAMETERS
    assert (service.calls, supervisord.logged) == ([], [])


@pytest.mark.parametrize('mood', [SupervisorStates.SHUTDOWN, SupervisorStates.RESTARTING])
def test_during_shutdown_there_is_one_answer_to_everything(interface, supervisord, mood):
    supervisord.options.mood = mood
    for name in SIGNATURES:
        for args in ((), ('web',), (None,) * 9):
            assert fault(getattr(interface, name), *args).code == Faults.SHUTDOWN_STATE


def test_a_waiting_call_is_answered_with_shutdown_state_when_the_shutdown_begins(
    interface, supervisord
):
    answer = interface.quickStop('web')
    assert answer() is NOT_DONE_YET
    supervisord.options.mood = SupervisorStates.SHUTDOWN
    assert fault(answer).code == Faults.SHUTDOWN_STATE


# Every value for one method, and one value for every method.


@pytest.mark.parametrize(
    ('method', 'names'),
    [
        *(('startRestart', names) for names in [*ODD, [], 'nope', ['web', 'nope']]),
        *((f'quick{goal}', ['x']) for goal in ('Stop', 'Start', 'Restart')),
        ('planRestart', ['x']),
        ('restartProcessGroup', 'x'),
        ('restartProcessGroup', 7),
    ],
)
def test_bad_names_are_bad_group(interface, service, supervisord, method, names):
    refused = fault(getattr(interface, method), names)
    assert (refused.code, refused.text.split(':')[0]) == (Code.BAD_GROUP, 'BAD_GROUP')
    assert (service.runs, supervisord.logged) == ({}, [])


@pytest.mark.parametrize('name', ['web:', 'web:0', 'all', 'w*', ['web']])
def test_restart_process_group_takes_the_name_of_a_group_alone(interface, name):
    assert fault(interface.restartProcessGroup, name).code == Code.BAD_GROUP


@pytest.mark.parametrize(
    ('method', 'options'),
    [
        *(('startRestart', odd) for odd in [*ODD[1:], {'delay': None}]),
        ('restartProcessGroup', {'x': 1}),
        ('planRestart', {'x': 1}),
        *(('planConfig', odd) for odd in [*ODD[1:], {'secrets': None}, {'secrets': 'true'}]),
        *(('startApply', odd) for odd in [*ODD[1:], {'rollback': None}, {'only_running': True}]),
    ],
)
def test_bad_options_are_bad_option(interface, service, supervisord, method, options):
    refused = fault(getattr(interface, method), 'web', options)
    assert (refused.code, refused.text.split(':')[0]) == (Code.BAD_OPTION, 'BAD_OPTION')
    assert (service.runs, supervisord.logged) == ({}, [])


@pytest.mark.parametrize(
    ('method', 'wait'),
    [*(('quickStop', wait) for wait in BAD_WAITS), ('quickStart', 2), ('quickRestart', 2)],
)
def test_wait_must_be_true_or_false(interface, service, method, wait):
    refused = fault(getattr(interface, method), 'web', wait)
    assert refused.code == Code.BAD_OPTION
    assert refused.text.startswith('BAD_OPTION: wait = ')
    assert service.runs == {}


@pytest.mark.parametrize(
    ('method', 'id'),
    [
        *(('getRestart', id) for id in ODD),
        *((method, 'x') for method in ('cancelRestart', 'waitRestart', 'retryRestart')),
    ],
)
def test_an_unknown_id_is_no_such_restart(interface, method, id):
    refused = fault(getattr(interface, method), id, *[0] * (LEAST[method] - 1))
    assert refused.code == Code.NO_SUCH_RESTART


@pytest.mark.parametrize(
    ('version', 'seconds', 'since', 'named'),
    [
        *((version, 1, 0, 'version') for version in BAD_VERSIONS),
        *((0, seconds, 0, 'seconds') for seconds in BAD_SECONDS),
        *((0, 1, since, 'since') for since in BAD_VERSIONS),
    ],
)
def test_versions_and_seconds_are_checked(interface, version, seconds, since, named):
    id = interface.startRestart('web')
    refused = fault(interface.waitRestart, id, version, seconds, since)
    assert refused.code == Code.BAD_OPTION
    assert refused.text.startswith(f'BAD_OPTION: {named} = ')


@pytest.mark.parametrize('version', [-1, 10**400])
def test_any_whole_number_is_a_version(interface, version):
    interface.waitRestart(interface.startRestart('web'), version, 0, version)


@pytest.mark.parametrize(
    ('method', 'args', 'asked'),
    [
        ('restartProcessGroup', ('web',), (Goal.RESTART, Call.GROUP)),
        ('quickStop', ('web',), (Goal.STOP, Call.QUICK)),
        ('quickStart', ('web', True), (Goal.START, Call.QUICK)),
        ('quickRestart', (['web:0', 'web:1'],), (Goal.RESTART, Call.QUICK)),
        ('startRestart', (['we*'],), (Goal.RESTART, Call.DETACHED)),
        ('planRestart', ('all',), ('plan', None)),
    ],
)
def test_what_the_service_is_asked_for(interface, service, method, args, asked):
    getattr(interface, method)(*args)
    assert service.calls == [(*asked, Options(delay=3.0))]


@pytest.mark.parametrize('wait', [True, False])
def test_who_does_not_wait_has_no_time_limit_once_all_is_ordered(interface, service, wait):
    interface.quickRestart('web', wait)
    assert service.until_ordered is not wait


def test_options_of_a_call_come_before_those_of_the_configuration(interface, service):
    interface.startRestart('web', {'timeout': 7})
    assert service.calls[0][2] == Options(delay=3.0, timeout=7.0)


def test_a_defect_of_ours_is_a_fault_and_a_traceback_in_the_log(interface, service, supervisord):
    service.request = lambda *args: [][0]
    refused = fault(interface.startRestart, 'web')
    assert refused.code == Faults.FAILED
    assert refused.text == "FAILED: internal error: IndexError('list index out of range')"
    assert 'Traceback' in supervisord.logged[0]


def test_what_an_apply_asks_the_service_for(interface, service):
    assert interface.startApply() == interface.startApply(['web'], {'prune': 0}) == '7'
    assert interface.setNumprocs('web', '6') == '8'
    careful = Options(delay=3.0, max_unavailable='25%')
    assert service.calls == [
        ('apply', '', ApplyOptions(careful)),
        ('apply', ['web'], ApplyOptions(careful, prune=False)),
        ('scale', 'web', '6', ApplyOptions(careful)),
    ]


@pytest.mark.parametrize(
    ('method', 'args'), [('planConfig', []), ('startApply', []), ('setNumprocs', [3])]
)
def test_files_that_cannot_be_read_are_supervisors_own_fault(interface, supervisord, method, args):
    refused = fault(getattr(interface, method), 'größe\n', *args)
    assert (refused.code, refused.text) == (Faults.CANT_REREAD, 'CANT_REREAD: nothing for größe\\n')
    assert type(refused.text) is AsciiText
    assert supervisord.logged == []


def test_a_plan_of_the_configuration_is_of_all_groups_without_secrets(interface):
    assert interface.planConfig() == {'total': 0, 'warnings': [''], 'secrets': False}
    assert interface.planConfig('', {}) == interface.planConfig('', None) == interface.planConfig()
    assert interface.planConfig(['web'], {'secrets': 1})['secrets'] is True


# -- answers -------------------------------------------------------------------------------------


def test_restart_process_group_answers_true_when_all_are_ready(interface, service):
    answer = interface.restartProcessGroup('web')
    assert answer() is NOT_DONE_YET
    service.drive.end()
    assert answer() is True


def test_restart_process_group_answers_with_the_processes_that_failed(interface, service):
    service.world.processes['web:1'].program.kill_error = 'EPERM'
    answer = interface.restartProcessGroup('web')
    service.drive.end()
    assert answer() == [
        {'group': 'web', 'name': '1', 'code': Code.STOP_FAILED, 'text': 'STOP_FAILED: EPERM'}
    ]


def timed_out(service, *, others_failed):
    if others_failed:
        service.world.processes['web:1'].program.kill_error = 'EPERM'
    service.drive.to(0.5)
    service.drive.operation.deadline = service.world.now
    service.drive.operation.step(service.world.now, service.world.look)


def test_restart_process_group_answers_timeout_with_what_is_pending(interface, service):
    answer = interface.restartProcessGroup('web')
    timed_out(service, others_failed=False)
    refused = fault(answer)
    assert refused.code == Code.TIMEOUT
    assert refused.text.startswith(
        'TIMEOUT: 2 of 2 processes were pending: web:0 (it is still stopping'
    )


def test_restart_process_group_answers_with_all_after_a_timeout_if_others_failed_before(
    interface, service
):
    answer = interface.restartProcessGroup('web')
    timed_out(service, others_failed=True)
    assert [entry['code'] for entry in answer()] == [Code.TIMEOUT, Code.STOP_FAILED]


def test_restart_process_group_answers_cancelled(interface, service):
    answer = interface.restartProcessGroup('web')
    interface.cancelRestart('1')
    refused = fault(answer)
    assert (refused.code, refused.text) == (
        Code.CANCELLED,
        'CANCELLED: restart 1 was cancelled: cancelled',
    )


@pytest.mark.parametrize('method', ['quickStop', 'quickRestart'])
def test_a_quick_call_that_waits_answers_when_all_is_done(interface, service, method):
    answer = getattr(interface, method)('web', True)
    service.drive.to(0.5)
    assert answer() is NOT_DONE_YET
    service.drive.end()
    assert [(row['name'], row['status']) for row in answer()] == [('0', 80), ('1', 80)]


def test_a_quick_stop_that_does_not_wait_answers_when_all_are_told_to_stop(interface, service):
    answer = interface.quickStop('web', False)
    assert answer() is NOT_DONE_YET
    service.drive.to(0.0)
    assert [row['status'] for row in answer()] == [80, 80]


def test_a_quick_restart_that_does_not_wait_answers_when_all_are_started(interface, service):
    answer = interface.quickRestart('web', False)
    service.drive.to(0.5)
    assert answer() is NOT_DONE_YET
    service.drive.to(1.1)
    assert [row['status'] for row in answer()] == [80, 80]


def test_a_quick_call_answers_at_its_timeout(interface, service):
    answer = interface.quickStop('web')
    timed_out(service, others_failed=False)
    assert [row['status'] for row in answer()] == 2 * [Code.TIMEOUT]


def test_a_restart_is_waited_for_until_its_version_grows(interface, service):
    id = interface.startRestart('web')
    version = interface.getRestart(id)['version']
    answer = interface.waitRestart(id, version, 10)
    assert answer() is NOT_DONE_YET
    service.drive.to(0.0)
    assert answer()['version'] > version
    assert interface.waitRestart(id, version, 10)['version'] > version


def test_a_restart_is_waited_for_no_longer_than_asked(interface, service):
    id = interface.startRestart('web')
    answer = interface.waitRestart(id, 10**9, 2.5)
    assert answer() is NOT_DONE_YET
    service.waited = True
    assert answer()['id'] == id
    assert service.calls[-1] == ('timer', 2.5)


def test_who_has_had_a_version_is_told_what_has_changed_since(interface, service):
    service.world.processes['web:0'].program.startsecs = 3.0
    id = interface.startRestart('web')
    service.drive.to(2.5)  # web:1 is ready
    version = interface.getRestart(id)['version']
    service.drive.end()
    service.runs[id].ended_at = 1007.0
    whole = interface.getRestart(id)
    expected = {key: whole[key] for key in whole if key not in ('policies', 'warnings')}
    expected['processes'] = [{'index': 0, **whole['processes'][0]}]
    assert interface.waitRestart(id, version, 10, version) == expected
    assert interface.waitRestart(id, 0, 10, whole['version'])['processes'] == []
    everything = interface.waitRestart(id, 0, 10, 0)
    assert everything['processes'] == [
        {'index': place, **process} for place, process in enumerate(whole['processes'])
    ]
    assert everything.keys() == whole.keys()
    assert interface.waitRestart(id, 0, 10, -1) == interface.waitRestart(id, 0, 10) == whole


def test_who_waits_is_told_what_has_changed_when_it_is_answered(interface, service):
    id = interface.startRestart('web')
    version = interface.getRestart(id)['version']
    answer = interface.waitRestart(id, version, 10, version)
    assert answer() is NOT_DONE_YET
    service.drive.to(0.0)
    assert [process['phase'] for process in answer()['processes']] == ['stopping', 'stopping']


def test_a_finished_restart_is_answered_at_once(interface, service):
    id = interface.startRestart('web')
    service.drive.end()
    assert interface.waitRestart(id, 10**9, 1000)['state'] == 'succeeded'


def test_a_cancel_answers_true(interface):
    assert interface.cancelRestart(interface.startRestart('web')) is True


def test_a_list_has_no_processes_and_a_single_one_has(interface):
    id = interface.startRestart('web')
    assert [set(interface.getRestart(id)) - set(struct) for struct in interface.listRestarts()] == [
        {'processes', 'policies', 'warnings'}
    ]


def test_every_struct_can_be_sent_as_xml(interface, service):
    id = interface.startRestart('web')
    operation = Operation(service.world.members(), Options())
    service.runs['queued'] = Job('queued', operation, Selection('web'), 0.0)
    queued = interface.getRestart('queued')
    for value in (interface.getRestart(id), interface.listRestarts(), queued):
        assert loads(dumps((value,)))[0][0] == value
    assert ' '.join(queued) == (
        'id kind groups state why version requested_at started_at finished_at duration options '
        'total done failed killed lowest_ready ready allowed old_stopping policies warnings processes'
    )
    assert queued['state'] == State.QUEUED.value


def test_a_deferred_answer_is_one_that_supervisor_can_ask(interface):
    answer = interface.quickStop('web')
    assert answer.delay > 0
    assert answer.rpcinterface is interface


def test_the_text_of_a_failed_process_is_made_safe(interface, service):
    service.world.processes['web:1'].program.kill_error = 'größe'
    answer = interface.restartProcessGroup('web')
    service.drive.end()
    assert dumps((answer(),)).isascii()
