"""For gunicorn: three releases, by what the file `release` beside this says (bench.crash_loop).

good: serves. fails: is imported for three seconds and then fails, so that the worker does not boot
and gunicorn exits. dies: serves for three seconds, and then the whole of gunicorn is gone, as when
memory runs out.
"""

import os
import signal
import threading
import time
from pathlib import Path

from wsgi import app  # noqa: F401  what gunicorn serves

RELEASE = Path(__file__).with_name('release').read_text().strip()


def die():
    """Kill gunicorn's parent, and this worker."""
    os.kill(os.getppid(), signal.SIGKILL)
    os._exit(1)


if RELEASE == 'fails':
    time.sleep(3)
    raise RuntimeError('this release cannot be imported')
if RELEASE == 'dies':
    timer = threading.Timer(3, die)
    timer.daemon = True
    timer.start()
