"""Check the arguments of calls and write them as the API takes them.

Every value is checked before anything is sent.
"""

from __future__ import annotations

import difflib
import json
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from mkframe._text import short_repr
from mkframe.errors import InputError
from mkframe.schema import RESOURCES, Exclusive

__all__ = [
    "check_timezone",
    "check_exclusive",
    "check_ids",
    "frame_ids",
    "filter_name_error",
    "as_id",
    "is_frame_row",
    "is_number",
    "is_several",
    "project_body",
    "query_params",
    "as_releases",
    "row_id",
    "as_name",
    "as_bool",
]


def query_params(resource: str, given: Mapping[str, Any]) -> dict[str, str]:
    """Check the filters of a find and write them as query parameters.

    Parameters
    ----------
    resource : str
        Name of the resource, such as ``"builds"``.
    given : mapping
        Filter names and values; None means not given. Where a name is wanted and an id has a
        parameter of its own, either is accepted under the name: ``project=402``.

    Returns
    -------
    dict of str to str

    Raises
    ------
    InputError
        If a filter is unknown or of the wrong type, or an exclusive group is broken.

    Examples
    --------
    >>> query_params("releases", {"group": 1, "closed": False})
    {'group_id': '1', 'closed': 'false'}
    """
    known = _FILTERS[resource]
    params: dict[str, str] = {}
    for name, value in given.items():
        if name not in known:
            raise filter_name_error(resource, given)
        if value is None:
            continue
        target = f"{name}_id" if f"{name}_id" in known and _is_integer(value) else name
        if target != name and given.get(target) is not None:
            raise InputError(f"Both {name} and {target} are given.", hint="Give one of the two.")
        params[target] = _WRITERS[known[target].type](target, value)
    check_exclusive(RESOURCES[resource].exclusive, params, f"{resource}.find")
    return params


def check_exclusive(groups: Iterable[Exclusive], given: Iterable[str], call: str) -> None:
    """Check that of each group at most one name, or exactly one, is among the given ones."""
    names = set(given)
    for group in groups:
        count = len(names.intersection(group.names))
        if count > 1:
            found = " and ".join(name for name in group.names if name in names)
            raise InputError(f"{call}: both {found} are given.", hint="Give one of them.")
        if group.required and not count:
            raise InputError(
                f"{call} needs {' or '.join(group.names)}.",
                hint=f"Give one of them, such as {group.names[0]}={'DEMO_' + group.names[0].upper()!r}.",
            )


def project_body(project: Any, project_id: Any, groups: Iterable[Exclusive], call: str) -> dict[str, Any]:
    """Check the project of a write: its name or its id, under either key.

    Examples
    --------
    >>> project_body(402, None, (), "builds.start")
    {'project_id': 402}
    """
    given = {"project": project, "project_id": project_id}
    named = {name: value for name, value in given.items() if value is not None}
    check_exclusive(groups, named, call)
    if "project" in named and not _is_integer(project):
        return {"project": as_name("project", project)}
    return {"project_id": as_id("project_id", next(iter(named.values())))} if named else {}


def as_id(name: str, value: Any) -> int:
    """Check an id.

    Examples
    --------
    >>> as_id("build_id", 5139)
    5139
    """
    if not _is_integer(value):
        raise InputError(
            f"{name} must be a whole number, not {short_repr(value)}.",
            hint="Give the id; find(...) lists the ids beside the names.",
        )
    return operator.index(value)


def is_frame_row(value: Any) -> bool:
    """Whether an object is a row of a frame, whose labels are texts, and not a column of ids.

    Examples
    --------
    >>> is_frame_row(pd.Series({"name": "a.zip"}, name=5442)), is_frame_row(pd.Series([5442, 5443]))
    (True, False)
    """
    return isinstance(value, pd.Series) and any(isinstance(label, str) for label in value.index)


def is_number(value: object) -> bool:
    """Whether a value is a real number; True and False are none.

    Examples
    --------
    >>> is_number(2.5), is_number(True), is_number("2")
    (True, False, False)
    """
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def is_several(value: Any) -> bool:
    """Whether an argument holds several ids or rows, of which each is one.

    Bytes would be read as numbers, and an array without an axis is a number.

    Examples
    --------
    >>> is_several([5442]), is_several("5442"), is_several(b"5442"), is_several({"id": 5442})
    (True, False, False, False)
    """
    if is_frame_row(value) or isinstance(value, str | bytes | bytearray | memoryview | Mapping):
        return False
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0


