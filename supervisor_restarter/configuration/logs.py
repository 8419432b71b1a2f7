"""The logs of a running process, made anew: it does not notice."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import cast

from supervisor.dispatchers import PEventListenerDispatcher, POutputDispatcher

from supervisor_restarter.programs.host import (
    LoggingDispatcher,
    OutputDispatcher,
    ProcessConfig,
    Subprocess,
)


class NewLogs:
    """The logs of some channels ('stdout', 'stderr') of a process, opened as a configuration says;
    OSError if that is not possible.

    They are not in use before exchange(), and then the former ones are not. close() closes those
    that are not in use.
    """

    def __init__(
        self, process: Subprocess, config: ProcessConfig, channels: Collection[str]
    ) -> None:
        self._opened: list[tuple[LoggingDispatcher, LoggingDispatcher]] = []
        try:
            for dispatcher in process.dispatchers.values():
                if isinstance(dispatcher, (POutputDispatcher, PEventListenerDispatcher)):
                    its = cast(LoggingDispatcher, dispatcher)
                    if its.channel in channels:
                        self._opened.append((its, _opened_anew(its, config)))
        except BaseException:
            self.close()
            raise

    def exchange(self) -> None:
        """What was opened is in use from now on."""
        for dispatcher, spare in self._opened:
            if isinstance(dispatcher, POutputDispatcher):
                _exchange(cast(OutputDispatcher, dispatcher), cast(OutputDispatcher, spare))
            else:
                dispatcher.childlog, spare.childlog = spare.childlog, dispatcher.childlog

    def close(self) -> None:
        """What is written is in the file already: nothing is left to be flushed."""
        for _, spare in self._opened:
            if isinstance(spare, POutputDispatcher):
                logs = [cast(OutputDispatcher, spare).normallog]
            else:
                logs = [spare.childlog]
            for log in logs:
                if log is not None:
                    log.close()


def _opened_anew(dispatcher: LoggingDispatcher, config: ProcessConfig) -> LoggingDispatcher:
    """Another dispatcher for the same pipe, which reads nothing: Supervisor opens the logs in it."""
    process = SimpleNamespace(config=config)
    if isinstance(dispatcher, POutputDispatcher):
        event_type = cast(OutputDispatcher, dispatcher).event_type
        return cast(LoggingDispatcher, POutputDispatcher(process, event_type, dispatcher.fd))
    return cast(
        LoggingDispatcher, PEventListenerDispatcher(process, dispatcher.channel, dispatcher.fd)
    )


def _exchange(dispatcher: OutputDispatcher, spare: OutputDispatcher) -> None:
    for name in ('normallog', 'capturelog', 'stdout_events_enabled', 'stderr_events_enabled'):
        now = getattr(dispatcher, name)
        setattr(dispatcher, name, getattr(spare, name))
        setattr(spare, name, now)
    captured = b''
    if dispatcher.capturemode:
        assert spare.capturelog is not None, 'it is in use'
        captured = spare.capturelog.getvalue()
    if dispatcher.capturemode and dispatcher.capturelog is not None:
        dispatcher.capturelog.info(captured)
        dispatcher.childlog = dispatcher.capturelog
        return
    dispatcher.childlog = dispatcher.normallog
    if dispatcher.capturemode:
        # Nothing is to be captured any more: it goes where it would have gone, to its beginning.
        dispatcher.capturemode = False
        dispatcher._log(dispatcher.event_type.BEGIN_TOKEN + captured)
