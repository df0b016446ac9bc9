"""How the pack reads a plan: resource types, and values that are not known yet.

An unknown value that a rule needs raises out of a resource's rule, and the engine says then that the rule could not run
in the preview; it runs before the resource is changed in the update. A rule over the whole stack must not be given up
for one unknown value, so it asks for `known` values.
"""

from collections.abc import Mapping

from pulumi_policy import PolicyResource
from pulumi_policy.proxy import UnknownValueError

APPLICATION = "azuread:index/application:Application"
APPLICATION_PASSWORD = "azuread:index/applicationPassword:ApplicationPassword"  # noqa: S105 - a resource type
APPLICATION_REDIRECT_URIS = "azuread:index/applicationRedirectUris:ApplicationRedirectUris"
APP_ROLE_ASSIGNMENT = "azuread:index/appRoleAssignment:AppRoleAssignment"
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
