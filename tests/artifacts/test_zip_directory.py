"""An archive means the same on every Python, and what contradicts itself is refused."""

import bz2
import functools
import io
import lzma
import struct
import sys
import zipfile

import pytest

from mkframe.artifacts import diff, extract, members, read
from mkframe.errors import ArtifactError
from tests.artifacts.factory import Forged, deflate, field, forge_zip, make_zip, tree, unicode_path
from tests.support.processes import run_by_shell

FUNCTIONS = {
    "members": lambda path: members(path),
    "read": lambda path: read(path, "a.sql"),
    "extract": lambda path: extract(path, path.parent / "to"),
    "diff": lambda path: diff(path, path),
}
ZEROS = bytes(40 << 20)


def write_zip(tmp_path, content):
    folder = tmp_path / "deep"
    folder.mkdir()
    path = folder / "a.zip"
    path.write_bytes(content)
    return path


# --- names --------------------------------------------------------------------------------------------


def renamed(*others, name=b"a.sql", **how):
    return Forged(name, extra=b"".join(unicode_path(name, other, **how) for other in others))


SECOND_NAMES = {
    "traversal": renamed(b"../../evil.sql"),
    "absolute": renamed(b"/tmp/mkframe-evil.sql"),
    "drive": renamed(b"C:/evil.sql"),
    "share": renamed(b"\\\\host\\evil.sql"),
    "harmless": renamed(b"b.sql"),
    "other case": renamed(b"A.SQL"),
    "folder": renamed(b"a.sql/"),
    "nothing": renamed(b""),
    "NUL": renamed(b"a.sql\0"),
    "for another name": renamed(b"../../evil.sql", crc=7),
    "after one that is the same": renamed(b"a.sql", b"../../evil.sql"),
    "before one that is the same": renamed(b"../../evil.sql", b"a.sql"),
    "another version": Forged(extra=field(0x7075, b"\x02" + bytes(4) + b"../../evil.sql")),
    "after other fields": Forged(extra=field(0x5455, b"\0") + unicode_path(b"a.sql", b"../../evil.sql")),
    "link in it": Forged("a/b.sql", extra=unicode_path(b"a/b.sql", b"a/../../b.sql")),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("member", SECOND_NAMES.values(), ids=SECOND_NAMES)
def test_member_with_a_second_name_is_refused(tmp_path, member, function):
    path = write_zip(tmp_path, forge_zip(Forged("good.sql"), member))
    with pytest.raises(ArtifactError, match="has another name besides"):
        function(path)
    assert list(tree(tmp_path)) == ["deep", "deep/a.zip"]


@pytest.mark.parametrize("other", [b"ddl/a.sql", b"ddl\\a.sql"])
def test_second_name_that_differs_in_the_separator_is_the_same(tmp_path, other):
    path = write_zip(tmp_path, forge_zip(renamed(other, name=b"ddl/a.sql")))
    assert extract(path, tmp_path / "to")["name"].tolist() == ["ddl/a.sql"]


def test_name_in_utf8_is_read_where_a_second_says_so(tmp_path):
    path = write_zip(tmp_path, forge_zip(renamed("Größe.sql".encode(), name="Größe.sql".encode())))
    assert members(path)["name"].tolist() == ["Größe.sql"]


@pytest.mark.parametrize(("flags", "name"), [(0x800, "Größe.sql"), (0, "Gr├╢├ƒe.sql")])
def test_name_is_decoded_as_its_flag_says(tmp_path, flags, name):
    path = write_zip(tmp_path, forge_zip(Forged("Größe.sql", flags=flags)))
    assert members(path)["name"].tolist() == [name]


def test_name_with_a_nul_is_not_cut(tmp_path):
    path = write_zip(tmp_path, forge_zip(Forged(b"a.sql\0.exe")))
    assert members(path)["name"].tolist() == ["a.sql\0.exe"]
    with pytest.raises(ArtifactError, match=r"control characters"):
        extract(path, tmp_path / "to")


def test_long_name_is_cut_in_the_error(tmp_path):
    path = write_zip(tmp_path, forge_zip(Forged("x" * 60_000)))
    with pytest.raises(ArtifactError, match="is too long") as caught:
        extract(path, tmp_path / "to")
    assert len(str(caught.value)) < 600


# --- content that is not what the directory says ------------------------------------------------------

WIDE = 0xFFFFFFFF
LYING = {
    "less than declared": (Forged(size=9), "it unpacks to 8 bytes and declares 9"),
    "more than declared": (Forged(size=7), "more than the 7 bytes that it declares"),
    "more than declared, with the checksum of the start": (
        Forged(content=b"SELECT 1", raw=b"SELECT 1; DROP", packed=14),
        "more than the 8 bytes",
    ),
    "less than declared, deflated": (Forged(method=8, size=9), "it unpacks to 8 bytes and declares 9"),
    "more than declared, deflated": (Forged(method=8, size=7), "more than the 7 bytes"),
    "bomb, deflated": (Forged(method=8, raw=deflate(ZEROS), size=10), "more than the 10 bytes"),
    "checksum": (Forged(crc=1), "its checksum"),
    "checksum, deflated": (Forged(method=8, crc=1), "its checksum"),
    "broken off": (Forged(method=8, packed=5), "it breaks off"),
    "not deflated": (Forged(method=8, raw=b"SELECT 1"), "not packed as it says"),
    "other name in its header": (Forged(own_name=b"b.sql"), "says other than the directory"),
    "other packing in its header": (Forged(own_method=8), "says other than the directory"),
    "encrypted by its header": (Forged(own_flags=1), "says other than the directory"),
    "packed beyond the file": (Forged(packed=1 << 20), "outside of the file"),
    "header beyond the file": (Forged(at=1 << 20), "outside of the file"),
    "size that is missing": (Forged(size=WIDE), "size or place of a member is missing"),
    "packed size that is missing": (Forged(packed=WIDE), "size or place of a member is missing"),
    "place that is missing": (Forged(at=WIDE), "size or place of a member is missing"),
    "too little for three": (
        Forged(size=WIDE, packed=WIDE, at=WIDE, extra=field(1, bytes(16))),
        "size or place of a member is missing",
    ),
    "packed beyond the file, in 64 bits": (
        Forged(packed=WIDE, extra=field(1, b"\xff" * 8)),
        "outside of the file",
    ),
    "size without end": (Forged(size=WIDE, extra=field(1, b"\xff" * 8)), "bytes, more than max_bytes="),
    "broken field": (Forged(extra=b"\x75\x70\xff\xff"), "extra field of a member is broken"),
    "second name that is no text": (renamed(b"\xff"), "not text in UTF-8"),
    "folder with content": (Forged("ddl/"), "is named like a folder and has content"),
    "no name": (Forged(b""), "has no name"),
}


@pytest.mark.parametrize("function", [members, FUNCTIONS["extract"]], ids=["members", "extract"])
@pytest.mark.parametrize(("member", "reason"), LYING.values(), ids=LYING)
def test_member_with_wrong_declarations_is_refused(tmp_path, member, reason, function):
    path = write_zip(tmp_path, forge_zip(member))
    with pytest.raises(ArtifactError, match=reason):
        function(path)
    assert list(tree(tmp_path)) == ["deep", "deep/a.zip"]


def nested_header(content=b"SELECT 1"):
    """Two members that share content: the second header lies in the first one's extra field."""
    inner = forge_zip(Forged("b.sql", content))[: 30 + 5]
    return forge_zip(
        Forged("a.sql", content, own_extra=field(0x9999, inner)), Forged("b.sql", content, raw=b"", at=39)
    )


def test_header_at_another_offset_is_refused(tmp_path):
    path = write_zip(tmp_path, forge_zip(Forged("a", bytes(99)), Forged("b", at=5)))
    with pytest.raises(ArtifactError, match="not where the directory says"):
        read(path, "b")


OVERLAPPING = {
    "same place": forge_zip(Forged("b"), Forged("b", at=0)),
    "content of the next": forge_zip(Forged("a", raw=b"x", packed=9), Forged("b")),
    "header in a field": nested_header(),
    "content that is the directory": forge_zip(Forged("a", own_extra=bytes(40), raw=b"x", packed=41)),
}


@pytest.mark.parametrize("content", OVERLAPPING.values(), ids=OVERLAPPING)
def test_members_that_overlap_are_refused(tmp_path, content):
    with pytest.raises(ArtifactError, match=r"overlap another member|outside of the file"):
        members(write_zip(tmp_path, content))


def zip64(count=1, **lies):
    """A record for 64 bits, its locator, and the record at the end, which says to look there."""
    plain = forge_zip(Forged())
    offset, end = plain.index(b"PK\1\2"), plain.index(b"PK\5\6")
    wide = {"here": count, "count": count, "size": end - offset, "offset": offset} | lies
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *wide.values())
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    return plain[:end] + record + locator + struct.pack("<4s4H2LH", b"PK\5\6", *[0xFFFF] * 4, WIDE, WIDE, 0)


