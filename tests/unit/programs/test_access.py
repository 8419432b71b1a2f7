"""Who may do what, as permission bits say it; and where they are not the whole truth."""

from __future__ import annotations

import errno
import grp
import itertools
import os
import pwd
import stat
import subprocess
import tempfile
import types
from typing import Any

import pytest
from supervisor.options import ServerOptions

from supervisor_restarter.programs import access
from supervisor_restarter.programs.access import (
    Answer,
    Identity,
    UnknownUser,
    ask,
    identity,
    is_local,
    may_enter,
)

USER = Identity(12345, 6789, [6789, 6790], 'worker')


def test_users_are_as_supervisor_would_make_them(monkeypatch):
    options = ServerOptions()
    did: dict[str, object] = {}
    monkeypatch.setattr(os, 'getuid', lambda: 0)
    for name in ('setgroups', 'setgid', 'setuid'):
        monkeypatch.setattr(os, name, lambda value, name=name: did.__setitem__(name, value))
    fake = [
        grp.struct_group((f'group{number}', 'x', number, members))
        for number, members in ((7, ['daemon']), (8, ['bin', 'daemon']), (9, []))
    ]
    monkeypatch.setattr(grp, 'getgrall', lambda: fake)
    for entry in pwd.getpwall():
        did.clear()
        assert options.drop_privileges(entry.pw_uid) is None
        user = identity(entry.pw_uid)
        assert did == (
            {}
            if user is None
            else {'setgroups': user.groups, 'setgid': user.gid, 'setuid': user.uid}
        )


def test_users_that_supervisor_would_refuse_are_unknown(monkeypatch):
    assert identity(None) is None
    assert identity(os.getuid()) is None
    monkeypatch.setattr(os, 'getuid', lambda: 0)
    unknown: list[Any] = [2**31 - 7, 'nobody']
    for uid in unknown:
        with pytest.raises(UnknownUser):
            identity(uid)
    monkeypatch.setattr(os, 'getuid', lambda: 1000)
    with pytest.raises(UnknownUser):
        identity(1)


