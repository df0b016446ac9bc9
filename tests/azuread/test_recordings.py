"""The recorded programs on the real engine: every call of the stand-in equals that of the real plugin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.azuread.recorded import RECORDINGS, Comparison, compare_calls, compare_requests, observed_calls
from tests.azuread.sandbox import Json, Ran, Sandbox

NAME = "Identity Manager Contoso"
UP = ("up", "--yes", "--skip-preview")
DENIED: Json = {
    "error": {
        "code": "Authorization_RequestDenied",
        "message": "Insufficient privileges to complete the operation.",
    }
}


class Runs:
    """One program, run step by step against its recordings."""

    def __init__(self, sandbox: Sandbox, project: str, stack: str, program: str) -> None:
        self.sandbox = sandbox
        self.stack = stack
        self.project = sandbox.project(project, RECORDINGS / program)
        self.differences: list[str] = []
        self.caller = {
            "22222222-2222-4222-8222-222222222222": sandbox.caller_client_id,
            "33333333-3333-4333-8333-333333333333": sandbox.caller_object_id,
        }

    def fresh_stack(self) -> None:
        """Begin with a stack of which nothing is known."""
        self.sandbox.forget_stacks()
        made = self.sandbox.pulumi(self.project, "stack", "init", self.stack)
        assert made.status == 0, made.output

    def step(self, recording: str, *arguments: str, status: int = 0, **variables: str) -> Ran:
        """Run pulumi and hold what happened against a recording."""
        before = len(self.sandbox.http_calls())
        ran = self.sandbox.pulumi(self.project, *arguments, "--stack", self.stack, **variables)
        assert (ran.status != 0) == (status != 0), f"{recording}: {ran.output}"
        comparison = Comparison(recording, dict(self.caller))
        compare_calls(comparison, observed_calls(ran.calls))
        compare_requests(comparison, self.sandbox.http_calls()[before:])
        self.differences += comparison.unintended
        return ran


@pytest.mark.parametrize("name", ["lifecycle", "more"])
def test_every_call_of_a_recorded_life_is_the_recorded_one(directory: Sandbox, name: str) -> None:
    one = json.loads((RECORDINGS / "sets.json").read_text())[name]
    runs = Runs(directory, one["project"], one["stack"], one["program"])
    runs.fresh_stack()
    for recording, stage, arguments in one["steps"]:
        runs.step(recording, *arguments.split(), STAGE=stage)
    assert not runs.differences, "\n".join(runs.differences)


def no_such_role(runs: Runs) -> None:
    runs.fresh_stack()
    runs.step("11", *UP, status=1, STAGE="no-such-role")


def no_such_api(runs: Runs) -> None:
    runs.fresh_stack()
    runs.step("12", "preview", status=1, STAGE="no-such-api")


def consent_forbidden_then_resumed(runs: Runs) -> None:
    runs.fresh_stack()
    fault = {"method": "POST", "path": "*/appRoleAssignedTo", "status": 403, "body": DENIED, "times": 1}
    runs.sandbox.control("POST", "/faults", fault)
    runs.step("13", *UP, status=1, STAGE="base")
    runs.step("14", *UP, STAGE="base")


def creation_forbidden(runs: Runs) -> None:
    runs.fresh_stack()
    fault = {"method": "POST", "path": "/v1.0/applications", "status": 403, "body": DENIED, "times": 1}
    runs.sandbox.control("POST", "/faults", fault)
    runs.step("15", *UP, status=1, STAGE="base")


def throttled_once(runs: Runs) -> None:
    runs.fresh_stack()
    body: Json = {"error": {"code": "TooManyRequests", "message": "Too many requests."}}
    fault = {"method": "POST", "path": "/v1.0/applications", "status": 429, "body": body, "times": 1, "retryAfter": 0}
    runs.sandbox.control("POST", "/faults", fault)
    runs.step("16", *UP, STAGE="app-only")


def name_taken(runs: Runs) -> None:
    runs.fresh_stack()
    runs.sandbox.graph("POST", "/applications", {"displayName": NAME})
    runs.step("17", "preview", status=1, STAGE="app-only")


def drift_seen_and_healed(runs: Runs) -> None:
    runs.fresh_stack()
    runs.step("18", *UP, STAGE="base")
    app = runs.sandbox.named(NAME)[0]
    path = f"/applications/{app['id']}"
    runs.sandbox.graph("PATCH", path, {"displayName": "Renamed by hand"})
    for secret in app["passwordCredentials"]:
        runs.sandbox.graph("POST", f"{path}/removePassword", {"keyId": secret["keyId"]})
    principal = runs.sandbox.graph("GET", f"/servicePrincipals?$filter=appId eq '{app['appId']}'")["value"][0]["id"]
    for grant in runs.sandbox.graph("GET", f"/servicePrincipals/{principal}/appRoleAssignments")["value"]:
        runs.sandbox.graph("DELETE", f"/servicePrincipals/{grant['resourceId']}/appRoleAssignedTo/{grant['id']}")
    runs.step("19", "preview", "--refresh", "--diff", STAGE="base")
    runs.step("20", "up", "--refresh", "--yes", "--skip-preview", STAGE="base")


def imported(runs: Runs) -> None:
    runs.fresh_stack()
    assert runs.sandbox.pulumi(runs.project, *UP, "--stack", runs.stack, STAGE="base").status == 0
    app = runs.sandbox.named(NAME)[0]
    principal = runs.sandbox.graph("GET", f"/servicePrincipals?$filter=appId eq '{app['appId']}'")["value"][0]
    grant = runs.sandbox.graph("GET", f"/servicePrincipals/{principal['id']}/appRoleAssignments")["value"][0]
    ids = (
        f"app=/applications/{app['id']},sp=/servicePrincipals/{principal['id']},"
        f"grant=/servicePrincipals/{grant['resourceId']}/appRoleAssignedTo/{grant['id']}"
    )
    runs.fresh_stack()
    runs.step("21", "preview", "--diff", STAGE="base", IDS=ids)
    runs.step("22", *UP, STAGE="base", IDS=ids)
    runs.step("23", "preview", STAGE="base", IDS=ids)
    runs.sandbox.graph("DELETE", f"/applications/{app['id']}")
    runs.step("24", "refresh", "--yes", "--skip-preview", STAGE="base", IDS=ids)


CASES = (
    no_such_role,
    no_such_api,
    consent_forbidden_then_resumed,
    creation_forbidden,
    throttled_once,
    name_taken,
    drift_seen_and_healed,
    imported,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_every_call_of_a_recorded_case_is_the_recorded_one(directory: Sandbox, case: Callable[[Runs], None]) -> None:
    runs = Runs(directory, "faults", "f", "programs/cases.py")
    case(runs)
    assert not runs.differences, "\n".join(runs.differences)


def test_every_recording_is_compared() -> None:
    source = Path(__file__).read_text() + (RECORDINGS / "sets.json").read_text()
    recordings = [file.name for file in RECORDINGS.glob("[0-9]*.json")]
    assert len(recordings) == 29
    assert [name for name in recordings if f'"{name[:2]}' not in source] == []
