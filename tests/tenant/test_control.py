"""Test control: faults, replication lag, clock, log, snapshots, on a port and with a key of its own."""

import fcntl
import json
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.tenant.conftest import RunningTenant, application, code, graph_principal, secret


def _fault(tenant: RunningTenant, **fault: object) -> None:
    assert tenant.control.post("/faults", json=fault).status_code == 200


def test_the_control_needs_its_key_and_is_not_on_the_tenants_routes(tenant: RunningTenant) -> None:
    for path in ("/faults", "/clock", "/reset", "/calls"):
        assert httpx.get(tenant.endpoint["controlUrl"] + path).status_code in (401, 405)
        assert tenant.http.get(path, headers=tenant.control.headers).status_code == 404
    assert (
        httpx.post(tenant.endpoint["controlUrl"] + "/reset", headers={"Authorization": "Bearer x"}).status_code == 401
    )


def test_a_fault_answers_as_often_as_it_was_told(admin: httpx.Client, tenant: RunningTenant) -> None:
    _fault(tenant, method="POST", path="/v1.0/applications", times=2, status=429, retryAfter=0)
    for _ in range(2):
        answer = admin.post("/applications", json={"displayName": "x"})
        assert code(answer) == (429, "TooManyRequests")
        assert answer.headers["Retry-After"] == "0"
    assert admin.post("/applications", json={"displayName": "x"}).status_code == 201
    assert len(admin.get("/applications?$filter=displayName eq 'x'").json()["value"]) == 1


def test_a_fault_strikes_only_its_method_and_path(admin: httpx.Client, tenant: RunningTenant) -> None:
    app = application(admin)
    _fault(
        tenant, method="PATCH", path="/*/applications/*", status=409, body={"error": {"code": "Mine", "message": "m"}}
    )
    assert admin.get(f"/applications/{app['id']}").status_code == 200
    assert code(admin.patch(f"/applications/{app['id']}", json={"notes": "x"})) == (409, "Mine")
    assert admin.patch(f"/applications/{app['id']}", json={"notes": "x"}).status_code == 204


@pytest.mark.parametrize(("cut", "applications"), [("before", 0), ("after", 1)])
def test_a_connection_is_cut_before_or_after_the_effect(
    admin: httpx.Client, tenant: RunningTenant, cut: str, applications: int
) -> None:
    _fault(tenant, method="POST", path="/v1.0/applications", cut=cut)
    with pytest.raises(httpx.TransportError):
        admin.post("/applications", json={"displayName": "x"})
    assert len(admin.get("/applications?$filter=displayName eq 'x'").json()["value"]) == applications


