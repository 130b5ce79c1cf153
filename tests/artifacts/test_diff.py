"""Two deliveries are compared member by member, and shown without trusting their texts."""

import json
import os
import shutil

import pandas as pd
import pytest

from mkframe.artifacts import _diff, _diff_view, diff, extract, show
from mkframe.builds import BuildStart
from mkframe.errors import ArtifactError, InputError
from tests.artifacts.factory import make_zip

OLD = {"ddl/a.sql": "one\ntwo\nthree\n", "ddl/gone.sql": "x\n", "same.xml": "<a/>", "m.bin": b"\0\1"}
NEW = {"ddl/a.sql": "one\n2\nthree\n", "ddl/new.sql": "y\n", "same.xml": "<a/>", "m.bin": b"\0\2"}
PATCH = "--- old/ddl/a.sql\n+++ new/ddl/a.sql\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three"


@pytest.fixture
def both(tmp_path):
    return tuple(
        write_zip(tmp_path / side / "CORE.zip", content) for side, content in (("old", OLD), ("new", NEW))
    )


def write_zip(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(make_zip(content))
    return path


def fetched(file, build, **row):
    """The frame of a fetch of one file."""
    row = {"build_id": build, "name": file.name, "path": str(file), "error": None} | row
    return pd.DataFrame([row], index=pd.Index([7], name="id"))


def diff_of(tmp_path, old, new, **how):
    return diff(write_zip(tmp_path / "old.zip", old), write_zip(tmp_path / "new.zip", new), **how)


def test_every_change_has_a_row(both):
    frame = diff(*both)
    assert frame[["name", "change", "kind"]].values.tolist() == [
        ["ddl/a.sql", "changed", "sql"],
        ["m.bin", "changed", "binary"],
        ["ddl/gone.sql", "only in old", "sql"],
        ["ddl/new.sql", "only in new", "sql"],
    ]


def test_desktop_files_are_no_change(both, tmp_path):
    for path, side in zip(both, ("one", "two"), strict=True):
        extract(path, tmp_path / side)
    (tmp_path / "two" / "ddl" / ".DS_Store").write_bytes(b"looked at")
    assert diff(tmp_path / "one", tmp_path / "two")["name"].tolist() == diff(*both)["name"].tolist()


def test_changed_text_has_a_unified_diff(both):
    assert diff(*both).loc[0, "diff"] == PATCH


def test_missing_diff_has_a_note(both):
    frame = diff(*both)
    assert frame["diff"].notna().tolist() == [True, False, False, False]
    assert frame.loc[1, "note"] == "Not text."


def test_sizes_and_checksums_are_missing_where_there_is_no_member(both):
    frame = diff(*both)
    assert (
        frame["old_size"].isna().tolist()
        == frame["old_sha256"].isna().tolist()
        == [False, False, False, True]
    )
    assert (
        frame["new_size"].isna().tolist()
        == frame["new_sha256"].isna().tolist()
        == [False, False, True, False]
    )


def test_equal_members_are_listed_when_asked(both):
    frame = diff(*both, unchanged=True)
    assert frame.loc[frame["change"] == "unchanged", "name"].tolist() == ["same.xml"]


def test_nothing_changed_keeps_the_columns_and_dtypes(both):
    same, differs = diff(both[0], both[0]), diff(*both)
    assert len(same) == 0
    assert same.dtypes.equals(differs.dtypes)


def test_text_beyond_the_limit_is_compared_by_checksum(both):
    frame = diff(*both, max_text=5)
    assert frame.loc[0, "diff"] is None or frame["diff"].isna().all()
    assert frame.loc[0, "note"] == "Larger than max_text=5 bytes."


def test_diffs_that_are_too_long_together_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(_diff, "_MAX_DIFF_CHARS", 150)
    old = {f"{n}.sql": "1\n" for n in range(5)}
    frame = diff_of(tmp_path, old, dict.fromkeys(old, "2\n"))
    assert frame["change"].tolist() == ["changed"] * 5
    assert frame["diff"].notna().tolist() == [True, True, True, False, False]
    assert frame["note"].str.startswith("Left out: all diffs together").tolist()[3:] == [True, True]


def test_texts_that_would_take_minutes_are_compared_by_checksum(tmp_path):
    old = "".join(f"line {n % 150}\n" for n in range(80_000))
    frame = diff_of(tmp_path, {"a.sql": old}, {"a.sql": old.replace("line 7\n", "line seven\n", 40)})
    assert frame.loc[0, "note"] == "Too many repeated lines to be compared line by line."


def test_lines_that_repeat_often_do_not_hinder_a_diff(tmp_path):
    old = "".join(f"column {n}\n);\n" for n in range(8000))
    frame = diff_of(tmp_path, {"a.sql": old}, {"a.sql": old.replace("column 77\n", "column 77 VARCHAR\n")})
    assert "+column 77 VARCHAR" in frame.loc[0, "diff"]


def test_context_may_be_chosen(both):
    assert " one" not in diff(*both, context=0).loc[0, "diff"].split("\n")


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("a", "a\n", ["-a", "\\ No newline at end of file", "+a"]),
        ("a\r\n", "a\n", ["-a\r", "+a"]),
        ("", "a\n", ["+a"]),
        ("a\x0cb\n", "a\x0cc\n", ["-a\x0cb", "+a\x0cc"]),
    ],
)
def test_line_ends_count(tmp_path, old, new, lines):
    patch = diff_of(tmp_path, {"a.sql": old}, {"a.sql": new}).loc[0, "diff"]
    assert patch.split("\n")[3:] == lines


