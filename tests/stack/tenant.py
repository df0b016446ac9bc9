"""The sandbox's tenant as its administrator and its outside issuers see it, for tests of who may do what."""

import json
import ssl
from pathlib import Path
from typing import Any, cast

import httpx


class Tenant:
    """The tenant of one sandbox that runs."""

    def __init__(self, home: Path) -> None:
        folder = home / "tenant"
        self._endpoint: dict[str, str] = json.loads((folder / "endpoint.json").read_text())
        self._identities: dict[str, dict[str, str]] = json.loads((folder / "identities.json").read_text())
        self._tls = ssl.create_default_context(cafile=folder / "ca.pem")
        self.id = self._endpoint["tenantId"]
        admin = self._identities["admin"]
        self.admin = self.as_bearer(self.token(client_id=admin["clientId"], client_secret=admin["secret"]))

    def sign_in(self, **form: str) -> httpx.Response:
        """Ask the token endpoint."""
        url = self._endpoint["url"]
        whole = {"grant_type": "client_credentials", "scope": f"{url}/.default", **form}
        with httpx.Client(verify=self._tls) as client:
            return client.post(f"{url}/{self.id}/oauth2/v2.0/token", data=whole)

    def token(self, **form: str) -> str:
        answer = self.sign_in(**form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def as_bearer(self, token: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self._endpoint['url']}/v1.0", verify=self._tls, headers={"Authorization": f"Bearer {token}"}
        )

    def federated_token(self, issuer: str, subject: str, audience: str = "api://AzureADTokenExchange") -> str:
        """What an outside issuer, such as a CI system, hands to a job."""
        answer = httpx.post(
            f"{self._endpoint['controlUrl']}/federated-tokens",
            headers={"Authorization": f"Bearer {self._endpoint['controlKey']}"},
            json={"iss": issuer, "sub": subject, "aud": audience},
        )
        return str(answer.raise_for_status().json()["token"])

    def sign_in_by(self, client_id: str, assertion: str) -> httpx.Response:
        """Sign in as a job of a pipeline does: with a token of an outside issuer."""
        return self.sign_in(
            client_id=client_id,
            client_assertion=assertion,
            client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )

    def permissions(self, service_principal: str) -> dict[str, str]:
        """The ids of the grants that a service principal holds on Microsoft Graph, by permission."""
        graph = self._get("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')")
        names = {role["id"]: role["value"] for role in graph["appRoles"]}
        grants = self._get(f"/servicePrincipals/{service_principal}/appRoleAssignments")["value"]
        return {names[grant["appRoleId"]]: grant["id"] for grant in grants}

    def take_away(self, service_principal: str, permission: str) -> dict[str, Any]:
        """Take a permission away; what is returned gives it back."""
        path = f"/servicePrincipals/{service_principal}/appRoleAssignments"
        key = self.permissions(service_principal)[permission]
        [grant] = [one for one in self._get(path)["value"] if one["id"] == key]
        assert self.admin.delete(f"{path}/{key}").status_code == 204
        return {name: grant[name] for name in ("principalId", "resourceId", "appRoleId")}

    def give_back(self, grant: dict[str, Any]) -> None:
        answer = self.admin.post(f"/servicePrincipals/{grant['resourceId']}/appRoleAssignedTo", json=grant)
        assert answer.status_code == 201, answer.text

    def _get(self, path: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self.admin.get(path).raise_for_status().json())
