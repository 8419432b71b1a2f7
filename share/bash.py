"""Completion for bash: made of the options, and of what is common to both commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from share.options import MADE, ShellOption
from supervisor_restarter.client.helptext import COMMAND_NAME

COMMON = r"""
# The words up to the cursor as they were typed: bash itself splits them at = and : as well. Sets
# words, typed (the last one), option ('--wait=' of '--wait=3', or ''), current (the rest of it) and
# previous (the option whose value it is, or the word before).
__supervisor_restarter_words() {
    local rest=${COMP_LINE:0:COMP_POINT} trimmed word i
    words=() option=
    for ((i = 0; i <= COMP_CWORD; i++)); do
        trimmed=${rest#"${rest%%[![:space:]]*}"}
        word=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || word=$trimmed
        if ((i > 0)) && [[ $trimmed == "$rest" ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        rest=${trimmed#"$word"}
    done
    typed=${words[${#words[@]} - 1]}
    current=$typed
    previous=${words[${#words[@]} - 2]}
    if [[ $typed == --*=* ]]; then
        previous=${typed%%=*}
        option=$previous=
        current=${typed#*=}
    fi
}

# What supervisord knows: names and IDs, for the line with these words. COMMAND WORD [WORD ...]
__supervisor_restarter_ask() {
    local command=${1/#\~\//$HOME/} name rest
    while IFS=$'\t' read -r name rest; do
        found+=("$name")
    done < <("$command" --complete "${@:2}" 2> /dev/null < /dev/null)
}

# Offers what was found and fits, quoted as the word was begun. REPLACED: what bash will replace.
__supervisor_restarter_offer() {
    local before=${typed%"$1"} word form
    compopt -o nosort 2> /dev/null
    for word in ${found[@]+"${found[@]}"}; do  # the bash before 4.4 calls an empty array unset
        case $current in
            \'*) [[ $word == *\'* ]] || form="'$word" ;;
            \"*) [[ $word == *[\\\"\$\`!]* ]] || form="\"$word" ;;
            *) printf -v form %q "$word" ;;
        esac
        form=$option$form
        [[ $form == "$typed"* ]] && COMPREPLY+=("${form#"$before"}")
        form=
    done
}
"""
OF_COMMAND = r"""
_@COMMAND@() {
    local words typed option current previous found=()
    __supervisor_restarter_words
    case $previous in
@VALUES@
        *)
            if [[ $current == -* ]]; then
                found=(@OPTIONS@)
            else
                __supervisor_restarter_ask "${words[0]}" "$typed" "${words[@]:1:${#words[@]}-2}"
            fi
            ;;
    esac
    __supervisor_restarter_offer "$2"
}
complete -F _@COMMAND@ @COMMAND@
"""
OF_LISTENER = r"""
_@COMMAND@() {
    local words typed option current previous found=()
    __supervisor_restarter_words
    case $previous in
@VALUES@
        *) found=(@OPTIONS@) ;;
    esac
    __supervisor_restarter_offer "$2"
}
complete -F _@COMMAND@ @COMMAND@
"""
ASK = '__supervisor_restarter_ask "${words[0]}" "$typed" "${words[@]:1:${#words[@]}-2}"'
# A rule is NAME=..., or EVENT=NAME; after the = nothing is to be said of the one, and names of the
# other.
ASK_NAME = f"""\
[[ $current != *=* ]] || return
            __supervisor_restarter_ask "${{words[0]%@COMMAND@}}{COMMAND_NAME}" "$current"
            found=("${{found[@]/%/=}}")
            compopt -o nospace 2> /dev/null"""
ASK_EVENT = f"""\
if [[ $current == *=* ]]; then
                option+=${{current%%=*}}=
                current=${{current#*=}}
                __supervisor_restarter_ask "${{words[0]%@COMMAND@}}{COMMAND_NAME}" "$current"
            else
                found=(@WORDS@)
                compopt -o nospace 2> /dev/null
            fi"""


def bash(command: str, options: Sequence[ShellOption]) -> str:
    """The script for this command."""
    text = OF_COMMAND if command == COMMAND_NAME else OF_LISTENER
    names = ' '.join(name for option in options for name in option.names if name.startswith('--'))
    text = text.replace('@VALUES@', '\n'.join(_cases(options)))
    text = text.replace('@COMMAND@', command).replace('@OPTIONS@', names)
    return f'# Completion of {command} in bash. {MADE}\n{COMMON}{text}'


def _cases(options: Sequence[ShellOption]) -> Iterator[str]:
    """What is done after an option that takes a value."""
    by_action: dict[str, list[str]] = {}
    for option in options:
        if option.value:
            by_action.setdefault(_action(option), []).extend(option.names)
    for action, names in by_action.items():
        yield f'        {" | ".join(names)})\n            {action}\n            ;;'


def _action(option: ShellOption) -> str:
    if option.is_file:
        return 'compopt -o default 2> /dev/null\n            return'
    if option.is_id:
        return ASK
    if option.is_named:
        return ASK_NAME
    words = ' '.join(option.words)
    if option.is_event:
        return ASK_EVENT.replace('@WORDS@', words)
    return f'found=({words})' if words else 'return'
