"""Compare the artifacts of two builds."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from mkframe._files import expand_path, iter_chunks, open_input
from mkframe._text import short_repr, single_line
from mkframe._validation import is_frame_row, is_several
from mkframe.artifacts._archive import as_text, members, read
from mkframe.artifacts._content import hash_and_classify
from mkframe.artifacts._filenames import DESKTOP_FILES
from mkframe.artifacts._frames import typed_frame
from mkframe.artifacts._walk import walk_files
from mkframe.artifacts._zip import MAX_BYTES, MAX_MEMBERS, MAX_RATIO, is_zip
from mkframe.errors import ArtifactError, InputError

__all__ = ["DiffSource", "diff"]

_Paths: TypeAlias = str | os.PathLike[str] | list[str | os.PathLike[str]]
DiffSource: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | pd.DataFrame
_STAMP = re.compile(r"_\d{4}-\d{1,2}-\d{1,2}_\d{1,2}_\d{1,2}(?= \(\d+\)$|$)")
"""The local time at the end of an artifact's name, which differs between builds of the same pattern."""
_SIDE = "Give a ZIP archive, a folder, or a list of files."
_HINT = "Give paths or the frame of a fetch; client.downloads.diff(5136, 5139) fetches and compares builds."
_MANIFEST = "manifest.json"
"""A member that names the build and its time, so that it differs from build to build."""
_BUILD_KEYS = {"id", "build", "buildid"}
_TIME_KEY = re.compile(r"(time|timestamp|date|start|end|_at|[a-z]At)$", re.I)
_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_CHANGES = ("changed", "only in old", "only in new", "unchanged")
_MAX_EFFORT = 10_000_000
"""Pairs of equal lines; about five seconds."""
_MAX_DIFF_CHARS = 64 << 20
"""Characters of all diffs of a frame, which takes up to four bytes for each."""
_NOTE_TOO_LONG = "Left out: all diffs together would be too long. Compare fewer members."
_NOTE_SAME_TEXT = "The text is the same; the bytes differ in encoding or byte order mark."
_NOTE_MANIFEST = "Apart from the id and the times of the build the content is the same."
_NO_NEWLINE = "\n\\ No newline at end of file"
_DTYPES = {
    "name": "str",
    "change": "str",
    "kind": "str",
    "old_size": "Int64",
    "new_size": "Int64",
    "old_sha256": "str",
    "new_sha256": "str",
    "diff": "str",
    "note": "str",
}


@dataclass(frozen=True, slots=True)
class _Member:
    """One delivered file: in an archive, or by itself."""

    size: int
    sha256: str
    kind: str
    path: Path
    inside: str | None

    def text(self, encoding: str | None) -> str:
        if self.inside is None:
            with open_input(self.path, _SIDE) as file:
                return as_text(file.read(self.size), self.path.name, encoding)
        return read(self.path, self.inside, encoding=encoding, max_bytes=self.size)

    def text_or_none(self, encoding: str | None) -> str | None:
        """Return the text, in `encoding` where it declares none; None where it is not text."""
        if self.kind != "binary":
            return self.text(None)
        with contextlib.suppress(ArtifactError):
            return self.text(encoding)
        return None


