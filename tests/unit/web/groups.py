"""Supervisor's groups, as far as metrics look at them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def group(*states: int) -> Any:
    """A group with a process in each of these states."""
    processes = {str(number): SimpleNamespace(state=state) for number, state in enumerate(states)}
    return SimpleNamespace(processes=processes)
