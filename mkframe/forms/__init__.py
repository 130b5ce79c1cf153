"""Forms for notebooks: connect, start and watch builds, fetch artifacts, explore a history, analyze releases.

Each function returns a widget that a notebook shows when it is the last line of a cell. `form.model` is its
model, without widgets. `form.close()` ends the form and its thread; a build that was started goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pandas as pd

from mkframe import artifacts, builds, releases
from mkframe._demo import demo
from mkframe.client import Client
from mkframe.client import connect as _connect
from mkframe.errors import InputError
from mkframe.forms._worker import Worker
from mkframe.forms.models import (
    ConnectModel,
    ExploreModel,
    FetchModel,
    ReleaseModel,
    StartModel,
    WatchModel,
)
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.models.release import KINDS
from mkframe.forms.views import (
    ConnectForm,
    DeferredForm,
    ExploreForm,
    FetchForm,
    ReleaseForm,
    StartForm,
    WatchForm,
)
from mkframe.forms.views.widgets import Form
from mkframe.metrics._eta import EtaFit
from mkframe.schema import BASE_URL

__all__ = ["connect", "explore", "fetch_artifacts", "release", "start_build", "watch"]

F = TypeVar("F", bound=Form)


def __dir__() -> list[str]:
    return sorted(__all__)


def connect() -> ConnectForm:
    """Show a form that connects: by e-mail and password, by token, or to the embedded server.

    A password or token is removed from its field as soon as it is entered, so that a saved notebook never
    contains it. The client keeps it in memory, to log in again. If the environment contains a token or
    password, the form begins with that method.

    In Voilà, and if ``MKFRAME_PUBLIC=1`` is set, the forms are for visitors: the server is that of
    ``MKFRAME_URL``, or else the vendor's. The embedded server can be chosen if ``MKFRAME_PUBLIC_DEMO=1`` is
    set. The keyring is never used. Artifacts are written into a private folder, which is removed when the
    kernel ends, and are offered as downloads.

    Returns
    -------
    ConnectForm
        ``form.client`` is the client; None until somebody has connected. The other forms can be given the
        form itself, and appear then.

    Raises
    ------
    InputError
        If it is for visitors, and ``MKFRAME_URL`` or one of the other settings is invalid.

    Examples
    --------
    >>> form = connect()
    >>> form.model.method = "embedded"
    >>> form.model.blockers
    ()
    >>> form.close()
    """
    has_login = any(os.environ.get(name) for name in ("MKFRAME_TOKEN", "MKFRAME_PASSWORD"))
    url = os.environ.get("MKFRAME_URL") or BASE_URL
    url = BASE_URL if "@" in url else url  # the notebook would contain it, and mk.connect refuses it
    worker = Worker()
    method = "environment" if has_login else "password"
    model = ConnectModel(_connect, demo, url=url, method=method, run=worker.submit)
    return ConnectForm(model, worker)


def start_build(client: Client | ConnectForm) -> StartForm | DeferredForm:
    """Show a form that starts a build once, watches it and fetches its artifacts.

    While the build runs the form says how long it may still take, if it finishes, from the builds that it
    loaded before the start, as ``client.builds.wait`` does.
    Before anything is sent the form lists what prevents the build, and shows the request. A double click, a
    second tab or another kernel on this machine starts nothing twice. After a restart of the kernel the form
    lists the builds that are running, and asks before it starts one that looks the same. The API has no lock:
    if Start is pressed on two machines at the same time, both builds run, and the form that finds the other
    build names both. A build contains its patterns and the number of its instances, not which; builds with
    the same of these look the same.

    Parameters
    ----------
    client : Client or ConnectForm
        A client, or the form of `connect`.

    Returns
    -------
    StartForm
        ``form.model.build.id`` is the build, ``form.result`` the frame of what was fetched. A WaitingForm
        for the form of `connect`, which has them once the form inside is there.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     form = start_build(client)
    ...     form.close()
    >>> form.model.selection.blockers
    ('Choose a project.',)
    """

    def make(client: Client) -> StartForm:
        worker = Worker()
        model = StartModel(client, run=worker.submit)
        worker.look = model.look
        return StartForm(model, worker, f"At {client.url}.")

    return _when_connected(client, make, "Start a build")


def watch(
    client: Client | ConnectForm,
    build_id: int | builds.BuildStart | pd.Series[Any] | pd.DataFrame | Iterable[int],
    *,
    history: pd.DataFrame | bool = True,
) -> WatchForm | DeferredForm:
    """Show a form that watches builds, whoever started them; it can be shown again at any time.

    It says how long a build may still take, if it finishes, or that it is unusually long, as
    ``client.builds.wait`` does.

    Parameters
    ----------
    client : Client or ConnectForm
        A client, or the form of `connect`.
    build_id : int, BuildStart or Series, or several
        Which builds: ids, the result of a start, or rows of ``client.builds.find``.
    history : DataFrame or bool, default True
        Builds to compare with. By default those of the project are loaded once, where a build runs for over
        two seconds. With False nothing is loaded, and nothing said of the time that is left.

    Returns
    -------
    WatchForm
        ``form.model.builds`` are the last known states.

    Raises
    ------
    InputError
        If `build_id` contains no builds, or something else, or `history` is no frame of builds.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     form = watch(client, 5139)
    ...     _ = form.model.look()
    ...     form.close()
    >>> form.model.builds[0].status
    'FINISHED'
    """
    ids, _ = builds.build_ids(build_id)
    if not ids:
        raise InputError("No build is given.", hint="Give the id of a build, such as 5139, or several.")
    # refused here, not only where the form appears
    builds.HowLong.of(history, EtaFit.of, lambda project: pd.DataFrame())

    def make(client: Client) -> WatchForm:
        worker = Worker()
        model = WatchModel(client, ids, worker.submit, history)
        worker.look = model.look
        return WatchForm(model, DownloadsModel(client, worker.submit), worker)

    return _when_connected(client, make, "Watch builds")


def fetch_artifacts(client: Client | ConnectForm) -> FetchForm | DeferredForm:
    """Show a form that finds builds, fetches their artifacts and compares them with the build before.

    The folder is on the computer that runs the kernel. Links save the files, each and all as one ZIP, on the
    computer of the browser: up to 32 MiB together. They contain the files, and so does a notebook that is
    saved with its widgets.

    Parameters
    ----------
    client : Client or ConnectForm
        A client, or the form of `connect`.

    Returns
    -------
    FetchForm
        ``form.result`` is the frame of the last fetch, as ``client.downloads.fetch`` returns it.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     form = fetch_artifacts(client)
    ...     form.close()
    >>> form.model.blockers
    ('Choose at least one build.',)
    """

    def make(client: Client) -> FetchForm:
        worker = Worker()
        return FetchForm(FetchModel(client, artifacts.diff, worker.submit), worker, f"From {client.url}.")

    return _when_connected(client, make, "Fetch artifacts")


def release(client: Client | ConnectForm) -> ReleaseForm | DeferredForm:
    """Show a form that compares two releases, follows hotfixes, and checks whether a release is ready.

    Each result can be saved as an Excel workbook, and as a page of HTML to print or send.

    Parameters
    ----------
    client : Client or ConnectForm
        A client, or the form of `connect`.

    Returns
    -------
    ReleaseForm
        ``form.results`` are the results by name: diff, carried_forward, unbuilt, readiness.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     form = release(client)
    ...     form.close()
    >>> form.model.blockers["readiness"]
    'Choose a project. Choose a group. Choose the new release.'
    """

    def make(client: Client) -> ReleaseForm:
        worker = Worker()
        analyses = {name: getattr(releases, name) for name in KINDS}
        return ReleaseForm(ReleaseModel(client, analyses, worker.submit), worker, f"At {client.url}.")

    return _when_connected(client, make, "Analyze releases")


def explore(builds: pd.DataFrame) -> ExploreForm:
    """Show filters above charts and a table of builds; no connection is needed.

    Parameters
    ----------
    builds : DataFrame
        As ``client.builds.find`` or `mk.read_json` return them; after ``client.add_names(builds)``
        the filters show names instead of ids.

    Returns
    -------
    ExploreForm
        ``form.result`` is the frame of the builds that match.

    Raises
    ------
    InputError
        If it is not a frame of builds.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     form = explore(client.builds.find())
    >>> form.model.status = "FINISHED"
    >>> set(form.result["status"])
    {'FINISHED'}
    >>> form.close()
    """
    from mkframe import charts

    by_title: dict[str, Callable[..., Any]] = {
        "Outcomes": charts.outcomes,
        "Failure rate": charts.failure_rate,
        "Durations": charts.durations,
    }
    return ExploreForm(ExploreModel(builds), by_title)


def _when_connected(
    client: Client | ConnectForm, make: Callable[[Client], F], title: str
) -> F | DeferredForm:
    """Return the form for a client; for a connect form, one that appears when it has a client."""
    if isinstance(client, ConnectForm):
        return DeferredForm(client, make, title)
    if not hasattr(client, "builds"):
        raise InputError(
            f"A client is needed, not {type(client).__name__}.",
            hint="Give mk.connect(), mk.demo() or mk.forms.connect().",
        )
    return make(client)
