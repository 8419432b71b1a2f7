"""Queues a task every so many seconds until its standard input ends, then prints how many:
feed.py celery|rq SECONDS
"""

import select
import sys


def queue_of(kind):
    """What queues the task of this number."""
    if kind == 'celery':
        from tasks import work

        return work.delay
    from jobs import queue, work

    return lambda number: queue.enqueue(work, number)


put, pause, count = queue_of(sys.argv[1]), float(sys.argv[2]), 0
while not select.select([sys.stdin], [], [], pause)[0]:
    put(count)
    count += 1
print(count)
