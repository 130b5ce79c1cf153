"""Reports of odd answers are whole pages, or end with one of mkframe's errors."""

import pytest
from hypothesis import given

from mkframe import report
from mkframe.errors import MkframeError, ReportError
from tests import pages
from tests.fuzz import bodies
from tests.fuzz.amount import MANY, amount, attempt
from tests.fuzz.test_metrics import OPTIONS


@pytest.mark.skipif(MANY < 10, reason="starts a kernel for each report; FUZZ=10 or more runs it")
@pytest.mark.timeout(3600)
@given(case=bodies.bodies("builds"), tz=OPTIONS["tz"], every=OPTIONS["every"])
@amount(1)
def test_report_of_any_answer_is_a_page_or_one_of_our_errors(case, tz, every, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "builds.json").write_bytes(case[1])
    parameters = {"project": None, "source": str(folder / "builds.json"), "tz": tz, "every": every}
    made = attempt(report.write, folder / "out.html", parameters)
    assert not isinstance(made, ReportError)
    if isinstance(made, MkframeError):
        assert not (folder / "out.html").exists()
    else:
        assert not pages.faults(made.read_text())
