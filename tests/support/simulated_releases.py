"""Seeded projects of the demo server with planted faults, and what readiness should say of each."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

FAULTS = (
    "validation_errors", "checked_out", "unbuilt", "tried", "label for_review", "hotfix_missing",
    "hotfix_conflict", "release_open", "past_its_end", "dates",
)  # fmt: skip
CHECKS = {"tried": "unbuilt"}
PROPERTIES = {"FUNCTIONAL_ROLE": "string", "NAME": "string", "DATA_TYPE": "string", "PRECISION": "integer"}
_TYPES = ("CHAR", "NUMBER", "DATE", None)


def plant(server, seed):
    """Plant a project with faults; return its name, its group, and the checks that should be red."""
    rng = random.Random(seed)
    name, group = f"SIM_{seed}", f"SIM_{seed}_GROUP"
    faults = set(rng.sample(FAULTS, rng.choice([0, 0, 1, 1, 2, 3])))
    faults -= {"past_its_end"} if "dates" in faults else set()
    now = datetime.now(UTC)
    end = None if "dates" in faults else now + timedelta(days=-3 if "past_its_end" in faults else 30)
    server.add_releases(
        group,
        [
            {"name": "R1", "closed": True, "start": now - timedelta(days=90), "end": now},
            {"name": "R1_HF", "closed": True, "hotfix_of": "R1", "start": now, "end": now},
            {"name": "R2", "closed": "release_open" in faults, "previous": "R1",
             "start": now - timedelta(days=60), **({"end": end} if end else {})},
            {"name": "R3", "previous": "R2", "start": now, "end": now + timedelta(days=60)},
        ],
    )  # fmt: skip
    project = server.add_project(name)
    for number in range(2):
        _add_pattern(server, project, f"{name}_P{number}", group, faults if number == 0 else set(), rng, now)
    return name, group, {CHECKS.get(fault, fault) for fault in faults}


def _add_pattern(server, project, pattern, group, faults, rng, now):
    def stamp(days):
        return int((now + timedelta(days=days)).timestamp() * 1000)

    rows, commits, labels, flags = [], [], [], {}
    for number in range(rng.randint(3, 6)):
        place = ("/RAW" if number % 2 else "/RAW/ERP", f"I{number}")
        contents = _contents(rng, number, faults)
        for release, content in contents.items():
            rows += [(*place, release, ["ATTR", key, *values]) for key, values in content.items()]
        commits += [_commit(place, "R2", "Commit", stamp(-9)), _commit(place, "R2", "Build", stamp(-8))]
        # what must not count: another release, a failed build that a finished one followed
        commits += [_commit(place, "R3", "Commit", stamp(-1))] if rng.random() < 0.3 else []
        commits += [_commit(place, "R2", "Build", stamp(-8.5), "FAILED")] if rng.random() < 0.3 else []
        own = flags.setdefault(place, {})
        if number == 2:
            own["errors"] = rng.randint(1, 4) if "validation_errors" in faults else 0
            own["checked_out"] = "checked_out" in faults
            commits += _unbuilt(place, faults, rng, stamp)
            word = "for_review" if "label for_review" in faults else "to_do"
            labels.append(
                {"ID": 1, "FOLDER": place[0], "INSTANCE": place[1], "LABEL": word, "COLOR": "blue",
                 "USER_NAME": "anna", "CREATED": f"{now - timedelta(days=3):%Y-%m-%dT%H:%M:%S}.000Z"}
            )  # fmt: skip
    server.add_pattern(
        project, pattern, properties=PROPERTIES, roles={"ATTR": "Overwrite"}, rows=rows, group=group,
        commits=commits, labels=labels, instances=flags,
    )  # fmt: skip


def _contents(rng, number, faults):
    """Return the rows of an instance in each release; the first two have a change of the hotfix."""
    fields = {f"F{n}": [rng.choice(_TYPES), rng.randint(1, 9)] for n in range(rng.randint(2, 5))}
    fixed = {key: list(values) for key, values in fields.items()}
    if number < 2:
        fixed["F0"][1] += 10
    following = {key: list(values) for key, values in fixed.items()}
    if rng.random() < 0.5:
        following["NEW"] = ["CHAR", 5]
    if number == 0 and "hotfix_missing" in faults:
        following["F0"][1] = fields["F0"][1]
    if number == 1 and "hotfix_conflict" in faults:
        following["F0"][1] = 99
    return {"R1": fields, "R1_HF": fixed, "R2": following}


def _unbuilt(place, faults, rng, stamp):
    """Return a commit by hand that no finished build follows."""
    if not faults & {"unbuilt", "tried"}:
        return []
    made = [_commit(place, "R2", "Commit", stamp(-2))]
    if "tried" in faults:
        made.append(_commit(place, "R2", "Build", stamp(-1), rng.choice(["FAILED", "CANCELED"])))
    return made


def _commit(place, release, kind, stamp, status="FINISHED"):
    return {"FOLDER": place[0], "INSTANCE": place[1], "RELEASE": release, "TYPE": kind, "STATUS": status,
            "USER_NAME": "anna", "COMMIT_TIMESTAMP": stamp, "DELETED": 0}  # fmt: skip


def judge(client, name, group):
    """Return the checks that readiness finds red or warning, but for deployments, and the unknown ones."""
    from mkframe import releases

    result = releases.readiness(client, project=name, release="R2", group=group, labels=["for_review"])
    states = dict(zip(result["check"], result["state"], strict=True))
    red = {check for check, state in states.items() if state in ("blocks", "warns")} - {"deployment"}
    return red, {check for check, state in states.items() if state == "unknown"}
