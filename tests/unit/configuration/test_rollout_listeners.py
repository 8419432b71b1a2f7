"""Event listeners whose events, buffer or handler change while they listen."""

from __future__ import annotations

from supervisor import events

from tests.unit.configuration.running import program

EARS = {'kind': 'eventlistener'}


def listener(**keys):
    return program('ear', **EARS, **keys)


def tick(kind, when=60):
    events.notify(kind(when, None))


def buffered(one):
    return [type(event).__name__ for event in one.group('ear').event_buffer]


def test_other_events_and_what_is_buffered_stays(applying):
    one = applying(listener(events='TICK_5,PROCESS_GROUP_ADDED', buffer_size=3))
    tick(events.Tick5Event)
    rollout = one.rollout(listener(events='TICK_60,PROCESS_GROUP_ADDED', buffer_size=3))
    assert rollout.at_once == [{'group': 'ear', 'name': '', 'action': 'live'}]
    assert rollout.groups == ['ear']
    rollout.begin()
    tick(events.Tick5Event)
    tick(events.Tick60Event)
    # Twice subscribed, it would be told twice.
    events.notify(events.ProcessGroupAddedEvent('x'))
    expected = ['Tick5Event', 'Tick60Event', 'ProcessGroupAddedEvent']
    assert buffered(one) == expected
    rollout.undo()
    tick(events.Tick60Event)
    assert buffered(one) == expected
    tick(events.Tick5Event)
    assert buffered(one) == [*expected[1:], 'Tick5Event']


def test_a_rejected_event_comes_back_once(applying):
    one = applying(listener(events='TICK_5'))
    tick(events.Tick5Event)
    event = one.group('ear').event_buffer.pop()
    one.rollout(listener(events='TICK_60')).begin()
    events.notify(events.EventRejectedEvent(one.process('ear', 'ear'), event))
    assert one.group('ear').event_buffer == [event]


def test_another_size_of_the_buffer_loses_nothing(applying):
    one = applying(listener(events='TICK_5', buffer_size=5))
    for _ in range(4):
        tick(events.Tick5Event)
    rollout = one.rollout(listener(events='TICK_5', buffer_size=2))
    rollout.begin()
    assert len(buffered(one)) == 4
    one.rollout(listener(events='TICK_5', buffer_size=6)).begin()
    for _ in range(2):
        tick(events.Tick5Event)
    assert len(buffered(one)) == 6


def test_a_listener_that_is_removed_hears_nothing_any_more(applying):
    one = applying(program() + listener(events='TICK_5'))
    rollout = one.rollout(program())
    rollout.begin()
    pool = one.group('ear')
    tick(events.Tick5Event)
    one.forwards(rollout, rollout.slots)
    rollout.settle()
    tick(events.Tick5Event)
    assert len(pool.event_buffer) == 1
    assert events.callbacks == []


def test_a_group_that_becomes_a_listener_hears_from_then_on(applying):
    one = applying(program('ear', numprocs=2))
    rollout = one.rollout(listener(events='TICK_5', numprocs=2))
    rollout.begin()
    assert events.callbacks == []
    first, second = rollout.slots
    one.forwards(rollout, [first])
    assert not rollout.may_start(first)
    one.forwards(rollout, [second])
    tick(events.Tick5Event)
    assert buffered(one) == ['Tick5Event']
    # Before the way back it is none of its processes that goes back alone.
    one.take_down(first)
    rollout.put_old(first)
    assert buffered(one) == ['Tick5Event']
    rollout.undo()
    assert not rollout.may_start(first)
    one.backwards(rollout, rollout.slots)
    assert events.callbacks == []
