"""Stand-ins for `az` and `gh`: what the pages ask of Microsoft's and GitHub's own tools.

A line of their tables is a fact about the real tool: a command and the options it takes, from the vendors' references
(https://learn.microsoft.com/cli/azure/reference-index, https://cli.github.com/manual). Whatever is not there is
refused, so that a page cannot name a command or an option that does not exist. The
sandbox's tenant stands for Microsoft's.

It is a program of its own, run by path: it imports nothing of the project.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

EVERYWHERE = ("--query", "--output", "--only-show-errors", "--subscription")
"""Options that every command of `az` takes."""

AZ: Mapping[str, Sequence[str]] = {
    "login": ("--tenant", "--allow-no-subscriptions", "--use-device-code"),
    "account show": (),
    "ad signed-in-user show": (),
    "ad app show": ("--id",),
    "ad app list": ("--display-name", "--filter", "--app-id", "--all"),
    "ad app credential list": ("--id",),
    "ad sp show": ("--id",),
    "group create": ("--name", "--location"),
    "keyvault create": (
        "--name",
        "--resource-group",
        "--location",
        "--enable-rbac-authorization",
        "--enable-purge-protection",
    ),
    "keyvault key create": ("--vault-name", "--name", "--kty", "--size", "--ops"),
    "keyvault secret recover": ("--vault-name", "--name"),
    "keyvault show": ("--name", "--resource-group"),
    "role assignment create": (
        "--role",
        "--scope",
        "--assignee",
        "--assignee-object-id",
        "--assignee-principal-type",
    ),
    "storage account blob-service-properties update": (
        "--account-name",
        "--resource-group",
        "--enable-versioning",
        "--enable-delete-retention",
        "--delete-retention-days",
    ),
    "storage account create": (
        "--name",
        "--resource-group",
        "--location",
        "--sku",
        "--allow-shared-key-access",
        "--allow-blob-public-access",
        "--min-tls-version",
    ),
    "storage account show": ("--name", "--resource-group"),
    "storage container create": ("--name", "--account-name", "--auth-mode"),
}
GH: Mapping[str, Sequence[str]] = {
    "variable set": ("--body", "--env", "--repo"),
    "pr create": ("--fill", "--title", "--body", "--base", "--head"),
}
SUBSCRIPTION = "/subscriptions/55555555-5555-4555-8555-555555555555/resourceGroups/identity-manager/providers"


def main(name: str, arguments: Sequence[str]) -> None:
    """Check a command line, and answer it."""
    known, everywhere = (AZ, EVERYWHERE) if name == "az" else (GH, ())
    words = [word for word in arguments if not word.startswith("-")]
    command = max((one for one in known if words[: len(one.split())] == one.split()), key=len, default=None)
    if command is None:
        sys.exit(f"{name}: no such command is known here: {' '.join(arguments)}")
    given = [word.partition("=")[0] for word in arguments if word.startswith("-")]
    if unknown := set(given) - {*known[command], *everywhere}:
        sys.exit(f"{name} {command}: no such option is known here: {', '.join(sorted(unknown))}")
    value = arguments[arguments.index("--name") + 1] if "--name" in arguments else ""
    answers: Mapping[str, Callable[[], str]] = {
        "ad signed-in-user show": _signed_in,
        "keyvault show": lambda: f"{SUBSCRIPTION}/Microsoft.KeyVault/vaults/{value}",
        "storage account show": lambda: f"{SUBSCRIPTION}/Microsoft.Storage/storageAccounts/{value}",
    }
    if command in answers:
        print(answers[command]())


def _signed_in() -> str:
    """The object id of whoever the sandbox's commands sign in as."""
    home = Path(os.environ["SANDBOX_HOME"])
    identities: dict[str, dict[str, str]] = json.loads((home / "tenant" / "identities.json").read_text())
    return next(one["objectId"] for one in identities.values() if one["clientId"] == os.environ["ARM_CLIENT_ID"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
