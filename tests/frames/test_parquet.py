"""Parquet files: read back, read together by every engine, and refused where they are none."""

import io
import os
import subprocess
import sys

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

import mkframe as mk
from mkframe.errors import InputError, ResponseTooLargeError, SchemaError
from tests.support.rows import body, rows
from tests.support.unusual import unusual


@pytest.fixture
def days(tmp_path):
    """A folder with a file for each of three days, on the second of which nothing was built."""
    folder = tmp_path / "days"
    folder.mkdir()
    for day, frame in {
        1: unusual(20, {}),
        2: unusual(20, {}).iloc[:0],
        3: unusual(20, {}, first=100),
    }.items():
        plain = frame.assign(downloads=[c and [{**d} for d in c][:1] for c in frame["downloads"]])
        for cell in plain["downloads"]:
            for file in cell or ():
                file.pop("type", None), file.pop("more", None)
        mk.export(plain.astype({"downloads": "downloads"}), folder / f"2026-04-0{day}.parquet")
    return folder


def test_days_are_read_together(days):
    files = sorted(days.iterdir())
    parts = [mk.read_parquet(path) for path in files]
    whole = pd.concat([parts[0], parts[2]])
    pd.testing.assert_frame_equal(mk.read_parquet(days), whole)
    pd.testing.assert_frame_equal(mk.read_parquet([str(path) for path in files]), whole)
    pd.testing.assert_frame_equal(mk.read_parquet(days / "2026-04-02.parquet"), whole.iloc[:0])


ENGINES = {
    "pandas": lambda folder: pa.Table.from_pandas(pd.read_parquet(folder)),
    "polars": lambda folder: pl.read_parquet(f"{folder}/*.parquet").to_arrow(),
    "duckdb": lambda folder: duckdb.sql(f"FROM read_parquet('{folder}/*.parquet')").to_arrow_table(),
    "pyarrow": lambda folder: dataset.dataset(folder).to_table(),
}


@pytest.mark.parametrize("read", ENGINES.values(), ids=ENGINES)
def test_every_engine_reads_days_together(days, read):
    expected = mk.read_parquet(days)
    pd.testing.assert_frame_equal(mk.from_arrow(read(days)).sort_index(), expected)


