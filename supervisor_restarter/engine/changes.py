"""What has changed since a client last asked: it is sent no more than that. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

Row = TypeVar('Row')


class Changes(Generic[Row]):
    """A list of rows, as it was noted last, with the version at which each of them changed.

    A client that knows the list as it was noted at some version knows it as it is when it puts the
    rows of since() in their places. So the list is noted before anything of it is told; whatever
    changes a row must make the version grow, and no row may be changed in place. version: the one
    at which it was noted last, -1: it never was.
    """

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.version = -1
        self._versions: list[int] = []

    def note(self, rows: Sequence[Row], version: int) -> None:
        """The rows as they are at this version. In a list of another length all are new."""
        if len(rows) != len(self.rows):
            self._versions = [version] * len(rows)
        else:
            self._versions = [
                before if row is old or row == old else version
                for row, old, before in zip(rows, self.rows, self._versions)
            ]
        self.rows, self.version = list(rows), version

    def since(self, version: int) -> list[tuple[int, Row]]:
        """The rows that changed after this version, each with its place; all of them if it is
        negative.
        """
        return [
            (place, row)
            for place, (row, changed) in enumerate(zip(self.rows, self._versions))
            if changed > version
        ]
