from __future__ import annotations

import pytest
from supervisor import events

from tests.unit.configuration.running import HEAD, Running


@pytest.fixture
def running(tmp_path, monkeypatch):
    """A maker of Running: of the text of its main file, which follows `head`."""
    monkeypatch.setattr(events, 'callbacks', [])

    def make(text: str, head: str = HEAD) -> Running:
        return Running(tmp_path, text, head)

    return make
