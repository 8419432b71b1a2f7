"""What supervisorctl_restart_group takes and answers, as one table: --help, the man page and the
shells' completion are made of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

COMMAND_NAME = 'supervisorctl_restart_group'
# What an option's value is called says how a shell completes it: `abort|continue` are words, and
# these are files, and IDs of restarts.
FILE_VALUES = ('FILENAME', 'PATH')
ID_VALUES = ('ID', '[ID]')
WIDTH, INDENT = 80, 5  # of --help, in columns


class OptionHelp(NamedTuple):
    """An option. names: without or with `/` between them, as --help shows them. value: '' for
    none.
    """

    names: str
    value: str
    text: str


class HelpSection(NamedTuple):
    """Options under one heading. intro: the sentence before them, '' for none."""

    heading: str
    intro: str
    options: Sequence[OptionHelp]


SUMMARY = (
    'restart process groups of a supervisord that has the restarter interface, or apply a changed '
    'configuration to it'
)
USAGES = (
    'name [name ...]',
    '--apply [group ...]',
    '--retry ID',
    '--wait ID',
    '--status [ID]',
    '--cancel ID',
)
SECTIONS = (
    HelpSection(
        'Options',
        '',
        (
            OptionHelp(
                '-c/--configuration', 'FILENAME', 'configuration file path (searches if not given)'
            ),
            OptionHelp('-h/--help', '', 'print usage message and exit'),
            OptionHelp('--version', '', 'print the version of this command and exit'),
            OptionHelp(
                '-i/--interactive', '', "start supervisorctl's interactive shell after the restart"
            ),
            OptionHelp(
                '-s/--serverurl',
                'URL',
                'URL on which supervisord server is listening (default "http://localhost:9001")',
            ),
            OptionHelp(
                '-u/--username', 'USERNAME', 'username to use for authentication with server'
            ),
            OptionHelp(
                '-p/--password', 'PASSWORD', 'password to use for authentication with server'
            ),
            OptionHelp(
                '-r/--history-file',
                'FILENAME',
                'keep a readline history for the shell of -i (if readline is available)',
            ),
        ),
    ),
    HelpSection(
        'How to restart',
        'How to restart (default: what [rpcinterface:restarter] of supervisord says, and if it '
        'says nothing, the value in parentheses; SECONDS may have a unit, as 90s, 5m, 2h or 1d):',
        (
            OptionHelp(
                '--max-unavailable',
                'N|N%',
                'never let more than N processes of a group, or N% of them, be not ready at once '
                '(100%)',
            ),
            OptionHelp(
                '--max-surge',
                'N|N%',
                'of programs that can run twice, start the new process first and stop the old one '
                'when it is ready, for N processes of a group, or N% of them, at once (0)',
            ),
            OptionHelp('--rolling', '', 'one process after the other: --max-unavailable 1'),
            OptionHelp(
                '--min-ready', 'SECONDS', 'time a new process must stay ready before it counts (0)'
            ),
            OptionHelp(
                '--ready-timeout',
                'SECONDS',
                'time from its start in which a process must become ready, or it has failed; 0: no '
                'limit (30)',
            ),
            OptionHelp(
                '--hook-timeout',
                'SECONDS',
                "time that each of a program's commands may take, before its stop and after its "
                'start; 0: no limit (30)',
            ),
            OptionHelp(
                '--scout',
                'SECONDS',
                'how long the first process of a group must be up before the next is taken down; '
                '0: no longer than any other (5)',
            ),
            OptionHelp(
                '--newer-than',
                'PATH',
                'leave alone what was started after PATH changed (a file, a directory or a link, '
                "on the server's machine), if it is ready; may be given several times: the "
                'youngest of them decides',
            ),
            OptionHelp(
                '--method',
                'restart|start|signal:NAME',
                'restart, start what is down alone, or send a signal, as signal:HUP, and wait until '
                'the process is ready again (restart)',
            ),
            OptionHelp('--stagger', 'N', 'take the processes down in N waves (1)'),
            OptionHelp('--delay', 'SECONDS', 'time between two waves (0.2)'),
            OptionHelp(
                '--timeout',
                'SECONDS',
                'time after which nothing more is taken down and the restart counts as timed out; '
                'what is down still comes back; 0: no limit (0)',
            ),
            OptionHelp(
                '--stop-timeout',
                'SECONDS',
                "time from the stop signal to SIGKILL (the program's stopwaitsecs)",
            ),
            OptionHelp(
                '--only-running',
                '',
                'leave processes that are not running as they are (start them)',
            ),
            OptionHelp(
                '--on-failure',
                'abort|continue',
                'after a process failed, take no further process down, or carry on (abort)',
            ),
            OptionHelp(
                '--queue',
                '',
                'if a group is being restarted already, restart it afterwards (refuse)',
            ),
        ),
    ),
    HelpSection(
        'To apply changed files',
        'To apply the configuration files as they are now, to the groups named or to all:',
        (
            OptionHelp(
                '--apply',
                '',
                'touch only what has changed, process by process; if a new process does not become '
                'ready, put the old configuration back. Takes the options above but --method, '
                '--only-running, --newer-than and --max-surge; --max-unavailable is 25% where '
                'nothing else is said',
            ),
            OptionHelp(
                '--apply --plan', '', 'print what would change, key by key; nothing is touched'
            ),
            OptionHelp('--no-rollback', '', 'after a failure leave everything as it is then'),
            OptionHelp('--no-prune', '', 'leave groups that are no longer in the files'),
            OptionHelp('--secrets', '', 'with --plan: print values that look like secrets, too'),
        ),
    ),
    HelpSection(
        'What to do instead',
        'What to do instead of restarting and waiting for the end:',
        (
            OptionHelp('--detach', '', 'start the restart, print its ID and return'),
            OptionHelp(
                '--retry', 'ID', 'restart only what failed or was not reached in an earlier restart'
            ),
            OptionHelp(
                '--wait', 'ID', 'show a running restart until its end, or how a past one ended'
            ),
            OptionHelp(
                '--plan', '', 'print what would be done, in which order; nothing is touched'
            ),
            OptionHelp(
                '--status',
                '[ID]',
                'print a table of running and past restarts and applies, or one of them and each '
                'of its processes',
            ),
            OptionHelp(
                '--cancel',
                'ID',
                'take nothing further down; what is down comes back, and an apply is rolled back',
            ),
        ),
    ),
    HelpSection(
        'What to print',
        'What to print (default: a progress bar on a terminal, elsewhere a line per process, and '
        'last a summary):',
        (
            OptionHelp(
                '--json',
                '',
                'one JSON object, whatever comes of it; it has the key exit_status, and for an '
                'error the keys error and code',
            ),
            OptionHelp('--quiet', '', 'nothing but errors (and with --detach the ID)'),
        ),
    ),
)
NAME_HELP = OptionHelp(
    'name [name ...]',
    '',
    'a group ("web"), a process ("web:03"), several of them ("web:0*", "w*"), or "all"',
)
INTERRUPT = 'Ctrl-C ends the waiting only: the restart goes on.'
EXIT_STATUSES = (
    (
        0,
        'every process restarted, or all that has changed applied (or what was asked instead is '
        'done; with --status ID also: that restart has not ended yet)',
    ),
    (1, 'a process failed, or it was cancelled, rolled back or timed out'),
    (2, 'bad usage, no such group or process, bad option, unreadable configuration'),
    (3, 'supervisord runs without the restarter interface'),
    (4, 'authentication refused'),
    (5, 'refused: that group is being restarted, or applied, already'),
    (7, 'supervisord cannot be reached'),
    (130, 'detached by Ctrl-C'),
)


def help_text() -> str:
    """What --help prints."""
    return '\n'.join(_help_lines()) + '\n'


def _help_lines() -> Iterator[str]:
    from textwrap import wrap

    def filled(text: str, indent: int = 0) -> list[str]:
        return wrap(text, WIDTH, subsequent_indent=indent * ' ', break_on_hyphens=False)

    yield from filled(f'{COMMAND_NAME} -- {SUMMARY}.')
    yield ''
    for number, usage in enumerate(USAGES):
        yield f'{"" if number else "Usage:":6} {COMMAND_NAME} [options] {usage}'
    for section in SECTIONS:
        yield ''
        yield from filled(section.intro or f'{section.heading}:')
        for option in section.options:
            yield from filled(_help_line(option), INDENT)
    yield ''
    yield from filled(_help_line(NAME_HELP), INDENT)
    yield ''
    yield INTERRUPT
    yield ''
    yield 'Exit status:'
    for status, text in EXIT_STATUSES:
        yield from filled(f'{status:3} -- {text}', INDENT + 2)


def _help_line(option: OptionHelp) -> str:
    return ' '.join(filter(None, [option.names, option.value, '--', option.text]))