def diff(
    old: DiffSource,
    new: DiffSource,
    *,
    unchanged: bool = False,
    context: int = 3,
    encoding: str | None = None,
    max_text: int = 1 << 20,
    max_bytes: int = MAX_BYTES,
    max_ratio: float = MAX_RATIO,
    max_members: int = MAX_MEMBERS,
    progress: Callable[[str], object] | None = None,
) -> pd.DataFrame:
    r"""Compare what two builds delivered, member by member.

    Each side is the frame that a fetch returns, a ZIP archive, a folder with archives or with extracted
    files, or a list of files. Members are paired by name. In a folder or list, the archive's name goes
    before its members' names, without ending and without the time at its end, so that
    ``CORE_DV_HLS_2026-4-2_10_14.zip`` is compared with ``CORE_DV_HLS_2026-4-3_9_5.zip``. `show` renders the
    result in a notebook.

    A build holds the instances that were chosen for it. So a member on one side only was not necessarily
    added or removed: the other build may not have had its instance.

    Parameters
    ----------
    old, new : DataFrame, path or iterable of paths
        What was delivered before and after. `client.downloads.diff` takes builds and their ids.
    unchanged : bool, default False
        Whether members that are equal get a row.
    context : int, default 3
        Unchanged lines around each change.
    encoding : str, optional
        Encoding of texts that declare none and are not UTF-8; their kind is ``binary``.
    max_text : int, default 1 MiB
        Texts larger than this, in bytes, are compared by their checksums only, and `note` says so. The
        same holds for diffs beyond 64 Mi characters in total.
    max_bytes, max_ratio, max_members : int, float, int
        Limits for each archive, as `members` has them.
    progress : callable, optional
        Called with the name of each file before it is read, and of each member before it is compared. An
        exception of it ends the comparison.

    Returns
    -------
    DataFrame
        One row for each member: ``name`` str, ``change`` str (``changed``, ``only in old``, ``only in new``
        or ``unchanged``), ``kind`` str, ``old_size`` and ``new_size`` Int64 in bytes, ``old_sha256`` and
        ``new_sha256`` str, ``diff`` str (a unified diff, for changed texts), ``note`` str (why a changed
        member has none, or which build a member is not part of). Sorted by change, then by name. Each
        ``manifest.json`` comes last. It counts as unchanged if it is JSON in which only the id and the times
        of the build differ.

    Raises
    ------
    InputError
        If a side is missing, has no files, is no path and no frame of a fetch, has a file that was not
        fetched, or holds two members of one name, such as artifacts of several builds.
    ArtifactError
        If an archive is damaged, encrypted or unpacks to too much.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     old, new = Path(folder) / "old", Path(folder) / "new"
    ...     for side, text in ((old, "SELECT 1\n"), (new, "SELECT 2\n")):
    ...         side.mkdir()
    ...         _ = (side / "airplane.sql").write_text(text)
    ...     frame = diff(old, new)
    >>> frame[["name", "change"]].values.tolist()
    [['airplane.sql', 'changed']]
    """
    limits = {"max_bytes": max_bytes, "max_ratio": max_ratio, "max_members": max_members}
    (old_paths, old_builds), (new_paths, new_builds) = _side(old), _side(new)
    for which, paths in (("older", old_paths), ("newer", new_paths)):
        if isinstance(paths, list) and not paths:  # else every member would be called one of the other side
            raise InputError(f"The {which} side has no files to compare.", hint=_HINT)
    tick = progress or (lambda name: None)
    before = _members_by_name(old_paths, new_paths, limits, tick)
    after = _members_by_name(new_paths, old_paths, limits, tick)
    absent = {
        "only in old": _absence_notes(after, new_builds, "the newer one"),
        "only in new": _absence_notes(before, old_builds, "the older one"),
    }
    changes = {name: _change(before.get(name), after.get(name)) for name in before.keys() | after.keys()}
    rows = []
    left = _MAX_DIFF_CHARS
    for name in sorted(changes, key=lambda name: (_is_manifest(name), _CHANGES.index(changes[name]), name)):
        tick(name)
        a, b = before.get(name), after.get(name)
        row = _row(name, changes[name], a, b)
        if changes[name] in absent:
            row["note"] = absent[changes[name]](name)
        if row["change"] == "changed" and a and b:
            if left > 0:
                row["diff"], row["note"] = _diff_member(name, a, b, context, encoding, max_text)
                left -= len(row["diff"] or "")
            if left <= 0:
                row["diff"], row["note"] = None, _NOTE_TOO_LONG
            if row["diff"] and _is_manifest(name) and _is_same_manifest(a, b):
                row |= {"change": "unchanged", "diff": None, "note": _NOTE_MANIFEST}
        if row["change"] != "unchanged" or unchanged:
            rows.append(row)
    return typed_frame(rows, _DTYPES)


def _side(source: Any) -> tuple[_Paths, dict[str, int]]:
    """Return the paths of one side, and the build of each path where a frame of a fetch names it."""
    if is_frame_row(source):
        source = source.to_frame().T
    if isinstance(source, pd.DataFrame):
        paths = _paths_of_fetch(source)
        builds = source["build_id"] if "build_id" in source.columns else [pd.NA] * len(paths)
        known = zip(map(str, paths), builds, strict=True)
        return paths, {path: int(build) for path, build in known if not pd.isna(build)}
    if isinstance(source, str | os.PathLike):
        return source, {}
    if not is_several(source):
        raise InputError(f"{short_repr(source)} is no path.", hint=_HINT)
    return list(source), {}


