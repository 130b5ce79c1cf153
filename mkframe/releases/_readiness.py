"""Whether a release can be released: checks that block, warn, pass or could not be made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pandas as pd

from mkframe._text import single_line
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.releases import _html
from mkframe.releases._diff_view import side_text
from mkframe.releases._groups import Release
from mkframe.releases._result import Result
from mkframe.releases._rows import text_column

__all__ = ["BLOCKING", "Facts", "Readiness", "Unknown", "readiness"]

OK, BLOCKS, WARNS, UNKNOWN = "ok", "blocks", "warns", "unknown"
BLOCKING = (
    "release_open", "validation_errors", "checked_out", "unbuilt", "last_build", "build_running",
    "hotfix_missing", "hotfix_conflict",
)  # fmt: skip
"""Checks that may block, besides one for each label."""
_DAY = pd.Timedelta(days=1)
_MOST_NAMED = 250
"""Names in the evidence: a cell of a workbook holds them."""
_MOST_SHOWN = 240
"""Characters of evidence in a view; the details have all of it."""
_ENDED = ("FINISHED", "FAILED")
_KNOWN_STATUSES = ("FINISHED", "FAILED", "CANCELED", "BUILDING")
_WORDS = {OK: "ok", BLOCKS: "BLOCKS", WARNS: "warns", UNKNOWN: "unknown"}


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why something could not be read; the checks that need it are then unknown.

    Parameters
    ----------
    reason, what_to_do : str
        Sentences.
    """

    reason: str
    what_to_do: str = "Find out why, and check again."


Known: TypeAlias = pd.DataFrame | Unknown


@dataclass(frozen=True)
class Facts:
    """What is known of a release; each frame can be `Unknown` instead.

    Attributes
    ----------
    release : Release
        The release.
    now : Timestamp
        The present time, with a zone.
    instances : DataFrame
        Instances of the release that are not deleted, indexed by id: ``pattern``, ``folder``, ``instance``,
        ``errors``; ``invalid``, ``checked_out`` and ``build_disabled`` bool.
    deleted : DataFrame
        Deleted instances of the release: ``pattern``, ``folder``, ``instance``.
    unbuilt : DataFrame
        The result of `unbuilt` for the release. Its attrs may have ``without_commits``, the number of
        instances of the release that no commit is of.
    builds : DataFrame
        The builds of the release in the project, indexed by id.
    hotfixes : DataFrame
        The changes of earlier hotfixes that the release should have, as `carried_forward` returns them,
        with ``of``, the name of the hotfix. Its attrs may have ``hotfixes`` (their names), ``unknown``
        (why something could not be compared) and ``notes``.
    deployments : DataFrame
        The newest finished build of each pattern: ``build_id``, ``pattern``, ``deployed`` bool.
    labels : mapping of str to DataFrame
        For each label that was asked for the instances that have it: ``pattern``, ``folder``, ``instance``,
        ``user``, ``created``.
    pattern_names : mapping of int to str
        Names of patterns by id.
    """

    release: Release
    now: pd.Timestamp
    instances: Known
    deleted: Known
    unbuilt: Known
    builds: Known
    hotfixes: Known
    deployments: Known
    labels: Mapping[str, Known] = field(default_factory=dict)
    pattern_names: Mapping[int, str] = field(default_factory=dict)


