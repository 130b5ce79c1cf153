"""What will be sent, as JSON and as the call to paste into a script."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

__all__ = ["MARKER", "as_json", "as_python", "definitions"]

MARKER = "[mkframe-............]"
"""Stands for the word that is drawn when the build is started."""


def definitions(rows: pd.DataFrame, everything: pd.DataFrame) -> list[dict[str, Any]]:
    """Name instances by pattern, folder and name; by id where those are not unique or not known."""
    keys = ["pattern", "folder", "name"]
    repeated = set(everything.index[everything.duplicated(keys, keep=False)])
    named = rows["folder"].ne("") & ~rows.index.isin(list(repeated))
    return [
        dict(zip(keys, words, strict=True)) if by_name else {"id": int(row)}
        for row, by_name, *words in zip(rows.index, named, *(rows[key] for key in keys), strict=True)
    ]


def as_json(request: Mapping[str, Any], most: int = 200) -> str:
    """The body of ``POST /builds``.

    Examples
    --------
    >>> print(as_json({"project_id": 402, "instances": [{"id": 7}], "description": None, "restore": False}))
    {
      "project_id": 402,
      "instances": [
        {"id": 7}
      ],
      "description": "[mkframe-............]"
    }
    """
    body = {key: value for key, value in request.items() if value not in (None, False, {})}
    body["description"] = " ".join(word for word in (request.get("description"), MARKER) if word)
    written = {key: _json_line(value) for key, value in body.items() if key != "instances"}
    written["instances"] = _instances(body["instances"], most, _json_line)
    lines = [f"  {json.dumps(key)}: {written[key]}" for key in body]
    return "{\n" + ",\n".join(lines) + "\n}"


def as_python(request: Mapping[str, Any], most: int = 200) -> str:
    """The same build as a call.

    Examples
    --------
    >>> print(as_python({"project_id": 402, "instances": [{"id": 7}], "restore": True}))
    run = kraft.builds.start(
      project_id=402,
      instances=[
        {'id': 7}
      ],
      restore=True,
    )
    kraft.builds.wait(run.id)
    """
    given = {key: value for key, value in request.items() if value not in (None, False, {}, "")}
    lines = [
        f"  {key}={_instances(value, most, repr) if key == 'instances' else repr(value)},"
        for key, value in given.items()
    ]
    return "\n".join(["run = kraft.builds.start(", *lines, ")", "kraft.builds.wait(run.id)"])


def _json_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _instances(instances: list[dict[str, Any]], most: int, write: Any) -> str:
    lines = [f"    {write(one)}" for one in instances[:most]]
    if len(instances) > most:
        lines.append(f"    ... {len(instances) - most:,} more; form.model.request() has them all")
    return "[\n" + ",\n".join(lines) + "\n  ]"
