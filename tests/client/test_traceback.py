"""The traceback of an error shows the caller's line and one of ours."""

import re
import subprocess
import sys
import traceback

import pytest

import mkframe as mk
from mkframe import errors
from mkframe.builds import BuildStart
from tests.support import faults

CALLS = {
    "find": lambda client: client.builds.find(project="A"),
    "get": lambda client: client.builds.get(1),
    "start": lambda client: client.builds.start(project="A", instances=[1], confirm_timeout=0),
    "confirm": lambda client: client.builds.confirm("mkframe-0123456789ab", confirm_timeout=0),
    "wait": lambda client: client.builds.wait(BuildStart(1, "BUILDING"), timeout=0, progress=False),
    "deploy": lambda client: client.build_deployments.start(build_id=1, deployment="A"),
    "query": lambda client: client.metadata.query("SELECT 1", project="A"),
    "deliveries": lambda client: client.deliveries(project="A"),
    "input": lambda client: client.builds.find(project=1.5),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_error_of_a_call_has_one_frame_of_ours(call):
    handled = KeyError("handled by the caller")
    with faults.serve(faults.vendor(500)) as server, mk.connect(server.api, token="t") as client:
        try:
            raise handled
        except KeyError:
            with pytest.raises(errors.MkframeError) as caught:
                call(client)
    assert handled.__traceback__ is not None
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [frame.filename for frame in frames[:-1]] == [__file__, __file__]
    assert frames[-1].name == "without_inner_frames"
    step = caught.value.__cause__
    while step is not None:
        assert step.__traceback__ is None
        step = step.__cause__


IN_IPYTHON = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
shell.run_cell("import mkframe as mk")
shell.run_cell("client = mk.connect({url!r}, token='a-token')")
shell.run_cell("project = 'A'\\nclient.builds.{call}")
"""


@pytest.mark.parametrize(
    "call", ["find(project=project)", "start(project=project, instances=[1], confirm_timeout=0)"]
)
def test_error_in_a_notebook_shows_the_line_and_one_frame(call):
    with faults.serve(faults.vendor(500, "Out of order")) as server:
        code = IN_IPYTHON.format(url=server.api, call=call)
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    shown = run.stdout
    assert f"----> 2 client.builds.{call}" in shown
    assert "Out of order" in shown
    assert re.findall(r"^File (.*?):\d+", shown, re.M) == [str(_traceback_file())]
    assert "tenacity" not in shown


def _traceback_file():
    from mkframe.client import _traceback

    return _traceback.__file__
