"""The difference between two releases, on frames."""

import html
import random
from collections import defaultdict

import pandas as pd
import pytest

from mkframe.errors import InputError
from mkframe.releases.frames import diff
from tests.support.metadata_rows import lines, metadata_rows

CELLS = ("instance", "role", "name", "kind", "property", "old", "new")


def changes(old, new, *columns):
    rows = metadata_rows(("/RAW/PLANE", "R1", old), ("/RAW/PLANE", "R2", new))
    return lines(diff(rows, old="R1", new="R2"), *(columns or ("name", "kind", "property", "old", "new")))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (["ATTR SEATS int 10"], ["ATTR SEATS int 12"], [("SEATS", "changed", "PRECISION", 10, 12)]),
        (["ATTR SEATS - 10"], ["ATTR SEATS '' 10"], []),
        (["ATTR SEATS '' 10"], ["ATTR SEATS int 10"], [("SEATS", "changed", "DATA_TYPE", None, "int")]),
        (["ATTR SEATS int 10"], ["ATTR SEATS '' 10"], [("SEATS", "changed", "DATA_TYPE", "int", None)]),
        (
            ["ATTR SEATS int 1"],
            ["ATTR SEATS text 2"],
            [("SEATS", "changed", "DATA_TYPE", "int", "text"), ("SEATS", "changed", "PRECISION", 1, 2)],
        ),
        (["KEY ID int"], ["KEY ID int", "ATTR ID int"], [("ID", "added", "DATA_TYPE", None, "int")]),
        (["KEY ID int", "ATTR N"], ["KEY ID int"], [("N", "removed", None, None, None)]),
    ],
    ids=["number", "empty-is-null", "from-empty", "to-empty", "two-cells", "role-is-in-key", "no-values"],
)
def test_diff_of_one_row_gives_its_cells(old, new, expected):
    assert changes(old, new) == expected


@pytest.mark.parametrize("write", [str, float, bool, lambda flag: str(bool(flag))])
def test_deleted_rows_are_left_out_however_they_are_marked(write):
    rows = metadata_rows(
        ("/RAW/PLANE", "R1", ["ATTR N", "ATTR M"]), ("/RAW/PLANE", "R2", ["ATTR N", "ATTR M"])
    )
    marks = pd.Series([0, 0, 0, 1])
    expected = lines(diff(rows.assign(**{"@DELETED": marks}), old="R1", new="R2"), "name", "kind")
    odd = rows.assign(**{"@DELETED": pd.Series([write(int(mark)) for mark in marks], dtype=object)})
    assert lines(diff(odd, old="R1", new="R2"), "name", "kind") == expected == [("M", "removed")]


def test_deleted_that_is_no_flag_is_refused():
    rows = metadata_rows(("/RAW/PLANE", "R1", ["ATTR N"]), ("/RAW/PLANE", "R2", ["ATTR N"]))
    with pytest.raises(InputError, match="@DELETED is 'no' in a row"):
        diff(rows.assign(**{"@DELETED": "no"}), old="R1", new="R2")


def test_diff_of_duplicates_compares_them_in_order():
    rows = metadata_rows(
        ("/RAW/PLANE", "R1", ["ATTR N int 1", "ATTR N int 2"]),
        ("/RAW/PLANE", "R2", ["ATTR N int 1", "ATTR N int 3", "ATTR N int 4"]),
    )
    result = diff(rows, old="R1", new="R2")
    assert lines(result, "kind", "property", "old", "new", "occurrence") == [
        ("changed", "PRECISION", 2, 3, 2),
        ("added", "DATA_TYPE", None, "int", 3),
        ("added", "PRECISION", None, 4, 3),
    ]
    assert lines(result.duplicates, "name", "old_rows", "new_rows") == [("N", 2, 3)]


