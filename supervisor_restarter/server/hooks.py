"""Replacing something of Supervisor's for a while, beside other plugins that do the same.

Everything of ours that is hooked into Supervisor, also in docs/hooks.md (what | when
    | how it is taken back
    | why):

options.poller.poll | while a restart runs
    | Replacement.undo() in loop.py
    | the loop sleeps no longer than it may
signal.set_wakeup_fd, and a pipe in get_socket_map() | while a restart runs
    | the former descriptor is set again unless there is a newer one, loop.py
    | SIGCHLD ends the loop's sleep
stopProcess, stopProcessGroup, stopAllProcesses of Supervisor's RPC interface | while a restart
    runs, if heed_stops
    | Replacement.undo() in stop_calls.py
    | a stop is heard also while the process is being stopped already
last_writable_check of HTTP channels | when there is news for clients that wait
    | set by the channel itself the next time, loop.py
    | deferred answers are asked for at once
sockets and pipes in get_socket_map() | while a probe is asked, or a command of a program's own
    runs; from the first `notify` on
    | closed, and forgotten by the poller, probe.py, child_command.py and notify.py
    | answers, what commands say, and READY=1
options.pidhistory: a command of ours | while an `exec:` probe runs, or a command of a program's own
    | by supervisord, once it is reaped, child_command.py
    | supervisord reaps it like its other children
childlog of a dispatcher, set to its normallog | while what such a command says is logged
    | set back in the same call, own_commands.py
    | what the process itself says between two tokens of an event is left alone
process.config, options.pidhistory | while a process is held
    | its own again, actions.py and fast_spawn.py
    | stopwaitsecs, NOTIFY_SOCKET, wait statuses; state of one process rather than a hook
group.processes; config, spawn and transition of a process that lies aside; normallog and childlog
    of the new one | in a surge, until the old process has exited
    | by that process itself in its transition, asides.py
    | two processes of one program, one log
events.subscribe: SupervisorRunningEvent, ProcessGroupAddedEvent | until a reload
    | events.clear(), plugin.py
    | what is wrong with RESTARTER_READY and its kin is logged before the first restart
events.subscribe: SupervisorStoppingEvent | until a reload
    | events.clear(), plugin.py
    | restarts end with supervisord
a thread of supervisord | from the first start on that finds many descriptors open, if
    fast_spawn
    | for good, nursery.py
    | its children have few descriptors to copy and to close
events.subscribe: ProcessStateEvent, ProcessGroupEvent | until a reload
    | events.clear(), plugin.py
    | only processes to which something has happened are looked at
restarter_execed of processes | from a start with fast_spawn on
    | goes with the process, fast_spawn.py
    | it need not be found out whether the child is its program
events.subscribe: SupervisorRunningEvent, ProcessStateEvent, ProcessGroupEvent,
    SupervisorStoppingEvent | until a reload, if web or guard
    | events.clear(), plugin.py
    | the page is put in place, what is new on it, and its clients are told of the end
handlers of HTTP servers: one before the last, if web; one before the first, if guard
    | until a reload
    | go with the servers, site.py
    | the page; requests for other sites are refused
ac_out_buffer_size, current_request and the terminator of an HTTP channel | for a request to the
    page, or one that guard refuses
    | goes with the connection, replies.py
    | large writes; what follows a request is not lost, and a body is not taken for a request
ac_out_buffer_size of HTTP channels with a request that is not answered | when a method of ours is
    called
    | goes with the connection, channels.py
    | large writes
supervisord.restarter_service | until a reload
    | goes with the object, plugin.py
    | all HTTP servers share one service
xmlrpclib.Marshaller.dispatch | for good
    | the keys are classes of ours, ascii_text.py
    | text that is not ASCII; a struct is put into XML once
os.register_at_fork | for good
    | does nothing while no restart runs, loop.py
    | a child does not write to our pipe
events.register: GROUP_RESTART... | for good
    | the names are ours, events.py
    | [eventlistener:x] may subscribe to them
options.usage, options.logger.warn | the configuration is bad
    | supervisord exits, plugin.py
    | its error names the key
controller.complete, controller.do_help, controller.default | in supervisorctl
    | never, ctlplugin.py
    | the names of groups, help, and which of our commands may have been meant

What is replaced by name on the server, and is to be put back, is replaced by replaced(). Another
plugin may have wrapped the same thing before us, may do so while ours is there, and may put back
what it had found, at any time and without a look at what is there by then. Ours is taken off only
where it is on top; where others have wrapped it, it stays and passes everything on. The next one of
ours revives it if it can be seen beneath theirs, which is where they used functools.wraps(). If it
cannot, a new one goes on top, unless there are many already, and the former one passes on: at most
one of ours acts.
"""

