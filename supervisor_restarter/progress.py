"""What supervisorctl_restart_group shows: a bar or a line per process, summaries, tables, plans.

The functions make text out of answers and print nothing; Screen prints, and Lines and Bar decide what
of a restart in motion is new.
"""
from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, TextIO

from supervisor.options import make_namespec

from supervisor_restarter.client import Plan, Process, Restart, ended, signalled
from supervisor_restarter.faults import printable

SETTLED = ('ready', 'skipped', 'failed')
# How many processes a line of errors names; all of them have a line of their own elsewhere.
NAMED = 5
# How the server begins its reason for a process to which nothing was done, because the restart ended before.
NOT_REACHED = 'not reached'


class Screen:
    """Standard output and standard error, so that nothing that is printed can end the command.

    Characters the terminal's encoding lacks come out as escapes. When nobody reads standard output any more
    (`| head`), the rest is dropped: the restart goes on all the same, and so does the waiting for its result.
    """

    def __init__(self, stdout: TextIO | None, stderr: TextIO | None) -> None:
        self.stdout = stdout
        self._stderr = stderr
        for stream in (stdout, stderr):
            if stream is not None and hasattr(stream, 'reconfigure'):
                stream.reconfigure(errors='backslashreplace')

    def is_terminal(self) -> bool:
        return self.stdout is not None and self.stdout.isatty()

    def out(self, line: str) -> None:
        """One line on standard output, control characters escaped."""
        self.text(printable(line) + '\n')

    def text(self, text: str) -> None:
        """Text of our own on standard output, as it is."""
        if self.stdout is not None:
            problem = _write(self.stdout, text)
            if problem is not None:
                self.stdout = None
                if not isinstance(problem, BrokenPipeError):
                    self.error(f'Error: standard output takes no more: {problem.strerror}')

    def error(self, line: str) -> None:
        """One line on standard error, control characters escaped."""
        if self._stderr is not None and _write(self._stderr, printable(line) + '\n') is not None:
            self._stderr = None


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


class Gauge:
    """A tqdm progress bar on a terminal."""

    def __init__(self, tqdm: Any, stream: TextIO | None, total: int, title: str) -> None:
        tqdm.monitor_interval = 0    # else tqdm starts a thread to look after the bar
        self._stream = stream
        self._bar = tqdm(total=total, desc=printable(title), file=stream, dynamic_ncols=True, mininterval=0,
                         bar_format='{desc} |{bar}| {n_fmt}/{total_fmt} [{elapsed}]')

    def line(self, text: str) -> None:
        """A line above the bar, control characters escaped."""
        self._bar.write(printable(text), file=self._stream)

    def show(self, title: str, done: int) -> None:
        self._bar.set_description_str(printable(title), refresh=False)
        self._bar.n = done
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


class Reporter(Protocol):
    """Shows a restart in motion: `update` with each look at it, `close` after the last, or when interrupted."""

    def update(self, restart: Restart) -> None: ...

    def close(self) -> None: ...


class Lines:
    """A line for each process as it settles, and at the end for those that have not.

    only_problems: none for those that got ready or were left alone on purpose.
    """

    def __init__(self, screen: Screen, only_problems: bool = False) -> None:
        self._screen = screen
        self._only_problems = only_problems
        self._shown: set[tuple[str, str]] = set()
        self._queued = False

    def update(self, restart: Restart) -> None:
        if restart['state'] == 'queued' and not self._queued and not self._only_problems:
            self._queued = True
            self._screen.out(f'{groups(restart)}: queued behind another restart')
        for line in self.fresh(restart):
            self._screen.out(line)

    def fresh(self, restart: Restart) -> Iterator[str]:
        """The lines that have not been shown yet."""
        for process in restart['processes']:
            key = (process['group'], process['name'])
            if key not in self._shown and (process['phase'] in SETTLED or ended(restart)):
                self._shown.add(key)
                good = process['phase'] == 'ready' or process['phase'] == 'skipped' and not process['error']
                if not (good and self._only_problems):
                    yield process_line(process)

    def close(self) -> None:
        """Nothing is left open between lines."""


class Bar:
    """A progress bar, with lines above it for the processes that did not get ready."""

    def __init__(self, screen: Screen, tqdm: Any) -> None:
        self._lines = Lines(screen, only_problems=True)
        self._screen = screen
        self._tqdm = tqdm
        self._gauge: Gauge | None = None

    def update(self, restart: Restart) -> None:
        if self._gauge is None:
            self._gauge = Gauge(self._tqdm, self._screen.stdout, restart['total'], groups(restart))
        for line in self._lines.fresh(restart):
            self._gauge.line(line)
        queued = ' (queued)' if restart['state'] == 'queued' else ''
        self._gauge.show(groups(restart) + queued, sum(p['phase'] in SETTLED for p in restart['processes']))

    def close(self) -> None:
        if self._gauge is not None:
            self._gauge.close()


def make_reporter(screen: Screen) -> Reporter:
    """A bar on a terminal, lines elsewhere and where tqdm is not installed.

    tqdm takes longer to import than small groups take to restart: call this after the restart has begun.
    """
    if screen.is_terminal():
        try:
            from tqdm import tqdm
        except ImportError:
            return Lines(screen)
        return Bar(screen, tqdm)
    return Lines(screen)


