"""Open and create history files: locks, formats, damage.

A connection is held for one call only, since a reader locks out the writer and the writer everybody. Every
error of the library becomes a sentence that says what is wrong with the file.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import re
import secrets
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from mkframe._files import expand_path, temporary_path
from mkframe._folders import Folder, check_regular, is_mine, open_folder, resolve
from mkframe._text import single_line
from mkframe._version import __version__
from mkframe.errors import (
    HistoryBusyError,
    HistoryDamagedError,
    HistoryError,
    HistoryFormatError,
    InputError,
    LibraryError,
    SchemaWarning,
    warn,
)
from mkframe.history import _layout

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")
__all__ = [
    "FORMAT",
    "check_wait",
    "compact",
    "is_about_file",
    "is_there",
    "open_for_sql",
    "open_to_read",
    "open_to_write",
    "query_errors",
]

FORMAT = 2
"""Version of the tables in the file; 1 did not say with which fields it was written."""
_MADE_BY = f"mkframe {__version__}"
_STORAGE = "v1.4.0"
"""Storage version of DuckDB: the oldest release that reads the file."""
_HEADERS, _BLOCK = 3 * 4096, 1 << 17
"""Bytes at the start of a file, and of each block after them. In larger blocks, the small changes of each
night would leave more space unused."""
_RESTORE = "Restore it from a backup; nothing of it was changed."
_PAUSE = 0.03
_MIN_FREE, _MAX_FREE = 4, 0.2
"""A file of whose blocks so many, and such a share of them, are free is written anew."""
_BUSY = re.compile(
    r"set lock on file|Conflicting lock|different configuration|handle conflict|already attached|"
    r"being used by another process"
)
_HOLDER = re.compile(r"lock is held in (.+?) \(PID (\d+)\)")
_VERSION = re.compile(r"version number|storage version|newer version of DuckDB", re.I)
_DAMAGE = re.compile(r"checksum|corrupt|not a valid DuckDB|Could not read enough|replaying WAL", re.I)
_DISK = re.compile(r"No space left|Disk quota|Read-only file system|Permission denied|disk full", re.I)


def check_wait(wait: float) -> float:
    """Check the seconds that a call may wait for the file."""
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait < float("inf"):
        raise InputError(f"wait must be a number of seconds, not {wait!r}.", hint="Write wait=30.")
    return float(wait)


@contextlib.contextmanager
def open_to_read(path: Path, wait: float, *, is_quick: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a history for reading; with `is_quick` the end of the file is not looked at closely.

    Raises
    ------
    InputError
        If there is no such file.
    HistoryError
        If it is busy for longer than `wait` seconds, damaged or no history.
    """
    file = _required(path)
    reading = functools.partial(_attach, file, wait, read_only=True, is_quick=is_quick)
    with _open_present(reading, file, wait) as connection:
        yield connection


@contextlib.contextmanager
def open_to_write(path: Path, wait: float, *, is_quick: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a history for writing, created where it is missing."""
    if _existing(path) is None:
        _create(path)
    with _attach(_required(path), wait, read_only=False, is_quick=is_quick) as connection:
        yield connection


@contextlib.contextmanager
def open_for_sql(path: Path, wait: float) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a history for statements of a user: they reach no other file, and change nothing."""
    file = _required(path)
    with _open_present(functools.partial(_connect, file, wait), file, wait) as connection:
        yield connection


@contextlib.contextmanager
def _connect(file: Path, wait: float) -> Iterator[duckdb.DuckDBPyConnection]:
    config = {
        "enable_external_access": "false",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "python_enable_replacements": "false",
    }

    def connect() -> duckdb.DuckDBPyConnection:
        connection: duckdb.DuckDBPyConnection = _duckdb().connect(str(file), read_only=True, config=config)
        return connection

    with (
        _reserved(file, wait, read_only=True) as end,
        _as_file_errors(file),
        contextlib.closing(_retry(connect, file, wait, end)) as connection,
    ):
        _check_fields(_check_format(connection, file))
        _check_size(connection, file, is_quick=False)
        connection.execute("SET TimeZone = 'UTC'; SET lock_configuration = true")
        yield connection


class _ReplacedError(Exception):
    """Another process has put a new file in the place of the one that was opened."""


class _OtherFieldsError(Exception):
    """The file was written with other fields than those of the present schema."""


@contextlib.contextmanager
def _open_present(
    open: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]], file: Path, wait: float
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a history for reading; one of other fields is brought up to the present schema before."""
    with contextlib.ExitStack() as stack:
        try:
            connection = stack.enter_context(open())
        except _OtherFieldsError:
            _update(file, wait)
            connection = stack.enter_context(open())
        yield connection


def _update(file: Path, wait: float) -> None:
    try:
        with _attach(file, wait, read_only=False, is_quick=False):
            pass
    except HistoryError as error:
        error.message = (
            f"{error.message.rstrip('.')}. It was written with other fields than those of mkframe "
            f"{__version__}, which has to write it once before it can be read."
        )
        raise


# --- one connection at a time -----------------------------------------------------------------------


class _Uses:
    """How this process uses a file: DuckDB's locks are between processes, and readers may share it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.readers = 0
        self.is_written = False

    def is_free(self, read_only: bool) -> bool:
        return not self.is_written and (read_only or not self.readers)


