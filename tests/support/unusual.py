"""Builds with nulls, empty lists, unknown columns and unknown keys inside downloads."""

from __future__ import annotations

import json

import pandas as pd

import mkframe as mk
from tests.support.rows import download, row

SCALARS = {
    "one": lambda n: None if n % 3 else n,
    "share": lambda n: None if n % 4 else n / 7,
    "word": lambda n: None if n % 5 else f"ö {n}",
    "sure": lambda n: bool(n % 2),
    "nothing": lambda n: None,
    "big": lambda n: 2**62 + n,
}
NESTED = {
    "mixed": lambda n: n if n % 2 else "word",
    "tree": lambda n: {"a": [n, {"b": None}]},
    "lists": lambda n: [n, None] if n % 2 else [],
    "huge": lambda n: 2**70 + n,
}


def unusual(count=60, extras=SCALARS, first=1) -> pd.DataFrame:
    """Builds numbered from `first`."""
    made = []
    for n in range(first, first + count):
        downloads = [download(10 * n + k, file_id=None if k else n) for k in range(n % 4)]
        one = row("builds", n, downloads=downloads)
        for place, name in enumerate(["name", "progress", "build_end", "active", "message", "version"]):
            if (n + place) % 3 == 0:
                one[name] = None
        one["patterns"] = [2**60 + n] * (n % 3)
        if n % 6 == 0:
            one["downloads"] = None
        if n % 7 == 0 and one["downloads"]:
            one["downloads"][0]["type"] = "IICS"
            one["downloads"][0]["more"] = {"a": n}
        made.append(one | {name: value(n) for name, value in extras.items()})
    return mk.read_json(json.dumps(made).encode())
