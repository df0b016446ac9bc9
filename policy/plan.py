"""How the pack reads a plan: resource types, what is declared, and values that are not known yet.

A rule over the whole stack is given all resources that the engine knows of, with `--refresh` also those that the
program declares no more. Declared are those that were put before the rules on single resources in the same run.

An unknown value that a rule needs raises out of a resource's rule, and the engine says then that the rule could not run
in the preview; it runs before the resource is changed in the update. A rule over the whole stack must not be given up
for one unknown value, so it asks for `known` values.
"""

from collections.abc import Callable, Mapping, Sequence

from pulumi_policy import (
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

APPLICATION = "azuread:index/application:Application"
APPLICATION_PASSWORD = "azuread:index/applicationPassword:ApplicationPassword"  # noqa: S105 - a resource type
APPLICATION_REDIRECT_URIS = "azuread:index/applicationRedirectUris:ApplicationRedirectUris"
APP_ROLE_ASSIGNMENT = "azuread:index/appRoleAssignment:AppRoleAssignment"
ROOT = "pulumi:pulumi:Stack"
SERVICE_PRINCIPAL = "azuread:index/servicePrincipal:ServicePrincipal"
SERVICE_PRINCIPAL_PASSWORD = "azuread:index/servicePrincipalPassword:ServicePrincipalPassword"  # noqa: S105


def known(values: Mapping[str, object], key: str) -> object:
    """A value, or None where it is absent or not known yet."""
    try:
        return values.get(key)
    except UnknownValueError:
        return None


def behind(resource: PolicyResource, key: str) -> set[str]:
    """The URNs of the resources from which a property's value comes."""
    return {source.urn for source in resource.property_dependencies.get(key, ())}


_DECLARED: set[str] = set()
"""The URNs that this process was asked to judge: it serves one run of the engine."""


def _declare(args: ResourceValidationArgs, _report: ReportViolation) -> None:
    _DECLARED.add(args.urn)


def resource_policy(
    name: str,
    description: str,
    rule: Callable[[ResourceValidationArgs, ReportViolation], None],
    schema: PolicyConfigSchema | None = None,
) -> ResourceValidationPolicy:
    """A policy on each single resource, applied before the resource is changed."""
    return ResourceValidationPolicy(name, description, [_declare, rule], config_schema=schema)


def stack_policy(
    name: str,
    description: str,
    rule: Callable[[Sequence[PolicyResource], Mapping[str, object], ReportViolation], None],
    schema: PolicyConfigSchema | None = None,
) -> StackValidationPolicy:
    """A policy on all that the program declares, applied at the end of a preview and of an update."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        rule([one for one in args.resources if one.urn in _DECLARED], args.get_config(), report)

    return StackValidationPolicy(name, description, validate, config_schema=schema)
