"""docs/fleet.md against these tests: nothing in it is only for show."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fleet.play import blocks
from tests.pages import page

HERE = Path(__file__).parent


@pytest.mark.quick
def test_every_block_of_the_page_is_played_by_a_test():
    played = ''.join(path.read_text() for path in HERE.glob('*.py') if path != Path(__file__))
    unplayed = {name for name in blocks() if f"'{name}'" not in played}
    assert unplayed == {'hosts.yml'}  # the tests have hosts of their own


@pytest.mark.quick
def test_the_inventory_of_the_page_has_the_variables_of_the_tests(start_host):
    variables = set(re.findall(r'^    (\w+): ', blocks()['hosts.yml'], re.MULTILINE))
    assert variables == set(start_host('host1').variables()) - {'ansible_connection'}


@pytest.mark.quick
def test_every_playbook_of_the_page_has_a_name():
    nameless = re.findall(r'^```yaml\n(?!# [\w-]+\.yml)(.*)$', page('fleet'), re.MULTILINE)
    assert nameless == []