_USES: dict[str, _Uses] = {}
_ENGINES: dict[int, duckdb.DuckDBPyConnection] = {}
"""One engine in memory for this process, by process id: files are attached to it for a call, which takes a
tenth of the time of an engine of their own."""
_NUMBERS = itertools.count()


@contextlib.contextmanager
def _reserved(file: Path, wait: float, *, read_only: bool) -> Iterator[float]:
    """Wait until no other thread uses the file; yield when the waiting for other processes ends."""
    end = time.monotonic() + wait
    uses = _USES.setdefault(f"{os.getpid()} {file}", _Uses())
    with uses.changed:
        if not uses.changed.wait_for(lambda: uses.is_free(read_only), timeout=wait):
            raise _busy(file, wait, "another thread of this process uses it")
        uses.readers += read_only
        uses.is_written = not read_only
    try:
        yield end
    finally:
        with uses.changed:
            uses.readers -= read_only
            uses.is_written = False
            uses.changed.notify_all()


@contextlib.contextmanager
def _attach(
    file: Path, wait: float, *, read_only: bool, is_quick: bool
) -> Iterator[duckdb.DuckDBPyConnection]:
    with _reserved(file, wait, read_only=read_only) as end, _as_file_errors(file):
        name = f"history_{next(_NUMBERS)}"
        mode = "READ_ONLY" if read_only else "READ_WRITE"
        connection = _engine().cursor()
        try:
            _retry(lambda: _attach_file(connection, file, name, mode), file, wait, end)
            connection.execute(f"USE {name}")
            held = _check_format(connection, file)
            if read_only:
                _check_fields(held)
            _check_size(connection, file, is_quick=is_quick)
            if not read_only:
                _migrate_tables(connection, held)
            yield connection
        except BaseException:
            with contextlib.suppress(_duckdb().Error):
                connection.execute("ROLLBACK")
            raise
        finally:
            _detach(connection, name)


def _attach_file(connection: duckdb.DuckDBPyConnection, file: Path, name: str, mode: str) -> None:
    """Attach a file; raise `_ReplacedError` if another process has replaced it before it was locked."""
    found = _stat(file)
    connection.execute(f"ATTACH {_text(file)} AS {name} ({mode})")
    if not os.path.samestat(found, _stat(file)):
        connection.execute(f"DETACH {name}")
        raise _ReplacedError


def _stat(file: Path) -> os.stat_result:
    try:
        return file.stat()
    except OSError as error:
        raise _missing(file) from error


