"""Every accessor against the embedded server; what Tab and Shift-Tab show; what a person is told."""

import base64
import contextlib
import datetime as dt
import functools
import importlib
import inspect
import json
import os
import pickle
import queue
import re
import subprocess
import sys
import tempfile
import time
import traceback
import warnings

import numpy as np
import pandas as pd
import pytest

import mkframe as mk
from mkframe import client as client_module
from mkframe import errors, frames
from mkframe._http import Transport
from mkframe.builds import BuildStart
from mkframe.demo_server import Server
from mkframe.demo_server.data import vocabulary
from mkframe.schema import RESOURCES
from mkframe.settings import Secret, Settings
from tests.builds.servers import connect_to, login
from tests.support import faults
from tests.support.rows import rows
from tests.support.versions import TEXT

FOUND = [r for r in RESOURCES.values() if "find" in r.verbs]
GOT = [r for r in RESOURCES.values() if "get" in r.verbs]
each = pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda r: r.name)
each_found = pytest.mark.parametrize("resource", FOUND, ids=lambda r: r.name)
each_got = pytest.mark.parametrize("resource", GOT, ids=lambda r: r.name)


def scope(resource):
    """What a find cannot do without."""
    return {group.names[0]: "DEMO_PROJECT" for group in resource.exclusive if group.required}


def promised_types(resource):
    """The dtypes of the columns, except where the reference gives no type."""
    fields = (f for f in resource.fields if f.name != resource.key and f.type != "any")
    return {f.name: frames.dtype_of(f) for f in fields}


def found(client, resource, **given):
    return getattr(client, resource.name).find(**{**scope(resource), **given})


@pytest.fixture(scope="module")
def client():
    """A server whose story stands still, so that two questions have the same answer."""
    with mk.demo(builds=300, seed=7, at=dt.datetime(2026, 6, 17, 9, 30, tzinfo=dt.UTC)) as client:
        yield client


# --- the accessors ----------------------------------------------------------------------------------


@each
def test_accessor_has_the_verbs_of_the_schema(client, resource):
    accessor = getattr(client, resource.name)
    verbs = {verb for verb in ("find", "get", "start", "fetch", "query") if hasattr(accessor, verb)}
    assert verbs == set(resource.verbs)


@each
def test_repr_of_an_accessor_says_what_can_be_asked(client, resource):
    shown = repr(getattr(client, resource.name))
    assert all(f"{verb}()" in shown for verb in resource.verbs)


@each_found
def test_find_returns_the_declared_columns_and_types(client, resource):
    frame = found(client, resource)
    assert frame.columns.tolist() == [f.name for f in resource.fields if f.name != resource.key]
    for name, dtype in promised_types(resource).items():
        assert frame[name].dtype == dtype, name
    assert (frame.index.name, frame.index.dtype) == (resource.key, "int64")
    assert len(frame) > 0


@each_found
def test_find_notes_what_was_asked(client, resource):
    attrs = found(client, resource).attrs
    assert (attrs["resource"], attrs["filters"]) == (resource.name, scope(resource))
    assert pd.Timestamp(attrs["loaded_at"]).tz is not None


@each_got
def test_get_is_the_row_of_find(client, resource):
    frame = found(client, resource)
    row = getattr(client, resource.name).get(frame.index[-1])
    pd.testing.assert_series_equal(row, frame.iloc[-1])


@each_got
def test_get_of_no_row_is_not_found(client, resource):
    with pytest.raises(errors.NotFoundError, match="No record found for id '999999'"):
        getattr(client, resource.name).get(999_999)


@each_got
@pytest.mark.parametrize("id", [None, "5139", 1.0, True])
def test_get_refuses_what_is_no_id(silent, resource, id):
    with (
        connect_to(silent.api) as client,
        pytest.raises(errors.InputError, match="id must be a whole number"),
    ):
        getattr(client, resource.name).get(id)
    assert silent.connections == 0


@each_found
@pytest.mark.parametrize("count", [0, 1])
def test_types_are_the_same_for_no_row_and_for_one(resource, count):
    with faults.serve(faults.reply(rows(resource.name, count))) as server, connect_to(server.api) as client:
        frame = found(client, resource)
    assert len(frame) == count
    for name, dtype in promised_types(resource).items():
        assert frame[name].dtype == dtype, name


# --- names and ids ----------------------------------------------------------------------------------

