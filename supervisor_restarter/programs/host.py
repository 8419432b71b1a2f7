"""Supervisor's objects, as far as this package uses them: one Protocol for each kind.

Supervisor has no types of its own, and its attributes are no promise: a new release may rename
one. So everything that is read, called or set is listed here and nowhere else. mypy holds the
package to the list, and tests/unit/programs/test_host.py holds the list against the real classes
of the installed Supervisor.

The names are Supervisor's own, where it has one. A subclass (FcgiSubprocess) says what that one
has more. Attributes that begin with `restarter_` are the package's own, put there by it.

The file is in this room because it is the lowest one that touches Supervisor's objects: readiness
and server need them too, the engine must not know them.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Callable, Optional, Protocol

# The ends of a child's pipes by name ('child_stdin', 'stdout'); None: there is no such pipe.
Pipes = dict[str, Optional[int]]


class Logger(Protocol):
    """supervisord's log, by level."""

    warn: Callable[..., None]

    def debug(self, msg: str) -> None: ...

    def info(self, msg: str) -> None: ...

    def critical(self, msg: str) -> None: ...


class ChildLog(Protocol):
    """What the output of a process is written to: a file, syslog, both, or memory."""

    def info(self, msg: bytes) -> None: ...

    def close(self) -> None: ...

    def getvalue(self) -> bytes: ...


class Poller(Protocol):
    """What supervisord's loop sleeps in. It remembers descriptors from turn to turn.

    To unregister a descriptor that is not registered may raise a KeyError or an OSError.
    """

    readables: set[int]
    writables: set[int]

    def poll(self, timeout: float) -> tuple[Sequence[int], Sequence[int]]: ...

    def register_readable(self, fd: int) -> None: ...

    def register_writable(self, fd: int) -> None: ...

    def unregister_readable(self, fd: int) -> None: ...

    def unregister_writable(self, fd: int) -> None: ...


class Dispatcher(Protocol):
    """What the loop calls, by the descriptor under which it stands in the socket map.

    handle_error: a handler has raised. Supervisor's own dispatchers and HTTP channels are such
    things; ours are, too.
    """

    def readable(self) -> bool: ...

    def writable(self) -> bool: ...

    def handle_read_event(self) -> None: ...

    def handle_write_event(self) -> None: ...

    def handle_error(self) -> None: ...


class LoggingDispatcher(Dispatcher, Protocol):
    """What reads one pipe of a process ('stdout', 'stderr'). childlog: where that goes now."""

    channel: str
    fd: int
    childlog: ChildLog | None


class OutputDispatcher(LoggingDispatcher, Protocol):
    """Supervisor's POutputDispatcher: all but the stdout of a listener.

    normallog: childlog but for what stands between the tokens of event_type while capturemode is
    on, which goes to capturelog. log(): as if the pipe had said it.
    """

    event_type: type[CommunicationEvent]
    normallog: ChildLog | None
    capturelog: ChildLog | None
    capturemode: bool
    stdout_events_enabled: bool
    stderr_events_enabled: bool

    def _log(self, data: bytes) -> None: ...


class CommunicationEvent(Protocol):
    """The type of what a process says between two tokens."""

    BEGIN_TOKEN: bytes


class HttpChannel(Protocol):
    """An HTTP connection (deferring_http_channel).

    last_writable_check: when (wall clock) it asked a deferred answer last. ac_out_buffer_size: how
    much (bytes) it writes in one turn of the loop. current_request: who gets what comes in; None:
    the next request begins. set_terminator(): what ends that, or how many bytes it has; None:
    nothing ends it.
    """

    last_writable_check: float
    ac_out_buffer_size: int
    current_request: HttpRequest | None

    def push_with_producer(self, producer: HttpProducer) -> None: ...

    def close_when_done(self) -> None: ...

    def set_terminator(self, term: bytes | int | None) -> None: ...

    def initiate_send(self) -> None: ...


class HttpProducer(Protocol):
    """What a connection sends. more(): the next piece, b'' at the end, or Supervisor's NOT_DONE_YET:
    it is asked again after `delay` seconds.
    """

    delay: float

    def more(self) -> object: ...


