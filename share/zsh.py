"""Completion for zsh: a specification for _arguments for each option, and a function that asks
supervisord.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from share.options import MADE, ShellOption
from supervisor_restarter.client.helptext import COMMAND_NAME

ASK = r"""
# What supervisord knows: names and IDs, each with what it is, for the line as it is.
_@COMMAND@_ask() {
    local -a question=(--complete "$IPREFIX$PREFIX" "${(@)words[2,CURRENT-1]}") found
    _@COMMAND@_entries ${~words[1]}
    _describe -V -t names name found
}
"""
ASK_NAME = r"""
# Names of groups and processes, each with what it is. NAME=: with = behind it, for a rule.
_@COMMAND@_ask() {
    local -a question found suffix
    if [[ $argv[-1] == NAME= ]]; then  # behind what _arguments says
        compset -P '*=' && return
        suffix=(-S =)
    else
        compset -P '*='
    fi
    question=(--complete "$PREFIX")
    _@COMMAND@_entries ${~words[1]%@COMMAND@}@ASKED@
    _describe -V -t names name found $suffix
}
_@COMMAND@_event() {
    if [[ $PREFIX == *=* ]]; then
        _@COMMAND@_ask
    else
        compadd -S = -- @WORDS@
    fi
}
"""
ENTRIES = r"""
# Asks the command with the words of `question`, and has in `found` what comes, as _describe wants
# it: there a colon ends the word.
_@COMMAND@_entries() {
    local line word
    for line in "${(@f)$("$1" "${(@)question}" 2> /dev/null < /dev/null)}"; do
        word=${${line%%$'\t'*}//\\/\\\\}
        [[ -n $line ]] && found+=("${word//:/\\:}:${line#*$'\t'}")
    done
}
"""


def zsh(command: str, options: Sequence[ShellOption]) -> str:
    """The script for this command."""
    asking = ASK if command == COMMAND_NAME else ASK_NAME
    events = next((option.words for option in options if option.is_event), ())
    asking = (ENTRIES + asking).replace('@WORDS@', ' '.join(word.rstrip('=') for word in events))
    asking = asking.replace('@COMMAND@', command).replace('@ASKED@', COMMAND_NAME)
    lines = ' \\\n    '.join(_specs(command, options))
    return (
        f'#compdef {command}\n# Completion of {command} in zsh. {MADE}\n{asking}\n'
        f'_arguments -s -S \\\n    {lines}\n'
    )


def _specs(command: str, options: Sequence[ShellOption]) -> Iterator[str]:
    for option in options:
        others = f'({" ".join(option.names)})' if len(option.names) > 1 else ''
        for name in option.names:
            sign = '' if not option.value else '=' if name.startswith('--') else '+'
            many = '*' if option.repeated else others
            yield _quoted(f'{many}{name}{sign}[{_escaped(option.brief)}]{_value(command, option)}')
    if command == COMMAND_NAME:
        yield _quoted(f'*:name:_{command}_ask')


def _value(command: str, option: ShellOption) -> str:
    if not option.value:
        return ''
    action = ' '
    if option.is_file:
        action = '_files'
    elif option.is_id:
        action = f'_{command}_ask'
    elif option.is_named:
        action = f'_{command}_ask NAME='
    elif option.is_event:
        action = f'_{command}_event'
    elif option.words:
        action = f'({" ".join(map(_escaped, option.words))})'
    return f':{_escaped(option.value)}:{action}'


def _escaped(text: str) -> str:
    return re.sub(r'([\\\[\]:])', r'\\\1', text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
