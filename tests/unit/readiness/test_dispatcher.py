"""How questions, and what comes after them under the same number, are served in the loop."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

from supervisor_restarter.readiness.http_answer import HttpAnswer
from supervisor_restarter.readiness.spec import parse
from tests.unit.readiness.loop import (
    PATIENCE,
    answering,
    no_room,
    nobody_there,
    serving,
    silent,
    why,
)

OK = b'HTTP/1.0 200 OK\r\n\r\n'


def test_a_question_that_is_asked_before_the_poll_ends_its_sleep(any_loop):
    loop, made = any_loop, []
    loop.nap = PATIENCE
    with serving(silent) as other:

        def make():
            loop.before_poll = lambda: None
            made.append(loop.begin(f'tcp://127.0.0.1:{other.port}'))

        loop.before_poll = make
        began = time.monotonic()
        loop.turn()
        loop.turn()
        assert made[0].ready
        assert time.monotonic() - began < PATIENCE / 2


def test_a_number_that_is_used_again_in_the_same_turn(any_loop):
    loop, made = any_loop, []
    with serving(silent) as other, no_room() as port:
        old = loop.begin(f'tcp://127.0.0.1:{port}')
        (number,) = loop.map

        def replace_it():
            old.close()
            made.append(loop.begin(f'tcp://127.0.0.1:{other.port}'))
            assert list(loop.map) == [number]
            loop.before_poll = lambda: None

        loop.before_poll = replace_it
        loop.nap = PATIENCE
        loop.turn()
        assert loop.seen == ([], [number])  # it went to the old one
        assert why(old) == 'given up'
        loop.until(lambda: made[0].done)
        assert made[0].ready


def test_several_addresses_use_one_number_again(any_loop):
    with serving(silent) as other, nobody_there() as port:
        ports = (port, port, port, other.port)
        addresses = tuple((socket.AF_INET, ('127.0.0.1', number)) for number in ports)
        assert any_loop.ask(replace(parse(f'tcp://localhost:{port}'), addresses=addresses)).ready


def test_after_the_end_no_event_means_anything(loop):
    with serving(silent) as other, nobody_there() as port:
        for spec in (f'tcp://127.0.0.1:{other.port}', f'http://127.0.0.1:{port}'):
            question = loop.ask(spec)
            ready = question.ready
            assert not question.readable()
            assert not question.writable()
            question.handle_read_event()
            question.handle_write_event()
            assert question.ready is ready


def test_events_that_are_not_asked_for_mean_nothing(loop):
    with serving(silent) as other, no_room() as port:
        connecting = loop.begin(f'http://127.0.0.1:{port}')
        connecting.handle_read_event()
        assert not connecting.done
        connecting.close()
        reading = loop.begin(f'http://127.0.0.1:{other.port}')
        loop.until(reading.readable)
        reading.handle_write_event()
        reading.handle_read_event()  # there is nothing to read
        assert not reading.done
        reading.close()
        spec = parse(f'http://127.0.0.1:{other.port}')
        writing = loop.begin(replace(spec, target='/' * 20_000_000))
        loop.until(lambda: writing._connected)
        left = 0
        while left != len(writing._unsent):  # until there is no room to write
            left = len(writing._unsent)
            writing.handle_write_event()
        assert not writing.done
        writing.close()


def test_who_has_the_number_in_the_map_keeps_it(loop):
    with no_room() as port:
        question = loop.begin(f'tcp://127.0.0.1:{port}')
        (number,) = loop.map
        loop.map[number] = another = object()
        question.close()
        assert loop.map.pop(number) is another


def test_a_handler_that_raises_ends_the_question_only(any_loop, monkeypatch):
    def fail(self, more, closed):
        raise RuntimeError('a mistake')

    monkeypatch.setattr(HttpAnswer, 'add', fail)
    with serving(answering(OK)) as other:
        assert why(any_loop.ask(f'http://127.0.0.1:{other.port}/')) == 'the probe broke off'


def test_handle_error_ends_the_question_even_if_nothing_can_be_unregistered(any_loop):
    with no_room() as port:
        question = any_loop.begin(f'tcp://127.0.0.1:{port}')
        any_loop.poller.unregister_writable(*any_loop.map)
        question.handle_error()
        assert why(question) == 'the probe broke off'


def test_many_at_once(any_loop):
    with serving(answering(OK)) as other, nobody_there() as port:
        specs = [f'http://127.0.0.1:{other.port}/', f'tcp://127.0.0.1:{port}'] * 20
        questions = [any_loop.begin(spec) for spec in specs]
        any_loop.until(lambda: all(question.done for question in questions))
    assert [question.ready for question in questions] == [True, False] * 20
