"""The life of secrets: rotate, retire, verify and expiry on the real engine."""

import os
import signal
import subprocess
import threading
import time
from datetime import timedelta

from tests.operations.project import OperatedProject


def test_no_sign_in_fails_in_three_years_of_rotations(deployed: OperatedProject) -> None:
    held, ended, failures, tries = [deployed.exported()["ClientSecret"]], threading.Event(), [], [0]

    def agent() -> None:
        while not ended.is_set():
            value = held[0]
            if not deployed.signs_in(value) and held[0] == value:
                failures.append(deployed.day)
            tries[0] += 1
            ended.wait(0.01)

    thread = threading.Thread(target=agent)
    thread.start()
    try:
        for _ in range(3):
            old = held[0]
            deployed.pass_days(310)
            assert deployed.operate("rotate", "--if-due", "60d").status == 0
            deployed.deploy()
            new = deployed.exported()["ClientSecret"]
            assert new != old
            assert deployed.signs_in(old)
            assert deployed.signs_in(new)
            deployed.pass_days(7)
            held[0] = new
            assert deployed.operate("retire").status == 0
            assert deployed.signs_in(old)
            deployed.deploy()
            assert not deployed.signs_in(old)
            assert deployed.signs_in(new)
    finally:
        ended.set()
        thread.join()
    assert failures == []
    assert tries[0] > 100


def test_retire_refuses_while_the_newest_is_not_there_or_does_not_sign_in(deployed: OperatedProject) -> None:
    deployed.pass_days(30)
    assert deployed.operate("rotate").status == 0
    before = deployed.file.read_text()
    assert deployed.operate("retire").status == 1
    deployed.deploy()
    newest = max(deployed.application()["passwordCredentials"], key=lambda one: one["endDateTime"])
    with deployed.administrator() as graph:
        path = f"/applications/{deployed.application()['id']}/removePassword"
        graph.post(path, json={"keyId": newest["keyId"]}).raise_for_status()
    refused = deployed.operate("retire")
    assert refused.status == 1
    assert "AADSTS7000215" in refused.all
    assert deployed.file.read_text() == before
    verified = deployed.operate("verify", "--json")
    assert verified.status == 1
    assert [one["state"] for one in verified.json["secrets"]] == ["signs in", "refused"]
    assert deployed.operate("retire", "--force").status == 0
    assert len(deployed.dates()) == 1
    assert deployed.operate("retire", "--force").status == 2
    assert len(deployed.dates()) == 1


def killed_in_add_password(project: OperatedProject, before: set[str]) -> str:
    """Kill the engine while it makes a secret; the id of that secret."""
    project.fault(method="POST", path="*/addPassword", delay=2, times=1)
    engine = subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", "dev"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    # The call is under way; the engine dies before its answer, so that no checkpoint can know of the secret.
    while not any(fault["struck"] for fault in project.control.get("/faults").json()):
        time.sleep(0.01)
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()
    while project.in_tenant() == before:
        time.sleep(0.05)
    project.no_faults()
    assert project.direct("pulumi", "cancel", "--yes", "--stack", "dev").returncode == 0
    [orphan] = project.in_tenant() - before
    assert project.known() == before
    return orphan


def test_a_crash_after_add_password_leaves_an_orphan_that_is_reported_and_removed_alone(
    deployed: OperatedProject,
) -> None:
    before = deployed.in_tenant()
    deployed.pass_days(20)
    deployed.operate("rotate")
    orphan = killed_in_add_password(deployed, before)
    found = deployed.operate("verify", "--json")
    assert found.status == 1
    assert [one["keyId"] for one in found.json["orphans"]] == [orphan]
    beside = deployed.application()
    removed = deployed.operate("retire", "--orphans", "--json")
    assert removed.status == 0, removed.all
    assert [one["keyId"] for one in removed.json["removed"]] == [orphan]
    assert deployed.in_tenant() == before
    assert {**deployed.application(), "passwordCredentials": []} == {**beside, "passwordCredentials": []}
    deployed.deploy()
    assert deployed.operate("verify").status == 0
    assert len(deployed.in_tenant()) == 2