def test_diff_of_an_insert_shifts_no_row():
    old, new = ["ATTR A int", "ATTR B int"], ["ATTR NEW int", "ATTR A int", "ATTR B int"]
    rows = metadata_rows(("/RAW/PLANE", "R1", old), ("/RAW/PLANE", "R2", new))
    result = diff(rows, old="R1", new="R2")
    assert lines(result, "name", "kind", "old_pos", "new_pos") == [("NEW", "added", None, 1)]
    assert result.order.empty


def test_diff_of_a_moved_row_names_it_apart():
    old = ["ATTR A int", "ATTR B int", "ATTR C int", "ATTR GONE int"]
    new = ["ATTR NEW text", "ATTR C int", "ATTR A int", "ATTR B int"]
    rows = metadata_rows(("/RAW/PLANE", "R1", old), ("/RAW/PLANE", "R2", new))
    result = diff(rows, old="R1", new="R2")
    assert lines(result.order, "name", "old_pos", "new_pos") == [("C", 3, 2)]
    assert {name for name, _ in lines(result, "name", "kind")} == {"NEW", "GONE"}
    assert lines(result.summary, "added", "removed", "changed", "moved") == [(1, 1, 0, 1)]


def test_diff_of_order_only_has_no_cells():
    rows = metadata_rows(("/RAW/P", "R1", ["A X", "A Y"]), ("/RAW/P", "R2", ["A Y", "A X"]))
    result = diff(rows, old="R1", new="R2")
    assert len(result) == 0
    assert lines(result.summary, "instance", "moved") == [("P", 1)]
    assert result.attrs["unchanged"] == 0


@pytest.mark.parametrize(
    ("old", "new", "pairs"),
    [
        (["A X int 1", "A OLD int 2"], ["A X int 1", "A NEW int 2"], [("OLD", "NEW")]),
        (["A X int 1", "A OLD int 2"], ["A INSERTED int", "A X int 1", "A NEW int 2"], [("OLD", "NEW")]),
        (["A X int 1", "A OLD int 2"], ["A X int 1", "A NEW int 3"], []),
        (["A X int 1", "A OLD int 2"], ["A NEW int 2", "A X int 1"], []),
        (["A X int 1", "A OLD int 2"], ["A X int 1", "B NEW int 2"], []),
        (["A P int", "A Q text"], ["A R int", "A S text"], [("P", "R"), ("Q", "S")]),
    ],
    ids=["same", "shifted", "other-value", "other-place", "other-role", "two"],
)
def test_renames_are_candidates_beside_the_diff(old, new, pairs):
    rows = metadata_rows(("/RAW/PLANE", "R1", old), ("/RAW/PLANE", "R2", new))
    result = diff(rows, old="R1", new="R2")
    assert lines(result.renames, "old_name", "new_name") == pairs
    for before, after in pairs:
        kinds = lines(result, "name", "kind")
        assert (before, "removed") in kinds
        assert (after, "added") in kinds


def test_instances_of_one_release_and_deleted_ones_are_apart():
    rows = metadata_rows(
        ("/RAW/OLD", "R1", ["A X int"]),
        ("/RAW/NEW", "R2", ["A X int"]),
        ("/RAW/GONE", "R1", ["A X int"]),
        ("/RAW/GONE", "(R2)", ["A X text"]),
        ("/RAW/BACK", "(R1)", ["A X int"]),
        ("/RAW/BACK", "R1", ["A X int"]),
        ("/RAW/BACK", "R2", ["A X text"]),
        ("/RAW/DEAD", "(R1)", ["A X int"]),
        ("/RAW/DEAD", "(R2)", ["A X int"]),
        ("/OTHER/BACK", "R1", ["A X int"]),
    )
    result = diff(rows, old="R1", new="R2")
    assert lines(result, *CELLS) == [("BACK", "A", "X", "changed", "DATA_TYPE", "int", "text")]
    assert lines(result.instances, "folder", "instance", "state") == [
        ("/OTHER", "BACK", "only in old"),
        ("/RAW", "DEAD", "deleted in both"),
        ("/RAW", "GONE", "deleted in new"),
        ("/RAW", "NEW", "only in new"),
        ("/RAW", "OLD", "only in old"),
    ]


