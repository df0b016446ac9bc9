"""A tenant process for the tests, and clients that speak to it over HTTP as anyone would."""

import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest

GRAPH = "00000003-0000-0000-c000-000000000000"
DIRECTORY_READ_ALL = "7ab1d382-f21e-4acd-a863-ba3e13f7da61"


class RunningTenant:
    """A tenant in a process of its own."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.tenant", "--home", str(home), *arguments], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.endpoint: dict[str, Any] = json.loads((home / "tenant" / "endpoint.json").read_text())
        self.identities: dict[str, dict[str, str]] = json.loads((home / "tenant" / "identities.json").read_text())
        self.tenant_id: str = self.endpoint["tenantId"]
        self.url: str = self.endpoint["url"]
        self.tls = ssl.create_default_context(cafile=str(home / "tenant" / "ca.pem"))

    @cached_property
    def http(self) -> httpx.Client:
        """A client without a token."""
        return httpx.Client(base_url=self.url, verify=self.tls, timeout=30)

    @cached_property
    def control(self) -> httpx.Client:
        """The test control."""
        headers = {"Authorization": f"Bearer {self.endpoint['controlKey']}"}
        return httpx.Client(base_url=self.endpoint["controlUrl"], headers=headers, timeout=30)

    def sign_in(self, **form: str) -> httpx.Response:
        """Ask the token endpoint."""
        whole = {"grant_type": "client_credentials", "scope": f"{self.url}/.default"} | form
        return self.http.post(f"/{self.tenant_id}/oauth2/v2.0/token", data=whole)

    def token(self, identity: str) -> str:
        """A token of one of the seeded identities."""
        one = self.identities[identity]
        answer = self.sign_in(client_id=one["clientId"], client_secret=one["secret"])
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def as_(self, identity: str) -> httpx.Client:
        """A Graph client of one of the seeded identities."""
        return self.with_token(self.token(identity))

    def with_token(self, token: str) -> httpx.Client:
        """A Graph client with a token."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"{self.url}/v1.0", verify=self.tls, headers=headers, timeout=30)

    def reset(self) -> None:
        """Back to the seed."""
        assert self.control.post("/reset").status_code == 200

    def stop(self) -> int:
        """Stop it as an operator would."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@pytest.fixture(scope="session")
def _tenant_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTenant]:
    running = RunningTenant(tmp_path_factory.mktemp("tenant"))
    yield running
    if running.process.poll() is None:
        os.kill(running.process.pid, signal.SIGKILL)
        running.process.wait()


@pytest.fixture
def tenant(_tenant_process: RunningTenant) -> RunningTenant:
    """The tenant, as fresh as its seed."""
    _tenant_process.reset()
    return _tenant_process


@pytest.fixture
def admin(tenant: RunningTenant) -> httpx.Client:
    """A Graph client that may do everything."""
    return tenant.as_("admin")


def code(answer: httpx.Response) -> tuple[int, str]:
    """Status and error code of a refusal."""
    return answer.status_code, str(answer.json()["error"]["code"])


def made(answer: httpx.Response) -> dict[str, Any]:
    """The object that a request made."""
    assert answer.status_code in (200, 201), answer.text
    body: dict[str, Any] = answer.json()
    return body


def application(client: httpx.Client, name: str = "Identity Manager Contoso", **more: object) -> dict[str, Any]:
    """A new application."""
    return made(client.post("/applications", json={"displayName": name, **more}))


def principal(client: httpx.Client, app: dict[str, Any]) -> dict[str, Any]:
    """The new service principal of an application."""
    return made(client.post("/servicePrincipals", json={"appId": app["appId"]}))


def graph_principal(client: httpx.Client) -> dict[str, Any]:
    """Microsoft Graph's service principal."""
    return made(client.get(f"/servicePrincipals(appId='{GRAPH}')"))


def grant(client: httpx.Client, holder: dict[str, Any], role: str = DIRECTORY_READ_ALL) -> dict[str, Any]:
    """Consent to one of Graph's application permissions."""
    graph = graph_principal(client)
    body = {"principalId": holder["id"], "resourceId": graph["id"], "appRoleId": role}
    return made(client.post(f"/servicePrincipals/{graph['id']}/appRoleAssignedTo", json=body))


def secret(client: httpx.Client, app: dict[str, Any], **credential: object) -> dict[str, Any]:
    """A new client secret."""
    body = {"passwordCredential": credential} if credential else {}
    return made(client.post(f"/applications/{app['id']}/addPassword", json=body))


@pytest.fixture
def app(admin: httpx.Client) -> dict[str, Any]:
    """An application that may read the directory."""
    body = application(admin)
    grant(admin, principal(admin, body))
    return body