def _paths_of_fetch(frame: pd.DataFrame) -> list[str | os.PathLike[str]]:
    if "path" not in frame.columns:
        raise InputError("The frame has no column 'path': it is not one of a fetch.", hint=_HINT)
    missing = frame[frame["path"].isna()]
    if len(missing):
        first = missing.iloc[0]
        why = first.get("error")
        raise InputError(
            f"Download {single_line(first.name)} was not fetched"
            + (f": {single_line(why)}" if isinstance(why, str) else "."),
            hint="Fetch it again, or leave such rows out: frame.dropna(subset='path').",
        )
    return list(frame["path"])


def _absence_notes(members: dict[str, _Member], builds: dict[str, int], unnamed: str) -> Callable[[str], str]:
    """Return a function that says of which build a member is no part.

    Each artifact may be of another build, so its own is named where there is an artifact of that name.
    """
    own = {_artifact_of(name): builds.get(str(member.path)) for name, member in members.items()}
    numbers = sorted(set(builds.values()))
    everything = f"build{'s' * (len(numbers) > 1)} {' and '.join(map(str, numbers))}"

    def note(name: str) -> str:
        if not builds:
            return f"Not part of {unnamed}."
        build = own.get(_artifact_of(name))
        return (
            f"Not among the given artifacts of {everything}."
            if build is None
            else f"Not part of build {build}."
        )

    return note


def _artifact_of(name: str) -> str:
    """Return the part of a member's name that is its archive's."""
    return name.partition("/")[0]


def _is_manifest(name: str) -> bool:
    return name.rpartition("/")[2].lower() == _MANIFEST


def _is_same_manifest(a: _Member, b: _Member) -> bool:
    """Whether two manifests are JSON and differ in the id and the times of their builds only."""
    with contextlib.suppress(ValueError, RecursionError, ArtifactError):
        old, new = json.loads(a.text(None)), json.loads(b.text(None))
        return isinstance(old, dict) and _is_same_json(old, new)
    return False


def _is_same_json(a: Any, b: Any) -> bool:
    """Compare objects but for ids and times of a build; lists have those of members, which count."""
    if not isinstance(a, dict) or not isinstance(b, dict):
        return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)  # 1 is not true
    return a.keys() == b.keys() and all(
        _is_same_json(a[key], b[key]) or _names_the_build(key, a[key], b[key]) for key in a
    )


def _names_the_build(key: str, a: Any, b: Any) -> bool:
    values = (a, b)
    if key.lower().replace("_", "").replace("-", "") in _BUILD_KEYS:
        return all(isinstance(value, int | str) for value in values)
    if all(isinstance(value, str) for value in values):
        return all(_TIME.fullmatch(value) for value in values)
    return bool(_TIME_KEY.search(key)) and all(isinstance(value, int | float | None) for value in values)


def _row(name: str, change: str, a: _Member | None, b: _Member | None) -> dict[str, Any]:
    sides = {"old": a, "new": b}
    known = {
        f"{side}_{what}": getattr(m, what) for side, m in sides.items() if m for what in ("size", "sha256")
    }
    kind = next(m.kind for m in (b, a) if m)
    return {"name": name, "change": change, "kind": kind, **known}


def _change(a: _Member | None, b: _Member | None) -> str:
    if a is None or b is None:
        return "only in new" if a is None else "only in old"
    return "unchanged" if a.sha256 == b.sha256 else "changed"


def _diff_member(
    name: str, a: _Member, b: _Member, context: int, encoding: str | None, max_text: int
) -> tuple[str | None, str | None]:
    """Return the unified diff of a changed member, or the reason why it has none."""
    if encoding is None and "binary" in (a.kind, b.kind):
        return None, "Not text."
    if max(a.size, b.size) > max_text:
        return None, f"Larger than max_text={max_text:,} bytes."
    before, after = a.text_or_none(encoding), b.text_or_none(encoding)
    if before is None or after is None:
        return None, "Not text."
    old, new = _lines(before), _lines(after)
    if _effort(old, new) > _MAX_EFFORT:
        return None, "Too many repeated lines to be compared line by line."
    lines = difflib.unified_diff(old, new, f"old/{name}", f"new/{name}", n=context, lineterm="")
    text = "\n".join(lines)
    return (text, None) if text else (None, _NOTE_SAME_TEXT)


