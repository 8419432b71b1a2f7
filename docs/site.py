"""For mkdocs: files above docs/ that pages link to become part of the site, so that links work both
there and in the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
ABOVE = (
    'SECURITY.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'bench/apps/haproxy.cfg',
    'bench/apps/nginx.conf',
)


def on_files(files: Any, config: Any) -> Any:
    """Add the files above docs/."""
    for name in ABOVE:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, **other: Any) -> str:
    """The page with links to where these files are in the site."""
    above = page.file.src_uri in ABOVE
    return markdown.replace('](docs/', '](') if above else markdown.replace('](../', '](')


def on_page_content(html: str, **other: Any) -> str:
    """The page without the backslashes that GitHub wants before a pipe in a table's code."""
    return html.replace(r'\|', '|')
