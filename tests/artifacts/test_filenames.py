"""Names from a server are safe to write, on every system."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkframe._http.stream import parse_filename
from mkframe.artifacts._filenames import add_counter, fold_case, path_problem, safe_name

HOSTILE = [
    "../../etc/passwd",
    "..\\..\\windows\\system32\\a.zip",
    "/etc/cron.d/job",
    "\\\\host\\share\\a.zip",
    "C:\\temp\\a.zip",
    "C:a.zip",
    "a/../../b.zip",
    "..",
    ".",
    "",
    "   ",
    "...",
    "/",
    "~/a.zip",
    "-rf",
    ".bashrc",
    ".mkframe.jsonl",
    ".mkframe-0123456789abcdef.part",
    "CON",
    "nul.zip",
    "com1.tar.gz",
    "LPT9 .txt",
    "COM¹.zip",
    "conout$",
    "a\0b.zip",
    "a\r\nb.zip",
    "a\x1b[31m.zip",
    "invoice\u202egpj.exe",
    "\ufeffa.zip",
    "a\u2028b.zip",
    "half\ud800.zip",
    "a.zip. . ",
    "a:stream.zip",
    'a<b>c"d|e?f*.zip',
    "é" * 300 + ".zip",
    "a." + "b" * 400,
    "\U0001f9e9" * 100,
]


def assert_is_safe(name):
    assert name
    assert not re.search(r'[/\\<>:"|?*]', name)
    assert name == name.strip()
    assert not name.startswith((".", "-", "~"))
    assert not name.endswith((".", " "))
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name)
    assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d) *(\.|$)", name, re.I)
    assert len(add_counter(name, 9999).encode()) <= 255


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_becomes_a_safe_one(name):
    assert_is_safe(safe_name(name))


@given(st.text())
def test_any_name_becomes_a_safe_one(name):
    assert_is_safe(safe_name(name))


@given(st.text(alphabet=st.sampled_from("./\\ CONcon:1\u202e~-é\0aux"), max_size=12))
def test_names_of_dangerous_pieces_become_safe(name):
    assert_is_safe(safe_name(name))


@given(st.text())
def test_safe_name_stays_as_it_is(name):
    assert safe_name(safe_name(name)) == safe_name(name)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_name_writes_inside_the_folder(name, tmp_path):
    (tmp_path / safe_name(name)).write_bytes(b"x")
    assert [p.parent for p in tmp_path.rglob("*")] == [tmp_path]


@pytest.mark.parametrize(
    "name", ["CORE_DV_HLS_2026-4-2_10_14.zip", "Größe & Maß (2).zip", "表.sql", "a..b.zip"]
)
def test_honest_name_is_kept(name):
    assert safe_name(name) == name


def test_long_name_keeps_its_ending():
    assert safe_name("x" * 400 + ".zip").endswith("x.zip")


def test_long_ending_is_no_ending():
    assert add_counter("a." + "b" * 30, 2) == "a." + "b" * 30 + " (2)"


def test_empty_safe_name_is_the_default():
    assert safe_name("../..", "download_7") == "download_7"


def test_fold_case_normalizes_accents():
    assert fold_case("GRO\u0308SSE.zip") == fold_case("größe.zip")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="CORE_DV_HLS_2026-4-2_10_14.zip"', "CORE_DV_HLS_2026-4-2_10_14.zip"),
        ("attachment; filename=CORE.zip", "CORE.zip"),
        ("attachment; filename=My File.zip", "My File.zip"),
        ('attachment; filename="a;b\\"c.zip"', 'a;b"c.zip'),
        ("attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe.zip", "Größe.zip"),
        ("attachment; filename=\"plain.zip\"; filename*=UTF-8''%e2%82%ac.zip", "€.zip"),
        ("attachment; filename*=UTF-8''%e2%82%ac.zip; filename=\"plain.zip\"", "€.zip"),
        ("attachment; FILENAME=A.zip", "A.zip"),
        ('filename="a.zip"', "a.zip"),
        ('attachment; filename="Größe.zip"'.encode().decode("latin-1"), "Größe.zip"),
        ('attachment; filename="../../a.zip"', "../../a.zip"),
        ('attachment; filename=""', None),
        ("attachment", None),
        ("", None),
        (None, None),
        ("attachment; filename*=punycode''%ff%fe", None),
    ],
)
def test_name_in_header(header, name):
    assert parse_filename(header) == name


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_no_header_is_an_error(tail):
    assert isinstance(parse_filename(f"attachment; filename{tail}"), str | None)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../a", "leads out"),
        ("a/../../b", "leads out"),
        ("/a", "is absolute"),
        ("\\a", "is absolute"),
        ("C:/a", "colon"),
        ("a\\b", "backslash"),
        ("a//b", "empty step"),
        ("./a", "empty step"),
        ("", "empty step"),
        ("a\0.sql", "control"),
        ("a\u202e.sql", "invisible"),
        ("ddl/NUL.sql", "device"),
        ("ddl./a", "ends in"),
        ("x" * 256, "too long"),
        ("/".join(["x" * 200] * 6), "too long"),
        ("a/" * 101 + "a", "more than 100 folders deep"),
        ("a/" * 102, "more than 100 folders deep"),
    ],
)
def test_path_problem_is_named(path, reason):
    assert reason in path_problem(path)


@pytest.mark.parametrize("path", ["a.sql", "ddl/a.sql", "ddl/", ".project", "a b/é.sql", "..a/b..c"])
def test_path_without_problem(path):
    assert path_problem(path) is None
