"""Body bytes to typed frames of builds and downloads: mkframe beside others.

    python tests/benchmarks/bench_frames.py [--sizes 1000 10000] [--peers mkframe polars ...] [--write]

Prints ratios only, and writes them into docs/benchmarks.md where asked. One is `orjson.loads` on the same
bytes with the garbage collector paused, in the same run, in turns. Every peer is asked in its best form, and
its frames are compared with ours before anything is measured. Peers that are not installed are left out, and
said so.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import functools
import gc
import importlib.util
import io
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

from mkframe import frames  # noqa: E402
from mkframe.schema import EMBEDDED_DOWNLOAD, RESOURCES, Field  # noqa: E402
from tests.benchmarks.publishing import add_write, circumstances, publish  # noqa: E402
from tests.support.rows import download, row  # noqa: E402

BUILDS = RESOURCES["builds"].fields
SCALARS = [f for f in BUILDS if f.type not in ("ints", "downloads")]
TIMES = [f.name for f in BUILDS if f.type == "timestamp"]
SIZES = (1_000, 10_000, 100_000, 1_000_000)
SMALL = (1, 10, 50)
WEIRD = (100, 1)  # one row in so many, where the strict path is measured


# --- the body ---------------------------------------------------------------------------------------


def body(size: int, weird: int = 0, seed: int = 7) -> bytes:
    """A compact body of builds, about 680 bytes each with 0 to 3 downloads."""
    dice = random.Random(seed)
    rows = (_build(number, dice, weird > 0 and number % weird == 0) for number in range(1, size + 1))
    return b"[" + b",".join(map(orjson.dumps, rows)) + b"]"


def _build(number: int, dice: random.Random, weird: bool) -> dict[str, Any]:
    start = dt.datetime(2024, 1, 1) + dt.timedelta(seconds=600 * number + dice.random() * 599)
    end = start + dt.timedelta(seconds=dice.lognormvariate(4, 1))
    texts = {
        "status": dice.choice(["FINISHED", "FAILED", "CANCELED"]),
        "message": "calculating deliveries ...",
        "name": None,
        "description": f"build via rest api {number}",
    }
    times = {"build_start": start, "build_end": end, "created_at": start, "updated_at": end}
    lists = {
        "patterns": [808, 809][: dice.randint(1, 2)],
        "releases": [21],
        "downloads": [_download(4 * number + i) for i in range(dice.randint(0, 3))],
    }
    stamps = {name: f"{at.isoformat(timespec='milliseconds')}Z" for name, at in times.items()}
    if dice.random() < 0.01:
        stamps["build_end"] = None
    if weird:  # another form of time and of a flag than the reference shows
        stamps["build_start"] = f"{start.isoformat(timespec='milliseconds')}+00:00"
        texts["active"] = True
    return row("builds", number, progress=100, mts=1775124880390 + number, **texts | lists | stamps)


def _download(number: int) -> dict[str, Any]:
    name = f"CORE_DV_HLS_2026-4-2_10_{number}.zip"
    return download(number, pattern="CORE_DV_HLS", pattern_id=808, file_id=None, name=name)


# --- the peers: body -> (builds, downloads) -----------------------------------------------------------

Pair = tuple[Any, Any]


def mkframe(content: bytes) -> Pair:
    builds = frames.decode("builds", content)
    return builds, frames.explode_downloads(builds)


def mkframe_without_pyarrow(content: bytes) -> Pair:
    with pd.option_context("mode.string_storage", "python"):
        return mkframe(content)


def json_and_pandas(content: bytes) -> Pair:
    rows = json.loads(content)
    columns = {f.name: _typed(f, [r.get(f.name) for r in rows]) for f in BUILDS if f.type != "downloads"}
    inside = [(r["id"], d) for r in rows for d in r["downloads"]]
    children = {f.name: _typed(f, [d.get(f.name) for _, d in inside]) for f in EMBEDDED_DOWNLOAD}
    ids = pd.Series([number for number, _ in inside], dtype="int64")
    return pd.DataFrame(columns), pd.DataFrame({"build_id": ids, **children})


def _typed(field: Field, values: Any) -> pd.Series[Any]:
    if field.type == "timestamp":
        return pd.Series(pd.to_datetime(values, utc=True, format="ISO8601")).astype(frames.dtype_of(field))
    return pd.Series(values, dtype=frames.dtype_of(field))


def json_normalize(content: bytes) -> Pair:
    rows = json.loads(content)
    children = pd.json_normalize(rows, "downloads", "id", meta_prefix="build_")
    return _cast(pd.json_normalize(rows), BUILDS), _cast(children, EMBEDDED_DOWNLOAD)


def read_json(content: bytes) -> Pair:
    builds = pd.read_json(io.BytesIO(content), dtype=False)
    lists = builds.set_index("id")["downloads"].explode().dropna()
    children = pd.DataFrame(lists.tolist()).assign(build_id=lists.index)
    return _cast(builds, BUILDS), _cast(children, EMBEDDED_DOWNLOAD)


def _cast(frame: pd.DataFrame, fields: tuple[Field, ...]) -> pd.DataFrame:
    typed = {f.name: _typed(f, frame[f.name]) for f in fields if f.type not in ("ints", "downloads")}
    return frame.assign(**typed)


def polars(content: bytes) -> Pair:
    import polars as pl

    kinds = {"int": pl.Int64, "flag": pl.Int8, "bool": pl.Boolean}
    kinds |= {"ints": pl.List(pl.Int64), "strs": pl.List(pl.String)}
    inner = pl.Struct({f.name: kinds.get(f.type, pl.String) for f in EMBEDDED_DOWNLOAD})
    schema = {f.name: kinds.get(f.type, pl.String) for f in BUILDS} | {"downloads": pl.List(inner)}
    builds = pl.read_json(io.BytesIO(content), schema=schema)
    children = builds.select(pl.col("id").alias("build_id"), "downloads")
    times = pl.col(TIMES).str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="us", time_zone="UTC")
    return builds.with_columns(times), children.explode("downloads").drop_nulls().unnest("downloads")


def pyarrow_json(content: bytes) -> Pair:
    """It reads lines only: where a row ends is known here, since the body was made here."""
    import pyarrow as pa
    from pyarrow import compute, json

    kinds = {"int": pa.int64(), "flag": pa.int8(), "bool": pa.bool_()}
    kinds |= {"ints": pa.list_(pa.int64()), "strs": pa.list_(pa.string())}
    kinds["timestamp"] = pa.timestamp("us", "UTC")
    kinds["downloads"] = pa.list_(
        pa.struct([(f.name, kinds.get(f.type, pa.string())) for f in EMBEDDED_DOWNLOAD])
    )
    schema = pa.schema([(f.name, kinds.get(f.type, pa.string())) for f in BUILDS])
    second = BUILDS[1].name.encode()
    lines = re.sub(rb'\},(\{"id":\d+,"%b")' % second, rb"}\n\1", content[1:-1])
    options = json.ParseOptions(explicit_schema=schema)
    read = json.ReadOptions(block_size=8 << 20)
    builds = json.read_json(io.BytesIO(lines), read_options=read, parse_options=options)
    children = pa.Table.from_struct_array(compute.list_flatten(builds["downloads"]))
    ids = builds["id"].take(compute.list_parent_indices(builds["downloads"]))
    return builds, children.append_column("build_id", ids)


def duckdb(content: bytes) -> Pair:
    """It reads files only: one in a temporary folder, and its writing is measured with it."""
    import duckdb as db

    kinds = {"int": "BIGINT", "flag": "TINYINT", "bool": "BOOLEAN", "timestamp": "TIMESTAMPTZ"}
    kinds |= {"ints": "BIGINT[]", "strs": "VARCHAR[]"}
    inner = ", ".join(f"{f.name} {kinds.get(f.type, 'VARCHAR')}" for f in EMBEDDED_DOWNLOAD)
    kinds["downloads"] = f"STRUCT({inner})[]"
    columns = {f.name: kinds.get(f.type, "VARCHAR") for f in BUILDS}
    with tempfile.NamedTemporaryFile(suffix=".json") as file, db.connect() as connection:
        file.write(content)
        file.flush()
        connection.execute("SET TimeZone = 'UTC'")
        read = f"read_json('{file.name}', format='array', columns={columns}, maximum_object_size=100000000)"
        connection.execute(f"CREATE TABLE builds AS FROM {read}")
        builds = connection.sql("FROM builds").to_arrow_table()
        unnested = "SELECT id AS build_id, unnest(downloads, recursive := true) FROM builds"
        return builds, connection.sql(unnested).to_arrow_table()


PEERS: dict[str, tuple[Callable[[bytes], Pair], tuple[str, ...]]] = {
    "mkframe": (mkframe, ()),
    "mkframe, text without pyarrow": (mkframe_without_pyarrow, ()),
    "json + pandas": (json_and_pandas, ()),
    "pd.json_normalize": (json_normalize, ()),
    "pd.read_json": (read_json, ()),
    "polars": (polars, ("polars",)),
    "pyarrow.json": (pyarrow_json, ("pyarrow",)),
    "DuckDB": (duckdb, ("duckdb", "pyarrow")),
}
"""Each peer with the packages that it needs beside pandas."""


def installed(name: str) -> bool:
    """Whether all that a peer needs is there."""
    return all(importlib.util.find_spec(package) for package in PEERS[name][1])


def comparable(pair: Pair) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Frames of any peer with our columns and dtypes; downloads are compared as the child frame."""
    builds, children = (frame if isinstance(frame, pd.DataFrame) else frame.to_pandas() for frame in pair)
    builds, children = (f.reset_index() if f.index.name == "id" else f for f in (builds, children))
    lists = {f.name: builds[f.name].map(list) for f in BUILDS if f.type == "ints"}
    typed = {f.name: builds[f.name].astype(frames.dtype_of(f)) for f in SCALARS}
    inside = {f.name: children[f.name].astype(frames.dtype_of(f)) for f in EMBEDDED_DOWNLOAD}
    inside["build_id"] = children["build_id"].astype("int64")
    return pd.DataFrame(typed | lists), pd.DataFrame(inside).sort_values("id", ignore_index=True)


