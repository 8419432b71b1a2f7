"""`ansible-test sanity` for the collection, with the ansible-core of one environment.

    python -m tests.collection.sanity .envs/ansible [OPTION ...]

ansible-test wants the collection below ansible_collections/, a Python for each release that it
compiles for, and a home where it keeps environments of its own. It needs PyPI and nothing else: to
make an environment it would download get-pip from a server of Ansible's, unless its cache has one.
So the cache gets one, which installs the pip that Python brings along.

All output goes to .envs/sanity/<environment>.log; shown are the errors, and the Pythons that were not
there to be tested with. The options are those of ansible-test, such as `--test validate-modules`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.collection.pythons import found
from tests.pages import ROOT

WORK = ROOT / '.envs' / 'sanity'
HOME = WORK / 'home'
PYTHONS = WORK / 'pythons'
MINUTES = 15.0
GET_PIP = 'import ensurepip\n\nensurepip.bootstrap(default_pip=True)\n'
# The release of pip that ansible-test names its get-pip after.
WHICH_PIP = """\
import sys, types
from ansible_test._internal.python_requirements import get_venv_packages
python = types.SimpleNamespace(version='%d.%d' % sys.version_info[:2])
print(get_venv_packages(python)['pip'])
"""
SHOWN = re.compile('ERROR|FATAL')
ABSENT = re.compile(
    'WARNING: Skipping sanity test ".*" on Python (.*) because it could not be found'
)


def link_pythons() -> None:
    """Fill PYTHONS with a link to each Python. ansible-test would stumble over one that does not
    run, so it sees these alone.
    """
    shutil.rmtree(PYTHONS, ignore_errors=True)
    PYTHONS.mkdir(parents=True)
    for (major, minor), path in found().items():
        (PYTHONS / f'python{major}.{minor}').symlink_to(path)


def provide_get_pip(environment: Path) -> None:
    """Put our get-pip where this ansible-core looks for its own."""
    asked = [str(environment / 'bin' / 'python'), '-c', WHICH_PIP]
    release = subprocess.run(asked, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    cache = HOME / '.ansible' / 'test' / 'cache'
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f'get_pip_{release.replace(".", "_")}.py').write_text(GET_PIP, encoding='utf-8')


def copied(directory: str) -> Path:
    """A copy of the collection. Not a link, for ansible-test looks at the true path; and not below
    .envs, where it would ask git for the files, which ignores them.
    """
    place = Path(directory, 'ansible_collections', 'supervisor', 'restarter')
    leftovers = shutil.ignore_patterns('__pycache__', '.*_cache', 'output', '*.tar.gz')
    shutil.copytree(ROOT / 'ansible', place, ignore=leftovers)
    return place


def run(environment: Path, options: list[str]) -> tuple[int, str]:
    """Exit status and output of ansible-test."""
    link_pythons()
    provide_get_pip(environment)
    path = os.pathsep.join([str(environment / 'bin'), str(PYTHONS), os.defpath.lstrip(':')])
    kept = {name: os.environ[name] for name in ('TMPDIR', 'LANG', 'LC_ALL') if name in os.environ}
    network = {
        name: value
        for name, value in os.environ.items()
        if name.upper().endswith('_PROXY') or name.startswith(('PIP_', 'SSL_'))
    }
    with tempfile.TemporaryDirectory(prefix='restarter-') as directory:
        done = subprocess.run(
            [environment / 'bin' / 'ansible-test', 'sanity', '--color', 'no', *options],
            cwd=copied(directory),
            env={**network, **kept, 'HOME': str(HOME), 'PATH': path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
            timeout=MINUTES * 60,
            check=False,
        )
    return done.returncode, done.stdout


def main() -> int:
    environment = Path(sys.argv[1]).absolute()
    began = time.monotonic()
    status, text = run(environment, sys.argv[2:])
    log = WORK / f'{environment.name}.log'
    log.write_text(text, encoding='utf-8')
    for line in filter(SHOWN.match, text.splitlines()):
        print(line)
    absent = dict.fromkeys(ABSENT.findall(text))
    if absent:
        print(f'NOT TESTED: Python {", ".join(absent)}, which are not here')
    tests = re.findall('^Running sanity test "(.*?)"', text, re.MULTILINE)
    if status == 0 and not tests:
        print(f'no test was run, see {log}')
        return 1
    print(
        f'ansible-test sanity, {environment.name}: {len(set(tests))} kinds of tests, '
        f'{"clean" if status == 0 else "NOT CLEAN"}, {time.monotonic() - began:.0f} s ({log})'
    )
    return status


if __name__ == '__main__':
    sys.exit(main())
