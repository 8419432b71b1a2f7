"""How something is served in supervisord's loop: entering it, and leaving nothing behind.

What is served is a dispatcher in supervisord's socket map, under the number of its descriptor. A
turn of the loop goes through a copy of that map, which it makes at the beginning. So

* a dispatcher that has left may still be handed an event, even one that belongs to a new socket
  under the same number: after its end every handler has to do nothing;
* a socket that is made after the copy is polled in the same turn only if it registers itself.

After each handler the loop unregisters what is no longer readable() or writable(). That fails for a
descriptor that is unregistered already, and then handle_error() is called: at the end of a
dispatcher it means nothing.
"""

from __future__ import annotations

import contextlib
import io
import socket
from typing import Union

from supervisor_restarter.programs.host import Dispatcher, ServerOptions

Source = Union[socket.socket, io.FileIO]


def enter_loop(
    options: ServerOptions, dispatcher: Dispatcher, source: Source, writing: bool = False
) -> None:
    """Have the loop serve `source` by `dispatcher`, from this turn on. OSError if it cannot.

    writing: it waits to write, and not to read.
    """
    descriptor = source.fileno()
    options.get_socket_map()[descriptor] = dispatcher
    poller = options.poller
    (poller.register_writable if writing else poller.register_readable)(descriptor)


def leave_loop(options: ServerOptions, dispatcher: Dispatcher, source: Source) -> None:
    """Close `source`, which `dispatcher` serves, and leave nothing of it behind in the loop."""
    descriptor = source.fileno()
    if options.get_socket_map().get(descriptor) is dispatcher:
        del options.get_socket_map()[descriptor]
    # The poller remembers descriptors from turn to turn, and the number will be used again.
    for forget in (options.poller.unregister_readable, options.poller.unregister_writable):
        with contextlib.suppress(KeyError, OSError):
            forget(descriptor)
    with contextlib.suppress(OSError):
        source.close()
