"""Pages that are open in a browser, played: python -m bench.open_pages SOCKET COUNT

Each asks restarter/state on supervisord's unix socket as web/page/live.js does: what has changed since the last
answer, with the restart that runs in full, 150 ms after that answer. It prints `open` when each has had its first
answer. When its stdin ends, it prints one line of JSON: the answers and bytes of each page since then, and which
restarts it has seen finished.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

from bench.lab import UnixConnection

PAUSE = 0.15  # seconds between an answer and the next question, as live.js has it
WAIT = 25  # seconds that a question waits for news


class OpenPage(threading.Thread):
    """One open page. answers, bytes: after the first. ended: the restarts that it has seen finished."""

    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self._connection = UnixConnection(path, 2 * WAIT)
        self.loaded = threading.Event()
        self.answers = self.bytes = 0
        self.ended: set[str] = set()
        self._since = ''
        self._watched, self._known = '', 0

    def run(self) -> None:
        self._take_in(self._asked())
        self.answers = self.bytes = 0
        self.loaded.set()
        while True:
            time.sleep(PAUSE)
            self._take_in(self._asked())

    def _asked(self) -> dict[str, Any]:
        query = [f'wait={WAIT}']
        query += [f'since={self._since}'] if self._since else []
        query += [f'restart={self._watched}:{self._known}'] if self._watched else []
        self._connection.request('GET', f'/restarter/state?{"&".join(query)}')
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, (response.status, body)
        self.answers += 1
        self.bytes += len(body)
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _take_in(self, answer: dict[str, Any]) -> None:
        self._since = f'{answer["epoch"]}:{answer["version"]}'
        for header in answer.get('restarts', []):
            if not header['finished_at'] and header['id'] != self._watched:
                self._watched, self._known = header['id'], 0
        detail = answer.get('detail')
        if detail and detail['id'] == self._watched and not detail.get('gone'):
            self._known = detail['version']
            if detail['restart']['finished_at']:
                self.ended.add(detail['id'])


def main(path: str, count: str) -> int:
    pages = [OpenPage(path) for _ in range(int(count))]
    for page in pages:
        page.start()
    if not all(page.loaded.wait(WAIT) for page in pages):
        return 1
    print('open', flush=True)
    sys.stdin.read()
    print(
        json.dumps(
            {
                'answers': [page.answers for page in pages],
                'bytes': [page.bytes for page in pages],
                'ended': [sorted(page.ended) for page in pages],
            }
        )
    )
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
