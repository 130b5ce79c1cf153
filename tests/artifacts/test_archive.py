"""Archives are read without being trusted, and unpacked whole or not at all."""

import contextlib
import hashlib
import os
import shutil
import stat
import struct
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkframe.artifacts import _archive, extract, members, read
from mkframe.artifacts._zip import chunks
from mkframe.errors import ArtifactError, InputError, MkframeError
from tests.artifacts.factory import SQL, make_zip, make_zip_of_entries, tree
from tests.support.owners import plant
from tests.support.versions import TEXT

PLAIN = {"ddl/airplane.sql": "SELECT 1;\n", "mapping.xml": "<?xml version='1.0'?><a/>", "empty.txt": ""}


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.zip"
    path.write_bytes(make_zip({"ddl/": "", **PLAIN}))
    return path


def write_zip(tmp_path, content):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    return path


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


# --- members ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [{}, PLAIN], ids=["none", "some"])
def test_members_have_the_same_columns_and_dtypes_for_any_number(tmp_path, content):
    frame = members(write_zip(tmp_path, make_zip(content)))
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "name": TEXT,
        "size": "int64",
        "compressed": "int64",
        "sha256": TEXT,
        "kind": TEXT,
    }
    assert len(frame) == len(content)


def test_members_match_the_archive(plain):
    frame = members(plain)
    assert frame["name"].tolist() == list(PLAIN)
    assert frame["size"].tolist() == [len(text) for text in PLAIN.values()]
    assert frame["sha256"].tolist() == [sha256(text) for text in PLAIN.values()]
    assert frame["kind"].tolist() == ["sql", "xml", "text"]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.SQL", "SELECT 1", "sql"),
        ("a.ddl", "CREATE", "sql"),
        ("a.json", "{}", "json"),
        ("nb/NB_1.IPYNB", "{}", "json"),
        ("a", "<?xml version='1.0'?><a/>", "xml"),
        ("a.log", "é" * 200_000, "text"),
        ("a.sql", b"\x00\x01", "binary"),
        ("a.sql", b"x" * 300_000 + b"\xff", "binary"),
        ("a.sql", "é".encode()[:1], "binary"),
        ("a.sql", "SELECT 'ä'".encode("cp1252"), "binary"),
        ("a.xml", "<?xml version='1.0' encoding='Windows-1252'?><ä/>".encode("cp1252"), "xml"),
        ("a.txt", "SELECT 'ä'".encode("utf-16"), "text"),
        ("a.txt", b"\xef\xbb\xbfa", "text"),
    ],
)
def test_kind(tmp_path, name, content, kind):
    assert members(write_zip(tmp_path, make_zip({name: content})))["kind"].tolist() == [kind]


# --- read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Größe\r\n".encode(), "Größe\r\n"),
        ("Größe".encode("utf-8-sig"), "Größe"),
        ("Größe".encode("utf-16"), "Größe"),
        (b"\xfe\xff" + "Größe".encode("utf-16-be"), "Größe"),
        (b"<?xml version='1.0' encoding='ISO-8859-1'?>\xe4", "<?xml version='1.0' encoding='ISO-8859-1'?>ä"),
        (b"<?xml encoding='zlib'?>", "<?xml encoding='zlib'?>"),
        (b"<?xml encoding='unicode_escape'?>\\n", "<?xml encoding='unicode_escape'?>\\n"),
    ],
)
def test_text_is_decoded_as_declared(tmp_path, content, text):
    assert read(write_zip(tmp_path, make_zip({"a": content})), "a") == text


def test_encoding_may_be_given(tmp_path):
    assert read(write_zip(tmp_path, make_zip({"a": b"\xe4"})), "a", encoding="cp1252") == "ä"


@pytest.mark.parametrize("content", [b"\xe4 is no UTF-8", b"NUL \0"])
def test_invalid_text_is_an_error(tmp_path, content):
    path = write_zip(tmp_path, make_zip({"a": content}))
    with pytest.raises(ArtifactError, match="is not text in UTF-8"):
        read(path, "a")


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"member": "ddl/airplan.sql"}, "Did you mean 'ddl/airplane.sql'"),
        ({"member": "x"}, "has no member 'x'"),
        ({"member": "mapping.xml", "encoding": "cp9999"}, "no encoding 'cp9999'"),
    ],
)
def test_invalid_read_argument_is_an_error(plain, how, sentence):
    with pytest.raises(InputError, match=sentence):
        read(plain, **how)


