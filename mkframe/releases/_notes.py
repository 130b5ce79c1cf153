"""Release notes: what differs between two releases, who delivered it, and how its builds went."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mkframe._text import single_line
from mkframe.errors import InputError
from mkframe.metrics import wilson
from mkframe.metrics._formatting import count_text, percent_text
from mkframe.releases import _html
from mkframe.releases._diff import Diff
from mkframe.releases._diff_view import side_text
from mkframe.releases._result import Result
from mkframe.releases._rows import text_column

__all__ = ["ReleaseNotes", "initials", "notes"]

_COLUMNS = (
    "pattern",
    "folder",
    "instance",
    "change",
    "added",
    "removed",
    "changed",
    "delivered_by",
    "tickets",
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~-])")
_CHANGES = {"created": "Created", "changed": "Changed", "removed": "Removed"}


class ReleaseNotes(Result):
    """Release notes: a frame of the instances that differ, with sentences about the release.

    Attributes
    ----------
    fields : DataFrame
        The added, removed and changed rows: ``pattern``, ``folder``, ``instance``, ``kind``, ``role``,
        ``name``, ``properties`` (which of them changed) str.
    artifacts : DataFrame or None
        The artifacts that differ, as `mkframe.artifacts.diff` returns them; None if they were not compared.
    """

    _metadata = ["fields", "artifacts"]  # noqa: RUF012 - as pandas has it
    TITLE = "Release notes"
    fields: pd.DataFrame
    artifacts: pd.DataFrame | None

    @property
    def title(self) -> str:
        """Which release it is about."""
        return f"Release notes of {self.attrs['new']['release']}"

    @property
    def markdown(self) -> str:
        """The notes as Markdown; what came from the server is escaped."""
        parts = [f"# {_mark(self.title)}", "", *(f"* {_mark(line)}" for line in self.messages), ""]
        for (pattern, folder), rows in pd.DataFrame(self).groupby(["pattern", "folder"], sort=False):
            parts += [f"## {_mark(pattern)} {_mark(folder)}", ""]
            members: list[Any] = list(rows.itertuples(index=False))
            for row in members:
                parts.append(
                    f"* {_CHANGES[str(row.change)]}: **{_mark(row.instance)}** {_mark(_about(row))}".rstrip()
                )
                parts += [f"    * {_mark(line)}" for line in self._lines(row)]
            parts.append("")
        return "\n".join(parts).rstrip() + "\n"

    def _lines(self, row: Any) -> list[str]:
        """Return a sentence for each field of an instance that differs."""
        is_here = pd.Series(True, index=self.fields.index)
        for name in ("pattern", "folder", "instance"):
            is_here &= (self.fields[name] == getattr(row, name)).fillna(False).astype(bool)
        made = []
        lines: list[Any] = list(self.fields[is_here].itertuples(index=False))
        for line in lines:
            what = f" ({line.properties})" if line.properties else ""
            made.append(f"{line.kind} {single_line(line.role, 80)} {single_line(line.name, 200)}{what}")
        return made

    def _facts(self) -> Sequence[str]:
        counts = self["change"].value_counts()
        new, old = self.attrs["new"], self.attrs["old"]
        parts = [f"{int(counts[key]):,} {key}" for key in _CHANGES if key in counts.index]
        facts = [
            f"{new['release']} after {old['release']}: {count_text(len(self), 'instance')} with changes"
            f"{': ' if parts else ''}{', '.join(parts)}."
        ]
        facts += self.attrs["facts"]
        return [*facts, side_text(old), side_text(new)]

    def _tables(self) -> Mapping[str, pd.DataFrame]:
        more = {} if self.artifacts is None else {"Artifacts": self.artifacts.reset_index(drop=True)}
        return {"Fields": self.fields, **more}

    def _body(self, limit: int | None) -> str:
        first, *others = self.messages
        parts = [f"<p><b>{_html.text(first)}</b></p>", _html.items(others)]
        shown = pd.DataFrame(self).head(limit or len(self))
        for (pattern, folder), rows in shown.groupby(["pattern", "folder"], sort=False):
            inside = [
                f"<li>{_html.text(_CHANGES[str(row.change)])}: <b>{_html.text(row.instance)}</b>"
                f" {_html.text(_about(row))}{_html.items(self._lines(row))}</li>"
                for row in rows.itertuples(index=False)
            ]
            title = f"<b>{_html.text(pattern)}</b> {_html.text(folder)} ({len(rows):,})"
            parts.append(_html.fold(title, f"<ul>{''.join(inside)}</ul>", is_open=True))
        parts.append(_html.left_out(len(self) - len(shown), "instance"))
        if self.artifacts is not None and len(self.artifacts):
            table = self.artifacts[["name", "change", "kind"]]
            parts.append(_html.fold(f"Artifacts that differ ({len(table):,})", _html.table(table)))
        return "".join(parts)


def notes(
    diff: Diff,
    *,
    deliveries: pd.DataFrame | None = None,
    builds: pd.DataFrame | None = None,
    hotfixes: Mapping[str, bool] | None = None,
    tickets: pd.DataFrame | None = None,
    people: bool = False,
    artifacts: pd.DataFrame | None = None,
) -> ReleaseNotes:
    """Make release notes of the difference between two releases.

    Parameters
    ----------
    diff : Diff
        The result of `diff`.
    deliveries : DataFrame, optional
        The deliveries of the new release: ``PATTERN``, ``FOLDER``, ``INSTANCE``, ``USER_NAME``.
    builds : DataFrame, optional
        The builds of the new release.
    hotfixes : mapping of str to bool, optional
        Names of the hotfixes of the old release, and whether the new one has all their changes.
    tickets : DataFrame, optional
        Ticket numbers: ``pattern``, ``folder``, ``instance``, ``ticket``.
    people : bool, default False
        Whether people are named in full; else by initials.
    artifacts : DataFrame, optional
        The artifacts that differ, as `mkframe.artifacts.diff` returns them.

    Returns
    -------
    ReleaseNotes
        One row for each instance with changes: ``pattern``, ``folder``, ``instance``, ``change`` (created,
        changed, removed) str; ``added``, ``removed``, ``changed`` Int64, rows; ``delivered_by`` and
        ``tickets`` str, empty if there are none. `markdown` has the notes as Markdown, `export` as HTML.

    Examples
    --------
    >>> from mkframe.releases.frames import diff as compare
    >>> rows = pd.DataFrame({"@PATTERN": "DV", "@FOLDER": "/RAW", "@INSTANCE": "AIRPLANE",
    ...     "@RELEASE": ["R1", "R2"], "@POS_NO": 1, "@DELETED": 0, "FUNCTIONAL_ROLE": "ATTR",
    ...     "NAME": "SEATS", "DATA_TYPE": ["int", "bigint"]})
    >>> made = notes(compare(rows, old="R1", new="R2"))
    >>> made[["instance", "change", "changed"]].values.tolist()
    [['AIRPLANE', 'changed', 1]]
    """
    if not isinstance(diff, Diff):
        raise InputError(
            "Release notes need the result of a diff.", hint="Give mk.releases.frames.diff(...)."
        )
    summary = diff.summary
    change = summary["state"].map(
        {
            "in both": "changed", "only in new": "created", "deleted in old": "created",
            "only in old": "absent", "deleted in new": "removed", "deleted in new, not in old": "none",
            "deleted in both": "none", "deleted in old, not in new": "none",
        }
    )  # fmt: skip
    differs = (summary[["added", "removed", "changed", "moved"]] > 0).any(axis=1)
    is_shown = change.isin(["created", "removed"]) | ((change == "changed") & differs)
    key = ["pattern", "folder", "instance"]
    table = summary.loc[is_shown, [*key, "added", "removed", "changed"]].reset_index(drop=True)
    table.insert(3, "change", text_column(change[is_shown].to_numpy()))
    by, found = _people(deliveries, people), _tickets(tickets)
    names = list(table[key].astype(object).itertuples(index=False, name=None))
    table["delivered_by"] = text_column([by.get(name, "") for name in names])
    table["tickets"] = text_column([found.get(name, "") for name in names])
    order = table["change"].map({name: place for place, name in enumerate(_CHANGES)})
    table = table.assign(order=order).sort_values(["pattern", "folder", "order", "instance"], kind="stable")
    result = ReleaseNotes(table[list(_COLUMNS)].reset_index(drop=True))
    result.fields, result.artifacts = _fields(diff), artifacts
    result.attrs = {
        **{name: value for name, value in diff.attrs.items() if name not in ("notes", "statements")},
        "facts": _facts(diff, int((change == "absent").sum()), builds, deliveries, hotfixes, artifacts),
        "notes": ["Renamed rows are listed as one removed and one added row."] if len(diff.renames) else [],
    }
    return result


def _facts(
    diff: Diff,
    absent: int,
    builds: pd.DataFrame | None,
    deliveries: pd.DataFrame | None,
    hotfixes: Mapping[str, bool] | None,
    artifacts: pd.DataFrame | None,
) -> list[str]:
    new, old = diff.attrs["new"]["release"], diff.attrs["old"]["release"]
    facts = []
    if absent:
        facts.append(
            f"{count_text(absent, 'instance')} of {old} {'is' if absent == 1 else 'are'} not in {new}: not "
            "added there, which removes nothing."
        )
    if hotfixes is None:
        facts.append("Whether it contains hotfixes was not compared.")
    else:
        whole, part = (
            [name for name, each in hotfixes.items() if each is wanted] for wanted in (True, False)
        )
        word = "hotfix" if len(whole) == 1 else "hotfixes"
        facts.append(f"Contains the {word} {', '.join(whole)}." if whole else "Contains no whole hotfix.")
        facts += [f"Does not contain all changes of {', '.join(part)}."] if part else []
    if builds is None:
        facts.append("Its builds were not read.")
    else:
        failed, finished = (int((builds["status"] == status).sum()) for status in ("FAILED", "FINISHED"))
        n = failed + finished
        rate = ""
        if n:
            low, high = (float(each) for each in wilson(failed, n))
            rate = (
                f", failure rate {percent_text(failed / n)} of n = {n:,} finished or failed builds "
                f"({percent_text(low)} to {percent_text(high)})"
            )
        count = f"{count_text(len(builds), 'build')}, {failed:,} of them failed{rate}."
        facts.append(count if len(builds) else "It has no builds.")
    if deliveries is None:
        facts.append("Its deliveries were not read, so nobody is named.")
    if artifacts is not None:
        differ = count_text(len(artifacts), "artifact member differs", "artifact members differ")
        facts.append(f"{differ} between the last finished builds.")
    return facts


def _fields(diff: Diff) -> pd.DataFrame:
    key = ["pattern", "folder", "instance", "kind", "role", "name"]
    rows = pd.DataFrame(diff)[[*key, "property"]]
    whole = rows["property"].astype(object).where(rows["kind"] == "changed", None)
    grouped = rows.assign(property=whole).groupby(key, dropna=False, sort=False)["property"]
    table = grouped.agg(lambda names: ", ".join(str(name) for name in names.dropna())).reset_index()
    table = table.rename(columns={"property": "properties"})
    return pd.DataFrame({name: text_column(table[name]) for name in [*key, "properties"]})


def _people(deliveries: pd.DataFrame | None, people: bool) -> dict[tuple[Any, ...], str]:
    if deliveries is None or not len(deliveries):
        return {}
    rows = deliveries[["PATTERN", "FOLDER", "INSTANCE", "USER_NAME"]].dropna().drop_duplicates()
    found: dict[tuple[Any, ...], list[str]] = {}
    for pattern, folder, instance, user in rows.astype(object).itertuples(index=False, name=None):
        found.setdefault((pattern, folder, instance), []).append(user if people else initials(user))
    return {key: ", ".join(dict.fromkeys(names)) for key, names in found.items()}


def initials(user: str) -> str:
    """Return the initials of a user name or e-mail address.

    Examples
    --------
    >>> initials("eva.lindqvist@example.com"), initials("ANNA")
    ('EL', 'A')
    """
    words = [word for word in re.split(r"[^\w]+|_", user.partition("@")[0]) if word]
    return "".join(word[0] for word in words).upper() or "?"


def _tickets(tickets: pd.DataFrame | None) -> dict[tuple[Any, ...], str]:
    if tickets is None:
        return {}
    found: dict[tuple[Any, ...], list[str]] = {}
    columns = ["pattern", "folder", "instance", "ticket"]
    for pattern, folder, instance, ticket in tickets[columns].dropna().itertuples(index=False, name=None):
        found.setdefault((pattern, folder, instance), []).append(str(ticket))
    return {key: ", ".join(dict.fromkeys(names)) for key, names in found.items()}


def _about(row: Any) -> str:
    by = f"delivered by {row.delivered_by}" if row.delivered_by else ""
    tickets = f"tickets {row.tickets}" if row.tickets else ""
    text = "; ".join(part for part in (tickets, by) if part)
    return f"({single_line(text)})" if text else ""


def _mark(text: Any) -> str:
    """Escape a text for Markdown, on one line."""
    return _MARKDOWN.sub(r"\\\1", single_line("" if pd.isna(text) else text, 500))