PAIRS = {
    "project": ("DEMO_PROJECT", 402),
    "pattern": ("CORE_DV_HLS", 808),
    "user": (vocabulary.USERS[6], 6),
    "checked_out_by_user": (vocabulary.USERS[6], 6),
    "deployment": ("SYNAPSE_TEST", 13),
    "instance_folder": ("/STAGING/ERP", 309),
    "agents.group": ("ON_PREMISES", 1),
    "releases.group": ("DWH_GROUP", 1),
}
NAMED = [(r, f.name) for r in FOUND for f in r.filters if f"{f.name}_id" in {g.name for g in r.filters}]
NAMED = [(r, name) for r, name in NAMED if (r.name, name) != ("agents", "agent")]


def pair(client, resource, name):
    if name == "instance":
        return instance_with_variables(client)
    return PAIRS.get(name) or PAIRS[f"{resource.name}.{name}"]


def instance_with_variables(client):
    """Name and id of an instance whose name occurs once, and which has a variable of its own."""
    names = pd.concat([client.instances.find(project_id=i)["name"] for i in client.projects.find().index])
    once = names.drop_duplicates(keep=False)
    return next((n, i) for i, n in once.items() if len(client.pattern_variables.find(instance_id=i)))


@pytest.mark.parametrize(("resource", "name"), NAMED, ids=[f"{r.name}-{n}" for r, n in NAMED])
def test_name_and_id_find_the_same_rows(client, resource, name):
    word, number = pair(client, resource, name)
    needed = {} if name == "project" else scope(resource)
    by_name, by_id, by_either = (
        getattr(client, resource.name).find(**needed, **given)
        for given in ({name: word}, {f"{name}_id": number}, {name: number})
    )
    pd.testing.assert_frame_equal(by_name, by_id, check_flags=False)
    pd.testing.assert_frame_equal(by_id, by_either, check_flags=False)
    everything = getattr(client, resource.name).find(**needed) if needed or not scope(resource) else None
    assert everything is None or len(by_name) < len(everything)


def test_releases_are_sent_as_one_json_object():
    with faults.serve(faults.reply([])) as server, connect_to(server.api) as client:
        client.builds.find(releases={"DWH_GROUP": "R1"})
    assert server.requests[0].query == {"releases": '{"DWH_GROUP": "R1"}'}


def test_releases_find_the_builds_that_have_them(client):
    (release,) = client.releases.find(group="DWH_GROUP", name="R1").index
    builds = client.builds.find(releases={"DWH_GROUP": "R1"})
    assert len(builds) > 0
    assert all(release in ids for ids in builds["releases"])


# --- names for ids ----------------------------------------------------------------------------------


def test_names_add_three_columns_behind_the_others(client):
    builds = client.builds.find()
    named = client.add_names(builds)
    assert named.columns.tolist() == [*builds.columns, "project", "pattern_names", "release_names"]
    pd.testing.assert_frame_equal(named[builds.columns], builds)
    assert named["project"].dtype == TEXT


def test_names_are_those_of_the_ids(client):
    build = client.add_names(client.builds.find()).iloc[0]
    assert build["project"] == client.projects.get(build["project_id"])["name"]
    assert build["pattern_names"] == [client.patterns.get(i)["name"] for i in build["patterns"]]
    assert build["release_names"] == [client.releases.get(i)["name"] for i in build["releases"]]


def test_names_of_no_builds_have_the_same_types(client):
    builds = client.builds.find()
    assert client.add_names(builds.head(0)).dtypes.to_dict() == client.add_names(builds).dtypes.to_dict()


def test_names_of_unknown_ids_are_missing_or_ids(client):
    builds = frames.from_rows("builds", rows("builds", 1, project_id=9, patterns=[808, 9], releases=[]))
    named = client.add_names(builds).iloc[0]
    assert pd.isna(named["project"])
    assert (named["pattern_names"], named["release_names"]) == (["CORE_DV_HLS", "9"], [])


def test_names_ask_three_questions():
    with faults.serve(faults.reply([])) as server, connect_to(server.api) as client:
        client.add_names(frames.from_rows("builds", rows("builds", 50)))
    assert sorted(r.path.rpartition("/")[2] for r in server.requests) == ["patterns", "projects", "releases"]


def test_names_leave_the_given_frame_alone(client):
    builds = client.builds.find()
    before = builds.copy()
    named = client.add_names(builds)
    named["status"] = "changed"
    pd.testing.assert_frame_equal(builds, before)


def test_names_need_builds(client):
    with pytest.raises(errors.InputError, match="no column 'project_id'"):
        client.add_names(client.projects.find())
    with pytest.raises(errors.InputError, match="A frame of builds was expected, not Series"):
        client.add_names(client.builds.get(5139))


@pytest.mark.parametrize("dtype", [str, float, "category", "int64[pyarrow]"])
def test_names_of_projects_whose_ids_are_of_another_type(client, dtype):
    """As in a frame that was read from CSV."""
    builds = client.builds.find()
    named = client.add_names(builds.astype({"project_id": dtype}))["project"]
    assert named.tolist() == client.add_names(builds)["project"].tolist()


