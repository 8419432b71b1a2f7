"""What a random client may ask for. Everything is drawn from the generator alone, so that a seed
repeats it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Callable

from tests.chaos.programs import BY_NAME, GROUPS, Group, group_of
from tests.chaos.wills import DOWN, UP
from tests.chaos.wire import Outcome

LATEST = '<the latest restart>'  # stands for its id, which only the run itself can tell
STOCK_SECONDS = 15.0  # for one of Supervisor's own calls that waits; nothing here stops for so long
SLACK = 15.0  # seconds by which an answer may be late on a machine under load
DONE, ALREADY = 80, 60  # Supervisor's Faults.SUCCESS and ALREADY_STARTED


@dataclass(frozen=True)
class Rules:
    """What is allowed in one phase.

    guarded: max_unavailable of the groups that are restarted only by rolling restarts. clock: the
    wall clock is put forward and back. reload: supervisord is reloaded. wounded: guarded groups of
    which one process is stopped at the beginning, so that there is less room for the rest.
    """

    number: int
    guarded: dict[str, int] = field(default_factory=dict)
    clock: bool = False
    reload: bool = False
    wounded: tuple[str, ...] = ()

    def free(self) -> list[Group]:
        """The groups to which anything may happen."""
        return [group for group in GROUPS if group.name not in self.guarded]


@dataclass(frozen=True)
class Request:
    """A call, and what it is to bring about: pairs of a process and an effect."""

    method: str
    arguments: tuple[Any, ...] = ()
    effects: tuple[tuple[str, str], ...] = ()
    deadline: float = SLACK

    def __str__(self) -> str:
        return f'{self.method}({", ".join(map(repr, self.arguments))})'

    @property
    def groups(self) -> set[str]:
        """The groups that it is about."""
        return {process.partition(':')[0] for process in self.processes}

    @property
    def has_stock_stop(self) -> bool:
        """Whether it is one of Supervisor's own stop calls, or has one in it."""
        return any(method.startswith('supervisor.stop') for method in self.methods)

    @property
    def how(self) -> str:
        """By which method it starts processes: one of Supervisor's own, if it has one in it."""
        stock = (method for method in self.methods if method.startswith('supervisor.start'))
        return next(stock, self.method)

    @property
    def methods(self) -> list[str]:
        """The methods that it calls."""
        if self.method != 'system.multicall':
            return [self.method]
        return [call['methodName'] for call in self.arguments[0]]

    @property
    def processes(self) -> set[str]:
        """The processes that it is about."""
        return {process for process, effect in self.effects}


def draw(random: Random, rules: Rules) -> Request:
    """A call at random."""
    kinds = list(KINDS)
    return random.choices(kinds, [KINDS[kind] for kind in kinds])[0](random, rules)


def confirmed(request: Request, outcome: Outcome) -> Iterable[str]:
    """The processes for which the answer says that it is done, or will be. What startRestart did is
    asked later.
    """
    method, value = request.method.partition('.')[2], outcome.value
    if outcome.kind != 'result' or method not in CONFIRMING:
        return ()
    if isinstance(value, list):
        if method == 'startProcessGroup' and not request.arguments[-1]:
            # Supervisor says OK also where the process was stopping, and then not started
            return ()
        good = (DONE, ALREADY) if method == 'quickStart' else (DONE,)
        rows = {f'{row["group"]}:{row["name"]}' for row in value if row.get('status') in good}
        return rows & request.processes
    if method == 'restartProcessGroup' and request.arguments[1].get('only_running'):
        return ()
    if method == 'startProcess' and not request.arguments[-1]:
        return ()
    return request.processes if value is True else ()


CONFIRMING = {
    'restartProcessGroup',
    'quickStop',
    'quickStart',
    'quickRestart',
    'stopProcess',
    'startProcess',
    'stopProcessGroup',
    'startProcessGroup',
    'addProcessGroup',
}


# -- parts -----------------------------------------------------------------------------------


