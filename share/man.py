"""The man pages: the text of --help in man(7)'s macros, and what stands only in a manual."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

from share.options import MADE, ShellOption, of_listener
from supervisor_restarter import __version__
from supervisor_restarter.client.helptext import (
    COMMAND_NAME,
    EXIT_STATUSES,
    INTERRUPT,
    NAME_HELP,
    SECTIONS,
    SUMMARY,
    USAGES,
    WIDTH,
    OptionHelp,
)
from supervisor_restarter.listener.cli_options import (
    LISTENER_DESCRIPTION,
    LISTENER_NAME,
    LISTENER_SUMMARY,
)

DATE = '2026-11-22'  # of the last change that matters to a reader
CONFIGURATION_FILES = (
    '../etc/supervisord.conf',
    '../supervisord.conf',
    'supervisord.conf',
    'etc/supervisord.conf',
    '/etc/supervisord.conf',
    '/etc/supervisor/supervisord.conf',
)
EXAMPLES = {
    COMMAND_NAME: (
        ('web', 'Restart the group web, all processes at once.'),
        ('--max-unavailable 25% web app', 'The same, a quarter of each group at a time.'),
        ("--plan 'web:[0-3]'", 'Say what a restart of these four processes would do.'),
        ('--method signal:HUP --rolling web', 'Send SIGHUP to one process after the other.'),
        ('--newer-than /srv/web/current all', 'Restart what is older than the release.'),
        ('--apply --plan', 'Show what the changed configuration files would change.'),
        ('--apply web', 'Apply them to the group web.'),
    )
}
LISTENER_EXAMPLE = """\
[eventlistener:recycle]
command = supervisor_restart_listener --memory web=512MB
events = TICK_60"""
LISTENER_STATUSES = (
    (0, 'supervisord has closed the connection'),
    (1, 'what came from supervisord is not the protocol of event listeners'),
    (2, 'bad usage: no rule, or one that makes no sense'),
)


def man(command: str) -> str:
    """The page of this command."""
    lines = _command_page() if command == COMMAND_NAME else _listener_page()
    title = f'.TH {command.upper()} 1 {DATE} "supervisor-restarter {__version__}"'
    # Neither hyphens in what can be typed, nor wide gaps around it.
    whole = [f'.\\" {MADE}', title, '.nh', '.ad l', *lines]
    return ''.join(f'{part}\n' for line in whole for part in _wrapped(line))


def _wrapped(line: str) -> list[str]:
    """A line of text in lines that fit a terminal, none of which is a macro."""
    if line.startswith('.'):
        return [line]
    first, *others = wrap(line, WIDTH, break_on_hyphens=False, break_long_words=False)
    return [first, *(_no_macro(other) for other in others)]


def _command_page() -> Iterator[str]:
    yield from ('.SH NAME', f'{COMMAND_NAME} \\- {_text(SUMMARY)}', '.SH SYNOPSIS')
    for number, usage in enumerate(USAGES):
        yield from ('.br',) if number else ()
        yield f'.B {COMMAND_NAME}'
        yield _text(f'[options] {usage}')
    yield '.SH DESCRIPTION'
    yield _text(
        f'{COMMAND_NAME} has processes of a supervisord restarted by the restarter interface, a '
        'plugin for Supervisor, and shows how that goes.'
    )
    yield _text(INTERRUPT)
    yield from _tagged(OptionHelp('name', '', NAME_HELP.text))
    yield '.SH OPTIONS'
    for section in SECTIONS:
        if section.intro:
            yield f'.SS {section.heading}'
            yield _text(section.intro)
        for option in section.options:
            yield from _tagged(option)
    yield from _statuses(EXIT_STATUSES)
    yield '.SH ENVIRONMENT'
    yield from _tagged(OptionHelp('NO_COLOR', '', 'if it is not empty, nothing is in colour'))
    yield '.SH FILES'
    yield _text(
        'Without -c the first of these is read; the first two are looked for beside the directory '
        'of the command. Of the section [supervisorctl] serverurl, username and password hold, '
        'where no option says otherwise.'
    )
    yield '.PP'
    for number, name in enumerate(CONFIGURATION_FILES):
        yield from ('.br',) if number else ()
        yield f'.I {_text(name)}'
    yield '.SH EXAMPLES'
    for words, meaning in EXAMPLES[COMMAND_NAME]:
        yield from ('.TP', f'.B {_text(f"{COMMAND_NAME} {words}")}', _text(meaning))
    yield from _see_also(LISTENER_NAME)


def _listener_page() -> Iterator[str]:
    yield from ('.SH NAME', f'{LISTENER_NAME} \\- {_text(LISTENER_SUMMARY)}', '.SH SYNOPSIS')
    yield f'.B {LISTENER_NAME}'
    yield 'rule [rule ...] [options]'
    yield from ('.SH DESCRIPTION', _text(LISTENER_DESCRIPTION))
    yield '.SH OPTIONS'
    for option in of_listener():
        yield from _tagged(_as_help(option))
    yield from _statuses(LISTENER_STATUSES)
    yield '.SH ENVIRONMENT'
    yield from _tagged(
        OptionHelp('SUPERVISOR_SERVER_URL', '', 'the server to ask; supervisord sets it')
    )
    for name in ('SUPERVISOR_USERNAME', 'SUPERVISOR_PASSWORD'):
        yield from _tagged(OptionHelp(name, '', 'where that server wants authentication'))
    yield '.SH FILES'
    yield _text(
        'None. Each decision is a line on standard error, which is the log that stderr_logfile of '
        'the section names.'
    )
    yield '.SH EXAMPLES'
    yield 'Restart workers that use more than 512 MB, one at a time:'
    yield from ('.PP', '.nf', *map(_text, LISTENER_EXAMPLE.splitlines()), '.fi')
    yield from _see_also(COMMAND_NAME)


def _as_help(option: ShellOption) -> OptionHelp:
    return OptionHelp('/'.join(option.names), option.value, option.text)


def _tagged(option: OptionHelp) -> Iterator[str]:
    """An option, with its text indented below it."""
    names = ', '.join(f'\\fB{_text(name)}\\fR' for name in option.names.split('/'))
    value = f' \\fI{_text(option.value)}\\fR' if option.value else ''
    yield from ('.TP', names + value, _text(_sentence(option.text)))


def _statuses(statuses: Sequence[tuple[int, str]]) -> Iterator[str]:
    yield '.SH EXIT STATUS'
    for status, text in statuses:
        yield from ('.TP', f'.B {status}', _text(_sentence(text)))


def _see_also(other: str) -> Iterator[str]:
    yield '.SH SEE ALSO'
    yield from (f'.BR {other} (1),', '.BR supervisorctl (1),', '.BR supervisord (1)')


def _sentence(text: str) -> str:
    """With a capital letter and a full stop, as a manual has it."""
    is_name = text.startswith('supervisord')
    return (text if is_name else text[:1].upper() + text[1:]) + '.'


def _text(text: str) -> str:
    """Escaped: no line of it is a macro, and what can be typed keeps its characters."""
    text = text.replace('\\', '\\e').replace("'", '\\(aq').replace('"', '\\(dq')
    text = re.sub(r'(?<![\w-])--?\w[\w-]*', lambda option: option[0].replace('-', '\\-'), text)
    return _no_macro(text)


def _no_macro(line: str) -> str:
    return f'\\&{line}' if line.startswith('.') else line
