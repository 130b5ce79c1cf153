"""Checks before a build is started: sentences that block it, and sentences to read first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from mkframe.forms.models.base import join_names, mask
from mkframe.forms.models.options import Group
from mkframe.schema import TERMINAL

__all__ = ["blockers", "notices", "prohibited", "similar_builds"]

_PROHIBITED = {
    "invalid": "invalid",
    "build_disabled": "disabled for builds",
    "folder_disabled": "in a folder that is disabled for builds",
}
_ANYWAY = (
    "The web application does not build that, and what the API does is not documented. Change the choice, or "
    "tick “Start anyway”."
)


def blockers(
    project: str | None,
    chosen: pd.DataFrame,
    missing: Sequence[str],
    restore: bool,
    duplicates: Sequence[str],
    prohibited: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return what must be done before the build can be started.

    `missing` are chosen instances that the chosen releases do not have; `duplicates` are sentences about
    builds that look the same, `prohibited` those about what the web application does not build.
    """
    if project is None:
        return ("Choose a project.",)
    messages = []
    if chosen.empty and not missing:
        messages.append("Choose at least one instance.")
    if missing:
        messages.append(
            f"Not among what the server lists for the chosen releases: {join_names(list(missing))}. "
            "Remove them from the choice, or choose other releases."
        )
    deleted = chosen[chosen["deleted"]] if len(chosen) else chosen
    if len(deleted) and not restore:
        messages.append(f"{_count_are(deleted)} deleted: {_names(deleted)}. Remove them, or tick “Restore”.")
    if prohibited:
        messages += [*prohibited, _ANYWAY]
    return (*messages, *duplicates)


def notices(
    chosen: pd.DataFrame, groups: Sequence[Group], releases: Mapping[str, str], restore: bool
) -> tuple[str, ...]:
    """Return what a person should know before the build is started."""
    return (*_about_instances(chosen, restore), *_about_releases(chosen, groups, releases))


def prohibited(chosen: pd.DataFrame, groups: Sequence[Group], releases: Mapping[str, str]) -> tuple[str, ...]:
    """Return what the web application does not build: instances with errors or disabled, closed releases."""
    messages = []
    with_errors = chosen[chosen["errors"] > 0]
    if len(with_errors):
        counts = zip(_display_names(with_errors), with_errors["errors"], strict=True)
        each = [f"{name} ({count})" for name, count in counts]
        verb = "has" if len(with_errors) == 1 else "have"
        messages.append(f"{_count(with_errors)} {verb} validation errors: {join_names(each)}.")
    for flag, words in _PROHIBITED.items():
        flagged = chosen[chosen[flag]]
        if len(flagged):
            messages.append(f"{_count_are(flagged)} {words}: {_names(flagged)}.")
    for group in groups:
        release = releases.get(group.name)
        if release is not None and release in group.closed:
            messages.append(f"Release {release} of {group.name} is closed.")
    return tuple(messages)


def _about_instances(chosen: pd.DataFrame, restore: bool) -> list[str]:
    messages = []
    checked_out = chosen[chosen["checked_out"]]
    if len(checked_out):
        messages.append(f"{_count_are(checked_out)} checked out by someone: {_names(checked_out)}.")
    deleted = chosen[chosen["deleted"]]
    if len(deleted) and restore:
        messages.append(f"{_count_are(deleted)} deleted and will be restored: {_names(deleted)}.")
    return messages


def _about_releases(chosen: pd.DataFrame, groups: Sequence[Group], releases: Mapping[str, str]) -> list[str]:
    messages, patterns = [], set(chosen["pattern"])
    for group in groups:
        needing = [name for name in group.patterns if name in patterns]
        release = releases.get(group.name)
        if needing and release is None:
            verb = "belongs" if len(needing) == 1 else "belong"
            messages.append(f"No release of {group.name} is chosen, to which {join_names(needing)} {verb}.")
        if release is not None and len(chosen) and not needing:
            messages.append(f"Release {release} is chosen, but no chosen instance needs {group.name}.")
    return messages


def similar_builds(builds: pd.DataFrame, patterns: set[int], count: int, known: set[int]) -> pd.DataFrame:
    """Find builds with the same patterns and as many instances that are running or not known yet."""
    is_recent = ~builds["status"].isin(TERMINAL) | ~builds.index.isin(list(known))
    candidates = builds[is_recent & builds["instances"].fillna(-1).eq(count)]
    return candidates[mask(set(ids or ()) == patterns for ids in candidates["patterns"])]


def _count(rows: pd.DataFrame) -> str:
    return f"{len(rows):,} instance{'s' * (len(rows) != 1)}"


def _count_are(rows: pd.DataFrame) -> str:
    return f"{_count(rows)} {'is' if len(rows) == 1 else 'are'}"


def _names(rows: pd.DataFrame) -> str:
    return join_names(_display_names(rows))


def _display_names(rows: pd.DataFrame) -> list[str]:
    """Return names; those that occur twice come with their pattern."""
    ambiguous = rows["name"].duplicated(keep=False)
    return [
        f"{pattern} {name}" if is_ambiguous else name
        for name, pattern, is_ambiguous in zip(rows["name"], rows["pattern"], ambiguous, strict=True)
    ]
