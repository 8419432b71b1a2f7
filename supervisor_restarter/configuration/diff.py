"""The difference between the configuration that runs and another one, key by key. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from supervisor_restarter.configuration.keys import ORDER, TYPE, Effect, effect_of, effect_of_group

NOT_SET = object()  # the value of a key that only one of the two sides has


class ProcessView(NamedTuple):
    """One process: values by key, each variable of its environment as `environment.X`."""

    name: str
    values: Mapping[str, object]


class GroupView(NamedTuple):
    """One group: what it is ('program', 'fcgi-program', 'eventlistener'), its own values by key,
    its processes in the order of the configuration.
    """

    name: str
    kind: str
    values: Mapping[str, object]
    processes: list[ProcessView]


class KeyChange(NamedTuple):
    """One key; old or new is NOT_SET where it is added or removed, as a variable may be."""

    key: str
    old: object
    new: object
    effect: Effect


class ProcessChange(NamedTuple):
    """One process. old, new: None where it is added or removed. follows: the name of the removed
    process whose place an added one takes, '' if none.
    """

    name: str
    old: ProcessView | None
    new: ProcessView | None
    changes: list[KeyChange]
    follows: str = ''


class GroupChange(NamedTuple):
    """One group. old, new: None where it is added or removed."""

    name: str
    old: GroupView | None
    new: GroupView | None
    changes: list[KeyChange]
    processes: list[ProcessChange]

    @property
    def replaced(self) -> bool:
        """Whether it becomes something else, as a program an eventlistener."""
        return self.old is not None and self.new is not None and self.old.kind != self.new.kind

    @property
    def unchanged(self) -> bool:
        """Whether the group and all of its processes stay as they are."""
        if self.old is None or self.new is None or self.changes:
            return False
        return not any(one.changes or one.old is None or one.new is None for one in self.processes)


def differences(old: Sequence[GroupView], new: Sequence[GroupView]) -> list[GroupChange]:
    """The groups of both, those of `new` first and in its order, then the removed ones."""
    was, is_now = {view.name: view for view in old}, {view.name: view for view in new}
    return [
        _group_change(name, was.get(name), is_now.get(name))
        for name in dict.fromkeys([*is_now, *was])
    ]


def _group_change(name: str, old: GroupView | None, new: GroupView | None) -> GroupChange:
    before, after = old.processes if old else [], new.processes if new else []
    return GroupChange(name, old, new, _changes_of_group(old, new), _process_changes(before, after))


def _changes_of_group(old: GroupView | None, new: GroupView | None) -> list[KeyChange]:
    """What changes of the group itself; nothing for one that is added or removed."""
    if old is None or new is None:
        return []
    unlike = _unlike(old.values, new.values)
    if old.kind != new.kind:
        unlike.insert(0, (TYPE, old.kind, new.kind))
    in_both = {view.name for view in old.processes} & {view.name for view in new.processes}
    was, is_now = (
        tuple(view.name for view in group.processes if view.name in in_both) for group in (old, new)
    )
    if was != is_now:
        unlike.append((ORDER, was, is_now))
    return [KeyChange(key, before, after, effect_of_group(key)) for key, before, after in unlike]


def _process_changes(old: Sequence[ProcessView], new: Sequence[ProcessView]) -> list[ProcessChange]:
    was, is_now = {view.name: view for view in old}, {view.name: view for view in new}
    removed = [name for name in was if name not in is_now]
    added = [name for name in is_now if name not in was]
    # A renamed process mostly has its predecessor's port: it can start only after that has stopped.
    follows = dict(zip(added, removed))
    return [
        ProcessChange(
            name,
            was.get(name),
            is_now.get(name),
            _changes_of_process(was[name], is_now[name]) if name in was and name in is_now else [],
            follows.get(name, ''),
        )
        for name in [*is_now, *removed]
    ]


def _changes_of_process(old: ProcessView, new: ProcessView) -> list[KeyChange]:
    return [
        KeyChange(key, before, after, effect_of(key))
        for key, before, after in _unlike(old.values, new.values)
    ]


def _unlike(
    old: Mapping[str, object], new: Mapping[str, object]
) -> list[tuple[str, object, object]]:
    """The keys under which the two differ, with both values; those that are new come last."""
    if old == new:
        return []
    return [
        *(
            (key, value, new.get(key, NOT_SET))
            for key, value in old.items()
            if new.get(key, NOT_SET) != value
        ),
        *((key, NOT_SET, value) for key, value in new.items() if key not in old),
    ]