# --- help and signatures ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def silent():
    """A server that must not be asked."""
    with faults.serve(faults.vendor(500, "asked")) as server:
        yield server


@each_found
def test_signature_has_the_filters_by_keyword_only(resource):
    accessor = next(c for c in vars(client_module).values() if getattr(c, "resource", None) == resource.name)
    _, *parameters = inspect.signature(accessor.find).parameters.values()
    assert [p.name for p in parameters] == [f.name for f in resource.filters]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is None for p in parameters)


@each_found
def test_help_names_every_filter_and_column(client, resource):
    text = getattr(client, resource.name).find.__doc__
    for declared in (*resource.filters, *(f for f in resource.fields if f.name != resource.key)):
        assert declared.name in text
        assert declared.doc in text


@each
def test_every_verb_has_a_help(client, resource):
    accessor = getattr(client, resource.name)
    for verb in resource.verbs:
        assert "Returns\n" in inspect.getdoc(getattr(accessor, verb))


def test_signature_unlike_the_schema_is_an_error():
    with pytest.raises(TypeError, match=r"projects.find takes \['nmae'\]"):

        class Wrong(client_module.Accessor):
            resource = "projects"

            def find(self, *, nmae=None): ...


MADE_UP = """
from dataclasses import replace
from mkframe import schema
{}
import mkframe.client
"""


def import_with(change):
    """Import the client with a changed schema, and return the last line of its standard error."""
    code = MADE_UP.format(change)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_resource_without_accessor_fails_the_import():
    made = 'schema.RESOURCES["tags"] = replace(schema.RESOURCES["labels"], name="tags")'
    assert import_with(made) == (
        "TypeError: The schema declares the resource 'tags', but mkframe.client.Client has no accessor of "
        "that name."
    )


def test_call_without_method_fails_the_import():
    made = 'schema.RESOURCES["labels"] = replace(schema.RESOURCES["labels"], verbs=("find", "get", "start"))'
    assert import_with(made) == (
        "TypeError: The schema declares labels.start, but the class Labels has no such method."
    )


def test_filter_without_parameter_fails_the_import():
    made = (
        "labels = schema.RESOURCES['labels']; "
        "schema.RESOURCES['labels'] = replace(labels, filters=labels.filters[1:])"
    )
    sentence = import_with(made)
    assert sentence.startswith("TypeError: labels.find takes ['project', 'project_id', ")
    assert sentence.endswith(
        "but the schema declares ['project_id', 'pattern', 'pattern_id', 'name', 'color']."
    )


@each_found
def test_find_passes_each_filter_under_its_name(silent, resource, monkeypatch):
    values = {f.name: f"value of {f.name}" for f in resource.filters}
    monkeypatch.setattr(client_module.Accessor, "_find", lambda self, **filters: filters)
    with connect_to(silent.api) as client:
        assert getattr(client, resource.name).find(**values) == values


@pytest.mark.parametrize("package", ["mkframe.client", "mkframe.builds", "mkframe._http"])
def test_dir_of_a_package_shows_public_names(package):
    module = importlib.import_module(package)
    assert dir(module) == sorted(module.__all__)


def test_looking_around_sends_nothing(silent):
    with connect_to(silent.api) as client:
        for name in dir(client):
            accessor = getattr(client, name)
            repr(accessor), dir(accessor), inspect.getdoc(accessor)
        repr(client)
        client._repr_html_()
    assert silent.connections == 0


def test_connecting_sends_nothing(silent):
    with mk.connect(silent.api, email="ada@example.org", password="word"):
        pass
    assert silent.connections == 0


# --- a real kernel ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel(silent):
    """Ask a Jupyter kernel, in which `client` is a client, as a notebook does at Tab and Shift-Tab."""
    pytest.importorskip("ipykernel")
    from jupyter_client.manager import start_new_kernel

    manager, channel = start_new_kernel(kernel_name="python3")

    def ask(kind, code):
        question = getattr(channel, kind)(code)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(queue.Empty):
                answer = channel.get_shell_msg(timeout=1)
                if answer["parent_header"].get("msg_id") == question:
                    return answer["content"]
        raise TimeoutError(code)

    begun = ask("execute", f"import mkframe as mk\nclient = mk.connect({silent.api!r}, token='a-token')")
    assert begun["status"] == "ok", begun
    yield ask
    channel.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("client.bui", ["build_deployments", "builds"]),
        ("client.builds.", ["confirm", "find", "get", "start", "wait"]),
        ("client.builds.find(pro", ["project=", "project_id="]),
        ("client.releases.find(clo", ["closed="]),
        ("client.builds.start(rest", ["restore="]),
    ],
)
def test_tab_offers(kernel, typed, offered):
    matches = kernel("complete", typed)["matches"]
    assert set(offered) <= {match.removeprefix("client.").removeprefix("builds.") for match in matches}


