"""`retire`: the older expiry dates out of the stack's file; secrets that the stack does not know out of Entra.

Owns the proof that comes before: the newest secret of every connection signs in. It leaves the declared secrets in the
tenant alone: they go with the next `pulumi up`, as a reviewed plan. Others are in no plan, so they are removed here:
with `--orphans` those that an interrupted `pulumi up` left, which nobody holds; with `--made-by-hand` all others, which
an agent may still sign in with.
"""

import re

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


_OF_A_STACK = re.compile(r"Identity Manager .+ Secret (\d{4}-\d{2}-\d{2})")


def is_of_a_stack(secret: directory.Credential) -> bool:
    """Whether only `pulumi up` can have made a secret: its name and its end are those that a stack gives."""
    named = _OF_A_STACK.fullmatch(secret.display_name or "")
    return named is not None and secret.end_date_time == f"{named[1]}T00:00:00Z"


def remove_unknown(stack: str, *, made_by_hand: bool) -> Report:
    """Remove the application's secrets that the stack's state does not know.

    Args:
        stack: The stack.
        made_by_hand: Those that people made, once the newest of the stack signs in; else those that an interrupted
            `pulumi up` left.

    Raises:
        OperationError: The identity that deploys cannot sign in, or may not change the application.
    """
    file = stack_file.read(stack)
    known = registration.load(file, unfinished=not made_by_hand)
    failures = _failures(file, max(file.dates).isoformat()) if made_by_hand and file.dates else []
    if failures:
        return Report(
            {"removed": []},
            findings=[*failures, "The secrets made by hand stay: without them nothing might sign in."],
            next_steps=[f"pulumi up --stack {stack}", f"python -m operations verify --stack {stack} --wait 5m"],
        )
    option = "--made-by-hand" if made_by_hand else "--orphans"
    cloud = directory.Cloud.of(file)
    removed: list[directory.Credential] = []
    kept = 0
    with directory.Graph(cloud, directory.deployer_token(cloud, known.tenant_id)) as graph:
        try:
            for secret in graph.password_credentials(known.object_id):
                if secret.key_id in known.known_key_ids:
                    continue
                if is_of_a_stack(secret) is made_by_hand:
                    kept += 1
                    continue
                graph.remove_password(known.object_id, secret.key_id)
                removed.append(secret)
        except directory.GraphRefusedError as refused:
            raise OperationError(
                f"Microsoft Graph refuses: {refused}",
                f"{len(removed)} secrets were removed, nothing else was changed.",
                f"run it as the identity that deploys: python -m operations retire --stack {stack} {option}",
            ) from None
    shown = [
        {"keyId": one.key_id, "displayName": one.display_name or "", "endDateTime": one.end_date_time}
        for one in removed
    ]
    report = Report(
        {"removed": shown},
        title="Removed secrets",
        columns=("name", "secret ID", "ends"),
        rows=[(one["displayName"] or "(no name)", one["keyId"], one["endDateTime"]) for one in shown],
        said=[f"{len(removed)} removed." if removed else "There was none to remove."],
    )
    if kept:
        other = "--orphans" if made_by_hand else "--made-by-hand"
        report.said.append(f"{kept} others that the stack does not know stay: python -m operations verify lists them.")
        report.next_steps.append(f"Remove these too: python -m operations retire --stack {stack} {other}")
    if made_by_hand and removed:
        report.next_steps.append("An agent that holds a removed secret stops at its next sign-in: give it the new one.")
    return report
