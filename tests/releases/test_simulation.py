"""Readiness of seeded projects with planted faults: every fault is found, and nothing else is red."""

import dataclasses
import os

import pytest

from mkframe import settings
from mkframe._http import Transport
from mkframe.client import Client
from mkframe.demo_server import Server
from tests.support import simulated_releases

PROJECTS = int(os.environ.get("SIMULATED", "12"))


@pytest.mark.timeout(900)
def test_planted_faults_are_found_and_nothing_else():
    with Server(builds=0) as server:
        planted = [simulated_releases.plant(server, seed) for seed in range(PROJECTS)]
        loaded = settings.load(server.url, email=server.email, password=server.password)
        with Client(Transport(dataclasses.replace(loaded, max_attempts=1))) as client:
            found = [simulated_releases.judge(client, name, group) for name, group, _ in planted]
    wrong = [
        (name, expected ^ red, unknown)
        for (name, _, expected), (red, unknown) in zip(planted, found, strict=True)
        if red != expected or unknown
    ]
    assert wrong == []