def test_text_beyond_the_limit_is_refused(plain):
    with pytest.raises(ArtifactError, match=r"10 bytes, more than max_bytes=9"):
        read(plain, "ddl/airplane.sql", max_bytes=9)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_member_is_not_read(tmp_path):
    path = write_zip(
        tmp_path, make_zip_of_entries([(zipfile.ZipInfo("a"), "1"), (zipfile.ZipInfo("a"), "2")])
    )
    with pytest.raises(ArtifactError, match="2 times"):
        read(path, "a")


# --- damage -------------------------------------------------------------------------------------------


PACKINGS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def flip_byte(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


STORED = make_zip({"a.sql": "SELECT 1"}, zipfile.ZIP_STORED)
DAMAGED = {
    "nothing": b"",
    "no archive": b"<html></html>",
    "broken off": STORED[:-30],
    "without beginning": STORED[10:],
    "content differs from its checksum": flip_byte(STORED, STORED.index(b"SELECT")),
    "broken stream": flip_byte(make_zip({"a.sql": "SELECT 1" * 99}), 45),
    "name that is no text": STORED.replace(b"a.sql", b"\xff.sql").replace(
        b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x00\x08\x00\x00"
    ),
    "unknown compression": make_zip({"a.sql": "SELECT 1" * 99}).replace(
        b"\x00\x00\x08\x00", b"\x00\x00\x63\x00"
    ),
    "encrypted": STORED.replace(b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x01\x00\x00\x00"),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_archive_is_an_error(tmp_path, content):
    path = write_zip(tmp_path, content)
    with pytest.raises(ArtifactError):
        members(path)


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_archive_extracts_to_nothing(tmp_path, content):
    path = write_zip(tmp_path, content)
    with pytest.raises(ArtifactError):
        extract(path, tmp_path / "to")
    assert list(tree(tmp_path)) == ["a.zip"]


@given(
    data=st.sampled_from(
        [make_zip({"a.sql": SQL[:500], "b/": "", "b/c.xml": "<a/>"}, how) for how in PACKINGS]
    ),
    place=st.integers(0, 2000),
    byte=st.integers(0, 255),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
def test_any_damaged_byte_gives_a_frame_or_an_error_of_ours(tmp_path, data, place, byte):
    at = place % len(data)
    path = write_zip(tmp_path, data[:at] + bytes([byte]) + data[at + 1 :])
    with contextlib.suppress(MkframeError):
        members(path)
    to = tmp_path / "to"
    with contextlib.suppress(MkframeError):
        extract(path, to)
        shutil.rmtree(to)
    assert list(tree(tmp_path)) == ["a.zip"]


def test_directory_that_would_fill_the_memory_is_refused(tmp_path):
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, 65 << 20, 0, 0)
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        file.truncate(65 << 20)
        file.seek(0, 2)
        file.write(end)
    with pytest.raises(ArtifactError, match="directory would be 68,157,440 bytes"):
        members(path)


@pytest.mark.parametrize(
    "function", [members, lambda path: read(path, "a"), lambda path: extract(path, "to")]
)
def test_missing_archive_is_an_error(tmp_path, function):
    with pytest.raises(InputError, match="There is no file"):
        function(tmp_path / "missing.zip")


# --- extract ------------------------------------------------------------------------------------------


def test_extracted_files_are_those_of_the_archive(plain, tmp_path):
    frame = extract(plain, tmp_path / "new" / "to")
    assert tree(tmp_path / "new") == {"to": None, "to/ddl": None} | {
        f"to/{name}": text.encode() for name, text in PLAIN.items()
    }
    assert frame["path"].tolist() == [str(tmp_path / "new" / "to" / name) for name in PLAIN]
    assert frame.drop(columns="path").equals(members(plain).drop(columns="compressed"))


def test_extracting_nothing_keeps_the_columns(tmp_path):
    frame = extract(write_zip(tmp_path, make_zip({})), tmp_path / "to")
    assert frame.dtypes.astype(str).to_dict() == dict.fromkeys(
        ["name", "path", "size", "sha256", "kind"], TEXT
    ) | {"size": "int64"}


def test_empty_folder_may_be_extracted_to(plain, tmp_path):
    (tmp_path / "to").mkdir()
    assert len(extract(plain, tmp_path / "to")) == 3


def test_desktop_files_do_not_prevent_extraction(plain, tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / ".DS_Store").write_bytes(b"looked at")
    first = extract(plain, tmp_path / "to")
    (tmp_path / "to" / "ddl" / "Thumbs.db").write_bytes(b"looked at")
    assert extract(plain, tmp_path / "to").equals(first)


def test_extracted_folders_have_default_permissions(plain, tmp_path):
    (tmp_path / "other").mkdir()
    extract(plain, tmp_path / "to")
    assert (tmp_path / "to").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_tilde_is_the_home_folder(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    extract("~/plain.zip", "~/to")
    assert (tmp_path / "to" / "mapping.xml").is_file()


def test_extracting_again_changes_nothing(plain, tmp_path):
    first = extract(plain, tmp_path / "to")
    before = (tmp_path / "to" / "mapping.xml").stat()
    assert extract(plain, tmp_path / "to").equals(first)
    assert (tmp_path / "to" / "mapping.xml").stat() == before


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("mine.txt", "which is not in the archive"), ("mapping.xml", "lacks 'ddl/airplane.sql'")],
)
def test_folder_with_other_files_is_left_as_it_is(plain, tmp_path, name, sentence):
    (tmp_path / "to").mkdir()
    if name == "mine.txt":
        extract(plain, tmp_path / "to")
    (tmp_path / "to" / name).write_text("mine")
    before = tree(tmp_path)
    with pytest.raises(InputError, match=sentence):
        extract(plain, tmp_path / "to")
    assert tree(tmp_path) == before


def test_folder_that_is_a_file_is_refused(plain, tmp_path):
    (tmp_path / "to").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        extract(plain, tmp_path / "to")


def entry(name, mode=0, flags=0):
    made = zipfile.ZipInfo("x")
    made.filename = made.orig_filename = name  # as hostile writers do, without the constructor's corrections
    made.external_attr = mode << 16
    made.flag_bits = flags
    return made


HARMFUL = {
    "traversal": ([entry("../evil.sql")], "leads out of the folder"),
    "traversal inside": ([entry("a/../../evil.sql")], "leads out of the folder"),
    "backslashes": ([entry("..\\evil.sql")], "holds a backslash"),
    "absolute": ([entry("/tmp/mkframe-evil.sql")], "is absolute"),
    "drive": ([entry("C:/evil.sql")], "holds a colon"),
    "drive without slash": ([entry("C:evil.sql")], "holds a colon"),
    "link": ([entry("evil", stat.S_IFLNK | 0o777)], "is a link"),
    "link to a folder, then into it": (
        [entry("evil", stat.S_IFLNK | 0o777), entry("evil/a.sql")],
        "is a link",
    ),
    "character device": ([entry("evil", stat.S_IFCHR)], "special file"),
    "block device": ([entry("evil", stat.S_IFBLK)], "special file"),
    "pipe": ([entry("evil", stat.S_IFIFO)], "special file"),
    "socket": ([entry("evil", stat.S_IFSOCK)], "special file"),
    "device name": ([entry("ddl/nul.sql")], "names a device"),
    "control character": ([entry("a\x1b.sql")], "control characters"),
    "bidirectional mark": ([entry("a\u202elqs.exe")], "invisible marks"),
    "dot at the end": ([entry("ddl./a.sql")], "ends in a dot"),
    "duplicate": ([entry("a.sql"), entry("a.sql")], "is there twice"),
    "duplicate in other case": ([entry("a.sql"), entry("A.SQL")], "is there twice"),
    "file that is a folder": ([entry("a"), entry("a/b.sql")], "lies in another member"),
    "folder that is a file": ([entry("a/b.sql"), entry("A")], "is there twice"),
    "too long": ([entry("x" * 300)], "is too long"),
    "too long in all": ([entry("/".join(["x" * 200] * 6))], "is too long"),
    "too deep": ([entry("x/" * 1500 + "a.sql")], "lies more than 100 folders deep"),
    "NUL": ([entry("a.sql\0/../../evil.sql")], "control characters"),
    "stream of a file": ([entry("a.sql:evil")], "holds a colon"),
    "device with an ending": ([entry("COM1.tar.gz")], "names a device"),
    "device for a folder": ([entry("aux/a.sql")], "names a device"),
    "space at the end": ([entry("a.sql ")], "ends in a dot or a space"),
    "duplicate in other spelling": ([entry("Gr\u00f6\u00dfe"), entry("GRO\u0308SSE")], "is there twice"),
    "folder that is a file in other spelling": (
        [entry("\u00e9"), entry("E\u0301/a.sql")],
        "lies in another member",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("entries", "reason"), HARMFUL.values(), ids=HARMFUL)
def test_unsafe_archive_is_refused_completely(tmp_path, entries, reason):
    deep = tmp_path / "deep"
    deep.mkdir()
    good = [(entry("good.sql"), "SELECT 1")]
    path = write_zip(deep, make_zip_of_entries(good + [(e, "evil") for e in entries]))
    with pytest.raises(ArtifactError, match=reason):
        extract(path, deep / "to")
    assert list(tree(tmp_path)) == ["deep", "deep/a.zip"]


BOMB = make_zip({"zeros": bytes(20 << 20)})


@pytest.mark.parametrize(
    ("content", "limits", "sentence"),
    [
        (BOMB, {}, r"times its size, more than max_ratio=200"),
        (
            BOMB,
            {"max_ratio": 9999, "max_bytes": 1 << 20},
            r"unpacks to 20,971,520 bytes, more than max_bytes=1,048,576",
        ),
        (make_zip(PLAIN), {"max_members": 2}, r"holds 3 entries, more than max_members=2"),
    ],
)
@pytest.mark.parametrize("function", [members, extract])
def test_bomb_is_refused_and_the_limit_named(tmp_path, function, content, limits, sentence):
    path = write_zip(tmp_path, content)
    more = [tmp_path / "to"] if function is extract else []
    with pytest.raises(ArtifactError, match=sentence):
        function(path, *more, **limits)
    assert list(tree(tmp_path)) == ["a.zip"]


def test_larger_limit_lets_a_trusted_archive_through(tmp_path):
    assert len(extract(write_zip(tmp_path, BOMB), tmp_path / "to", max_ratio=2000)) == 1


def test_small_text_may_exceed_the_ratio(tmp_path):
    assert len(members(write_zip(tmp_path, make_zip({"a": "\n" * 500_000})))) == 1


def test_wrong_declared_size_is_an_error(tmp_path):
    honest = make_zip({"a": "x" * 100_000})
    lying = honest.replace(struct.pack("<L", 100_000), struct.pack("<L", 10))
    path = write_zip(tmp_path, lying)
    with pytest.raises(ArtifactError):
        extract(path, tmp_path / "to")
    assert list(tree(tmp_path)) == ["a.zip"]


def test_readonly_folder_is_an_error(plain, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ArtifactError, match="was not extracted"):
        extract(plain, tmp_path / "file" / "to")


def test_folder_that_python_runs_in_is_not_replaced(plain, tmp_path, monkeypatch):
    (tmp_path / "to").mkdir()
    monkeypatch.chdir(tmp_path / "to")
    with pytest.raises(InputError, match="The folder that Python runs in"):
        extract(plain, ".")
    assert list(Path.cwd().iterdir()) == []


def test_link_to_an_empty_folder_is_followed(plain, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    extract(plain, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    extract(plain, tmp_path / "to")
    assert tree(tmp_path / "real") == tree(tmp_path / "to")


@pytest.mark.parametrize("below", ["", "new", "deep/new"])
def test_link_of_another_user_is_not_followed(plain, tmp_path, below, monkeypatch):
    (tmp_path / "home").mkdir()
    plant(monkeypatch, tmp_path / "to", tmp_path / "home")
    with pytest.raises(InputError, match="is a link of another user and is not followed"):
        extract(plain, tmp_path / "to" / below)
    assert tree(tmp_path / "home") == {}


def test_link_of_another_user_to_equal_files_is_other_content(plain, tmp_path, monkeypatch):
    extract(plain, tmp_path / "home")
    extract(plain, tmp_path / "to")
    shutil.rmtree(tmp_path / "to" / "ddl")
    plant(monkeypatch, tmp_path / "to" / "ddl", tmp_path / "home" / "ddl")
    with pytest.raises(InputError, match="'ddl', which is a link or another special file"):
        extract(plain, tmp_path / "to")


def test_other_users_cannot_enter_the_staging_folder(plain, tmp_path, monkeypatch):
    seen = []

    def look(archive, entry):
        (hidden,) = tmp_path.glob(".mkframe-*.part")
        seen.append(hidden.stat().st_mode & 0o777)
        return chunks(archive, entry)

    monkeypatch.setattr("mkframe.artifacts._archive.chunks", look)
    extract(plain, tmp_path / "to")
    assert set(seen) == {0o700}


def test_staging_folder_replaced_by_a_link_gets_nothing(plain, tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()

    def exchange(archive, entry):
        (hidden,) = tmp_path.glob(".mkframe-*.part")
        if not hidden.is_symlink():
            hidden.rename(tmp_path / "moved")
            (tmp_path / "home" / "unpacked").mkdir(exist_ok=True)
            hidden.symlink_to("home")
        return chunks(archive, entry)

    monkeypatch.setattr("mkframe.artifacts._archive.chunks", exchange)
    extract(plain, tmp_path / "to")
    assert tree(tmp_path / "home") == {"unpacked": None}
    assert (tmp_path / "to" / "ddl").is_dir()


@pytest.mark.parametrize("name", [".mkframe.jsonl", "ddl/.MKFRAME.jsonl"])
def test_manifest_in_an_archive_is_refused(tmp_path, name):
    (tmp_path / "a.zip").write_bytes(make_zip({name: "{}"}))
    with pytest.raises(ArtifactError, match="is a name of mkframe's own"):
        extract(tmp_path / "a.zip", tmp_path / "to")


@pytest.mark.parametrize(
    "function", [members, lambda path: read(path, "x"), lambda path: extract(path, "to")]
)
def test_pipe_is_no_archive_and_not_waited_for(tmp_path, function):
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(InputError, match="it is a named pipe, not a regular file"):
        function(tmp_path / "a.zip")


def test_failed_extraction_leaves_no_folders(tmp_path):
    honest = make_zip({"a": "x" * 100_000})
    lying = honest.replace(struct.pack("<L", 100_000), struct.pack("<L", 10))
    path = write_zip(tmp_path, lying)
    with pytest.raises(ArtifactError):
        extract(path, tmp_path / "new" / "folder" / "to")
    assert list(tree(tmp_path)) == ["a.zip"]
    assert not (tmp_path / "new").exists()


def test_member_may_lie_in_a_hundred_folders(tmp_path):
    path = write_zip(tmp_path, make_zip({"x/" * 100 + "a.sql": "SELECT 1", "y/" * 101: ""}))
    assert len(extract(path, tmp_path / "to")) == 1


def test_folder_may_be_given_however_deep(plain, tmp_path):
    to = tmp_path.joinpath(*["a"] * 1200)
    try:
        assert len(extract(plain, to)) == 3
    finally:  # level by level: no recursion reaches the end
        shutil.rmtree(to)
        for folder in list(to.parents)[:1199]:
            folder.rmdir()


# --- what others plant meanwhile ----------------------------------------------------------------------

PLANTED = {
    "link in place of a folder": lambda new, out: (new / "ddl").symlink_to(out),
    "link in place of a file": lambda new, out: (new / "mapping.xml").symlink_to(out / "evil.xml"),
    "link in place of all": lambda new, out: (new.rename(out.parent / "moved"), new.symlink_to(out)),
}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_link_planted_during_extraction_is_not_followed(tmp_path, monkeypatch, plant):
    outside = tmp_path / "outside"
    outside.mkdir()
    path = write_zip(tmp_path, make_zip({"first.txt": "", **PLAIN}))
    hash_and_classify = _archive.hash_and_classify

    def planting(content, name):
        if name == "first.txt":
            plant(next(tmp_path.glob(".mkframe-*.part")) / "unpacked", outside)
        return hash_and_classify(content, name)

    monkeypatch.setattr(_archive, "hash_and_classify", planting)
    with pytest.raises(ArtifactError, match=r"was replaced|File exists|is not followed"):
        extract(path, tmp_path / "to")
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "to").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has other permissions")
def test_staging_folder_is_private(plain, tmp_path, monkeypatch):
    hash_and_classify, modes = _archive.hash_and_classify, []

    def noting(content, name):
        modes.append(stat.S_IMODE(next(tmp_path.glob(".mkframe-*.part")).stat().st_mode))
        return hash_and_classify(content, name)

    monkeypatch.setattr(_archive, "hash_and_classify", noting)
    extract(plain, tmp_path / "to")
    assert modes == [0o700] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
@pytest.mark.parametrize("name", ["mapping.xml", "ddl", "more"])
def test_link_in_an_extracted_folder_is_refused(plain, tmp_path, name):
    extract(plain, tmp_path / "to")
    place = tmp_path / "to" / name
    if place.exists():
        place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link or another special file"):
        extract(plain, tmp_path / "to")


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
def test_pipe_in_an_extracted_folder_is_not_waited_for(plain, tmp_path):
    extract(plain, tmp_path / "to")
    (tmp_path / "to" / "mapping.xml").unlink()
    os.mkfifo(tmp_path / "to" / "mapping.xml")
    with pytest.raises(InputError, match="special file"):
        extract(plain, tmp_path / "to")