from __future__ import annotations

import functools
import types
import weakref
from typing import Any, Callable

# With a plugin that insists on being on top the chain would grow in each turn of the loop, and with
# one that comes and goes with our restarts in each restart; in the end a call of it would be a
# RecursionError. So at most so many of ours lie in a chain, unless ours is missed.
MOST_IN_CHAIN = 20
Function = Callable[..., Any]
_ABSENT = object()


class _StandIn:
    """A function of ours in the place of something: what it passes calls on to, and what it does.

    place: the object and the attribute that it was put in. own: `below` as the object's own
    attribute, _ABSENT where the object has only inherited it. act: what is called instead of
    `below`; None: nothing, it passes on. covered: it was left with something of others on top.
    """

    def __init__(self, place: tuple[object, str], below: Function, own: object) -> None:
        self.place, self.below, self.own = place, below, own
        self.act: Function | None = None
        self.covered = False


# Not attributes of the functions: functools.wraps() of others would copy them.
_stand_ins: weakref.WeakKeyDictionary[Function, _StandIn] = weakref.WeakKeyDictionary()


def replaced(obj: object, name: str, make: Callable[[Function], Function]) -> Replacement:
    """Have make(below) called instead of obj.name, until undo(); `below` is what was there."""
    replacement = Replacement(obj, name, make)
    replacement.keep()
    return replacement


class Replacement:
    """Something of ours in the place of obj.name; see replaced()."""

    def __init__(self, obj: object, name: str, make: Callable[[Function], Function]) -> None:
        self._obj, self._name, self._make = obj, name, make
        self._function: Function | None = None  # ours that acts

    def keep(self, missed: bool = False) -> None:
        """See to it that ours is called: others may have come, or put back what they had found.

        To be called now and then; it costs nothing as long as nobody has touched the attribute.
        missed: it was not called though it should have been, so what is seen is wrong.
        """
        top = self._own()
        if top is self._function:
            return
        found = None if missed else _topmost(top) or self._last_of_many()
        if found is None or found is not self._function:
            self._leave()
            self._function = found or self._wrap()
            stand_in = _stand_ins[self._function]
            stand_in.act = self._make(stand_in.below)

    def undo(self) -> None:
        """Take ours off if it is on top, else have it pass calls on; nothing if that is done."""
        if self._function is None:
            return
        self._leave()
        if self._own() is self._function:
            own = _stand_ins[self._function].own
            if own is _ABSENT:
                delattr(self._obj, self._name)
            else:
                setattr(self._obj, self._name, own)
        self._function = None

    def _wrap(self) -> Function:
        below = getattr(self._obj, self._name)
        stand_in = _StandIn((self._obj, self._name), below, self._own())

        @functools.wraps(below)
        def function(*args: Any, **kwargs: Any) -> Any:
            return (stand_in.act or below)(*args, **kwargs)

        _stand_ins[function] = stand_in
        setattr(self._obj, self._name, function)
        return function

    def _last_of_many(self) -> Function | None:
        """The last of ours that something of others was put on, if there are as many as there may
        be. What others drop from the chain is gone, so it lies somewhere in it.
        """
        here = [
            function
            for function, stand_in in _stand_ins.items()
            if stand_in.covered and stand_in.place == (self._obj, self._name)
        ]
        return here[-1] if len(here) >= MOST_IN_CHAIN else None

    def _leave(self) -> None:
        """Ours passes on from now, wherever in the chain it is."""
        if self._function is not None:
            stand_in = _stand_ins[self._function]
            stand_in.act, stand_in.covered = None, self._own() is not self._function

    def _own(self) -> object:
        return vars(self._obj).get(self._name, _ABSENT)


def _topmost(function: object) -> Function | None:
    """The function of ours that this one is, or that others have wrapped visibly; the topmost."""
    while isinstance(function, types.FunctionType) and function not in _stand_ins:
        function = getattr(function, '__wrapped__', None)
    return function if isinstance(function, types.FunctionType) else None
