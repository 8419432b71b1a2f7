"""Standard output and standard error of the command: nothing that is printed can end it, or tell
the terminal to do anything.
"""

from __future__ import annotations

import os
from enum import Enum
from typing import TextIO

from supervisor_restarter.text import printable


class Colour(Enum):
    """What a line means; the value is the terminal's code for it."""

    PLAIN = ''
    GOOD = '32'  # green
    ODD = '33'  # yellow: not an error, but worth a look
    BAD = '31'  # red


class Screen:
    """Where the command prints.

    Characters the terminal's encoding lacks come out as escapes. When standard output is no longer
    read (`| head`), the rest is dropped: the restart goes on all the same, and so does the waiting
    for its result. lost: something could not be written there.
    """

    def __init__(self, stdout: TextIO | None, stderr: TextIO | None) -> None:
        self.stdout = stdout
        self.lost = stdout is None
        self._stderr = stderr
        for stream in (stdout, stderr):
            if stream is not None and hasattr(stream, 'reconfigure'):
                stream.reconfigure(errors='backslashreplace')

    @property
    def terminal(self) -> TextIO | None:
        """Standard output, if it is a terminal."""
        return self.stdout if self.stdout is not None and self.stdout.isatty() else None

    def out(self, line: str, colour: Colour = Colour.PLAIN) -> None:
        """One line on standard output, control characters escaped."""
        self.text(self.painted(line, colour) + '\n')

    def painted(self, line: str, colour: Colour) -> str:
        """The line as standard output gets it: control characters escaped, and in colour where that
        is wanted.
        """
        return _painted(self.stdout, line, colour)

    def text(self, text: str) -> None:
        """Text of our own on standard output, as it is."""
        if self.stdout is not None:
            problem = _write(self.stdout, text)
            if problem is not None:
                self.stdout = None
                self.lost = True
                if not isinstance(problem, BrokenPipeError):
                    self.error(f'Error: standard output takes no more: {problem.strerror}')

    def error(self, line: str, colour: Colour = Colour.BAD) -> None:
        """One line on standard error, control characters escaped."""
        if self._stderr is not None:
            painted = _painted(self._stderr, line, colour)
            if _write(self._stderr, painted + '\n') is not None:
                self._stderr = None

    def hint(self, line: str) -> None:
        """One line on standard error, if that is a terminal: programs that read it get nothing."""
        if self._stderr is not None and self._stderr.isatty():
            self.error(line, Colour.PLAIN)


def _painted(stream: TextIO | None, line: str, colour: Colour) -> str:
    line = printable(line)
    if colour is Colour.PLAIN or stream is None or not _has_colours(stream):
        return line
    return f'\x1b[{colour.value}m{line}\x1b[0m'


def _has_colours(stream: TextIO) -> bool:
    """Whether it is a terminal with colours, and its user wants them (https://no-color.org)."""
    return (
        stream.isatty()
        and os.environ.get('TERM', 'dumb') != 'dumb'
        and not os.environ.get('NO_COLOR')
    )


def _write(stream: TextIO, text: str) -> OSError | None:
    """Writes, and returns why it failed; the stream then leads nowhere."""
    try:
        stream.write(text)
        stream.flush()
    except OSError as exc:
        abandon(stream)
        return exc
    return None


def abandon(stream: TextIO) -> None:
    """Let the stream, to which nothing can be written any more, lead nowhere.

    What is left in its buffer must go somewhere, or the interpreter's last flush fails and says so.
    """
    with open(os.devnull, 'w') as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