def test_given_encoding_is_used_for_diffs(tmp_path):
    frame = diff_of(tmp_path, {"a.sql": b"\xe4\n"}, {"a.sql": b"\xf6\n"}, encoding="cp1252")
    assert frame.loc[0, "diff"].endswith("-ä\n+ö")


def test_given_encoding_does_not_override_declared_ones(tmp_path):
    old, new = {"a.sql": "ä\n", "b.bin": b"\0\1"}, {"a.sql": "ö\n", "b.bin": b"\0\2"}
    frame = diff_of(tmp_path, old, new, encoding="cp1252").set_index("name")
    assert frame.loc["a.sql", "diff"].endswith("-ä\n+ö")
    assert frame.loc["b.bin", "note"] == "Not text."


def test_larger_limit_is_applied(tmp_path):
    blank = {"a.sql": " " * (3 << 20)}
    with pytest.raises(ArtifactError, match="larger max_ratio"):
        diff_of(tmp_path, blank, {"a.sql": ""})
    assert len(diff_of(tmp_path, blank, {"a.sql": ""}, max_ratio=1e9)) == 1


def test_member_on_one_side_names_the_build_that_lacks_it(both):
    frame = diff(fetched(both[0], 5136), fetched(both[1], 5139)).set_index("change")
    assert frame.loc["only in old", "note"] == "Not part of build 5139."
    assert frame.loc["only in new", "note"] == "Not part of build 5136."
    assert "Not part of build 5139." in show(frame.reset_index())._repr_html_()
    assert diff(*both).set_index("change").loc["only in old", "note"] == "Not part of the newer one."


def test_absent_member_names_the_build_of_its_own_artifact(tmp_path):
    for side, names in (("old", ("CORE", "STAGE")), ("new", ("CORE", "STAGE", "AUDIT"))):
        for name in names:
            write_zip(tmp_path / side / f"{name}.zip", {f"{side}.sql": name})
    old = [fetched(tmp_path / "old" / "CORE.zip", 5146), fetched(tmp_path / "old" / "STAGE.zip", 5140)]
    new = [fetched(tmp_path / "new" / f"{name}.zip", 5149) for name in ("CORE", "STAGE", "AUDIT")]
    notes = diff(pd.concat(old), pd.concat(new)).set_index("name")["note"]
    assert notes.to_dict() == {
        "CORE/old.sql": "Not part of build 5149.",
        "STAGE/old.sql": "Not part of build 5149.",
        "AUDIT/new.sql": "Not among the given artifacts of builds 5140 and 5146.",
        "CORE/new.sql": "Not part of build 5146.",
        "STAGE/new.sql": "Not part of build 5140.",
    }