@pytest.mark.slow
def test_shift_tab_shows_filters_and_columns(kernel):
    text = kernel("inspect", "client.builds.find")["data"]["text/plain"]
    for declared in (*RESOURCES["builds"].filters, *RESOURCES["builds"].fields):
        assert declared.name in text
    assert "project_id: " in text  # in the signature, which is colored


@pytest.mark.slow
def test_tab_and_shift_tab_send_nothing(kernel, silent):
    kernel("complete", "client.builds.find(")
    kernel("inspect", "client.builds")
    assert silent.connections == 0


# --- secrets ----------------------------------------------------------------------------------------

CANARY = "canary-7c1d"


def everything_in(thing, depth=6):
    """Texts that somebody sees who looks at an object and at what hangs on it."""
    yield repr(thing)
    attributes = vars(thing).values() if hasattr(thing, "__dict__") else ()
    inner = thing.values() if isinstance(thing, dict) else attributes
    for value in inner if depth else ():
        yield from everything_in(value, depth - 1)


def test_client_shows_no_secret():
    script = {"/authentication": faults.token(f"{CANARY}-fresh"), "*": faults.reply([])}
    with (
        faults.serve(script) as server,
        mk.connect(server.api, email="ada@example.org", password=f"{CANARY}-word") as client,
    ):
        client.builds.find()
        shown = list(everything_in(client))
    assert len(shown) > 50
    assert not [text for text in shown if CANARY in text]


def test_client_is_not_pickled():
    with (
        mk.connect("https://metakraftwerk.example/api/v1", token=CANARY) as client,
        pytest.raises(TypeError) as caught,
    ):
        pickle.dumps(client)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "http://metakraftwerk.example/api/v1", "token": CANARY},
        {"url": "nonsense", "token": CANARY},
        {"url": 5, "token": CANARY},
        {"token": f"Bearer {CANARY}"},
        {"token": CANARY.encode()},
        {"password": CANARY},
        {"email": 5, "password": CANARY},
    ],
)
def test_refused_connection_leaves_no_secret_behind(given):
    with pytest.raises(errors.InputError) as caught:
        mk.connect(**given)
    error = caught.value
    assert error.hint
    assert CANARY not in str(error)
    assert error.__cause__ is None
    ours = [f for f, _ in traceback.walk_tb(error.__traceback__) if "mkframe" in f.f_globals["__name__"]]
    assert ours
    assert not [text for frame in ours for text in everything_in(frame.f_locals) if CANARY in text]


# --- error sentences --------------------------------------------------------------------------------