def test_an_orphan_of_the_very_first_deployment_is_reported_and_removed_too(deployed: OperatedProject) -> None:
    destroyed = deployed.direct("pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive", "--stack", "dev")
    assert destroyed.returncode == 0, destroyed.stdout
    orphan = killed_in_add_password(deployed, set())
    found = deployed.operate("verify", "--json")
    assert found.status == 1
    assert [one["keyId"] for one in found.json["orphans"]] == [orphan]
    assert deployed.operate("agent-settings", "--without-secret").status == 2
    assert deployed.operate("retire", "--orphans").status == 0
    assert deployed.in_tenant() == set()
    # What else the engine made at that moment may be lost as well; which secret is known is no matter of chance.
    assert deployed.operate("verify", "--json").json["orphans"] == []


def test_an_undeclared_grant_is_a_finding_and_a_revoked_one_too(deployed: OperatedProject) -> None:
    principal = deployed.exported()["ServicePrincipalObjectId"]
    path = f"/servicePrincipals/{principal}/appRoleAssignments"
    with deployed.administrator() as graph:
        [declared] = graph.get(path).json()["value"]
        extra = {**{key: declared[key] for key in ("principalId", "resourceId")}, "appRoleId": USER_READ_ALL}
        added = graph.post(path, json=extra).raise_for_status().json()
        found = deployed.operate("verify", "--json")
        assert found.status == 1
        assert found.json["extra"] == ["User.Read.All"]
        assert {"name": "User.Read.All", "state": "Granted for Contoso, not declared"} in found.json["permissions"]
        graph.delete(f"{path}/{added['id']}").raise_for_status()
        assert deployed.operate("verify").status == 0
        graph.delete(f"{path}/{declared['id']}").raise_for_status()
    found = deployed.operate("verify", "--json")
    assert found.status == 1
    assert found.json["missing"] == ["Directory.Read.All"]
    assert found.json["organization"] is None


def test_verify_waits_until_the_grant_is_back(deployed: OperatedProject) -> None:
    deployed.fault(method="POST", path="*/oauth2/v2.0/token", times=1, status=400, body=NOT_YET)
    assert deployed.operate("verify").status == 1
    deployed.fault(method="POST", path="*/oauth2/v2.0/token", times=1, status=400, body=NOT_YET)
    assert deployed.operate("verify", "--wait", "1m").status == 0


def test_expiry_needs_attention_below_the_days_asked_for(deployed: OperatedProject) -> None:
    assert deployed.operate("expiry", "--warn", "365d").status == 0
    below = deployed.operate("expiry", "--warn", "366d", "--json")
    assert below.status == 1
    assert [one["daysLeft"] for one in below.json["secrets"]] == [365]
    table = deployed.operate("expiry", "--markdown").out
    assert f"| MicrosoftEntraIDExport | {deployed.day + timedelta(days=365)} | 365 | handed out |" in table
    deployed.pass_days(365)
    assert "expired" in deployed.operate("expiry").out


def test_nothing_but_the_stack_file_is_written_and_no_secret_is_shown(deployed: OperatedProject) -> None:
    value = deployed.exported()["ClientSecret"]
    shown = [
        deployed.operate(*command).all
        for command in (
            ("verify",),
            ("verify", "--json"),
            ("expiry", "--json"),
            ("rotate", "--days", "500"),
            ("retire",),
        )
    ]
    assert not [text for text in shown if value in text]
    files = [file for file in deployed.folder.rglob("*") if file.is_file()]
    assert not [file for file in files if value.encode() in file.read_bytes()]


def test_the_same_commit_gives_the_same_plan_on_any_day_until_a_date_passes(deployed: OperatedProject) -> None:
    same = ("pulumi", "preview", "--expect-no-changes", "--non-interactive", "--stack", "dev")
    for days in (0, 1, 200, 163):
        deployed.pass_days(days)
        ran = deployed.direct(*same)
        assert ran.returncode == 0, ran.stdout + ran.stderr


USER_READ_ALL = "df021288-bdef-4463-88db-98f22de89214"
NOT_YET = {"error": "unauthorized_client", "error_description": "AADSTS700016: Application was not found. Trace ID: 1"}
