"""A deployment is started once, and what is not known is said."""

import warnings

import pytest

from mkframe import errors
from mkframe.demo_server import Server
from tests.builds.servers import AIRPLANE, connect_to, login
from tests.support import faults
from tests.support.rows import row

PATH = f"{faults.API}/build_deployments"
ANSWER = faults.reply(row("build_deployments", 4), 201)


def deployed(script, **given):
    """The server that saw one deployment, and the answer."""
    with faults.serve(script) as server, connect_to(server.api, read_timeout=0.3) as client:
        return server, client.build_deployments.start(**{"build_id": 5139, **given})


@pytest.mark.parametrize(
    "given",
    [
        {"deployment": "Git"},
        {"deployment_id": 3},
        {"deployment_id": 3, "agent_id": 1},
        {"deployment_id": 3, "agent_group_id": 2},
    ],
)
def test_body_holds_what_was_given_and_no_more(given):
    server, _ = deployed(ANSWER, **given)
    (request,) = server.to(PATH, "POST")
    assert request.json() == {"build_id": 5139, **given}


def test_answer_comes_back_as_it_is():
    _, answer = deployed(ANSWER, deployment_id=3)
    assert answer.name == 4
    assert answer.to_dict() == row("build_deployments", 4)


def test_real_server_lists_what_was_started():
    with Server(builds=12, build_seconds=0.05) as server, connect_to(server.url, **login(server)) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            run = client.builds.start(project="DEMO_PROJECT", instances=[AIRPLANE])
        client.builds.wait(run.id, progress=False)
        target = client.deployments.find(pattern="CORE_DV_HLS").iloc[0]
        started = client.build_deployments.start(build_id=run.id, deployment=target["name"])
        listed = client.build_deployments.find(build_id=run.id)
    assert started["deployment_id"] == target.name
    assert listed.index.tolist() == [started["id"]]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "needs deployment or deployment_id"),
        ({"deployment": "Git", "deployment_id": 3}, "both deployment and deployment_id"),
        ({"build_id": None, "deployment_id": 3}, "needs build_id"),
        ({"build_id": "5139", "deployment_id": 3}, "build_id must be a whole number"),
        ({"deployment": ""}, "deployment must be a name"),
        ({"deployment": 3}, "deployment must be a name"),
        ({"deployment_id": "3"}, "deployment_id must be a whole number"),
        ({"deployment_id": 3, "agent_id": "a"}, "agent_id must be a whole number"),
    ],
)
def test_invalid_argument_is_refused_unsent(given, sentence):
    with (
        faults.serve(ANSWER) as server,
        connect_to(server.api) as client,
        pytest.raises(errors.InputError, match=sentence) as caught,
    ):
        client.build_deployments.start(**{"build_id": 5139, **given})
    assert caught.value.hint
    assert server.connections == 0


@pytest.mark.parametrize(
    "answer",
    [
        faults.reset(),
        faults.closed(),
        faults.silence(),
        faults.cut(ANSWER),
        faults.html(),
        faults.reply([]),
        faults.reply(faults.vendor_body(500, "Disk full")),
        faults.Answer(204),
        faults.vendor(500),
        faults.html(502),
    ],
    ids=["reset", "closed", "time-out", "cut", "page", "list", "error with status 200", "204", "500", "502"],
)
def test_lost_answer_is_unconfirmed_and_sent_once(answer):
    with (
        faults.serve(answer) as server,
        connect_to(server.api, read_timeout=0.3) as client,
        pytest.raises(errors.StartUnconfirmedError, match="Whether it was started is not known") as caught,
    ):
        client.build_deployments.start(build_id=5139, deployment_id=3)
    assert "client.build_deployments.find(build_id=5139)" in caught.value.hint
    assert caught.value.marker is None
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 429])
def test_refusal_is_raised_as_it_is(status):
    with pytest.raises(errors.for_status(status)):
        deployed(faults.vendor(status), deployment_id=3)


def test_refused_connection_says_that_nothing_was_sent():
    with (
        faults.nobody_listens() as url,
        connect_to(url) as client,
        pytest.raises(errors.ConnectError, match="nothing was sent"),
    ):
        client.build_deployments.start(build_id=5139, deployment_id=3)
