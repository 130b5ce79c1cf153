"""Progress texts, failure messages, descriptions and names of the builds of the history."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mkframe.demo_server.build_columns import FAILED, BuildColumns
from mkframe.demo_server.catalog import Catalog
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.times import Ints

EXAMPLE = 5139
"""ID of the build in the vendor's example; the history has it with the same values."""


def phase(progress: int) -> str:
    """Return the progress text that belongs to a percentage."""
    return vocabulary.PHASES[
        min(max(progress, 0) * len(vocabulary.PHASES) // 100, len(vocabulary.PHASES) - 1)
    ]


def fill_messages(
    rng: np.random.Generator, catalog: Catalog, builds: BuildColumns, failures: Ints,
    nightly: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Fill in messages, descriptions and names; `failures` are indexes in `FAILURE_MESSAGES`."""
    count = len(builds.id)
    phases = np.array([phase(p) for p in range(101)], dtype=object)
    message = phases[builds.progress]
    descriptions = np.array(vocabulary.REMARKS, dtype=object)[rng.integers(0, len(vocabulary.REMARKS), count)]
    descriptions[nightly] = "nightly build"
    numbers = rng.integers(2, 900, (count, 2))
    for row in np.flatnonzero(builds.outcome == FAILED):
        message[row] = vocabulary.FAILURE_MESSAGES[failures[row]].format(
            **_values(catalog, builds, int(row), numbers[row])
        )
    for row in np.flatnonzero(~nightly & (descriptions != None)):  # noqa: E711
        if "{" in descriptions[row]:
            descriptions[row] = descriptions[row].format(**_values(catalog, builds, int(row), numbers[row]))
    descriptions[builds.id == EXAMPLE] = "build via rest api"
    builds.message, builds.description = message.tolist(), descriptions.tolist()
    builds.name = [f"Delivery {i // 97}" if i % 97 == 0 else None for i in builds.id.tolist()]


def _values(catalog: Catalog, builds: BuildColumns, row: int, numbers: Ints) -> dict[str, Any]:
    pattern = int(builds.patterns[row, 0])
    instances = catalog.by_pattern[int(builds.project[row]), pattern]
    instance = instances[int(builds.offset[row]) % int(builds.counts[row, 0] or 1) % len(instances)]
    return {
        "instance": instance.name,
        "id": instance.id,
        "folder": instance.folder,
        "pattern": PATTERNS[pattern].name,
        "field": list(vocabulary.ATTRIBUTES)[int(numbers[0]) % len(vocabulary.ATTRIBUTES)],
        "type": ("BLOB", "XMLTYPE", "INTERVAL")[int(numbers[0]) % 3],
        "n": int(numbers[0]),
        "small": int(numbers[1]) % 9 + 1,
        "build": int(builds.id[row]),
    }