class HttpRequest(Protocol):
    """An HTTP request (deferring_http_request).

    uri: with the path unquoted, and the query as it came. version: '1.1'; None: of HTTP/0.9.
    header: the lines of the request's header. collector: what gets its body; None: that is dropped.
    request[name] = value: a header of the answer.
    """

    channel: HttpChannel
    command: str
    uri: str
    version: str | None
    header: list[str]
    collector: HttpCollector | None
    reply_code: int

    def __setitem__(self, key: str, value: object) -> None: ...

    def build_reply_header(self) -> bytes: ...


class HttpCollector(Protocol):
    """What reads the body of a request."""

    def collect_incoming_data(self, data: bytes) -> None: ...

    def found_terminator(self) -> None: ...


class HttpHandler(Protocol):
    """What an HTTP server asks, in order, whether a request is its own. What match() raises closes
    the connection.
    """

    def match(self, request: HttpRequest) -> object: ...

    def handle_request(self, request: HttpRequest) -> None: ...


class HttpServer(Protocol):
    """One of supervisord's own; the first of its handlers that matches answers."""

    handlers: list[HttpHandler]


class Reaped(Protocol):
    """What stands in the table of pids: told when its pid was reaped, with the wait status."""

    def finish(self, pid: int, status: int, /) -> object: ...


class ServerSection(Protocol):
    """What [supervisord] says, as an attribute per key; with it the groups, the servers and the
    interfaces of the whole file. A server has the name of its section under 'section'.
    """

    process_group_configs: list[ProcessGroupConfig]
    server_configs: list[dict[str, object]]
    rpcinterface_factories: list[tuple[str, Callable[..., object], dict[str, str]]]


class ConfigurationRoot(Protocol):
    """Where the parser puts what it reads."""

    supervisord: ServerSection


class Parser(Protocol):
    """The files as Supervisor's parser has read them. saneget: the value, expanded."""

    def sections(self) -> list[str]: ...

    def items(self, section: str) -> list[tuple[str, str]]: ...

    def saneget(
        self,
        section: str,
        option: str,
        default: object,
        do_expand: bool = True,
        expansions: dict[str, object] = ...,
    ) -> object: ...

    def set(self, section: str, option: str, value: str | None = None) -> None: ...


class ServerOptions(Protocol):
    """The configuration of one supervisord, and its system calls.

    mood: a SupervisorStates; below RUNNING it is shutting down or reloading. pidhistory: who is
    told of the end of a pid. httpservers: each with its section; there from the first turn of the
    loop on. process_group_configs: a new list whenever the files are read again.
    parse_infos: lines about what was read. rpcinterface_factories: (name, factory, extra keys).
    """

    logger: Logger
    poller: Poller
    mood: int
    pidhistory: dict[int, Reaped]
    serverurl: str | None
    identifier: str
    httpservers: Sequence[tuple[dict[str, object], HttpServer]]
    configfile: str | None
    here: str | None
    configroot: ConfigurationRoot
    environ_expansions: dict[str, str]
    process_groups_from_parser: Callable[[Parser], list[ProcessGroupConfig]]
    parse_infos: list[str]
    parse_warnings: list[str]
    process_group_configs: list[ProcessGroupConfig]
    rpcinterface_factories: list[tuple[str, Callable[..., object], dict[str, str]]]
    usage: Callable[[str], None]

    def read_config(self, fp: str) -> ServerSection: ...

    def get_socket_map(self) -> MutableMapping[int, object]: ...

    def make_pipes(self, stderr: bool = True) -> Pipes: ...

    def close_fd(self, fd: int) -> bool: ...

    def fork(self) -> int: ...

    def stat(self, filename: str) -> object: ...

    def check_execv_args(self, filename: str, argv: list[str], st: object) -> None: ...


class ProcessConfig(Protocol):
    """One process's section, expanded.

    req_param_names, optional_param_names: the attributes that hold its keys, and its name.
    restarter_original: on a copy of ours that stands in for a while: the process's own.
    """

    restarter_original: ProcessConfig

    req_param_names: list[str]
    optional_param_names: list[str]

    options: ServerOptions
    name: str
    command: str
    uid: int | None
    directory: str | None
    umask: int | None
    environment: dict[str, str] | None
    serverurl: str | None
    priority: int
    autostart: bool
    autorestart: object
    startsecs: int
    stopwaitsecs: float
    exitcodes: list[int]
    redirect_stderr: bool
    stdout_logfile: object  # a path, None, or a class of Supervisor's that means AUTO
    stderr_logfile: object

    def create_autochildlogs(self) -> None: ...

    def make_process(self, group: ProcessGroup) -> Subprocess: ...

    def make_dispatchers(self, proc: Subprocess) -> tuple[dict[int, object], Pipes]: ...


