"""Writes what lies below share/ and is installed below share/ of the environment: completion for
bash, zsh and fish, and man pages. `python -m share.make`; all of it is made of the text of --help.

The files are committed, so that neither a build nor an installation has to make them;
tests/unit/test_share.py holds them in step.
"""

from __future__ import annotations

from pathlib import Path

from share.bash import bash
from share.fish import fish
from share.man import man
from share.options import OPTIONS
from share.zsh import zsh

SHARE = Path(__file__).resolve().parent


def files() -> dict[str, str]:
    """The text of each file, by its path below share/."""
    made = {}
    for command, options in OPTIONS.items():
        made[f'bash-completion/completions/{command}'] = bash(command, options)
        made[f'zsh/site-functions/_{command}'] = zsh(command, options)
        made[f'fish/vendor_completions.d/{command}.fish'] = fish(command, options)
        made[f'man/man1/{command}.1'] = man(command)
    return made


def main() -> None:
    for name, text in files().items():
        path = SHARE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