def check_equal(name: str, content: bytes) -> None:
    """Raise where a peer's frames are not ours."""
    for ours, theirs in zip(comparable(mkframe(content)), comparable(PEERS[name][0](content)), strict=True):
        pd.testing.assert_frame_equal(theirs, ours)


# --- measuring ----------------------------------------------------------------------------------------


def reference(content: bytes) -> Any:
    gc.disable()
    try:
        return orjson.loads(content)
    finally:
        gc.enable()


def seconds(read: Callable[..., Any], *given: Any) -> float:
    """Time until a result is there, with no garbage about; throwing it away is no part of it."""
    gc.collect()
    return _seconds(read, *given)


def _seconds(read: Callable[..., Any], *given: Any) -> float:
    started = time.perf_counter()
    result = read(*given)
    took = time.perf_counter() - started
    del result
    return took


@dataclasses.dataclass
class Turns:
    """Times of the peers as multiples of the reference, and what part of its time the kernel took."""

    ratios: dict[str, list[float]]
    in_kernel: float

    def median(self, name: str) -> float:
        return statistics.median(self.ratios[name])


def in_turns(names: list[str], content: bytes, rounds: int) -> Turns:
    """Time each peer after the reference, so many times round."""
    ratios: dict[str, list[float]] = {name: [] for name in names}
    spent = kernel = 0.0
    for name in names * rounds:
        before = os.times().system
        one = seconds(reference, content)
        kernel += os.times().system - before
        spent += one
        ratios[name].append(seconds(PEERS[name][0], content) / one)
    return Turns(ratios, kernel / spent)


