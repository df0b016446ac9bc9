"""The forms in which the agent takes its connections.

Owns the text of each form. It leaves alone where the text goes, and does not know which value is secret beyond the one
key that the product calls ApplicationKey.
"""

import json
import shlex
from collections.abc import Callable, Mapping
from enum import StrEnum
from xml.etree import ElementTree

from operations.registration import AgentSettings

SECRET_KEY = "ApplicationKey"  # noqa: S105 - the name of a key


class Form(StrEnum):
    """A form of the agent's settings."""

    JSON = "json"
    ENVIRONMENT = "environment"
    IIS = "iis"
    KEY_VAULT = "keyvault"
    CYBERARK = "cyberark"


def without_secret(settings: AgentSettings) -> AgentSettings:
    """The settings that may be committed."""
    return {
        connection: {key: value for key, value in keys.items() if key != SECRET_KEY}
        for connection, keys in settings.items()
    }


def vault_names(settings: AgentSettings) -> dict[str, str]:
    """The settings by their names as secrets in an Azure Key Vault."""
    return _flat(settings, "--")


def text(form: Form, settings: AgentSettings) -> str:
    """The settings in one form."""
    return _FORMS[form](settings)


def has_secret(form: Form, settings: AgentSettings) -> bool:
    """Whether the text of this form holds a secret."""
    return form is not Form.CYBERARK and any(SECRET_KEY in keys for keys in settings.values())


def _flat(settings: AgentSettings, between: str) -> dict[str, str]:
    return {
        between.join(("Connections", connection, key)): value
        for connection, keys in settings.items()
        for key, value in keys.items()
    }


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _appsettings(settings: AgentSettings) -> str:
    return _json({"Connections": settings})


def _environment(settings: AgentSettings) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in _flat(settings, "__").items())


def _iis(settings: AgentSettings) -> str:
    root = ElementTree.Element("environmentVariables")
    for name, value in _flat(settings, "__").items():
        ElementTree.SubElement(root, "environmentVariable", name=name, value=value)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _key_vault(settings: AgentSettings) -> str:
    return _json(vault_names(settings))


def _cyberark(settings: AgentSettings) -> str:
    # The values are names of accounts in CyberArk: user name ApplicationId, password ApplicationKey.
    accounts = {
        connection: dict.fromkeys(("ApplicationId", SECRET_KEY), f"{connection}Account") for connection in settings
    }
    return _json({"Connections": accounts})


_FORMS: Mapping[Form, Callable[[AgentSettings], str]] = {
    Form.JSON: _appsettings,
    Form.ENVIRONMENT: _environment,
    Form.IIS: _iis,
    Form.KEY_VAULT: _key_vault,
    Form.CYBERARK: _cyberark,
}
