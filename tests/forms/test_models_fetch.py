import contextlib
import warnings
from pathlib import Path

import pandas as pd
import pytest

from mkframe.artifacts import diff
from mkframe.errors import SchemaWarning
from mkframe.forms.models import FetchModel
from mkframe.forms.models.downloads import DownloadsModel, free_space
from mkframe.forms.models.fetch import HEADER
from mkframe.schema import RESOURCES
from tests.forms.conftest import PROJECT, client_of, client_of_url, retrying_client
from tests.support import faults, rows


@pytest.fixture
def model(client, tmp_path):
    model = FetchModel(client, diff)
    model.load()
    model.project_id = PROJECT
    model.downloads.folder = str(tmp_path)
    return model


def shown(model, client):
    return client.builds.find(project_id=PROJECT).loc[[build for _, build in model.options]]


def test_options_without_a_project_are_empty(client):
    model = FetchModel(client, diff)
    assert (model.options, model.options_text, model.submit()) == ((), "Choose a project.", False)


def test_options_begin_with_the_newest_build(model, client):
    assert shown(model, client)["build_start"].is_monotonic_decreasing


def test_default_status_is_finished(model, client):
    assert set(shown(model, client)["status"]) == {"FINISHED"}


def test_any_status_shows_all_builds(model, client):
    model.status = "any"
    assert len(shown(model, client)) == len(client.builds.find(project_id=PROJECT))


def test_pattern_filters_the_builds(model, client):
    model.pattern_id = 808
    assert all(808 in ids for ids in shown(model, client)["patterns"])
    assert len(model.options) > 0


def test_release_filters_the_builds(model, client):
    model.release_id = 29
    assert all(29 in ids for ids in shown(model, client)["releases"])
    assert len(model.options) > 0


def test_period_filters_the_builds(model, client):
    model.days = 90
    assert shown(model, client)["build_start"].min() > pd.Timestamp.now("UTC") - pd.Timedelta(days=91)


def test_labels_are_aligned_in_columns(model):
    columns = [HEADER.index(word) for word in ("started", "status", "patterns")]
    for label, build in model.options:
        assert label[: columns[0]].strip("\u00a0") == str(build)
        assert all(label[at] not in " \u00a0" and label[at - 1] == "\u00a0" for at in columns), label


def test_chosen_build_hidden_by_a_filter_is_dropped(model):
    model.chosen = (model.options[0][1],)
    model.status = "CANCELED"
    assert model.chosen == ()


def test_builds_without_artifacts_block(model):
    model.status = "FAILED"
    model.chosen = (model.options[0][1],)
    assert (model.blockers, model.submit()) == (("The chosen builds have no artifacts.",), False)


def test_each_build_gets_its_own_folder(model, tmp_path):
    model.chosen = tuple(build for _, build in model.options[:2])
    assert model.submit()
    assert {f.parent.name for f in tmp_path.rglob("*.zip")} == {f"build-{build}" for build in model.chosen}


def test_result_equals_the_frame_of_fetch(model, client, tmp_path):
    model.chosen = (model.options[0][1],)
    model.submit()
    second = client.downloads.fetch(
        client.downloads.find(build_id=model.chosen[0]),
        to=tmp_path / f"build-{model.chosen[0]}",
        progress=False,
    )
    assert set(model.result["status"]) == {"fetched"}
    assert model.result.drop(columns="status").equals(second.drop(columns="status"))


def test_fetched_files_show_their_size(model):
    model.chosen = (model.options[0][1],)
    model.submit()
    assert all(f.status == "fetched" and f.detail.endswith("B") for f in model.downloads.files)


def test_second_fetch_shows_files_as_present(model):
    model.chosen = (model.options[0][1],)
    model.submit()
    model.submit()
    assert {f.status for f in model.downloads.files} == {"present"}


