"""What is parsed sooner is what Supervisor itself parses, and its complaints are the same."""

from __future__ import annotations

import pytest

from supervisor_restarter.configuration.twin import Unreadable, read_aside
from supervisor_restarter.configuration.view import group_view
from tests.unit.configuration.running import program

# Values with and without something to expand, and with what looks like it; keys that are not set, set
# to nothing, spelled otherwise, and in [DEFAULT], which Supervisor's parser heeds.
FILES = [
    program('web', numprocs=3, command='/bin/cat %(process_num)d %(here)s 50%%'),
    program('web', environment='A="%(program_name)s",B="100%%",C="x"', directory='%(here)s'),
    program('web', stdout_logfile='%(here)s/%(program_name)s.log', stderr_logfile='NONE'),
    program('web', STOPWAITSECS=7, stopsignal='HUP', serverurl=''),
    program('web', autorestart='%(ENV_RESTARTS)s', priority='%(ENV_RANK)s'),
    '[DEFAULT]\nstopwaitsecs=55\nexitcodes=3\n' + program('web', exitcodes='0,2'),
    '[group:both]\nprograms=a,b\npriority=%(ENV_RANK)s\n' + program('a') + program('b'),
    '[fcgi-program:f]\ncommand=/bin/cat\nsocket=unix://%(here)s/%(program_name)s\nsocket_backlog=5\n',
    '[eventlistener:e]\ncommand=/bin/cat\nevents=TICK_5,PROCESS_STATE\nbuffer_size=7\n',
]
BAD = [
    program('web', command='%(no_such)s'),
    program('web', command='100%'),
    program('web', stopwaitsecs='soon'),
    program('web', numprocs=2, process_name='same'),
    '[program:web]\nnumprocs=1\n',
    '[fcgi-program:f]\ncommand=/bin/cat\n',
    '[group:both]\nprograms=a,b\npriority=low\n' + program('a') + program('b'),
    '[eventlistener:e]\ncommand=/bin/cat\n',
]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv('RESTARTS', 'unexpected')
    monkeypatch.setenv('RANK', '12')


def views(section):
    return [group_view(config) for config in section.process_group_configs]


@pytest.mark.parametrize('text', FILES)
def test_the_same_is_read(running, text):
    options = running(text).options
    aside = views(read_aside(options).section)
    assert aside
    assert aside == views(options.read_config(options.configfile))


@pytest.mark.parametrize('text', BAD)
def test_the_same_is_complained_of(running, text):
    one = running(program('web'))
    one.write(text)
    with pytest.raises(ValueError) as plain:
        one.options.read_config(one.options.configfile)
    with pytest.raises(Unreadable) as aside:
        read_aside(one.options)
    said = str(plain.value).splitlines()[0].partition(' Available names')[0]
    assert said[:40] in str(aside.value)
