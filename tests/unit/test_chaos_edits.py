"""What the chaos run makes of the configuration file."""

from __future__ import annotations

from random import Random

from tests.chaos.edits import MISSING, draw_edit, sane

EDITS = [draw_edit(Random(f'edit {number}')) for number in range(100)]


def test_a_seed_repeats_an_edit():
    assert draw_edit(Random('edit 7')) == EDITS[7]


def test_edits_change_keys_numbers_groups_commands_and_syntax():
    keys = {key for edit in EDITS for found in edit.settings.values() for key in found}
    assert keys >= {'stopwaitsecs', 'stdout_logfile', 'directory', 'numprocs', 'socket_mode'}
    assert any(edit.absent for edit in EDITS)
    assert any(edit.broken for edit in EDITS)
    assert MISSING in [found.get('command') for edit in EDITS for found in edit.settings.values()]


def test_a_sane_edit_can_be_read_and_started():
    for edit in EDITS:
        good = sane(edit)
        assert good.absent == edit.absent
        assert not good.broken
        for name, found in edit.settings.items():
            kept = good.settings[name]
            assert kept == {key: value for key, value in found.items() if value != MISSING}
