"""What builds are divided by: patterns, releases, projects, users, pattern sets, or two of them.

A build belongs to the group of each id that it names. A group has the name that any row knows for its id, so
frames of which only some have names can be put together; "(none)" is for builds without an id and a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import TEXT
from mkframe._text import short_repr
from mkframe.errors import InputError
from mkframe.metrics._checks import require_columns
from mkframe.schema import RESOURCES

__all__ = [
    "BY",
    "NAMED",
    "By",
    "Key",
    "build_ids",
    "by_text",
    "check_lists",
    "first_places",
    "keys_of",
    "list_items",
    "memberships",
    "missing_label",
    "pattern_sets",
    "sets_of",
    "streams",
    "streams_of_part",
]

Key: TypeAlias = Literal["pattern", "release", "project", "user", "pattern_set"]
By: TypeAlias = Key | Sequence[Key]
Places: TypeAlias = NDArray[np.intp]

NAMED = {
    "pattern": ("pattern_names", "patterns"),
    "release": ("release_names", "releases"),
    "project": ("project", "project_id"),
    "user": ("user_id",),
}
"""Keys with the columns that hold their groups: names before ids."""
BY = [*NAMED, "pattern_set"]
"""What builds may be divided by; a build has one pattern set and may have many patterns."""
_NO_ID = -2


def keys_of(by: By) -> tuple[str, ...]:
    """Read one key or two.

    Raises
    ------
    InputError
        On an unknown word, none, more than two, or one that is there twice.

    Examples
    --------
    >>> keys_of("pattern"), keys_of(["project", "release"])
    (('pattern',), ('project', 'release'))
    """
    is_several = isinstance(by, Sequence | np.ndarray | pd.Index | pd.Series) and not isinstance(by, str)
    words = tuple(by) if is_several else (by,)
    is_known = all(isinstance(word, str) and word in BY for word in words)
    if not is_known or not 1 <= len(words) <= 2 or len({*words}) < len(words):
        choices = ", ".join(map(repr, BY))
        raise InputError(
            f"by={by!r} is invalid.",
            hint=f'Choose one or two of {choices}, such as by="pattern" or by=("project", "release").',
        )
    return tuple(map(str, words))


def by_text(by: By) -> str:
    """Name the keys in a sentence.

    Examples
    --------
    >>> by_text("pattern_set"), by_text(("project", "release"))
    ('pattern set', 'project and release')
    """
    return " and ".join(word.replace("_", " ") for word in keys_of(by))


def streams(builds: pd.DataFrame, by: By) -> tuple[pd.Index[Any], Places, Places]:
    """List the groups, and for each pair of build and group the row and the place of the group.

    Parameters
    ----------
    builds : DataFrame
        With the columns that `by` needs.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them
        A build with several patterns or releases lies in the group of each. Of two keys there are the
        combinations that builds have.

    Returns
    -------
    names : Index of str, or MultiIndex of two levels
        Named after the keys.
    row, place : ndarray of intp
        Sorted by row.

    Raises
    ------
    InputError
        On an unknown word or a missing column.

    Examples
    --------
    >>> names, row, place = streams(pd.DataFrame({"patterns": [[9, 808], [808]]}), "pattern_set")
    >>> names.tolist(), place.tolist()
    (['808', '9 + 808'], [1, 0])
    >>> builds = pd.DataFrame({"patterns": [[9, 808], [808]], "user_id": [4, 4]})
    >>> streams(builds, ("user", "pattern"))[0].tolist()
    [('4', '9'), ('4', '808')]
    """
    keys = keys_of(by)
    names, row, place = _stream(builds, keys[0])
    if len(keys) == 1:
        return names.rename(keys[0]), row, place
    others, row_of_other, other = _stream(builds, keys[1])
    pairs = pd.DataFrame({"row": row, "place": place}).merge(
        pd.DataFrame({"row": row_of_other, "other": other}), on="row"
    )
    code = pairs["place"].to_numpy("int64") * max(len(others), 1) + pairs["other"].to_numpy("int64")
    used, place = np.unique(code, return_inverse=True)
    first, second = np.divmod(used, max(len(others), 1))
    labels = pd.MultiIndex.from_arrays([names.take(first), others.take(second)], names=[*keys])
    return labels, pairs["row"].to_numpy(np.intp), place


def streams_of_part(builds: pd.DataFrame, by: By, part: NDArray[Any]) -> tuple[pd.Index[Any], Places, Places]:
    """List the groups of some builds as `streams` does, with the names that any of the builds know.

    Parameters
    ----------
    builds : DataFrame
        All builds.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them
    part : array
        Rows that are grouped: ascending positions, or one bool for each row.

    Returns
    -------
    names : Index of str, or MultiIndex of two levels
        Of the groups that have such builds.
    row, place : ndarray of intp
        Rows count within the part.

    Examples
    --------
    >>> builds = pd.DataFrame({"patterns": [[9], [9]], "pattern_names": [["HUB"], None]})
    >>> names, row, place = streams_of_part(builds, "pattern", np.array([1]))
    >>> names.tolist(), row.tolist(), place.tolist()
    (['HUB'], [0], [0])
    """
    names, row, place = streams(builds, by)
    position = np.full(len(builds), -1, dtype=np.intp)
    chosen = np.arange(len(builds))[part]
    position[chosen] = np.arange(len(chosen))
    row, place = position[row], place[position[row] >= 0]
    used, place = np.unique(place, return_inverse=True)
    return names.take(used), row[row >= 0], place


def _stream(builds: pd.DataFrame, key: str) -> tuple[pd.Index[str], Places, Places]:
    if key == "pattern_set":
        names, code = pattern_sets(builds)
        return names, np.arange(len(builds), dtype=np.intp), code
    names, row, place, _ = memberships(builds, key)
    return names, row, place


def memberships(builds: pd.DataFrame, key: str) -> tuple[pd.Index[str], Places, Places, int]:
    """List the groups of builds, and the builds of each group.

    Groups are distinguished by their ids, where the frame has them: two releases of one name are two groups.
    A name counts for all rows with its id. Where an id has different names, such as names that a user has
    set, the names are the groups; a row without a name then has the only name of its id, or the id.

    Parameters
    ----------
    builds : DataFrame
        With one of the columns that `NAMED` lists for the key.
    key : {"pattern", "release", "project", "user"}
        What to group by.

    Returns
    -------
    labels : Index of str
        Label of each group; the last one is for builds without a group, if there are any.
    row, group : ndarray of intp
        One entry per pair of build and group: the position of the build in the frame and of the group in
        `labels`.
    n_known : int
        Number of groups without the one for builds that have none.

    Examples
    --------
    >>> names = [["HUB", "SAT"], None, []]
    >>> builds = pd.DataFrame({"patterns": [[808, 9], [808], []], "pattern_names": names})
    >>> labels, row, group, n_known = memberships(builds, "pattern")
    >>> labels.tolist(), row.tolist(), group.tolist(), n_known
    (['HUB', 'SAT', '(none)'], [0, 0, 1, 2], [0, 1, 0, 2], 2)
    """
    labels, row, group, n_known, kind = _kinds(builds, key)
    size = np.bincount(row, minlength=int(kind.max(initial=-1)) + 1)
    begin = np.cumsum(size) - size
    sizes = size[kind]
    rows = np.repeat(np.arange(len(kind)), sizes)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return labels, rows, group[np.repeat(begin[kind], sizes) + within], n_known


def _kinds(builds: pd.DataFrame, key: str) -> tuple[pd.Index[str], Places, Places, int, Places]:
    """List the groups of builds that differ in their cells: `memberships` of these, and the kind of each row.

    A long history names few different sets of groups, and only these are taken apart.
    """
    columns = [name for name in NAMED[key] if name in builds.columns] or [NAMED[key][-1]]
    require_columns(builds, columns)
    kind = np.zeros(len(builds), dtype=np.intp)
    for column in columns:
        code, n_codes = _cell_codes(builds[column])
        kind = pd.factorize(kind * n_codes + code)[0]
    flat = builds[columns].iloc[first_places(kind)].reset_index(drop=True)
    if RESOURCES["builds"].field(NAMED[key][-1]).type == "ints":
        flat = _explode_lists(flat)
    codes = [_factorize(flat[column]) for column in columns]
    group, labels = _label_groups(*codes) if len(codes) > 1 else codes[0]
    n_known = len(labels)
    labels += [missing_label(labels)] if (group < 0).any() else []
    # one integer per pair of build and group makes them unique: a build that lists a group twice counts once;
    # the remainder turns -1, no group, into the last code
    pairs = np.unique(flat.index.to_numpy("int64") * (n_known + 1) + group % (n_known + 1))
    row, group = np.divmod(pairs, n_known + 1)
    return pd.Index(labels, dtype=TEXT), row, group, n_known, kind


def first_places(code: Places) -> Places:
    """Give the first place of each code; these are all numbers from 0 on.

    Examples
    --------
    >>> first_places(np.array([1, 0, 1])).tolist()
    [1, 0]
    """
    first = np.zeros(int(code.max(initial=-1)) + 1, dtype=np.intp)
    first[code[::-1]] = np.arange(len(code))[::-1]  # of equal places the last one that is written stays
    return first


def _cell_codes(column: pd.Series[Any]) -> tuple[Places, int]:
    """Number the different cells of a column in the order of rows; lists of equal items are equal."""
    if column.dtype != object:
        code, values = pd.factorize(column, use_na_sentinel=False)
        return code, len(values) + 1
    cells = column.tolist()
    try:
        kinds = {*map(type, cells)}
        if kinds == {list}:
            cells = [*map(tuple, cells)]
        elif kinds & {list, np.ndarray}:
            cells = [tuple(cell) if type(cell) in (list, np.ndarray) else cell for cell in cells]
        numbers = {cell: number for number, cell in enumerate(dict.fromkeys(cells))}
        code = np.fromiter(map(numbers.__getitem__, cells), dtype=np.intp, count=len(cells))
    except TypeError:  # a cell that cannot be looked up, such as a list in a list
        return np.arange(len(column)), len(column) + 1
    return code, len(numbers) + 1


def _factorize(values: pd.Series[Any]) -> tuple[Places, list[str]]:
    """Return the code of each value, -1 where it is missing, and the sorted values as text."""
    code, uniques = pd.factorize(values, sort=True)
    return code, [str(value) for value in uniques]


def _explode_lists(columns: pd.DataFrame) -> pd.DataFrame:
    """Make a row of each list item, with its name and its id.

    A row without names keeps its ids, and the other way round. Where both are there and differ in number,
    as in a frame that was exploded by names, the names are kept.
    """
    for name in columns:
        check_lists(columns[name])  # text would be exploded as one item
    try:
        return columns.explode([*columns.columns])
    except ValueError:  # different numbers of names and ids in some rows
        names, ids = (columns[name].map(list_items) for name in columns)
    n_names, n_ids = names.map(len), ids.map(len)
    pairs = {
        columns.columns[0]: names.where(n_names > 0, n_ids.map(lambda n: [None] * n)),
        columns.columns[1]: ids.where(n_ids == n_names, n_names.map(lambda n: [None] * n)).where(
            n_names > 0, ids
        ),
    }
    return pd.DataFrame(pairs).explode([*columns.columns])


def check_lists(column: pd.Series[Any]) -> None:
    """Refuse a column of lists that holds text, as a frame read from CSV does.

    Examples
    --------
    >>> check_lists(pd.Series([[808, 809], []]))
    """
    if str not in set(map(type, column)):
        return
    texts = [cell for cell in column if isinstance(cell, str) and cell[:1] == "[" and cell[-1:] == "]"]
    if texts:
        # pandas writes lists to CSV as Python does, with single quotes around texts
        has_quotes = any(text.startswith("['") or ", '" in text for text in texts)
        reader = "ast.literal_eval" if has_quotes else "json.loads"
        raise InputError(
            f"The column {column.name} holds text, such as {short_repr(texts[0])}, instead of lists.",
            hint=f"Read it with {reader}: frame[{column.name!r}].map({reader}).",
        )


def _label_groups(names: tuple[Places, list[str]], ids: tuple[Places, list[str]]) -> tuple[Places, list[str]]:
    """Match names and ids of all rows: return the group of each row, -1 for none, and the sorted labels."""
    name, texts = names
    id_, id_texts = ids
    # add_names writes the number of an id that has no name: this is no name that others could contradict
    place_of = {text: place for place, text in enumerate(id_texts)}
    own = np.array([*(place_of.get(text, _NO_ID) for text in texts), _NO_ID])
    name = np.where(own[name] == id_, -1, name)
    both = (name >= 0) & (id_ >= 0)
    pairs = np.unique(np.stack([id_[both], name[both]]), axis=1)
    name_of, name_is_sole = _partner(pairs[0], pairs[1], len(id_texts))
    id_of, id_is_sole = _partner(pairs[1], pairs[0], len(texts))
    # groups are numbered: first the ids, then the names
    if name_is_sole[np.unique(pairs[0])].all():
        alone = np.where(id_is_sole, id_of, np.arange(len(texts)) + len(id_texts))
        group = np.where(id_ >= 0, id_, _pick(alone, name))
    else:
        alone = np.where(name_is_sole, name_of + len(id_texts), np.arange(len(id_texts)))
        group = np.where(name >= 0, name + len(id_texts), _pick(alone, id_))
    used = np.unique(group[group >= 0])
    written = [texts[name_of[n]] if name_is_sole[n] else text for n, text in enumerate(id_texts)] + texts
    labels = [written[n] for n in used.tolist()]
    # repeated, since "A (1)" may itself be the name of another group
    while len(counts := Counter(labels)) < len(labels):
        labels = [
            f"{label} ({id_texts[n]})" if counts[label] > 1 and n < len(id_texts) else label
            for label, n in zip(labels, used.tolist(), strict=True)
        ]
    order = sorted(range(len(labels)), key=labels.__getitem__)
    rank = np.full(len(id_texts) + len(texts) + 1, -1, dtype=np.intp)  # code -1 takes the last entry
    rank[used[order]] = np.arange(len(order))
    return rank[group], [labels[n] for n in order]


def _partner(one: Places, other: Places, size: int) -> tuple[Places, NDArray[np.bool_]]:
    """Give for each code of one side a code that goes with it, and whether it is the only one."""
    found = np.zeros(size, dtype=np.intp)
    found[one] = other
    return found, np.bincount(one, minlength=size) == 1


def _pick(values: Places, code: Places) -> Places:
    """Take the values of codes; -1 stays -1."""
    return np.append(values, -1)[code]


def list_items(cell: Any) -> Any:
    """Return the items of a cell: of a list, or one value where a frame was exploded or joined, or none.

    Examples
    --------
    >>> list_items([808, 809]), list_items(808), list_items(None)
    ([808, 809], (808,), ())
    """
    if pd.api.types.is_list_like(cell):
        return cell
    return () if pd.isna(cell) else (cell,)


def missing_label(labels: Iterable[str], label: str = "(none)") -> str:
    """Return a label for builds without a value; more brackets make it differ from all others.

    Examples
    --------
    >>> missing_label(["CORE_DV_HLS"]), missing_label(["(none)"])
    ('(none)', '((none))')
    """
    used = set(labels)
    while label in used:
        label = f"({label})"
    return label


def pattern_sets(builds: pd.DataFrame) -> tuple[pd.Index[str], Places]:
    """Name the pattern sets, and give for each build the place of its own.

    The order of the patterns in a build, and one that is named twice, make no difference.

    Examples
    --------
    >>> names, code = pattern_sets(pd.DataFrame({"patterns": [[9, 808], [808, 9], []]}))
    >>> names.tolist(), code.tolist()
    (['(none)', '9 + 808'], [1, 1, 0])
    """
    return sets_of(builds, "pattern")


def sets_of(builds: pd.DataFrame, key: str) -> tuple[pd.Index[str], Places]:
    """Name the sets of groups that builds are in, and give for each build the place of its own.

    Examples
    --------
    >>> names, code = sets_of(pd.DataFrame({"releases": [[1], [2, 1]]}), "release")
    >>> names.tolist(), code.tolist()
    (['1', '1 + 2'], [0, 1])
    """
    names, row, place, _, kind = _kinds(builds, key)
    begins = np.flatnonzero(np.diff(row, prepend=-1))
    sizes = np.diff(begins, append=len(row))
    code = np.zeros(len(begins), dtype=np.intp)
    for position in range(int(sizes.max(initial=0))):
        has = sizes > position
        member = np.zeros(len(begins), dtype=np.intp)
        member[has] = place[begins[has] + position] + 1
        # numbered anew in every turn, so that the product stays small
        code = pd.factorize(code * (len(names) + 1) + member)[0]
    first = first_places(code)
    labels = [" + ".join(names[place[begins[at] : begins[at] + sizes[at]]]) for at in first]
    order = sorted(range(len(first)), key=labels.__getitem__)
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    return pd.Index([labels[at] for at in order], dtype=TEXT), rank[code][kind]


def build_ids(builds: pd.DataFrame) -> NDArray[np.int64]:
    """Give the ids of builds, which are the index of a frame.

    Raises
    ------
    InputError
        If the index does not hold whole numbers, or the ids still stand in a column.

    Examples
    --------
    >>> build_ids(pd.DataFrame({"status": ["FAILED"]}, index=[5139])).tolist()
    [5139]
    """
    index: pd.Index[Any] = builds.index
    is_whole = pd.api.types.is_integer_dtype(index) and not index.hasnans
    if "id" in builds.columns or not (is_whole or index.empty):
        hint = 'builds.set_index("id") does so.'
        if isinstance(index, pd.MultiIndex):
            hint = (
                "Ask for each account on its own, such as for key, part in builds.groupby(level=0): "
                "part.droplevel(0)."
            )
        elif "id" not in builds.columns:
            hint = 'Where the ids are text: builds.set_axis(builds.index.astype("int64")).'
        raise InputError("The builds are not indexed by their id.", hint=hint)
    return index.to_numpy("int64")
