"""What can be chosen: releases, patterns, folders and instances of a project, with their marks."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mkframe.forms.models.base import rows_of

__all__ = [
    "FLAGS",
    "Group",
    "Option",
    "instance_table",
    "folder_options",
    "matching",
    "named",
    "names_of",
    "pattern_options",
    "project_options",
    "release_groups",
    "release_names",
]

Option = tuple[str, Any]
"""A label and its value."""
_INDENT = "\u2003"
FLAGS = {
    "deleted": "deleted",
    "invalid": "invalid",
    "build_disabled": "disabled for builds",
    "checked_out": "checked out",
}
"""Filters of instances that a build should know of, and how the form says them."""


@dataclass(frozen=True, slots=True)
class Group:
    """A release group of the project's patterns, with its releases: open ones first."""

    name: str
    patterns: tuple[str, ...]
    options: tuple[Option, ...]
    closed: frozenset[str]


def project_options(projects: pd.DataFrame) -> tuple[Option, ...]:
    """Projects by name; deleted and disabled ones come last, marked."""
    known = named(projects)
    last = known["deleted"].fillna(False).astype(bool) | known["disabled"].fillna(False).astype(bool)
    order = zip(last, known["name"].str.lower(), rows_of(known), strict=True)
    rows = [row for _, _, row in sorted(order, key=lambda each: each[:2])]
    return tuple((_marked(p.name, deleted=p.deleted, disabled=p.disabled), int(p.Index)) for p in rows)


