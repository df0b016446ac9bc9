"""Which tenant the plugin may reach, and as whom.

There is one: the sandbox's own. Whatever the environment or a stack's configuration says, a request goes nowhere but to
the tenant that runs in $SANDBOX_HOME, so that the stand-in can never be taken for the real plugin of a real tenant.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Mapping
from http import HTTPStatus
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.azuread.connections import Connections
from sandbox.azuread.graph import Credentials, Graph
from sandbox.azuread.values import Object, Value, is_object, text

_SUPPORTED = ("tenantId", "clientId", "clientSecret", "metadataHost", "environment", "useCli", "useOidc", "version")
_VARIABLES = {
    "tenantId": "ARM_TENANT_ID",
    "clientId": "ARM_CLIENT_ID",
    "clientSecret": "ARM_CLIENT_SECRET",
    "metadataHost": "ARM_METADATA_HOSTNAME",
}
_METADATA = "/metadata/endpoints?api-version=2022-09-01"


class ConfigurationError(Exception):
    """The plugin cannot be used with this configuration."""


def version() -> str:
    """The version of the plugin that the installed SDK asks for."""
    return metadata.version("pulumi-azuread")


def connect(config: Mapping[str, Value], environment: Mapping[str, str] | None = None) -> Graph:
    """Signs in to the sandbox's tenant, or says why it will not."""
    variables = os.environ if environment is None else environment
    unknown = sorted(name for name in config if name not in _SUPPORTED)
    if unknown:
        raise ConfigurationError(
            f"the sandbox's stand-in for the azuread plugin does not know the provider setting {unknown[0]!r}"
        )
    settings = {name: text(config.get(name)) or variables.get(variable, "") for name, variable in _VARIABLES.items()}
    _require_sandbox(settings["metadataHost"], settings["tenantId"], variables)
    oidc_token = "" if settings["clientSecret"] else _oidc_token(config, variables)
    missing = [name for name, value in settings.items() if not value and not (name == "clientSecret" and oidc_token)]
    if missing:
        raise ConfigurationError(
            f"{missing[0]} is not set, in the provider's configuration or {_VARIABLES[missing[0]]}"
        )
    http = Connections()
    address = f"https://{settings['metadataHost']}{_METADATA}"
    response = http.request("GET", address, headers={"Accept": "application/json"})
    if response.status != HTTPStatus.OK:
        raise ConfigurationError(f"retrieving the tenant's endpoints: status {response.status}")
    endpoints: Value = json.loads(response.content)
    login, resource = _endpoints(endpoints if is_object(endpoints) else {})
    for address in (login, resource):
        _require_loopback(urlsplit(address).hostname or "")
    credentials = Credentials(settings["tenantId"], settings["clientId"], settings["clientSecret"], oidc_token)
    return Graph(http, login, resource, credentials)


def _oidc_token(config: Mapping[str, Value], variables: Mapping[str, str]) -> str:
    """The outside issuer's token, as pipelines hand it on: in a variable, or in a file that a variable names."""
    if (text(config.get("useOidc")) or variables.get("ARM_USE_OIDC", "")).lower() != "true":
        return ""
    file = variables.get("ARM_OIDC_TOKEN_FILE_PATH")
    return variables.get("ARM_OIDC_TOKEN") or (Path(file).read_text().strip() if file else "")


def _endpoints(document: Object) -> tuple[str, str]:
    authentication = document.get("authentication")
    login = text(authentication.get("loginEndpoint")) if is_object(authentication) else ""
    return login, text(document.get("microsoftGraphResourceId"))


def _require_sandbox(host: str, tenant_id: str, variables: Mapping[str, str]) -> None:
    home = variables.get("SANDBOX_HOME")
    if not home:
        raise ConfigurationError(
            "this is the sandbox's stand-in for the azuread plugin, and SANDBOX_HOME names no sandbox: "
            "run the command under `python -m sandbox exec --`"
        )
    try:
        endpoint: Value = json.loads((Path(home) / "tenant" / "endpoint.json").read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the sandbox's tenant does not run in {home}: {error}") from error
    known = endpoint if is_object(endpoint) else {}
    if host != known.get("host") or tenant_id != known.get("tenantId"):
        raise ConfigurationError(
            f"this is the sandbox's stand-in for the azuread plugin: it serves no tenant but the sandbox's "
            f"({known.get('tenantId')} at {known.get('host')}), and was asked for {tenant_id or 'none'} at "
            f"{host or 'the public cloud'}"
        )
    _require_loopback(urlsplit(f"//{host}").hostname or "")


def _require_loopback(host: str) -> None:
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ConfigurationError(f"the stand-in for the azuread plugin speaks to this machine only, not to {host!r}")