ENDS = {
    "more entries": (forge_zip(Forged(), here=2, count=2), "has 1 entries instead of 2"),
    "fewer entries": (forge_zip(Forged("a"), Forged("b"), here=1, count=1), "has 2 entries instead of 1"),
    "one disk of several": (forge_zip(Forged(), disk=1), "part of several"),
    "another first disk": (forge_zip(Forged(), first=1), "part of several"),
    "another number of entries here": (forge_zip(Forged(), here=0), "part of several"),
    "comment cut off": (forge_zip(Forged(), comment=3) + b"ab", "the end of it is missing"),
    "longer directory": (forge_zip(Forged(), size=200), "beginning is missing"),
    "shorter directory": (forge_zip(Forged(), size=40), "its directory"),
    "more entries, in 64 bits": (zip64(2), "instead of 2"),
    "size without end, in 64 bits": (zip64(size=2**64 - 1), "its directory would be"),
    "place without end, in 64 bits": (zip64(offset=2**64 - 1), "beginning is missing"),
    "two records that differ": (zip64()[:-12] + struct.pack("<H2LH", 1, 5, WIDE, 0), "records .* differ"),
    "record for 64 bits elsewhere": (zip64().replace(b"PK\6\6", b"PK\6\0"), "not where it belongs"),
}


