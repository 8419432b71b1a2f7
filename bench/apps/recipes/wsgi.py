"""For gunicorn. IMPORT_SECONDS of imports, as a large application has them; GET / answers with the
worker's pid.
"""

import os
import time

time.sleep(float(os.environ.get('IMPORT_SECONDS', '2')))


def app(environ, start_response):
    """The WSGI application."""
    time.sleep(0.01)
    body = b'%d\n' % os.getpid()
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]
