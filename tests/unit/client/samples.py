"""What a server answers: structs of processes, restarts and plans, as the tests of the client need them."""

from __future__ import annotations

from typing import Any

# How a process that is ready is told of: one that was running before, and one that was not.
RESTARTED, STARTED = 'restarted (down 0.02s, ready after 1.03s)', 'started (ready after 1.03s)'


def process(name, phase='ready', error='', old_pid=10, group='web', new_pid=11, **others):
    times = {'stop_seconds': 0.1, 'down_seconds': 0.02, 'ready_seconds': 1.03}
    pids = {'old_pid': old_pid, 'new_pid': new_pid}
    return {'group': group, 'name': name, 'phase': phase, 'error': error, **pids, **times, **others}


def restart(state, *processes, version=1, groups=('web',), **others):
    return {
        'id': '7',
        'groups': list(groups),
        'state': state,
        'version': version,
        'requested_at': '2024-01-02T03:04:05Z',
        'started_at': '',
        'finished_at': '',
        'duration': 0.412,
        'options': {},
        'total': len(processes),
        'done': sum(p['phase'] == 'ready' for p in processes),
        'failed': sum(p['phase'] == 'failed' for p in processes),
        'lowest_ready': 1,
        'processes': list(processes),
        **others,
    }


def news(state, *changed, total, version=2, **others):
    """What has changed in a restart of `total` processes. changed: (index, process)."""
    struct = restart(state, *({**one, 'index': index} for index, one in changed), **others)
    return {**struct, 'version': version, 'total': total, 'allowed': 0}


def change(key='command', old='/bin/a', new='/bin/b', effect='restart', what='changed'):
    return {'key': key, 'what': what, 'old': old, 'new': new, 'effect': effect}


def planned_change(name, action='restart', *changes, state='RUNNING', follows=''):
    """A process of a plan of the configuration."""
    pid = 7 if state == 'RUNNING' else 0
    return {
        'name': name,
        'action': action,
        'state': state,
        'pid': pid,
        'follows': follows,
        'changes': list(changes),
    }


def changed_group(*processes, name='web', action='change', changes=(), unchanged=0):
    return {
        'group': name,
        'action': action,
        'changes': list(changes),
        'processes': list(processes),
        'unchanged': unchanged,
    }


def config_plan(*groups, unchanged=0, reload=(), warnings=()):
    """As planConfig answers."""
    return {
        'groups': list(groups),
        'total': sum(len(group['processes']) for group in groups),
        'unchanged': unchanged,
        'reload': list(reload),
        'warnings': list(warnings),
    }


def applied(state, *processes, why='', at_once=(), **others):
    """An apply. at_once: 'web:0 live', or 'web live' for the group."""
    entries = []
    for spec, action in (one.split() for one in at_once):
        group, _, name = spec.partition(':')
        entries.append({'group': group, 'name': name, 'action': action})
    return restart(state, *processes, kind='apply', why=why, at_once=entries, **others)


def listed(state='running', **others):
    """A restart of one process, as listRestarts answers it."""
    struct = restart(state, process('0'), **others)
    del struct['processes']
    return struct


def planned(name, state, pid, action):
    return {'group': 'web', 'name': name, 'state': state, 'pid': pid, 'action': action}


PLAN: dict[str, Any] = {
    'groups': ['web'],
    'options': {},
    'total': 2,
    'warnings': ['web:01 has no readiness'],
    'batches': [
        {
            'number': 1,
            'after': 0.0,
            'longest': 12.5,
            'processes': [planned('00', 'RUNNING', 12, 'restart')],
        },
        {
            'number': 2,
            'after': 0.2,
            'longest': 0,
            'processes': [planned('01', 'STOPPED', 0, 'start')],
        },
    ],
    'left': [{'group': 'web', 'name': '02', 'state': 'FATAL', 'reason': 'not running'}],
}


def info(spec, state='RUNNING', why=''):
    """A process as Supervisor's getAllProcessInfo answers it. spec: 'web:0'."""
    group, _, name = spec.partition(':')
    process = {'group': group, 'name': name or group, 'statename': state, 'spawnerr': why}
    return {**process, 'pid': 7, 'start': 1000, 'now': 1060, 'stop': 3}


class FakeTqdm:
    """The part of tqdm that is used; notes what the bar showed."""

    bars: list[FakeTqdm] = []

    def __init__(self, total, file, **options):
        self.total, self.file, self.n, self.closed = total, file, 0, False
        self.seen: list[tuple[str, int]] = []
        self.bars.append(self)

    def set_description_str(self, text, refresh):
        self.description = text

    def refresh(self):
        self.seen.append((self.description, self.n))

    def write(self, line, file):
        file.write(line + '\n')

    def close(self):
        self.closed = True
