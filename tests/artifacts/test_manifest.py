"""What has landed is remembered, and nothing that is written there is trusted."""

import hashlib
import json
import os
import tracemalloc

import pytest

from mkframe._folders import lock
from mkframe.artifacts import _manifest
from mkframe.artifacts._manifest import NAME, Manifest
from mkframe.errors import ArtifactError, InputError
from tests.support.owners import give_away

URL = "https://a.example/api/v1"


def line(**changes):
    return json.dumps(
        {"server": URL, "id": 1, "build_id": 9, "name": "a.zip", "bytes": 5, "sha256": "x"} | changes
    )


def test_record_is_found_again(tmp_path):
    Manifest(tmp_path, URL).claim(1, None, "a.zip", 5, "x")
    assert Manifest(tmp_path, URL).entry(1).name == "a.zip"


def test_same_record_is_written_once(tmp_path):
    for _ in range(3):
        Manifest(tmp_path, URL).claim(1, 9, "a.zip", 5, "x")
    assert len((tmp_path / NAME).read_text().splitlines()) == 1


def test_later_line_wins(tmp_path):
    (tmp_path / NAME).write_text(f"{line(bytes=5)}\n{line(bytes=6)}\n")
    assert Manifest(tmp_path, URL).entry(1).bytes == 6


def test_entries_of_another_server_are_ignored(tmp_path):
    (tmp_path / NAME).write_text(line(server="https://b.example/api/v1"))
    assert Manifest(tmp_path, URL).entry(1) is None


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 10_000,
        '{"server": "x"}',
        line(name="../a.zip"),
        line(name="/etc/passwd"),
        line(name="ddl/a.zip"),
        line(name=".bashrc"),
        line(name="C:a.zip"),
        line(name=None),
        line(bytes="5"),
        line(id=1.0),
        line(build_id="9"),
        line()[:-9],
    ],
)
def test_invalid_line_is_ignored(tmp_path, bad):
    (tmp_path / NAME).write_text(f"{bad}\n{line(id=2, name='b.zip')}\n")
    manifest = Manifest(tmp_path, URL)
    assert (manifest.entry(1), manifest.entry(2).name) == (None, "b.zip")


def test_bytes_that_are_no_text_are_ignored(tmp_path):
    (tmp_path / NAME).write_bytes(b"\xff\xfe\n" + line().encode())
    assert Manifest(tmp_path, URL).entry(1).id == 1


def test_link_in_place_of_the_manifest_is_not_followed(tmp_path):
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="cannot be read: it is a link, not a regular file"):
        Manifest(tmp_path, URL)


def test_link_that_replaces_the_manifest_is_not_followed(tmp_path):
    manifest = Manifest(tmp_path, URL)
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        manifest.claim(1, None, "a.zip", 5, "x")
    assert not (tmp_path / "elsewhere").exists()


def test_pipe_in_place_of_the_manifest_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / NAME)
    with pytest.raises(InputError, match="cannot be read: it is a named pipe"):
        Manifest(tmp_path, URL)


def test_link_to_a_device_in_place_of_the_manifest_is_not_read(tmp_path):
    (tmp_path / NAME).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="cannot be read: it is a link"):
        Manifest(tmp_path, URL)


def test_huge_manifest_is_not_read(tmp_path):
    with (tmp_path / NAME).open("wb") as file:
        file.truncate(1 << 40)  # a sparse file
    tracemalloc.start()
    with pytest.raises(InputError, match="it has more than 67,108,864 bytes"):
        Manifest(tmp_path, URL)
    assert tracemalloc.get_traced_memory()[1] < 200 << 20
    tracemalloc.stop()


def test_manifest_of_another_user_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / NAME).write_text(line())
    give_away(monkeypatch, tmp_path / NAME)
    with pytest.warns(UserWarning, match="belongs to another user and is ignored"):
        manifest = Manifest(tmp_path, URL)
    manifest.claim(2, 9, "b.zip", 5, "x")
    assert (manifest.entry(1), manifest.entry(2).name) == (None, "b.zip")
    assert (tmp_path / NAME).read_text() == line()


@pytest.mark.parametrize("mode", [0o666, 0o664, 0o646])
def test_manifest_that_others_can_write_is_left_alone(tmp_path, mode):
    (tmp_path / NAME).write_text(line())
    (tmp_path / NAME).chmod(mode)
    with pytest.warns(UserWarning, match="can be written by other users and is ignored"):
        assert Manifest(tmp_path, URL).entry(1) is None


def test_manifest_is_written_for_this_user_alone(tmp_path):
    Manifest(tmp_path, URL).claim(1, 9, "a.zip", 5, "x")
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_file_of_another_user_is_not_whole(tmp_path, monkeypatch):
    (tmp_path / "a.zip").write_bytes(b"whole")
    manifest = Manifest(tmp_path, URL)
    manifest.claim(1, 9, "a.zip", 5, hashlib.sha256(b"whole").hexdigest())
    give_away(monkeypatch, tmp_path / "a.zip")
    assert not manifest.entry(1).is_whole(tmp_path)


def test_file_that_this_user_has_put_elsewhere_is_whole(tmp_path):
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "a.zip").write_bytes(b"whole")
    (tmp_path / "a.zip").symlink_to("large/a.zip")
    manifest = Manifest(tmp_path, URL)
    manifest.claim(1, 9, "a.zip", 5, hashlib.sha256(b"whole").hexdigest())
    assert manifest.entry(1).is_whole(tmp_path)


