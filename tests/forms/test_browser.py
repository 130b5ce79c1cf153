"""The forms in a real browser, in JupyterLab, Notebook 7 and Voila; with a server that behaves, and not."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

import mkframe as mk
from mkframe.demo_server import Server
from mkframe.forms.models.connect import METHODS
from tests.builds.servers import BUILDS, is_start
from tests.forms import jupyter
from tests.support import faults

PLANES = [
    "AIRPLANE · BV_PIT_BRIDGE · /BUSINESS_VAULT",
    "AIRPLANE · COMMON_AUDIT · /AUDIT",
    "AIRPLANE · CORE_DV_HLS · /BUSINESS_VAULT",
    "AIRPLANE · STAGE_LOAD · /STAGING",
]
"""One instance of each pattern: no build of the servers' demo history looks the same."""
LIFETIME = 2.0
"""Seconds that a token of the brief server lives."""
WAY_SETTINGS = METHODS["environment"]
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


class FaultyServer:
    """Forward requests to an embedded server, or refuse them while `state` is busy.

    `starts` counts builds that were started, `expired` lists requests whose token had expired, the next
    start is held back for `hold` seconds, and builds described by `lasting` do not end.
    """

    def __init__(self, server):
        self.server, self.state = server, "ready"
        self.starts = 0
        self.expired = []
        self.hold = 0.0
        self.lasting = ""
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def __call__(self, request):
        if self.state == "busy":
            return faults.vendor(503, "The server is being restarted")
        if is_start(request):
            time.sleep(self.hold)
            self.hold = 0.0
        answer = self._forward(request)
        if answer.status == 401:
            # A POST among them started nothing, and comes again with a new token.
            self.expired.append((request.method, request.path))
        elif is_start(request):
            self.starts += 1
        is_changed = self.lasting and answer.status == 200 and request.path.startswith(BUILDS)
        return self._without_end(answer) if is_changed else answer

    def _without_end(self, answer):
        content = json.loads(answer.body)
        for build in content if isinstance(content, list) else [content]:
            if self.lasting in (build.get("description") or "") and build["status"] == "FINISHED":
                build |= {"status": "BUILDING", "progress": 99, "build_end": None, "downloads": []}
        return faults.reply(content, answer.status)

    def _forward(self, request):
        url = self.server.url.removesuffix("/api/v1") + request.target
        kept = {k: v for k, v in request.headers.items() if k in ("authorization", "content-type", "accept")}
        asked = urllib.request.Request(url, request.body or None, kept, method=request.method)
        try:
            with self._opener.open(asked, timeout=10) as answer:
                return _copy(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return _copy(answer)
        except OSError:
            return faults.reset()


def _with_password(server, other):
    server.password = other.password
    return server


def _copy(answer):
    headers = {
        k: v for k, v in answer.headers.items() if k.lower() in ("content-type", "content-disposition")
    }
    return faults.Answer(answer.status, answer.read(), headers)


@pytest.fixture(scope="module")
def faulty_server():
    jupyter.skip_or_fail()
    with (
        Server(300, build_seconds=5) as server,
        _with_password(Server(300, build_seconds=3, token_lifetime=LIFETIME), server) as brief,
    ):
        faulty_server = FaultyServer(server)
        faulty_server.quick, faulty_server.brief = server, brief
        with faults.serve(faulty_server) as proxy:
            faulty_server.url = proxy.api
            yield faulty_server


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("notebooks")
    shutil.copy(jupyter.NOTEBOOK, root)
    return root


@pytest.fixture(scope="module")
def settings(faulty_server):
    """Variables by which mkframe connects to the server."""
    login = {"MKFRAME_EMAIL": faulty_server.quick.email, "MKFRAME_PASSWORD": faulty_server.quick.password}
    return {"MKFRAME_URL": faulty_server.url, **login}


@pytest.fixture(scope="module")
def lab(settings, root, tmp_path_factory):
    with jupyter.lab(tmp_path_factory.mktemp("home"), root, **settings) as url:
        yield url


@pytest.fixture(scope="module")
def chromium(faulty_server):
    with jupyter.browser() as chromium:
        yield chromium


@pytest.fixture
def page(chromium):
    with jupyter.page_of(chromium) as page:
        yield page


@pytest.fixture
def client(faulty_server):
    client = mk.connect(
        faulty_server.quick.url, email=faulty_server.quick.email, password=faulty_server.quick.password
    )
    yield client
    client.close()


def expect(locator):
    from playwright.sync_api import expect

    return expect(locator)


def connect(page, method):
    page.locator(".mkf-method select").select_option(method)
    button = page.locator("button.mkf-connect")
    expect(button).to_be_enabled()
    button.click()
    expect(page.locator(".mkf-connected")).to_contain_text("Connected")


def choose(page, description):
    """Fill in the form up to the button."""
    page.locator(".mkf-project select").select_option("DEMO_PROJECT")
    expect(page.locator(".mkf-release select")).to_be_visible()
    page.locator(".mkf-release select").select_option(index=2)
    page.locator(".mkf-search input").fill("airplane")
    expect(page.locator(".mkf-matches-text")).to_contain_text("8 of 148 instances match.")
    page.locator(".mkf-matches select").select_option(PLANES)
    page.locator("button.mkf-add").click()
    expect(page.locator(".mkf-chosen-text")).to_have_text("4 chosen.")
    page.locator(".mkf-description input").fill(description)
    expect(page.locator("button.mkf-start")).to_be_enabled()


def started_id(page):
    text = page.locator(".mkf-watch").first
    expect(text).to_contain_text(re.compile(r"Build \d+"))
    return int(re.search(r"Build (\d+)", text.inner_text()).group(1))


def check_progress(page):
    """Watch the bar until two different values between the ends were seen, or the build has ended."""
    bar = page.locator(".mkf-watch progress").first
    expect(bar).to_be_visible()
    seen = set()
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and len(seen) < 3:
        seen.add(bar.get_attribute("value"))
        time.sleep(0.2)
    assert len(seen) >= 3, f"the progress stood at {seen}"


def fetch(page, folder):
    target = page.locator(".mkf-live .mkf-folder input")
    target.fill(str(folder))
    target.press("Tab")
    page.locator(".mkf-live button.mkf-fetch").click()
    expect(page.locator(".mkf-live .mkf-files")).to_contain_text("4 of 4 files in")


def save(page, folder):
    """Save every file that the page offers, by its link."""
    links = page.locator(".mkf-live .mkf-offers a")
    for place in range(links.count()):
        with page.expect_download() as download:
            links.nth(place).click()
        download.value.save_as(folder / download.value.suggested_filename)


def check_files(folder):
    paths = sorted(path for path in folder.glob("*.zip") if not path.name.startswith("build-"))
    assert len(paths) == len(PLANES)
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None


def test_start_watch_and_fetch_in_jupyterlab(lab, page, faulty_server, client, tmp_path):
    before, posts = set(client.builds.find().index), faulty_server.starts
    jupyter.open_in_lab(page, lab, jupyter.NOTEBOOK.name)
    jupyter.run_all(page)
    connect(page, WAY_SETTINGS)
    choose(page, "from <b>the</b> form")
    jupyter.shoot(page, "1_chosen", tmp_path)
    page.locator("button.mkf-start").scroll_into_view_if_needed()
    jupyter.shoot(page, "2_ready", tmp_path)
    page.locator("button.mkf-start").dblclick()
    number = started_id(page)
    check_progress(page)
    jupyter.shoot(page, "3_running", tmp_path)
    expect(page.locator(".mkf-watch").first).to_contain_text("FINISHED")
    fetch(page, tmp_path / "artifacts")
    jupyter.shoot(page, "4_fetched", tmp_path)
    assert set(client.builds.find().index) - before == {number}
    assert faulty_server.starts - posts == 1
    check_files(tmp_path / "artifacts" / f"build-{number}")


RELEASE = """
import mkframe as mk
from mkframe import forms
forms.release(mk.connect())
"""


def test_release_form_leads_to_a_workbook_and_a_page(root, lab, page, tmp_path):
    jupyter.write_notebook(root / "release.ipynb", RELEASE)
    jupyter.open_in_lab(page, lab, "release.ipynb")
    jupyter.run_all(page)
    page.locator(".mkf-release-project select").select_option("DEMO_PROJECT")
    page.locator(".mkf-release-group select").select_option("DWH_GROUP")
    page.locator("button.mkf-release-diff").click()
    expect(page.locator(".mkf-release-diff-result")).to_contain_text("in both releases")
    jupyter.shoot(page, "10_release_diff", tmp_path)
    page.locator("button.mkf-release-diff-xlsx").click()
    expect(page.locator(".mkf-release-saved")).to_contain_text(".xlsx")
    page.get_by_role("tab", name="Readiness").click()
    page.locator("button.mkf-release-readiness").click()
    expect(page.locator(".mkf-release-readiness-result")).to_contain_text("validation errors")
    jupyter.shoot(page, "11_release_readiness", tmp_path)
    page.locator("button.mkf-release-readiness-html").click()
    expect(page.locator(".mkf-release-saved")).to_contain_text(".html")
    assert sorted(file.suffix for file in (root / "releases").iterdir()) == [".html", ".xlsx"]


EXPLORE = """
import mkframe as mk
from mkframe import forms
client = mk.connect()
forms.explore(client.add_names(client.builds.find()))
"""


def test_filter_changes_charts_and_table(lab, root, page, tmp_path):
    jupyter.write_notebook(root / "explore.ipynb", EXPLORE)
    jupyter.open_in_lab(page, lab, "explore.ipynb")
    jupyter.run_all(page)
    charts = page.locator("img.mkf-chart")
    expect(charts).to_have_count(3)
    before = charts.first.get_attribute("src")
    page.locator(".mkf-explore-status select").select_option("FAILED")
    expect(charts.first).not_to_have_attribute("src", before)
    expect(page.locator(".mkf-table")).not_to_contain_text("FINISHED")
    charts.first.scroll_into_view_if_needed()
    jupyter.shoot(page, "9_explore", tmp_path)


@pytest.fixture
def lasting(faulty_server):
    """A description that keeps a build from ending, so that it runs however slow this machine is."""
    faulty_server.lasting = "through thick and thin"
    yield faulty_server.lasting
    faulty_server.lasting, faulty_server.state = "", "ready"


def restart_kernel(page):
    kernel = "window.jupyterapp.shell.currentWidget.context.sessionContext.session.kernel"
    assert page.evaluate(f"() => {kernel}.restart().then(() => true)")
    page.wait_for_function(f"() => {kernel}.status === 'idle' && {kernel}.connectionStatus === 'connected'")
    jupyter.run_all(page)


def test_failing_server_and_kernel_restart(lab, page, faulty_server, lasting, tmp_path):
    posts = faulty_server.starts
    jupyter.open_in_lab(page, lab, jupyter.NOTEBOOK.name)
    jupyter.run_all(page)
    connect(page, WAY_SETTINGS)
    choose(page, lasting)
    page.locator("button.mkf-start").click()
    number = started_id(page)
    shown = page.locator(".mkf-watch").first
    expect(shown).to_contain_text("BUILDING")
    faulty_server.state = "busy"
    expect(shown).to_contain_text("The server is being restarted")
    jupyter.shoot(page, "5_refused", tmp_path)
    faulty_server.server.stop()
    faulty_server.state = "ready"
    expect(shown).to_contain_text("connection broke")
    faulty_server.server.start()
    expect(shown.locator(".note")).to_have_count(0)
    restart_kernel(page)
    connect(page, WAY_SETTINGS)
    choose(page, "once more, by mistake")
    page.locator("button.mkf-start").click()
    expect(page.locator(".mkf-verdict")).to_contain_text(f"Build {number} is running")
    jupyter.shoot(page, "6_duplicate", tmp_path)
    page.locator("button.mkf-watch-duplicate").filter(has_text=f"Watch {number}").click()
    expect(shown).to_contain_text("BUILDING")
    faulty_server.lasting = ""
    expect(shown).to_contain_text("FINISHED")
    faulty_server.state = "busy"
    target = page.locator(".mkf-live .mkf-folder input")
    target.fill(str(tmp_path / "artifacts"))
    page.locator(".mkf-live button.mkf-fetch").click()
    expect(page.locator(".mkf-live .mkf-busy").last).to_contain_text("Trying again")
    faulty_server.state = "ready"
    expect(page.locator(".mkf-live .mkf-files")).to_contain_text("4 of 4 files in")
    check_files(tmp_path / "artifacts" / f"build-{number}")
    assert faulty_server.starts - posts == 1


@pytest.fixture
def brief(faulty_server):
    """A client of another server at the same address, whose tokens soon expire."""
    faulty_server.server = faulty_server.brief
    with mk.connect(
        faulty_server.brief.url, email=faulty_server.brief.email, password=faulty_server.brief.password
    ) as client:
        yield client
    faulty_server.server = faulty_server.quick


def test_token_expires_before_and_during_the_start(lab, page, faulty_server, brief, tmp_path):
    before, posts = set(brief.builds.find().index), faulty_server.starts
    jupyter.open_in_lab(page, lab, jupyter.NOTEBOOK.name)
    jupyter.run_all(page)
    connect(page, WAY_SETTINGS)
    expect(page.locator(".mkf-connected")).to_contain_text("mkframe then logs in again by itself")
    choose(page, "with a token that has expired")
    # A form at rest asks nothing, so its token dies; the next one dies while the start is on its way.
    page.wait_for_timeout(1000 * LIFETIME + 500)
    faulty_server.expired.clear()
    faulty_server.hold = LIFETIME + 0.5
    page.locator("button.mkf-start").click()
    number = started_id(page)
    expect(page.locator(".mkf-watch").first).to_contain_text("FINISHED")
    fetch(page, tmp_path / "artifacts")
    jupyter.shoot(page, "10_expired", tmp_path)
    assert {("GET", BUILDS), ("POST", BUILDS)} <= set(faulty_server.expired)
    assert faulty_server.starts - posts == 1
    assert set(brief.builds.find().index) - before == {number}
    check_files(tmp_path / "artifacts" / f"build-{number}")


NOTEBOOKS_OWN = ["Cannot read properties of undefined (reading 'schema')"]
"""Notebook 7.6 says this of a notebook without any form as well."""


def test_start_and_finish_in_notebook_7(faulty_server, settings, root, chromium, client, tmp_path):
    before, home = set(client.builds.find().index), tmp_path / "home"
    home.mkdir()
    with (
        jupyter.notebook(home, root, **settings) as url,
        jupyter.page_of(chromium, known=NOTEBOOKS_OWN) as page,
    ):
        jupyter.run_in_notebook_7(page, url, jupyter.NOTEBOOK.name)
        connect(page, WAY_SETTINGS)
        choose(page, "from Notebook 7")
        jupyter.shoot(page, "11_notebook", tmp_path)
        page.locator("button.mkf-start").click()
        number = started_id(page)
        expect(page.locator(".mkf-watch").first).to_contain_text("FINISHED")
        jupyter.shoot(page, "12_notebook_finished", tmp_path)
    assert set(client.builds.find().index) - before == {number}


def test_two_tabs_of_voila_start_one_build(faulty_server, chromium, client, root, tmp_path):
    posts, before = faulty_server.starts, set(client.builds.find().index)
    home = tmp_path / "home"
    home.mkdir()
    with (
        jupyter.voila(home, root, jupyter.NOTEBOOK.name, MKFRAME_URL=faulty_server.url) as url,
        jupyter.page_of(chromium, width=800) as first,
        jupyter.page_of(chromium, width=800) as second,
    ):
        for tab in (first, second):
            tab.goto(url)
            tab.locator(".mkf-email input").fill(faulty_server.quick.email)
            tab.locator(".mkf-secret input").fill(faulty_server.quick.password)
            connect(tab, METHODS["password"])
            choose(tab, "from a tab")
        jupyter.shoot(first, "7_voila", tmp_path)
        for tab in (first, second):  # the second does not wait for the first
            tab.locator("button.mkf-start").click()
        for tab in (first, second):
            expect(tab.locator(".mkf-watch, .mkf-verdict li").first).to_be_visible()
        winner, loser = sorted((first, second), key=lambda tab: tab.locator(".mkf-verdict li").count())
        number = started_id(winner)
        expect(loser.locator(".mkf-verdict")).to_contain_text(f"Build {number}")
        expect(winner.locator(".mkf-watch").first).to_contain_text("FINISHED")
        expect(winner.locator(".mkf-folder, .mkf-url")).to_have_count(0)
        winner.locator(".mkf-live button.mkf-fetch").click()
        expect(winner.locator(".mkf-live .mkf-files")).to_contain_text("4 of 4 files to save.")
        save(winner, tmp_path / "saved")
        winner.locator(".mkf-live").scroll_into_view_if_needed()
        jupyter.shoot(winner, "8_voila_fetched", tmp_path)
    check_files(tmp_path / "saved")
    assert set(client.builds.find().index) - before == {number}
    assert faulty_server.starts - posts == 1


SEEDS = (2, 3, 4, 5)
"""Seeds of hashes: a set of both changes of a dropdown begins with the one at two of them, else the other."""
CHANGES = "import os; print('seed', os.environ['PYTHONHASHSEED'], *{'_options_labels', 'index'})"
START = """
import mkframe as mk
from mkframe import forms
form = forms.start_build(mk.connect())
form
"""


def write_kernels(home):
    """Describe a kernel for each seed of hashes, which change the order of sets."""
    for seed in SEEDS:
        folder = home / "data" / "kernels" / f"seed-{seed}"
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": command, "display_name": f"Seed {seed}", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec | {"env": {"PYTHONHASHSEED": str(seed)}}))


def shown_option(page, css):
    """The label that a dropdown shows; None where it is blank."""
    label = "select => select.selectedIndex < 0 ? null : select.selectedOptions[0].label"
    shown = page.locator(f"{css} select").evaluate(label)
    return None if shown is None else shown.replace("\u00a0", " ")


def test_release_chooser_is_never_blank(settings, chromium, tmp_path):
    home, root = tmp_path / "home", tmp_path / "root"
    root.mkdir()
    write_kernels(home)
    for seed in SEEDS:
        path = root / f"seed-{seed}.ipynb"
        jupyter.write_notebook(path, START, CHANGES)
        content = json.loads(path.read_text())
        content["metadata"]["kernelspec"]["name"] = f"seed-{seed}"
        path.write_text(json.dumps(content))
    seen, orders = {}, set()
    with jupyter.lab(home, root, **settings) as url, jupyter.page_of(chromium) as page:
        for seed in SEEDS:
            jupyter.open_in_lab(page, url, f"seed-{seed}.ipynb")
            jupyter.run_all(page)
            printed = page.locator(".jp-OutputArea-output").last
            expect(printed).to_contain_text(f"seed {seed}")
            orders.add(printed.inner_text().split(maxsplit=2)[2])
            page.locator(".mkf-project select").select_option("DEMO_PROJECT")
            release = page.locator(".mkf-release select")
            expect(release).to_be_visible()
            at_first = shown_option(page, ".mkf-release")
            release.select_option(index=2)
            expect(page.locator(".mkf-matches-text")).to_contain_text("instances match")
            release.select_option("no release")
            page.wait_for_timeout(300)
            seen[seed] = at_first, shown_option(page, ".mkf-release")
            blank = page.locator(".mkf-form select:not([multiple])").evaluate_all(
                "all => all.filter(s => s.selectedIndex < 0).length"
            )
            assert blank == 0
            assert "svg" in release.evaluate("s => getComputedStyle(s).backgroundImage")
            session = "window.jupyterapp.shell.currentWidget.context.sessionContext"
            assert page.evaluate(f"() => {session}.shutdown().then(() => true)")
        jupyter.shoot(page, "14_release", tmp_path)
    assert seen == dict.fromkeys(SEEDS, ("no release", "no release"))
    assert len(orders) == 2


def test_filter_to_nothing_and_back(lab, root, page, tmp_path):
    jupyter.write_notebook(root / "nothing.ipynb", EXPLORE)
    jupyter.open_in_lab(page, lab, "nothing.ipynb")
    jupyter.run_all(page)
    charts = page.locator("img.mkf-chart")
    expect(charts).to_have_count(3)
    width = charts.first.evaluate("image => image.naturalWidth")
    page.locator(".mkf-to input").fill("2001-01-01")
    page.locator(".mkf-to input").press("Tab")
    expect(page.locator(".mkf-explored")).to_contain_text(re.compile(r"^0 of \d+ builds\."))
    for place in range(3):
        expect(charts.nth(place)).to_be_hidden()
    expect(page.locator(".mkf-no-chart").first).to_contain_text("nothing to draw")
    expect(page.locator(".mkf-table td")).to_have_count(0)
    expect(page.locator(".mkf-error")).to_have_text("")
    jupyter.shoot(page, "15_nothing", tmp_path)
    page.locator(".mkf-to input").fill("")
    page.locator(".mkf-to input").press("Tab")
    expect(page.locator(".mkf-explored")).to_contain_text(re.compile(r"^(\d+) of \1 builds\."))
    expect(charts.first).to_be_visible()
    assert charts.first.evaluate("image => image.naturalWidth") == width > 500
    expect(page.locator(".mkf-no-chart").first).to_have_text("")


FETCH = """
import mkframe as mk
from mkframe import forms
form = forms.fetch_artifacts(mk.connect())
form
"""


def open_fetch_form(page, lab, root, folder, pattern):
    """Open the fetching form in JupyterLab, with builds of a pattern."""
    jupyter.write_notebook(root / f"{folder.name}.ipynb", FETCH)
    jupyter.open_in_lab(page, lab, f"{folder.name}.ipynb")
    jupyter.run_all(page)
    page.locator(".mkf-fetch-project select").select_option("DEMO_PROJECT")
    expect(page.locator(".mkf-fetch-summary")).to_contain_text("builds match")
    page.locator(".mkf-fetch-pattern select").select_option(pattern)
    target = page.locator(".mkf-folder input")
    target.fill(str(folder))
    target.press("Tab")
    expect(page.locator(".mkf-space")).to_contain_text("free")  # its lines move what is below


def test_diff_inside_a_form_has_no_blank_lines(lab, root, page, tmp_path):
    open_fetch_form(page, lab, root, tmp_path / "diffs", "CORE_DV_HLS")
    page.locator(".mkf-fetch-builds select").select_option(
        index=15
    )  # older than what other tests have started
    page.locator("button.mkf-compare").click()
    diff = page.locator(".mkf-difference pre").first
    expect(diff).to_be_visible()
    text = diff.evaluate("e => e.innerText")
    assert "\n+" in text or "\n-" in text
    assert "\n\n" not in text
    lines = diff.evaluate("e => Math.round(e.scrollHeight / parseFloat(getComputedStyle(e).lineHeight))")
    assert lines <= len(text.splitlines()) + 2 + text.count("\n") // 4  # long lines wrap
    expect(page.locator("button.mkf-stop-comparing")).to_be_hidden()
    diff.scroll_into_view_if_needed()
    jupyter.shoot(page, "16_diff", tmp_path)


def test_fetched_files_are_saved_on_the_computer_of_the_browser(lab, root, page, tmp_path):
    folder = tmp_path / "server"
    open_fetch_form(page, lab, root, folder, "all patterns")
    page.locator(".mkf-fetch-builds select").select_option(
        index=[15, 16, 17]
    )  # older than what other tests have started
    page.locator("button.mkf-fetch").click()
    expect(page.locator(".mkf-files")).to_contain_text(", on the server.")
    links = page.locator(".mkf-offers a")
    on_server = {path.name: path.read_bytes() for path in folder.rglob("*.zip")}
    expect(links).to_have_count(len(on_server) + 1)
    on_own = {}
    for place in range(links.count()):
        with page.expect_download() as download:
            links.nth(place).click()
        on_own[download.value.suggested_filename] = Path(download.value.path()).read_bytes()
    with zipfile.ZipFile(io.BytesIO(on_own.pop("artifacts.zip"))) as archive:
        assert {Path(name).name: archive.read(name) for name in archive.namelist()} == on_server
    assert on_own == on_server
    links.first.scroll_into_view_if_needed()
    jupyter.shoot(page, "17_saved", tmp_path)


LARGE = """
import pathlib, random
from types import SimpleNamespace
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.models.offers import make_offers
from mkframe.forms.views.downloads import DownloadsPart
folder = pathlib.Path("build-7")
folder.mkdir(exist_ok=True)
for n in range(2):
    (folder / f"large-{n}.bin").write_bytes(random.Random(n).randbytes(15 << 20))
model = DownloadsModel(SimpleNamespace())
model.offers, model.offers_text = make_offers(map(str, folder.iterdir()), is_public=False)
DownloadsPart(model, lambda: ())
"""


def test_files_up_to_the_limit_are_saved(lab, root, page):
    jupyter.write_notebook(root / "large.ipynb", LARGE)
    jupyter.open_in_lab(page, lab, "large.ipynb")
    jupyter.run_all(page)
    links = page.locator(".mkf-offers a")
    expect(links).to_have_count(3)
    for name, size in (("large-1.bin", 15 << 20), ("build-7.zip", 30 << 20)):
        with page.expect_download() as download:
            page.locator(f".mkf-offers a[download='{name}']").click()
        saved = Path(download.value.path())
        assert saved.stat().st_size >= size
    with zipfile.ZipFile(saved) as archive:
        assert archive.read("build-7/large-1.bin") == random.Random(1).randbytes(15 << 20)


def tab_to(page, css, most=60):
    """Press Tab until an element has the focus, as a person without a mouse."""
    for _ in range(most):
        if page.evaluate("css => !!document.activeElement?.closest(css)", css):
            return
        page.keyboard.press("Tab")
    raise AssertionError(
        f"no way to {css}, but to {page.evaluate('() => document.activeElement?.outerHTML')}"
    )


def test_keyboard_alone_leads_from_connect_to_a_saved_file(faulty_server, chromium, root, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with (
        jupyter.voila(
            home, root, jupyter.NOTEBOOK.name, MKFRAME_URL=faulty_server.url, TMPDIR=str(home)
        ) as url,
        jupyter.page_of(chromium, width=800) as page,
    ):
        page.goto(url)
        expect(page.locator("button.mkf-connect")).to_be_visible()
        expect(page).to_have_title("Start a build and fetch its artifacts")
        assert "Run All Cells" not in page.locator("body").inner_text()
        tab_to(page, ".mkf-email")
        page.keyboard.type(faulty_server.quick.email)
        tab_to(page, ".mkf-secret")
        page.keyboard.type(faulty_server.quick.password)
        page.keyboard.press("Enter")
        expect(page.locator(".mkf-connected")).to_contain_text("Connected")
        page.wait_for_function("() => !!document.activeElement?.closest('button.mkf-disconnect')")
        tab_to(page, ".mkf-fetch-project")
        page.keyboard.type("DEMO_PROJECT")
        expect(page.locator(".mkf-fetch-summary")).to_contain_text("builds match")
        tab_to(page, ".mkf-fetch-builds")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Shift+ArrowDown")
        expect(page.locator(".mkf-fetch-summary")).to_contain_text("2 builds chosen")
        tab_to(page, "button.mkf-fetch")
        page.keyboard.press("Enter")
        expect(page.locator(".mkf-files").last).to_contain_text("to save.")
        tab_to(page, ".mkf-offers a")
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        page.locator(".mkf-offers").last.scroll_into_view_if_needed()
        jupyter.shoot(page, "18_keyboard", tmp_path)
        assert zipfile.is_zipfile(download.value.path())


FORGED = """
async ([channels, url, folder]) => {
  const socket = new WebSocket(channels.split('?')[0] + '?session_id=visitor');
  const states = {};
  let receive;
  const received = new Promise(resolve => receive = resolve);
  await new Promise(resolve => socket.onopen = resolve);
  let number = 0;
  const send = (msg_type, content, version = '2.1.0') => socket.send(JSON.stringify({
    header: {msg_id: `forged-${number++}`, msg_type, session: 'visitor', username: '', version: '5.3'},
    parent_header: {}, metadata: {version}, channel: 'shell', buffers: [], content}));
  socket.onmessage = event => {
    if (typeof event.data !== 'string') return;
    const message = JSON.parse(event.data);
    if (message.content?.data?.method === 'update_states') { receive(message.content.data.states); }
  };
  send('comm_open', {comm_id: 'forged', target_name: 'jupyter.widget.control', data: {}}, '1.0.0');
  send('comm_msg', {comm_id: 'forged', data: {method: 'request_states'}});
  const models = Object.entries(await received);
  const message = (comm_id, data) => send('comm_msg', {comm_id, data});
  const update = (id, state) => message(id, {method: 'update', state, buffer_paths: []});
  const texts = models.filter(([_, m]) => m.model_name === 'TextModel');
  for (const [id, m] of texts) {
    const words = {'Base URL': url, 'Target folder': folder, 'E-mail': 'eve@example.org'};
    update(id, {value: words[m.state.description] ?? url});
  }
  const methods = models.filter(([_, m]) => m.state.description === 'Connect by').map(([id]) => id);
  const secrets = models.filter(([_, m]) => m.model_name === 'PasswordModel').map(([id]) => id);
  const buttons = models.filter(([_, m]) => m.model_name === 'ButtonModel').map(([id]) => id);
  for (const index of [0, 1, 2, 3]) {
    for (const id of methods) {
      update(id, {_options_labels: ['a', 'b', 'c', 'd'], index});
      update(id, {index});
    }
    for (const id of secrets) update(id, {value: 'a.b.c'});
    for (const id of buttons) message(id, {method: 'custom', content: {event: 'click'}});
    await new Promise(resolve => setTimeout(resolve, 1500));
  }
  send('execute_request', {code: `open(${JSON.stringify(folder)} + '-code', 'w')`, silent: false});
  await new Promise(resolve => setTimeout(resolve, 1500));
  socket.close();
  return [texts.map(([_, m]) => m.state.description), methods.length, secrets.length, buttons.length];
}
"""
"""Messages of a visitor who knows this project: values for every field, shown or not, and clicks."""


def test_forged_messages_of_a_visitor_reach_nothing(faulty_server, chromium, root, tmp_path):
    home, folder = tmp_path / "home", tmp_path / "kernels"
    home.mkdir()
    with (
        faults.serve(lambda request: faults.unauthenticated()) as other,
        jupyter.voila(
            home, root, jupyter.NOTEBOOK.name, MKFRAME_URL=faulty_server.url, TMPDIR=str(home)
        ) as url,
        jupyter.page_of(chromium, width=800) as page,
    ):
        with page.expect_websocket(lambda socket: "/channels" in socket.url) as opened:
            page.goto(url)
        expect(page.locator("button.mkf-connect")).to_be_visible()
        assert len(list(home.glob("mkframe-visitor-*"))) == 0  # made when there is something to fetch
        counts = page.evaluate(FORGED, [opened.value.url, other.api, str(folder)])
        expect(page.locator(".mkf-error").first).to_contain_text("did not work")
        jupyter.shoot(page, "13_voila_forged", tmp_path)
    assert other.requests == []
    assert not list(tmp_path.glob("kernels*"))
    assert counts == [["Base URL", "E-mail"], 1, 1, 2]


def test_voila_removes_what_its_visitor_fetched(faulty_server, chromium, root, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with (
        jupyter.voila(
            home, root, jupyter.NOTEBOOK.name, MKFRAME_URL=faulty_server.url, TMPDIR=str(home)
        ) as url,
        jupyter.page_of(chromium, width=800) as page,
    ):
        page.goto(url)
        page.locator(".mkf-email input").fill(faulty_server.quick.email)
        page.locator(".mkf-secret input").fill(faulty_server.quick.password)
        connect(page, METHODS["password"])
        page.locator(".mkf-fetch-project select").select_option("DEMO_PROJECT")
        page.locator(".mkf-fetch-builds select").select_option(index=0)
        page.locator("button.mkf-fetch").last.click()
        expect(page.locator(".mkf-offers a").first).to_be_visible()
        assert len(list(home.glob("mkframe-visitor-*/build-*"))) == 1
        # Voila asks its kernels to end when it ends itself, as where a page is closed.
    assert list(home.glob("mkframe-visitor-*")) == []
