"""Federated credentials of an application, and what a refusal of Microsoft Graph is taken for."""

import asyncio

import pulumi
import pytest

from components import AdoptArgs, EntraApplication, EntraApplicationArgs
from components.failed_operations import (
    HOOK,
    NEEDED,
    PAUSES,
    REPLICATION,
    awaited,
    explanation,
)
from tests.monitor import GRAPH, Recorder, run

DENIED = (
    "Could not create application: unexpected status 403 (403 Forbidden) with error: Authorization_RequestDenied: "
    "Insufficient privileges to complete the operation."
)
ARGS: EntraApplicationArgs = {
    "display_name": "Pipeline",
    "permissions": {"MicrosoftGraph": ["Directory.Read.All"]},
    "secrets": {"first": {"display_name": "First", "end_date": "2027-11-24T00:00:00Z"}},
    "federated_credentials": {
        "environment": {"issuer": "https://issuer.example", "subject": "repo:Contoso/app:environment:production"},
        "elsewhere": {
            "issuer": "https://other.example",
            "subject": "job",
            "audience": "api://other",
            "description": "Another system",
        },
    },
}


def declare(recorder: Recorder, *, preview: bool = False, args: EntraApplicationArgs = ARGS) -> None:
    def program() -> None:
        EntraApplication("app", args)

    run(program, recorder, preview=preview)


def test_each_federated_credential_is_declared_on_the_application() -> None:
    recorder = Recorder()
    declare(recorder)
    declared = {one.name: one.inputs for one in recorder.of_type("ApplicationFederatedIdentityCredential")}
    assert declared == {
        "app-environment": {
            "applicationId": "id-of-app",
            "displayName": "environment",
            "issuer": "https://issuer.example",
            "subject": "repo:Contoso/app:environment:production",
            "audiences": ["api://AzureADTokenExchange"],
        },
        "app-elsewhere": {
            "applicationId": "id-of-app",
            "displayName": "elsewhere",
            "issuer": "https://other.example",
            "subject": "job",
            "audiences": ["api://other"],
            "description": "Another system",
        },
    }


def test_a_preview_with_nothing_known_declares_the_federated_credentials() -> None:
    recorder = Recorder(unknown=True)
    declare(recorder, preview=True)
    assert len(recorder.of_type("ApplicationFederatedIdentityCredential")) == 2


def test_what_exists_is_imported_and_a_grant_that_is_not_declared_is_left_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda message, _: warned.append(message))
    adopt: AdoptArgs = {
        "application": "oid",
        "service_principal": "sp",
        "grants": {"MicrosoftGraph/Directory.Read.All": "one", "MicrosoftGraph/Directory.ReadWrite.All": "other"},
    }
    recorder = Recorder()
    declare(recorder, args={**ARGS, "adopt": adopt})
    assert {one.import_id for one in recorder.registered} == {
        None,
        "/applications/oid",
        "/servicePrincipals/sp",
        f"/servicePrincipals/sp-of-{GRAPH}/appRoleAssignedTo/one",
    }
    assert [text for text in warned if "MicrosoftGraph/Directory.ReadWrite.All, which it does not declare" in text]


def test_applications_of_one_run_share_one_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Counted(pulumi.ErrorHook):
        def __init__(self, name: str, func: pulumi.ErrorHookFunction) -> None:
            made.append(name)
            super().__init__(name, func)

    def program() -> None:
        EntraApplication("one", ARGS)
        EntraApplication("two", ARGS)

    monkeypatch.setattr(pulumi, "ErrorHook", Counted)
    run(program, Recorder())
    assert made == [HOOK]


def test_all_that_an_application_is_made_of_has_its_permission_in_the_table() -> None:
    recorder = Recorder()
    declare(recorder)
    kinds = {one.type.rpartition(":")[2] for one in recorder.registered if one.type.startswith("azuread:")}
    assert {kind for kind, operation in NEEDED if operation == "create"} == kinds
    assert {kind for kind, operation in NEEDED if operation == "delete"} == kinds


