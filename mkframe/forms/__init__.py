"""Forms for notebooks: connect, start a build, watch builds, fetch artifacts, explore a history.

Each function returns a widget that a notebook shows when it is the last line of a cell. `form.model` is the
mind behind it, without widgets; `form.close()` ends the form and its thread, and a build goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pandas as pd

import mkframe
from mkframe import artifacts, builds
from mkframe.errors import InputError
from mkframe.forms.models import ConnectModel, ExploreModel, FetchModel, StartModel, WatchModel
from mkframe.forms.models.downloads import DownloadsModel
from mkframe.forms.views import ConnectForm, DeferredForm, ExploreForm, FetchForm, StartForm, WatchForm
from mkframe.forms.views.widgets import Form
from mkframe.schema import BASE_URL

__all__ = ["connect", "explore", "fetch_artifacts", "start_build", "watch"]

F = TypeVar("F", bound=Form)


def connect() -> ConnectForm:
    """Show a form that connects: by e-mail and password, by token, or to the embedded server.

    A password or token is taken from its field as soon as it is entered, and a saved notebook never holds it.
    The client keeps it in memory, to log in again. Where the environment holds a token or password, that is
    the first choice.

    In Voilà, and wherever ``MKFRAME_PUBLIC=1`` is set, the forms are for visitors: the server is that of
    ``MKFRAME_URL``, or else the vendor's; the embedded server can be chosen where ``MKFRAME_PUBLIC_DEMO=1``
    is set, and the keyring is left alone. Artifacts go into a private folder, which ends with the kernel,
    and are offered as downloads.

    Returns
    -------
    ConnectForm
        ``form.client`` is the client once somebody has connected. The other forms take the form itself and
        appear then.

    Raises
    ------
    InputError
        If it is for visitors, and ``MKFRAME_URL`` or one of the other settings is unfit.

    Examples
    --------
    >>> form = connect()
    >>> form.model.way = "embedded"
    >>> form.model.blockers
    ()
    >>> form.close()
    """
    has_login = any(os.environ.get(name) for name in ("MKFRAME_TOKEN", "MKFRAME_PASSWORD"))
    url = os.environ.get("MKFRAME_URL") or BASE_URL
    url = BASE_URL if "@" in url else url  # it would stand in the notebook, and mk.connect refuses it
    model = ConnectModel(
        mkframe.connect, mkframe.demo, url=url, way="environment" if has_login else "password"
    )
    return ConnectForm(model)


def start_build(client: mkframe.Client | ConnectForm) -> StartForm | DeferredForm:
    """Show a form that starts a build once, follows it and fetches its artifacts.

    Before anything is sent the form says what speaks against the build and shows what will be sent. A
    double click, a second tab or another kernel on this machine starts nothing twice; after a restart of the
    kernel the form lists the builds that run, and asks before it starts one that looks the same. The
    reference has nothing to lock on: where Start is pressed on two machines in the same moment, both builds
    run, and the form that sees it names both. A build tells its patterns and how many instances it has, not
    which; builds are taken for the same by these.

    Parameters
    ----------
    client : Client or ConnectForm
        A client, or the form of `connect`.

    Returns
    -------
    StartForm
        ``form.model.started.id`` is the build, ``form.result`` the frame of what was fetched. A WaitingForm
        for the form of `connect`, which has them once the form inside is there.

    Examples
    --------
    >>> import mkframe as mk
    >>> with mk.demo(builds=20) as client:
    ...     form = start_build(client)
    ...     form.close()
    >>> form.model.blockers
    ('Choose a project.',)
    """
    return _when_connected(
        client, lambda client: StartForm(StartModel(client), f"At {client.url}."), "Start a build"
    )


def watch(
    client: mkframe.Client | ConnectForm,
    build_id: int | builds.BuildStart | pd.Series[Any] | pd.DataFrame | Iterable[int],
) -> WatchForm | DeferredForm:
    """Show a form that follows builds, whoever started them; it can be shown again at any time.

    Parameters
    ----------
    client : Client or ConnectForm
        A client, or the form of `connect`.
    build_id : int, BuildStart or Series, or several
        Which builds: ids, the result of a start, or rows of ``client.builds.find``.

    Returns
    -------
    WatchForm
        ``form.model.builds`` is what was last seen.

    Raises
    ------
    InputError
        If something else than builds is given, or nothing.

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

    def make(client: mkframe.Client) -> WatchForm:
        return WatchForm(WatchModel(client, ids), DownloadsModel(client))

    return _when_connected(client, make, "Watch builds")


def fetch_artifacts(client: mkframe.Client | ConnectForm) -> FetchForm | DeferredForm:
    """Show a form that finds builds, fetches their artifacts and compares them with the build before.

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
    return _when_connected(
        client,
        lambda client: FetchForm(FetchModel(client, artifacts.diff), f"From {client.url}."),
        "Fetch artifacts",
    )


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

    drawn: dict[str, Callable[..., Any]] = {
        "Outcomes": charts.outcomes,
        "Failure rate": charts.failure_rate,
        "Durations": charts.durations,
    }
    return ExploreForm(ExploreModel(builds), drawn)


def _when_connected(
    client: mkframe.Client | ConnectForm, make: Callable[[mkframe.Client], F], title: str
) -> F | DeferredForm:
    """The form for a client; for a connect form, one that appears when there is a client."""
    if isinstance(client, ConnectForm):
        return DeferredForm(client, make, title)
    if not hasattr(client, "builds"):
        raise InputError(
            f"A client is needed, not {type(client).__name__}.",
            hint="Give mk.connect(), mk.demo() or mk.forms.connect().",
        )
    return make(client)