def test_unusable_folder_shows_an_error(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    model.downloads.folder = str(tmp_path / "file")
    model.chosen = (model.options[0][1],)
    model.submit()
    assert "cannot be created" in model.downloads.error
    assert model.downloads.state == "fetched"


@pytest.mark.parametrize("folder", ["~no-such-user/artifacts", "/proc/artifacts", "a\0b"])
def test_fetch_after_an_invalid_folder_works(model, tmp_path, folder):
    model.downloads.folder = folder
    model.chosen = (model.options[0][1],)
    model.submit()
    assert model.downloads.error
    assert model.downloads.traceback == ""
    model.downloads.folder = str(tmp_path)
    assert model.submit()


def test_missing_drive_is_named(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert free_space("/artifacts") == "/artifacts cannot be reached."


def test_empty_folder_blocks(model):
    model.chosen = (model.options[0][1],)
    model.downloads.folder = " "
    assert model.blockers == ("Write a target folder.",)


def test_missing_permission_is_shown_for_each_file(factory, tmp_path):
    class Viewer:
        url, email, password = factory.url, factory.viewer.email, factory.viewer.password

    with client_of(Viewer) as client:
        build = next(b for b, files in client.builds.find(project_id=PROJECT)["downloads"].items() if files)
        downloads = DownloadsModel(client)
        downloads.folder = str(tmp_path)
        downloads.fetch([build])
    assert "You don't have permissions to download build results!" in downloads.files[0].detail
    assert downloads.status_text.endswith("Fetch again to try the others once more.")


def test_second_fetch_during_the_first_does_nothing(client, tmp_path):
    downloads, steps = DownloadsModel(client), []
    downloads.folder, downloads.run = str(tmp_path), steps.append
    assert [downloads.fetch([5139]), downloads.fetch([5139])] == [True, False]
    assert len(steps) == 1


def test_stop_before_the_fetch_writes_no_file(client, tmp_path):
    downloads, steps = DownloadsModel(client), []
    downloads.folder, downloads.run = str(tmp_path), steps.append
    downloads.fetch([5139])
    downloads.stop()
    steps.pop()()
    assert (downloads.status_text, downloads.state) == ("Stopped before anything was fetched.", "fetched")
    assert list(tmp_path.rglob("*.zip")) == []


# --- during a fetch ---------------------------------------------------------------------------------

SIZE = 40_000


def files_of(request):
    """Four artifacts of one build, each a file of its own."""
    if request.path == "/api/v1/downloads":
        return faults.reply([rows.row("downloads", n, build_id=7, name=f"{n}.bin") for n in range(1, 5)])
    return faults.content(bytes(SIZE), "application/octet-stream")


def to_the_middle(request):
    whole = files_of(request)
    return faults.cut(whole, "hang") if request.path.endswith(("2", "3", "4")) else whole


@contextlib.contextmanager
def downloads_of(script, to):
    with faults.serve(script) as server, client_of_url(server.api) as client:
        downloads = DownloadsModel(client)
        downloads.folder = str(to)
        yield downloads


def test_progress_of_several_files_is_shown(tmp_path):
    half = ("fetching", "19.53 KiB of 39.06 KiB", 0.5)
    seen = []

    def look(change):
        seen.append([(f.status, f.detail, f.share) for f in change["new"] if f.name != "1.bin"])
        if seen[-1] == [half] * 3:
            downloads.stop()

    with downloads_of(to_the_middle, tmp_path) as downloads:
        downloads.observe(look, "files")
        downloads.fetch([7])
    assert [half] * 3 in seen


def stopped(tmp_path):
    with downloads_of(to_the_middle, tmp_path) as downloads:
        downloads.observe(
            lambda change: downloads.stop() if change["new"].startswith("1 of") else None, "files_text"
        )
        downloads.fetch([7])
    return downloads


def test_stop_keeps_complete_files(tmp_path):
    downloads = stopped(tmp_path)
    assert downloads.result["status"].tolist() == ["fetched", "failed", "failed", "failed"]
    assert [p.name for p in tmp_path.rglob("*.bin")] == ["1.bin"]


def test_stop_shows_how_many_files_are_complete(tmp_path):
    expected = f"Stopped: 1 of 4 files in {tmp_path}, on the server. Fetch again to try the others once more."
    assert stopped(tmp_path).status_text == expected


def test_progress_bar_for_all_files_ends_full(tmp_path):
    with downloads_of(files_of, tmp_path) as downloads:
        downloads.fetch([7])
    assert (downloads.share, downloads.files_text) == (1.0, "4 of 4 files, 156.2 KiB")


def test_file_of_unknown_size_has_no_share(tmp_path):
    seen = set()

    def script(request):
        whole = files_of(request)
        return (
            whole
            if request.path.endswith("downloads")
            else faults.drip(faults.Answer(body=whole.body, framing="close"), 0.05, SIZE // 8)
        )

    with downloads_of(script, tmp_path) as downloads:
        downloads.observe(
            lambda c: seen.update((f.status, f.share, " of " in f.detail) for f in c["new"]), "files"
        )
        downloads.fetch([7])
    assert {(share, of) for status, share, of in seen if status == "fetching"} == {(None, False)}


def test_retry_in_a_fetch_thread_is_shown(tmp_path):
    answers, texts = {}, []

    def script(request):
        first = answers.setdefault(request.path, 0) == 0
        answers[request.path] += 1
        return faults.later(503, 0) if first and request.path[-1].isdigit() else files_of(request)

    with faults.serve(script) as server, retrying_client(server.api) as client:
        downloads = DownloadsModel(client)
        downloads.folder = str(tmp_path)
        downloads.observe(lambda change: texts.append(change["new"]), "busy")
        downloads.fetch([7])
    assert any("Trying again" in text for text in texts)
    assert downloads.busy == ""


def test_failed_file_shows_its_error(tmp_path):
    def script(request):
        return faults.vendor(404, "It is gone") if request.path.endswith("3") else files_of(request)

    with downloads_of(script, tmp_path) as downloads:
        downloads.fetch([7])
    assert [f.status for f in downloads.files] == ["fetched", "fetched", "failed", "fetched"]
    assert "It is gone" in downloads.files[2].detail


# --- comparing ----------------------------------------------------------------------------------------


def test_compare_uses_the_previous_build(model, client):
    model.pattern_id = 808
    new = model.options[0][1]
    model.chosen = (new,)
    model.compare()
    builds = shown(model, client)
    with_files = builds[[808 in {f.pattern_id for f in files} for files in builds["downloads"]]]
    old = with_files.index[with_files["build_start"] < with_files.loc[new, "build_start"]][0]
    assert f"build {old}" in model.comparison_text
    assert {"name", "change", "diff"} <= set(model.comparison.columns)


def test_compare_of_the_first_build_shows_an_error(model, client):
    model.pattern_id = 808
    earliest = client.builds.find(project_id=PROJECT, pattern_id=808).query("status == 'FINISHED'")
    first = int(earliest.sort_values("build_start").index[0])
    model.status = "any"
    model.chosen = (first,)
    model.compare()
    assert "has artifacts" in model.error


def test_missing_names_and_repeated_builds_work(tmp_path):
    answers = {f"/api/v1/{name}": faults.reply(rows.rows(name, 2)) for name in RESOURCES}
    unnamed = rows.rows("projects", 1) + rows.rows("projects", 1, name=None, deleted=None)
    twice = rows.rows("builds", 1) * 2
    answers |= {"/api/v1/projects": faults.reply(unnamed), "/api/v1/builds": faults.reply(twice)}
    with faults.serve(answers) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        model = FetchModel(client_of_url(server.api), diff)
        model.load()
        assert {label for label, _ in model.projects} >= {"1"}
        model.project_id, model.status = 1, "any"
        model.chosen = (1,)
    assert model.chosen_text == "1 build chosen, with 2 artifacts."


def test_missing_names_and_status_show_ids_and_text():
    build = rows.row(
        "builds",
        7,
        project_id=1,
        patterns=[808],
        releases=[21, 22, 23, 24],
        status=None,
        build_start=None,
        description="",
    )
    answers = {
        "/api/v1/projects": faults.reply([rows.row("projects", 1)]),
        "/api/v1/patterns": faults.reply([rows.row("patterns", 808, name=None)]),
        "/api/v1/releases": faults.reply(
            [
                rows.row("releases", 21, name=None, group_id=5),
                *(
                    rows.row("releases", 22 + i, name="R1", group_id=group)
                    for i, group in enumerate([6, 7, None])
                ),
            ]
        ),
        "/api/v1/release_groups": faults.reply(
            [rows.row("release_groups", 5, name="DWH"), rows.row("release_groups", 6, name=None)]
        ),
        "/api/v1/builds": faults.reply([build]),
    }
    with faults.serve(answers) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", SchemaWarning)
        model = FetchModel(client_of_url(server.api), diff)
        model.load()
        model.project_id, model.status = 1, "any"
    assert model.traceback == ""
    assert model.patterns == (("808", 808),)
    assert model.releases == (
        ("6 · R1", 22),
        ("DWH · 21", 21),
        ("no release group · R1", 24),
        ("release group 7 · R1", 23),
    )
    assert model.options[0][0].split() == ["7", "no", "start", "no", "status", "1", "808"]
