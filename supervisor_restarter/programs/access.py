"""What a user of this machine may do with a file, as far as permission bits say it.

supervisord often runs as root, and its programs as others. To ask the kernel on behalf of another
user one would have to become that user. So the bits are read as the kernel reads them; where they
are not the whole truth (access lists, network file systems), the answer is that it is not known.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import re
import stat
from typing import NamedTuple

ABSENT = (errno.ENOENT, errno.ENOTDIR)
MOST_LINKS = 40  # in one path, as for the kernel
# File systems whose permission bits are the last word; elsewhere a server or a daemon decides.
# fmt: off
LOCAL = {
    'ext2', 'ext3', 'ext4', 'xfs', 'btrfs', 'zfs', 'f2fs', 'jfs', 'reiserfs', 'bcachefs', 'tmpfs',
    'ramfs', 'rootfs', 'overlay', 'squashfs', 'erofs', 'iso9660',
}
# fmt: on
MOUNTS = '/proc/self/mountinfo'


class UnknownUser(Exception):
    """Supervisor's child cannot become that user; the text is what it says."""


class Identity(NamedTuple):
    """Whom a process becomes."""

    uid: int
    gid: int
    groups: list[int]
    name: str = ''


class Answer(NamedTuple):
    """Whether something is allowed; None: that is not known. place: where it is refused."""

    allowed: bool | None
    place: str = ''


def identity(uid: int | None) -> Identity | None:
    """Whom ServerOptions.drop_privileges(uid) makes of the child, None if it changes nothing.

    UnknownUser where it refuses.
    """
    if uid is None or uid == os.getuid():
        return None
    if os.getuid() != 0 or not isinstance(uid, int):
        raise UnknownUser("Can't drop privilege as nonroot user")
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise UnknownUser(f"Can't find uid {uid}") from None
    groups = [group.gr_gid for group in grp.getgrall() if entry.pw_name in group.gr_mem]
    return Identity(uid, entry.pw_gid, [entry.pw_gid, *groups], entry.pw_name)


def may_enter(directory: str, user: Identity) -> bool:
    """Whether it is known that the user may change to the directory. True also if there is no such
    directory: that is seen when it is tried.
    """
    try:
        return ask(directory, user, os.X_OK).allowed is True
    except OSError as error:
        return error.errno in ABSENT


def ask(path: str, user: Identity, mode: int) -> Answer:
    """Whether the user gets to `path`, and may do there what `mode` says: os.R_OK, os.W_OK or
    os.X_OK.

    A relative path begins where supervisord is. OSError if the path leads nowhere.
    """
    here = '/' if path.startswith('/') else os.getcwd()
    todo, links, its = path.split('/')[::-1], 0, os.lstat(here)
    while todo:
        name = todo.pop()
        if name in ('', '.'):
            continue
        if not stat.S_ISDIR(its.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), here)
        answer = _here(here, its, user, os.X_OK)
        if not answer.allowed:
            return answer
        there = os.path.normpath(os.path.join(here, name))
        its = os.lstat(there)
        if not stat.S_ISLNK(its.st_mode):
            here = there
            continue
        links += 1
        if links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(there)
        todo += target.split('/')[::-1]
        here = '/' if target.startswith('/') else here
        its = os.lstat(here)
    return _here(here, its, user, mode)


def _here(path: str, its: os.stat_result, user: Identity, mode: int) -> Answer:
    if _has_access_list(path):
        return Answer(None)
    shift = 6 if its.st_uid == user.uid else 3 if its.st_gid in user.groups else 0
    if its.st_mode >> shift & mode:
        return Answer(True)
    return Answer(False if is_local(path) else None, path)


def _has_access_list(path: str) -> bool:
    try:
        return any('acl' in name for name in os.listxattr(path))
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return False
        raise


def is_local(path: str) -> bool:
    """Whether `path` (absolute, free of links) is on a file system whose permission bits are the
    last word. False if that is not known.
    """
    try:
        with open(MOUNTS, encoding='utf-8', errors='surrogateescape') as file:
            mounts = [line.split() for line in file]
    except OSError:
        return False
    above = [m for m in mounts if os.path.commonpath([_unescaped(m[4]), path]) == _unescaped(m[4])]
    known = {number for number, *_ in above}
    # From mount to mount, as the kernel goes: one may cover others that are further down the path.
    here, kind = '', ''
    while entered := [m for m in above if (m[1] if m[1] in known - {m[0]} else '') == here]:
        mount = min(entered, key=lambda m: len(_unescaped(m[4])))
        here, kind = mount[0], mount[mount.index('-') + 1]
    return kind in LOCAL


def _unescaped(point: str) -> str:
    return re.sub(r'\\([0-7]{3})', lambda found: chr(int(found[1], 8)), point)