def test_a_fault_strikes_sign_in_too(tenant: RunningTenant) -> None:
    _fault(tenant, path="/*/oauth2/v2.0/token", status=503)
    one = tenant.identities["deploy"]
    form = {"client_id": one["clientId"], "client_secret": one["secret"]}
    assert [tenant.sign_in(**form).status_code for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("wrong", [{"noSuch": 1}, {"times": "x"}, {"cut": "sideways"}, {"status": "429"}])
def test_a_fault_that_says_nothing_known_is_refused(tenant: RunningTenant, wrong: dict[str, object]) -> None:
    assert tenant.control.post("/faults", json=wrong).status_code == 400
    assert tenant.control.get("/faults").json() == []


def test_a_new_object_is_hidden_from_reads_relations_and_filters_apart(
    admin: httpx.Client, tenant: RunningTenant
) -> None:
    lags = {"get": {"reads": 2}, "filters": {"reads": 1}, "relations": {"reads": 1}}
    tenant.control.put("/replication", json=lags)
    app = application(admin, "Fresh")
    assert [admin.get(f"/applications/{app['id']}").status_code for _ in range(3)] == [404, 404, 200]
    by_name = "/applications?$filter=displayName eq 'Fresh'"
    assert [len(admin.get(by_name).json()["value"]) for _ in range(2)] == [0, 1]
    body = {"appId": app["appId"]}
    assert [admin.post("/servicePrincipals", json=body).status_code for _ in range(2)] == [400, 201]


def test_a_new_secret_is_hidden_from_reads_of_its_application(admin: httpx.Client, tenant: RunningTenant) -> None:
    app = application(admin)
    tenant.control.put("/replication", json={"get": {"reads": 2}})
    shown = secret(admin, app)
    seen = [len(admin.get(f"/applications/{app['id']}").json()["passwordCredentials"]) for _ in range(3)]
    assert seen == [0, 0, 1]
    assert shown["secretText"]


def test_a_lag_in_seconds_passes_with_the_tenants_clock(admin: httpx.Client, tenant: RunningTenant) -> None:
    tenant.control.put("/replication", json={"get": {"seconds": 600}})
    app = application(admin)
    assert admin.get(f"/applications/{app['id']}").status_code == 404
    tenant.control.put("/clock", json={"shiftSeconds": 601})
    assert admin.get(f"/applications/{app['id']}").status_code == 200


def test_a_snapshot_brings_everything_back(admin: httpx.Client, tenant: RunningTenant) -> None:
    app = application(admin)
    shown = secret(admin, app)
    tenant.control.post("/snapshots/before")
    admin.delete(f"/applications/{app['id']}")
    application(admin, "Later")
    assert tenant.control.post("/snapshots/before/restore").status_code == 200
    kept = admin.get(f"/applications/{app['id']}").json()
    assert kept["passwordCredentials"][0]["keyId"] == shown["keyId"]
    assert admin.get("/applications?$filter=displayName eq 'Later'").json()["value"] == []
    assert tenant.control.post("/snapshots/none/restore").status_code == 400
    assert tenant.control.post("/snapshots/..%2Fx").status_code in (400, 404)


def test_the_log_tells_who_did_what_and_nothing_secret(tenant: RunningTenant) -> None:
    deploy = tenant.as_("deploy")
    app = application(deploy)
    shown = secret(deploy, app)
    deploy.get(f"/applications/{app['id']}?$select=id")
    text = (tenant.home / "calls.jsonl").read_text()
    calls = [json.loads(line) for line in text.splitlines()]
    last = calls[-1]
    assert (last["identity"], last["method"], last["status"]) == ("deploy", "GET", 200)
    assert last["path"] == f"/v1.0/applications/{app['id']}?$select=id"
    assert calls == tenant.control.get("/calls").json()
    assert any(call["path"].endswith("/token") and call["identity"] == "deploy" for call in calls)
    for hidden in (shown["secretText"], tenant.identities["deploy"]["secret"], deploy.headers["Authorization"][7:]):
        assert hidden not in text


def test_secrets_are_nowhere_on_disk_but_with_the_identities(tenant: RunningTenant) -> None:
    deploy = tenant.as_("deploy")
    shown = secret(deploy, application(deploy))
    for file in tenant.home.rglob("*"):
        if file.is_file() and file.name != "identities.json":
            content = file.read_bytes()
            assert shown["secretText"].encode() not in content, file
            assert tenant.identities["deploy"]["secret"].encode() not in content, file


def test_only_the_owner_reads_what_the_tenant_writes(tenant: RunningTenant) -> None:
    tenant.control.post("/snapshots/modes")
    for file in [tenant.home / "tenant", *tenant.home.rglob("*")]:
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_only_loopback_is_listened_on(tenant: RunningTenant) -> None:
    opened = [str(entry.readlink()) for entry in Path(f"/proc/{tenant.process.pid}/fd").iterdir()]
    inodes = {target[8:-1] for target in opened if target.startswith("socket:")}
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and fields[9] in inodes
    ]
    assert len(listening) == 2
    assert {one.split(":")[0] for one in listening} == {"0100007F"}


def test_a_restart_keeps_directory_secrets_and_port(tmp_path: Path) -> None:
    first = RunningTenant(tmp_path)
    app = application(first.as_("deploy"))
    endpoint = tmp_path / "tenant" / "endpoint.json"
    assert endpoint.exists()
    assert first.stop() == 0
    assert not endpoint.exists()
    second = RunningTenant(tmp_path)
    assert (second.url, second.identities) == (first.url, first.identities)
    assert second.as_("deploy").get(f"/applications/{app['id']}").status_code == 200
    assert second.stop() == 0


def test_two_tenants_do_not_share_a_folder(tenant: RunningTenant) -> None:
    command = [sys.executable, "-m", "sandbox.tenant", "--home", str(tenant.home)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "already running" in ran.stderr


def test_an_unused_tenant_stops_by_itself(tmp_path: Path) -> None:
    with (tmp_path / "users.lock").open("a") as user:
        fcntl.flock(user, fcntl.LOCK_SH)
        running = RunningTenant(tmp_path, "--stop-when-unused")
        with pytest.raises(subprocess.TimeoutExpired):
            running.process.wait(2.5)
    assert running.process.wait(15) == 0
    assert not (tmp_path / "tenant" / "endpoint.json").exists()


def test_who_comes_while_an_unused_tenant_stops_finds_the_folder_free(tmp_path: Path) -> None:
    running = RunningTenant(tmp_path, "--stop-when-unused")
    with (tmp_path / "users.lock").open("a") as user, (tmp_path / "tenant" / "lock").open("a") as folder:
        stops = False
        while not stops and running.process.poll() is None:
            try:
                fcntl.flock(user, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                stops = True
            else:
                fcntl.flock(user, fcntl.LOCK_UN)
                time.sleep(0.001)
        assert stops
        fcntl.flock(user, fcntl.LOCK_SH)
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert running.process.wait(15) == 0


def test_a_busy_port_is_left_to_who_has_it(tmp_path: Path) -> None:
    first = RunningTenant(tmp_path)
    port = int(first.endpoint["host"].partition(":")[2])
    assert first.stop() == 0
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        second = RunningTenant(tmp_path)
        assert second.url != first.url
        assert graph_principal(second.as_("preview"))["displayName"] == "Microsoft Graph"
        second.stop()
