"""What became of the changes of a hotfix, on frames."""

import random

import pandas as pd
import pytest

from mkframe.errors import InputError
from mkframe.releases.frames import carried_forward
from tests.support.metadata_rows import lines, metadata_rows

RELEASES = ("R1", "R1.HF1", "R2")


def three(base, fix, following, path="/RAW/PLANE"):
    sides = zip(RELEASES, (base, fix, following), strict=True)
    return [(path, release, rows) for release, rows in sides if rows is not None]


def fates(base, fix, following):
    result = carried_forward(
        metadata_rows(*three(base, fix, following)), base="R1", hotfix="R1.HF1", into="R2"
    )
    return lines(result, "name", "kind", "property", "fate")


@pytest.mark.parametrize(
    ("base", "fix", "following", "expected"),
    [
        ("A X int", "A X text", "A X text", [("X", "changed", "DATA_TYPE", "carried")]),
        ("A X int", "A X text", "A X int", [("X", "changed", "DATA_TYPE", "missing")]),
        ("A X int", "A X text", "A X date", [("X", "changed", "DATA_TYPE", "conflict")]),
        ("A X int", "A X int", "A X date", []),
        ("A X int", "A X ''", "A X -", [("X", "changed", "DATA_TYPE", "carried")]),
        ("A X ''", "A X int", "A X -", [("X", "changed", "DATA_TYPE", "missing")]),
        ("A X int", "A X -", "A X text", [("X", "changed", "DATA_TYPE", "conflict")]),
    ],
)
def test_fate_of_a_cell_depends_on_three_releases(base, fix, following, expected):
    assert fates([base], [fix], [following]) == expected


ADDED, REMOVED = ("N", "added", "DATA_TYPE"), ("N", "removed", "DATA_TYPE")
X, N = "A X int", "A N int"


@pytest.mark.parametrize(
    ("base", "fix", "following", "expected"),
    [
        ([X], [X, N], [X, N], [(*ADDED, "carried")]),
        ([X], [X, N], [X], [(*ADDED, "missing")]),
        ([X], [X, N], [X, "A N text"], [(*ADDED, "conflict")]),
        ([X], [X, N], [X, "A N"], [(*ADDED, "missing")]),
        ([X], [X, "A N"], [X], [("N", "added", None, "missing")]),
        ([X], [X, "A N"], [X, "A N"], [("N", "added", None, "carried")]),
        ([X, N], [X], [X], [(*REMOVED, "carried")]),
        ([X, N], [X], [X, N], [(*REMOVED, "missing")]),
        ([X, N], [X], [X, "A N text"], [(*REMOVED, "conflict")]),
        ([X, N], [X, "A N text"], [X], [("N", "changed", "DATA_TYPE", "conflict")]),
        ([X, N], [X, "A N -"], [X], [("N", "changed", "DATA_TYPE", "conflict")]),
        ([X, N], [X, "A N text"], None, [("N", "changed", "DATA_TYPE", "not added there")]),
        (None, [N], [N], [(*ADDED, "carried")]),
        (None, [N], None, [(*ADDED, "not added there")]),
        ([N], None, [X], []),
    ],
)
def test_fate_of_a_row_that_came_or_went(base, fix, following, expected):
    assert fates(base, fix, following) == expected


def test_instance_deleted_in_the_next_release_is_apart():
    rows = metadata_rows(
        ("/RAW/PLANE", "R1", [X]), ("/RAW/PLANE", "R1.HF1", ["A X text"]), ("/RAW/PLANE", "(R2)", [X]),
        ("/RAW/SAME", "R1", [X]), ("/RAW/SAME", "R1.HF1", [X]), ("/RAW/SAME", "(R2)", [X]),
    )  # fmt: skip
    result = carried_forward(rows, base="R1", hotfix="R1.HF1", into="R2")
    assert len(result) == 0
    assert lines(result.instances, "into", "instance", "state") == [("R2", "PLANE", "deleted there")]
    both = carried_forward(
        pd.concat([rows, rows[rows["@RELEASE"] == "R2"].assign(**{"@RELEASE": "R3"})]),
        base="R1", hotfix="R1.HF1", into=["R2", "R3"],
    )  # fmt: skip
    assert any(each.startswith("1 instance is deleted in a later release;") for each in both.messages)


@pytest.mark.parametrize(
    ("following", "expected"), [([X], "missing"), (["A X text"], "conflict"), (None, None)]
)
def test_instance_deleted_by_the_hotfix_is_a_change(following, expected):
    made = [("/RAW/PLANE", "R1", [X]), ("/RAW/PLANE", "(R1.HF1)", [X])]
    made += [("/RAW/PLANE", "R2", following)] if following else []
    result = carried_forward(metadata_rows(*made), base="R1", hotfix="R1.HF1", into="R2")
    expected_lines = [] if expected is None else [("PLANE", None, "removed", expected)]
    assert lines(result, "instance", "name", "kind", "fate") == expected_lines