def sentence_and_hint(act, kind):
    """The sentence and the hint of an error, after checks that hold for each."""
    with pytest.raises(errors.MkframeError) as caught:
        act()
    assert type(caught.value) is kind
    sentence, hint = caught.value.message, caught.value.hint
    assert sentence.endswith(".")
    assert hint.endswith((".", "?"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    return sentence, hint


def test_wrong_filter_name(silent):
    with connect_to(silent.api) as client:
        sentence, hint = sentence_and_hint(lambda: client.builds.find(projct="A"), errors.InputError)
    assert sentence == "builds has no filter 'projct'."
    assert hint.startswith("Did you mean 'project'?")
    assert silent.connections == 0


def test_filter_without_a_name(silent):
    with connect_to(silent.api) as client:
        sentence, hint = sentence_and_hint(lambda: client.builds.find("DEMO_PROJECT"), errors.InputError)
    assert "by name only" in sentence
    assert "project=" in hint
    assert silent.connections == 0


@pytest.mark.parametrize(
    ("given", "expected"), [({}, "needs project or project_id"), ({"project": "A", "project_id": 1}, "both")]
)
def test_neither_or_both_of_project_and_project_id(silent, given, expected):
    with connect_to(silent.api) as client:
        sentence, hint = sentence_and_hint(lambda: client.instances.find(**given), errors.InputError)
    assert expected in sentence
    assert "one of them" in hint
    assert silent.connections == 0


def test_unknown_project(client):
    sentence, hint = sentence_and_hint(lambda: client.builds.find(project="DEMO"), errors.NotFoundError)
    assert "A project with the name 'DEMO' does not exist!" in sentence
    assert "spelling" in hint


def test_no_token(silent, monkeypatch):
    monkeypatch.setattr("mkframe.settings._from_keyring", lambda url: None)
    with mk.connect(silent.api) as client:
        sentence, hint = sentence_and_hint(client.builds.find, errors.NotAuthenticatedError)
    assert "no token" in sentence
    assert "MKFRAME_TOKEN" in hint
    assert silent.connections == 0


@pytest.fixture(scope="module")
def brief():
    """A server whose tokens live for a moment."""
    with Server(builds=5, token_lifetime=0.3) as server:
        yield server


def test_wrong_password(brief):
    with mk.connect(brief.url, email=brief.email, password="guess") as client:
        sentence, hint = sentence_and_hint(client.builds.find, errors.NotAuthenticatedError)
    assert "Invalid login" in sentence
    assert brief.email in hint


def test_expired_token(brief):
    with connect_to(brief.url, **login(brief)) as client:
        client.projects.find()
        token = client._transport._current_token()
    time.sleep(0.35)
    with mk.connect(brief.url, token=token.get_secret_value()) as client:
        sentence, hint = sentence_and_hint(client.builds.find, errors.NotAuthenticatedError)
    assert "Not authenticated" in sentence
    assert "has expired" in hint


def test_expired_token_with_login_is_renewed_silently(brief):
    with connect_to(brief.url, **login(brief)) as client:
        for _ in range(2):
            assert len(client.projects.find()) > 0
            time.sleep(0.35)


def test_server_down():
    with faults.nobody_listens() as url, connect_to(url) as client:
        sentence, hint = sentence_and_hint(client.builds.find, errors.ConnectError)
    assert "nothing was sent" in sentence
    assert "running" in hint


@pytest.mark.parametrize(
    ("answer", "kind", "words_of_it"),
    [
        (faults.silence(), errors.RequestTimeoutError, "no answer within 0.2 s"),
        (faults.html(), errors.InvalidResponseError, "<html><body>Sign in"),
        (faults.html(502), errors.ServerError, "<html><body>Sign in"),
        (
            faults.cut(faults.reply(rows("builds", 3))),
            errors.ConnectionLostError,
            "before the answer was complete",
        ),
        (faults.content(b'[{"id": 1', "application/json"), errors.InvalidResponseError, '[{"id": 1'),
        (faults.vendor(403, "Not for you!"), errors.ForbiddenError, "Not for you!"),
        (faults.vendor(500, "Disk full"), errors.ServerError, "Disk full"),
    ],
    ids=["time-out", "page", "page 502", "cut", "broken JSON", "403", "500"],
)
def test_server_in_trouble(answer, kind, words_of_it):
    with faults.serve(answer) as server, connect_to(server.api, read_timeout=0.2) as client:
        sentence, _ = sentence_and_hint(client.builds.find, kind)
    assert sentence.startswith(f"GET {server.api}/builds")
    assert words_of_it in sentence


# --- the client itself ------------------------------------------------------------------------------


def jwt_like(claims):
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{middle}.seal"


@pytest.mark.parametrize(
    ("token", "expires"),
    [
        (jwt_like({"exp": 1775124880}), dt.datetime(2026, 4, 2, 10, 14, 40, tzinfo=dt.UTC)),
        (jwt_like({"sub": "1"}), None),
        (jwt_like({"exp": "soon"}), None),
        (jwt_like({"exp": 1e30}), None),
        (jwt_like({"exp": 10**17}), None),
        (jwt_like([]), None),
        ("opaque", None),
        ("a.!!!.c", None),
    ],
    ids=[
        "it tells",
        "no exp",
        "exp as text",
        "exp beyond all years",
        "exp beyond the system's",
        "a list",
        "opaque",
        "no base64",
    ],
)
def test_identity_of_a_token_is_what_the_token_tells(token, expires):
    identity = mk.connect("https://metakraftwerk.example/api/v1", token=token).identity
    assert identity == client_module.Identity(None, expires, can_log_in=False)


def test_identity_of_a_login_is_its_address(client):
    client.projects.find()
    identity = client.identity
    assert (identity.email, identity.can_log_in) == ("demo@example.com", True)
    assert identity.token_expires > dt.datetime.now(dt.UTC)


def test_identity_sends_nothing(silent):
    with mk.connect(silent.api, email="ada@example.org", password="word") as client:
        assert client.identity == client_module.Identity("ada@example.org", None, can_log_in=True)
    assert silent.connections == 0


def test_identity_holds_no_secret():
    token = jwt_like({"exp": 1775124880})
    client = mk.connect(
        "https://metakraftwerk.example/api/v1", token=token, email="ada@example.org", password="pass word"
    )
    shown = repr(client.identity) + str(pickle.dumps(client.identity))
    assert token not in shown
    assert "pass word" not in shown


def test_client_shows_where_it_is(client):
    assert repr(client) == f"<mkframe client of {client.url}>"


def test_client_shows_a_notebook_who_is_where_and_what_next():
    with mk.demo(builds=5) as client:
        before = client._repr_html_()
        assert "demo@example.com, not logged in yet" in before
        assert "not asked yet: client.projects.find()" in before
        client.projects.find(name="DEMO_PROJECT")
        assert "not asked yet" in client._repr_html_()
        client.projects.find()
        after = client._repr_html_()
    assert "DEMO_PROJECT, FINANCE_MART" in after
    assert "find(project=&quot;DEMO_PROJECT&quot;)" in after
    assert re.search(r"demo@example.com, token until 20\d\d-\d\d-\d\d \d\d:\d\d UTC, then renewed", after)
    assert client.url in after


@pytest.mark.parametrize("account", [{"token": True}, {"email": "ada@example.org"}])
def test_html_of_a_client_holds_no_secret(account):
    token = jwt_like({"exp": 1775124880})
    given = {"token": token} if "token" in account else account | {"password": "pass word"}
    client = mk.connect("https://metakraftwerk.example/api/v1", **given)
    client.projects.seen = ("<script>", *(f"P{n}" for n in range(20)))
    shown = client._repr_html_()
    assert token not in shown
    assert "pass word" not in shown
    assert "<script" not in shown
    assert "P6 and 13 more" in shown
    assert ("access token, token until 2026-04-02" in shown) == ("token" in account)


def test_closing_twice_is_harmless():
    closed = []
    client = mk.Client(
        Transport(Settings("https://metakraftwerk.example/api/v1")), on_close=lambda: closed.append(1)
    )
    client.close()
    client.close()
    assert closed


def test_leaving_the_block_ends_the_embedded_server():
    with mk.demo(builds=3) as client:
        url = client.url
        client.projects.find()
    with connect_to(url, token=Secret("a-token")) as late, pytest.raises(errors.ConnectError):
        late.projects.find()


def test_each_call_with_odd_data_warns_at_its_line():
    odd = faults.reply([{**row, "project_id": None} for row in rows("builds", 3)])
    with (
        faults.serve(odd) as server,
        connect_to(server.api) as client,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("default")
        client.builds.find()
        client.builds.find()
    assert {(w.category, w.filename) for w in caught} == {(errors.SchemaWarning, __file__)}
    assert caught[1].lineno == caught[0].lineno + 1


def test_wait_takes_what_start_and_find_give(client):
    builds = client.builds.find().iloc[[0, 1]]
    started = BuildStart(int(builds.index[0]), "BUILDING")
    assert client.builds.wait(started, progress=False).name == started.id
    assert client.builds.wait(builds.iloc[0], progress=False).name == started.id
    assert client.builds.wait(builds, progress=False).index.tolist() == builds.index.tolist()


def test_wait_shows_progress_or_not(client):
    with pytest.raises(errors.InputError, match="progress must be True or False"):
        client.builds.wait(5139, progress=print)


def test_fetch_takes_one_row_of_downloads(client, tmp_path):
    row = client.downloads.find(build_id=5139).iloc[0]
    assert client.downloads.fetch(row, to=tmp_path, progress=False)["status"].tolist() == ["fetched"]


@pytest.mark.parametrize("shape", ["start", "row", "without downloads"])
def test_fetch_takes_builds_among_others(client, tmp_path, shape):
    (ours, other), row = (client.builds.find().query("status == 'FINISHED'").index[:2], None)
    row = client.builds.get(int(ours))
    given = {
        "start": BuildStart(int(ours), "BUILDING"),
        "row": row,
        "without downloads": row.drop("downloads"),
    }[shape]
    files = client.downloads.find(build_id=int(other))
    fetched = client.downloads.fetch([given, files], to=tmp_path, progress=False)
    expected = client.downloads.find(build_id=int(ours)).index.tolist() + files.index.tolist()
    assert fetched.index.tolist() == expected


@pytest.mark.parametrize("shape", ["id", "ids", "numpy", "start", "row", "frame"])
def test_fetch_of_builds_takes_ids_and_rows(client, tmp_path, shape):
    builds = client.builds.find().query("status == 'FINISHED'").iloc[:2]
    ids = builds.index.tolist()
    given = {
        "id": ids[0],
        "ids": ids,
        "numpy": np.array(ids),
        "start": BuildStart(ids[0], "BUILDING"),
        "row": builds.iloc[0],
        "frame": builds,
    }[shape]
    ids = ids[:1] if shape in ("id", "start", "row") else ids
    expected = pd.concat([client.downloads.find(build_id=each) for each in ids]).index.tolist()
    fetched = client.downloads.fetch(build=given, to=tmp_path, progress=False)
    assert fetched.index.tolist() == expected
    assert set(fetched["build_id"]) == set(ids)
    if shape not in ("id", "ids", "numpy"):  # rows say what they are, so they need no name
        assert client.downloads.fetch(given, to=tmp_path, progress=False).index.tolist() == expected


@pytest.mark.parametrize("shape", ["id", "numpy", "ids", "column", "index", "nested", "among rows"])
def test_bare_id_in_fetch_is_refused_with_both_readings(client, tmp_path, shape):
    files = client.downloads.find(build_id=5139)
    given = {
        "id": 5139,
        "numpy": np.int64(5139),
        "ids": [5139, 5140],
        "column": pd.Series([5139], name="id"),
        "index": pd.Index([5139]),
        "nested": [[5139]],
        "among rows": [files, 5139],
    }[shape]
    with pytest.raises(errors.InputError) as refused:
        client.downloads.fetch(given, to=tmp_path)
    assert "fetch(build=5139, ...) for all artifacts of build 5139" in str(refused.value)
    assert "fetch(downloads=5139, ...)" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [b"5139", {"id": 5139}, "5139", 5139.0, np.array(5139.0)])
def test_id_of_another_kind_is_named_as_it_was_given(client, tmp_path, given):
    """The bytes of a text are numbers, and the items of a dict its keys."""
    calls = (
        lambda: client.downloads.fetch(given, to=tmp_path),
        lambda: client.downloads.fetch(build=given, to=tmp_path),
        lambda: client.builds.wait(given),
    )
    for call in calls:
        with pytest.raises(errors.InputError) as refused:
            call()
        assert f"must be a whole number, not {given!r}." in refused.value.message


@pytest.mark.parametrize(
    "change", [pd.DataFrame.reset_index, lambda frame: pd.concat([frame], keys=["ours"])]
)
def test_frame_that_is_not_indexed_by_ids_is_told_so(client, tmp_path, change):
    """A column `id` may be of something else, as after a merge."""
    builds, files = client.builds.find(), client.downloads.find(build_id=5139)
    calls = (
        lambda: client.downloads.fetch(change(files), to=tmp_path),
        lambda: client.downloads.fetch(change(builds), to=tmp_path),
        lambda: client.builds.wait(change(builds)),
        lambda: client.builds.start(
            project="DEMO_PROJECT", instances=change(client.instances.find(project=402))
        ),
    )
    for call in calls:
        with pytest.raises(errors.InputError, match=r"not indexed by the ids of its rows.*set_index"):
            call()


@pytest.mark.parametrize("given", [{}, {"build": 5139, "downloads": 7}, {"files": [], "build": 5139}])
def test_fetch_takes_exactly_one_reading(client, tmp_path, given):
    with pytest.raises(errors.InputError, match="exactly one of them"):
        client.downloads.fetch(**given, to=tmp_path)


def test_fetch_of_an_unknown_build_says_so(client, tmp_path):
    with pytest.raises(errors.NotFoundError):  # and does not return an empty frame
        client.downloads.fetch(build=99_999_999, to=tmp_path)
    with pytest.raises(errors.InputError, match="is not one of builds"):
        client.downloads.fetch(build=client.downloads.find(build_id=5139), to=tmp_path)
    with pytest.raises(errors.InputError, match="neither one of downloads nor one of builds"):
        client.downloads.fetch(client.projects.find(), to=tmp_path)


@pytest.mark.parametrize("shape", ["ids", "numpy", "rows", "start", "fetched", "paths", "downloads"])
def test_diff_takes_builds_and_what_was_fetched(client, tmp_path, shape):
    builds = _builds_of_one_pattern(client)
    fetch = functools.partial(client.downloads.fetch, to=tmp_path, by_build=True, progress=False)
    make = {
        "ids": int,
        "numpy": np.int64,
        "rows": lambda number: builds.loc[number],
        "start": lambda number: BuildStart(int(number), "BUILDING"),
        "fetched": lambda number: fetch(build=number),
        "paths": lambda number: fetch(build=number)["path"],
        "downloads": lambda number: client.downloads.find(build_id=int(number)),
    }[shape]
    old, new = builds.index[:2]
    frame = client.downloads.diff(make(old), make(new), progress=False)
    assert frame["change"].tolist()[:1] == ["changed"]
    assert frame["diff"].notna().any()
    expected = "Not part of the newer one." if shape == "paths" else f"Not part of build {new}."
    assert set(frame[frame["change"] == "only in old"]["note"]) == {expected}


def _builds_of_one_pattern(client):
    """Return two builds that delivered one pattern in different versions."""
    builds = client.builds.find(project_id=402).query("status == 'FINISHED'").sort_index()
    same = builds[builds["patterns"].map(tuple) == (808,)]
    return same.iloc[[0, -1]]


def test_diff_keeps_the_artifacts_only_where_asked(client, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, new = _builds_of_one_pattern(client).index
    client.downloads.diff(int(old), int(new), progress=False)
    assert list(tmp_path.iterdir()) == []
    client.downloads.diff(int(old), int(new), to=tmp_path / "kept", progress=False)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {f"build-{old}", f"build-{new}"}


def test_diff_of_a_build_without_artifacts_is_an_error(client):
    failed = int(client.builds.find().query("status == 'FAILED'").index[0])
    with pytest.raises(errors.InputError, match=f"Build {failed} has no artifacts to compare"):
        client.downloads.diff(failed, 5139)


def test_row_of_another_resource_is_refused(client, tmp_path):
    project, download = client.projects.find().iloc[0], client.downloads.find(build_id=5139)
    with pytest.raises(errors.InputError, match=r"row \d+ is neither a download nor a build"):
        client.downloads.fetch([project], to=tmp_path)
    with pytest.raises(errors.InputError, match=r"row 5442 is not one of builds"):
        client.builds.wait(download.iloc[0])
    with pytest.raises(errors.InputError, match="The frame is not one of builds"):
        client.builds.wait(download)


def test_download_joined_with_its_build_is_a_download(client, tmp_path):
    files = client.downloads.find(build_id=5139)
    row = files.merge(
        client.builds.find(), left_on="build_id", right_index=True, suffixes=("", "_build")
    ).iloc[0]
    assert client.downloads.fetch(row, to=tmp_path, progress=False).index.tolist() == files.index[:1].tolist()
    with pytest.raises(errors.InputError, match="is not one of builds"):
        client.builds.wait(row)


def test_a_row_whose_index_was_reset_keeps_its_id(client, tmp_path):
    build = client.builds.find().reset_index().iloc[3]
    assert client.builds.wait(build, progress=False).name == build["id"]
    file = client.downloads.find(build_id=5139).reset_index().iloc[0]
    assert client.downloads.fetch(file, to=tmp_path, progress=False).index.tolist() == [file["id"]]


def test_a_column_of_other_ids_is_refused(client, tmp_path):
    files, instances = client.downloads.find(build_id=5139), client.instances.find(project=402)
    with pytest.raises(errors.InputError, match="The column build_id holds the ids of something else"):
        client.downloads.fetch(downloads=files["build_id"], to=tmp_path)
    with pytest.raises(errors.InputError, match="The column pattern_id holds"):
        client.builds.start(instances=instances["pattern_id"], project=402)
    with pytest.raises(errors.InputError, match="The column pattern_id holds"):
        client.builds.wait(files["pattern_id"])


def test_a_pattern_variable_is_no_instance(client):
    variable = client.pattern_variables.find().iloc[0]
    with pytest.raises(errors.InputError, match="An instance is given by its id"):
        client.builds.start(instances=variable, project=402)


def test_ids_may_be_given_as_a_column(client, tmp_path):
    files = client.downloads.find(build_id=5139)
    fetched = client.downloads.fetch(downloads=pd.Series(files.index), to=tmp_path, progress=False)
    assert fetched.index.tolist() == files.index.tolist()
    second = client.downloads.fetch(build=files["build_id"], to=tmp_path, progress=False)
    assert second["status"].tolist() == ["present"] * len(files)
    assert client.builds.wait(files["build_id"], progress=False).index.tolist() == [5139]


def test_names_of_cells_from_parquet_or_merge(client):
    builds = client.builds.find().head(3)
    arrays = builds.assign(patterns=[np.array(ids) for ids in builds["patterns"]])
    assert (
        client.add_names(arrays)["pattern_names"].tolist()
        == client.add_names(builds)["pattern_names"].tolist()
    )
    assert client.add_names(builds.assign(patterns=np.nan))["pattern_names"].tolist() == [[], [], []]


FORKS = """
import os, sys
import mkframe as mk
client = mk.connect(sys.argv[1], token="a-token")
ids = [*range(1, 41)]
client.builds.get(1)
children = []
for k in range(4):
    child = os.fork()
    if not child:
        wrong = [i for i in ids[k::4] if client.builds.get(i).name != i]
        os._exit(len(wrong))
    children.append(child)
print([os.waitpid(child, 0)[1] for child in children])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There are no forks on this system.")
def test_a_forked_process_reads_no_answers_of_others():
    def answer(request):
        return faults.reply(rows("builds", 1, id=int(request.path.rpartition("/")[2]))[0])

    with faults.serve(answer) as server:
        done = subprocess.run(
            [sys.executable, "-c", FORKS, server.api], capture_output=True, text=True, timeout=60
        )
    assert done.stdout == "[0, 0, 0, 0]\n", done.stderr
