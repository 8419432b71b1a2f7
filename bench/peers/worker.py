"""The worker that every supervisor of bench.speed runs, and what it writes down: the one observer
of all figures.

    worker FILE NAME MILLISECONDS

It appends a line to FILE when it starts, when it is told to stop, and when it ends, so many
milliseconds later: `S NAME 12345.678901234`, then T, then E. The time is that of the monotonic
clock, which all processes of a machine share. No supervisor is asked for anything and nothing is
polled; the price is one write of 30 bytes to a file that is open already, some microseconds, the
same for all. Not asked is therefore also: what the supervisor believes.

It is a small C program, so that starting it costs next to nothing: 500 interpreters would hide what
is measured.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from bench.lab import LabError

SOURCE = r"""
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void note(int fd, char what, const char *name)
{
    struct timespec now;
    char line[80];
    clock_gettime(CLOCK_MONOTONIC, &now);
    int length = snprintf(line, sizeof line, "%c %.20s %ld.%09ld\n", what, name, (long)now.tv_sec, now.tv_nsec);
    if (write(fd, line, length) != length)  /* O_APPEND: whole lines, whoever else is writing */
        _exit(3);
}

int main(int argc, char **argv)
{
    sigset_t stop;
    int got, fd;
    if (argc != 4 || (fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) < 0)
        return 2;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);  /* that is what pm2 sends */
    sigprocmask(SIG_BLOCK, &stop, NULL);
    note(fd, 'S', argv[2]);
    while (sigwait(&stop, &got) != 0)
        ;
    note(fd, 'T', argv[2]);
    long milliseconds = atol(argv[3]);
    struct timespec left = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
    note(fd, 'E', argv[2]);
    _exit(0);
}
"""
BUILD_SECONDS = 60.0


class Note(NamedTuple):
    """A line that a worker has written: what is S (started), T (told to stop) or E (ends)."""

    what: str
    name: str
    at: float  # seconds on the monotonic clock


def build(target: Path, source: str = SOURCE) -> None:
    """Compile the worker, or another program in C. LabError if there is no C compiler."""
    compiler = next(filter(None, map(shutil.which, ('cc', 'gcc', 'clang'))), None)
    if compiler is None:
        raise LabError(
            'the workers are a small C program: install a C compiler (Debian, Ubuntu: apt install gcc)'
        )
    done = subprocess.run(
        [compiler, '-O2', '-x', 'c', '-o', str(target), '-'],
        input=source,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=BUILD_SECONDS,
    )
    if done.returncode != 0:
        raise LabError(f'{compiler} cannot compile {target.name}:\n{done.stdout}')


def size(file: Path) -> int:
    """How much has been written so far: a mark from which notes() can read on."""
    return file.stat().st_size if file.exists() else 0


def notes(file: Path, mark: int = 0) -> list[Note]:
    """What the workers have written since the mark, whole lines only."""
    if not file.exists():
        return []
    with file.open('rb') as stream:
        stream.seek(mark)
        text = stream.read().decode('ascii')
    lines = (line.split() for line in text.split('\n')[:-1])
    return [Note(what, name, float(at)) for what, name, at in lines]