@pytest.mark.parametrize(("kind", "operation"), NEEDED)
def test_a_refusal_names_every_permission_that_the_operation_needs_and_who_grants_it(kind: str, operation: str) -> None:
    told = explanation(kind, "app", operation, DENIED, "dev")
    assert told is not None
    assert f"refused to {operation} the {kind} app." in told
    assert all(permission in told for permission in NEEDED[kind, operation])
    assert "Privileged Role Administrator" in told


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("Application", "unexpected status 404 (404 Not Found) with error: Request_ResourceNotFound"),
        ("Application", "unexpected status 429 (429 Too Many Requests)"),
        ("Application", 'A resource with the ID "1" already exists'),
        ("Group", DENIED),
    ],
)
def test_nothing_is_said_of_other_failures(kind: str, error: str) -> None:
    assert explanation(kind, "app", "create", error, "dev") is None
    assert awaited(kind, "create", error) is None


NOT_FOUND = (
    "unexpected status 404 (404 Not Found) with error: Request_ResourceNotFound: Resource does not exist or one of its "
    "queried reference-property objects are not present."
)
CONCURRENT = "unexpected status 409 (409 Conflict) with error: Directory_ConcurrencyViolation: A concurrency violation."
SERVICE_PRINCIPAL = 'Service Principal (Service Principal: "33333333-3333-4333-8333-333333333333")'
APPLICATION = 'Application (Application: "33333333-3333-4333-8333-333333333333")'
ENDS_BY_ITSELF = (
    # what the plugin says when replicas disagree
    (
        "ServicePrincipal",
        "create",
        f"Timed out whilst waiting for new service principal to be replicated in Azure AD: {NOT_FOUND}",
    ),
    ("ServicePrincipal", "create", f"Updating {SERVICE_PRINCIPAL}: {NOT_FOUND}"),
    ("ServicePrincipal", "create", f"Could not remove initial owner from {SERVICE_PRINCIPAL}: {NOT_FOUND}"),
    ("ServicePrincipal", "create", f"[owners] Could not retrieve owners for {SERVICE_PRINCIPAL}: {NOT_FOUND}"),
    ("ServicePrincipal", "create", f"Retrieving {SERVICE_PRINCIPAL} (beta API): {NOT_FOUND}"),
    ("ServicePrincipal", "update", f"Updating {SERVICE_PRINCIPAL}: {CONCURRENT}"),
    ("Application", "create", f'Could not update application with object ID: "1": {NOT_FOUND}'),
    ("Application", "create", f'Could not remove initial owner from application with object ID: "1": {NOT_FOUND}'),
    ("Application", "create", f"[owners] Could not retrieve owners for {APPLICATION}: {NOT_FOUND}"),
    ("Application", "create", f"Retrieving additional properties for {APPLICATION}: {NOT_FOUND}"),
    ("ApplicationPassword", "create", f"[application_id] {APPLICATION} was not found: {NOT_FOUND}"),
    ("ApplicationPassword", "create", f"Adding password for {APPLICATION}: {NOT_FOUND}"),
    ("ApplicationPassword", "create", f"Adding password for {APPLICATION}: {CONCURRENT}"),
    ("ApplicationPassword", "delete", f'Removing password credential "1" from {APPLICATION}: {CONCURRENT}'),
    (
        "ApplicationFederatedIdentityCredential",
        "create",
        f"Adding federated identity credential for {APPLICATION}: {NOT_FOUND}",
    ),
    (
        "AppRoleAssignment",
        "create",
        f'Service principal not found for resource (Object ID: "1"): {NOT_FOUND}',
    ),
)
STAYS = (
    # what a second try would not mend, or would do twice
    ("Application", "create", f"Could not create application: {NOT_FOUND}"),
    ("Application", "update", f'Could not update application with object ID: "1": {NOT_FOUND}'),
    ("ServicePrincipal", "create", "Timed out whilst waiting for something else"),
    ("ApplicationPassword", "create", f"Waiting for password credential for {APPLICATION}: timeout"),
    ("ApplicationPassword", "delete", f'Removing password credential "1" from {APPLICATION}: {NOT_FOUND}'),
    ("AppRoleAssignment", "create", "Permission being assigned was not found on application '1'"),
    ("ServicePrincipal", "create", "expected non-nil error with nil state during creating"),
)


