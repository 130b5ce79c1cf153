"""Preview of a start: the request body as JSON, and the call to paste into a script."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from mkframe.builds import start_body

__all__ = ["Line", "as_json", "as_python", "definitions"]

Line = tuple[int, str]
"""Depth of indentation, and text."""


def definitions(rows: pd.DataFrame, everything: pd.DataFrame) -> list[dict[str, Any]]:
    """Define instances by pattern, folder and name; by id if those are ambiguous or unknown."""
    keys = ["pattern", "folder", "name"]
    repeated = set(everything.index[everything.duplicated(keys, keep=False)])
    by_names = rows["folder"].ne("") & ~rows.index.isin(list(repeated))
    return [
        dict(zip(keys, words, strict=True)) if by_name else {"id": int(row)}
        for row, by_name, *words in zip(rows.index, by_names, *(rows[key] for key in keys), strict=True)
    ]


def as_json(request: Mapping[str, Any], most: int | None = None) -> tuple[Line, ...]:
    """Return the body as lines that are sent when joined; instances beyond `most` are only counted.

    Examples
    --------
    >>> lines = as_json({"project_id": 402, "instances": [{"id": 7}, {"id": 8}], "description": "nightly"})
    >>> "".join(text for _, text in lines)
    '{"project_id": 402, "instances": [{"id": 7}, {"id": 8}], "description": "nightly"}'
    """
    parts: list[list[Line]] = []
    for key, value in start_body(**request).items():
        if key == "instances":
            parts.append([(1, f"{json.dumps(key)}: ["), *_instances(value, most), (1, "]")])
        else:
            parts.append([(1, f"{json.dumps(key)}: {json.dumps(value)}")])
    return ((0, "{"), *_with_commas(parts), (0, "}"))


def as_python(request: Mapping[str, Any], most: int = 200) -> str:
    """Return the same build as a call, which makes a marker of its own.

    Examples
    --------
    >>> print(as_python({"project_id": 402, "instances": [{"id": 7}], "restore": True}))
    run = client.builds.start(
      project_id=402,
      instances=[
        {'id': 7},
      ],
      restore=True,
    )
    client.builds.wait(run.id)
    """
    lines = []
    for key, value in request.items():
        if not value or key == "marker":
            continue
        if key == "instances":
            lines += [f"  {key}=[", *(f"    {one!r}," for one in value[:most])]
            lines += [f"    # ... {_more(value, most)}"] * (len(value) > most) + ["  ],"]
        else:
            lines.append(f"  {key}={value!r},")
    return "\n".join(["run = client.builds.start(", *lines, ")", "client.builds.wait(run.id)"])


def _instances(instances: list[dict[str, Any]], most: int | None) -> Iterable[Line]:
    first = [[(2, json.dumps(one))] for one in instances[:most]]
    if most is None or len(instances) <= most:
        return _with_commas(first)
    return (*_with_commas([*first, []]), (2, f"... {_more(instances, most)}"))


def _more(instances: list[dict[str, Any]], most: int) -> str:
    return f"{len(instances) - most:,} more; form.model.request() has them all"


def _with_commas(parts: list[list[Line]]) -> tuple[Line, ...]:
    """Join the lines of all parts, with a comma after each part but the last."""
    lines: list[Line] = []
    for place, part in enumerate(parts, 1):
        lines += part
        if place < len(parts) and lines:
            depth, text = lines[-1]
            lines[-1] = (depth, f"{text}, ")
    return tuple(lines)
