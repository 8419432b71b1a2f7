"""What supervisord calls to make the interface: the only place where the parts are joined."""

from __future__ import annotations

import os
import secrets
import types
from typing import Any, Callable

from supervisor import events
from supervisor.options import VERSION
from supervisor.states import getSupervisorStateDescription

from supervisor_restarter import __version__
from supervisor_restarter.configuration.planner import Planner
from supervisor_restarter.configuration.rollout import Rollout
from supervisor_restarter.options import Settings, from_configuration
from supervisor_restarter.programs.child_command import adopt
from supervisor_restarter.programs.host import ServerOptions, Supervisor
from supervisor_restarter.programs.nursery import nursery
from supervisor_restarter.readiness.notify import NotifySocket
from supervisor_restarter.server.actions import Actions
from supervisor_restarter.server.changeover import Means
from supervisor_restarter.server.clock import Clock
from supervisor_restarter.server.configfile import ConfigurationFiles
from supervisor_restarter.server.driver import Driver
from supervisor_restarter.server.events import announce
from supervisor_restarter.server.intake import Intake
from supervisor_restarter.server.interface import is_leaving
from supervisor_restarter.server.job import Job
from supervisor_restarter.server.jobs import Jobs
from supervisor_restarter.server.journal import Journal
from supervisor_restarter.server.loop import Reactor
from supervisor_restarter.server.processes import Processes
from supervisor_restarter.server.resources import Resources
from supervisor_restarter.server.rpcinterface import RestarterNamespaceRPCInterface
from supervisor_restarter.server.service import Parts, Service
from supervisor_restarter.server.stop_calls import StopRequests
from supervisor_restarter.text import printable
from supervisor_restarter.web import metrics
from supervisor_restarter.web.board import Board
from supervisor_restarter.web.files import read_files
from supervisor_restarter.web.guard import Guard
from supervisor_restarter.web.live import Live
from supervisor_restarter.web.site import Site, mount
from supervisor_restarter.web.tally import Tally


def make_rpcinterface(supervisord: Supervisor, **config: str) -> RestarterNamespaceRPCInterface:
    """The factory for [rpcinterface:x] sections.

    Supervisor calls it once for each of its HTTP servers; all of them share one Service.
    ValueError for an unknown key or a bad value.
    """
    try:
        section = _section(supervisord, config)
        settings = from_configuration(section, config)
    except ValueError as error:
        _say_so(supervisord.options, str(error))
        raise
    service = getattr(supervisord, 'restarter_service', None)
    if service is None:
        # It lives and dies with this Supervisor object: a reload makes a new one.
        service = supervisord.restarter_service = joined(
            supervisord, settings, section.partition(':')[2]
        )
    return RestarterNamespaceRPCInterface(supervisord, service, settings.defaults)


def joined(supervisord: Supervisor, settings: Settings, namespace: str = 'restarter') -> Service:
    """A service of its parts, which hears of what happens to supervisord. namespace: how clients
    call it.
    """
    options, clock = supervisord.options, Clock()
    tally = Tally(lambda: supervisord.process_groups)

    def tell(job: Job) -> None:
        announce(job, options.logger)
        try:
            tally.note(job)
        except Exception:
            journal.error()  # a missing count harms no restart

    journal = Journal(options, tell)
    processes = Processes(supervisord)
    actions = Actions(supervisord, processes, settings.fast_spawn)
    adopt(options)
    resources = Resources(options, processes, actions, NotifySocket(options))
    reactor = Reactor(supervisord, lambda: service.step())  # of which the service is made
    files = ConfigurationFiles(options)
    jobs = Jobs(settings.history)
    means = Means(processes, actions, resources, jobs, journal)
    service = Service(
        Parts(
            jobs=jobs,
            intake=Intake(processes, resources, files, clock),
            driver=Driver(processes, actions, resources, reactor, journal, clock, means),
            resources=resources,
            reactor=reactor,
            stop_requests=StopRequests(supervisord, jobs.heed) if settings.heed_stops else None,
            journal=journal,
            leaving=lambda: is_leaving(options),
            clock=clock,
            # Now, for it remembers what the files say at the start.
            files=files,
            planner=Planner(supervisord, processes.state),
            rollout=lambda compared, prune: Rollout(supervisord, compared, processes.state, prune),
        )
    )
    # What is wrong with RESTARTER_READY and its kin is logged before the first restart meets it.
    events.subscribe(
        events.SupervisorRunningEvent,
        lambda event: journal.warn(resources.malformed(processes.groups())),
    )
    events.subscribe(
        events.ProcessGroupAddedEvent,
        lambda event: journal.warn(resources.malformed([event.group])),
    )
    events.subscribe(events.SupervisorStoppingEvent, lambda event: service.shut_down())

    events.subscribe(events.ProcessStateEvent, lambda event: reactor.note(event.process))
    events.subscribe(events.ProcessStateEvent, lambda event: jobs.note(event.process))
    events.subscribe(events.ProcessGroupEvent, lambda event: jobs.note_all())
    nursery.switched_on = settings.fast_spawn
    if settings.web or settings.guard:
        _open_to_browsers(supervisord, service, settings, namespace, journal, tally)
    return service