class Subprocess(Reaped, Protocol):
    """One process, running or not.

    pid: 0 while there is none. state: a ProcessStates. laststart, laststop, delay: wall clock, 0 for
    never; laststop: when it ended last; delay: when SIGKILL is sent (STOPPING), or the next attempt
    is made (BACKOFF). killing: it was sent a signal that is to end it. restarter_aside: the
    name that it had before it lay aside, see asides.py; '' or missing: it does not.
    restarter_execed: the pid and laststart of the start of which it is known that the child is its
    program; may be missing.
    """

    restarter_aside: str
    restarter_execed: tuple[int, float]

    config: ProcessConfig
    group: ProcessGroup | None
    pid: int
    state: int
    exitstatus: int | None
    laststart: float
    laststop: float
    delay: float
    backoff: int
    killing: bool
    spawnerr: str | None
    dispatchers: dict[int, object]
    pipes: Pipes

    def get_state(self) -> int: ...

    def get_execv_args(self) -> tuple[str, list[str]]: ...

    def spawn(self) -> int | None: ...

    def stop(self) -> str | None: ...

    def signal(self, sig: int) -> str | None: ...

    def transition(self) -> None: ...

    def drain(self) -> None: ...


class SharedSocket(Protocol):
    """The listening socket of an [fcgi-program:x]; open while a reference to it lives."""

    def fileno(self) -> int: ...


class FcgiSubprocess(Subprocess, Protocol):
    """Supervisor's FastCGISubprocess. fcgi_sock: there from its spawn on."""

    fcgi_sock: SharedSocket


class ProcessGroupConfig(Protocol):
    """A group's part of the configuration. A group of another kind has more."""

    options: ServerOptions
    name: str
    priority: int
    process_configs: list[ProcessConfig]

    def after_setuid(self) -> None: ...

    def make_group(self) -> ProcessGroup: ...


class ProcessGroup(Protocol):
    """The processes by their names."""

    config: ProcessGroupConfig
    processes: dict[str, Subprocess]

    def before_remove(self) -> None: ...


class EventListenerPool(ProcessGroup, Protocol):
    """The group of an [eventlistener:x]. before_remove(): it is told of no events any more."""

    def _subscribe(self) -> None: ...


class SocketConfig(Protocol):
    """What an [fcgi-program:x] says of its socket: a path, or a host and a port."""

    url: str

    def get_backlog(self) -> int | None: ...


class UnixSocketConfig(SocketConfig, Protocol):
    """owner: its uid and gid; None: those of supervisord."""

    path: str
    mode: int | None
    owner: tuple[int, int] | None


class FcgiGroupConfig(ProcessGroupConfig, Protocol):
    """Of an [fcgi-program:x]."""

    socket_config: SocketConfig


class SocketManager(Protocol):
    """What hands out references to the socket of a group. socket: as it is open, if it is."""

    socket_config: SocketConfig
    socket: ListeningSocket | None

    def is_prepared(self) -> bool: ...

    def get_socket(self) -> SharedSocket: ...


class ListeningSocket(Protocol):
    """Python's own."""

    def listen(self, backlog: int) -> None: ...


class FcgiProcessGroup(ProcessGroup, Protocol):
    """Supervisor's FastCGIProcessGroup: the group of an [fcgi-program:x]."""

    config: FcgiGroupConfig
    socket_manager: SocketManager


class Supervisor(Protocol):
    """What supervisord runs.

    restarter_service: the one Service that all its HTTP servers share.
    """

    restarter_service: object

    options: ServerOptions
    process_groups: dict[str, ProcessGroup]

    def get_process_map(self) -> dict[int, object]: ...

    def add_process_group(self, config: ProcessGroupConfig) -> bool: ...

    def remove_process_group(self, name: str) -> bool: ...


class ProcessGroupEvent(Protocol):
    """ProcessGroupAddedEvent. group: its name."""

    group: str