UNCHANGED = "Apart from the id and the times of the build the content is the same."
MANIFEST = {
    "build_id": 5136,
    "build_start": "2026-04-01T08:00:00Z",
    "pattern": "CORE",
    "members": [{"id": 7}],
}


@pytest.mark.parametrize(
    ("differs", "is_same"),
    [
        ({"build_id": 5139, "build_start": "2026-04-02T08:00:00Z"}, True),
        ({"build_id": 5139, "build_start": 1_780_000_000}, False),  # of another kind
        ({"build_id": "b-5139"}, True),
        ({"pattern": "STAGE"}, False),
        ({"build_id": True, "members": [{"id": 8}]}, False),
        ({"build_id": 5139, "template": 3}, False),
        ({"build_start": "never"}, False),
    ],
)
@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: {"build": m}], ids=["flat", "nested"])
def test_manifest_with_another_id_and_time_is_unchanged(tmp_path, wrap, differs, is_same):
    old, new = (json.dumps(wrap(m)) for m in (MANIFEST, MANIFEST | differs))
    before, after = ({"manifest.json": m, "z.sql": m[:40]} for m in (old, new))
    frame = diff_of(tmp_path, before, after, unchanged=True)
    assert frame["name"].tolist() == ["z.sql", "manifest.json"]  # the manifest is last
    assert frame.loc[1, "change"] == ("unchanged" if is_same else "changed")
    assert (frame.loc[1, "note"] == UNCHANGED) is is_same
    assert ("manifest.json" in set(diff_of(tmp_path, before, after)["name"])) is not is_same


@pytest.mark.parametrize("content", ["{", "[1]", "[" * 5000])
def test_manifest_that_is_no_object_is_compared_as_text(tmp_path, content):
    frame = diff_of(tmp_path, {"manifest.json": content}, {"manifest.json": f"{content} "})
    assert frame["change"].tolist() == ["changed"]


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"utf-16"])
def test_same_text_in_other_bytes_has_a_note(tmp_path, mark):
    new = "SELECT 1\n".encode("utf-16") if mark == b"utf-16" else mark + b"SELECT 1\n"
    frame = diff_of(tmp_path, {"a.sql": "SELECT 1\n"}, {"a.sql": new})
    assert frame["change"].tolist() == ["changed"]
    assert frame["diff"].isna().all()
    assert frame.loc[0, "note"] == "The text is the same; the bytes differ in encoding or byte order mark."


# --- what may be compared -----------------------------------------------------------------------------


def test_archives_of_two_builds_are_paired_without_their_time(tmp_path):
    write_zip(tmp_path / "old" / "CORE_2026-4-2_10_14.zip", OLD)
    write_zip(tmp_path / "new" / "CORE_2026-4-12_9_5.zip", NEW)
    frame = diff(tmp_path / "old", tmp_path / "new")
    assert frame.loc[0, ["name", "change"]].tolist() == ["CORE/ddl/a.sql", "changed"]


def test_numbered_archives_of_a_build_stay_apart(tmp_path):
    for side in ("old", "new"):
        write_zip(tmp_path / side / f"CORE_2026-4-2_10_1{len(side)}.zip", OLD)
        write_zip(tmp_path / side / f"CORE_2026-4-2_10_1{len(side)} (2).zip", NEW)
    frame = diff(tmp_path / "old", tmp_path / "new", unchanged=True)
    assert set(frame["change"]) == {"unchanged"}
    assert set(frame["name"].str.split("/").str[0]) == {"CORE", "CORE (2)"}


