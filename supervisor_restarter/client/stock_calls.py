"""Carries out a Quick on a server: the requests, the pauses between them, Ctrl-C in the middle."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Callable

from supervisor.xmlrpc import Faults

from supervisor_restarter.client.client import Client, once_more, process_infos
from supervisor_restarter.client.errors import TEXT_OF_FAULT, ClientError, Exit
from supervisor_restarter.client.stock_quick import Quick, Verb

# Seconds between two looks. A stock supervisord cannot be asked to answer when something has
# changed, and it sees the end of a child sooner when it is asked something. Most processes stop
# within milliseconds: the first looks are close together, so that they are down for no longer than
# they have to; 12 of them in the first second, then 4.
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.25
GROWTH = 1.25

# Seconds after which a Ctrl-C is surely another one, and not the first one's echo.
SECOND_CTRL_C_AFTER = 0.5

GOES_ON = 'what has begun goes on'


class Interrupted(Exception):
    """The user wanted it to end early. The text says what that means for the processes.

    number: the signal, if it is one that this process should end of when it has said so.
    """

    def __init__(self, text: str, number: int | None = None) -> None:
        self.number = None if number == signal.SIGINT else number
        super().__init__(text)


class Requests:
    """Supervisor's own calls, as many as there are in one request."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def look(self) -> list[dict[str, Any]]:
        """All processes. Raises ClientError, as `ask` does."""
        return process_infos(self._call('supervisor.getAllProcessInfo'))

    def ask(self, calls: Sequence[tuple[str, str]]) -> tuple[list[Any], list[dict[str, Any]]]:
        """Makes the calls without waiting for what they begin; their answers, and all processes
        after that.
        """
        batch = [
            {'methodName': f'supervisor.{method}', 'params': [name, False]}
            for method, name in calls
        ]
        batch.append({'methodName': 'supervisor.getAllProcessInfo', 'params': []})
        # Other than usual, Supervisor puts no array around each value.
        answers = self._call('system.multicall', batch)
        if not isinstance(answers, list) or len(answers) != len(batch):
            raise ClientError(
                Exit.FAILED, 'supervisord answered system.multicall with something unexpected'
            )
        for answer in answers:
            fault = answer.get('faultCode') if isinstance(answer, dict) else None
            if fault == Faults.SHUTDOWN_STATE:
                raise ClientError(Exit.UNREACHABLE, TEXT_OF_FAULT[Faults.SHUTDOWN_STATE], fault)
        return answers[:-1], process_infos(answers[-1])

    def _call(self, method: str, *args: object) -> Any:
        # To make these calls twice does no harm.
        return once_more(lambda: self._client.call(method, *args))


def pauses() -> Iterator[float]:
    """How long to wait before each look, in seconds."""
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * GROWTH, LONGEST_PAUSE)


class Interrupts:
    """While it is open, a first Ctrl-C is only noted (`noted`), and a later one raises
    KeyboardInterrupt.

    So a restart through Supervisor's own calls can start again what it has stopped. The end of the
    terminal or of the session (SIGHUP, SIGTERM) is noted in the same way, but never raises: it
    often comes twice, from the kernel and from the shell. A Ctrl-C counts as another one when the
    user has been told what it does (`told`), or when it comes so late that supervisord seems to
    hang.
    """

    def __init__(self) -> None:
        self.noted: int | None = None
        self.told = False
        self._noted_at = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):  # under nohup it stays ignored
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.noted is None:
            self.noted, self._noted_at = number, time.monotonic()
        elif number == signal.SIGINT and (
            self.told or time.monotonic() - self._noted_at > SECOND_CTRL_C_AFTER
        ):
            raise KeyboardInterrupt


def carry_out(
    quick: Quick,
    requests: Requests,
    show: Callable[[Quick], None],
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Everything that `quick` wants, until it is over. show: called after each step; say: prints a
    line.

    Raises Interrupted, and ClientError when the server does not answer any more. Both name what is
    left down.
    """
    pause = pauses()
    with Interrupts() as interrupts:
        try:
            show(quick)
            while not quick.over:
                if interrupts.noted is not None and not quick.withdrawn:
                    _withdraw(quick, interrupts, say)
                    continue
                calls = quick.calls()
                if calls:
                    answers, infos = requests.ask(calls)
                    quick.answered(answers)
                else:
                    sleep(next(pause))
                    infos = requests.look()
                quick.seen(infos)
                show(quick)
        except KeyboardInterrupt:
            raise Interrupted(_left(quick) or _goes_on(quick), interrupts.noted) from None
        except ClientError as exc:
            left = _left(quick)
            raise ClientError(exc.status, f'{exc}; {left}' if left else str(exc), exc.code) from exc
        if interrupts.noted is not None:
            raise Interrupted(_goes_on(quick), interrupts.noted)


def _withdraw(quick: Quick, interrupts: Interrupts, say: Callable[[str], None]) -> None:
    """End early, but start again what is down."""
    quick.withdraw()
    if quick.down:
        interrupts.told = True  # before it can be read, and answered
        say(
            f'interrupted: waiting for {len(quick.down)} to stop, to start them again; '
            'Ctrl-C leaves them down'
        )


def _left(quick: Quick) -> str:
    return f'not started again: {", ".join(quick.down)}' if quick.down else ''


def _goes_on(quick: Quick) -> str:
    return 'what was stopped is started again' if quick.verb is Verb.RESTART else GOES_ON
