"""How much Supervisor's HTTP connections write in one turn of its loop.

Supervisor writes 4096 bytes, for the sake of `tail -f`. A turn costs a millisecond or more where
there are hundreds of processes, and a restart of 500 is 680 kB.
"""

from __future__ import annotations

from supervisor.http import deferring_http_channel

from supervisor_restarter.programs.host import HttpChannel, ServerOptions
from supervisor_restarter.web.replies import BYTES_IN_A_TURN


def write_large(options: ServerOptions) -> None:
    """Have the connection that a method is called over write its answer in few turns.

    A method is not told its connection; it is one of those with a request that has not been
    answered. The others among them do not send more than they would, only in larger pieces.
    """
    for dispatcher in list(options.get_socket_map().values()):
        if isinstance(dispatcher, deferring_http_channel):
            channel: HttpChannel = dispatcher
            if channel.current_request is not None:
                channel.ac_out_buffer_size = BYTES_IN_A_TURN