def test_diff_of_several_patterns_has_the_properties_of_each():
    first = metadata_rows(("/RAW/P", "R1", ["A X int"]), ("/RAW/P", "R2", ["A X text"]))
    second = metadata_rows(("/RAW/P", "R1", ["A X int"]), ("/RAW/P", "R2", ["A X int"]), pattern="MART")
    second = second.assign(EXPRESSION=["1", "2"])
    result = diff([first, second], old="R1", new="R2")
    assert lines(result, "pattern", "property", "new") == [
        ("DV", "DATA_TYPE", "text"),
        ("MART", "EXPRESSION", "2"),
    ]
    with pytest.raises(InputError, match="several patterns"):
        diff(pd.concat([first, second]), old="R1", new="R2")


def test_diff_of_numbers_ignores_their_type():
    rows = metadata_rows(("/RAW/P", "R1", ["A X int"]), ("/RAW/P", "R2", ["A X int"]))
    assert len(diff(rows.assign(N=pd.Series([1, 1.0], dtype=object)), old="R1", new="R2")) == 0
    assert len(diff(rows.assign(N=pd.Series([[1], [2]], dtype=object)), old="R1", new="R2")) == 1


def test_diff_without_rows_keeps_columns_and_types():
    some = metadata_rows(("/RAW/P", "R1", ["A X int"]), ("/RAW/P", "R2", ["A X text", "A Y"]))
    full, none = diff(some, old="R1", new="R2"), diff(some.iloc[:0], old="R1", new="R2")
    assert none.dtypes.to_dict() == full.dtypes.to_dict()
    assert none.summary.dtypes.to_dict() == full.summary.dtypes.to_dict()
    assert "no instance is in both releases" in none.messages[0]


@pytest.mark.parametrize("column", ["@RELEASE", "NAME"])
def test_diff_of_other_frames_is_refused(column):
    with pytest.raises(InputError, match=column):
        diff(metadata_rows(("/RAW/P", "R1", ["A X"])).drop(columns=column), old="R1", new="R2")
    with pytest.raises(InputError, match="Both releases"):
        diff(metadata_rows(), old="R1", new="R1")


# --- against a plain program --------------------------------------------------------------------------


def random_rows(rng, instances):
    """Make rows of two releases with nulls, duplicates, moves, deletions and instances of one release."""
    made = []
    for number in range(instances):
        rows = [
            f"{rng.choice('AB')} {rng.choice('UVWXYZ')} {rng.choice(['int', 'text', '-', chr(39) * 2])} "
            f"{rng.choice(['1', '2', '-'])}"
            for _ in range(rng.randint(1, 7))
        ]
        path = f"/F{number % 2}/I{number}"
        for release in ("R1", "R2"):
            if rng.random() < 0.85:
                made.append((path, release if rng.random() < 0.9 else f"({release})", rows))
            rows = [row for row in rows if rng.random() < 0.8] + rows[: rng.randint(0, 2)]
            rng.shuffle(rows) if rng.random() < 0.3 else None
            rows = [
                row if rng.random() < 0.8 else f"{' '.join(row.split()[:2])} {rng.choice(['int', '-'])} 3"
                for row in rows
            ] or ["A U"]
    return metadata_rows(*made)


