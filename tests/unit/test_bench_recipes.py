"""docs/recipes.md can be read by the bench, by Supervisor and by the plugin. No servers."""

import re

import pytest
from supervisor.options import ServerOptions

from bench import recipe_page, recipe_site, recipes
from supervisor_restarter.readiness import spec

PAGE = recipe_page.read(recipe_page.PAGE.read_text(encoding='utf-8'))
CONF = (
    '[supervisord]\nlogfile=%(here)s/log\n[rpcinterface:supervisor]\n'
    'supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n'
)


def groups(section, tmp_path):
    """The groups that Supervisor makes of a section. Its directories need not exist."""
    conf = tmp_path / 'conf'
    conf.write_text(CONF + re.sub(r'^directory=.*\n', '', section, flags=re.MULTILINE))
    options = ServerOptions()
    options.realize(['-c', str(conf)])
    return options.process_group_configs


def test_every_recipe_of_the_page_is_tried():
    assert {trial.title for trial in recipes.TRIALS} == set(PAGE)


@pytest.mark.parametrize('trial', recipes.TRIALS, ids=lambda trial: trial.name)
def test_supervisor_understands_the_section_and_the_plugin_its_readiness(trial, tmp_path):
    [group] = groups(PAGE[trial.title].section, tmp_path)
    assert (group.name, len(group.process_configs)) == (trial.group, trial.processes)
    ready = [spec.parse(config.environment['RESTARTER_READY']) for config in group.process_configs]
    assert len({spec.text for spec in ready}) == (
        1 if ready[0].kind == 'notify' else trial.processes
    )


@pytest.mark.parametrize('trial', recipes.TRIALS, ids=lambda trial: trial.name)
def test_nothing_of_the_machine_is_left_in_what_is_run(trial, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe_site, 'find', lambda name: f'/found/{name}')
    site = recipes.site_of(trial, tmp_path, PAGE)
    places = ['conf.d/*', '*.cfg', 'app/lb.py']
    texts = [path.read_text() for place in places for path in site.directory.glob(place)]
    for text in [site.sections, *texts]:
        assert not re.search(
            r'(?<!/etc/nginx)/(?:srv|etc/(?!nginx/fastcgi_params)|run/(?:app|haproxy)|usr)\b'
            r'|:80\d\d|:6379',
            text,
        )


@pytest.mark.parametrize('language', ['ini', 'nginx'])
def test_a_block_that_begins_with_a_path_is_a_file(language):
    page = recipe_page.read(
        f'# Page\n\n## Shared\n\n```py\n# /a/b.py\nx\n```\n\n## One\n\n```ini\n[program:x]\n```\n\n'
        f'```{language}\n; /etc/x\ny\n```\n'
    )
    assert page == {
        'One': recipe_page.Recipe(
            'One', '[program:x]\n', {'/a/b.py': '# /a/b.py\nx\n', '/etc/x': '; /etc/x\ny\n'}
        )
    }


def test_two_sections_below_one_heading_are_refused():
    with pytest.raises(ValueError, match='One: 2 sections'):
        recipe_page.read('## One\n\n```ini\n[program:x]\n```\n\n```ini\n[program:y]\n```\n')


def test_what_is_missing_is_named_with_its_package(monkeypatch):
    monkeypatch.setattr(recipes, 'find', lambda name: '' if name == 'redis-server' else '/found')
    said = {trial.name: recipes.missing(trial) for trial in recipes.TRIALS}
    assert said['celery'] == 'redis-server missing (Debian, Ubuntu: apt install redis-server)'
    assert said['uvicorn-fd'] == ''
