"""What a process can see of itself, and surroundings of supervisord in which there is something to
see.

As a program it prints its own portrait, one line of JSON, and stays. For a supervisord with
PYTHONPATH set, tests.integration.witness:make_surroundings is an interface that only changes
supervisord itself: much that a child inherits becomes different from what it usually is. The file
audit beside the configuration tells how each child began.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import resource
import signal
import sys
import termios
from pathlib import Path
from typing import Any

# of /proc/<pid>/status: what differs from one process to the next of the same program. FDSize tells
# how many descriptors supervisord had open, not which.
VOLATILE = (
    'Pid',
    'Tgid',
    'Ngid',
    'NStgid',
    'NSpid',
    'NSpgid',
    'State',
    'Vm',
    'Rss',
    'Hugetlb',
    'voluntary',
    'nonvoluntary',
    'SigQ',
    'FDSize',
)
# of /proc/<pid>/stat, counted from the state on
STAT = {
    'parent': 1,
    'group': 2,
    'session': 3,
    'tty': 4,
    'foreground': 5,
    'priority': 15,
    'niceness': 16,
    'threads': 17,
    'exit_signal': 35,
    'rt_priority': 37,
    'policy': 38,
}
TEXTS = (
    'comm',
    'limits',
    'oom_score_adj',
    'timerslack_ns',
    'loginuid',
    'sessionid',
    'personality',
    'coredump_filter',
    'cgroup',
    'cpuset',
    'autogroup',
    'projid_map',
)
NO_SUCH_FILE = repr(os.strerror(errno.ENOENT))
# a descriptor that supervisord lets its children inherit; how many there may be
LOW, MOST = (50, 2000)


def text(path: Path) -> str:
    """What the file holds, or the name of the error."""
    try:
        return path.read_bytes().decode('utf-8', 'backslashreplace')
    except OSError as error:
        return repr(error.strerror)


def link(path: Path) -> str:
    """Where the link leads, or the name of the error."""
    try:
        return os.readlink(path)
    except OSError as error:
        return repr(error.strerror)


def descriptors(proc: Path) -> dict[str, str]:
    """Each open descriptor: what it is, with what mode; those of one pipe or socket have the same
    number there.
    """
    seen: list[str] = []
    found = {}
    for number in sorted(os.listdir(proc / 'fd'), key=int):
        leads_to = link(proc / 'fd' / number)
        if leads_to == NO_SUCH_FILE:  # the one with which they are listed
            continue
        flags = [
            line for line in text(proc / 'fdinfo' / number).splitlines() if line.startswith('flags')
        ]
        if leads_to.startswith(('pipe:', 'socket:')):
            if leads_to not in seen:
                seen.append(leads_to)
            leads_to = f'{leads_to.partition(":")[0]} {seen.index(leads_to)}'
        found[number] = f'{leads_to} {flags}'
    return found


def portrait(pid: int) -> dict[str, Any]:
    """Everything that the kernel tells of the process and that its program could find out."""
    proc = Path(f'/proc/{pid}')
    fields = text(proc / 'stat').rpartition(')')[2].split()
    stat = {name: fields[place] for name, place in STAT.items()}
    stat['group'] = 'its own' if stat['group'] == str(pid) else stat['group']
    status = [line for line in text(proc / 'status').splitlines() if not line.startswith(VOLATILE)]
    return {
        'arguments': text(proc / 'cmdline').split('\0'),
        'environment': text(proc / 'environ').split('\0'),
        'cwd': link(proc / 'cwd'),
        'exe': link(proc / 'exe'),
        'root': link(proc / 'root'),
        'status': dict(line.split(':', 1) for line in status),
        'stat': stat,
        'descriptors': descriptors(proc),
        'namespaces': {path.name: link(path) for path in sorted((proc / 'ns').iterdir())},
        **{name: text(proc / name) for name in TEXTS},
    }


def confession() -> dict[str, Any]:
    """What the process says of itself. Python has changed a little of it, but always the same."""
    try:
        os.close(os.open('/dev/tty', os.O_RDWR))
        terminal = 'there is one'
    except OSError as error:
        terminal = repr(error.strerror)
    limits = [name for name in dir(resource) if name.startswith('RLIMIT_')]
    return {
        'argv': sys.argv,
        'environ': {repr(key): repr(value) for key, value in os.environb.items()},
        'cwd': os.getcwd(),
        'ids': [os.getresuid(), os.getresgid(), os.getgroups()],
        'umask': os.umask(0),
        'session': os.getsid(0),
        'leads_its_group': os.getpgrp() == os.getpid(),
        'terminal': terminal,
        'limits': {name: resource.getrlimit(getattr(resource, name)) for name in limits},
        'niceness': os.getpriority(os.PRIO_PROCESS, 0),
        'affinity': sorted(os.sched_getaffinity(0)),
        'policy': os.sched_getscheduler(0),
        'pending': sorted(signal.sigpending()),
        'blocked': sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        'dispositions': {
            number: str(signal.getsignal(number)) for number in signal.valid_signals()
        },
        'portrait': portrait(os.getpid()),
    }


def make_surroundings(supervisord: Any, strange: str = 'true', crowded: str = 'false') -> object:
    """The factory; strange: whether supervisord is to be changed, and not only to be listened to.
    crowded: whether it is to start programs as if many descriptors were open.
    """
    audit = f'{supervisord.options.here}/audit'

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ('os.fork', 'subprocess.Popen'):
            # Opened each time, for a thread may have other descriptors.
            with open(audit, 'a') as file:
                file.write(f'{event}\n')

    sys.addaudithook(hook)
    if crowded == 'true':
        # Here, for as a program this file knows no packages.
        from supervisor_restarter.programs import nursery

        nursery.MANY = 0
    if strange == 'true':
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGWINCH, lambda number, frame: None)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG, signal.SIGPROF])
        os.umask(0o037)
        os.nice(3)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (MOST, hard))
        os.environ['TEST_BYTES'] = b'\xff\xe9\xe4'.decode('utf-8', 'surrogateescape')
        if os.getuid() == 0:
            os.setgroups([7, 0, 5])
        terminal = os.openpty()[1]
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)  # for supervisord leads a session without one
        os.dup2(terminal, LOW)
    return object()


if __name__ == '__main__':
    print(json.dumps(confession()), flush=True)
    while True:
        signal.pause()
