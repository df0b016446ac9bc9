"""`python -m sandbox.vault --home DIR`: serve a vault beside the tenant that runs in the same folder.

Prints the vault's address as its first line, and stops with SIGTERM.
"""

import argparse
import asyncio
import json
import socket
import ssl
import sys
from pathlib import Path

import httpx
import uvicorn

from sandbox.vault.secrets import Secrets
from sandbox.vault.service import Guard, service

AUDIENCE = "https://vault.contoso.example"
"""What tokens for this vault are for; Azure's own is https://vault.azure.net, which this tenant does not have."""


def main() -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.vault", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of a sandbox whose tenant runs")
    home: Path = parser.parse_args().home.absolute()
    asyncio.run(_serve(home))
    return 0


async def _serve(home: Path) -> None:
    tenant = home / "tenant"
    endpoint = json.loads((tenant / "endpoint.json").read_text())
    identities = json.loads((tenant / "identities.json").read_text())
    trust = ssl.create_default_context(cafile=tenant / "ca.pem")
    with httpx.Client(base_url=endpoint["url"], verify=trust) as client:
        _make_audience(client, endpoint["tenantId"], endpoint["url"], identities["admin"])
    guard = Guard(endpoint["url"], endpoint["tenantId"], AUDIENCE, frozenset({identities["deploy"]["objectId"]}), trust)
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"https://localhost:{listening.getsockname()[1]}"
    server = uvicorn.Server(
        uvicorn.Config(
            service(Secrets(home / "vault", url), guard),
            log_level="error",
            access_log=False,
            lifespan="off",
            ssl_certfile=tenant / "server.pem",
            ssl_keyfile=tenant / "server-key.pem",
        )
    )
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    await server.serve(sockets=[listening])


def _make_audience(client: httpx.Client, tenant_id: str, url: str, admin: dict[str, str]) -> None:
    """Make the vault's audience known in the tenant, as Azure's is in every tenant from the start."""
    form = {
        "grant_type": "client_credentials",
        "client_id": admin["clientId"],
        "client_secret": admin["secret"],
        "scope": f"{url}/.default",
    }
    token = client.post(f"/{tenant_id}/oauth2/v2.0/token", data=form).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    query = {"$filter": "displayName eq 'Sandbox Key Vault'"}
    if client.get("/v1.0/applications", params=query).raise_for_status().json()["value"]:
        return
    body = {"displayName": "Sandbox Key Vault", "identifierUris": [AUDIENCE]}
    application = client.post("/v1.0/applications", json=body).raise_for_status().json()
    client.post("/v1.0/servicePrincipals", json={"appId": application["appId"]}).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
