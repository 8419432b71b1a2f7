"""A host whose workers stand in a file of their own, made of the template in docs/fleet.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.fleet.host import SERVE, Host
from tests.fleet.play import blocks

SCRIPT = """\
#!/bin/sh
exec {python} -S -E {serve} "$1" {app} {release}
"""


class ConfiguredHost(Host):
    """The workers serve the release that their command names, at first 1; see write()."""

    def _workers(self) -> str:
        self.conf_d.mkdir()
        self.write(release='1')
        return f'[include]\nfiles = {self.conf_d}/*.conf\n\n'

    @property
    def file(self) -> Path:
        """The file with the section of the workers."""
        return self.conf_d / 'web.conf'

    def release(self, name: str, needs: str = '') -> Path:
        """Make a release with the command `serve` in it; its directory."""
        path = super().release(name, needs)
        script = path / 'serve'
        script.write_text(
            SCRIPT.format(python=sys.executable, serve=SERVE, app=self.app, release=path)
        )
        script.chmod(0o755)
        return path

    def write(self, **variables: str) -> None:
        """Write the file as the page's template has it, with these variables and the host's."""
        known = {'app': str(self.app), 'ports': self.port, **variables}
        text = blocks()['web.conf.j2']
        self.file.write_text(re.sub(r'{{ (\w+) }}', lambda found: known[found[1]], text))

    def edit(self, old: str, new: str) -> None:
        """Change a part of the file."""
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def unread(self) -> dict[str, object]:
        """What the files would change."""
        plan: dict[str, object] = self.rpc().restarter.planConfig()
        return plan