def test_lists_of_paths_are_compared(both):
    assert diff([both[0]], [both[1]]).loc[0, "name"] == "CORE/ddl/a.sql"


def test_frames_and_rows_of_a_fetch_are_compared(both):
    old, new = fetched(both[0], 5136), fetched(both[1], 5139)
    for one, other in ((old, new), (old.iloc[0], new.iloc[0]), (old["path"], new["path"]), (old, [both[1]])):
        assert diff(one, other).loc[0, ["name", "change"]].tolist() == ["CORE/ddl/a.sql", "changed"]
    assert diff(iter(old["path"]), both[1]).loc[0, "change"] == "changed"  # a generator is read once


@pytest.mark.parametrize("given", [5136, [5136, 5139], BuildStart(5136, "FINISHED"), 1.5, None])
def test_ids_are_no_side_and_the_client_is_named(both, given):
    with pytest.raises(InputError, match=r"is no path.*client\.downloads\.diff\(5136, 5139\)"):
        diff(given, both[1])


def test_side_without_files_is_refused(both):
    frame = fetched(both[0], 5136)
    for nothing in ([], iter(()), frame.head(0)):
        with pytest.raises(InputError, match="The newer side has no files"):
            diff(frame, nothing)
    with pytest.raises(InputError, match="The older side has no files"):
        diff([], frame)


def test_frame_without_paths_is_no_side(both):
    with pytest.raises(InputError, match=r"no column 'path'.*client\.downloads\.diff"):
        diff(fetched(both[0], 5136).drop(columns="path"), both[1])
    failed = fetched(both[0], 5136, path=None, error="The disk is full.")
    with pytest.raises(InputError, match=r"Download 7 was not fetched: The disk is full\..*Fetch it again"):
        diff(failed, both[1])


def test_archive_is_compared_with_a_folder_of_archives(both):
    assert diff(both[0], both[1].parent).loc[0, ["name", "change"]].tolist() == ["CORE/ddl/a.sql", "changed"]


def test_archive_is_compared_with_its_extracted_files(both, tmp_path):
    extract(both[0], tmp_path / "files")
    assert set(diff(both[0], tmp_path / "files", unchanged=True)["change"]) == {"unchanged"}


def test_extracted_folders_are_compared(both, tmp_path):
    for path in both:
        extract(path, tmp_path / f"{path.parent.name}_files")
    assert diff(tmp_path / "old_files", tmp_path / "new_files").equals(diff(*both))


def test_artifacts_of_several_builds_in_one_folder_are_refused(tmp_path):
    write_zip(tmp_path / "old" / "CORE_2026-4-2_10_14.zip", OLD)
    write_zip(tmp_path / "old" / "CORE_2026-4-3_10_14.zip", OLD)
    with pytest.raises(InputError, match="one build at a time"):
        diff(tmp_path / "old", tmp_path / "old")


def test_files_of_one_name_in_a_list_are_refused(tmp_path):
    first = [write_zip(tmp_path / folder / "a.zip", {"a.sql": folder}) for folder in ("o1", "o2")]
    with pytest.raises(InputError, match=r"'a\.zip' is there twice: in '.*o1' and in '.*o2'"):
        diff(first, first[:1])


def test_a_file_that_was_not_fetched_is_no_side(both):
    with pytest.raises(InputError, match=r"nan is no path.*frame of a fetch"):
        diff([both[0], float("nan")], both[1])


@pytest.mark.parametrize("name", ["a.sql", "a.zip"])
@pytest.mark.parametrize("given", [list, str])
def test_pipe_is_no_side_and_not_waited_for(both, tmp_path, given, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="it is a named pipe, not a regular file"):
        diff(given([tmp_path / name]) if given is list else tmp_path / name, both[1])