def choice_of_options(random: Random, group: Group | None, rules: Rules) -> dict[str, Any]:
    """Options of a restart. A guarded group's are those of a rolling restart."""

    def seldom(value: Any) -> dict[str, Any]:
        return value if random.random() < 0.25 else {}

    # every draw is made, whatever came of the one before: what a client does depends on the seed
    # alone
    options: dict[str, Any] = {
        **seldom({'delay': round(random.uniform(0, 0.4), 2)}),
        **seldom({'stagger_factor': random.randint(1, 4)}),
        **seldom({'max_unavailable': random.choice([1, 2, '25%', '50%', '100%'])}),
        **seldom({'scout': random.choice([0.0, 0.5])}),
        **seldom({'max_surge': random.choice([1, 2, '50%', '100%'])}),
        **seldom({'hook_timeout': round(random.uniform(0.1, 3), 2)}),
        **seldom({'min_ready': random.choice([0.2, 0.5])}),
        **seldom({'only_running': random.random() < 0.7}),
        **seldom({'on_failure': random.choice(['abort', 'continue'])}),
        **seldom({'method': random.choice(['signal:HUP', 'start'])}),
        # the one changes all the time, the other never
        **seldom({'newer_than': random.choice(['/tmp', '/etc/passwd'])}),
        **seldom({'stop_timeout': round(random.uniform(0, 2), 2)}),
        **seldom({'timeout': round(random.uniform(0.1, 4), 2)}),
        'ready_timeout': round(random.uniform(2, 5), 2),
    }
    if options.get('method') == 'start':
        options.pop('only_running', None)  # it would be refused
    if random.random() < 0.25:
        options.update(if_busy='queue', timeout=round(random.uniform(1, 4), 2))
    if group is not None and group.name in rules.guarded:
        options['max_unavailable'] = rules.guarded[group.name]
        if 'stop_timeout' in options:
            options['stop_timeout'] += 1.0  # enough to write down that it was asked to stop
    return options


def with_use(options: dict[str, Any], processes: Iterable[str]) -> dict[str, Any]:
    """The options, without a max_surge that would be refused."""
    surges = any(group_of(process).surges for process in processes)
    if options.get('method') is None and surges:
        return options
    return {name: value for name, value in options.items() if name != 'max_surge'}


def every(processes: Iterable[str], effect: str) -> tuple[tuple[str, str], ...]:
    return tuple((process, effect) for process in processes)


def pick_group(random: Random, groups: list[Group]) -> Group:
    return random.choice(groups)


def pick_names(random: Random, rules: Rules) -> tuple[list[str], list[str]]:
    """Names for the calls that take some, and the processes that they may mean; nothing of a
    guarded group.
    """
    free = rules.free()
    group = pick_group(random, free)
    other = pick_group(random, free)
    process = random.choice(group.processes)
    kind = random.choices(
        ['group', 'process', 'two', 'glob', 'all'], [5, 3, 2, 2, 0 if rules.guarded else 1]
    )[0]
    if kind == 'process':
        return [process], [process]
    if kind == 'two':
        return [f'{group.name}:*', f'{other.name}:'], [*group.processes, *other.processes]
    if kind == 'glob':
        return [f'{group.name[:-1]}?:*'], [
            name for one in free if one.name[:-1] == group.name[:-1] for name in one.processes
        ]
    if kind == 'all':
        return ['all'], [name for one in GROUPS for name in one.processes]
    return [group.name], group.processes


# -- calls -----------------------------------------------------------------------------------


def start_restart(random: Random, rules: Rules) -> Request:
    names, processes = pick_names(random, rules)
    options = with_use(choice_of_options(random, None, rules), processes)
    return Request('restarter.startRestart', (names, options), every(processes, UP))


def long_restart(random: Random, rules: Rules) -> Request:
    """One that is not over yet when the first of its processes die again."""
    options = {
        'stagger_factor': 3,
        'delay': round(random.uniform(0.5, 1.5), 2),
        'ready_timeout': 5,
        'on_failure': random.choice(['abort', 'continue']),
    }
    processes = [*BY_NAME['mortal'].processes, *BY_NAME['slow'].processes]
    return Request('restarter.startRestart', (['mortal', 'slow'], options), every(processes, UP))


def restart_group(random: Random, rules: Rules) -> Request:
    group = pick_group(random, GROUPS)
    options = with_use(choice_of_options(random, group, rules), group.processes)
    # without a limit it ends when every process is back, however many have to wait for each other
    return Request(
        'restarter.restartProcessGroup',
        (group.name, options),
        every(group.processes, UP),
        options.get('timeout', 60.0) + SLACK,
    )