def test_several_releases_are_compared_each():
    rows = metadata_rows(
        *three(["A X int 1"], ["A X text 2"], ["A X text 1"]), ("/RAW/PLANE", "R3", ["A X text 2"])
    )
    result = carried_forward(rows, base="R1", hotfix="R1.HF1", into=["R2", "R3"])
    assert lines(result, "into", "property", "fate") == [
        ("R2", "PRECISION", "missing"),
        ("R2", "DATA_TYPE", "carried"),
        ("R3", "DATA_TYPE", "carried"),
        ("R3", "PRECISION", "carried"),
    ]
    assert lines(result.summary, "into", "missing", "conflict", "carried") == [
        ("R2", 1, 0, 1),
        ("R3", 0, 0, 2),
    ]
    assert "R2: of 2 changed cells of R1.HF1, 1 missing, 1 carried." in result.messages


def test_result_says_what_stands_for_the_common_ancestor():
    result = carried_forward(metadata_rows(), base="R1", hotfix="R1.HF1", into=[])
    assert result.messages[0].startswith("No release follows R1")
    assert "exact only if R1 has not been changed" in " ".join(result.messages)
    result.attrs["base"]["closed"] = True
    assert "so that is exact unless it was reopened" in " ".join(result.messages)


def test_release_named_twice_is_refused():
    with pytest.raises(InputError, match="twice"):
        carried_forward(metadata_rows(), base="R1", hotfix="R1", into="R2")


# --- against a plain program --------------------------------------------------------------------------


def plain_fates(base, fix, following):
    """Compare cells of unique rows with dictionaries; None is an instance that is not there."""
    cells = set()
    if fix is None:
        return cells
    for key in (base or {}).keys() | fix.keys():
        b, f = (base or {}).get(key), fix.get(key)
        n = (following or {}).get(key)
        if f is None and b is None:
            continue
        if f is None:
            fate = "carried" if n is None else "missing" if n == b else "conflict"
            changed = {p: fate for p, v in b.items() if v is not None} or {None: fate}
        elif b is None:
            changed = {
                p: "missing" if n is None or n[p] is None else "carried" if n[p] == v else "conflict"
                for p, v in f.items()
                if v is not None
            } or {None: "missing" if n is None else "carried"}
        else:
            changed = {
                p: "conflict"
                if n is None
                else "carried"
                if n[p] == v
                else "missing"
                if n[p] == b[p]
                else "conflict"
                for p, v in f.items()
                if v != b[p]
            }
        if following is None:
            changed = dict.fromkeys(changed, "not added there")
        cells |= {(*key, p, fate) for p, fate in changed.items()}
    return cells


def random_side(rng, start):
    """Change rows of an instance at random."""
    if rng.random() < 0.12:
        return None
    rows = {key: dict(values) for key, values in (start or {}).items() if rng.random() < 0.8}
    for key in [("A", name) for name in "PQRST"]:
        if key in rows and rng.random() < 0.4:
            rows[key][rng.choice(["DATA_TYPE", "PRECISION"])] = rng.choice([None, "1", "2"])
        elif key not in rows and rng.random() < 0.2:
            rows[key] = {"DATA_TYPE": rng.choice([None, "1", "2"]), "PRECISION": rng.choice([None, "1"])}
    return rows or {("A", "P"): {"DATA_TYPE": "1", "PRECISION": None}}


def test_fates_of_random_rows_equal_a_plain_program():
    for seed in range(20):
        rng = random.Random(seed)
        expected, made = set(), []
        for number in range((1, 4, 12, 50)[seed % 4]):
            start = {("A", name): {"DATA_TYPE": "1", "PRECISION": "1"} for name in "PQR"}
            sides = [start if rng.random() < 0.9 else None, *(random_side(rng, start) for _ in range(2))]
            for release, side in zip(RELEASES, sides, strict=True):
                rows = [
                    " ".join([*key, *(value or "-" for value in values.values())])
                    for key, values in (side or {}).items()
                ]
                rng.shuffle(rows)
                if rows:
                    made.append((f"/F/I{number}", release, rows))
            for role, name, prop, fate in plain_fates(*sides):
                expected.add((f"I{number}", role, name, prop, fate))
        rows = metadata_rows(*made) if made else metadata_rows()
        rows = rows.assign(PRECISION=rows["PRECISION"].astype("Int64"))
        found = lines(
            carried_forward(rows, base="R1", hotfix="R1.HF1", into="R2"),
            "instance", "role", "name", "property", "fate",
        )  # fmt: skip
        assert len(found) == len(set(found)), seed
        assert set(found) == expected, seed


def test_no_rows_keep_columns_and_types():
    full = carried_forward(metadata_rows(*three([X], [N], [X])), base="R1", hotfix="R1.HF1", into="R2")
    none = carried_forward(metadata_rows(), base="R1", hotfix="R1.HF1", into=[])
    assert none.dtypes.to_dict() == full.dtypes.to_dict()
    assert pd.DataFrame(full).notna().any().any()


def test_view_escapes_what_the_server_sent():
    rows = metadata_rows(*three(["A <i>X int"], ["A <i>X text"], ["A <i>X int"]))
    page = carried_forward(rows, base="R1", hotfix="R1.HF1", into="R2").show()._repr_html_()
    assert "<i>" not in page
    assert "&lt;i&gt;X" in page
