"""Packaging of supervisor-restarter; the tools' settings are in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent


def version() -> str:
    """`__version__` of the package, read without importing it: Supervisor may not be installed yet."""
    text = (HERE / 'supervisor_restarter' / '__init__.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = ['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    if match is None:
        raise RuntimeError("supervisor_restarter/__init__.py has no line __version__ = '...'")
    return match.group(1)


def long_description() -> str:
    """README.md without its relative links and pictures, which lead nowhere on PyPI; nothing where
    it is missing.
    """
    readme = HERE / 'README.md'
    text = readme.read_text(encoding='utf-8') if readme.exists() else ''
    text = re.sub(r'!\[[^]]*\]\((?!https?:)[^)]*\)\n+', '', text)
    return re.sub(r'\[([^]]*)\]\((?!https?:)[^)]*\)', r'\1', text)


def data_files() -> list[tuple[str, list[str]]]:
    """Completion and man pages, which share/make.py writes, as they are below share/."""
    found = [path for path in (HERE / 'share').rglob('*') if path.suffix not in ('.py', '.pyc')]
    paths = sorted(path.relative_to(HERE) for path in found if path.is_file())
    return [(str(path.parent), [str(path)]) for path in paths]


setup(
    name='supervisor-restarter',
    version=version(),
    description='Supervisor plugin: fast, rolling and reliable restarts of process groups',
    long_description=long_description(),
    long_description_content_type='text/markdown',
    author='supervisor-restarter contributors',
    license='MIT',
    packages=find_packages(include=['supervisor_restarter', 'supervisor_restarter.*']),
    package_data={'supervisor_restarter': ['py.typed', 'web/page/*']},
    data_files=data_files(),
    zip_safe=False,
    python_requires='>=3.9',
    install_requires=[
        'supervisor>=4.2.3',  # before, callbacks of events saw a process's old state
        'setuptools<82',  # Supervisor 4.2.5 imports pkg_resources, which setuptools 82 dropped
        'tqdm',
    ],
    extras_require={
        'memory': ['psutil>=5.9'],  # for --memory of supervisor_restart_listener
        'metrics': ['prometheus_client>=0.16'],  # for restarter/metrics; 0.16 is Debian 12's
        # Ranges end before the next major release; lint and types are exact, for each of their
        # releases may find something new in old code. mypy 1.19 is the last that runs on Python 3.9.
        'test': [
            'pytest>=8.3,<9',
            'pytest-xdist>=3.6,<4',
            'pytest-timeout>=2.3,<3',
            'pytest-cov>=6,<8',
            'hypothesis>=6.100,<7',
            'psutil>=5.9,<8',
            'prometheus_client>=0.16,<1',
            'superlance>=2,<3',
            # The last that builds a wheel with the setuptools that Python 3.9 to 3.11 bring along.
            'wheel>=0.40,<0.46',
            'ruff==0.17.5',
            'mypy==1.19.1',
        ],
    },
    # bin/ has the same commands for a checkout that is not installed.
    entry_points={
        'console_scripts': [
            'supervisorctl_restart_group = supervisor_restarter.client.cli:main',
            'supervisor_restart_listener = supervisor_restarter.listener.program:main',
        ]
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'Environment :: No Input/Output (Daemon)',
        'Intended Audience :: System Administrators',
        'Operating System :: POSIX',
        'Programming Language :: Python :: 3',
        'Programming Language :: Python :: 3.9',
        'Programming Language :: Python :: 3.10',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
        'Topic :: System :: Boot',
        'Topic :: System :: Systems Administration',
    ],
)