def groups(restart: Restart) -> str:
    return ', '.join(restart['groups'])


def namespec(process: Any) -> str:
    """The process's name as supervisorctl writes it; `process` is a struct with group and name."""
    return str(make_namespec(process['group'], process['name']))


def process_line(process: Process) -> str:
    """What has become of a process, in supervisorctl's manner: `web:04: ERROR (exit status 1)`."""
    phase, error = process['phase'], process['error']
    if phase == 'ready':
        text = _ready(process)
    elif phase == 'failed':
        text = f"ERROR ({error or 'no reason given'})"
    elif phase == 'skipped':
        text = f"skipped ({error or 'not running'})"
    else:
        text = f'{phase} ({error})' if error else phase
    return f'{namespec(process)}: {text}'


def _ready(process: Process) -> str:
    after = f"ready after {process['ready_seconds']:.2f}s"
    if signalled(process):
        return f'signalled ({after})'
    return f"restarted (down {process['down_seconds']:.2f}s, {after})" if process['old_pid'] else f'started ({after})'


def processes(number: int) -> str:
    return '1 process' if number == 1 else f'{number} processes'


def summary(restart: Restart) -> str:
    """The last line after a restart that succeeded."""
    phases = [process['phase'] for process in restart['processes']]
    left = phases.count('skipped')
    done = 'restarted' if restart['options'].get('method', 'restart') == 'restart' else 'signalled'
    return (f"{groups(restart)}: {done} {processes(phases.count('ready'))} in {restart['duration']:.2f}s, "
            + (f'{left} left alone, ' if left else '')
            + f"at least {restart['lowest_ready']} of {restart['total']} ready throughout")


def failure(restart: Restart) -> str:
    """The one line for a restart that has ended otherwise: what failed, what is pending, what was left out."""
    parts = {'timed_out': [f"timed out after {restart['duration']:.2f}s"], 'cancelled': ['cancelled']}.get(
        restart['state'], [])
    failed = [(p, p['error']) for p in restart['processes'] if p['phase'] == 'failed']
    pending = [(p, p['phase']) for p in restart['processes'] if p['phase'] not in SETTLED]
    left = [(p, p['error']) for p in restart['processes'] if p['phase'] == 'skipped' and p['error']]
    # Their reason is the failure, the timeout or the cancel that stands before them in the line.
    untouched = [(p, '') for p, why in left if why.startswith(NOT_REACHED)]
    others = [(p, why) for p, why in left if not why.startswith(NOT_REACHED)]
    if failed:
        parts.append(f"{len(failed)} of {processes(restart['total'])} failed: {_some(failed)}")
    if pending:
        parts.append(f'{len(pending)} pending: {_some(pending)}; what is down still comes back')
    if others:
        parts.append(f'{len(others)} not restarted: {_some(others)}')
    if untouched:
        parts.append(f'{len(untouched)} not reached, still as before: {_some(untouched)}')
    return f"{groups(restart)}: {'; '.join(parts) or restart['state']}"


def _some(reasons: Sequence[tuple[Process, str]]) -> str:
    """The first few processes, each with its reason if there is one, and how many more there are."""
    named = ', '.join(namespec(process) + (f' ({reason})' if reason else '') for process, reason in reasons[:NAMED])
    more = len(reasons) - NAMED
    return f'{named} and {more} more' if more > 0 else named


def table(restarts: Sequence[Restart]) -> list[str]:
    """A row per restart under a heading; the groups, of any length, come last."""
    rows = [('ID', 'STATE', 'DONE', 'FAILED', 'LOWEST', 'DURATION', 'WHEN', 'GROUPS')]
    for r in restarts:
        lowest = f"{r['lowest_ready']}/{r['total']}" if r['started_at'] else '-'    # nobody has looked yet
        rows.append((r['id'], r['state'], f"{r['done']}/{r['total']}", str(r['failed']), lowest,
                     f"{r['duration']:.2f}s", r['started_at'] or r['requested_at'], groups(r)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def plan_lines(plan: Plan) -> Iterable[str]:
    """What would be done, batch by batch, what would be left alone, and what to mind."""
    counted = len(plan['batches'])
    yield (f"{', '.join(plan['groups'])}: would restart {processes(plan['total'])} in "
           f"{counted} {'batch' if counted == 1 else 'batches'}")
    for batch in plan['batches']:
        limit = f"at most {batch['longest']:.2f}s" if batch['longest'] else 'no time limit'
        yield f"batch {batch['number']} (not before {batch['after']:.2f}s, {limit}):"
        for p in batch['processes']:
            pid = f", pid {p['pid']}" if p['pid'] else ''
            yield f"{namespec(p)}: {p['action']} ({p['state']}{pid})"
    if plan['left']:
        yield 'left alone:'
    for p in plan['left']:
        yield f"{namespec(p)}: {p['state']} ({p['reason']})"
    for warning in plan['warnings']:
        yield f'warning: {warning}'
