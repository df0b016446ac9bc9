"""Forms of the same mistakes that the sandbox's stand-in for the azuread plugin does not cover, judged without it."""

from collections.abc import Mapping
from pathlib import Path

import pulumi
import pulumi_azuread
import pytest
from pulumi_policy import PolicyCustomTimeouts, PolicyResourceOptions, ResourceValidationArgs, ResourceValidationPolicy

from policy import applications, client_secrets, kinds

LATE = "2099-01-01T00:00:00Z"
ELSEWHERE = ["https://evil.example/"]
POLICIES = {policy.name: policy for policy in [*applications.POLICIES, *client_secrets.POLICIES]}


@pytest.fixture
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `pulumi` whose stack has no settings."""
    pulumi = tmp_path / "pulumi"
    pulumi.write_text("#!/bin/sh\necho '{}'\n")
    pulumi.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.usefixtures("no_settings")
@pytest.mark.parametrize(
    ("policy", "kind", "values", "named"),
    [
        ("secret-lifetime", "application:Application", {"password": {"endDate": LATE}}, "2099-01-01"),
        ("secret-lifetime", "application:Application", {"password": {}}, "no end"),
        ("secret-lifetime", "servicePrincipalPassword:ServicePrincipalPassword", {"endDate": LATE}, "2099-01-01"),
        (
            "declared-redirect-uri",
            "application:Application",
            {"singlePageApplication": {"redirectUris": ELSEWHERE}},
            "evil",
        ),
        (
            "declared-redirect-uri",
            "applicationRedirectUris:ApplicationRedirectUris",
            {"redirectUris": ELSEWHERE},
            "evil",
        ),
    ],
)
def test_the_same_mistake_in_another_form_is_refused(
    policy: str,
    kind: str,
    values: Mapping[str, object],
    named: str,
) -> None:
    judged = POLICIES[policy]
    assert isinstance(judged, ResourceValidationPolicy)
    options = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
    resource_type = f"azuread:index/{kind}"
    urn = f"urn:pulumi:dev::identity-manager::{resource_type}::it"
    reported: list[str] = []
    judged.validate(
        ResourceValidationArgs(resource_type, values, urn, "it", options, None),
        lambda message, _urn: reported.append(message),
    )
    assert len(reported) == 1
    assert named in reported[0]


def test_no_kind_of_the_plugin_but_those_of_a_registration_is_declared_without_an_exception() -> None:
    [policy] = kinds.POLICIES
    known = {
        str(getattr(kind, "pulumi_type"))  # noqa: B009 - each kind has it, their common base does not
        for kind in vars(pulumi_azuread).values()
        if isinstance(kind, type) and issubclass(kind, pulumi.CustomResource) and kind is not pulumi_azuread.Provider
    }
    named = {kind.rpartition(":")[2]: kind for kind in known}
    assert set(kinds.WHY) < set(named)

    def refused(kind: str, *exceptions: str) -> bool:
        reported: list[str] = []
        options = PolicyResourceOptions(False, [], None, [], PolicyCustomTimeouts(0, 0, 0), [])
        config = {"exceptions": list(exceptions)}
        args = ResourceValidationArgs(kind, {}, "urn", "it", options, None, config=config)
        policy.validate(args, lambda message, _urn: reported.append(message))
        return bool(reported)

    assert {name for name, kind in named.items() if not refused(kind)} == {
        "Application",
        "ApplicationPassword",
        "ApplicationRedirectUris",
        "AppRoleAssignment",
        "ServicePrincipal",
    }
    assert not [name for name, kind in named.items() if refused(kind, name)]
