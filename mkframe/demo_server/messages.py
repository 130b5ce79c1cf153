"""What was said: progress texts, failure messages, descriptions and names of the builds in the story."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mkframe.demo_server.build_columns import FAILED, Builds
from mkframe.demo_server.catalog import Catalog
from mkframe.demo_server.data import vocabulary
from mkframe.demo_server.data.projects import PATTERNS
from mkframe.demo_server.times import Ints

EXAMPLE = 5139
"""ID of the build in the vendor's example; the story has it, as told there."""


def phase(progress: int) -> str:
    """Return the progress text that belongs to a percentage."""
    return vocabulary.PHASES[
        min(max(progress, 0) * len(vocabulary.PHASES) // 100, len(vocabulary.PHASES) - 1)
    ]


def say(
    rng: np.random.Generator, catalog: Catalog, builds: Builds, mishap: Ints, nightly: NDArray[np.bool_]
) -> None:
    """Fill in messages, descriptions and names."""
    many = len(builds.id)
    phases = np.array([phase(p) for p in range(101)], dtype=object)
    message = phases[builds.progress]
    remark = np.array(vocabulary.REMARKS, dtype=object)[rng.integers(0, len(vocabulary.REMARKS), many)]
    remark[nightly] = "nightly build"
    numbers = rng.integers(2, 900, (many, 2))
    for row in np.flatnonzero(builds.outcome == FAILED):
        message[row] = vocabulary.FAILURE_MESSAGES[mishap[row]].format(
            **_nouns(catalog, builds, int(row), numbers[row])
        )
    for row in np.flatnonzero(~nightly & (remark != None)):  # noqa: E711
        if "{" in remark[row]:
            remark[row] = remark[row].format(**_nouns(catalog, builds, int(row), numbers[row]))
    remark[builds.id == EXAMPLE] = "build via rest api"
    builds.message, builds.description = message.tolist(), remark.tolist()
    builds.name = [f"Delivery {i // 97}" if i % 97 == 0 else None for i in builds.id.tolist()]


def _nouns(catalog: Catalog, builds: Builds, row: int, numbers: Ints) -> dict[str, Any]:
    pattern = int(builds.patterns[row, 0])
    members = catalog.members[int(builds.project[row]), pattern]
    instance = members[int(builds.offset[row]) % int(builds.counts[row, 0] or 1) % len(members)]
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