def _effort(old: list[str], new: list[str]) -> int:
    """Count the pairs of equal lines that difflib compares; it skips lines above 1 % of a long text."""
    counts = Counter(new)
    most = len(new) // 100 + 1 if len(new) >= 200 else len(new)
    return sum(counts[line] for line in old if counts[line] <= most)


def _lines(text: str) -> list[str]:
    """Split into lines without line feeds; mark a last line that has none, as patches do."""
    *whole, last = text.split("\n")
    return [*whole, last + _NO_NEWLINE] if last else whole


def _members_by_name(
    source: _Paths, other: _Paths, limits: dict[str, Any], tick: Callable[[str], object]
) -> dict[str, _Member]:
    """Map the name of every member of one side, in the form in which both sides share it, to the member."""
    found: dict[str, _Member] = {}
    is_single = _is_one_file(source) and (_is_one_file(other) or not _has_archives(other))
    for name, path in _files(source).items():
        tick(name)
        is_archive = _is_archive(path, name)
        here = (
            _archive_members(name, path, is_single, limits)
            if is_archive
            else [(name, _single_file(name, path))]
        )
        for key, member in here:
            if key in found:
                raise _duplicate_error(key, found[key].path.name, path.name)
            found[key] = member
    return found


def _duplicate_error(name: str, first: str, second: str) -> InputError:
    return InputError(
        f"{name!r} is there twice: in {first!r} and in {second!r}.",
        hint="Give the files of one build at a time, such as a folder for each build.",
    )


def _archive_members(
    name: str, path: Path, is_single: bool, limits: dict[str, Any]
) -> Iterator[tuple[str, _Member]]:
    base = "" if is_single else _STAMP.sub("", name.removesuffix(path.suffix)) + "/"
    for row in members(path, **limits).to_dict("records"):
        inside = row["name"]
        yield base + inside, _Member(row["size"], row["sha256"], row["kind"], path, inside)


def _single_file(name: str, path: Path) -> _Member:
    with open_input(path, _SIDE) as file:
        size = os.fstat(file.fileno()).st_size
        sha256, kind = hash_and_classify(iter_chunks(file), name)
    return _Member(size, sha256, kind, path, None)


def _is_one_file(source: _Paths) -> bool:
    return isinstance(source, str | os.PathLike) and expand_path(source).is_file()


def _has_archives(source: _Paths) -> bool:
    return any(_is_archive(path, name) for name, path in _files(source).items())


def _is_archive(path: Path, name: str) -> bool:
    with open_input(path, _SIDE) as file:
        return is_zip(file, name)


def _files(source: _Paths) -> dict[str, Path]:
    """Map names to files: relative to the folder, or the file name."""
    if not isinstance(source, str | os.PathLike):
        return _files_of_list(source)
    path = _require_path(expand_path(source))
    if not path.is_dir():
        return {path.name: path}
    found = (Path(entry.path) for entry in walk_files(path) if entry.is_file())
    inside = sorted(p for p in found if not _is_ours_or_desktop(p.name))
    return {p.relative_to(path).as_posix(): p for p in inside}


def _files_of_list(source: Iterable[Any]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for one in source:
        if not isinstance(one, str | os.PathLike):
            raise InputError(
                f"{short_repr(one)} is no path: a file that was not fetched has none.", hint=_HINT
            )
        path = _require_path(expand_path(one))
        if path.name in found:
            raise _duplicate_error(path.name, str(found[path.name].parent), str(path.parent))
        found[path.name] = path
    return found


def _is_ours_or_desktop(name: str) -> bool:
    return name.startswith(".mkframe") or name in DESKTOP_FILES


def _require_path(path: Path) -> Path:
    if not path.exists():
        raise InputError(
            f"There is no file or folder {str(path)!r}.",
            hint=_SIDE,
        )
    return path
