"""The hooks of a worker behind HAProxy: lb.py SOCKET SERVER drain|ready

drain: HAProxy sends no further requests to the server, and those that it has are answered when this
ends. ready: it sends requests again, and has found the server up. Where no HAProxy has that runtime
socket, nothing is done. So it does not matter whether the proxy or the restart is quicker.
"""

from __future__ import annotations

import csv
import os
import socket
import sys
import time

PAUSE = 0.02


def ask(path: str, command: str) -> str:
    """What HAProxy answers to a command."""
    with socket.socket(socket.AF_UNIX) as haproxy:
        haproxy.connect(path)
        haproxy.sendall(command.encode() + b'\n')
        return haproxy.makefile().read().strip()


def is_done(path: str, server: str, state: str) -> bool:
    lines = ask(path, 'show stat').lstrip('# ').splitlines()
    rows = {(row['pxname'], row['svname']): row for row in csv.DictReader(lines)}
    row = rows['web', server]
    return row['scur'] == '0' if state == 'drain' else row['status'] == 'UP'


def main() -> None:
    path, server, state = sys.argv[1:]
    if not os.path.exists(path):
        return
    refused = ask(path, f'set server web/{server} state {state}')
    if refused:
        sys.exit(refused)
    time.sleep(PAUSE)  # what was just handed to the server is counted by then
    while not is_done(path, server, state):
        time.sleep(PAUSE)


if __name__ == '__main__':
    main()