def named(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows, called by their id where the server sends no name."""
    return rows.assign(name=rows["name"].where(rows["name"].notna(), rows.index.astype("str")))


def names_of(rows: pd.DataFrame) -> dict[Any, str]:
    """What rows are called, by id."""
    names: dict[Any, str] = named(rows)["name"].to_dict()
    return names


def release_groups(groups: pd.DataFrame, releases: pd.DataFrame, patterns: pd.DataFrame) -> tuple[Group, ...]:
    """The release groups that patterns of a project belong to."""
    made = []
    names, releases, patterns = names_of(groups), named(releases), named(patterns)
    for group, members in patterns.groupby("release_group_id"):
        name = _group_name(names, group)
        own = releases[releases["group_id"] == group]
        closed = frozenset(own.loc[own["closed"].fillna(False).astype(bool), "name"])
        made.append(Group(name, tuple(sorted(members["name"])), _release_options(own), closed))
    return tuple(sorted(made, key=lambda group: group.name))


def release_names(releases: pd.DataFrame, groups: pd.DataFrame) -> dict[Any, str]:
    """Releases by id, each with its release group."""
    names = names_of(groups)
    return {row.Index: f"{_group_name(names, row.group_id)} · {row.name}" for row in rows_of(named(releases))}


def _group_name(names: Mapping[int, str], id: Any) -> str:
    return "no release group" if pd.isna(id) else names.get(id, f"release group {id}")


def _release_options(releases: pd.DataFrame) -> tuple[Option, ...]:
    """Open releases first, the newest on top; closed and deleted ones are marked."""
    names = releases["name"].to_dict()
    ordered = releases.assign(
        is_closed=releases["closed"].fillna(False).astype(bool),
        is_deleted=releases["deleted"].fillna(False).astype(bool),
    ).sort_values(["is_deleted", "is_closed", "start_date"], ascending=[True, True, False], kind="stable")
    options = []
    for row in rows_of(ordered):
        above = row.hotfix_of_id
        hotfix = "" if pd.isna(above) else f"hotfix of {names.get(above, above)}"
        state = "closed" if row.is_closed else "open"
        words = ", ".join(word for word in (state, hotfix, "deleted" * row.is_deleted) if word)
        options.append((f"{row.name} ({words})", row.name))
    return tuple(options)


def pattern_options(patterns: pd.DataFrame, instances: pd.DataFrame) -> tuple[Option, ...]:
    """Patterns of the project, with the number of their instances."""
    counts = instances["pattern_id"].value_counts()
    return tuple(
        (
            _marked(
                f"{p.name} · {p.type} · {counts.get(p.Index, 0):,}", deleted=p.deleted, disabled=p.disabled
            ),
            int(p.Index),
        )
        for p in rows_of(named(patterns).sort_values("name"))
    )


def folder_options(folders: pd.DataFrame, instances: pd.DataFrame) -> tuple[Option, ...]:
    """The folder tree, indented; a folder counts what lies in it and below."""
    rows = named(folders).dropna(subset="path").sort_values("path").drop_duplicates("path").set_index("path")
    counts = collections.Counter(instances["folder"])
    options = []
    for path, row in zip(map(str, rows.index), rows.to_dict("records"), strict=True):
        below = sum(n for folder, n in counts.items() if folder == path or folder.startswith(f"{path}/"))
        depth = path.count("/") - 1
        label = f"{_INDENT * max(depth, 0)}{row['name']} · {below:,}"
        marks = {"deleted": row["deleted"], "builds disabled": row["build_disabled"]}
        options.append((_marked(label, **marks), path))
    return tuple(options)


def instance_table(
    instances: pd.DataFrame,
    flagged: Mapping[str, Iterable[int]],
    patterns: pd.DataFrame,
    folders: pd.DataFrame,
) -> pd.DataFrame:
    """Instances with all that the form says of them.

    Parameters
    ----------
    instances : DataFrame
        As ``instances.find`` returns them.
    flagged : mapping
        For each of `FLAGS` the ids that it holds for: rows do not say it, only the filters do.
    patterns, folders : DataFrame
        Of the project.

    Returns
    -------
    DataFrame
        Indexed by ``id``: ``name``, ``pattern``, ``pattern_id``, ``folder``, ``errors``, a bool column for
        each flag, ``folder_disabled``, ``marks`` (a sentence or ""), ``label`` and ``sought`` (lower case).
    """
    made = named(instances[["name", "pattern_id", "errors"]])
    patterns_by_id, paths = names_of(patterns), folders["path"].dropna().to_dict()
    made["pattern"] = _texts(patterns_by_id.get(i, str(i)) for i in instances["pattern_id"])
    made["folder"] = _texts(paths.get(i, "") for i in instances["instance_folder_id"])
    for flag in FLAGS:
        made[flag] = made.index.isin(list(flagged[flag]))
    disabled = folders.index[folders["build_disabled"].fillna(False).astype(bool)]
    made["folder_disabled"] = instances["instance_folder_id"].isin(disabled)
    made["marks"] = _texts(_marks(made))
    words = [" · ".join(each) for each in zip(made["name"], made["pattern"], made["folder"], strict=True)]
    made["sought"] = _texts(word.lower() for word in words)
    marked = zip(words, made["marks"], strict=True)
    made["label"] = _texts(f"{word}  ⚠ {marks}" if marks else word for word, marks in marked)
    return made.sort_values(["name", "pattern", "folder"], kind="stable")


def _texts(words: Iterable[str]) -> Any:
    """A column of text, also where there are no rows to tell."""
    return pd.array(list(words), dtype="str")


def _marks(rows: pd.DataFrame) -> list[str]:
    columns = {**FLAGS, "folder_disabled": "in a folder disabled for builds"}
    said = []
    for row in rows[["errors", *columns]].itertuples(index=False):
        count = 0 if pd.isna(row[0]) else int(row[0])
        errors = [f"{count} validation error{'s' * (count != 1)}"] if count else []
        said.append(", ".join([*errors, *(w for w, on in zip(columns.values(), row[1:], strict=True) if on)]))
    return said


def matching(rows: pd.DataFrame, pattern_id: int | None, folder: str, search: str) -> pd.DataFrame:
    """Instances of a pattern, in a folder or below it, whose words hold all words that are searched."""
    keep = pd.Series(True, index=rows.index)
    if pattern_id is not None:
        keep &= rows["pattern_id"] == pattern_id
    if folder:
        keep &= (rows["folder"] == folder) | rows["folder"].str.startswith(f"{folder}/")
    for word in search.lower().split():
        keep &= rows["sought"].str.contains(word, regex=False)
    return rows[keep]


def _marked(label: str, **marks: Any) -> str:
    words = [name.replace("_", " ") for name, on in marks.items() if on is not pd.NA and on]
    return f"{label} ({', '.join(words)})" if words else label
