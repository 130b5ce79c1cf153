"""A real JupyterLab, Notebook 7, Voila and Chromium, closed off from the user's own settings."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
NOTEBOOK = HOME / "notebooks" / "start_and_fetch.ipynb"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
CHROMIUM = os.environ.get("CHROMIUM", CHROMIUM)
STEP_MS = 45_000
"""Longest wait for one thing to appear; a cold kernel on a busy machine is the slowest."""
_BOOT_S = 90
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
              "--disable-component-update", "--disable-sync", "--no-first-run")  # fmt: skip
_SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # Every cell is in the page, also those that are scrolled out of view.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
}


def missing() -> str:
    """What a browser test needs and this machine lacks."""
    packages = [
        n for n in ("playwright", "jupyterlab", "notebook", "voila") if importlib.util.find_spec(n) is None
    ]
    return ", ".join([*packages, *([] if CHROMIUM else ["chromium"])])


def environment(home: Path, **more: str) -> dict[str, str]:
    """Variables under which Jupyter sees nothing of the user's own files."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "MKFRAME"))}
    places = {
        "HOME": "", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }  # fmt: skip
    env |= {name: str(home / place) for name, place in places.items()}
    env |= {"JUPYTER_PLATFORM_DIRS": "1", "NO_PROXY": "127.0.0.1,localhost", "PYTHONPATH": str(HOME)}
    for name, value in _SETTINGS.items():
        file = home / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    return env | more


def write_notebook(path: Path, *sources: str) -> None:
    """A notebook of code cells, for the kernel of this Python."""
    cells = [
        {"cell_type": "code", "id": f"cell-{n}", "metadata": {}, "execution_count": None, "outputs": [],
         "source": source.strip()}
        for n, source in enumerate(sources)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    path.write_text(json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}))


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@contextlib.contextmanager
def running(arguments, env, cwd, ready):
    """A server in a process group of its own, ended with its kernels."""
    log = Path(env["HOME"]) / f"{arguments[0]}.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], env=env, cwd=cwd, stdout=sink, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            _wait(ready, process, log)
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(url, process, log):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + _BOOT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with opener.open(url, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise RuntimeError(f"{url} did not answer:\n{log.read_text()[-3000:]}")


@contextlib.contextmanager
def lab(home: Path, root: Path, **more: str):
    """JupyterLab on `root`; yields its URL."""
    own = ("--LabApp.expose_app_in_browser=True", "--LabApp.news_url=", "--LabApp.extension_manager=readonly",
           "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate")  # fmt: skip
    with _jupyter("jupyterlab", home, root, *own, **more) as url:
        yield url


@contextlib.contextmanager
def notebook(home: Path, root: Path, **more: str):
    """Notebook 7 on `root`; yields its URL."""
    with _jupyter("notebook", home, root, "--JupyterNotebookApp.news_url=", **more) as url:
        yield url


@contextlib.contextmanager
def _jupyter(module: str, home: Path, root: Path, *own: str, **more: str):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = [
        module, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}", "--IdentityProvider.token=",
        "--PasswordIdentityProvider.hashed_password=", "--ServerApp.terminals_enabled=False", *own,
    ]  # fmt: skip
    with running(arguments, environment(home, **more), root, f"{url}/api/status"):
        yield url


@contextlib.contextmanager
def voila(home: Path, root: Path, notebook: str, **more: str):
    """Voila with one notebook; yields its URL. The notebook runs when the page is visited."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["voila", notebook, "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}",
                 "--Voila.port_retries=0", "--show_tracebacks=True"]  # fmt: skip
    with running(arguments, environment(home, **more), root, f"{url}/voila/static/voila.js"):
        yield url


@contextlib.contextmanager
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(_ARGUMENTS))
        yield chromium
        chromium.close()


@contextlib.contextmanager
def page_of(chromium, width=1000, known=()):
    """A page that reaches this machine only; script errors fail the test, but for those of Jupyter's own."""
    from playwright.sync_api import expect

    expect.set_options(timeout=STEP_MS)
    context = chromium.new_context(viewport={"width": width, "height": 1000}, service_workers="block")
    context.route(re.compile(r"^https?://(?!127\.0\.0\.1|localhost)"), lambda route: route.abort())
    page = context.new_page()
    page.set_default_timeout(STEP_MS)
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    yield page
    context.close()
    assert [text for text in failures if text not in known] == []


def shoot(page, name: str, folder: Path) -> None:
    """Keep a screenshot of the forms, in the folder that SHOTS names or in `folder`."""
    shots = Path(os.environ.get("SHOTS") or folder)
    shots.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=shots / f"{name}.png")


def run_in_notebook_7(page, url: str, name: str) -> None:
    """Open a notebook in Notebook 7 and run all its cells by the menu, as a person does."""
    from playwright.sync_api import expect

    with page.expect_websocket(lambda socket: "/channels" in socket.url) as kernel:
        page.goto(f"{url}/notebooks/{name}")
    # Cells that are run before the first message of the kernel are lost.
    kernel.value.wait_for_event("framereceived")
    expect(page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def open_in_lab(page, url: str, name: str) -> None:
    """Open a notebook by itself in JupyterLab, with a kernel that is idle."""
    from playwright.sync_api import expect

    page.goto(f"{url}/doc/tree/{name}?reset")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.started")
    page.evaluate("() => window.jupyterapp.started.then(() => true)")
    expect(page.locator(".jp-Notebook .jp-CodeCell").first).to_be_visible()
    page.wait_for_function(
        "() => { const c = window.jupyterapp.shell.currentWidget?.context?.sessionContext;"
        " const k = c?.session?.kernel;"
        " return k?.connectionStatus === 'connected' && k.status === 'idle'; }"
    )


def run_all(page) -> None:
    assert page.evaluate(
        "() => window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)"
    )
    stderr = page.locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')
    assert stderr.count() == 0, stderr.first.inner_text()


def skip_or_fail() -> None:
    """Without a browser: skip at home, fail in CI, where a skipped test would look green."""
    if lacking := missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI must install: {lacking}")
        pytest.skip(f"not installed: {lacking}")