def test_deep_folder_is_compared(both, tmp_path):
    deep = tmp_path.joinpath("deep", *["a"] * 1200)
    for folder in reversed([deep, *list(deep.parents)[:1200]]):
        folder.mkdir()
    shutil.copy(both[0], deep)
    try:
        assert len(diff(tmp_path / "deep", tmp_path / "deep", unchanged=True)) == len(OLD)
    finally:  # level by level: no recursion reaches the end
        (deep / "CORE.zip").unlink()
        for folder in [deep, *list(deep.parents)[:1200]]:
            folder.rmdir()


def test_missing_side_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no file or folder"):
        diff(tmp_path / "missing", tmp_path)


# --- shown --------------------------------------------------------------------------------------------


def html_of(tmp_path, old, new):
    return show(diff_of(tmp_path, old, new))._repr_html_()


def test_added_and_removed_lines_differ_in_sign_and_colour(both):
    html = show(diff(*both))._repr_html_()
    removed, added = (html.split(f"{line}</span>")[0].rsplit("<span", 1)[1] for line in ("-two", "+2"))
    assert removed != added


def test_text_from_an_archive_runs_nothing(tmp_path):
    evil = "<script>alert(1)</script>\n"
    html = html_of(tmp_path, {f"{evil}.sql": "a"}, {f"{evil}.sql": evil})
    assert "<script" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("mark", ["\u202e", "\x1b", "\u2066", "\r"])
@pytest.mark.parametrize("render", [repr, lambda shown: shown._repr_html_()], ids=["text", "html"])
def test_invisible_characters_are_escaped(tmp_path, mark, render):
    shown = render(show(diff_of(tmp_path, {"a.sql": "a\n"}, {"a.sql": f"b{mark}\n"})))
    assert f"‹U+{ord(mark):04X}›" in shown
    assert mark not in shown


def test_headline_counts_changes(both):
    assert repr(show(diff(*both))).startswith("2 changed, 1 only in old, 1 only in new.")


def test_equal_sides_have_a_headline(both):
    assert "No differences." in show(diff(both[0], both[0]))._repr_html_()


def test_omitted_rows_are_counted(both):
    assert "3 more are not shown" in repr(show(diff(*both), limit=1))
    assert "1 more is not shown" in repr(show(diff(*both), limit=3))


@pytest.mark.parametrize("render", [repr, lambda shown: shown._repr_html_()], ids=["text", "html"])
def test_omitted_lines_are_counted(both, render):
    shown = render(show(diff(*both), lines=5))
    assert "2 more lines" in shown
    assert "+2" not in shown


@pytest.mark.parametrize("render", [repr, lambda shown: shown._repr_html_()], ids=["text", "html"])
def test_omitted_characters_are_counted(tmp_path, monkeypatch, render):
    monkeypatch.setattr(_diff_view, "_MAX_CHARS", 1000)
    frame = diff_of(tmp_path, {"a": "1\n", "b": "1"}, {"a": "\x01" * 5000, "b": "2"})
    shown = render(show(frame, None, None))
    assert shown.count("‹U+0001›") < 1000
    assert f"{len(frame.loc[0, 'diff']) - 999:,} more characters" in shown
    assert "1 more is too long to be shown at once" in shown


def test_all_is_shown_when_asked(both):
    html = show(diff(*both), limit=None, lines=None)._repr_html_()
    assert "not shown" not in html
    assert "more lines" not in html


def test_note_is_shown(both):
    assert "Not text." in show(diff(*both))._repr_html_()


def test_rows_of_a_comparison_can_be_shown(both):
    frame = diff(*both)
    assert "1 only in new." in repr(show(frame[frame["change"] == "only in new"]))


def test_frame_of_something_else_is_refused(both):
    with pytest.raises(InputError, match="no column 'diff'"):
        show(diff(*both).drop(columns="diff"))
