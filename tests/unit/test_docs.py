"""README and docs/ against the program: limits, links, options, methods, statuses. Their examples are
in test_docs_examples.py and, with a supervisord, in tests/integration/test_examples.py.
"""

from __future__ import annotations

import inspect
import re
import runpy
from dataclasses import fields
from pathlib import Path

import pytest

from bench.recipe_page import BLOCK
from supervisor_restarter import __version__
from supervisor_restarter.client.cli_options import RESTART_OPTIONS, RestartOptions, long_name
from supervisor_restarter.client.ctl_help import COMMANDS
from supervisor_restarter.client.errors import Exit
from supervisor_restarter.client.screen import Screen
from supervisor_restarter.commands import HOOK_VARIABLES
from supervisor_restarter.engine import policy
from supervisor_restarter.engine.operation import State
from supervisor_restarter.engine.phases import SHOWN, Phase
from supervisor_restarter.event_text import EVENT_NAMES
from supervisor_restarter.faults import Code
from supervisor_restarter.listener.cli_options import parser
from supervisor_restarter.option_kinds import DECLARED, of_text
from supervisor_restarter.options import CONFIGURATION_ONLY, DEFAULTS, Settings
from supervisor_restarter.server.rpcinterface import RestarterNamespaceRPCInterface
from tests.pages import DOCS, PAGES, ROOT, TEXTS, anchors, page, table, without_code

LINK = re.compile(r'\]\(([^)\s]+)\)')
# Options of other programs that the pages name, besides those in recipes.md and CONTRIBUTING.md.
FOREIGN = {
    *('--break-system-packages', '--connect-to', '--diff', '--no-deps', '--port', '--preload'),
    *('--supervised', '--workers'),
}
# Supervisor's own spellings, which no page needs to teach.
UNTAUGHT = {'-?', '--history_file'}


# -- README and the pages as a whole ----------------------------------------------------------


def test_the_readme_is_short():
    text = TEXTS['README.md']
    assert len(text.splitlines()) <= 120
    assert len(text.split()) <= 900


def test_the_readme_says_which_versions():
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    python = re.search("python_requires='>=(.*)'", setup)
    supervisor = re.search("'supervisor>=(.*?)'", setup)
    assert python is not None
    assert supervisor is not None
    assert (
        f'\nVersion {__version__} · Python {python[1]} or later · '
        f'Supervisor {supervisor[1]} or later · MIT licence\n'
    ) in TEXTS['README.md']


@pytest.mark.parametrize('name', PAGES)
def test_links_lead_somewhere(name):
    broken = []
    for target in LINK.findall(without_code(TEXTS[name])):
        if re.match('https?://', target):
            continue
        file, _, anchor = target.partition('#')
        path = (PAGES[name].parent / file).resolve() if file else PAGES[name]
        if not path.exists() or (
            anchor and anchor not in anchors(path.read_text(encoding='utf-8'))
        ):
            broken.append(target)
    assert broken == []


def test_what_pypi_shows_has_no_relative_links(monkeypatch):
    given: dict[str, str] = {}
    monkeypatch.setattr('setuptools.setup', given.update)
    runpy.run_path(str(ROOT / 'setup.py'))
    text = given['long_description']
    assert [target for target in LINK.findall(text) if not target.startswith('https:')] == [
        'http://supervisord.org'
    ]
    assert '![' not in text
    assert 'XML-RPC, options' in text


def test_files_modules_and_targets_that_the_pages_name_are_there():
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    missing = []
    for name, text in TEXTS.items():
        for path in re.findall(r'`(?:[\w/]+/)?(test_\w+\.py)', text):
            missing += [path] if not list((ROOT / 'tests').rglob(path)) else []
        for path in re.findall(r'`((?:\w+/)+\w+\.(?:py|cfg|conf))`', text):
            there = [ROOT / path, ROOT / 'supervisor_restarter' / path]
            missing += [path] if not any(map(Path.exists, there)) else []
        for path in re.findall(r'(?:python|-m) -m (bench|tests)\.(\w+)', text):
            missing += ['.'.join(path)] if not list(ROOT.glob('/'.join(path) + '*')) else []
        for target in re.findall(r'(?:`|\$ )make ([a-z][a-z-]*)', text):
            if not re.search(f'^{target}:', makefile, re.MULTILINE):
                missing.append(f'{name}: make {target}')
    assert missing == []


def test_every_page_is_in_the_nav_of_the_site_and_in_the_overview():
    nav = re.findall(r': (\S+\.md)$', (ROOT / 'mkdocs.yml').read_text(), re.MULTILINE)
    assert len(nav) == len(set(nav))
    assert {name for name in nav if not (ROOT / name).exists()} == set(DOCS)
    assert {name for name in DOCS if f']({name})' not in page('index')} == {'index.md'}


# -- options ----------------------------------------------------------------------------------


def default_text(value: object) -> str:
    """A default as the tables show it."""
    if value is None:
        return ''
    if isinstance(value, float):
        return f'{value:g}'
    return '' if value == () else str(value).lower()


def test_every_key_of_the_configuration_is_in_its_page_with_its_default():
    in_call, only = re.split('These only in the configuration', page('options'))
    settings = {field.name: field.default for field in fields(Settings)}
    assert [row[:2] for row in table(in_call, 'key')] == [
        [f'`{name}`', default_text(getattr(DEFAULTS, name))] for name in DECLARED
    ]
    assert [row[:2] for row in table(only, 'key')] == [
        [f'`{name}`', default_text(settings[name])] for name in CONFIGURATION_ONLY
    ]


