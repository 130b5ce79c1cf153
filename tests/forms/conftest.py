"""Servers, clients and models for tests of forms."""

import dataclasses
import functools
import tempfile
import threading

import pytest

from mkframe import settings
from mkframe._http import Transport
from mkframe.client import Client
from mkframe.demo_server import Server
from mkframe.forms.models import StartModel
from mkframe.forms.models.options import FLAGS
from mkframe.forms.models.selection import SelectionModel

PROJECT = 402
AIRPLANE = 20001
PLANES = (20001, 20061, 20101, 20125)
"""One instance of each pattern: no build of the demo history looks the same, also none that starts later."""


@pytest.fixture(autouse=True)
def _own_locks(monkeypatch, tmp_path_factory):
    """Keep lock files of these tests apart from those of others."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.getbasetemp()))


@pytest.fixture
def factory():
    """An embedded server whose builds take half a second."""
    with Server(60, build_seconds=0.5) as server:
        yield server


@pytest.fixture
def own(factory):
    """A client that may write, and tries each read once."""
    with client_of(factory) as client:
        yield client


def client_of(server, **how):
    loaded = settings.load(server.url, email=server.email, password=server.password)
    return Client(Transport(dataclasses.replace(loaded, max_attempts=1, **how)))


def client_of_url(url, token="a.b.c"):
    """A client of a scripted server."""
    return Client(Transport(dataclasses.replace(settings.load(url, token=token), max_attempts=1)))


def retrying_client(url):
    """A client of a scripted server that tries each read several times."""
    return Client(Transport(settings.load(url, token="a.b.c")))


def start_model(client, *instances):
    """Return a model of the start form with a project, a release and instances chosen."""
    model = StartModel(client, confirm_timeout=0.2)
    _choose(model.selection, instances)
    return model


def selection_model(client, *instances):
    """Return a model of the selection with a project, a release and instances chosen."""
    model = SelectionModel(client)
    _choose(model, instances)
    return model


def _choose(selection, instances):
    selection.load()
    selection.project_id = PROJECT
    selection.choose_release("DWH_GROUP", "R11")
    selection.add(instances)


def watch_to_end(model):
    """Look until the build has ended."""
    pause, waiting = model.look(), threading.Event()
    for _ in range(200):
        if pause is None:
            return
        waiting.wait(0.05)
        pause = model.look()
    raise AssertionError(f"the build did not end: {model}")


@pytest.fixture(scope="session")
def marked(client):
    """Return an instance for each flag that has no other; all servers have the same instances."""
    find = functools.partial(client.instances.find, project_id=PROJECT, pattern="CORE_DV_HLS")
    found = {mark: set(find(**{mark: True}).index) for mark in FLAGS}
    everything = find()
    found["errors"] = set(everything.index[everything["errors"] > 0])
    only = {m: ids.difference(*(other for o, other in found.items() if o != m)) for m, ids in found.items()}
    return {mark: min(ids) for mark, ids in only.items()}
