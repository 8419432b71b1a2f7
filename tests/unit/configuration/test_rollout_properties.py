"""Any configuration to any other: forwards to the end nothing is left for `reread`, and from
anywhere on the way back everything is as it was.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from supervisor import events
from supervisor.states import ProcessStates

from tests.unit.configuration.applying import Applying
from tests.unit.configuration.running import program

KEYS: dict[str, Any] = {
    'umask': st.sampled_from(['1', '2']),
    'priority': st.sampled_from([1, 999]),
    'autostart': st.sampled_from(['true', 'false']),
    'stopwaitsecs': st.sampled_from([1, 10]),
    'stdout_logfile': st.sampled_from(['AUTO', 'NONE', '%(here)s/%(program_name)s.log']),
    'stderr_syslog': st.sampled_from(['true', 'false']),
    'stdout_capture_maxbytes': st.sampled_from([0, 99]),
    'environment': st.sampled_from(['A="1"', 'A="1",RESTARTER_READY="tcp:1"']),
}
OF_KINDS: dict[str, dict[str, Any]] = {
    'program': {},
    'fcgi-program': {
        'socket': st.sampled_from(['unix://%(here)s/one', 'unix://%(here)s/%(program_name)s']),
        'socket_mode': st.sampled_from(['0700', '0770']),
    },
    'eventlistener': {
        'events': st.sampled_from(['TICK_5', 'TICK_60,TICK_5']),
        'buffer_size': st.sampled_from([5, 10]),
    },
}
STATES = (ProcessStates.STOPPED, ProcessStates.EXITED, ProcessStates.FATAL, ProcessStates.BACKOFF)


@st.composite
def sections(draw: Any, name: str) -> str:
    kind = draw(st.sampled_from(list(OF_KINDS)))
    some = draw(st.sets(st.sampled_from(list(KEYS)), max_size=3))
    keys = {key: draw(KEYS[key]) for key in KEYS if key in some}
    keys |= {key: draw(values) for key, values in OF_KINDS[kind].items()}
    prefix = draw(st.sampled_from(['', '', '', 'x']))
    return program(
        name,
        kind,
        numprocs=draw(st.integers(1, 4)),
        numprocs_start=draw(st.sampled_from([0, 0, 2])),
        process_name=f'{prefix}%(process_num)s',
        **keys,
    )


@st.composite
def configurations(draw: Any) -> str:
    names = draw(st.lists(st.sampled_from('abc'), unique=True))
    text = ''.join(draw(sections(name)) for name in names)
    plain = [name for name in names if f'[program:{name}]' in text]
    together = draw(st.lists(st.sampled_from(plain), unique=True)) if plain else []
    if together:
        text += f'[group:g]\nprograms={",".join(together)}\n'
    return text


@contextmanager
def applying_in_a_directory(text):
    before = list(events.callbacks)
    with tempfile.TemporaryDirectory() as directory:
        one = Applying(Path(directory), text)
        try:
            yield one
        finally:
            one.close()
            events.callbacks[:] = before


def let_some_be_down(one, data):
    for name, group in one.supervisord.process_groups.items():
        for process in group.processes:
            if data.draw(st.booleans()):
                one.stop(name, process, data.draw(st.sampled_from(STATES)))


def pids(one):
    return {
        (name, process): its.pid
        for name, group in one.supervisord.process_groups.items()
        for process, its in group.processes.items()
    }


@given(configurations(), configurations(), st.data())
def test_forwards_to_the_end_nothing_is_left_for_reread(old, new, data):
    with applying_in_a_directory(old) as one:
        let_some_be_down(one, data)
        before = pids(one)
        rollout = one.rollout(new)
        touched = {(slot.group, slot.name) for slot in rollout.slots}
        rollout.begin()
        after = pids(one)
        assert {key: after.get(key, 0) for key in before} == before
        assert not any(after[key] for key in after.keys() - before.keys())
        one.forwards(rollout, rollout.slots)
        rollout.settle()
        assert one.supervisord.diff_to_active() == ([], [], [])
        assert one.reread() == [[], [], []]
        assert all(change.unchanged for change in one.compare().changes)
        after = pids(one)
        for slot in rollout.slots:
            if slot.new is not None:
                assert after[slot.group, slot.name]
            elif slot.old is not None:
                assert (slot.group, slot.old.name) not in after
        for key in before.keys() - touched:
            assert after.get(key, 0) == before[key]


@given(configurations(), configurations(), st.data())
def test_from_anywhere_on_the_way_back_everything_is_as_it_was(old, new, data):
    with applying_in_a_directory(old) as one:
        let_some_be_down(one, data)
        before = one.all_of_it()
        rollout = one.rollout(new)
        rollout.begin()
        slots = [slot for slot in rollout.slots if slot.new is not None]
        so_far = data.draw(st.integers(0, len(slots)))
        one.forwards(rollout, slots[:so_far])
        rollout.undo()
        one.backwards(rollout, slots)
        rollout.close()
        assert one.all_of_it() == before
        assert one.supervisord.diff_to_active() == ([], [], [])
