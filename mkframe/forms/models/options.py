"""Options of the form that starts a build: projects, releases, patterns, folders and instances.

Labels name the flags of an option, such as "deleted".
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mkframe._pandas import as_text, text_array
from mkframe.forms.models.base import rows_of

__all__ = [
    "FLAGS",
    "Group",
    "Option",
    "instance_table",
    "folder_options",
    "filter_instances",
    "fill_names",
    "names_by_id",
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
"""Filters of instances that matter to a build, with their words in the form."""


@dataclass(frozen=True, slots=True)
class Group:
    """A release group, with its patterns of the project and its releases: open ones first."""

    name: str
    patterns: tuple[str, ...]
    options: tuple[Option, ...]
    closed: frozenset[str]


def project_options(projects: pd.DataFrame) -> tuple[Option, ...]:
    """Return the projects sorted by name; deleted and disabled ones come last."""
    known = fill_names(projects)
    last = known["deleted"].fillna(False).astype(bool) | known["disabled"].fillna(False).astype(bool)
    order = zip(last, known["name"].str.lower(), rows_of(known), strict=True)
    rows = [row for _, _, row in sorted(order, key=lambda each: each[:2])]
    return tuple((_with_marks(p.name, deleted=p.deleted, disabled=p.disabled), int(p.Index)) for p in rows)


def fill_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with their id as name if the server sends none."""
    return rows.assign(name=rows["name"].where(rows["name"].notna(), as_text(rows.index)))


def names_by_id(rows: pd.DataFrame) -> dict[Any, str]:
    """Return the names of rows by id."""
    names: dict[Any, str] = fill_names(rows)["name"].to_dict()
    return names


def release_groups(groups: pd.DataFrame, releases: pd.DataFrame, patterns: pd.DataFrame) -> tuple[Group, ...]:
    """Return the release groups of the patterns of a project."""
    made = []
    names, releases, patterns = names_by_id(groups), fill_names(releases), fill_names(patterns)
    for group, members in patterns.groupby("release_group_id"):
        name = _group_name(names, group)
        own = releases[releases["group_id"] == group]
        closed = frozenset(own.loc[own["closed"].fillna(False).astype(bool), "name"])
        made.append(Group(name, tuple(sorted(members["name"])), _release_options(own), closed))
    return tuple(sorted(made, key=lambda group: group.name))


def release_names(releases: pd.DataFrame, groups: pd.DataFrame) -> dict[Any, str]:
    """Return names of releases by id, each with its release group."""
    names = names_by_id(groups)
    rows = rows_of(fill_names(releases))
    return {row.Index: f"{_group_name(names, row.group_id)} · {row.name}" for row in rows}


def _group_name(names: Mapping[int, str], id: Any) -> str:
    return "no release group" if pd.isna(id) else names.get(id, f"release group {id}")


def _release_options(releases: pd.DataFrame) -> tuple[Option, ...]:
    """Sort open releases first, the newest on top; closed and deleted ones are labeled."""
    names = releases["name"].to_dict()
    ordered = releases.assign(
        is_closed=releases["closed"].fillna(False).astype(bool),
        is_deleted=releases["deleted"].fillna(False).astype(bool),
    ).sort_values(["is_deleted", "is_closed", "start_date"], ascending=[True, True, False], kind="stable")
    options = []
    for row in rows_of(ordered):
        parent = row.hotfix_of_id
        hotfix = "" if pd.isna(parent) else f"hotfix of {names.get(parent, parent)}"
        state = "closed" if row.is_closed else "open"
        words = ", ".join(word for word in (state, hotfix, "deleted" * row.is_deleted) if word)
        options.append((f"{row.name} ({words})", row.name))
    return tuple(options)


def pattern_options(patterns: pd.DataFrame, instances: pd.DataFrame) -> tuple[Option, ...]:
    """Return the patterns of the project, with the number of their instances."""
    counts = instances["pattern_id"].value_counts()
    return tuple(
        (
            _with_marks(
                f"{p.name} · {p.type} · {counts.get(p.Index, 0):,}", deleted=p.deleted, disabled=p.disabled
            ),
            int(p.Index),
        )
        for p in rows_of(fill_names(patterns).sort_values("name"))
    )


