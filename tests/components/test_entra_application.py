"""Federated credentials of an application, and what a refusal of Microsoft Graph is taken for."""

import pulumi
import pytest

from components import EntraApplication, EntraApplicationArgs
from components.missing_permission import NEEDED, explanation
from tests.monitor import Recorder, run

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


def declare(recorder: Recorder, *, preview: bool = False) -> None:
    def program() -> None:
        EntraApplication("app", ARGS)

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
    assert made == ["identity-manager:missing-permission"]


def test_all_that_an_application_is_made_of_has_its_permission_in_the_table() -> None:
    recorder = Recorder()
    declare(recorder)
    kinds = {one.type.rpartition(":")[2] for one in recorder.registered if one.type.startswith("azuread:")}
    assert {kind for kind, operation in NEEDED if operation == "create"} == kinds
    assert {kind for kind, operation in NEEDED if operation == "delete"} == kinds


@pytest.mark.parametrize(("kind", "operation"), NEEDED)
def test_a_refusal_names_every_permission_that_the_operation_needs_and_who_grants_it(kind: str, operation: str) -> None:
    told = explanation(kind, "app", operation, DENIED)
    assert told is not None
    assert f"refused to {operation} the {kind} app." in told
    assert all(permission in told for permission in NEEDED[kind, operation])
    assert "Privileged Role Administrator" in told


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("Application", "unexpected status 404 (404 Not Found) with error: Request_ResourceNotFound"),
        ("Application", "unexpected status 429 (429 Too Many Requests)"),
        ("Group", DENIED),
    ],
)
def test_nothing_is_said_of_other_failures(kind: str, error: str) -> None:
    assert explanation(kind, "app", "create", error) is None