def _detach(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Let go of a file; an engine that cannot is given up, since it would keep its lock."""
    try:
        connection.execute(f"USE memory; DETACH DATABASE IF EXISTS {name}")
        connection.close()
    except _duckdb().Error:
        connection.close()
        _ENGINES.pop(os.getpid()).close()


def _engine() -> duckdb.DuckDBPyConnection:
    engine = _ENGINES.get(os.getpid())
    if engine is None:
        engine = _duckdb().connect(config={"threads": "1", "autoinstall_known_extensions": "false"})
        # What is committed goes into the file at once, and no write-ahead log stays beside it: one that is
        # cut short, or not copied along, would lose syncs without an error.
        engine.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL wal_autocheckpoint = '0B'")
        _ENGINES[os.getpid()] = engine
    return engine


def _retry(open: Callable[[], T], file: Path, wait: float, end: float) -> T:
    """Open a file that another process may hold, until the waiting ends."""
    while True:
        try:
            return open()
        except _ReplacedError:
            continue
        except _duckdb().Error as error:
            text = str(error)
            if not _BUSY.search(text):
                raise
            if time.monotonic() >= end:
                holder = _HOLDER.search(text)
                who = f"process {holder[2]} ({holder[1]})" if holder else "another connection of this process"
                raise _busy(file, wait, f"{who} uses it") from None
        time.sleep(_PAUSE)


def _text(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _required(path: Path) -> Path:
    _duckdb()
    file = _existing(path)
    if file is None:
        raise _missing(path)
    return file


def _missing(path: Path) -> InputError:
    return InputError(
        f"There is no history {str(path)!r}.", hint="Check the path, or fill it with History.sync(client)."
    )


def _duckdb() -> Any:
    try:
        import duckdb
        import pyarrow  # noqa: F401  frames go in and out by it
    except ImportError as error:
        raise ImportError(
            f'A history needs {error.name}, which is not installed. Try: pip install "mkframe[history]"'
        ) from error
    return duckdb


def is_there(path: Path) -> bool:
    """Tell whether there is a file; where there is none, check that there is a folder for it.

    Raises
    ------
    InputError
        If there is no such folder, or the file cannot be opened.
    """
    _duckdb()  # before anything is asked
    if _existing(path) is not None:
        return True
    target = expand_path(path)
    try:
        open_folder(resolve(target).parent).close()
    except OSError as error:
        raise _not_creatable(path, error.strerror or str(error)) from error
    return False


def _not_creatable(path: Path, reason: str) -> InputError:
    return InputError(
        f"The history {str(path)!r} cannot be created: {reason}.", hint="Is the folder there, and yours?"
    )


def _existing(path: Path) -> Path | None:
    """Return the real path of a file that is there."""
    try:
        file = resolve(expand_path(path))
        check_regular(file.stat(), file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{str(path)!r} cannot be opened: {reason}.", hint="Name another file.") from error
    return file


def _create(path: Path) -> None:
    """Create a history beside its name, and move it there when it is complete."""
    target = expand_path(path)
    try:
        parent = resolve(target).parent
        part = temporary_path()
        with (
            open_folder(parent) as folder,
            _new_file(folder, part),
            contextlib.suppress(FileExistsError),  # another process was faster
        ):
            folder.link(part, target.name)
    except (OSError, _duckdb().IOException) as error:
        raise _not_creatable(path, getattr(error, "strerror", None) or single_line(error)) from error


@contextlib.contextmanager
def _new_file(
    folder: Folder, part: str, source: str | None = None, mode: int | None = None
) -> Iterator[None]:
    """Write a history beside, empty or with all that an attached one holds; remove it at the end."""
    try:
        _write_file(folder.path / part, source, mode)
        yield
    finally:
        with contextlib.suppress(OSError):
            folder.remove(part)


def _write_file(path: Path, source: str | None, mode: int | None) -> None:
    name = f"history_{next(_NUMBERS)}"
    connection = _engine().cursor()
    try:
        options = f"STORAGE_VERSION '{_STORAGE}', BLOCK_SIZE {_BLOCK}"
        connection.execute(f"ATTACH {_text(path)} AS {name} ({options})")
        if mode is not None:
            path.chmod(mode)  # before there is anything to read in it
        connection.execute(f"USE {name}; BEGIN")
        connection.execute(_layout.ddl())
        if source is None:
            meta = [FORMAT, _MADE_BY, _layout.field_types()]
            connection.execute("INSERT INTO stored.meta VALUES (?, ?, NULL, ?)", meta)
        else:
            for table in _layout.table_names():
                connection.execute(f"INSERT INTO stored.{table} FROM {source}.stored.{table}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(_duckdb().Error):
            connection.execute("ROLLBACK")
        raise
    finally:
        _detach(connection, name)
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def compact(path: Path) -> None:
    """Write a file anew of which much is unused, if nobody else uses it at this moment.

    Each sync leaves blocks behind that the next ones fill in part only. The new file is written beside and
    takes the place of the old one, which is locked until then; who has opened the old one by then notices,
    and opens the new one. Where this is not possible, the file stays as it is.
    """
    if sys.platform == "win32":  # an open file cannot be replaced there
        return
    file = _required(path)
    with (
        contextlib.suppress(HistoryBusyError),
        _attach(file, 0, read_only=False, is_quick=True) as connection,
    ):
        connection.execute("CHECKPOINT")  # a log that a killed process has left is of the old file
        name, total, free = connection.execute(
            "SELECT database_name, total_blocks, free_blocks FROM pragma_database_size() "
            "WHERE database_name = current_database()"
        ).fetchall()[0]
        found = file.stat()
        is_wasteful = free >= max(_MIN_FREE, total * _MAX_FREE)
        is_alone = found.st_nlink == 1 and is_mine(found) and not Path(f"{file}.wal").exists()
        if not is_wasteful or not is_alone or _has_more(connection, name):
            return
        with _suppress_disk_errors(), open_folder(file.parent) as folder:
            _remove_left_over(folder, file.name)
            part = f".{file.name}.{secrets.token_hex(8)}.part"
            with _new_file(folder, part, name, stat.S_IMODE(found.st_mode)):
                folder.replace(part, file.name)


def _remove_left_over(folder: Folder, name: str) -> None:
    """Remove what killed processes have left: only who has locked the history writes such files."""
    pattern = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}\.part(\.wal)?")
    for part in filter(pattern.fullmatch, folder.names()):
        with contextlib.suppress(OSError):
            folder.remove(part)


def _has_more(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Tell whether a file holds tables or views of somebody else."""
    found = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = $name UNION ALL "
        "SELECT view_name FROM duckdb_views() WHERE database_name = $name AND NOT internal",
        {"name": name},
    ).fetchall()
    return sorted(row[0] for row in found) != sorted((*_layout.table_names(), *_layout.view_names()))