@pytest.mark.parametrize(("kind", "operation", "error"), ENDS_BY_ITSELF)
def test_replication_is_known_by_what_the_plugin_says(kind: str, operation: str, error: str) -> None:
    assert awaited(kind, operation, f"creating urn:...: 1 error occurred:\n\t* {error}\n\n") is not None


@pytest.mark.parametrize(("kind", "operation", "error"), STAYS)
def test_what_a_further_try_would_not_mend_is_not_replication(kind: str, operation: str, error: str) -> None:
    assert awaited(kind, operation, error) is None


def test_every_row_of_replication_is_about_a_type_that_is_declared() -> None:
    assert {row.kind for row in REPLICATION} <= {kind for kind, _ in NEEDED}


@pytest.mark.parametrize(
    ("kind", "operation", "error", "command"),
    [
        (
            "Application",
            "create",
            'An existing "azuread_application" with name "Identity Manager A (B)" (ID: "1-2") was found and',
            "python -m operations adopt --stack dev --application-id 1-2",
        ),
        ("ServicePrincipal", "create", '[id] A resource with the ID "1" already exists', "adopt --stack dev"),
        ("AppRoleAssignment", "create", "Permission being assigned already exists on the object", "adopt --stack dev"),
    ],
)
def test_what_exists_already_is_told_with_the_command_that_takes_it_over(
    kind: str, operation: str, error: str, command: str
) -> None:
    told = explanation(kind, "app", operation, error, "dev")
    assert told is not None
    assert command in told.splitlines()[-2 if kind == "Application" else -1]
    assert "It was not touched" in told


def failed(kind: str, *errors: str) -> pulumi.ErrorHookArgs:
    return pulumi.ErrorHookArgs(
        urn="urn", id="", name="app", type=f"azuread:index:{kind}", failed_operation="create", errors=[*errors]
    )


def asked(monkeypatch: pytest.MonkeyPatch, arguments: pulumi.ErrorHookArgs) -> tuple[bool, list[float], list[str]]:
    """What the hook answers, how long it paused, and what it said."""
    hooks: list[pulumi.ErrorHookFunction] = []
    paused: list[float] = []
    said: list[str] = []

    class Kept(pulumi.ErrorHook):
        def __init__(self, name: str, func: pulumi.ErrorHookFunction) -> None:
            hooks.append(func)
            super().__init__(name, func)

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr(pulumi, "ErrorHook", Kept)
    declare(Recorder())
    monkeypatch.setattr(asyncio, "sleep", pause)
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    monkeypatch.setattr(pulumi.log, "error", said.append)
    [hook] = hooks
    answer = hook(arguments)
    assert not isinstance(answer, bool)

    async def heard() -> bool:
        return await answer

    return asyncio.new_event_loop().run_until_complete(heard()), paused, said


@pytest.mark.parametrize("tries", range(1, len(PAUSES) + 2))
def test_replication_is_tried_again_after_growing_pauses_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch, tries: int
) -> None:
    kind, _, error = ENDS_BY_ITSELF[0]
    again, paused, said = asked(monkeypatch, failed(kind, *[error] * tries))
    assert len(said) == 1
    if tries <= len(PAUSES):
        assert (again, paused) == (True, [PAUSES[tries - 1]])
        assert f"waiting {PAUSES[tries - 1]} s for every replica to show the new service principal" in said[0]
        assert f"try {tries + 1} of {len(PAUSES) + 1}" in said[0]
    else:
        assert (again, paused) == (False, [])
        assert "the next pulumi up finishes the rest" in said[0]


def test_a_change_that_failed_is_looked_at_again() -> None:
    said = explanation("Application", "it", "update", "unexpected status 500", "dev")
    assert said is not None
    assert "pulumi up --refresh" in said
    assert "pulumi up --refresh" in (explanation("Application", "it", "update", DENIED, "dev") or "")
    assert explanation("Application", "it", "create", "unexpected status 500", "dev") is None


def test_pauses_grow() -> None:
    assert sorted(set(PAUSES)) == list(PAUSES)


def test_anything_else_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, failed("Application", DENIED))[:2] == (False, [])
    assert asked(monkeypatch, failed("Application", "unexpected status 500")) == (False, [], [])