class Files:
    """The os module, but for the bits of some files and the attributes of all; everything else
    belongs to root.
    """

    def __init__(self, bits=None, owner=0, group=0, attributes=()):
        self.bits, self.owner, self.group, self.attributes = bits or {}, owner, group, attributes

    def __getattr__(self, name):
        return getattr(os, name)

    def lstat(self, path):
        its = os.lstat(path)
        if stat.S_ISLNK(its.st_mode):
            return its
        bits = self.bits.get(path, 0o755)
        return types.SimpleNamespace(
            st_mode=stat.S_IFMT(its.st_mode) | bits, st_uid=self.owner, st_gid=self.group
        )

    def listxattr(self, path):
        if isinstance(self.attributes, OSError):
            raise self.attributes
        return self.attributes


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Directories of which only closed/ and what is below cannot be entered; open/file is a file."""
    for name in ('open/inner', 'closed/inner'):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / 'open/file').touch()
    # fmt: off
    links = {
        'link': 'open/inner', 'through': 'closed/inner', 'up': 'open/../closed', 'chain': 'up/..',
        'again': 'absolute/../..', 'absolute': tmp_path / 'link', 'loop': 'loop', 'dangling': 'gone',
    }
    # fmt: on
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    monkeypatch.setattr(
        access, 'os', Files({str(tmp_path / 'closed'): 0o700, str(tmp_path / 'open/file'): 0o644})
    )
    monkeypatch.setattr(access, 'is_local', lambda path: True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ('mode', 'owner', 'group', 'expected'),
    [
        (0o755, 0, 0, True),
        (0o700, 12345, 0, True),
        (0o077, 12345, 6789, False),
        (0o710, 0, 6790, True),
        (0o701, 0, 6789, False),
        (0o701, 0, 0, True),
    ],
)
def test_permission_bits_decide_who_may_enter(monkeypatch, tree, mode, owner, group, expected):
    monkeypatch.setattr(access, 'os', Files({str(tree): mode}, owner, group))
    assert may_enter(str(tree), USER) is expected
    assert ask(str(tree), USER, os.X_OK) == (Answer(True) if expected else Answer(False, str(tree)))


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        ('', True),
        ('open/../open//./inner', True),
        ('again', True),
        ('closed/inner', False),
        ('chain', False),
        ('closed/../open', False),
        ('loop', False),
        ('dangling', True),
        ('open/gone/x', True),
        ('closed/gone', False),
        ('open/file/x', True),
    ],
)
def test_the_whole_path_decides_who_may_enter(tree, path, expected):
    assert may_enter(path, USER) is expected
    assert may_enter(str(tree / path), USER) is expected


@pytest.mark.skipif(os.getuid() != 0, reason='only root can become another user')
def test_who_may_enter_is_as_the_kernel_has_it():
    """For every combination of bits and owners, of the place itself and of what is above it."""
    user, places = Identity(65534, 65534, [65534, 1]), []
    with tempfile.TemporaryDirectory(dir='/tmp') as top:  # tmp_path is closed to others
        os.chmod(top, 0o755)
        modes = (0o700, 0o070, 0o007, 0o001, 0o010, 0o666)
        for one in itertools.product(modes, (0, user.uid), (0, 65534, 1)):
            mode, owner, group = one
            directory = f'{top}/{mode:o}-{owner}-{group}'
            os.makedirs(f'{directory}/inner')
            os.chown(directory, owner, group)
            os.chmod(directory, mode)
            os.symlink(f'{directory}/inner', f'{directory}-link')
            places += [directory, f'{directory}/inner', f'{directory}-link', f'{directory}/..']
        tried = subprocess.run(
            ['/bin/sh', '-c', 'for one; do (cd -P "$one" 2>&-) && echo "$one"; done', '-', *places],
            capture_output=True,
            text=True,
            check=False,
            cwd='/',
            user=user.uid,
            group=user.gid,
            extra_groups=user.groups,
        )
        entered = tried.stdout.splitlines()
        assert entered == [place for place in places if may_enter(place, user)]
        assert 20 < len(entered) < len(places) - 20


def test_a_relative_path_begins_where_supervisord_is(tree, monkeypatch):
    monkeypatch.setattr(access, 'os', Files({str(tree.parent): 0o700}))
    assert may_enter('open', USER)
    assert not may_enter(str(tree / 'open'), USER)


def test_it_is_said_where_somebody_is_refused(tree):
    assert ask('again/through', USER, os.X_OK) == (False, str(tree / 'closed'))
    assert ask('open/file', USER, os.R_OK) == (True, '')
    assert ask('open/file', USER, os.X_OK) == (False, str(tree / 'open/file'))
    for path, code in (
        ('open/gone', errno.ENOENT),
        ('open/file/x', errno.ENOTDIR),
        ('loop', errno.ELOOP),
    ):
        with pytest.raises(OSError) as caught:
            ask(path, USER, os.X_OK)
        assert caught.value.errno == code


@pytest.mark.parametrize(
    ('attributes', 'known'),
    [
        (['user.x', 'system.posix_acl_access'], False),
        (['system.nfs4_acl'], False),
        (['user.x', 'security.capability'], True),
        (OSError(errno.ENOTSUP, 'no attributes here'), True),
        (OSError(errno.ENOENT, 'gone'), True),  # that is seen when it is tried
        (OSError(errno.EIO, 'a disk that comes and goes'), False),
    ],
)
def test_access_lists_are_not_second_guessed(tree, monkeypatch, attributes, known):
    monkeypatch.setattr(access, 'os', Files(attributes=attributes))
    assert may_enter('open', USER) is known


def test_where_somebody_else_decides_the_bits_refuse_nothing_for_sure(tree, monkeypatch):
    monkeypatch.setattr(access, 'is_local', lambda path: False)
    assert ask('closed', USER, os.X_OK).allowed is None
    assert not may_enter('closed', USER)
    assert ask('open', USER, os.X_OK).allowed is True


MOUNTED = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /mnt/home rw - nfs4 server:/home rw
31 22 0:31 / /mnt/my\\040disk rw shared:7 master:3 - btrfs /dev/sdb rw
32 22 0:32 / /mnt/remote rw - fuse.sshfs host:/ rw
33 32 0:33 / /mnt/remote/inner rw - overlay overlay rw
34 22 0:34 / /mnt/covered rw - tmpfs tmpfs rw
35 34 0:35 / /mnt/covered rw - nfs server:/x rw
36 22 0:36 / /mnt/above/below rw - tmpfs tmpfs rw
37 22 0:37 / /mnt/above rw - nfs server:/y rw
38 37 0:38 / /mnt/above/disk rw - ext4 /dev/sdc rw
"""


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        ('/srv/app', True),
        ('/mnt/home/x', False),
        ('/mnt/homes', True),
        ('/mnt/my disk/x', True),
        ('/mnt/remote/inner/x', True),
        ('/mnt/remote/innermost', False),
        ('/mnt/covered/x', False),
        ('/mnt/above/below/x', False),
        ('/mnt/above/disk/x', True),
    ],
)
def test_network_and_user_space_file_systems_are_not_local(monkeypatch, tmp_path, path, expected):
    (tmp_path / 'mounts').write_text(MOUNTED)
    monkeypatch.setattr(access, 'MOUNTS', str(tmp_path / 'mounts'))
    assert is_local(path) is expected


@pytest.mark.parametrize('mounts', [None, ''])
def test_without_a_list_of_mounts_nothing_is_local(monkeypatch, tmp_path, mounts):
    monkeypatch.setattr(access, 'MOUNTS', str(tmp_path / 'mounts'))
    if mounts is not None:
        (tmp_path / 'mounts').write_text(mounts)
    assert not is_local('/')


def test_this_machine_has_a_list_of_mounts():
    assert 'mountinfo' in access.MOUNTS
    assert not is_local('/proc/self')
