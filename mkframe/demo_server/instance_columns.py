"""What an instance holds: its columns, version by version."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data import vocabulary

_START = (4, 14)
_MOST = 30
_STEPS = {"NUMBER": 2, "CHAR": 1, "TIMESTAMP": 3}
_WIDER = {"DATE": ("TIMESTAMP", None), "TIMESTAMP": ("TIMESTAMP", 6), "INTEGER": ("NUMBER", 18)}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an instance, with the functional role it plays."""

    name: str
    type: str
    length: int | None
    role: str


class InstanceColumns:
    """The columns of all instances; every version follows from the one before by a few edits.

    Parameters
    ----------
    seed : int
        Seed of the story.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._known: dict[tuple[int, int], tuple[Column, ...]] = {}

    def columns(self, instance: Instance, version: int) -> tuple[Column, ...]:
        """Return the columns of an instance in a version."""
        key = instance.id, version
        if key not in self._known:
            rng = np.random.default_rng([self._seed, instance.identity_id, version])
            first = version == 1
            self._known[key] = (
                _first(rng, instance.name) if first else _edited(rng, self.columns(instance, version - 1))
            )
        return self._known[key]

    def difference(self, instance: Instance, old: int, new: int) -> tuple[int, int, int]:
        """Count the columns added, changed and deleted between two versions."""
        before = {c.name: c for c in self.columns(instance, old)}
        after = {c.name: c for c in self.columns(instance, new)}
        changed = sum(before[name] != after[name] for name in before.keys() & after.keys())
        return len(after.keys() - before.keys()), changed, len(before.keys() - after.keys())


def _first(rng: np.random.Generator, name: str) -> tuple[Column, ...]:
    keys = (Column(f"{name}_HK", "CHAR", 32, "SK"), Column(f"{name}_ID", "VARCHAR", 50, "BK"))
    names = rng.permutation(list(vocabulary.ATTRIBUTES))[: int(rng.integers(*_START))].tolist()
    return keys + tuple(_attribute(n) for n in names)


def _attribute(name: str) -> Column:
    return Column(name, *vocabulary.ATTRIBUTES[name], "SRC_AND_TGT_FIELD")


def _edited(rng: np.random.Generator, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    made = list(columns)
    for draw in rng.random(int(rng.integers(1, 5))):
        place = int(rng.integers(2, len(made))) if len(made) > 2 else None
        if draw < 0.5 or place is None:
            _add(rng, made)
        elif draw < 0.85:
            made[place] = _widened(made[place])
        else:
            del made[place]
    return tuple(made)


def _add(rng: np.random.Generator, made: list[Column]) -> None:
    free = [n for n in vocabulary.ATTRIBUTES if n not in {c.name for c in made}]
    if free and len(made) < _MOST:
        made.append(_attribute(free[int(rng.integers(len(free)))]))


def _widened(column: Column) -> Column:
    """Make room: a change that is never none, and that a developer would make."""
    if column.length is not None:
        return replace(column, length=column.length + _STEPS.get(column.type, 50))
    wider, length = _WIDER[column.type]
    return replace(column, type=wider, length=length)
