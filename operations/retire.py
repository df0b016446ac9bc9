"""`retire`: the older expiry dates out of the stack's file; with `--orphans`, secrets that no stack knows out of Entra.

Owns the proof that comes before: the newest secret of every connection signs in. It leaves the declared secrets in the
tenant alone: they go with the next `pulumi up`, as a reviewed plan. An orphan is in no plan, so it is removed here.
"""

from operations import directory, registration, stack_file
from operations.errors import OperationError
from operations.report import Report


def retire(stack: str, *, force: bool) -> Report:
    """Take the older secrets out of the stack's file.

    Args:
        stack: The stack.
        force: Take them out without the proof that the newest signs in.

    Raises:
        OperationError: There is no secret, or the only one was to be forced out.
    """
    file = stack_file.read(stack)
    if not file.dates:
        raise OperationError(
            f"{file.path.name} names no secret.",
            "There is none to take out.",
            f"python -m operations rotate --stack {stack}",
        )
    newest = max(file.dates)
    older = [day for day in file.dates if day != newest]
    facts = {"file": str(file.path), "secrets": [newest.isoformat()], "takenOut": [day.isoformat() for day in older]}
    if not older:
        if force:
            raise OperationError(
                f"The secret of {newest} is the last one.",
                "Without it nothing could sign in, so it stays, --force or not.",
                f"python -m operations rotate --stack {stack}",
            )
        return Report({**facts}, said=[f"Nothing to take out: the secret of {newest} is the only one, and stays."])
    text = file.with_dates([newest])
    failures = [] if force else _failures(file, newest.isoformat())
    if failures:
        return Report(
            {**facts, "secrets": [day.isoformat() for day in file.dates], "takenOut": []},
            findings=[*failures, "The older secrets stay: without them nothing might sign in. Nothing was changed."],
            next_steps=[
                f"pulumi up --stack {stack}",
                f"python -m operations verify --stack {stack} --wait 5m",
                f"Take them out all the same: python -m operations retire --stack {stack} --force",
            ],
        )
    file.write(text)
    proof = "with no proof that the newest signs in (--force)" if force else f"and the one of {newest} signs in"
    return Report(
        {**facts},
        said=[f"{file.path.name} no longer has the secrets of {', '.join(map(str, older))}, {proof}."],
        next_steps=[
            f"The agent must hold the secret of {newest} before the next step: an agent with an older one stops there.",
            f"Review and commit {file.path.name}, then: pulumi up --stack {stack}",
        ],
    )


def _failures(file: stack_file.StackFile, newest: str) -> list[str]:
    """Why the newest secret of a connection cannot take over, a sentence each."""
    known = registration.load(file)
    cloud = directory.Cloud.of(file)
    failures = []
    for connection in known.agent_settings:
        secret = next(
            (one for one in known.secrets if (one.connection, one.expires.isoformat()) == (connection, newest)), None
        )
        if secret is None:
            failures.append(f"{connection} has no secret until {newest} yet.")
            continue
        if not secret.handed_out:
            failures.append(f"{connection} is handed another secret than the one of {newest}.")
        try:
            directory.sign_in(cloud, known.tenant_id, known.application_id, secret.value)
        except directory.SignInRefusedError as refused:
            failures.append(f"{connection} does not sign in with the secret of {newest}: {refused}")
    return failures


def remove_orphans(stack: str) -> Report:
    """Remove the application's secrets that the stack's state does not know.

    Raises:
        OperationError: The identity that deploys cannot sign in, or may not change the application.
    """
    file = stack_file.read(stack)
    known = registration.load(file, unfinished=True)
    cloud = directory.Cloud.of(file)
    removed: list[directory.PasswordCredential] = []
    with directory.Graph(cloud, directory.deployer_token(cloud, known.tenant_id)) as graph:
        try:
            for orphan in graph.password_credentials(known.object_id):
                if orphan.key_id not in known.known_key_ids:
                    graph.remove_password(known.object_id, orphan.key_id)
                    removed.append(orphan)
        except directory.GraphRefusedError as refused:
            raise OperationError(
                f"Microsoft Graph refuses: {refused}",
                f"{len(removed)} orphans were removed, nothing else was changed.",
                f"run it as the identity that deploys: python -m operations retire --stack {stack} --orphans",
            ) from None
    shown = [
        {"keyId": one.key_id, "displayName": one.display_name or "", "endDateTime": one.end_date_time}
        for one in removed
    ]
    return Report(
        {"removed": shown},
        title="Removed secrets",
        columns=("name", "secret ID", "ends"),
        rows=[(one["displayName"], one["keyId"], one["endDateTime"]) for one in shown],
        said=[f"{len(removed)} removed." if removed else "Every secret in Entra is one that the stack knows."],
    )
