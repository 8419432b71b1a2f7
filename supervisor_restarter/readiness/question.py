"""What all probes have in common: one question 'are you ready?' and its answer."""

from __future__ import annotations

import errno
import time
from abc import ABC, abstractmethod
from typing import Callable

from supervisor_restarter.readiness.spec import Spec
from supervisor_restarter.text import printable

MOST_NAME = 120  # characters of the spec in an error; every unix path fits
SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL}


class Question(ABC):
    """One question 'are you ready?', on its way from the start. Never raises, never waits.

    deadline: when (monotonic) it is over without an answer. again_at: when look() is to be called
    before that, None: not at all. done: whether there is an answer. done_at: when (monotonic) it was
    there. blind: supervisord could not ask, for it is short of something. over: called once, when the
    place of the question is free.

    Whoever asks calls look() at these times, and close() in the end.
    """

    def __init__(self, spec: Spec, deadline: float, over: Callable[[], None]) -> None:
        self.deadline = deadline
        self.again_at: float | None = None
        self.done = False
        self.done_at = 0.0
        self.blind = False
        self._over = over
        self._begun = time.monotonic()
        self._error = ''
        text = spec.text
        self._name = text if len(text) <= MOST_NAME else f'{text[:MOST_NAME]}...'

    @property
    def ready(self) -> bool:
        """Whether there is an answer, and it is a yes."""
        return self.done and not self._error

    @property
    def error(self) -> str:
        """Why the process is not ready, or not yet, in one short line; '' if it is."""
        return self._error if self.done else f'{self._name}: no answer yet'

    def look(self, now: float) -> None:
        """End the question if its deadline has passed."""
        if now >= self.deadline:
            seconds = f'{max(0.0, self.deadline - self._begun):.3g} s'
            self._end(self._why_late(seconds))

    def close(self) -> None:
        """Give up, if there is no answer yet."""
        self._end('given up')

    def _why_late(self, seconds: str) -> str:
        """Why there was no answer in so much time."""
        return f'no answer within {seconds}'

    def _end(self, why: str) -> None:
        """There is an answer, '' for ready; nothing if there was one before."""
        if self.done:
            return
        self.done, self.done_at = True, time.monotonic()
        self.again_at = None
        self._error = printable(f'{self._name}: {why}') if why else ''
        self._clean_up()

    @abstractmethod
    def _clean_up(self) -> None:
        """There is an answer: give back what was needed to ask."""