@pytest.mark.parametrize(("content", "reason"), ENDS.values(), ids=ENDS)
def test_directory_with_wrong_declarations_is_refused(tmp_path, content, reason):
    with pytest.raises(ArtifactError, match=reason):
        members(write_zip(tmp_path, content))


# --- honest archives of every kind --------------------------------------------------------------------


def stream_zip():
    """As servers write while they pack: sizes come after the content."""

    class Pipe(io.RawIOBase):
        def __init__(self):
            self.sent = b""

        def writable(self):
            return True

        def write(self, data):
            self.sent += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.sql", "SELECT 1")
    return pipe.sent


def wide_members():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("a.sql", "w", force_zip64=True) as file:
        file.write(b"SELECT 1")
    return buffer.getvalue()


def with_comment(comment):
    buffer = io.BytesIO(make_zip({"a.sql": "SELECT 1"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = comment
    return buffer.getvalue()


HONEST = {
    "streamed": stream_zip(),
    "with headers for 64 bits": wide_members(),
    "with a directory for 64 bits": zip64(),
    "with sizes in 64 bits": forge_zip(
        Forged(size=WIDE, packed=WIDE, at=WIDE, extra=field(1, struct.pack("<3Q", 8, 8, 0)))
    ),
    "with a comment": with_comment(b"delivered"),
    "with the longest comment": with_comment(b"x" * 65535),
    "after a program": b"MZ" + bytes(5000) + make_zip({"a.sql": "SELECT 1"}),
    "with bytes after its end": make_zip({"a.sql": "SELECT 1"}) + b"\r\n",
    "in pieces of nothing": forge_zip(Forged(method=8, raw=b"\0\0\0\xff\xff" * 99999 + deflate(b"SELECT 1"))),
    "with padded fields": forge_zip(Forged(extra=bytes(7))),
    "with an empty folder that is deflated": forge_zip(Forged(), Forged("ddl/", b"", method=8)),
}


@pytest.mark.parametrize("content", HONEST.values(), ids=HONEST)
def test_honest_archive_is_read(tmp_path, content):
    path = write_zip(tmp_path, content)
    frame = members(path)
    assert frame[["name", "size", "kind"]].values.tolist() == [["a.sql", 8, "sql"]]
    assert read(path, "a.sql") == "SELECT 1"
    assert extract(path, tmp_path / "to")["sha256"].tolist() == frame["sha256"].tolist()


def test_more_entries_than_16_bits_count_are_read(tmp_path):
    path = write_zip(tmp_path, make_zip(dict.fromkeys(map(str, range(66_000)), ""), zipfile.ZIP_STORED))
    assert len(members(path)) == 66_000


# --- packing, and what it costs -----------------------------------------------------------------------


def lzma_member(content):
    chain = [{"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 1 << 23}]
    packer = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=chain)
    return struct.pack("<BBHBL", 9, 4, 5, 0x5D, 1 << 23) + packer.compress(content) + packer.flush()


PACKINGS = {
    "bzip2": (12, bz2.compress(ZEROS)),
    "LZMA": (14, lzma_member(ZEROS)),
    "Deflate64": (9, b""),
    "Zstandard": (93, b""),
    "XZ": (95, b""),
    "method 77": (77, b""),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize(("method", "raw", "name"), [(*p, n) for n, p in PACKINGS.items()], ids=PACKINGS)
def test_other_packings_are_refused_by_name(tmp_path, method, raw, name, function):
    path = write_zip(tmp_path, forge_zip(Forged(method=method, raw=raw, size=10)))
    with pytest.raises(ArtifactError, match=f"is packed by {name}"):
        function(path)
    assert list(tree(tmp_path)) == ["deep", "deep/a.zip"]


def entries_without_end():
    """As many entries as a directory may have: each is a name of one byte."""
    header = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"a"
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    count = (32 << 20) // len(entry)
    fields = (0, 0, count & 0xFFFF, count & 0xFFFF, count * len(entry), len(header), 0)
    return header + entry * count + struct.pack("<4s4H2LH", b"PK\5\6", *fields)


def folders_without_end():
    """Each member lies in a hundred folders of its own."""
    return forge_zip(*[Forged(f"{n:05}/" + "x/" * 98 + "a", b"") for n in range(5000)])


@functools.cache
def texts(line):
    """More text than a comparison may hold; each line takes many characters to be shown."""
    return forge_zip(*[Forged(f"{n}.sql", line * (1 << 18), method=8) for n in range(100)])


BOMBS = {
    "deflated": lambda: forge_zip(Forged(method=8, raw=deflate(bytes(1 << 20)) + bytes(99), size=10)),
    "a text as long as it may be": lambda: forge_zip(
        Forged(method=8, content=b"x" * ((64 << 20) - 4) + "\U0001f600".encode())
    ),
    "entries without end": entries_without_end,
    "folders without end": folders_without_end,
    "long names": lambda: forge_zip(*[Forged(f"{n:05}" + "/\1" * 30_000, b"") for n in range(200)]),
    "long comments": lambda: forge_zip(*[Forged(f"{n}", b"", comment=bytes(65535)) for n in range(500)]),
    "many fields": lambda: forge_zip(
        *[Forged(f"{n}", b"", extra=field(7, b"") * 16_000) for n in range(100)]
    ),
    "texts that differ": lambda: texts(b"\x01\n"),
}
PROGRAM = """
import contextlib, pathlib, resource, sys
from mkframe import artifacts, errors
from mkframe.artifacts._zip import check_zip

path, to, other = map(pathlib.Path, sys.argv[1:])
for function in (
    lambda: artifacts.members(path, max_ratio=1e9),
    lambda: artifacts.read(path, "a.sql"),
    lambda: artifacts.extract(path, to),
    lambda: check_zip(path.open("rb"), "a.zip"),
    lambda: artifacts.show(artifacts.diff(path, other, max_ratio=1e9), None, None)._repr_html_(),
):
    with contextlib.suppress(errors.MkframeError):
        function()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak this way")
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_no_archive_takes_a_gibibyte_of_memory(tmp_path, bomb):
    path = write_zip(tmp_path, bomb())
    other = tmp_path / "other.zip"
    other.write_bytes(texts(b"\x02\n"))
    paths = [path, tmp_path / "to", other]
    done = run_by_shell([sys.executable, "-c", PROGRAM, *map(str, paths)], timeout=850)
    assert done.stderr == ""
    assert int(done.stdout) < 1 << 30


def test_folders_count_as_members(tmp_path):
    path = write_zip(tmp_path, folders_without_end())
    with pytest.raises(ArtifactError, match="too many files and folders, more than max_members=100,000"):
        extract(path, tmp_path / "to")
    assert list(tree(tmp_path)) == ["deep", "deep/a.zip"]
