"""A deployed program with its interpreter, its directory and its log, and what can happen to them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INTERPRETER = '#!%s/venv/sh\nexec sleep 1000\n'


@contextmanager
def deployment() -> Iterator[Path]:
    """A directory that everybody can enter: a deployed program with its interpreter and its log."""
    with tempfile.TemporaryDirectory(prefix='restarter-', dir='/tmp') as directory:
        place = Path(directory, 'place')
        for name in ('releases/1', 'bin', 'venv', 'log'):
            (place / name).mkdir(parents=True)
        (place / 'current').symlink_to('releases/1')
        (place / 'venv/sh').symlink_to('copy')
        shutil.copy('/bin/sh', place / 'venv/copy')
        write(place / 'bin/app', INTERPRETER % place)
        (place / 'bin/named').symlink_to(place / 'venv/sh')
        for path in [Path(directory), place, *place.glob('**')]:
            path.chmod(0o755)
        yield place


def write(path, content):
    """The file anew, executable for everybody."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o755)


def move_away(path):
    path.rename(path.with_name('elsewhere'))


def make_it_a_file(path):
    move_away(path)
    path.write_text('')


def make_it_a_directory(path):
    move_away(path)
    path.mkdir()


def change_loader(path):
    """A copy of a real program, for a C library that is not installed."""
    content = Path('/bin/sleep').read_bytes()
    loader = content[content.index(b'/lib') :].split(b'\0')[0]
    write(path, content.replace(loader, b'/lib/ld-gone'.ljust(len(loader), b'x')))


# what was done, and which line says so; {place} is where it was done
EVERYBODY = {
    'the link to the directory dangles': (
        lambda place: move_away(place / 'releases/1'),
        "couldn't chdir to {place}/current: ENOENT (No such file or directory)",
    ),
    'the directory is a file': (
        lambda place: make_it_a_file(place / 'releases/1'),
        "couldn't chdir to {place}/current: ENOTDIR (Not a directory)",
    ),
    'the interpreter is gone': (
        lambda place: move_away(place / 'venv/copy'),
        "couldn't exec {place}/bin/app: its interpreter {place}/venv/sh: ENOENT (No such file or directory)",
    ),
    'the interpreter is a directory': (
        lambda place: make_it_a_directory(place / 'venv/copy'),
        "couldn't exec {place}/bin/app: its interpreter {place}/venv/sh: EACCES (Permission denied)",
    ),
    'the interpreter cannot be executed': (
        lambda place: (place / 'venv/copy').chmod(0o644),
        "couldn't exec {place}/bin/app: its interpreter {place}/venv/sh: EACCES (Permission denied)",
    ),
    'the line of the interpreter ends as in DOS': (
        lambda place: write(place / 'bin/app', '#!/bin/sh\r\nexec sleep 1000\r\n'),
        "couldn't exec {place}/bin/app: its interpreter /bin/sh\\r: ENOENT (No such file or directory)",
    ),
    'env finds nothing': (
        lambda place: (
            write(place / 'bin/app', '#!/usr/bin/env named\n'),
            move_away(place / 'bin/named'),
        ),
        "couldn't exec {place}/bin/app: env finds no named in its PATH",
    ),
    'the file is empty': (
        lambda place: write(place / 'bin/app', ''),
        "couldn't exec {place}/bin/app: ENOEXEC (Exec format error): it is empty",
    ),
    'the file is a text': (
        lambda place: write(place / 'bin/app', 'echo hello\n'),
        "couldn't exec {place}/bin/app: ENOEXEC (Exec format error): it is a text that does not begin with #!",
    ),
    'the file begins with a mark of UTF-8': (
        lambda place: write(place / 'bin/app', b'\xef\xbb\xbf#!/bin/sh\nexec sleep 1000\n'),
        "couldn't exec {place}/bin/app: ENOEXEC (Exec format error): it is a text that does not begin with #!",
    ),
    'the file was written in part': (
        lambda place: write(place / 'bin/app', b'\x7fELF\x02\x01\x01'),
        "couldn't exec {place}/bin/app: ENOEXEC (Exec format error): it ends within its header",
    ),
    'there is no loader': (
        lambda place: change_loader(place / 'bin/app'),
        "couldn't exec {place}/bin/app: its loader /lib/ld-gonex",
    ),
    'the directory of the log is gone': (
        lambda place: move_away(place / 'log'),
        "couldn't open its log {place}/log/out: ENOENT (No such file or directory)",
    ),
    'the log is a directory': (
        lambda place: make_it_a_directory(place / 'log/out'),
        "couldn't open its log {place}/log/out: EISDIR (Is a directory)",
    ),
}
NOBODY = {
    'it may not enter the directory': (
        lambda place: (place / 'releases/1').chmod(0o700),
        "couldn't chdir to {place}/current: EACCES (Permission denied): user nobody may not enter {place}/releases/1",
    ),
    'it may not reach the directory': (
        lambda place: (place / 'releases').chmod(0o744),
        "couldn't chdir to {place}/current: EACCES (Permission denied): user nobody may not enter {place}/releases",
    ),
    'it may not execute the file': (
        lambda place: (place / 'bin/app').chmod(0o744),
        "couldn't exec {place}/bin/app: EACCES (Permission denied): user nobody may not execute {place}/bin/app",
    ),
    'it may not reach the file': (
        lambda place: (place / 'bin').chmod(0o700),
        "couldn't exec {place}/bin/app: EACCES (Permission denied): user nobody may not enter {place}/bin",
    ),
    'it may not read the script': (
        lambda place: (place / 'bin/app').chmod(0o711),
        "couldn't exec {place}/bin/app: EACCES (Permission denied): user nobody may not read {place}/bin/app",
    ),
    'it may not execute the interpreter': (
        lambda place: (place / 'venv/copy').chmod(0o700),
        "couldn't exec {place}/bin/app: its interpreter {place}/venv/sh: EACCES (Permission denied): "
        'user nobody may not execute {place}/venv/copy',
    ),
}
