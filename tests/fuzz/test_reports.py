"""Reports of odd answers are whole pages, or end with one of mkframe's errors."""

import pytest
from hypothesis import given

from mkframe import report
from mkframe.errors import MkframeError, ReportError
from tests.fuzz import bodies
from tests.fuzz.test_metrics import OPTIONS
from tests.support import html_checks
from tests.support.settings import amount

pytestmark = pytest.mark.slow


@pytest.mark.timeout(3600)
@given(case=bodies.bodies("builds"), tz=OPTIONS["tz"], every=OPTIONS["every"])
@amount(1)
def test_report_of_any_input_is_a_page_or_an_mkframe_error(case, tz, every, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "builds.json").write_bytes(case[1])
    parameters = {"project": None, "source": str(folder / "builds.json"), "tz": tz, "every": every}
    page = folder / "out.html"
    try:
        report.write(page, parameters)
    except ReportError:
        raise
    except MkframeError:
        page = None
    if page:
        assert not html_checks.faults(page.read_text())
    assert len(list(folder.iterdir())) == 1 + (page is not None)
