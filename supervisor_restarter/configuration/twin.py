"""Reads the configuration files beside what runs: nothing of supervisord is changed by that.

Supervisor's own `reread` parses into the options that run, and from then on `add` and `update` mean
the new files, also those of other clients. Here a twin of the options is made for it, which shares
what is only looked at and has its own of what parsing changes: configroot, environ_expansions and
the lists of what is to be logged, which the parser makes anew.
"""

from __future__ import annotations

import configparser
import copy
import errno
import os
import re
import stat
import traceback
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

import supervisor.options

from supervisor_restarter.configuration.parsing import quicken
from supervisor_restarter.programs.host import (
    Parser,
    ProcessGroupConfig,
    ServerOptions,
    ServerSection,
)

# What Supervisor notes down of each file that [include] names.
INCLUDED = re.compile('Included extra file "(.*)" during parsing', re.DOTALL)
# After an expansion that is not known: the names of the whole environment.
AVAILABLE = re.compile(r'[.] Available names: .*?(?= in section |$)')


class Unreadable(ValueError):
    """The files cannot be read, or make no sense; the text is one line, with file and section
    wherever they are known.
    """


class Reading(NamedTuple):
    """What the files say now. section: that of [supervisord], with the groups and servers in it.
    warnings: what Supervisor would have logged, and what it keeps to itself. expansions: what
    ENV_x stands for in them.
    """

    section: ServerSection
    warnings: list[str]
    expansions: dict[str, str]


def read_aside(options: ServerOptions, adjust: Callable[[Parser], None] | None = None) -> Reading:
    """The configuration as the files have it now; Unreadable.

    The parse takes supervisord half as long as that of `supervisorctl reread`. adjust: is given what was read
    before groups are made of it.
    """
    path = main_file(options)
    twin = copy.copy(options)
    twin.configroot = copy.copy(options.configroot)
    twin.configroot.supervisord = copy.copy(options.configroot.supervisord)
    twin.environ_expansions = dict(options.environ_expansions)
    twin.process_groups_from_parser = _adjusted(twin.process_groups_from_parser, adjust)
    try:
        section = twin.read_config(path)
    except (Exception, SystemExit) as error:
        # Not only what the parser raises: it imports what the files name, which may raise anything,
        # and be a script that exits.
        raise Unreadable(_told(error, path)) from None
    # The groups refer to the twin: without this, only the garbage collector would free them.
    del twin.configroot
    warnings = [*twin.parse_warnings, *_not_there(twin.parse_infos)]
    return Reading(section, warnings, twin.environ_expansions)


def _adjusted(
    make_groups: Callable[[Parser], list[ProcessGroupConfig]],
    adjust: Callable[[Parser], None] | None,
) -> Callable[[Parser], list[ProcessGroupConfig]]:
    def adjusted(parser: Parser) -> list[ProcessGroupConfig]:
        if adjust is not None:
            adjust(parser)
        quicken(parser)
        return make_groups(parser)

    return adjusted


def main_file(options: ServerOptions) -> str:
    """The path of the configuration file; Unreadable if there is none.

    It may have been given relative to a directory that supervisord has left since.
    """
    main, here = getattr(options, 'configfile', None), getattr(options, 'here', None)
    if not isinstance(main, str) or not isinstance(here, str):
        raise Unreadable('supervisord has no configuration file')
    return os.path.join(here, os.path.basename(main))


def included(infos: Iterable[str]) -> list[str]:
    """The files that were included, of what Supervisor has noted down."""
    found = [INCLUDED.fullmatch(info) for info in infos]
    return [match[1] for match in found if match]


def _not_there(infos: Iterable[str]) -> Iterator[str]:
    """A warning for each included file that is not there; Unreadable for one that is and cannot be
    read.

    Supervisor passes over both, and over directories, as if they were empty: what such a file had
    would be removed.
    """
    for path in included(infos):
        try:
            is_directory = stat.S_ISDIR(os.stat(path).st_mode)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise Unreadable(f'could not read config file {path}: {error.strerror}') from None
            yield f'included file "{path}" does not exist'
            continue
        if not is_directory and not os.access(path, os.R_OK):
            raise Unreadable(f'could not read config file {path}: {os.strerror(errno.EACCES)}')


def _told(error: BaseException, path: str) -> str:
    """The error in one line, with the place where it was met."""
    text = ' '.join(line.strip() for line in str(error).splitlines())
    text = AVAILABLE.sub('', text)
    if not isinstance(error, (ValueError, OSError, configparser.Error)):
        text = f'{type(error).__name__}: {text}'
    section, file = _place(error, path)
    if section and not any(f'{quote}{section}' in text for quote in ('[', "'")):
        text += f' in section {section!r}'
    return text if file in text else f'{text} (file: {file!r})'


def _place(error: BaseException, path: str) -> tuple[str, str]:
    """The section ('' if it is in none) and the file that Supervisor's parser was at.

    It tells them for some errors only, but they are in the variables of its functions. Where these
    have other names in some release, the main file is named.
    """
    section, file = '', path
    files: dict[str, str] = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if frame.f_globals is not vars(supervisor.options):
            continue
        names = frame.f_locals
        if 'filename' in names and 'sections' not in names:
            file = names['filename']  # included; the files are not yet all read
        if 'get' in names:
            section = 'supervisord'
        files = getattr(names.get('parser'), 'section_to_file', files)
        if isinstance(names.get('section'), str):
            section = names['section']
    return section, files.get(section, path) if section else file