def test_pandas_alone_reads_a_file_with_whole_numbers_whole(tmp_path):
    path = mk.export(unusual(), tmp_path / "b.parquet")
    code = (
        "import pandas as pd, sys; f = pd.read_parquet(sys.argv[1]);"
        "print(f.index.name, f.progress.dtype, f.active.dtype, f.build_start.dtype, 'mkframe' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["id", "Int64", "boolean", "datetime64[us,", "UTC]", "False"]


def test_file_that_pandas_itself_wrote_is_read_by_pandas_alone(tmp_path):
    path = tmp_path / "b.parquet"
    unusual().drop(columns="nothing").to_parquet(path)
    code = "import pandas as pd, sys; print(pd.read_parquet(sys.argv[1]).downloads.iloc[0][0]['id'])"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["10"]
    assert mk.explode_downloads(mk.read_parquet(path)).index[0] == 10


def test_files_with_other_unknown_columns_are_read_together(tmp_path):
    extras = [{}, {"late": lambda n: None}, {"late": lambda n: n}, {"tree": lambda n: {"a": n}}]
    parts = [unusual(10, extra, first=100 * place) for place, extra in enumerate(extras, 1)]
    paths = [mk.export(part, tmp_path / f"{place}.parquet") for place, part in enumerate(parts)]
    whole = mk.read_parquet(paths)
    assert whole["late"].dtype == "Int64"
    assert whole.loc[300:399, "late"].tolist() == list(range(300, 310))
    assert whole.loc[400, "tree"] == {"a": 400}
    assert whole.loc[100, "tree"] is None
    pd.testing.assert_frame_equal(
        whole[parts[0].columns], pd.concat(part[parts[0].columns] for part in parts)
    )


def test_day_with_empty_lists_alone_does_not_change_other_days(tmp_path):
    for day, cell in enumerate(([801, 802], [])):
        saved = mk.read_json(body(rows("builds", 1, own=cell)))
        mk.export(saved, tmp_path / f"{day}.parquet")
    files = sorted(map(str, tmp_path.glob("*.parquet")))
    with duckdb.connect() as connection:
        found = connection.read_parquet(files, union_by_name=True).to_arrow_table()["own"]
    assert found.to_pylist() == [[801, 802], []]
    assert pl.read_parquet(files)["own"].to_list() == [[801, 802], []]
    assert parquet.read_table(tmp_path)["own"].to_pylist() == [[801, 802], []]
    assert mk.read_parquet(tmp_path)["own"].tolist() == [[801, 802], []]


def test_rows_of_several_files_are_kept(tmp_path):
    path = mk.export(unusual(5), tmp_path / "b.parquet")
    assert mk.read_parquet([path, path]).index.tolist() == [1, 2, 3, 4, 5] * 2


def test_files_of_two_resources_are_refused(tmp_path):
    variables = mk.read_json(body(rows("pattern_variables", 2)), "pattern_variables")
    paths = [mk.export(unusual(5), tmp_path / "a.parquet"), mk.export(variables, tmp_path / "b.parquet")]
    with pytest.raises(InputError, match=r"numbers its rows by 'id', the file .* by 'pattern_variable_id'"):
        mk.read_parquet(paths)


def written(table, **options):
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


WHOLE = written(mk.to_arrow(unusual()))


@pytest.mark.parametrize("source", [lambda p: p, str, lambda p: p.read_bytes(), lambda p: io.BytesIO(WHOLE)])
def test_any_source_is_read(tmp_path, source):
    path = tmp_path / "b.parquet"
    path.write_bytes(WHOLE)
    pd.testing.assert_frame_equal(mk.read_parquet(source(path)), unusual())


INVALID = {
    "nothing": b"",
    "magic": b"PAR1",
    "json": body(rows("builds", 2)),
    "cut": WHOLE[:-200],
    "no footer": WHOLE[:2000],
    "encrypted": b"PARE" + WHOLE[4:-4] + b"PARE",
    "lying footer": WHOLE[:-8] + b"\xff\xff\xff\x7fPAR1",
    "zeros inside": WHOLE[:4] + bytes(3000) + WHOLE[3004:],
    "no UTF-8": written(pa.table({"id": [1], "name": pa.array([b"\xff"]).view(pa.string())})),
    "two columns": written(pa.table([pa.array([1]), pa.array([1])], names=["id", "id"])),
}


@pytest.mark.parametrize("content", INVALID.values(), ids=INVALID)
def test_file_that_is_no_parquet_is_refused(tmp_path, content):
    path = tmp_path / "b.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"The file '.*b\.parquet'"):
        mk.read_parquet(path)


def test_flipped_bytes_are_refused_or_harmless():
    expected = mk.read_parquet(WHOLE)
    for place in range(0, len(WHOLE), len(WHOLE) // 150):
        content = bytearray(WHOLE)
        content[place] ^= 0xFF
        try:
            frame = mk.read_parquet(bytes(content))
        except (InputError, SchemaError, ResponseTooLargeError) as error:
            message = str(error)
            assert message.startswith(("The content", "It is larger")), message
        else:
            assert len(frame) == len(expected)


@pytest.mark.parametrize(
    "source", ["none.parquet", "folder", [], None, 5, [None], "a\x00b", "~no-such-user/b.parquet"]
)
def test_what_cannot_be_read_is_refused(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".hidden.parquet").write_bytes(WHOLE)
    with pytest.raises(InputError):
        mk.read_parquet(source)


def test_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "b.parquet")
    with pytest.raises(InputError, match="named pipe"):
        mk.read_parquet(tmp_path / "b.parquet")


@pytest.mark.parametrize("columns", [1, 12_000])
def test_few_bytes_do_not_become_much_memory(columns):
    count = 50_000_000 if columns == 1 else 1
    bomb = written(pa.table({f"c{n}": pa.nulls(count, pa.int64()) for n in range(columns)}))
    with pytest.raises((ResponseTooLargeError, InputError), match=r"max_bytes=|columns"):
        mk.read_parquet(bomb, max_bytes=100 << 20)


def test_more_than_max_bytes_is_refused_in_one_file_or_several(tmp_path):
    path = mk.export(unusual(), tmp_path / "b.parquet")
    size = mk.to_arrow(unusual()).nbytes
    assert len(mk.read_parquet([path, path], max_bytes=3 * size)) == 120
    for paths, most in ((path, size // 4), ([path, path], size + size // 4)):
        with pytest.raises(ResponseTooLargeError, match="the limit for a saved answer"):
            mk.read_parquet(paths, max_bytes=most)


def test_missing_pyarrow_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"need pyarrow.*mkframe\[arrow\]"):
        mk.read_parquet(WHOLE)
