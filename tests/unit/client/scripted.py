"""A run of the command whose server plays a script."""

from __future__ import annotations

import io
import json
from typing import Any


class Script:
    """The proxy's restarter namespace: plays (method, answer, exception or function of none) in
    order.
    """

    def __init__(self, *steps: tuple[str, Any]) -> None:
        self.steps = list(steps)
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, method):
        def play(*args):
            self.calls.append((method, *args))
            expected, answer = self.steps.pop(0)
            assert method == expected
            if isinstance(answer, BaseException):
                raise answer
            return answer() if callable(answer) else answer

        return play


class Ran:
    """What a run of the command left: status, out, err (as lines), calls."""

    def __init__(self, status: int, out: str, err: str, calls: list[tuple[Any, ...]]) -> None:
        self.status = status
        self.stdout = out
        self.out = out.splitlines()
        self.err = err.splitlines()
        self.calls = calls

    def json(self) -> Any:
        """The one object on standard output."""
        return json.loads(self.stdout)


class Terminal(io.TextIOWrapper):
    def isatty(self):
        return True


def printed(stream):
    """The lines that a Terminal has got."""
    stream.flush()
    return stream.buffer.getvalue().decode().splitlines()
