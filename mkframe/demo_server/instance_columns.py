"""The columns of each instance, version by version."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data import vocabulary

_FIRST_COUNT = (4, 14)
"""How many attributes a first version has: lowest, and highest plus one."""
_MAX_COLUMNS = 30
_LENGTH_STEPS = {"NUMBER": 2, "CHAR": 1, "TIMESTAMP": 3}
_WIDER = {"DATE": ("TIMESTAMP", None), "TIMESTAMP": ("TIMESTAMP", 6), "INTEGER": ("NUMBER", 18)}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an instance, with its functional role."""

    name: str
    type: str
    length: int | None
    role: str


class InstanceColumns:
    """The columns of all instances; every version follows from the one before by a few edits.

    Parameters
    ----------
    seed : int
        Seed of the history.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._cache: dict[tuple[int, int], tuple[Column, ...]] = {}

    def get(self, instance: Instance, version: int) -> tuple[Column, ...]:
        """Return the columns of an instance in a version."""
        key = instance.id, version
        if key not in self._cache:
            rng = np.random.default_rng([self._seed, instance.identity_id, version])
            first = version == 1
            self._cache[key] = (
                _first(rng, instance.name) if first else _edit(rng, self.get(instance, version - 1))
            )
        return self._cache[key]

    def fix(self, instance: Instance, columns: tuple[Column, ...]) -> None:
        """Say what the first version of an instance has."""
        self._cache[instance.id, 1] = columns


def _first(rng: np.random.Generator, name: str) -> tuple[Column, ...]:
    keys = (Column(f"{name}_HK", "CHAR", 32, "SK"), Column(f"{name}_ID", "VARCHAR", 50, "BK"))
    names = rng.permutation(list(vocabulary.ATTRIBUTES))[: int(rng.integers(*_FIRST_COUNT))].tolist()
    return keys + tuple(_attribute(n) for n in names)


def _attribute(name: str) -> Column:
    return Column(name, *vocabulary.ATTRIBUTES[name], "SRC_AND_TGT_FIELD")


def _edit(rng: np.random.Generator, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    edited = list(columns)
    for draw in rng.random(int(rng.integers(1, 5))):
        index = int(rng.integers(2, len(edited))) if len(edited) > 2 else None
        if draw < 0.5 or index is None:
            _add(rng, edited)
        elif draw < 0.85:
            edited[index] = _widen(edited[index])
        else:
            del edited[index]
    return tuple(edited)


def _add(rng: np.random.Generator, columns: list[Column]) -> None:
    free = [n for n in vocabulary.ATTRIBUTES if n not in {c.name for c in columns}]
    if free and len(columns) < _MAX_COLUMNS:
        columns.append(_attribute(free[int(rng.integers(len(free)))]))


def _widen(column: Column) -> Column:
    """Make a column longer, or its type wider; the result always differs."""
    if column.length is not None:
        return replace(column, length=column.length + _LENGTH_STEPS.get(column.type, 50))
    wider, length = _WIDER[column.type]
    return replace(column, type=wider, length=length)