def plain_diff(rows):
    """Compare row by row with dictionaries."""
    sides = {}
    for row in rows.to_dict("records"):
        release = sides.setdefault(row["@RELEASE"], defaultdict(list))
        release[row["@FOLDER"], row["@INSTANCE"]].append(row)
    old, new = (sides.get(name, {}) for name in ("R1", "R2"))
    found = set()
    for instance in old.keys() & new.keys():
        before, after = ([r for r in side[instance] if not r["@DELETED"]] for side in (old, new))
        if not before or not after:
            continue
        keyed = []
        for side in (before, after):
            counts, named = defaultdict(int), {}
            for row in sorted(side, key=lambda r: r["@POS_NO"]):
                key = row["FUNCTIONAL_ROLE"], row["NAME"]
                counts[key] += 1
                values = {name: row[name] for name in ("DATA_TYPE", "PRECISION")}
                named[*key, counts[key]] = {
                    k: None if pd.isna(v) or v == "" else v for k, v in values.items()
                }
            keyed.append(named)
        for key in keyed[0].keys() | keyed[1].keys():
            a, b = keyed[0].get(key), keyed[1].get(key)
            kind = "added" if a is None else "removed" if b is None else "changed"
            cells = {
                p: ((a or {}).get(p), (b or {}).get(p))
                for p in ("DATA_TYPE", "PRECISION")
                if (a or {}).get(p) != (b or {}).get(p)
            }
            for name, pair in cells.items():
                found.add((*instance, *key, kind, name, *pair))
            if kind != "changed" and not cells:
                found.add((*instance, *key, kind, None, None, None))
    return found


def test_diff_of_random_rows_equals_a_plain_program():
    columns = ("folder", "instance", "role", "name", "occurrence", "kind", "property", "old", "new")
    for seed in range(20):
        rows = random_rows(random.Random(seed), instances=(1, 2, 6, 50)[seed % 4])
        expected = plain_diff(rows)
        shuffled = rows.sample(frac=1, random_state=seed)
        found = lines(diff(shuffled, old="R1", new="R2"), *columns)
        assert len(found) == len(set(found)), seed
        assert set(found) == expected, seed


# --- what a person sees -------------------------------------------------------------------------------


@pytest.fixture
def hostile():
    rows = metadata_rows(
        ("/RAW/<img src=x onerror=alert(1)>", "R1", ["A <b>X int"]),
        ("/RAW/<img src=x onerror=alert(1)>", "R2", ["A <b>X =1+1", "A Y"]),
        ("/RAW/OLD", "R1", ["A X"]),
    )
    return diff(rows, old="R1", new="R2")


def test_view_escapes_what_the_server_sent(hostile):
    page = hostile.show()._repr_html_()
    assert "<img" not in page
    assert "<b>X" not in page
    assert html.escape("<img src=x onerror=alert(1)>") in page
    assert "1 instance only in R1" in page


def test_view_of_many_instances_counts_the_rest():
    made = [(f"/F/I{n:03}", release, [f"A X int {n}"]) for n in range(30) for release in ("R1", "R2")]
    rows = metadata_rows(*made)
    rows.loc[rows["@RELEASE"] == "R2", "PRECISION"] += 1
    result = diff(rows, old="R1", new="R2")
    page = result.show(limit=10)._repr_html_()
    assert "I009" in page
    assert "I010" not in page
    assert "20 more instances are not shown" in page
    assert "1 more instance is not shown" in result.show(limit=29)._repr_html_()
    assert "I029" in result.show(limit=None)._repr_html_()


def test_export_writes_a_workbook_and_a_page(hostile, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.load_workbook(hostile.export(tmp_path / "diff.xlsx"))
    assert book.sheetnames[:3] == ["Differences", "Instances", "Not in both"]
    header, *rows = book["Differences"].iter_rows()
    names = [cell.value for cell in header]
    cell = next(row for row in rows if row[names.index("property")].value == "DATA_TYPE")[names.index("new")]
    assert (cell.value, cell.data_type) == ("=1+1", "s")
    page = hostile.export(tmp_path / "diff.html").read_text()
    assert "<script" not in page
    assert page.count("http") == 0
    with pytest.raises(InputError, match=r"\.xlsx"):
        hostile.export(tmp_path / "diff.pdf")


def test_selection_of_a_result_is_an_ordinary_frame(hostile):
    assert type(hostile[hostile["kind"] == "added"]) is pd.DataFrame
    assert hostile.copy().attrs["old"] == {"release": "R1"}
