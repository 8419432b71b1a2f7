"""What may come next on the command line: for the shells' completion, which asks with
`supervisorctl_restart_group --complete WORD [WORD BEFORE IT ...]`.

Options and their fixed values are in the shells' own scripts. Here are names of groups and
processes, and IDs of restarts: supervisord is asked for them, the one that the words name. An answer
that takes too long, or anything wrong, is no answer: a user in the middle of a line wants no error.
"""

from __future__ import annotations

import getopt
import os
import re
import shlex
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from supervisor_restarter.client.cli_options import OF_ONE, RestartOptions
from supervisor_restarter.client.client import Client, process_infos, without_asides
from supervisor_restarter.client.errors import CALL_ERRORS, ClientError
from supervisor_restarter.client.screen import Screen
from supervisor_restarter.client.structs import Restart, ended
from supervisor_restarter.client.wording import groups, processes
from supervisor_restarter.names import natural
from supervisor_restarter.text import printable

# Seconds for the question, from the reading of the configuration file to the answer.
LONGEST_QUESTION = 0.3
# Which supervisord is asked, and as whom; with the letters for them.
CONNECTING = {
    **dict.fromkeys(('-c', '--configuration'), '-c'),
    **dict.fromkeys(('-s', '--serverurl'), '-s'),
    **dict.fromkeys(('-u', '--username'), '-u'),
    **dict.fromkeys(('-p', '--password'), '-p'),
}
NAME_WANTED, GROUP_WANTED, ID_WANTED = 'name', 'group', 'id'
# A word that no shell can have been given.
CURSOR = '\0'


class NextWord(NamedTuple):
    """A word that may come next, and what it is."""

    word: str
    meaning: str


class AtCursor(NamedTuple):
    """What the command line lacks at the cursor. kind: NAME_WANTED, GROUP_WANTED, ID_WANTED or ''.

    of: for IDs the option that wants one. connecting: the words that say which supervisord it is.
    """

    kind: str
    of: str
    connecting: list[str]


def complete(screen: Screen, words: Sequence[str]) -> int:
    """Prints what may come in place of the first word, which is perhaps just begun, after the
    others: on each line a word, a tab and what it is. Returns the exit status, always 0.
    """
    current, before = (words[0], words[1:]) if words else ('', ())
    found: list[NextWord] = []
    # Nothing less than a thread can be left alone in the middle of a look-up of a host's name.
    asking = threading.Thread(
        target=lambda: found.extend(_candidates(screen, current, before)), daemon=True
    )
    asking.start()
    asking.join(LONGEST_QUESTION)
    # Who has a control character in a name does not type it.
    shown = (one for one in found if one.word.isprintable())
    screen.text(''.join(f'{one.word}\t{printable(one.meaning)}\n' for one in shown))
    return 0


def _candidates(screen: Screen, current: str, before: Sequence[str]) -> list[NextWord]:
    try:
        options = RestartOptions(screen)
        need = at_cursor(options, [unquoted(word) for word in before], unquoted(current))
        if not need.kind:
            return []
        options.realize([*need.connecting, '--', 'all'])
        if need.kind == ID_WANTED:
            return list(ids(options.client().restarts(), need.of))
        # Supervisor's own interface knows the names, too, with the restarter or without it.
        proxy = Client(lambda: options.getServerProxy().supervisor, options.serverurl)
        infos = process_infos(proxy.call('getAllProcessInfo'))
        return list(names(infos, unquoted(current), need.kind == GROUP_WANTED))
    except (ClientError, *CALL_ERRORS):
        return []


def unquoted(word: str) -> str:
    """The word as the command would get it, for the most part: without its quotes, with ~ and
    exported variables in it. Nothing is executed.
    """
    quote = word[:1]
    if quote != "'" and '\\' not in word:
        word = os.path.expandvars(os.path.expanduser(word))
    try:
        return ''.join(shlex.split(word))
    except ValueError:  # its quotes are still open
        return word.removeprefix(quote) if quote in ('"', "'") else word


def at_cursor(options: RestartOptions, before: Sequence[str], current: str) -> AtCursor:
    """What is wanted in the place of `current`, after these words."""
    equals = re.fullmatch('(--[^=]+)=.*', current, re.DOTALL)
    words = [*before, f'{equals[1]}={CURSOR}' if equals else CURSOR]
    try:
        given, rest = getopt.gnu_getopt(words, ''.join(options.short_options), options.long_options)
    except getopt.GetoptError:
        return AtCursor('', '', [])
    connecting = [
        word
        for option, value in given
        if option in CONNECTING and value != CURSOR
        for word in (CONNECTING[option], value)
    ]
    modes = {option.lstrip('-') for option, _ in given}
    for option, value in given:
        if value == CURSOR:
            mode = option.lstrip('-')
            return AtCursor(ID_WANTED if mode in OF_ONE else '', mode, connecting)
    if not modes.isdisjoint(OF_ONE):
        return AtCursor('', '', connecting)
    if 'status' in modes:
        return AtCursor(ID_WANTED if len(rest) == 1 else '', 'status', connecting)
    return AtCursor(GROUP_WANTED if 'apply' in modes else NAME_WANTED, '', connecting)


def ids(restarts: Iterable[Restart], of: str) -> Iterator[NextWord]:
    """The restarts, newest first, for which that option makes sense."""
    for restart in restarts:
        over = ended(restart)
        if (of == 'cancel' and over) or (
            of == 'retry' and (not over or restart['state'] == 'succeeded')
        ):
            continue
        yield NextWord(restart['id'], f'{restart["state"]}: {groups(restart)}')


def names(infos: Iterable[dict[str, Any]], begun: str, only_groups: bool) -> Iterator[NextWord]:
    """Groups and processes whose names begin so. A group's processes come only where it is the only
    one whose name begins so, or with the colon: elsewhere they would be too many to read.
    """
    members: dict[str, dict[str, str]] = {}
    for info in without_asides(infos):
        members.setdefault(info['group'], {})[info['name']] = info['statename']
    fitting = sorted((group for group in members if group.startswith(begun)), key=natural)
    for group in fitting:
        yield NextWord(group, _group_meaning(members[group]))
    if only_groups:
        return
    owner, colon, _ = begun.partition(':')
    opened = owner if colon else fitting[0] if len(fitting) == 1 else ''
    of_opened = members.get(opened, {})
    if colon or list(of_opened) != [opened]:  # web:web is web
        for name in sorted(of_opened, key=natural):
            word = f'{opened}:{name}'
            if word.startswith(begun):
                yield NextWord(word, of_opened[name])
    if 'all'.startswith(begun):
        yield NextWord('all', 'every process of every group')


def _group_meaning(members: dict[str, str]) -> str:
    if len(members) > 1:
        return f'group of {processes(len(members))}'
    return next(iter(members.values()))
