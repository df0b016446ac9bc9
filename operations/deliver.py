"""`deliver`: the agent's settings into an Azure Key Vault, under the names that the agent reads.

Owns what each secret of the vault holds: the value, when it expires, its content type. A secret that is right already
gets no new version. It leaves alone who may read the vault, and other secrets in it.
"""

import re
from datetime import UTC, date, datetime, time
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient

from operations import agent_forms, directory, registration, stack_file
from operations.errors import OperationError
from operations.report import Report

CONTENT_TYPE = "text/plain"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]")


def deliver(stack: str, vault: str) -> Report:
    """Put the agent's settings into a vault.

    Args:
        stack: The stack.
        vault: The vault's address, or its name in the public cloud.

    Raises:
        OperationError: The settings cannot be read, or the vault refuses.
    """
    url = _address(stack, vault)
    file = stack_file.read(stack)
    known = registration.load(file)
    cloud = directory.Cloud.of(file)
    settings = known.agent_settings
    # Secrets come last: what belongs to a new one is there when it comes.
    names = sorted(agent_forms.vault_names(settings).items(), key=lambda one: one[0].endswith(agent_forms.SECRET_KEY))
    rows: list[tuple[str, str, str]] = []
    # The vault of a sandbox has no domain of Azure's, which the client would compare with the token's audience.
    local = directory.is_local(urlsplit(url).hostname)
    with (
        directory.deployer(cloud, known.tenant_id) as credential,
        SecretClient(
            url, credential, verify_challenge_resource=not local, connection_verify=directory.trusted()
        ) as client,
    ):
        for name, value in names:
            expires = known.secret_expires_on if name.endswith(agent_forms.SECRET_KEY) else None
            try:
                state = _put(client, name, value, expires)
            except (AzureError, ValueError) as error:
                raise _refused(url, name, len(rows), error) from None
            rows.append((name, state, str(expires or "")))
    report = Report(
        {
            "vault": url,
            "secrets": [{"name": name, "state": state, "expires": day or None} for name, state, day in rows],
        },
        title=f"Secrets in {url}",
        columns=("name", "state", "expires"),
        rows=rows,
        said=[f"{url} holds the settings of {', '.join(settings)}."],
        next_steps=["Restart the agent: whether it reads a changed vault by itself is not documented."],
    )
    newest = max(file.dates, default=None)
    if newest != known.secret_expires_on:
        report.findings.append(f"The secret handed out ends on {known.secret_expires_on}, the newest on {newest}.")
        report.next_steps.insert(0, f"pulumi up --stack {stack}, then deliver again")
    return report


def _address(stack: str, vault: str) -> str:
    if _NAME.fullmatch(vault):
        return f"https://{vault}.vault.azure.net"
    try:
        parts = urlsplit(vault)
        good = (
            parts.scheme == "https" and parts.hostname and parts.path in ("", "/") and not parts.query + parts.fragment
        )
        good = good and "@" not in parts.netloc and vault.isprintable() and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise OperationError(
            f"{vault!r} is neither a vault's name nor its https:// address.",
            "Nothing was delivered.",
            f"python -m operations deliver --stack {stack} --vault https://NAME.vault.azure.net",
        )
    return vault.rstrip("/")


def _put(client: SecretClient, name: str, value: str, expires: date | None) -> str:
    """Make a secret what it is to be, and say what that took."""
    moment = None if expires is None else datetime.combine(expires, time(), UTC)
    try:
        found = client.get_secret(name)
    except ResourceNotFoundError:
        found = None
    wanted = (value, moment, CONTENT_TYPE)
    if found is not None and (found.value, found.properties.expires_on, found.properties.content_type) == wanted:
        return "unchanged"
    client.set_secret(name, value, content_type=CONTENT_TYPE, expires_on=moment)
    return "new version" if found is not None else "made"


def _refused(url: str, name: str, done: int, error: Exception) -> OperationError:
    code = error.error.code if isinstance(error, HttpResponseError) and error.error else None
    vault = (urlsplit(url).hostname or "").partition(".")[0]
    if code == "Conflict":
        mend = f"az keyvault secret recover --vault-name {vault} --name {name}"
    elif isinstance(error, ClientAuthenticationError):
        mend = directory.SIGN_IN
    elif code == "Forbidden":
        mend = "az role assignment create --role 'Key Vault Secrets Officer' --assignee IDENTITY --scope VAULT-ID"
    else:
        mend = f"check that the vault is there: az keyvault show --name {vault}"
    return OperationError(
        f"{url} does not take {name}: {directory.short(error)}.",
        f"{done} secrets were delivered, no more.",
        mend,
    )
