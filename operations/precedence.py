"""Which of the agent's sources wins, and where an older value would.

Owns the order that the product documents, and the look at the files beside appsettings.agent.json. It only reads, and
says where a value is, never what it is.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from operations import json_merge
from operations.agent_forms import SECRET_KEY
from operations.registration import AgentSettings

ORDER: Sequence[str] = (
    "appsettings.agent.json",
    "appsettings.encrypted.agent.json",
    "Azure Key Vault",
    "CyberArk (appsettings.cyberArk.agent.json)",
    "appsettings.connection.json in the work folder: what was typed in the user interface",
)
"""The agent's sources as documented; a later one wins."""

SAID = (
    "The agent reads, the last one wins: " + "; ".join(ORDER) + ". Environment variables win over files in JSON; "
    "whether over the other sources is not documented."
)


def warnings(file: Path, settings: AgentSettings, environment: Mapping[str, str]) -> list[str]:
    """Where another value than the given one would win over the file, a sentence each.

    Args:
        file: The agent's appsettings.agent.json.
        settings: What the file is to hold.
        environment: The variables of the agent, where they are known.
    """
    folder, found = file.parent, []
    server = _text(folder / "appsettings.json")
    stage = environment.get("ASPNETCORE_ENVIRONMENT") or "Production"
    work = _value(server, ("WorkFolderPath",)) or _value(_text(file), ("WorkFolderPath",)) or "../Work"
    overriding = (
        folder / f"{file.stem}.{stage}.json",
        folder / "appsettings.encrypted.agent.json",
        *(folder / f"appsettings.{name}.agent.json" for name in ("cyberArk", "cyberark")),
        folder / work / "appsettings.connection.json",
    )
    for other in overriding:
        text = _text(other)
        for connection, keys in settings.items():
            for key, value in keys.items():
                theirs = _value(text, ("Connections", connection, key))
                if theirs is not None and theirs != value:
                    found.append(f"{os.path.normpath(other)} has another {key} for {connection}, which wins.")
    for connection, keys in settings.items():
        for key, value in keys.items():
            name = f"Connections__{connection}__{key}"
            if environment.get(name, value) != value:
                found.append(f"The environment variable {name} has another value, which wins.")
    vault = _value(server, ("AzureKeyVault", "Vault")) or _value(server, ("AzureKeyVault", "ConnectionString"))
    if vault and any(SECRET_KEY in keys for keys in settings.values()):
        found.append("The agent reads an Azure Key Vault (appsettings.json), whose values win: deliver them there too.")
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _value(text: str, path: tuple[str, ...]) -> str | None:
    try:
        return json_merge.value_of(text, path) if text else None
    except json_merge.MalformedError:
        return None