def test_second_of_a_name_is_numbered(tmp_path):
    manifest = Manifest(tmp_path, URL)
    assert [manifest.reserve_name(n, "a.zip") for n in (1, 2, 3)] == ["a.zip", "a (2).zip", "a (3).zip"]


def test_names_that_differ_in_case_only_are_numbered(tmp_path):
    manifest = Manifest(tmp_path, URL)
    assert [manifest.reserve_name(1, "a.zip"), manifest.reserve_name(2, "A.ZIP")] == ["a.zip", "A (2).ZIP"]


def test_reserved_name_is_stable(tmp_path):
    manifest = Manifest(tmp_path, URL)
    assert manifest.reserve_name(2, "a.zip") == manifest.reserve_name(2, "a.zip") == "a.zip"


def test_name_of_an_earlier_run_is_kept(tmp_path):
    (tmp_path / NAME).write_text(line(id=2))
    manifest = Manifest(tmp_path, URL)
    assert [manifest.reserve_name(1, "a.zip"), manifest.reserve_name(2, "a.zip")] == ["a (2).zip", "a.zip"]


def test_name_claimed_by_another_writer_is_left_to_it(tmp_path):
    first, second = Manifest(tmp_path, URL), Manifest(tmp_path, URL)
    assert first.reserve_name(1, "a.zip") == second.reserve_name(2, "a.zip") == "a.zip"
    assert second.claim(2, 9, "a.zip", 5, "x") == "a.zip"
    assert first.claim(1, 9, "a.zip", 5, "y") == "a (2).zip"
    assert second.claim(3, 9, "a.zip", 5, "z") == "a (3).zip"
    assert second.claim(1, 9, "a.zip", 5, "y") == "a (2).zip"  # the same download keeps its name
    read = Manifest(tmp_path, URL)
    assert [read.entry(n).name for n in (1, 2, 3)] == ["a (2).zip", "a.zip", "a (3).zip"]


@pytest.mark.parametrize("whole", [1, 2, 3, None])
def test_name_of_several_downloads_stays_with_the_one_it_has(tmp_path, whole):
    checksums = {n: hashlib.sha256(str(n).encode()).hexdigest() for n in (1, 2, 3)}
    (tmp_path / NAME).write_text("".join(line(id=n, bytes=1, sha256=checksums[n]) + "\n" for n in (1, 2, 3)))
    if whole:
        (tmp_path / "a.zip").write_text(str(whole))
    manifest = Manifest(tmp_path, URL)
    assert [n for n in (1, 2, 3) if manifest.entry(n)] == [whole or 1]
    names = [manifest.claim(n, 9, "a.zip", 1, checksums[n]) for n in (3, 2, 1)]
    assert len(set(names)) == 3
    assert names[3 - (whole or 1)] == "a.zip"
    mended = Manifest(tmp_path, URL)
    assert [mended.entry(n).name for n in (3, 2, 1)] == names


@pytest.mark.parametrize("torn", ["{", line()[:40], "\0" * 512, "[" * 5000])
def test_line_after_a_torn_one_is_read(tmp_path, torn):
    (tmp_path / NAME).write_text(f"{line(id=2, name='b.zip')}\n{torn}")
    Manifest(tmp_path, URL).claim(1, 9, "a.zip", 5, "x")
    manifest = Manifest(tmp_path, URL)
    assert (manifest.entry(1).name, manifest.entry(2).name) == ("a.zip", "b.zip")


def test_name_of_another_server_is_shared_for_equal_bytes_only(tmp_path):
    Manifest(tmp_path, "https://b.example/api/v1").claim(7, 9, "a.zip", 5, "x")
    manifest = Manifest(tmp_path, URL)
    assert manifest.claim(1, 9, "a.zip", 5, "y") == "a (2).zip"
    assert manifest.claim(2, 9, "a.zip", 5, "x") == "a.zip"


def test_manifest_that_was_removed_meanwhile_is_written_anew(tmp_path):
    manifest = Manifest(tmp_path, URL)
    manifest.claim(1, 9, "a.zip", 5, "x")
    (tmp_path / NAME).unlink()
    Manifest(tmp_path, URL).claim(2, 9, "b.zip", 5, "y")
    assert manifest.claim(3, 9, "b.zip", 5, "z") == "b (2).zip"


def test_manifest_that_is_held_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(_manifest, "_LOCK_TIMEOUT", 0.05)
    with (tmp_path / NAME).open("w+b") as held:
        (tmp_path / NAME).chmod(0o600)
        assert lock(held)
        with pytest.raises(ArtifactError, match="Another process holds the list of fetched files"):
            Manifest(tmp_path, URL).claim(1, 9, "a.zip", 5, "x")
    Manifest(tmp_path, URL).claim(1, 9, "a.zip", 5, "x")


def test_file_without_a_name_is_called_after_its_id(tmp_path):
    assert Manifest(tmp_path, URL).reserve_name(5442, "") == "download_5442"


@pytest.mark.parametrize(
    ("content", "whole"), [(b"whole", True), (b"other", False), (b"longer", False), (None, False)]
)
def test_is_whole_compares_the_bytes(tmp_path, content, whole):
    sha256 = hashlib.sha256(b"whole").hexdigest()
    if content is not None:
        (tmp_path / "a.zip").write_bytes(content)
    manifest = Manifest(tmp_path, URL)
    manifest.claim(1, 9, "a.zip", 5, sha256)
    assert manifest.entry(1).is_whole(tmp_path) is whole


def test_unreadable_manifest_is_an_error(tmp_path):
    (tmp_path / NAME).mkdir()
    with pytest.raises(InputError, match=r"the list of fetched files, cannot be read"):
        Manifest(tmp_path, URL)