def small_overhead(size: int) -> tuple[float, float]:
    """Milliseconds beyond the parse of a small answer: median of all turns, and of their fastest fifth."""
    content = body(size)
    read = functools.partial(frames.decode, "builds")
    turns = sorted(_seconds(read, content) - _seconds(orjson.loads, content) for _ in range(400))
    return 1000 * statistics.median(turns), 1000 * statistics.median(turns[:80])


def memory(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition(f"{field}:")[2].split()[0])


def own_peak(name: str, path: str) -> float:
    """Peak memory above what the process held with libraries and body loaded, as multiple of the body."""
    PEERS[name][0](body(10))
    content = Path(path).read_bytes()
    gc.collect()
    base = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    kept = PEERS[name][0](content)
    peak = memory("VmHWM")
    assert len(kept) == 2
    return (peak - base) / len(content)


def peak(name: str, path: str) -> str:
    if not sys.platform.startswith("linux"):
        return "–"
    command = [sys.executable, __file__, "--peak", name, path]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


# --- the table ----------------------------------------------------------------------------------------


def table(names: list[str], sizes: list[int]) -> Iterator[str]:
    """Lines of a table in markdown."""
    columns = [f"{size:,} builds" for size in sizes]
    found = []
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        for size in sizes:
            content = body(size)
            found.append(in_turns(names, content, max(3, min(9, 1_000_000 // size))))
        Path(file.name).write_bytes(content)
        weight = {name: peak(name, file.name) for name in names}
    yield f"| `orjson.loads`, collector paused = 1 | {' | '.join(columns)} | peak memory / body |"
    yield "| --- |" + " ---: |" * (len(sizes) + 1)
    for name in names:
        cells = [f"{turns.median(name):.2f}" for turns in found]
        yield f"| {name} | {' | '.join(cells)} | {weight[name]} |"
    yield ""
    ranges = [f"{min(turns.ratios[names[0]]):.2f} to {max(turns.ratios[names[0]]):.2f}" for turns in found]
    yield f"Medians of turns; those of {names[0]} went from {', '.join(ranges)}."
    yield (
        f"With {columns[-1]} the kernel took {found[-1].in_kernel:.0%} of the reference's time, to find "
        "memory; the more it takes, which depends on the machine and its past, the lower the ratios."
    )


def notes(left_out: list[str]) -> Iterator[str]:
    """What the table does not show: weird rows, small answers, and what took part."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        careful = {every: [_careful(size, every) for size in (10_000, 100_000)] for every in WEIRD}
    yield ""
    notice = (f"{few:.1f} and {many:.1f} where {_rows(every)} so" for every, (few, many) in careful.items())
    yield (
        "With a time and a flag in another form than the reference shows, at 10,000 and 100,000 builds: "
        f"{', '.join(notice)}."
    )
    overheads = {size: small_overhead(size) for size in SMALL}
    notice = (f"{usual:.2f} ms for {size} ({least:.2f})" for size, (usual, least) in overheads.items())
    yield (
        "What the typed frame of a small answer takes beyond its parse, by rows, and in brackets in the "
        f"fastest fifth of the turns: {', '.join(notice)}."
    )
    absent = f" Not installed: {', '.join(left_out)}." if left_out else ""
    packages = ("pandas", "numpy", "msgspec", "orjson", "pyarrow", "polars", "duckdb")
    yield f"Measured {circumstances(*packages)}{absent}"


def _careful(size: int, every: int) -> float:
    return in_turns(["mkframe"], body(size, every), 5).median("mkframe")


def _rows(every: int) -> str:
    return f"one row in {every} is" if every > 1 else "all rows are"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of builds")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    add_write(parser)
    given = parser.parse_args(arguments)
    if given.peak:
        print(f"{own_peak(*given.peak):.2f}")
        return
    names = [name for name in given.peers if installed(name)]
    left_out = [name for name in given.peers if name not in names]
    for name in names:
        check_equal(name, body(1000))
    publish("frames", [*table(names, given.sizes), *notes(left_out)], given.write)


if __name__ == "__main__":
    main()
