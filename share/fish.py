"""Completion for fish: a line for each option, and a function that asks supervisord."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from share.options import MADE, ShellOption
from supervisor_restarter.client.helptext import COMMAND_NAME

ASK = r"""
# What supervisord knows: names and IDs, each with a tab and what it is, for the line as it is.
function __@COMMAND@_ask
    set -l words (commandline -opc)
    set -l command (string replace -r '^~/' "$HOME/" -- $words[1])
    $command --complete (commandline -ct) $words[2..-1] 2>/dev/null </dev/null
end
"""
ASK_NAME = r"""
# Names of groups and processes with what is written before and after them: in a rule.
function __@COMMAND@_ask
    set -l word (string replace -r '^--[^=]*=' '' -- (commandline -ct))
    set -l given (string match -r '^[^=]*=' -- $word)
    test "$argv[1]" = event; or test -z "$given"; or return
    set -l words (commandline -opc)
    set -l command (string replace -r '^~/' "$HOME/" -- $words[1])
    set command (string replace -r '@COMMAND@$' @ASKED@ -- $command)
    set -l begun (string replace -r '^[^=]*=' '' -- $word)
    for line in ($command --complete "$begun" 2>/dev/null </dev/null)
        set -l parts (string split -m 1 \t -- $line)
        if test "$argv[1]" = event
            echo $given$parts[1]\t$parts[2]
        else
            echo $parts[1]=\t$parts[2]
        end
    end
end
"""


def fish(command: str, options: Sequence[ShellOption]) -> str:
    """The script for this command."""
    asking = ASK if command == COMMAND_NAME else ASK_NAME
    asking = asking.replace('@COMMAND@', command).replace('@ASKED@', COMMAND_NAME)
    lines = '\n'.join(_lines(command, options))
    return f'# Completion of {command} in fish. {MADE}\n{asking}\n{lines}\n'


def _lines(command: str, options: Sequence[ShellOption]) -> Iterator[str]:
    names = f" -k -a '(__{command}_ask)'" if command == COMMAND_NAME else ''
    yield f'complete -c {command} -f{names}'
    for option in options:
        spelled = ' '.join(
            f'-l {name[2:]}' if name.startswith('--') else f'-s {name[1:]}' for name in option.names
        )
        yield f'complete -c {command} {spelled}{_value(command, option)} -d {_quoted(option.brief)}'


def _value(command: str, option: ShellOption) -> str:
    if not option.value:
        return ''
    if option.is_file:
        return ' -r -F'
    if option.is_id or option.is_named:
        return f" -x -k -a '(__{command}_ask)'"
    words = ' '.join(option.words)
    if option.is_event:
        return f" -x -a '{words} (__{command}_ask event)'"
    return f" -x -k -a '{words}'" if words else ' -x'


def _quoted(text: str) -> str:
    return "'" + text.replace('\\', '\\\\').replace("'", "\\'") + "'"
