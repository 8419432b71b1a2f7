"""The page's own files, read once: no request looks at the disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

from supervisor_restarter.web.replies import Reply

FOLDER = Path(__file__).parent / 'page'
KINDS = {
    '.html': 'text/html; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.svg': 'image/svg+xml',
}


def read_files(folder: Path = FOLDER) -> dict[str, Reply]:
    """A reply for each file by its name, '' for index.html. OSError."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in KINDS:
            body = path.read_bytes()
            headers = {
                'ETag': f'"{hashlib.sha256(body).hexdigest()[:20]}"',
                'Cache-Control': 'no-cache',
            }
            found[path.name] = Reply(200, KINDS[path.suffix], body, headers)
    if 'index.html' in found:
        found[''] = found['index.html']
    return found


def unless_known(reply: Reply, tags: str | None) -> Reply:
    """The reply, or 304 if it is among those that If-None-Match names."""
    known = [tag.strip() for tag in (tags or '').split(',')]
    tag = reply.headers['ETag']
    same = '*' in known or tag in known or f'W/{tag}' in known  # a proxy that compresses makes W/
    return reply._replace(status=304) if same else reply
