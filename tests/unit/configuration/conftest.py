from __future__ import annotations

import pytest
from supervisor import events

from tests.unit.configuration.applying import Applying
from tests.unit.configuration.running import HEAD, Running


@pytest.fixture
def running(tmp_path, monkeypatch):
    """A maker of Running: of the text of its main file, which follows `head`."""
    monkeypatch.setattr(events, 'callbacks', [])

    def make(text: str, head: str = HEAD) -> Running:
        return Running(tmp_path, text, head)

    return make


@pytest.fixture
def applying(tmp_path, monkeypatch):
    """A maker of Applying, as that of Running; what it has opened is closed."""
    monkeypatch.setattr(events, 'callbacks', [])
    made = []

    def make(text: str, head: str = HEAD) -> Applying:
        made.append(Applying(tmp_path, text, head))
        return made[-1]

    yield make
    for one in made:
        one.close()
