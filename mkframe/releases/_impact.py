"""What may depend on an instance or a field: candidates by name, across patterns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._clock import is_of_build, stamp_numbers
from mkframe.errors import InputError
from mkframe.metrics._checks import check_columns
from mkframe.metrics._formatting import count_text
from mkframe.releases import _html
from mkframe.releases._result import Result, concat
from mkframe.releases._rows import read_flags, text_column

__all__ = ["Impact", "impact", "roles_by_default"]

_TEXT = "text"
_COLUMNS = {
    "distance": "Int64", "source_pattern": _TEXT, "source_folder": _TEXT, "source_instance": _TEXT,
    "matched": _TEXT, "match": _TEXT, "pattern": _TEXT, "folder": _TEXT, "instance": _TEXT,
    "release": _TEXT, "role": _TEXT, "name": _TEXT, "last_build": "Int64", "last_status": _TEXT,
}  # fmt: skip
_REQUIRED = ("@PATTERN", "@FOLDER", "@INSTANCE", "@RELEASE", "@DELETED", "FUNCTIONAL_ROLE", "NAME")
_MAX_DISTANCE = 10
_KINDS = ("equal", "case", "qualified", "part")
_PART = r"""\s*(?:"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]|([^\s.,;:'"`()\[\]{}<>=+*/|!-]+))\s*"""
_QUALIFIED = re.compile(rf"{_PART}(?:\.{_PART})*")
"""Names with dots between them, each of them plain or in quotes; whatever else may be an expression."""
_PARTS = re.compile(_PART)


class Impact(Result):
    """Candidates of what depends on an instance or a field; matches of names prove nothing."""

    TITLE = "Impact"

    @property
    def title(self) -> str:
        """What is asked for."""
        return f"What may depend on {self.attrs['asked']}"

    def _facts(self) -> Sequence[str]:
        attrs = self.attrs
        instances = self[["pattern", "folder", "instance"]].drop_duplicates()
        return [
            f"{count_text(len(instances), 'candidate')} in {count_text(attrs['instances'], 'instance')} of "
            f"{', '.join(attrs['patterns']) or 'no pattern'}.",
            f"Sources are rows of the roles {', '.join(attrs['source_roles']) or 'none'}; targets are rows "
            f"of the roles {', '.join(attrs['target_roles']) or 'none'}, and the names of instances.",
        ]

    def _body(self, limit: int | None) -> str:
        first, *others = self.messages
        shown = pd.DataFrame(self).head(limit or len(self))
        more = _html.left_out(len(self) - len(shown), "row")
        table = _html.table(shown) if len(shown) else ""
        return f"<p><b>{_html.text(first)}</b></p>{_html.items(others)}{table}{more}"


def roles_by_default(roles: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Return the roles that mean source and target fields: functional ones of the domain FIELD.

    Where no role has that domain, all functional ones are meant. What a role means is a convention of each
    pattern, which the API does not say; a role whose name has SRC and not TGT is a source only, one with TGT
    and not SRC a target only, any other is both.

    Examples
    --------
    >>> roles = pd.DataFrame({"name": ["SRC_FIELD", "BK"], "class": "Functional", "domain": "FIELD"})
    >>> roles_by_default(roles)
    (['SRC_FIELD', 'BK'], ['BK'])
    """
    functional = (roles["class"].astype(object).fillna("").str.lower() == "functional").to_numpy(bool)
    chosen = roles[functional]
    fields = (chosen["domain"].astype(object).fillna("").str.upper() == "FIELD").to_numpy(bool)
    chosen = chosen[fields] if fields.any() else chosen
    names = list(dict.fromkeys(chosen["name"].dropna().astype(str)))
    sources = [name for name in names if "TGT" not in name.upper() or "SRC" in name.upper()]
    targets = [name for name in names if "SRC" not in name.upper() or "TGT" in name.upper()]
    return sources, targets


def impact(
    rows: Sequence[pd.DataFrame],
    *,
    instance: str | None = None,
    field: str | None = None,
    source_roles: Sequence[str],
    target_roles: Sequence[str],
    commits: pd.DataFrame | None = None,
) -> Impact:
    """Find candidates of what depends on an instance or a field, by their names.

    An instance depends on another, as far as names say, if one of its source rows is called like the other
    instance, or like one of its target rows that was asked for. Names are compared without regard to case
    and quotes, and only within a release. Of qualified names such as ``RAW.PLANE`` the last parts are
    compared, as many as both have; an instance may also be an earlier part, as the table of
    ``RAW.PLANE.SEATS``. Names that are merely similar are no candidates.

    Parameters
    ----------
    rows : sequence of DataFrame
        Rows of ``@INSTANCES.<pattern>``, one frame for each pattern.
    instance, field : str
        Exactly one of them: the name of an instance, whose downstream instances are followed, or of a field.
    source_roles, target_roles : sequence of str
        Functional roles whose rows name sources, and whose rows name what an instance provides.
    commits : DataFrame, optional
        The view ``COMMITS``, for the last build of each candidate.

    Returns
    -------
    Impact
        One row for each match: ``distance`` Int64, steps from what was asked for; ``source_pattern``,
        ``source_folder``, ``source_instance``, ``matched`` (the name), ``match`` (how it equals that of the
        row: "equal"; "case", but for upper and lower case; "qualified", but for quotes or qualifiers; "part",
        as an earlier part of a qualified name), ``pattern``, ``folder``,
        ``instance``, ``release``, ``role``, ``name`` str, the candidate and its row; ``last_build`` Int64
        (stamp of its newest build in that release, in milliseconds) and ``last_status`` str.

    Raises
    ------
    InputError
        If not exactly one of instance and field is given, or a column is missing.

    Examples
    --------
    >>> rows = pd.DataFrame({"@PATTERN": "DV", "@FOLDER": "/RAW", "@INSTANCE": ["PLANE", "FLEET"],
    ...     "@RELEASE": "R1", "@DELETED": 0, "FUNCTIONAL_ROLE": "SRC_TABLE", "NAME": ["ERP", "PLANE"]})
    >>> impact([rows], instance="PLANE", source_roles=["SRC_TABLE"], target_roles=[])["instance"].tolist()
    ['FLEET']
    """
    if (instance is None) == (field is None):
        raise InputError("Give an instance or a field, and not both.", hint="Write instance='AIRPLANE'.")
    table = _join(rows)
    is_source = table["FUNCTIONAL_ROLE"].isin(list(source_roles))
    is_target = table["FUNCTIONAL_ROLE"].isin(list(target_roles))
    asked = str(instance if field is None else field)
    if field is None:
        start = table.loc[_is_called(table["@INSTANCE"], asked), _INSTANCE].drop_duplicates()
        start = start.assign(matched=start["@INSTANCE"])
    else:
        start = table.loc[is_target & _is_called(table["NAME"], asked), [*_INSTANCE, "NAME"]]
        start = start.drop_duplicates().rename(columns={"NAME": "matched"})
    found = _follow(table[is_source], start, follow=field is None)
    result = Impact(concat([_last_builds(found, commits)], _COLUMNS))
    result.attrs = {
        "asked": asked,
        "patterns": sorted(set(table["@PATTERN"].dropna())),
        "instances": len(table[_INSTANCE].drop_duplicates()),
        "source_roles": list(source_roles),
        "target_roles": list(target_roles),
        "notes": [
            "Candidates only: names are a convention of the patterns and prove nothing; expressions and "
            "prefixes are not read.",
            *_loose_text(result["match"]),
            *([] if len(start) else [f"Nothing is called {asked}."]),
            *([] if commits is not None else ["Their last builds were not read."]),
        ],
    }
    return result


_INSTANCE = ["@PATTERN", "@FOLDER", "@INSTANCE", "@RELEASE"]


def _join(rows: Sequence[pd.DataFrame]) -> pd.DataFrame:
    parts = []
    for table in rows:
        check_columns(table, _REQUIRED, "metadata rows", "Give what client.instance_rows returns.")
        parts.append(table.loc[~read_flags(table, "@DELETED"), list(_REQUIRED)])
    whole = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_REQUIRED))
    names = {name: whole[name].astype(object) for name in (*_INSTANCE, "FUNCTIONAL_ROLE", "NAME")}
    whole = whole.assign(**names)
    whole["@RELEASE"] = whole["@RELEASE"].fillna("")
    return whole


def _loose_text(match: pd.Series[str]) -> list[str]:
    """Say how many rows match in another way than by an equal name."""
    counts = match.value_counts()
    what = {"case": "but for upper and lower case", "qualified": "but for quotes or qualifiers",
            "part": "with a part of a qualified name"}  # fmt: skip
    found = [f"{int(counts[kind]):,} {text}" for kind, text in what.items() if kind in counts.index]
    return [f"Rows whose names agree only in part: {', '.join(found)}."] if found else []


def _parts(name: Any) -> tuple[str, ...]:
    """Return the parts of a qualified name in upper case, without quotes; any other text is one part.

    Examples
    --------
    >>> _parts('raw."Plane".[SEATS]'), _parts("a.b + c")
    (('RAW', 'PLANE', 'SEATS'), ('A.B + C',))
    """
    if not isinstance(name, str):
        return ()
    if not _QUALIFIED.fullmatch(name):
        return (name.upper(),)
    found = (next(filter(None, groups)) for groups in _PARTS.findall(name))
    return tuple(part.replace('""', '"').upper() for part in found)


def _is_called(names: pd.Series[Any], asked: str) -> NDArray[np.bool_]:
    """Mark the names whose last parts are those of a name, as many as both have."""
    wanted = _parts(asked)
    codes, found = pd.factorize(names)
    both = [(each := _parts(name), min(len(each), len(wanted))) for name in found]
    fits = np.array([each[-size:] == wanted[-size:] for each, size in both] + [False], dtype=bool)
    return fits[codes]  # a missing name has the code -1


def _keys_of(names: pd.Series[Any], *, inside: bool) -> pd.DataFrame:
    """Return the texts by which names are found: `name`, `key`, whether it `is_whole`, and its rank.

    With `inside`, also parts before the last.
    """
    made: list[tuple[Any, tuple[str, ...], bool, int]] = []
    for name in names.dropna().unique():
        parts = _parts(name)
        for start in range(len(parts)):
            made.append((name, parts[start:], start == 0, 0))
            ends = range(start + 1, len(parts)) if inside else ()
            made += [(name, parts[start:end], False, 1) for end in ends]
    columns = ["name", "key", "is_whole", "rank"]
    return pd.DataFrame(made, columns=columns).astype({"is_whole": bool, "rank": "int64"})


def _follow(sources: pd.DataFrame, start: pd.DataFrame, *, follow: bool) -> pd.DataFrame:
    """Walk from instances to those whose source rows have the name, each at its shortest distance."""
    seen = set(start[_INSTANCE].itertuples(index=False, name=None))
    current, parts = start, []
    keys = _keys_of(sources["NAME"], inside=follow)
    for distance in range(1, _MAX_DISTANCE + 1):
        step = _matches(current, sources, keys)
        names = list(step[_INSTANCE].itertuples(index=False, name=None)) if len(step) else []
        step = step[np.array([name not in seen for name in names], dtype=bool)]
        if not len(step):
            break
        parts.append(step.assign(distance=distance))
        seen |= set(step[_INSTANCE].itertuples(index=False, name=None))
        if not follow:
            break
        current = step[_INSTANCE].drop_duplicates().assign(matched=lambda rows: rows["@INSTANCE"])
    columns = {
        "distance": "distance", "@PATTERN_from": "source_pattern", "@FOLDER_from": "source_folder",
        "@INSTANCE_from": "source_instance", "matched": "matched", "match": "match", "@PATTERN": "pattern",
        "@FOLDER": "folder", "@INSTANCE": "instance", "@RELEASE": "release", "FUNCTIONAL_ROLE": "role",
        "NAME": "name",
    }  # fmt: skip
    if not parts:
        return pd.DataFrame(columns=list(columns.values()))
    return pd.concat(parts, ignore_index=True)[list(columns)].rename(columns=columns)


def _matches(current: pd.DataFrame, sources: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """Join instances with the source rows of their release that name them, and say how."""
    pairs = _keys_of(current["matched"], inside=False).merge(keys, on="key", suffixes=("", "_source"))
    pairs = pairs[pairs["is_whole"] | (pairs["is_whole_source"] & (pairs["rank_source"] == 0))]
    pairs = pairs.sort_values("rank_source", kind="stable").drop_duplicates(["name", "name_source"])
    wanted = current.merge(pairs[["name", "name_source", "rank_source"]], left_on="matched", right_on="name")
    step = wanted.merge(
        sources, left_on=["name_source", "@RELEASE"], right_on=["NAME", "@RELEASE"], suffixes=("_from", "")
    )
    same = (step["NAME"] == step["matched"]).to_numpy(bool)
    same_word = (step["NAME"].str.upper() == step["matched"].str.upper()).to_numpy(bool)
    kind = np.where(same, 0, np.where(same_word, 1, 2 + step["rank_source"].to_numpy("int64")))
    return step.assign(match=np.array(_KINDS, dtype=object)[kind])


def _last_builds(found: pd.DataFrame, commits: pd.DataFrame | None) -> pd.DataFrame:
    last: Mapping[tuple[Any, ...], tuple[int, Any]] = {}
    if commits is not None:
        builds = commits.assign(COMMIT_TIMESTAMP=stamp_numbers(commits))[is_of_build(commits)]
        builds = builds.sort_values("COMMIT_TIMESTAMP", kind="stable")
        keys = builds[["PATTERN", "FOLDER", "INSTANCE", "RELEASE"]].astype(object).fillna("")
        ends = zip(builds["COMMIT_TIMESTAMP"], builds["STATUS"], strict=True)
        last = dict(zip(keys.itertuples(index=False, name=None), ends, strict=True))
    names = list(found[["pattern", "folder", "instance", "release"]].itertuples(index=False, name=None))
    pairs: list[tuple[Any, Any]] = [last.get(name, (None, None)) for name in names]
    releases: Any = [name[3] or None for name in names]
    stamps: Any = [pair[0] for pair in pairs]
    return found.assign(
        release=releases,
        last_build=pd.Series(stamps, index=found.index, dtype="Int64"),
        last_status=text_column([pair[1] for pair in pairs]).to_numpy(),
    )