def roll(random: Random, rules: Rules) -> Request:
    groups = [BY_NAME[name] for name in rules.guarded] or [
        group for group in GROUPS if group.guarded
    ]
    group = pick_group(random, groups)
    options = with_use(choice_of_options(random, group, rules), group.processes)
    names = [group.name] if random.random() < 0.7 else random.sample(group.processes, 2)
    return Request('restarter.startRestart', (names, options), every(group.processes, UP))


def surge(random: Random, rules: Rules) -> Request:
    group = pick_group(random, [group for group in GROUPS if group.surges])
    options = {'max_surge': random.choice([1, '50%', '100%'])}
    options = {**choice_of_options(random, group, rules), **options}
    options.pop('method', None)
    return Request('restarter.startRestart', ([group.name], options), every(group.processes, UP))


def quick(random: Random, rules: Rules) -> Request:
    names, processes = pick_names(random, rules)
    method, effect = random.choice([('quickStop', DOWN), ('quickStart', UP), ('quickRestart', UP)])
    return Request(
        f'restarter.{method}', (names, random.random() < 0.5), every(processes, effect), 5 + SLACK
    )


def stock(random: Random, rules: Rules) -> Request:
    group = pick_group(random, rules.free())
    process = random.choice(group.processes)
    wait = random.random() < 0.5
    method, effect = random.choice([('stopProcess', DOWN), ('startProcess', UP)])
    if random.random() < 0.4:
        return Request(
            f'supervisor.{method}Group',
            (group.name, wait),
            every(group.processes, effect),
            STOCK_SECONDS,
        )
    return Request(f'supervisor.{method}', (process, wait), every([process], effect), STOCK_SECONDS)


def stock_signal(random: Random, rules: Rules) -> Request:
    process = random.choice(pick_group(random, rules.free()).processes)
    signal = random.choice(['TERM', 'HUP', 'USR1', 'KILL'])
    return Request('supervisor.signalProcess', (process, signal))


def look(random: Random, rules: Rules) -> Request:
    names, _ = pick_names(random, rules)
    return random.choice(
        [
            Request('restarter.planRestart', (names, choice_of_options(random, None, rules))),
            Request('restarter.planConfig'),
            Request('restarter.listRestarts'),
            Request('restarter.getRestart', (LATEST,)),
            Request('supervisor.getAllProcessInfo'),
            Request('restarter.waitRestart', (LATEST, 10**6, 1.0)),
            Request('restarter.waitRestart', (LATEST, 1, 1.0, random.randrange(40))),
            Request('restarter.waitRestart', (LATEST, 1, round(random.uniform(0, 2), 1))),
        ]
    )


def cancel(random: Random, rules: Rules) -> Request:
    return Request('restarter.cancelRestart', (LATEST,))


def apply_files(random: Random, rules: Rules) -> Request:
    """The files as they are. Who is to be up or gone by them is in the wills from the beginning: see
    run.py.
    """
    names = [pick_group(random, GROUPS).name for _ in range(2)]
    groups = random.choice([[], names[:1], names])
    options = choice_of_options(random, None, rules)
    if random.random() < 0.4:
        options.update(if_busy='queue', timeout=round(random.uniform(2, 6), 2))
    for name in ('method', 'only_running', 'newer_than', 'max_surge'):
        options.pop(name, None)
    if rules.guarded:
        options['max_unavailable'] = min(rules.guarded.values())
        options['stop_timeout'] = options.get('stop_timeout', 2.0) + 1.0
    return Request('restarter.startApply', (groups, {**options, 'prune': random.random() < 0.8}))


def scale(random: Random, rules: Rules) -> Request:
    group = pick_group(random, [group for group in GROUPS if group.elastic])
    return Request('restarter.setNumprocs', (group.name, random.randint(1, group.size + 2)))


def several(random: Random, rules: Rules) -> Request:
    requests = [random.choice([start_restart, stock, quick, look])(random, rules) for _ in range(3)]
    calls = [{'methodName': one.method, 'params': list(one.arguments)} for one in requests]
    return Request(
        'system.multicall',
        (calls,),
        tuple(pair for one in requests for pair in one.effects),
        60.0 + SLACK,
    )


KINDS: dict[Callable[[Random, Rules], Request], int] = {
    start_restart: 6,
    long_restart: 3,
    restart_group: 5,
    roll: 6,
    surge: 10,
    quick: 5,
    stock: 5,
    stock_signal: 2,
    look: 4,
    cancel: 3,
    apply_files: 4,
    scale: 2,
    several: 1,
}
