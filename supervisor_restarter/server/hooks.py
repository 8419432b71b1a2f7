"""Replacing something of Supervisor's for a while, beside other plugins that do the same.

Everything of ours that is hooked into Supervisor (what | when | how it is taken back | why; also in docs/hooks.md):

options.poller.poll | while a restart runs | Replacement.undo() in loop.py | the loop sleeps no longer than it may
signal.set_wakeup_fd, and a pipe in the loop's socket map | while a restart runs | the former descriptor is set again
    unless there is a newer one, loop.py | SIGCHLD ends the loop's sleep
stopProcess, stopProcessGroup, stopAllProcesses of Supervisor's RPC interface | while a restart runs, if heed_stops |
    Replacement.undo() in stop_calls.py | a stop is heard also while the process is being stopped already
sockets in the loop's socket map | while a probe is asked; from the first `notify` on | closed, and forgotten by the
    poller, probe.py and notify.py | answers, and READY=1
process.config, options.pidhistory | while a process is held | its own again, processes.py and fast_spawn.py |
    stopwaitsecs, NOTIFY_SOCKET, wait statuses; state of one process rather than a hook
xmlrpclib.Marshaller.dispatch | for good | the key is a class of ours, rpcinterface.py | text that is not ASCII
os.register_at_fork | for good | does nothing while no restart runs, loop.py | a child does not write to our pipe
event types GROUP_RESTART... | for good | the names are ours, events.py | [eventlistener:x] may subscribe to them
a subscription to SupervisorStoppingEvent | until a reload | events.clear(), service.py | restarts end with supervisord
supervisord.restarter_service | until a reload | goes with the object, plugin.py | all HTTP servers share one engine
options.usage, options.logger.warn | the configuration is bad | supervisord exits, plugin.py | its error names the key
controller.complete, controller.do_help | in supervisorctl | never, ctlplugin.py | the names of groups, and help

What is replaced by name on the server is replaced by replaced(). Another plugin may have wrapped
the same thing before us, may do so while ours is there, and may put back what it had found, at any
time and without a look at what is there by then. So ours is taken off only where it is on top.
Where others have wrapped it, it stays in the chain and passes everything on, and the next one of
ours revives it instead of wrapping the chain once more.
"""

from __future__ import annotations

import contextlib
import functools
import types
import weakref
from collections.abc import Iterator
from typing import Any, Callable

MOST_LOOKED_AT = 200  # functions in search of ours; wrappers of wrappers are a handful
Make = Callable[[Any], Callable[..., Any]]
_ABSENT = object()


class _Wrapper:
    """What a function of ours that stands in for something does now.

    place: the object and the name of its attribute. below: what it stands in for. own: that as the
    object's own attribute, or _ABSENT where it has only inherited it. act: what is called instead
    of `below`; None: nothing, it passes on.
    """

    def __init__(self, place: tuple[Any, str], below: Any, own: Any) -> None:
        self.place, self.below, self.own = place, below, own
        self.act: Callable[..., Any] | None = None


# Not an attribute of the function: functools.wraps() of others would copy it.
_wrappers: weakref.WeakKeyDictionary[Any, _Wrapper] = weakref.WeakKeyDictionary()


def replaced(obj: Any, name: str, make: Make) -> Replacement:
    """Have make(below) called instead of obj.name until undo(); `below` is what it passes calls on
    to.
    """
    replacement = Replacement(obj, name, make)
    replacement.keep()
    return replacement


class Replacement:
    """Something of ours in the place of obj.name; see replaced()."""

    def __init__(self, obj: Any, name: str, make: Make) -> None:
        self._obj, self._name, self._make = obj, name, make
        self._function: Any = None  # ours, in the chain
        # the object's own attribute when ours was last seen to be called by way of it
        self._top: Any = None

    def keep(self, missed: bool = False) -> None:
        """See to it that ours is still called: somebody may have put back what he had found before
        us.

        To be called now and then; it costs nothing as long as nobody has touched the attribute.
        missed: it was not called though it should have been, so that what can be seen of the chain
        is wrong.
        """
        own = self._own()
        if self._function is not None and (own is self._function if missed else own is self._top):
            return
        self._rest()
        found = None if missed else _ours(self._obj, self._name)
        self._function = self._wrap() if found is None else found
        wrapper = _wrappers[self._function]
        wrapper.act = self._make(wrapper.below)
        self._top = self._own()

    def undo(self) -> None:
        """Take ours off if it is on top; otherwise it passes on from now. Nothing if that is done."""
        if self._function is None:
            return
        self._rest()
        if self._own() is self._function:
            own = _wrappers[self._function].own
            if own is _ABSENT:
                delattr(self._obj, self._name)
            else:
                setattr(self._obj, self._name, own)
        self._function = self._top = None

    def _wrap(self) -> Any:
        below = getattr(self._obj, self._name)

        @functools.wraps(below)
        def function(*args: Any, **kwargs: Any) -> Any:
            return (wrapper.act or below)(*args, **kwargs)

        wrapper = _wrappers[function] = _Wrapper((self._obj, self._name), below, self._own())
        setattr(self._obj, self._name, function)
        return function

    def _rest(self) -> None:
        if self._function is not None:
            _wrappers[self._function].act = None

    def _own(self) -> Any:
        return vars(self._obj).get(self._name, _ABSENT)


def _ours(obj: Any, name: str) -> Any:
    """The function of ours that is called by way of obj.name, as far as can be seen; None if there
    is none.
    """
    seen: set[int] = set()
    todo = [getattr(obj, name)]
    for thing in todo:
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        wrapper = _wrappers.get(thing) if isinstance(thing, types.FunctionType) else None
        if wrapper is not None and wrapper.place[0] is obj and wrapper.place[1] == name:
            return thing
        if len(seen) > MOST_LOOKED_AT:
            break
        todo += _within(thing)
    return None


def _within(thing: Any) -> Iterator[Any]:
    """What a callable may call, by the usual ways of keeping hold of what one has wrapped."""
    if isinstance(thing, types.MethodType):
        yield thing.__func__
        yield from _kept(thing.__self__)
    elif isinstance(thing, functools.partial):
        yield from (thing.func, *thing.args)
    elif isinstance(thing, types.FunctionType):
        yield from vars(thing).values()  # __wrapped__
        yield from (thing.__globals__.get(name) for name in thing.__code__.co_names)
        yield from (*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values())
        for cell in thing.__closure__ or ():
            with contextlib.suppress(ValueError):  # a variable that has no value yet
                yield cell.cell_contents
    else:
        yield from _kept(thing)


def _kept(thing: Any) -> Iterator[Any]:
    """The functions that an object has as attributes, or in a list or table among them."""
    if isinstance(thing, (type, types.ModuleType)):
        return
    for value in list(getattr(thing, '__dict__', {}).values()):
        values = (
            value.values()
            if isinstance(value, dict)
            else value
            if isinstance(value, (list, tuple))
            else [value]
        )
        yield from (
            one for one in list(values) if isinstance(one, (types.FunctionType, types.MethodType))
        )
