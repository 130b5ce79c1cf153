"""Whether the changes of a hotfix are in later releases: base, hotfix and next release, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe.errors import InputError
from mkframe.metrics._formatting import count_text
from mkframe.releases import _html
from mkframe.releases._diff_view import side_text
from mkframe.releases._result import Result, concat
from mkframe.releases._rows import Aligned, Bools, CellKeys, Ints, align, text_column

__all__ = ["FATES", "Carried", "approximation", "carried_forward"]

FATES = ("missing", "conflict", "not added there", "carried")
"""What became of a change of a hotfix in another release, the ones to look at first."""
_TEXT = "text"
_COLUMNS = {
    "into": _TEXT, "fate": _TEXT, "pattern": _TEXT, "folder": _TEXT, "instance": _TEXT, "role": _TEXT,
    "name": _TEXT, "kind": _TEXT, "property": _TEXT, "base": "object", "hotfix": "object", "next": "object",
    "occurrence": "Int64",
}  # fmt: skip
_INSTANCE_COLUMNS = dict.fromkeys(("into", "pattern", "folder", "instance", "state"), _TEXT)
_SHOWN = ["fate", "instance", "role", "name", "kind", "property", "base", "hotfix", "next"]
_MOST_OPEN = 20
"""Cells that are shown without opening their part of a page."""
_BASE, _FIX, _NEXT = range(3)
NOTES = (
    "Changes of the order of rows are not compared.",
    "An instance without any row in a release looks as if it were not in that release.",
)


class Carried(Result):
    """What became of the changes of a hotfix; a frame with further tables beside it.

    Attributes
    ----------
    summary : DataFrame
        One row for each release that was looked at: ``into`` str, then the number of cells of each fate.
    instances : DataFrame
        Instances of the hotfix that a release has only as deleted: ``into``, ``pattern``, ``folder``,
        ``instance``, ``state`` str. Their changes are not in the frame.
    """

    _metadata = ["summary", "instances"]  # noqa: RUF012 - as pandas has it
    TITLE = "Hotfix"
    summary: pd.DataFrame
    instances: pd.DataFrame

    @property
    def title(self) -> str:
        """Which hotfix it is about."""
        return f"Hotfix {self.attrs['hotfix']['release']} carried forward"

    def _facts(self) -> Sequence[str]:
        attrs = self.attrs
        fix, base = attrs["hotfix"]["release"], attrs["base"]["release"]
        facts = [_fate_text(row, fix) for row in self.summary.to_dict("records")]
        if not facts:
            facts = [f"No release follows {base}, so nothing has to be carried forward from {fix}."]
        if len(self.instances):
            number = len(self.instances.drop_duplicates(["pattern", "folder", "instance"]))
            deleted = count_text(number, "instance is", "instances are")
            facts.append(f"{deleted} deleted in a later release; what {fix} changed there is not counted.")
        facts.append(approximation(base, attrs["base"].get("closed")))
        return [*facts, *map(side_text, (attrs["hotfix"], *attrs.get("into", ())))]

    def _tables(self) -> Mapping[str, pd.DataFrame]:
        return {"Releases": self.summary, "Deleted instances": self.instances}

    def _body(self, limit: int | None) -> str:
        first, *others = self.messages
        parts = [f"<p><b>{_html.text(first)}</b></p>", _html.items(others)]
        frame = pd.DataFrame(self)
        groups = {(str(into), str(fate)): cells for (into, fate), cells in frame.groupby(["into", "fate"])}
        for into, fate in [(into, fate) for into in self.summary["into"] for fate in FATES]:
            if (cells := groups.get((into, fate))) is None:
                continue
            shown = cells if limit is None else cells.head(5 * limit)
            rest = _html.left_out(len(cells) - len(shown), "cell")
            title = f"<b>{_html.text(into)}</b> {_html.text(fate)} ({count_text(len(cells), 'cell')})"
            body = _html.table(shown[_SHOWN]) + rest
            parts.append(_html.fold(title, body, is_open=fate != "carried" and len(cells) <= _MOST_OPEN))
        if len(self.instances):
            title = f"Deleted instances ({len(self.instances):,})"
            parts.append(_html.fold(title, _html.table(self.instances)))
        return "".join(parts)


def carried_forward(
    rows: pd.DataFrame | Iterable[pd.DataFrame], *, base: str, hotfix: str, into: str | Sequence[str]
) -> Carried:
    """Find what became of each change of a hotfix in later releases.

    A change is a cell that differs between base and hotfix. It is carried if the next release has the
    hotfix's value, missing if it has the base's, and in conflict if it has a third one, or lacks the row
    that the hotfix changed.

    Parameters
    ----------
    rows : DataFrame or iterable of DataFrame
        Rows of ``@INSTANCES.<pattern>`` of all these releases, one frame for each pattern.
    base : str
        Name of the release that was fixed. Its present state stands for the common ancestor, which the meta
        database does not show; that is exact only while the release is closed.
    hotfix : str
        Name of the hotfix.
    into : str or sequence of str
        Names of the releases that should have the changes.

    Returns
    -------
    Carried
        One row for each change and release: ``into``, ``fate`` (missing, conflict, not added there, carried),
        ``pattern``, ``folder``, ``instance``, ``role``, ``name``, ``kind`` (what the hotfix did: added,
        removed, changed), ``property`` str; ``base``, ``hotfix`` and ``next`` object; ``occurrence`` Int64.
        "not added there" are changes of instances that the next release does not have. A row that the hotfix
        added or removed has a line for each property with a value. An instance that the hotfix deleted has
        one line without role and name.

    Raises
    ------
    InputError
        If a column is missing, or a release is named twice.

    Examples
    --------
    >>> rows = pd.DataFrame({"@PATTERN": "DV", "@FOLDER": "/RAW", "@INSTANCE": "AIRPLANE",
    ...     "@RELEASE": ["R1", "R1.HF1", "R2"], "@POS_NO": 1, "@DELETED": 0, "FUNCTIONAL_ROLE": "ATTR",
    ...     "NAME": "SEATS", "DATA_TYPE": ["int", "bigint", "int"]})
    >>> carried_forward(rows, base="R1", hotfix="R1.HF1", into="R2")["fate"].tolist()
    ['missing']
    """
    targets = [into] if isinstance(into, str) else list(into)
    if len({base, hotfix, *targets}) < 2 + len(targets):
        raise InputError(
            f"Of {base}, {hotfix} and {', '.join(targets)}, one is named twice.",
            hint="Name different releases.",
        )
    frames = [rows] if isinstance(rows, pd.DataFrame) else list(rows)
    parts = [(_compare(align(each, [base, hotfix, target])), target) for target in targets for each in frames]
    result = Carried(concat([part[0].assign(into=target) for part, target in parts], _COLUMNS))
    result.instances = concat([part[1].assign(into=target) for part, target in parts], _INSTANCE_COLUMNS)
    result.summary = _summarize(result, targets)
    result.attrs = {
        "base": {"release": base},
        "hotfix": {"release": hotfix},
        "into": [{"release": target} for target in targets],
        "approximate": True,
        "notes": list(NOTES),
    }
    return result


def _compare(data: Aligned) -> tuple[pd.DataFrame, pd.DataFrame]:
    has_fix = data.count[:, _FIX] > 0
    deleted_next = data.deleted[:, _NEXT]
    lines = np.flatnonzero((has_fix & ~deleted_next)[data.instance]).astype("int64")
    in_base, in_fix = data.row_at[lines, _BASE] >= 0, data.row_at[lines, _FIX] >= 0
    parts = {
        "changed": data.changed_cells(lines[in_base & in_fix], _BASE, _FIX),
        "added": data.value_cells(lines[~in_base & in_fix], _FIX),
        "removed": data.value_cells(lines[in_base & ~in_fix], _BASE),
    }
    cells: CellKeys = tuple(np.concatenate([each[n] for each in parts.values()]) for n in (0, 1))  # type: ignore[assignment]
    kind = np.repeat(np.array(list(parts), dtype=object), [len(each[0]) for each in parts.values()])
    fate = _fates(data, cells, kind)
    order = data.reading_order(cells[0], (_NEXT, _BASE, _FIX), cells[1])
    order = order[np.argsort([FATES.index(each) for each in fate[order]], kind="stable")]
    cells, kind, fate = (cells[0][order], cells[1][order]), kind[order], fate[order]
    table = pd.DataFrame(
        {
            **data.row_columns(cells[0]),
            "kind": text_column(kind),
            "property": data.cell_properties(cells),
            "base": data.cell_values(cells, _BASE),
            "hotfix": data.cell_values(cells, _FIX),
            "next": data.cell_values(cells, _NEXT),
            "fate": text_column(fate),
            "occurrence": data.occurrence[cells[0]],
        }
    )
    has_change = np.zeros(len(data.instances), dtype=bool)
    has_change[data.instance[_changed_lines(data, has_fix & deleted_next)]] = True
    return concat([_deleted_instances(data), table], _PART), _apart(data, np.flatnonzero(has_change))


_PART = {name: dtype for name, dtype in _COLUMNS.items() if name != "into"}


def _changed_lines(data: Aligned, instances: Bools) -> Ints:
    """Return lines of instances that the hotfix changed in any way."""
    lines = np.flatnonzero(instances[data.instance]).astype("int64")
    in_base, in_fix = data.row_at[lines, _BASE] >= 0, data.row_at[lines, _FIX] >= 0
    return np.concatenate(
        [data.changed_cells(lines[in_base & in_fix], _BASE, _FIX)[0], lines[in_base != in_fix]]
    )


def _fates(data: Aligned, cells: CellKeys, kind: NDArray[np.object_]) -> NDArray[np.object_]:
    lines = cells[0]
    fix, base, following = (data.cell_codes(cells, release) for release in (_FIX, _BASE, _NEXT))
    has_row = data.row_at[lines, _NEXT] >= 0
    same_as_fix, same_as_base = following == fix, following == base
    # a row that the base lacks has no values there, which a next release may have filled or not
    same_as_base |= (kind == "added") & (~has_row | (following == -1))
    row_changed = np.isin(lines, data.changed_cells(_in_both(data, lines), _BASE, _NEXT)[0])
    removed = kind == "removed"
    same_as_fix = np.where(removed, ~has_row, same_as_fix & has_row)
    same_as_base = np.where(removed, has_row & ~row_changed, same_as_base)
    fate = np.select(
        [data.count[data.instance[lines], _NEXT] == 0, same_as_fix, same_as_base],
        ["not added there", "carried", "missing"],
        "conflict",
    )
    return fate.astype(object)


def _in_both(data: Aligned, lines: Ints) -> Ints:
    unique: Ints = np.unique(lines)
    found: Ints = unique[(data.row_at[unique, _BASE] >= 0) & (data.row_at[unique, _NEXT] >= 0)]
    return found


def _deleted_instances(data: Aligned) -> pd.DataFrame:
    """Return a line for each instance that the hotfix deleted and the next release still has."""
    gone = np.flatnonzero((data.count[:, _BASE] > 0) & data.deleted[:, _FIX] & (data.count[:, _NEXT] > 0))
    changed = np.zeros(len(data.instances), dtype=bool)
    lines = np.flatnonzero(np.isin(data.instance, gone)).astype("int64")
    in_base, in_next = data.row_at[lines, _BASE] >= 0, data.row_at[lines, _NEXT] >= 0
    changed[data.instance[data.changed_cells(lines[in_base & in_next], _BASE, _NEXT)[0]]] = True
    changed[data.instance[lines[in_base != in_next]]] = True
    fate = np.where(changed[gone], "conflict", "missing")
    table = pd.DataFrame(data.instance_columns(gone)).assign(kind="removed", fate=fate)
    return table.reindex(columns=list(_PART)).assign(base=None, hotfix=None, next=None)


def _apart(data: Aligned, instances: Ints) -> pd.DataFrame:
    return pd.DataFrame(data.instance_columns(instances)).assign(state="deleted there")


def _summarize(frame: pd.DataFrame, targets: Sequence[str]) -> pd.DataFrame:
    counts = pd.crosstab(frame["into"].astype(object), frame["fate"].astype(object))
    counts = counts.reindex(index=list(targets), columns=list(FATES), fill_value=0).astype("int64")
    table = counts.reset_index(names="into")
    table.columns.name = None
    return table.assign(into=text_column(table["into"]))


def _fate_text(row: Mapping[Any, Any], fix: str) -> str:
    counts = {fate: row[fate] for fate in FATES if row[fate]}
    if not counts:
        return f"{row['into']}: {fix} changes nothing that could be carried forward."
    parts = ", ".join(f"{number:,} {fate}" for fate, number in counts.items())
    return f"{row['into']}: of {count_text(sum(counts.values()), 'changed cell')} of {fix}, {parts}."


def approximation(base: str, closed: bool | None) -> str:
    """Say what the base stands for, and when that is exact."""
    if closed:
        return (
            f"The present state of {base} stands for the common ancestor; {base} is closed, so that is exact "
            "unless it was reopened since the hotfix began."
        )
    return (
        f"The present state of {base} stands for the common ancestor, which the meta database does not "
        f"show: it is exact only if {base} has not been changed since the hotfix began."
    )