def _open_to_browsers(
    supervisord: Supervisor,
    service: Service,
    settings: Settings,
    namespace: str,
    journal: Journal,
    tally: Tally,
) -> None:
    """Put the page and the guard into the HTTP servers, once supervisord has made them."""
    site = _site(supervisord, service, namespace, journal, tally) if settings.web else None
    guard = Guard() if settings.guard else None

    def running() -> None:
        for address in mount(supervisord.options.httpservers, site, guard):
            supervisord.options.logger.info(f'restarter: page {printable(address)}')

    events.subscribe(events.SupervisorRunningEvent, _harmless(running, journal))


def _site(
    supervisord: Supervisor, service: Service, namespace: str, journal: Journal, tally: Tally
) -> Site | None:
    options, clock = supervisord.options, Clock()

    def about() -> dict[str, object]:
        return {
            'name': options.identifier,
            'supervisor': VERSION,
            'restarter': __version__,
            'namespace': namespace,
            'pid': os.getpid(),
            'state': getSupervisorStateDescription(options.mood),
        }

    live = Live(
        supervisord,
        Board(secrets.token_hex(4)),
        service.restarts,
        about,
        lambda: is_leaving(options),
        clock.wall,
        journal.error,
        service.timer,
    )
    try:
        files = read_files()
    except OSError:
        journal.error()
        return None
    changed, leave = _harmless(live.changed, journal), _harmless(live.leave, journal)
    events.subscribe(events.ProcessStateEvent, changed)
    events.subscribe(events.ProcessGroupEvent, changed)
    events.subscribe(events.SupervisorStoppingEvent, leave)

    def counts() -> tuple[int, str, bytes]:
        return metrics.page(supervisord.process_groups, tally)

    return Site(supervisord, live, files, counts, journal.error)


def _harmless(act: Callable[[], None], journal: Journal) -> Callable[[object], None]:
    """A subscriber that does this. What it raised would end supervisord, or leave a process that is
    changing its state halfway.
    """

    def subscriber(event: object) -> None:
        try:
            act()
        except Exception:
            journal.error()

    return subscriber


def _section(supervisord: Supervisor, config: dict[str, str]) -> str:
    # Supervisor does not tell a factory its section; it is the one with these keys.
    for name, factory, extras in getattr(supervisord.options, 'rpcinterface_factories', ()):
        if factory is make_rpcinterface and extras == config:
            return f'rpcinterface:{name}'
    return 'rpcinterface:restarter'


def _say_so(options: ServerOptions, line: str) -> None:
    """Have supervisord, which is about to exit, say `line` as its error.

    Of its own it logs a traceback and says that it could not make the interface, and nothing more.
    """

    def usage(self: Any, message: str) -> None:
        type(self).usage(self, line)

    options.usage = types.MethodType(usage, options)
    options.logger.critical(line)
    options.logger.warn = lambda message, **kw: None