def row_id(row: pd.Series[Any]) -> Any:
    """Return the id of a row: its label ``id`` where the index was reset, else its name.

    Examples
    --------
    >>> row_id(pd.Series({"name": "a.zip"}, name=5442)), row_id(pd.Series({"id": 5442, "name": "a.zip"}))
    (5442, 5442)
    """
    return row["id"] if "id" in row.index else row.name


def frame_ids(frame: pd.DataFrame) -> list[Any]:
    """Return the ids of the rows of a frame, which are its index; after a merge a column may be of others.

    Raises
    ------
    InputError
        If the index is another, such as that of a frame whose index was reset.

    Examples
    --------
    >>> frame_ids(pd.DataFrame(index=pd.Index([5442], name="id")))
    [5442]
    """
    if frame.index.name == "id":
        return list(frame.index)
    raise InputError(
        "The frame is not indexed by the ids of its rows.",
        hint='frame.set_index("id") does so; frame.droplevel(0) removes keys before the ids.',
    )


def check_ids(given: Any, *names: str) -> None:
    """Check that a column of ids is not one of another resource.

    Examples
    --------
    >>> check_ids(pd.Series([5442], name="id"), "id")
    """
    name = given.name if isinstance(given, pd.Series) else None
    if isinstance(name, str) and name.endswith("id") and name not in names:
        raise InputError(
            f"The column {name} holds the ids of something else.", hint=f"Give {' or '.join(names)}."
        )


def as_releases(name: str, value: Any) -> dict[str, str]:
    """Check a mapping of release groups to releases.

    Examples
    --------
    >>> as_releases("releases", {"DWH_GROUP": "R1"})
    {'DWH_GROUP': 'R1'}
    """
    if not isinstance(value, Mapping) or not value:
        raise InputError(
            f"{name} must map release groups to releases, not {short_repr(value)}.",
            hint=f'Write {name}={{"DWH_GROUP": "R1"}}.',
        )
    for group, release in value.items():
        if not (isinstance(group, str) and group and isinstance(release, str) and release):
            raise InputError(
                f"{name} maps names to names; {group!r}: {release!r} does not.",
                hint=f'Write {name}={{"DWH_GROUP": "R1"}}, with one release per group.',
            )
    return dict(value)


def as_name(name: str, value: Any) -> str:
    """Check a name."""
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            f"{name} must be a name, not {short_repr(value)}.",
            hint=f"Write {name}='...', spelled as in the web application.",
        )
    return str(value)


def as_list(name: str, value: Any, hint: str) -> list[Any]:
    """Return one value or several as a list; a text is one value."""
    given = [value] if isinstance(value, str) else value
    if isinstance(given, Mapping | bytes) or not isinstance(given, Iterable):
        raise InputError(f"{name} must be a list, not {short_repr(value)}.", hint=hint)
    return list(given)


def as_bool(name: str, value: Any) -> bool:
    """Check a yes or no."""
    if not isinstance(value, bool) and type(value).__name__ != "bool":
        raise InputError(
            f"{name} must be True or False, not {short_repr(value)}.",
            hint=f"Write {name}=True or {name}=False.",
        )
    return bool(value)


def check_timezone(tz: str) -> None:
    """Check that this machine knows a time zone.

    Raises
    ------
    InputError
        If there is none of that name.

    Examples
    --------
    >>> check_timezone("Europe/Vienna")
    """
    try:
        ZoneInfo(tz)
    except (KeyError, OSError, ValueError, TypeError) as error:
        raise InputError(
            f"tz={short_repr(tz)} is no time zone that is known here.", hint='Try "UTC" or "Europe/Vienna".'
        ) from error


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def filter_name_error(resource: str, given: Iterable[str]) -> InputError:
    """Make the error for filters of which one has an unknown name."""
    known = [f.name for f in RESOURCES[resource].filters]
    name = next(name for name in given if name not in known)
    similar = difflib.get_close_matches(name, known, n=1)
    question = f"Did you mean {similar[0]!r}? " if similar else ""
    return InputError(
        f"{resource} has no filter {name!r}.", hint=f"{question}There is: {', '.join(known) or 'none'}."
    )


_FILTERS = {name: {f.name: f for f in known.filters} for name, known in RESOURCES.items()}
_WRITERS: dict[str, Callable[[str, Any], str]] = {
    "int": lambda name, value: str(as_id(name, value)),
    "str": as_name,
    "bool": lambda name, value: "true" if as_bool(name, value) else "false",
    "releases": lambda name, value: json.dumps(as_releases(name, value), ensure_ascii=False),
}
