"""Artifacts of two builds on the embedded server, from fetch to diff."""

import pandas as pd
import pytest

from mkframe.artifacts import File, diff, extract, fetch, members, read, show


@pytest.fixture(scope="module")
def delivered(client, tmp_path_factory):
    """Two builds' files of the pattern with most builds, each in a folder of its own."""
    files = client.downloads.find()
    often = files[files["pattern_id"] == files["pattern_id"].mode()[0]].sort_values("build_id")
    frames = []
    for row in (often.iloc[0], often.iloc[-1]):
        wanted = [File(row.name, row["build_id"], row["name"])]
        folder = tmp_path_factory.mktemp(f"build_{row['build_id']}")
        frames.append(fetch(client._transport, wanted, folder, progress=False))
    return tuple(frames)


def test_files_are_fetched(delivered):
    assert pd.concat(delivered)["status"].tolist() == ["fetched", "fetched"]


def test_fetching_again_sends_nothing_new(client, delivered):
    before = client.downloads.find().loc[delivered[0].index, "downloaded"]
    row = delivered[0].iloc[0]
    wanted = [File(delivered[0].index[0], int(row["build_id"]), row["name"])]
    second = fetch(client._transport, wanted, row["path"].rsplit("/", 1)[0], progress=False)
    assert second["status"].tolist() == ["present"]
    assert client.downloads.find().loc[delivered[0].index, "downloaded"].equals(before)


def test_members_can_be_read(delivered):
    path = delivered[0]["path"].iloc[0]
    for name in members(path)["name"]:
        assert read(path, name)


def test_extracted_files_have_the_checksums_of_the_members(delivered, tmp_path):
    path = delivered[0]["path"].iloc[0]
    assert extract(path, tmp_path / "to")["sha256"].equals(members(path)["sha256"])


def test_deliveries_of_two_builds_differ_readably(delivered):
    old, new = delivered
    frame = diff(old["path"], new["path"])
    assert "changed" in set(frame["change"])
    assert frame.loc[frame["change"] == "changed", "diff"].str.contains("\n@@ ").all()
    assert "<details" in show(frame)._repr_html_()
