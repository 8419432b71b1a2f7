"""What the clients of one restart are told: made once for all of them, and only what has changed."""

from __future__ import annotations

from supervisor_restarter.engine.answers import process_struct
from supervisor_restarter.engine.changes import Changes
from supervisor_restarter.engine.operation import Operation
from supervisor_restarter.server.ascii_text import SharedStruct


class Told:
    """With the versions at which it changed. particulars: of one row, what stands beside the header
    and the processes.
    """

    def __init__(self) -> None:
        self.particulars: Changes[dict[str, object]] = Changes()
        self.processes: Changes[SharedStruct] = Changes()
        self._sources: list[tuple[object, ...]] = []  # what the rows were made of

    def note(self, operation: Operation, particulars: dict[str, object]) -> None:
        """All of it as it is now."""
        self.processes.note(self._rows(operation), operation.version)
        self.particulars.note([particulars], operation.version)

    def _rows(self, operation: Operation) -> list[SharedStruct]:
        """To see that nothing has changed in a process takes a twentieth of the time that its struct
        takes.
        """
        begun_at = operation.begun_at
        sources = [(member, begun_at, *vars(member).values()) for member in operation.members]
        known = self.processes.rows
        if len(sources) != len(known):
            known, self._sources = [SharedStruct({})] * len(sources), [()] * len(sources)
        rows = [
            row if source == before else SharedStruct(process_struct(operation, member))
            for member, row, source, before in zip(operation.members, known, sources, self._sources)
        ]
        self._sources = sources
        return rows
