"""The directory at the end of a ZIP archive, and the bytes of the members that it lists.

The module zipfile of Python's library is not used for reading. Since Python 3.12 it takes a member's name
from another place than before, its checks for overlapping members differ by version, it does not hold bzip2
and LZMA to any size, and it neither misses nor refuses bytes that a member has less or more than declared.
An archive must mean the same on every Python. `zipfile.BadZipFile` is raised for whatever is wrong.
"""

from __future__ import annotations

import os
import struct
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile

__all__ = ["STARTS", "Archive", "Entry", "entries"]

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END64, _LOCATOR64 = b"PK\x06\x06", b"PK\x06\x07"
STARTS = (_LOCAL, _END)
"""Possible first four bytes of an archive."""
_MAX_END = (1 << 16) + 22
_MAX_DIRECTORY = 32 << 20
_CHUNK = 1 << 18
_HEAD = struct.Struct("<4x4x2H4x3L3H4x2L")
"""Of a member in the directory, without its version, time, disk and kind of text."""
_ENCRYPTED, _UTF8 = 0x1 | 0x40 | 0x2000, 0x800
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
"""A field that is full of ones stands in the ZIP64 record instead."""
METHODS = {1: "shrunk", 6: "imploded", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ"}


class Entry(NamedTuple):
    """The directory entry of one member.

    Attributes
    ----------
    name : str
        As in the directory, unchanged.
    other_name : str or None
        The name in the extra field for Unicode paths, where it differs in more than the separator.
    size, packed : int
        Bytes, unpacked and in the archive.
    crc, method, flags, mode : int
        CRC-32; how it is packed; the general purpose bits; permissions and kind of file on Unix.
    offset : int
        Where its own header begins.
    """

    name: str
    raw_name: bytes
    other_name: str | None
    size: int
    packed: int
    crc: int
    method: int
    flags: int
    mode: int
    offset: int

    @property
    def is_folder(self) -> bool:
        """Whether its name is that of a folder."""
        return self.name.endswith("/")

    @property
    def is_encrypted(self) -> bool:
        """Whether its content needs a password."""
        return bool(self.flags & _ENCRYPTED)

    @property
    def unknown_method(self) -> str | None:
        """How it is packed, where that is neither stored nor deflated."""
        if self.method in (ZIP_STORED, ZIP_DEFLATED):
            return None
        return METHODS.get(self.method, f"method {self.method}")


def entries(file: IO[bytes]) -> Iterator[Entry]:
    """Read the directory of an archive, one member after another.

    Raises
    ------
    BadZipFile
        If the directory is missing, broken, too large, or does not fit the file.
    """
    end = _End.find(file)
    file.seek(end.start)
    left, count, first = end.size, 0, end.start
    while left > 0:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size or not head.startswith(_CENTRAL):
            raise BadZipFile("its directory is broken")
        flags, method, crc, packed, size, name, extra, comment, attributes, offset = _HEAD.unpack(head)
        raw_name, fields = file.read(name), file.read(extra)
        if comment:  # nobody reads it
            file.seek(comment, os.SEEK_CUR)
        left -= _HEAD.size + name + extra + comment
        zip64, paths = _fields(fields) if fields else (b"", [])
        if _FULL32 in (size, packed, offset):
            size, packed, offset = _apply_zip64((size, packed, offset), zip64)
        offset += end.shift
        if offset + 30 + name + packed > end.start:
            raise BadZipFile("a member would lie outside of the file")
        text, other = _names(raw_name, bool(flags & _UTF8), paths)
        mode = attributes >> 16
        entry = Entry(text, raw_name, other, size, packed, crc, method, flags, mode, offset)
        count, first = count + 1, min(first, entry.offset)
        yield entry
    if left < 0:
        raise BadZipFile("its directory is longer than it says")
    if (count ^ end.count) & end.count_mask:
        raise BadZipFile(f"its directory has {count:,} entries instead of {end.count:,}")
    file.seek(0)
    if count and first and file.read(4) in STARTS:  # only the last member of an archive that broke off
        raise BadZipFile("its directory does not belong to its beginning")


class Archive:
    """A ZIP archive whose directory has been read.

    Parameters
    ----------
    file : file
        Open for reading, and seekable.
    path : Path
        Its name, for errors.

    Raises
    ------
    BadZipFile
        If the directory is missing, broken, too large, or does not fit the file.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.path = path
        self._file = file
        self.entries = list(entries(file))
        self._offsets = array("Q", sorted(entry.offset for entry in self.entries))
        self._end = _End.find(file).start

    def chunks(self, entry: Entry) -> Iterator[bytes]:
        """Decompress a member chunk by chunk: exactly as many bytes as the directory declares, or an error.

        Raises
        ------
        BadZipFile
            If the content does not match its directory entry.
        """
        size, crc = 0, 0
        packed = self._read_compressed(entry)
        for chunk in _rechunk(packed if entry.method == ZIP_STORED else _inflate(packed)):
            size += len(chunk)
            crc = zlib.crc32(chunk, crc)
            if size > entry.size:
                raise BadZipFile(f"it unpacks to more than the {entry.size:,} bytes that it declares")
            yield chunk
        if size < entry.size:
            raise BadZipFile(f"it unpacks to {size:,} bytes and declares {entry.size:,}")
        if crc != entry.crc:
            raise BadZipFile("its checksum (CRC-32) differs")

    def _read_compressed(self, entry: Entry) -> Iterator[bytes]:
        self._file.seek(self._start(entry))
        left = entry.packed
        while left:
            part = self._file.read(min(left, _CHUNK))
            if not part:
                raise BadZipFile("it breaks off")
            left -= len(part)
            yield part

    def _start(self, entry: Entry) -> int:
        """Return the offset of a member's content, after its own header."""
        self._file.seek(entry.offset)
        header = self._file.read(30)
        if len(header) < 30 or not header.startswith(_LOCAL):
            raise BadZipFile("its own header is not where the directory says")
        flags, method = struct.unpack_from("<HH", header, 6)
        name_length, extra_length = struct.unpack_from("<HH", header, 26)
        same = self._file.read(name_length) == entry.raw_name and method == entry.method
        if not same or (flags ^ entry.flags) & _ENCRYPTED:
            raise BadZipFile("its own header says other than the directory")
        start = entry.offset + 30 + int(name_length) + int(extra_length)
        place = bisect_right(self._offsets, entry.offset)
        begins_alone = place == 1 or self._offsets[place - 2] < entry.offset
        limit = self._offsets[place] if place < len(self._offsets) else self._end
        if not begins_alone or start + entry.packed > limit:
            raise BadZipFile("its bytes overlap another member or the directory")
        return start


@dataclass(frozen=True, slots=True)
class _End:
    """The end record of an archive, which locates the directory."""

    start: int
    """Where the directory begins in the file."""
    size: int
    shift: int
    """How much later than it says it begins, since other bytes were put before the archive."""
    count: int
    count_mask: int

    @classmethod
    def find(cls, file: IO[bytes]) -> _End:
        """Find the record: the last one whose comment fits into the file."""
        length = file.seek(0, os.SEEK_END)
        base = max(0, length - _MAX_END)
        file.seek(base)
        tail = file.read()
        place = tail.rfind(_END)
        if place < 0:
            raise BadZipFile("it has no directory at its end")
        record = tail[place : place + 22]
        if len(record) < 22 or place + 22 + struct.unpack_from("<H", record, 20)[0] > len(tail):
            raise BadZipFile("the end of it is missing")
        disk, first_disk, here, count, size, offset = struct.unpack_from("<4H2L", record, 4)
        end, mask = base + place, _FULL16
        zip64 = _zip64(file, end)
        if zip64 is not None:
            end, mask = end - 20 - 56, -1
            narrow = (disk, first_disk, here, count, size, offset)
            full = (_FULL16,) * 4 + (_FULL32,) * 2
            if any(n not in (w, f) for n, w, f in zip(narrow, zip64, full, strict=True)):
                raise BadZipFile("its two records of the directory differ")
            disk, first_disk, here, count, size, offset = zip64
        if disk or first_disk or here != count:
            raise BadZipFile("it is one part of several")
        if size > _MAX_DIRECTORY:
            raise BadZipFile(f"its directory would be {size:,} bytes, more than any artifact needs")
        shift = end - size - offset
        if shift < 0:
            raise BadZipFile("its beginning is missing")
        return cls(end - size, size, shift, count, mask)


def _zip64(file: IO[bytes], end: int) -> tuple[int, ...] | None:
    """Read the ZIP64 end record, which lies before the other; None if there is none."""
    if end < 20:
        return None
    file.seek(end - 20)
    if file.read(4) != _LOCATOR64:
        return None
    file.seek(max(0, end - 20 - 56))
    record = file.read(56)
    if not record.startswith(_END64):
        raise BadZipFile("its record for sizes beyond 4 GiB is not where it belongs")
    return struct.unpack_from("<2L4Q", record, 16)


def _fields(extra: bytes) -> tuple[bytes, list[bytes]]:
    """Parse the extra fields of a member: its ZIP64 sizes and its Unicode paths."""
    place, zip64, paths = 0, b"", []
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        place += 4 + length
        if place > len(extra):
            raise BadZipFile("an extra field of a member is broken")
        if kind == _ZIP64 and not zip64:
            zip64 = extra[place - length : place]
        elif kind == _UNICODE_PATH:  # begins with a version and the checksum of the name that it is for
            paths.append(extra[place - length : place][5:])
    return zip64, paths


def _names(raw_name: bytes, is_utf8: bool, paths: list[bytes]) -> tuple[str, str | None]:
    """Return the name of a member, and a second name that differs, if there is one."""
    name = _text(raw_name, "utf-8" if is_utf8 or raw_name in paths else "cp437")
    if not name:
        raise BadZipFile("a member has no name")
    plain = name.replace("\\", "/")
    others = (_text(path, "utf-8") for path in paths)
    return name, next((other for other in others if other.replace("\\", "/") != plain), None)


def _apply_zip64(values: tuple[int, ...], zip64: bytes) -> list[int]:
    """Replace the values that do not fit into 32 bits by those of the ZIP64 extra field."""
    full = sum(value == _FULL32 for value in values)
    if len(zip64) < 8 * full:
        raise BadZipFile("the size or place of a member is missing")
    rest = iter(struct.unpack_from(f"<{full}Q", zip64))
    return [next(rest) if value == _FULL32 else value for value in values]


def _text(name: bytes, encoding: str) -> str:
    try:
        return name.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadZipFile("the name of a member is not text in UTF-8") from error


def _rechunk(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Join small parts into chunks: the encoding is detected in the first chunk alone."""
    buffer = bytearray()
    for part in parts:
        buffer += part
        if len(buffer) >= _CHUNK:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def _inflate(packed: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress deflated data, never more than a chunk at a time, so that no bomb fills the memory."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for part in packed:
            while part and not inflater.eof:
                yield inflater.decompress(part, _CHUNK)
                part = inflater.unconsumed_tail
        while not inflater.eof:
            if not (chunk := inflater.decompress(b"", _CHUNK)):
                raise BadZipFile("it breaks off")
            yield chunk
    except zlib.error as error:
        raise BadZipFile("it is not packed as it says") from error
