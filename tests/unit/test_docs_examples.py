"""The examples of README and docs/, as far as they can be checked without a supervisord: sections,
commands, Python and shell.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from bench.recipe_page import BLOCK
from supervisor_restarter.client.cli_options import RestartOptions
from supervisor_restarter.client.ctl_help import COMMANDS
from supervisor_restarter.client.ctl_words import apply_words, rolling, scale_words
from supervisor_restarter.client.errors import ClientError
from supervisor_restarter.client.screen import Screen
from supervisor_restarter.listener.cli_options import parser
from supervisor_restarter.option_kinds import DECLARED, of_text
from supervisor_restarter.options import CONFIGURATION_ONLY
from supervisor_restarter.readiness import spec
from tests.pages import TEXTS, blocks, commands

KINDS = {**DECLARED, **CONFIGURATION_ONLY}


# Supervisor's own commands that the pages name.
STOCK = {'reload', 'restart', 'signal', 'status', 'tail', 'update'}
CONF = """\
[supervisord]
logfile=%(here)s/log
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
INTERFACE = '[rpcinterface:restarter]\nsupervisor.rpcinterface_factory = supervisor_restarter:make_rpcinterface\n'
# What a block without a section is a part of.
PROGRAM = '[program:x]\ncommand = /bin/true\nnumprocs = 2\nprocess_name = %(process_num)d\n'
SECTIONS = [(name, text) for name, text in blocks('ini') if not text.startswith('; /')]


@pytest.mark.parametrize(('name', 'text'), SECTIONS)
def test_supervisor_and_the_plugin_read_the_sections(name, text, tmp_path):
    section = text if text.startswith('[') else PROGRAM + text
    if '[rpcinterface:restarter]' not in section:
        section += INTERFACE
    # directories of the examples need not be here
    section = re.sub(r'^directory ?=.*\n', '', section, flags=re.MULTILINE)
    (tmp_path / 'conf').write_text(CONF + section.replace('/var/log/supervisor', str(tmp_path)))
    options = ServerOptions()
    options.realize(['-c', str(tmp_path / 'conf')])
    for group in options.process_group_configs:
        for process in group.process_configs:
            ready = (process.environment or {}).get('RESTARTER_READY')
            assert ready is None or spec.parse(ready)
            understand(process.command, tmp_path / 'conf')
    [settings] = [row[2] for row in options.rpcinterface_factories if row[0] == 'restarter']
    for key, value in settings.items():
        of_text(key, KINDS[key], value)


def understand(line: str, conf: Path) -> bool:
    """Whether this is a command of ours, or of supervisorctl. An exception if it is written wrongly.
    conf: a configuration for supervisorctl.
    """
    program, *words = shlex.split(line.partition('  #')[0])
    if program == 'supervisorctl_restart_group':
        RestartOptions(Screen.__new__(Screen)).realize(['-c', str(conf), *words])
    elif program == 'supervisor_restart_listener':
        parser().parse_args(words)
    elif program == 'supervisorctl':
        assert words[0] in {*COMMANDS, *STOCK}, line
        of_words = {'rolling': rolling, 'apply': apply_words, 'scale': scale_words}
        if words[0] in of_words:
            of_words[words[0]](words[1:])
    else:
        return False
    return True


def spans() -> list[str]:
    """Each span of code that is a command of ours with its words."""
    return [
        span
        for text in TEXTS.values()
        for span in re.findall(
            r'`((?:supervisorctl_restart_group|supervisor_restart_listener) [^`]+)`',
            BLOCK.sub('', text),
        )
        if not re.search('[<…]| ID|N%', span)
    ]


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / 'conf'
    path.write_text('[supervisorctl]\nserverurl=http://localhost:1\n')
    return path


def test_the_program_understands_its_commands(conf):
    """Those of examples and of running text. Whether they end as they should is for
    test_examples.py.
    """
    assert sum(understand(line, conf) for line in [*commands(), *spans()]) > 30


@pytest.mark.parametrize(
    'line', ['supervisorctl_restart_group --rolled web', 'supervisorctl quickrestert web:']
)
def test_a_command_that_is_none_is_noticed(line, conf):
    with pytest.raises((ClientError, AssertionError)):
        understand(line, conf)


@pytest.mark.parametrize(('name', 'text'), blocks('python'))
def test_python_examples_compile(name, text):
    compile(text, name, 'exec')


@pytest.mark.parametrize(('name', 'text'), blocks('sh'))
def test_shell_examples_can_be_read(name, text):
    subprocess.run(['sh', '-n'], input=text, text=True, check=True, timeout=60)