def written_options(text: str) -> dict[str, list[str]]:
    """The rows of the tables of options, by each name that an option has."""
    found = {}
    for row in table(text, 'option'):
        for span in re.findall('`(-[^`]*)`', row[0]):
            found[re.split('[ [=]', span)[0]] = row
    return found


def test_every_option_of_the_command_is_in_its_page_with_its_default():
    written = written_options(page('command'))
    options = RestartOptions(Screen.__new__(Screen))
    known = {f'--{option.rstrip("=")}' for option in options.long_options}
    known |= {f'-{letter.rstrip(":")}' for letter in options.short_options}
    assert set(written) == known - UNTAUGHT
    for name, key in RESTART_OPTIONS.items():
        if name in ('rolling', 'only_running', 'queue'):
            continue
        row = written[f'--{long_name(name)}']
        default = default_text(getattr(DEFAULTS, key))
        unset = {'timeout': 'no limit', 'stop_timeout': '`stopwaitsecs`', 'newer_than': ''}
        assert row[1] == (default or unset[key])


def test_every_option_of_the_listener_is_in_its_page_with_its_default():
    written = written_options(page('listener'))
    made = {
        option: action
        for action in parser()._actions
        for option in action.option_strings
        if option not in ('-h', '--help')
    }
    assert set(written) == set(made)
    for option, action in made.items():
        metavar = f' {action.metavar}' if action.metavar else ''
        assert written[option][0] == f'`{option}{metavar}`'
        assert written[option][1] == ('' if not action.default else str(action.default))


def test_every_command_of_supervisorctl_is_in_its_page():
    written = [row[0].strip('`') for row in table(page('supervisorctl'), 'command')]
    assert {words.split()[0] for words in written} == set(COMMANDS)
    times = set(re.findall('^(--[a-z-]+)', COMMANDS['rolling'], re.MULTILINE))
    [row] = [row for row in table(page('supervisorctl'), 'command') if 'rolling' in row[0]]
    assert set(re.findall('`(--[a-z-]+)`', row[1])) == times


def test_what_the_pages_call_an_option_is_one():
    known = set(written_options(page('command'))) | set(written_options(page('listener')))
    named = {
        (name, option)
        for name, text in TEXTS.items()
        if name not in ('CONTRIBUTING.md', 'docs/recipes.md')
        for span in re.findall('`([^`\n]+)`', BLOCK.sub('', text))
        for option in re.findall(r'(?<![\w-])--[a-z][a-z-]*', span)
    }
    assert {one for one in named if one[1] not in known | FOREIGN} == set()
    assert {option for _, option in named} >= FOREIGN


def test_settings_that_the_pages_name_are_allowed():
    kinds = {**DECLARED, **CONFIGURATION_ONLY}
    named = [
        (key, value.replace('%%', '%').replace('NAME', 'HUP'))
        for text in TEXTS.values()
        for key, value in re.findall('`([a-z_]+) ?= ?([^`]+)`', text)
        if key in kinds
    ]
    assert len(named) > 10
    for key, value in named:
        of_text(key, kinds[key], value)


def test_every_variable_of_a_program_is_one():
    named = {word for text in TEXTS.values() for word in re.findall('RESTARTER_[A-Z_]+', text)}
    known = {'RESTARTER_READY', 'RESTARTER_PID', policy.SURGE}
    known |= {*policy.VARIABLES.values(), *HOOK_VARIABLES.values()}
    assert named == known


def test_every_event_is_in_its_page():
    assert {row[0].strip('`') for row in table(page('events'), 'event')} == set(EVENT_NAMES)


# -- XML-RPC, statuses, codes -----------------------------------------------------------------


def signature(name: str) -> str:
    """A method as the page has it: `quickStop(names [, wait=True])`."""
    parts: list[str] = []
    method = getattr(RestarterNamespaceRPCInterface, name)
    for parameter in list(inspect.signature(method).parameters.values())[1:]:
        if parameter.default is inspect.Parameter.empty:
            parts.append(f', {parameter.name}' if parts else parameter.name)
        else:
            given = f'={parameter.default}' if parameter.default not in (None, '') else ''
            parts.append(f'{" [, " if parts else "["}{parameter.name}{given}]')
    return f'{name}({"".join(parts)})'


def test_every_method_is_in_its_page_with_its_signature():
    methods = {name for name in vars(RestarterNamespaceRPCInterface) if not name.startswith('_')}
    written = [row[0].strip('`') for row in table(page('xmlrpc'), 'method')]
    assert sorted(written) == sorted(map(signature, methods))


def test_every_fault_state_and_phase_is_in_its_page():
    assert [row[:2] for row in table(page('xmlrpc'), 'fault')] == [
        [code.name, f'0x{code:x}'] for code in Code
    ]
    cells = {row[0].strip('`'): row[1] for row in table(page('xmlrpc'), 'key')}
    assert set(re.findall('`(.*?)`', cells['state'])) == {state.value for state in State}
    shown = {SHOWN.get(phase, phase).value for phase in Phase}
    assert set(re.findall('`(.*?)`', cells['phase'])) == shown
    assert {row[0].strip('`') for row in table(page('how-it-works'), 'phase')} == shown


def test_every_exit_status_is_in_its_page():
    assert [row[0] for row in table(page('command'), 'status')] == [
        str(status.value) for status in Exit
    ]