@contextlib.contextmanager
def _suppress_disk_errors() -> Iterator[None]:
    """Go on where a disk is full or a folder cannot be written; a damaged file is an error."""
    try:
        yield
    except OSError:
        pass
    except _duckdb().IOException as error:
        if not _DISK.search(str(error)):
            raise


def _busy(file: Path, wait: float, who: str) -> HistoryBusyError:
    return HistoryBusyError(
        f"The history {str(file)!r} is busy: {who}, for {wait:g} s now.",
        hint="Wait for it, or close what has it open; wait= says for how long a call waits.",
    )


def _check_format(connection: duckdb.DuckDBPyConnection, file: Path) -> str | None:
    """Return with which fields a history was written, as JSON; None if it does not say so."""
    try:
        result = connection.execute("SELECT * FROM stored.meta")
        names = [column[0] for column in result.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    except (_duckdb().CatalogException, _duckdb().BinderException):
        rows = []
    if len(rows) != 1 or not {"format", "made_by"} <= rows[0].keys():
        raise HistoryFormatError(
            f"{str(file)!r} is a DuckDB file, but no history of mkframe.", hint="Name another file."
        )
    found, made_by, fields = rows[0]["format"], rows[0]["made_by"], rows[0].get("fields")
    written = f"The history {str(file)!r} has format {found}, written by {single_line(made_by)}"
    if found not in (1, FORMAT):
        raise HistoryFormatError(
            f"{written}; mkframe {__version__} reads formats 1 to {FORMAT}.",
            hint="Use a newer mkframe." if (found or 0) > FORMAT else "It is no file of any mkframe.",
        )
    if fields != _layout.field_types() and _release(made_by) > _release(__version__):
        raise HistoryFormatError(
            f"{written}, with other fields than those of mkframe {__version__}.", hint="Use a newer mkframe."
        )
    return None if found == 1 else str(fields)


def _release(made_by: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", made_by)[:3]]


def _check_fields(held: str | None) -> None:
    if held != _layout.field_types():
        raise _OtherFieldsError


def _migrate_tables(connection: duckdb.DuckDBPyConnection, held: str | None) -> None:
    """Bring a history that was written with other fields up to the present schema, in one transaction."""
    now = _layout.field_types()
    if held == now:
        return
    from mkframe.history._migrate import guess_types, migrate

    connection.execute("BEGIN")
    if held is None:
        connection.execute("ALTER TABLE stored.meta ADD COLUMN fields VARCHAR")
    misfits = migrate(connection, guess_types(connection) if held is None else json.loads(held))
    connection.execute("UPDATE stored.meta SET format = ?, made_by = ?, fields = ?", [FORMAT, _MADE_BY, now])
    connection.execute("COMMIT")
    for sentence in misfits:
        warn(sentence, SchemaWarning)


def _check_size(connection: duckdb.DuckDBPyConnection, file: Path, *, is_quick: bool) -> None:
    """Notice that blocks are missing at the end of a file, since a read might not need them.

    A file that ends within a free block is whole: its writer was killed. The quick check notices a file that
    ends within a block only.
    """
    blocks, rest = divmod(file.stat().st_size - _HEADERS, _BLOCK)
    if is_quick and not rest:
        return
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE database_name = current_database() AND NOT internal"
    ).fetchall()  # those of the user, too
    names = [".".join(map(_layout.quoted, table)) for table in tables]
    parts = [f"FROM pragma_storage_info({_text(name)})" for name in names]
    used = " UNION ALL ".join(f"SELECT block_id, additional_block_ids {part}" for part in parts)
    found = connection.execute(
        f"SELECT max(block_id), max(list_max(additional_block_ids)) FROM ({used})"
    ).fetchall()
    if blocks <= max((block for block in found[0] if block is not None), default=-1):
        raise HistoryDamagedError(f"The history {str(file)!r} is damaged: its end is missing.", hint=_RESTORE)


@contextlib.contextmanager
def _as_file_errors(file: Path) -> Iterator[None]:
    """Raise errors of the library as what is wrong with the file."""
    try:
        yield
    except _duckdb().Error as error:
        if isinstance(error, _duckdb().InterruptException) or "KeyboardInterrupt" in str(error):
            raise KeyboardInterrupt from LibraryError(single_line(error))
        raise _file_error(file, error) from LibraryError(single_line(error))
    except (json.JSONDecodeError, msgspec.DecodeError) as error:  # bodies of servers have errors of ours
        raise _file_error(file, error) from LibraryError(single_line(error))


def query_errors() -> type[Exception]:
    """Return the base class of the library's errors."""
    errors: type[Exception] = _duckdb().Error
    return errors


def is_about_file(error: Exception) -> bool:
    """Tell whether an error is about the file, and not about a statement."""
    library = _duckdb()
    kinds = (
        library.SerializationException,
        library.InternalException,
        library.FatalException,
        library.OutOfMemoryException,
    )
    return isinstance(error, kinds) or bool(_DAMAGE.search(str(error)))


def _file_error(file: Path, error: Exception) -> HistoryError:
    text, name = str(error), repr(str(file))
    if _VERSION.search(text) and "checksum" not in text:
        return HistoryFormatError(
            f"The history {name} was written by another version of DuckDB: {single_line(error)}",
            hint="Install a newer duckdb.",
        )
    if isinstance(error, _duckdb().OutOfMemoryException):
        return HistoryError(
            f"The history {name} needs more memory than there is.", hint="Read one project at a time."
        )
    if "as Arrow data failed" in text:  # of a table in memory, when a signal came
        return HistoryError(
            f"The history {name} was not written: {single_line(error)}",
            hint="It holds all that was stored before; sync again.",
        )
    if _DISK.search(text):
        return HistoryError(
            f"The history {name} cannot be written: {single_line(error)}",
            hint="It holds all that was stored before.",
        )
    return HistoryDamagedError(
        f"The history {name} is damaged: {single_line(error)}",
        hint=_RESTORE,
    )
