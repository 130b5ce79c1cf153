import pandas as pd
import pytest

from mkframe.artifacts import diff
from mkframe.forms.models import FetchModel
from mkframe.forms.models.pocket import PocketModel
from tests.forms.conftest import PROJECT, client_of


@pytest.fixture
def model(kraft, tmp_path):
    model = FetchModel(kraft, diff)
    model.load()
    model.project_id = PROJECT
    model.pocket.folder = str(tmp_path)
    return model


def shown(model, kraft):
    return kraft.builds.find(project_id=PROJECT).loc[[build for _, build in model.options]]


def test_without_a_project_there_is_nothing_to_choose(kraft):
    model = FetchModel(kraft, diff)
    assert (model.options, model.options_said, model.submit()) == ((), "Choose a project.", False)


def test_the_newest_build_is_on_top(model, kraft):
    assert shown(model, kraft)["build_start"].is_monotonic_decreasing


def test_finished_builds_are_shown_first(model, kraft):
    assert set(shown(model, kraft)["status"]) == {"FINISHED"}


def test_any_status_shows_all(model, kraft):
    model.status = "any"
    assert len(shown(model, kraft)) == len(kraft.builds.find(project_id=PROJECT))


def test_a_pattern_narrows_the_builds_down(model, kraft):
    model.pattern_id = 808
    assert all(808 in ids for ids in shown(model, kraft)["patterns"])
    assert len(model.options) > 0


def test_a_release_narrows_the_builds_down(model, kraft):
    model.release_id = 29
    assert all(29 in ids for ids in shown(model, kraft)["releases"])
    assert len(model.options) > 0


def test_a_period_narrows_the_builds_down(model, kraft):
    model.days = 90
    assert shown(model, kraft)["build_start"].min() > pd.Timestamp.now("UTC") - pd.Timedelta(days=91)


def test_a_choice_that_a_filter_hides_is_given_up(model):
    model.chosen = (model.options[0][1],)
    model.status = "CANCELED"
    assert model.chosen == ()


def test_builds_without_artifacts_are_nothing_to_fetch(model):
    model.status = "FAILED"
    model.chosen = (model.options[0][1],)
    assert (model.blockers, model.submit()) == (("The chosen builds have no artifacts.",), False)


def test_artifacts_of_several_builds_get_a_folder_each(model, tmp_path):
    model.chosen = tuple(build for _, build in model.options[:2])
    assert model.submit()
    assert {f.parent.name for f in tmp_path.rglob("*.zip")} == {f"build-{build}" for build in model.chosen}


def test_the_result_is_the_frame_of_a_fetch(model, kraft, tmp_path):
    model.chosen = (model.options[0][1],)
    model.submit()
    again = kraft.downloads.fetch(
        kraft.downloads.find(build_id=model.chosen[0]),
        to=tmp_path / f"build-{model.chosen[0]}",
        progress=False,
    )
    assert set(model.result["status"]) == {"fetched"}
    assert model.result.drop(columns="status").equals(again.drop(columns="status"))


def test_every_file_tells_its_size(model):
    model.chosen = (model.options[0][1],)
    model.submit()
    assert all(f.status == "fetched" and f.said.endswith("B") for f in model.pocket.files)


def test_fetching_again_says_what_is_there_already(model):
    model.chosen = (model.options[0][1],)
    model.submit()
    model.submit()
    assert {f.status for f in model.pocket.files} == {"present"}


def test_an_unfit_folder_is_told(model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    model.pocket.folder = str(tmp_path / "file")
    model.chosen = (model.options[0][1],)
    model.submit()
    assert "cannot be made" in model.pocket.trouble
    assert model.pocket.state == "fetched"


def test_no_folder_blocks(model):
    model.chosen = (model.options[0][1],)
    model.pocket.folder = " "
    assert model.blockers == ("Write a target folder.",)


def test_who_may_not_download_is_told_for_each_file(factory, tmp_path):
    class Viewer:
        url, email, password = factory.url, factory.viewer.email, factory.viewer.password

    with client_of(Viewer) as kraft:
        build = next(b for b, files in kraft.builds.find(project_id=PROJECT)["downloads"].items() if files)
        pocket = PocketModel(kraft)
        pocket.folder = str(tmp_path)
        pocket.fetch([build])
    assert "You don't have permissions to download build results!" in pocket.files[0].said
    assert pocket.said.endswith("Fetch again to try the others once more.")


def test_a_second_fetch_waits_for_the_first(kraft, tmp_path):
    pocket, steps = PocketModel(kraft), []
    pocket.folder, pocket.run = str(tmp_path), steps.append
    assert [pocket.fetch([5139]), pocket.fetch([5139])] == [True, False]
    assert len(steps) == 1


def test_stopping_leaves_what_has_not_begun(kraft, tmp_path):
    pocket = PocketModel(kraft)
    pocket.folder = str(tmp_path)
    pocket.observe(lambda change: pocket.stop() if change["new"] else None, "files")
    pocket.fetch([5139])
    assert (len(pocket.result), list(tmp_path.rglob("*.zip"))) == (0, [])


def test_a_build_is_compared_with_the_one_before_it(model, kraft):
    model.pattern_id = 808
    new = model.options[0][1]
    model.chosen = (new,)
    model.compare()
    builds = shown(model, kraft)
    with_files = builds[[808 in {f.pattern_id for f in files} for files in builds["downloads"]]]
    old = with_files.index[with_files["build_start"] < with_files.loc[new, "build_start"]][0]
    assert f"build {old}" in model.compared
    assert {"name", "change", "diff"} <= set(model.comparison.columns)


def test_the_first_build_has_nothing_to_be_compared_with(model):
    model.pattern_id = 808
    first = next(build for label, build in reversed(model.options) if "CORE_DV_HLS · 1 file" in label)
    model.chosen = (first,)
    model.compare()
    assert "has artifacts" in model.trouble
