"""The registration as the stack's state knows it, read over Pulumi's Automation API.

Owns the way from the state to application, secrets and grants. It only reads: no command here runs `pulumi up` in the
place of a person or a pipeline. Values of secrets stay in memory.
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias, TypeGuard

from pulumi import automation

from operations.clock import parsed
from operations.errors import OperationError
from operations.stack_file import PROJECT, StackFile

Value: TypeAlias = Mapping[str, "Value"] | Sequence["Value"] | str | int | float | bool | None
AgentSettings: TypeAlias = Mapping[str, Mapping[str, str]]

_SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105 - how the engine marks a secret in a state
_SECRET_NAME = re.compile(r".*-([A-Za-z][A-Za-z0-9]*)-(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class ClientSecret:
    """One client secret that the state knows."""

    connection: str
    expires: date
    key_id: str
    name: str
    value: str = field(repr=False)
    handed_out: bool


@dataclass(frozen=True)
class Grant:
    """One application permission that the state says is granted."""

    resource_object_id: str
    app_role_id: str


@dataclass(frozen=True)
class Registration:
    """What the stack registered.

    A first `pulumi up` that was cut off leaves one that is not finished: it hands nothing out yet.
    """

    application_id: str
    object_id: str
    tenant_id: str
    service_principal_object_id: str
    display_name: str
    granted_permissions: tuple[str, ...]
    secret_expires_on: date | None
    secrets: tuple[ClientSecret, ...]
    known_key_ids: frozenset[str]
    grants: frozenset[Grant]
    agent_settings: AgentSettings = field(repr=False)

    def newest(self, connection: str) -> ClientSecret:
        """The newest secret of a connection.

        Raises:
            ValueError: It has none.
        """
        return max((one for one in self.secrets if one.connection == connection), key=lambda one: one.expires)


def load(file: StackFile, *, unfinished: bool = False) -> Registration:
    """Read what the stack registered.

    Args:
        file: The stack's file.
        unfinished: Whether a registration that hands out nothing yet will do.

    Raises:
        OperationError: Pulumi cannot be run, or the stack has registered nothing yet.
    """
    registration = _registration(resources(file), file)
    if registration is None or (registration.secret_expires_on is None and not unfinished):
        raise OperationError(
            f"The stack {file.stack} has not registered Identity Manager yet, or not to its end.",
            "Nothing was done.",
            f"pulumi up --stack {file.stack}",
        )
    return registration


def resources(file: StackFile) -> list[Mapping[str, Value]]:
    """The resources in the stack's state, each secret as its value; none before the first `pulumi up`.

    Raises:
        OperationError: Pulumi cannot be run, or knows no such stack.
    """
    try:
        state = automation.LocalWorkspace(work_dir=str(PROJECT)).export_stack(file.stack).deployment or {}
    except automation.StackNotFoundError:
        raise OperationError(
            f"Pulumi knows no stack {file.stack}.", "Nothing was done.", f"pulumi stack init {file.stack}"
        ) from None
    except (automation.CommandError, automation.InvalidVersionError, OSError, ValueError) as error:
        raise OperationError(
            f"Pulumi could not read the stack {file.stack}: {_reason(error)}",
            "Nothing was done.",
            f"pulumi stack --stack {file.stack}",
        ) from None
    plain = _plain(state)
    listed = plain.get("resources") if _is_map(plain) else None
    return [one for one in listed if _is_map(one)] if isinstance(listed, list) else []


def outputs(resource: Mapping[str, Value]) -> Mapping[str, Value]:
    """What the plugin said of a resource."""
    found = resource.get("outputs")
    return found if _is_map(found) else {}


def _reason(error: Exception) -> str:
    found = re.search(r"^error: (.*)$", str(error), re.MULTILINE)
    return found[1] if found else str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _is_map(value: Value) -> TypeGuard[Mapping[str, Value]]:
    return isinstance(value, Mapping)


def _plain(value: Value) -> Value:
    """The state with each secret as its value."""
    if isinstance(value, Mapping):
        if _SECRET_MARK in value and isinstance(text := value.get("plaintext"), str):
            inner: Value = json.loads(text)
            return _plain(inner)
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _texts(values: Mapping[str, Value], *names: str) -> list[str]:
    return [str(values.get(name) or "") for name in names]


def _registration(state: Sequence[Mapping[str, Value]], file: StackFile) -> Registration | None:
    def of(type_: str) -> list[Mapping[str, Value]]:
        return [one for one in state if one.get("type") == type_]

    applications = of("azuread:index/application:Application")
    stacks = [outputs(one) for one in of("pulumi:pulumi:Stack")]
    if not applications:
        return None
    principals = of("azuread:index/servicePrincipal:ServicePrincipal")
    application, exported = outputs(applications[0]), stacks[0] if stacks else {}
    tenant_id, expires = _texts(exported, "TenantId", "SecretExpiresOn")
    settings = exported.get("AgentSettings")
    connections = settings.get("Connections") if _is_map(settings) else None
    agent: AgentSettings = {
        connection: {key: str(value) for key, value in keys.items()}
        for connection, keys in (connections.items() if _is_map(connections) else ())
        if _is_map(keys)
    }
    passwords = of("azuread:index/applicationPassword:ApplicationPassword")
    permissions = exported.get("GrantedPermissions")
    return Registration(
        application_id=_texts(application, "clientId")[0],
        object_id=_texts(application, "objectId")[0],
        tenant_id=tenant_id or file.azuread.get("tenantId") or os.environ.get("ARM_TENANT_ID", ""),
        service_principal_object_id=_texts(outputs(principals[0]), "objectId")[0] if principals else "",
        display_name=_texts(application, "displayName")[0],
        granted_permissions=tuple(str(one) for one in permissions) if isinstance(permissions, list) else (),
        secret_expires_on=parsed(expires) if agent else None,
        secrets=tuple(
            sorted(
                (secret for one in passwords if (secret := _secret(one, agent))),
                key=lambda one: (one.connection, one.expires),
            )
        ),
        known_key_ids=frozenset(_texts(outputs(one), "keyId")[0] for one in passwords),
        grants=frozenset(
            Grant(*_texts(outputs(one), "resourceObjectId", "appRoleId"))
            for one in of("azuread:index/appRoleAssignment:AppRoleAssignment")
            if not one.get("delete")
        ),
        agent_settings=agent,
    )


def _secret(resource: Mapping[str, Value], agent: AgentSettings) -> ClientSecret | None:
    """A secret of the state; None for one that waits for its deletion only."""
    named = _SECRET_NAME.fullmatch(str(resource.get("urn", "")).rpartition("::")[2])
    day = parsed(named[2]) if named else None
    if named is None or day is None or resource.get("delete"):
        return None
    key_id, name, value = _texts(outputs(resource), "keyId", "displayName", "value")
    return ClientSecret(
        named[1], day, key_id, name, value, handed_out=agent.get(named[1], {}).get("ApplicationKey") == value
    )
