"""What speaks against a build: sentences that block it, and sentences to read before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from mkframe.forms.models.base import listed
from mkframe.forms.models.options import Group
from mkframe.schema import TERMINAL

__all__ = ["similar_builds", "blockers", "notices"]

_SAID = {
    "invalid": "invalid",
    "checked_out": "checked out by someone",
    "build_disabled": "disabled for builds",
    "folder_disabled": "in a folder that is disabled for builds",
}


def blockers(
    project: str | None, chosen: pd.DataFrame, lost: Sequence[str], restore: bool, twins: Sequence[str]
) -> tuple[str, ...]:
    """Say what must be done before the build can be started."""
    if project is None:
        return ("Choose a project.",)
    said = []
    if chosen.empty and not lost:
        said.append("Choose at least one instance.")
    if lost:
        said.append(
            f"Not among what the server lists for the chosen releases: {listed(list(lost))}. "
            "Remove them from the choice, or choose other releases."
        )
    deleted = chosen[chosen["deleted"]] if len(chosen) else chosen
    if len(deleted) and not restore:
        said.append(f"{_count(deleted)} deleted: {_names(deleted)}. Remove them, or tick “Restore”.")
    return (*said, *twins)


def notices(
    chosen: pd.DataFrame, groups: Sequence[Group], releases: Mapping[str, str], restore: bool
) -> tuple[str, ...]:
    """Say what should be known before the build is started."""
    return (*_about_instances(chosen, restore), *_about_releases(chosen, groups, releases))


def _about_instances(chosen: pd.DataFrame, restore: bool) -> list[str]:
    said = []
    faulty = chosen[chosen["errors"] > 0]
    if len(faulty):
        each = [f"{name} ({n})" for name, n in zip(_told(faulty), faulty["errors"], strict=True)]
        verb = "has" if len(faulty) == 1 else "have"
        said.append(f"{_many(faulty)} {verb} validation errors: {listed(each)}.")
    for flag, words in _SAID.items():
        flagged = chosen[chosen[flag]]
        if len(flagged):
            said.append(f"{_count(flagged)} {words}: {_names(flagged)}.")
    deleted = chosen[chosen["deleted"]]
    if len(deleted) and restore:
        said.append(f"{_count(deleted)} deleted and will be restored: {_names(deleted)}.")
    return said


def _about_releases(chosen: pd.DataFrame, groups: Sequence[Group], releases: Mapping[str, str]) -> list[str]:
    said, patterns = [], set(chosen["pattern"])
    for group in groups:
        needing = [name for name in group.patterns if name in patterns]
        release = releases.get(group.name)
        if needing and release is None:
            verb = "belongs" if len(needing) == 1 else "belong"
            said.append(f"No release of {group.name} is chosen, to which {listed(needing)} {verb}.")
        if release is not None and release in group.closed:
            said.append(f"Release {release} of {group.name} is closed.")
        if release is not None and len(chosen) and not needing:
            said.append(f"Release {release} is chosen, but no chosen instance needs {group.name}.")
    return said


def similar_builds(builds: pd.DataFrame, patterns: set[int], count: int, known: set[int]) -> pd.DataFrame:
    """Builds that run, or began unseen, with the same patterns and as many instances."""
    fresh = ~builds["status"].isin(TERMINAL) | ~builds.index.isin(list(known))
    same = builds["instances"].fillna(-1).eq(count)
    twins = builds[fresh & same]
    return twins[[set(ids or ()) == patterns for ids in twins["patterns"]]]


def _many(rows: pd.DataFrame) -> str:
    return f"{len(rows):,} instance{'s' * (len(rows) != 1)}"


def _count(rows: pd.DataFrame) -> str:
    return f"{_many(rows)} {'is' if len(rows) == 1 else 'are'}"


def _names(rows: pd.DataFrame) -> str:
    return listed(_told(rows))


def _told(rows: pd.DataFrame) -> list[str]:
    """Names; with the pattern where the name alone does not tell."""
    twice = rows["name"].duplicated(keep=False)
    return [
        f"{pattern} {name}" if more else name
        for name, pattern, more in zip(rows["name"], rows["pattern"], twice, strict=True)
    ]