class Readiness(Result):
    """Checks of a release; a frame with further tables beside it.

    Attributes
    ----------
    details : dict of str to DataFrame
        For checks that found something, all that they found.
    """

    _metadata = ["details"]  # noqa: RUF012 - as pandas has it
    TITLE = "Readiness"
    details: dict[str, pd.DataFrame]

    @property
    def ready(self) -> bool:
        """Whether every check that may block is ok."""
        return bool(self.attrs["ready"])

    @property
    def title(self) -> str:
        """Which release it is about."""
        return f"Readiness of {self.attrs['release']}"

    @property
    def verdict(self) -> str:
        """The result in a sentence."""
        release, states = self.attrs["release"], self["state"].value_counts()
        blocks, warns = (int(states.get(state, 0)) for state in (BLOCKS, WARNS))
        unknown = int(((self["state"] == UNKNOWN) & self["may_block"]).sum())
        also = f" {count_text(warns, 'warning')}." if warns else ""
        if blocks:
            besides = f", and {count_text(unknown, 'check')} could not be made" if unknown else ""
            return (
                f"{release} is not ready: {count_text(blocks, 'check')} blocks{besides}.".replace(
                    "checks blocks", "checks block"
                )
                + also
            )
        if unknown:
            return (
                f"Whether {release} is ready is unknown: nothing is known to block, but "
                f"{count_text(unknown, 'check')} could not be made.{also}"
            )
        return f"{release} is ready: no check blocks.{also}"

    @property
    def exit_code(self) -> int:
        """Exit code of ``mkframe check release``: 0 ready, 3 blocked, 4 unknown and nothing blocks."""
        if self.ready:
            return 0
        return 3 if (self["state"] == BLOCKS).any() else 4

    def text(self) -> str:
        """Return the checks as lines for a terminal, what blocks first."""
        lines = [single_line(f"{self.attrs['project']}, {self.attrs['group']}: {self.verdict}"), ""]
        columns = ["state", "check", "n", "evidence", "what_to_do"]
        rows: list[Any] = self._by_state()[columns].astype(object).to_numpy().tolist()
        for state, check, n, evidence, what_to_do in rows:
            count = "" if pd.isna(n) else f"{n:,}"
            name = single_line(check.replace("_", " "), 60)
            lines.append(f"{_WORDS[state]:<8} {name:<20} {count:>5}  {single_line(evidence)}")
            if what_to_do:
                lines.append(f"{'':<36} {what_to_do}")
        return "\n".join([*lines, "", *map(single_line, self.messages[1:])]) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Return the result as an object that can be written as JSON."""
        cells = pd.DataFrame(self).astype(object)
        attrs = self.attrs
        return {
            **{name: attrs[name] for name in ("project", "group", "release", "ready")},
            "verdict": self.verdict,
            **attrs["side"],
            "checks": cells.where(cells.notna(), None).to_dict("records"),
            "notes": list(self.messages[1:]),
        }

    def _by_state(self) -> pd.DataFrame:
        order = {BLOCKS: 0, UNKNOWN: 1, WARNS: 2, OK: 3}
        return pd.DataFrame(self).sort_values("state", key=lambda s: s.map(order), kind="stable")

    def _facts(self) -> Sequence[str]:
        facts = [self.verdict, side_text({"release": self.attrs["release"], **self.attrs["side"]})]
        if self.attrs["deleted"]:
            count = count_text(self.attrs["deleted"], "deleted instance counts", "deleted instances count")
            facts.append(f"{count} nowhere.")
        return facts

    def _tables(self) -> Mapping[str, pd.DataFrame]:
        return {name.replace("_", " ")[:31]: table for name, table in self.details.items()}

    def _body(self, limit: int | None) -> str:
        first, *others = self.messages
        style = OK if self.ready else BLOCKS if (self["state"] == BLOCKS).any() else UNKNOWN
        shown = self._by_state()
        evidence = [single_line(text, _MOST_SHOWN) for text in shown["evidence"]]
        shown = shown.assign(check=shown["check"].str.replace("_", " "), evidence=evidence)
        columns = ["check", "state", "n", "evidence", "what_to_do"]
        where = self._where()
        parts = [_html.box(first, style), *map(_html.paragraph, where)]
        parts.append(f'<div class="checks">{_html.table(shown[columns], style="state")}</div>')
        for name, table in self.details.items():
            title = f"{_html.text(name.replace('_', ' '))} ({len(table):,})"
            more = "" if limit is None else _html.left_out(len(table) - limit, "row")
            parts.append(_html.fold(title, _html.table(table.head(limit or len(table))) + more))
        return "".join([*parts, _html.items(each for each in others if each not in where)])


@dataclass(frozen=True)
class _Check:
    """The outcome of one check."""

    name: str
    state: str
    n: int | None
    evidence: str
    what_to_do: str = ""
    details: pd.DataFrame | None = None


def readiness(facts: Facts) -> Readiness:
    """Check whether a release can be released.

    Parameters
    ----------
    facts : Facts
        What is known of the release.

    Returns
    -------
    Readiness
        One row for each check: ``check`` str; ``state`` str ("ok", "blocks", "warns", "unknown"); ``n``
        Int64, how many were found, missing if unknown; ``evidence``, ``what_to_do`` str; ``may_block`` bool.
        ``attrs["ready"]`` and `ready` are True only if every check that may block is ok. What could not be
        read makes a check "unknown", never "ok".
    """
    blocking = [
        _open(facts),
        *(check(facts) for check in (_errors, _checked_out, _unbuilt, _last_build, _running)),
        *(_label(facts, name, rows) for name, rows in facts.labels.items()),
        _hotfix(facts, "hotfix_missing", "missing"),
        _hotfix(facts, "hotfix_conflict", "conflict"),
    ]
    warning = [check(facts) for check in _WARNINGS]
    checks = [*blocking, *warning]
    result = Readiness(
        {
            "check": text_column([check.name for check in checks]),
            "state": text_column([check.state for check in checks]),
            "n": pd.array([check.n for check in checks], dtype="Int64"),
            "evidence": text_column([check.evidence for check in checks]),
            "what_to_do": text_column([check.what_to_do for check in checks]),
            "may_block": [True] * len(blocking) + [False] * len(warning),
        }
    )
    result.details = {
        check.name: check.details for check in checks if check.details is not None and len(check.details)
    }
    deleted = facts.deleted
    result.attrs = {
        "release": facts.release.name,
        "ready": all(check.state == OK for check in blocking),
        "side": {
            "closed": facts.release.closed,
            "read_at": f"{facts.now:%Y-%m-%d %H:%M:%S UTC}",
        },
        "deleted": 0 if isinstance(deleted, Unknown) else len(deleted),
        "hotfixes": None if isinstance(facts.hotfixes, Unknown) else facts.hotfixes.attrs.get("hotfixes", []),
        "notes": [*_base_notes(facts.hotfixes), *([deleted.reason] if isinstance(deleted, Unknown) else [])],
    }
    if not isinstance(deleted, Unknown) and len(deleted):
        result.details["deleted_instances"] = deleted
    return result


def _base_notes(hotfixes: Known) -> list[str]:
    return [] if isinstance(hotfixes, Unknown) else list(hotfixes.attrs.get("notes", ()))


# --- checks that may block ----------------------------------------------------------------------------


def _open(facts: Facts) -> _Check:
    closed = facts.release.closed
    if closed is None:
        return _Check("release_open", UNKNOWN, None, "The server does not say whether it is closed.", _ASK)
    if closed:
        return _Check(
            "release_open", BLOCKS, 1, "The release is closed.",
            "Nothing can be built in a closed release: open it, or check the release that follows it.",
        )  # fmt: skip
    return _Check("release_open", OK, 0, "The release is open.")


_ASK = "Ask somebody who may see it, or look in the web application."


def _errors(facts: Facts) -> _Check:
    def find(rows: pd.DataFrame) -> pd.DataFrame:
        return rows[(rows["errors"].fillna(0) > 0) | rows["invalid"]]

    return _of_instances(
        facts, "validation_errors", find, "errors", "Correct them, commit and build: they cannot be built.",
        BLOCKS,
    )  # fmt: skip


def _checked_out(facts: Facts) -> _Check:
    return _of_instances(
        facts, "checked_out", lambda rows: rows[rows["checked_out"]], "",
        "Commit and check in, or revert; then build what has changed.", BLOCKS,
    )  # fmt: skip


def _unbuilt(facts: Facts) -> _Check:
    rows = facts.unbuilt
    if isinstance(rows, Unknown):
        return _unknown("unbuilt", rows)
    found = pd.DataFrame(rows)
    is_building = (found["state"] == "building").to_numpy(bool)
    found, building = found[~is_building], found[is_building]
    # the check of running builds has those that a build contains which runs
    if not len(found) and len(building) and not _has_running(facts.builds):
        says = f"{_names(building)}: how a build ended since the last commit is not known."
        return _Check("unbuilt", UNKNOWN, None, says, _ASK, building)
    if not len(found):
        return _Check("unbuilt", OK, 0, _none_unbuilt(rows))
    tried = int((found["state"] == "tried").sum())
    also = f" {tried:,} of them: the only builds since failed or were canceled." if tried else ""
    return _Check(
        "unbuilt", BLOCKS, len(found), f"{_names(found)}.{also}",
        "Build them in this release, or take the changes back.", found,
    )  # fmt: skip


def _has_running(builds: Known) -> bool:
    return isinstance(builds, Unknown) or bool((builds["status"] == "BUILDING").any())


def _none_unbuilt(rows: pd.DataFrame) -> str:
    """Say that nothing is unbuilt, and of how many instances the commits say nothing."""
    committed, without = (int(rows.attrs.get(name, 0)) for name in ("instances", "without_commits"))
    says = f"None of {count_text(committed, 'instance')} with commits." if committed else "No commits."
    also = count_text(without, "instance of the release has", "instances of the release have")
    return f"{says} {also} none, not even by a build." if without else says


def _last_build(facts: Facts) -> _Check:
    builds = facts.builds
    if isinstance(builds, Unknown):
        return _unknown("last_build", builds)
    strange = builds[~builds["status"].isin(_KNOWN_STATUSES)]
    completed = _completed(builds)
    if not len(completed):
        if len(strange):
            return _Check("last_build", UNKNOWN, None, f"{_builds(strange)} has no known status.", _ASK)
        return _Check("last_build", OK, 0, "No build of the release has finished or failed.")
    undated = completed[completed["build_start"].isna()]
    if len(undated) and len(set(completed["status"])) > 1:
        says = f"{_builds(undated)} has no start, so which build was the last is not known."
        return _Check("last_build", UNKNOWN, None, says, _ASK)
    last = completed.tail(1)
    if last["status"].iloc[0] == "FAILED":
        return _Check(
            "last_build", BLOCKS, 1, f"{_builds(last)} failed{_error_text(last)}.",
            "Correct the cause and build again.", last[_BUILD_COLUMNS].reset_index(),
        )  # fmt: skip
    later = strange[strange["build_start"] > last["build_start"].iloc[0]]
    if len(later):
        return _Check("last_build", UNKNOWN, None, f"{_builds(later.tail(1))} has no known status.", _ASK)
    return _Check("last_build", OK, 0, f"{_builds(last)} finished.")


_BUILD_COLUMNS = ["status", "build_start", "build_end", "message", "description"]


def _completed(builds: pd.DataFrame) -> pd.DataFrame:
    """Return the builds that have finished or failed, the newest start last."""
    return builds[builds["status"].isin(_ENDED)].sort_values("build_start", kind="stable")


def _error_text(build: pd.DataFrame) -> str:
    message = build["message"].iloc[0]
    return "" if pd.isna(message) or not message else f': "{single_line(message, 120)}"'


def _running(facts: Facts) -> _Check:
    builds = facts.builds
    if isinstance(builds, Unknown):
        return _unknown("build_running", builds)
    running = builds[builds["status"] == "BUILDING"]
    if not len(running):
        return _Check("build_running", OK, 0, "No build of the release is running.")
    return _Check(
        "build_running", BLOCKS, len(running), f"{_builds(running)}.",
        "Wait until it has ended, and check again.", running[_BUILD_COLUMNS].reset_index(),
    )  # fmt: skip


def _label(facts: Facts, name: str, rows: Known) -> _Check:
    check = f"label {name}"
    if isinstance(rows, Unknown):
        return _unknown(check, rows)
    if not len(rows):
        return _Check(check, OK, 0, "No instance of the release has it.")
    created = rows["created"].min()
    oldest = ""
    if not pd.isna(created):
        age = (facts.now.tz_localize(None) - created).total_seconds()
        # the clock of the view may be up to a day off, as far as is known
        oldest = f" The oldest for about {duration_text(max(age, 0) // 3600 * 3600)}."
    return _Check(
        check, BLOCKS, len(rows), f"{_names(rows)}.{oldest}",
        "Do what it asks for and remove it. A label sits on an instance, whatever the release.", rows,
    )  # fmt: skip


def _hotfix(facts: Facts, check: str, fate: str) -> _Check:
    changes = facts.hotfixes
    if isinstance(changes, Unknown):
        return _unknown(check, changes)
    names = changes.attrs.get("hotfixes", ())
    problems = changes.attrs.get("unknown", ())
    found = changes[changes["fate"] == fate]
    if not len(found):
        if problems:
            return _unknown(check, Unknown(" ".join(problems)))
        text = f"None of the changes of {', '.join(names)}." if names else "No earlier release has a hotfix."
        return _Check(check, OK, 0, text)
    each = found.groupby("of", sort=False).size()
    cells = ", ".join(f"{name}: {count_text(int(n), 'cell')}" for name, n in each.items())
    also = f" Not all could be compared: {' '.join(problems)}" if problems else ""
    what = (
        "Merge the hotfix into the release, commit and build."
        if fate == "missing"
        else "Decide for each cell which value is right; merge, commit and build."
    )
    return _Check(check, BLOCKS, len(found), f"{cells}. {_names(found)}.{also}", what, found)


# --- checks that only warn ----------------------------------------------------------------------------


def _deployments(facts: Facts) -> _Check:
    rows = facts.deployments
    if isinstance(rows, Unknown):
        return _unknown("deployment", rows)
    found = rows[~rows["deployed"]]
    if not len(rows):
        return _Check("deployment", OK, 0, "The release has no finished build.")
    if not len(found):
        return _Check("deployment", OK, 0, "The newest finished build of each pattern has a deployment row.")
    named = _first(f"{row.pattern} (build {row.build_id})" for row in found.itertuples())
    return _Check(
        "deployment", WARNS, len(found), f"{named}. Automatic deployments may be missing there.",
        "Look at the page of the build whether its results were deployed.", found,
    )  # fmt: skip


def _past_end(facts: Facts) -> _Check:
    end = facts.release.end
    if end is None:
        return _Check("past_its_end", OK, 0, "The release has no end.")
    if facts.now > end:
        age = facts.now - end
        says = f"Its end was {end:%Y-%m-%d %H:%M} UTC, {duration_text(age.total_seconds())} ago."
        if age < _DAY:
            says += " If that is the midnight with which its last day begins, the day is not over yet."
        return _Check("past_its_end", WARNS, 1, says, "Move its end.")
    return _Check("past_its_end", OK, 0, f"Its end is {end:%Y-%m-%d %H:%M} UTC.")


def _dates(facts: Facts) -> _Check:
    dates = {"start": facts.release.start, "end": facts.release.end}
    missing = [word for word, date in dates.items() if date is None]
    if missing:
        return _Check(
            "dates", WARNS, len(missing), f"It has no {' and no '.join(missing)}.", "Set its dates."
        )
    return _Check("dates", OK, 0, "It has a start and an end.")


def _builds_after_end(facts: Facts) -> _Check:
    builds, end = facts.builds, facts.release.end
    if isinstance(builds, Unknown):
        return _unknown("builds_after_end", builds)
    if end is None:
        return _Check("builds_after_end", OK, 0, "The release has no end.")
    found = builds[builds["build_start"] > end]
    if not len(found):
        return _Check("builds_after_end", OK, 0, "No build began after its end.")
    return _Check(
        "builds_after_end", WARNS, len(found), f"{_builds(found)}.",
        "Check whether they belong to this release.", found[_BUILD_COLUMNS].reset_index(),
    )  # fmt: skip


def _build_disabled(facts: Facts) -> _Check:
    return _of_instances(
        facts, "build_disabled", lambda rows: rows[rows["build_disabled"]], "",
        "Check whether they should be built in this release.", WARNS,
    )  # fmt: skip


def _failed_patterns(facts: Facts) -> _Check:
    """Find patterns whose own newest build failed although a later build of others did not."""
    builds = facts.builds
    if isinstance(builds, Unknown):
        return _unknown("failed_patterns", builds)
    completed = _completed(builds)
    rows = completed[["status", "patterns"]].reset_index(names="build_id").explode("patterns")
    last = rows.drop_duplicates("patterns", keep="last")
    found = last[(last["status"] == "FAILED") & last["patterns"].notna()]
    found = found[~found["build_id"].isin(completed.index[-1:])]  # the check of the last build has that
    if not len(found):
        return _Check("failed_patterns", OK, 0, "No pattern's own last build failed before a later build.")
    names = [facts.pattern_names.get(key, f"pattern {key}") for key in found["patterns"]]
    named = _first(f"{name} in build {key}" for name, key in zip(names, found["build_id"], strict=True))
    return _Check(
        "failed_patterns", WARNS, len(found), f"The last builds of these failed: {named}.",
        "Later builds did not contain them: build them again.", found,
    )  # fmt: skip


def _scope(facts: Facts) -> _Check:
    rows = facts.instances
    if isinstance(rows, Unknown):
        return _unknown("scope", rows)
    if len(rows):
        return _Check("scope", OK, len(rows), f"{count_text(len(rows), 'instance')} in the release.")
    return _Check("scope", WARNS, 0, "No instance is in the release.", "Is it the right project and release?")


_WARNINGS: tuple[Callable[[Facts], _Check], ...] = (
    _deployments, _past_end, _dates, _builds_after_end, _build_disabled, _failed_patterns, _scope,
)  # fmt: skip


# --- shared -------------------------------------------------------------------------------------------


def _of_instances(
    facts: Facts,
    name: str,
    find: Callable[[pd.DataFrame], pd.DataFrame],
    column: str,
    what_to_do: str,
    state: str,
) -> _Check:
    rows = facts.instances
    if isinstance(rows, Unknown):
        return _unknown(name, rows)
    found = find(rows)
    if not len(found):
        text = f"None of {count_text(len(rows), 'instance')}." if len(rows) else "It has no instances."
        return _Check(name, OK, 0, text)
    columns = ["pattern", "folder", "instance", *([column] if column else [])]
    return _Check(name, state, len(found), f"{_names(found)}.", what_to_do, found[columns].reset_index())


def _unknown(name: str, reason: Unknown) -> _Check:
    return _Check(name, UNKNOWN, None, reason.reason, reason.what_to_do)


def _names(rows: pd.DataFrame) -> str:
    """Name instances; several rows of one instance name it once."""
    each = rows[["folder", "instance"]].drop_duplicates()
    return _first(f"{_text(row.folder).rstrip('/')}/{_text(row.instance)}" for row in each.itertuples())


def _builds(rows: pd.DataFrame) -> str:
    return _first(map(str, rows.index), "Build " if len(rows) == 1 else "Builds ")


def _first(names: Any, before: str = "") -> str:
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMED:,} more" if len(listed) > _MOST_NAMED else ""
    return f"{before}{', '.join(single_line(name, 120) for name in listed[:_MOST_NAMED])}{more}"


def _text(cell: Any) -> str:
    return "" if pd.isna(cell) else str(cell)
