"""The notebooks are stored without outputs and run in a real kernel."""

from pathlib import Path

import nbformat
import pytest

from mkframe.report import _notebook

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestEachNotebook:
    def test_is_stored_without_outputs(self, path):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert cell.outputs == []
                assert cell.execution_count is None

    def test_runs(self, path):
        notebook = _notebook.run(nbformat.read(path, as_version=4), None)
        outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
        assert outputs
        assert not [out.text for out in outputs if out.output_type == "stream" and out.name == "stderr"]

    def test_is_listed_in_the_folder_s_page(self, path):
        assert f"`{path.name}`" in (FOLDER / "README.md").read_text()
