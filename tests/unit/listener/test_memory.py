"""How much memory a process uses with all its children, on a machine that is pretended."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from supervisor_restarter.listener.memory import measure


@pytest.fixture
def machine(monkeypatch):
    """machine(pid=(parent, bytes or exception), ...) is all that psutil sees."""

    def made(**processes):
        def process(pid, parent, size):
            def memory_info():
                if isinstance(size, Exception):
                    raise size
                return SimpleNamespace(rss=size)

            return SimpleNamespace(pid=pid, info={'ppid': parent}, memory_info=memory_info)

        found = [process(int(pid[1:]), *known) for pid, known in processes.items()]
        monkeypatch.setattr(psutil, 'process_iter', lambda attributes: found)

    return made


def test_a_process_counts_with_its_children_and_theirs(machine):
    machine(p1=(0, 5), p10=(1, 100), p11=(10, 20), p12=(11, 3), p20=(1, 7))
    assert measure([10, 20]) == {10: 123, 20: 7}


def test_a_circle_of_parents_ends(machine):
    # Pids are used again, and psutil does not see all processes at the same moment.
    machine(p10=(11, 100), p11=(10, 20))
    assert measure([10]) == {10: 120}


def test_a_process_that_is_gone_is_left_out_and_a_child_that_is_counts_nothing(machine):
    gone = psutil.NoSuchProcess(0)
    machine(p10=(1, 100), p11=(10, gone), p20=(1, gone))
    assert measure([10, 20, 30]) == {10: 100}


def test_less_than_all_of_it_is_no_answer(machine):
    machine(p10=(1, 100), p11=(10, psutil.AccessDenied(11)))
    assert measure([10]) == {}
