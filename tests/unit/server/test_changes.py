"""When files changed, on a real disk."""

from __future__ import annotations

import os
import time

import pytest

from supervisor_restarter.engine.freshness import LATER_THAN_TOLD
from supervisor_restarter.faults import Code, Refusal
from supervisor_restarter.server.changes import youngest

NOW = 2_000_000_000.0


@pytest.fixture
def file(tmp_path):
    """file(name, at): a file that changed at that time."""

    def make(name, at):
        path = tmp_path / name
        path.write_text('')
        os.utime(path, (at, at))
        return str(path)

    return make


@pytest.fixture
def link(tmp_path):
    def make(name, to, at):
        path = tmp_path / name
        path.symlink_to(to)
        os.utime(path, (at, at), follow_symlinks=False)
        return str(path)

    return make


def known(*paths, now=NOW):
    change = youngest(paths, now)
    assert change is not None
    return change


def found(*paths):
    change = known(*paths)
    return os.path.basename(change.path.rstrip('/')), change.at


def refusal(*paths):
    with pytest.raises(Refusal) as info:
        youngest(paths, NOW)
    assert info.value.code is Code.BAD_OPTION
    return info.value.text


def test_no_paths_have_no_change():
    assert youngest((), NOW) is None


def test_the_youngest_of_several(file):
    assert found(file('a', 100.25), file('b', 300.5), file('c', 200.0)) == ('b', 300.5)


def test_a_directory_changes_with_its_own_entries(file, tmp_path):
    file('a', 100.0)
    os.utime(tmp_path, (50.0, 50.0))
    assert found(str(tmp_path)) == (tmp_path.name, 50.0)


def test_a_link_counts_by_itself_and_by_its_target(file, link):
    target = file('target', 100.0)
    assert found(link('old', target, 50.0)) == ('old', 100.0)
    assert found(link('new', 'target', 150.0)) == ('new', 150.0)


def test_links_on_the_way_count_too(file, link, tmp_path):
    file('target', 100.0)
    (tmp_path / 'x').mkdir()
    link('x/third', '../target', 100.0)
    link('second', './x/third', 200.0)
    assert found(link('first', tmp_path / 'second', 100.0)) == ('first', 200.0)


def test_a_link_to_a_directory_of_the_path_counts_too(file, link, tmp_path):
    (tmp_path / 'release').mkdir()
    file('release/file', 100.0)
    for name in ('a', 'b'):
        link(name, 'release', 50.0)
    assert found(str(tmp_path / 'a' / 'file')) == ('file', 100.0)
    link('current', tmp_path / 'b', 200.0)
    assert found(str(tmp_path / 'current' / 'file')) == ('file', 200.0)
    assert found(str(tmp_path / 'a' / '..' / 'current' / '.' / 'file')) == ('file', 200.0)


def test_as_many_links_as_linux_follows(file, link):
    at = file('target', 100.0)
    for number in range(40):
        at = link(str(number), at, 200.0 if number == 39 else 50.0)
    assert found(at) == ('39', 200.0)
    assert refusal(link('one more', at, 50.0)).endswith(': Too many levels of symbolic links')


def test_a_slash_at_the_end_does_not_hide_the_link(link, tmp_path):
    (tmp_path / 'release').mkdir()
    os.utime(tmp_path / 'release', (100.0, 100.0))
    assert found(link('current', 'release/', 200.0) + '/') == ('current', 200.0)
    assert known('/').path == '/'


def test_what_cannot_be_looked_at_is_refused_in_one_line(file, link, tmp_path):
    there, gone = file('a', 100.0), str(tmp_path / 'gone')
    assert refusal(there, gone) == f'BAD_OPTION: newer_than = {gone}: No such file or directory'
    assert refusal(link('dangling', 'gone', 1.0)).endswith('/dangling: No such file or directory')
    assert refusal(link('round', 'round', 1.0)).endswith(': Too many levels of symbolic links')
    assert refusal(f'{there}/b').endswith('/a/b: Not a directory')
    assert refusal('/' + 4000 * 'x').endswith('xxx: File name too long')
    assert refusal('/no\n' + 'where').endswith(r'/no\nwhere: No such file or directory')
    assert refusal('/\ud800').endswith(': it cannot be a path here')


def test_what_may_not_be_looked_at_is_refused(file, tmp_path, monkeypatch):
    def stat(path):
        raise PermissionError(13, 'Permission denied')

    path = file('a', 100.0)
    monkeypatch.setattr(os, 'stat', stat)  # root may look at everything
    assert refusal(path) == f'BAD_OPTION: newer_than = {path}: Permission denied'


def test_a_file_that_is_written_now_has_changed_by_now_and_no_earlier_than_told(tmp_path):
    before = time.time()
    (tmp_path / 'now').write_text('')
    after = time.time()
    change = known(str(tmp_path / 'now'), now=after)
    assert before <= change.at + LATER_THAN_TOLD
    assert change.at <= after
