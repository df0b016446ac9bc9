"""Delivery into a vault over HTTP, with the official client on both sides of it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from azure.core.exceptions import HttpResponseError
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from tests.operations.project import HERE, OperatedProject


@pytest.fixture
def vault(deployed: OperatedProject) -> Iterator[str]:
    command = [sys.executable, "-m", "sandbox.vault", "--home", str(deployed.home)]
    process = subprocess.Popen(command, cwd=HERE, env=deployed.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    os.kill(process.pid, signal.SIGTERM)
    process.wait()
    process.stdout.close()


@pytest.fixture
def client(deployed: OperatedProject, vault: str) -> Iterator[SecretClient]:
    certificate = deployed.environment["SSL_CERT_FILE"]
    with (
        ClientSecretCredential(
            deployed.tenant_id,
            deployed.environment["ARM_CLIENT_ID"],
            deployed.environment["ARM_CLIENT_SECRET"],
            authority=deployed.url,
            disable_instance_discovery=True,
            connection_verify=certificate,
        ) as credential,
        SecretClient(vault, credential, verify_challenge_resource=False, connection_verify=certificate) as made,
    ):
        yield made


def test_the_vault_holds_what_the_agent_reads_and_when_it_expires(
    deployed: OperatedProject, vault: str, client: SecretClient
) -> None:
    outputs = deployed.exported()
    done = deployed.operate("deliver", "--vault", vault, "--json")
    assert done.status == 0, done.all
    assert outputs["ClientSecret"] not in done.all
    wanted = {name.replace("__", "--"): value for name, value in outputs["AgentEnvironment"].items()}
    found = {str(one.name): client.get_secret(str(one.name)) for one in client.list_properties_of_secrets()}
    assert {name: one.value for name, one in found.items()} == wanted
    end = datetime.fromisoformat(outputs["SecretExpiresOn"]).replace(tzinfo=UTC)
    key = "Connections--MicrosoftEntraIDExport--ApplicationKey"
    assert {name: one.properties.expires_on for name, one in found.items() if one.properties.expires_on} == {key: end}
    assert {one.properties.content_type for one in found.values()} == {"text/plain"}

    assert deployed.operate("deliver", "--vault", vault).status == 0
    assert len(list(client.list_properties_of_secret_versions(key))) == 1
    deployed.pass_days(30)
    deployed.operate("rotate")
    assert deployed.operate("deliver", "--vault", vault).status == 1
    deployed.deploy()
    rotated = deployed.operate("deliver", "--vault", vault, "--json")
    assert [one["state"] for one in rotated.json["secrets"]] == ["unchanged"] * 3 + ["new version"]
    assert len(list(client.list_properties_of_secret_versions(key))) == 2
    assert client.get_secret(key).value == deployed.exported()["ClientSecret"]


def test_a_deleted_secret_is_named_with_the_command_that_recovers_it(
    deployed: OperatedProject, vault: str, client: SecretClient
) -> None:
    name = "Connections--MicrosoftEntraIDExport--TenantId"
    client.set_secret(name, "older")
    client.begin_delete_secret(name)
    refused = deployed.operate("deliver", "--vault", vault)
    assert refused.status == 2
    assert "az keyvault secret recover" in refused.err
    assert name in refused.err


def test_an_identity_without_a_role_delivers_nothing(deployed: OperatedProject, vault: str) -> None:
    identity = deployed.identity("preview")
    refused = deployed.operate(
        "deliver", "--vault", vault, ARM_CLIENT_ID=identity["clientId"], ARM_CLIENT_SECRET=identity["secret"]
    )
    assert refused.status == 2
    assert "Key Vault Secrets Officer" in refused.err
    assert "0 secrets were delivered" in refused.err


def test_the_vault_challenges_and_refuses_as_azure_does(
    deployed: OperatedProject, vault: str, client: SecretClient
) -> None:
    answer = httpx.get(f"{vault}/secrets?api-version=7.4", verify=deployed.tls)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith(f'Bearer authorization="{deployed.url}/')
    form = {
        "grant_type": "client_credentials",
        "client_id": deployed.environment["ARM_CLIENT_ID"],
        "client_secret": deployed.environment["ARM_CLIENT_SECRET"],
        "scope": f"{deployed.url}/.default",
    }
    token = deployed.http.post(f"/{deployed.tenant_id}/oauth2/v2.0/token", data=form).json()["access_token"]
    for_graph = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{vault}/secrets?api-version=7.4", headers=for_graph, verify=deployed.tls).status_code == 401
    with pytest.raises(HttpResponseError):
        client.set_secret("under_score", "value")
    with pytest.raises(HttpResponseError):
        client.set_secret("too-long", "x" * 25601)
    client.set_secret("name", "one")
    client.set_secret("NAME", "two")
    assert client.get_secret("name").value == "two"
    client.update_secret_properties("name", enabled=False)
    with pytest.raises(HttpResponseError):
        client.get_secret("name")