def folder_options(folders: pd.DataFrame, instances: pd.DataFrame) -> tuple[Option, ...]:
    """Return the indented folder tree; a folder counts the instances in it and below it."""
    rows = fill_names(folders).dropna(subset="path").sort_values("path").drop_duplicates("path")
    counts = collections.Counter(instances["folder"])
    options = []
    for path, row in zip(map(str, rows["path"]), rows.to_dict("records"), strict=True):
        below = sum(n for folder, n in counts.items() if folder == path or folder.startswith(f"{path}/"))
        depth = path.count("/") - 1
        label = f"{_INDENT * max(depth, 0)}{row['name']} · {below:,}"
        marks = {"deleted": row["deleted"], "builds disabled": row["build_disabled"]}
        options.append((_with_marks(label, **marks), path))
    return tuple(options)


def instance_table(
    instances: pd.DataFrame,
    flagged: Mapping[str, Iterable[int]],
    patterns: pd.DataFrame,
    folders: pd.DataFrame,
) -> pd.DataFrame:
    """Return instances with all columns that the form shows.

    Parameters
    ----------
    instances : DataFrame
        As ``instances.find`` returns them.
    flagged : mapping
        For each of `FLAGS` the ids that have it: only the filters tell, not the rows.
    patterns, folders : DataFrame
        Of the project.

    Returns
    -------
    DataFrame
        Indexed by ``id``: ``name``, ``pattern``, ``pattern_id``, ``folder``, ``errors``, a bool column for
        each flag, ``folder_disabled``, ``marks`` (a sentence or ""), ``label`` and ``search_text`` (lower
        case).
    """
    made = fill_names(instances[["name", "pattern_id", "errors"]])
    patterns_by_id, paths = names_by_id(patterns), folders["path"].dropna().to_dict()
    made["pattern"] = _texts(patterns_by_id.get(i, str(i)) for i in instances["pattern_id"])
    made["folder"] = _texts(paths.get(i, "") for i in instances["instance_folder_id"])
    for flag in FLAGS:
        made[flag] = made.index.isin(list(flagged[flag]))
    disabled = folders.index[folders["build_disabled"].fillna(False).astype(bool)]
    made["folder_disabled"] = instances["instance_folder_id"].isin(disabled)
    made["marks"] = _texts(_marks(made))
    words = [" · ".join(each) for each in zip(made["name"], made["pattern"], made["folder"], strict=True)]
    made["search_text"] = _texts(word.lower() for word in words)
    marked = zip(words, made["marks"], strict=True)
    made["label"] = _texts(f"{word}  ⚠ {marks}" if marks else word for word, marks in marked)
    return made.sort_values(["name", "pattern", "folder"], kind="stable")


def _texts(words: Iterable[str]) -> Any:
    """Return a column of text, also if there are no rows from which pandas could infer it."""
    return text_array(list(words))


def _marks(rows: pd.DataFrame) -> list[str]:
    columns = {**FLAGS, "folder_disabled": "in a folder disabled for builds"}
    marks = []
    for row in rows[["errors", *columns]].itertuples(index=False):
        count = 0 if pd.isna(row[0]) else int(row[0])
        errors = [f"{count} validation error{'s' * (count != 1)}"] if count else []
        flags = (words for words, on in zip(columns.values(), row[1:], strict=True) if on)
        marks.append(", ".join([*errors, *flags]))
    return marks


def filter_instances(rows: pd.DataFrame, pattern_id: int | None, folder: str, search: str) -> pd.DataFrame:
    """Return instances of a pattern, in a folder or below it, that contain all words of a search."""
    keep = pd.Series(True, index=rows.index)
    if pattern_id is not None:
        keep &= rows["pattern_id"] == pattern_id
    if folder:
        keep &= (rows["folder"] == folder) | rows["folder"].str.startswith(f"{folder}/")
    for word in search.lower().split():
        keep &= rows["search_text"].str.contains(word, regex=False)
    return rows[keep]


def _with_marks(label: str, **marks: Any) -> str:
    words = [name.replace("_", " ") for name, on in marks.items() if on is not pd.NA and on]
    return f"{label} ({', '.join(words)})" if words else label
