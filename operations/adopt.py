"""`adopt`: the ids of a registration made by hand into the stack's file, so that the next `pulumi up` takes it over.

Owns which application it is, whether it may be taken over, and what the stack's state still lacks of it. It reads the
directory with Application.Read.All and changes nothing there: the taking over is the next `pulumi up`, a plan that
imports and can be reviewed. It never sees a secret: the old ones cannot be read, and go on working.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from operations import directory, registration, stack_file
from operations.errors import OperationError
from operations.hand_made import (
    Difference,
    Found,
    as_facts,
    consent_for,
    declared_permissions,
    differences,
    look,
)
from operations.report import Report
from operations.stack_file import PROJECT, StackFile
from settings import GUID, RefusedSettings, StackSettings

_NOTHING = "Nothing was changed."
_MICROSOFT = ("f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72f988bf-86f1-41af-91ab-2d7cd011db47")
"""The tenants in which Microsoft registers its own applications.

Source: https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in."""


@dataclass(frozen=True)
class _Known:
    """What the stack's state knows already."""

    application: str
    service_principal: str
    grants: frozenset[registration.Grant]
    secrets: frozenset[str]


def adopt(stack: str, application_id: str | None) -> Report:
    """Look a registration up, compare it with the stack's settings, and write its ids into the stack's file.

    Args:
        stack: The stack.
        application_id: The application's client id or object id; that of the stack's state where it is None.

    Raises:
        OperationError: There is no such application, or it cannot be taken over by this stack.
    """
    reference = application_id.strip().lower() if application_id is not None else None
    if reference is not None and not GUID.fullmatch(reference):
        raise OperationError(
            f"--application-id {application_id!r} is no id.",
            _NOTHING,
            "copy the Application (client) ID from the application's Overview in the portal",
        )
    file = stack_file.read(stack)
    settings = _settings(file)
    known = _known(file)
    if reference is None and not known.application:
        raise OperationError(
            f"The stack {stack} has no application yet, so it must be said which one to adopt.",
            _NOTHING,
            f"python -m operations adopt --stack {stack} --application-id APPLICATION_ID",
        )
    cloud = directory.Cloud.of(file)
    tenant_id = file.azuread.get("tenantId") or os.environ.get("ARM_TENANT_ID", "")
    with directory.Graph(cloud, directory.deployer_token(cloud, tenant_id)) as graph:
        try:
            application = _application(graph, cloud, stack, reference or known.application, known)
            found = look(graph, application, known.secrets if known.application else None)
        except directory.GraphRefusedError as refused:
            raise OperationError(
                f"Microsoft Graph refuses: {refused}",
                _NOTHING,
                "run it as an identity that holds Microsoft Graph's application permission Application.Read.All",
            ) from None
    _refuse_foreign(found)
    ids = _missing(found, settings, known)
    listed = differences(found, settings, stack, cloud.graph)
    if ids:
        text = file.with_adopt(ids)
        if text != file.text:
            file.write(text)
    return _report(file, found, settings, ids, listed, cloud.graph)


def _settings(file: StackFile) -> StackSettings:
    """The stack's settings, by the rules that the program holds them against."""
    pulumi.runtime.configure(pulumi.runtime.Settings(project=StackSettings.namespace, stack=file.stack))
    pulumi.runtime.set_all_config(file.config, list(file.encrypted))
    try:
        return StackSettings.load()
    except RefusedSettings as refused:
        raise OperationError(
            str(refused),
            "\nWithout them nothing could be compared.",
            f"run the commands above, then again: python -m operations adopt --stack {file.stack} ...",
        ) from None


def _known(file: StackFile) -> _Known:
    listed = [one for one in registration.resources(file) if not one.get("delete")]

    def of(kind: str) -> list[Mapping[str, registration.Value]]:
        type_ = f"azuread:index/{kind}:{kind[0].upper()}{kind[1:]}"
        return [registration.outputs(one) for one in listed if one.get("type") == type_]

    def first(kind: str) -> str:
        return next((str(one.get("objectId") or "") for one in of(kind)), "")

    grants = [
        registration.Grant(str(one.get("resourceObjectId")), str(one.get("appRoleId")))
        for one in of("appRoleAssignment")
    ]
    secrets = frozenset(str(one.get("keyId")) for one in of("applicationPassword"))
    return _Known(first("application"), first("servicePrincipal"), frozenset(grants), secrets)


def _application(
    graph: directory.Graph, cloud: directory.Cloud, stack: str, reference: str, known: _Known
) -> directory.Application:
    application = graph.application(reference)
    if application is None:
        raise _unknown(graph, cloud, stack, reference)
    if known.application not in ("", application.id):
        raise OperationError(
            f"The stack {stack} has another application already, of object id {known.application}.",
            f"Adopting {application.display_name} would replace it. {_NOTHING}",
            "adopt it with a stack of its own: pulumi stack init NAME",
        )
    return application


def _unknown(graph: directory.Graph, cloud: directory.Cloud, stack: str, reference: str) -> OperationError:
    """Why there is no application of this id to take over."""
    deleted = graph.deleted_application(reference)
    if deleted is not None:
        return OperationError(
            f"The application {deleted.display_name} ({reference}) is deleted.",
            f"It can be restored for 30 days after its deletion. {_NOTHING}",
            f"az rest --method POST --uri {cloud.graph}/v1.0/directory/deletedItems/{deleted.id}/restore",
        )
    principal = graph.service_principal(reference)
    if principal is None:
        return OperationError(
            f"The tenant has no application {reference}.",
            _NOTHING,
            "find its Application (client) ID in the portal under App registrations, or with: az ad app list --all "
            '--query "[].[appId, displayName]" --output tsv',
        )
    if principal.app_owner_organization_id in _MICROSOFT:
        return _microsofts_own(principal)
    if principal.app_id != reference and graph.application(principal.app_id) is not None:
        return OperationError(
            f"{reference} is the object id of a service principal, as Enterprise applications shows it.",
            _NOTHING,
            f"python -m operations adopt --stack {stack} --application-id {principal.app_id}",
        )
    return OperationError(
        f"{principal.display_name} ({reference}) is registered in another tenant, "
        f"{principal.app_owner_organization_id or 'which is not shown'}; this one has its service principal only.",
        f"What is registered elsewhere cannot be taken over. {_NOTHING}",
        "register Identity Manager in this tenant: take no adopt, and pulumi up",
    )


def _refuse_foreign(found: Found) -> None:
    if found.principal is not None and found.principal.app_owner_organization_id in _MICROSOFT:
        raise _microsofts_own(found.principal)


def _microsofts_own(principal: directory.ServicePrincipal) -> OperationError:
    return OperationError(
        f"{principal.display_name} ({principal.app_id}) is Microsoft's own application.",
        f"It is registered by Microsoft and cannot be taken over. {_NOTHING}",
        "name the application that the agent signs in as: az ad app list --display-name 'Identity Manager'",
    )


def _missing(found: Found, settings: StackSettings, known: _Known) -> dict[str, str | Mapping[str, str]]:
    """The ids of what exists and the state lacks, as the stack's file names them."""
    ids: dict[str, str | Mapping[str, str]] = {}
    if not known.application:
        ids["application"] = found.application.id
    if found.principal is not None and not known.service_principal:
        ids["servicePrincipal"] = found.principal.id
    consents = {"/".join(one): consent_for(one, found) for one in declared_permissions(settings)}
    grants = {
        key: consent.assignment_id
        for key, consent in consents.items()
        if consent is not None
        and registration.Grant(consent.resource_object_id, consent.app_role_id) not in known.grants
    }
    if grants:
        ids["grants"] = grants
    return ids


def _report(  # noqa: PLR0913, PLR0917 - what was found, by kind
    file: StackFile,
    found: Found,
    settings: StackSettings,
    ids: Mapping[str, str | Mapping[str, str]],
    listed: list[Difference],
    graph: str,
) -> Report:
    application, stack = found.application, file.stack
    grants = ids.get("grants")
    imports = [(name, value) for name, value in ids.items() if isinstance(value, str)]
    imports += [(f"grant of {key}", value) for key, value in (grants.items() if isinstance(grants, Mapping) else ())]
    report = Report(
        {
            "applicationId": application.app_id,
            "objectId": application.id,
            "file": str(file.path),
            "adopt": ids,
            "differences": as_facts(listed),
        },
        title=f"{application.display_name}, {application.app_id}",
        columns=("what", "now", "the next pulumi up"),
        rows=[(name, value, "imported") for name, value in imports]
        + [(one.what, one.now, one.next_up) for one in listed],
    )
    if not ids:
        report.said.append(f"The stack {stack} has all of it already: there is nothing to adopt.")
        if file.adopts:
            report.next_steps.append(
                "When the old secrets are retired, take the ids out: "
                f"pulumi config rm --stack {stack} {stack_file.ADOPT}"
            )
        return report
    protected = "while adopt is there, all of it is protected"
    report.said += [
        f"{file.path.name} names {len(imports)} to import. Nothing is made anew, nothing deleted; {protected}.",
        "The preview shows preventDuplicateNames and useExisting too: azuread's own, nothing in the directory.",
    ]
    report.next_steps += [_advice(one) for one in listed if one.command]
    report.next_steps += _ownership(found, settings, stack, graph)
    report.next_steps += [
        f"Review {file.path.relative_to(PROJECT)} and the plan: pulumi preview --diff --stack {stack}",
        f"pulumi up --stack {stack}",
    ]
    return report


def _advice(one: Difference) -> str:
    verb = "Keep" if one.next_up == "removed" else "Remove"
    return f"{verb} the {one.what} {one.now}: {one.command}"


def _ownership(found: Found, settings: StackSettings, stack: str, graph: str) -> list[str]:
    """What lets an identity that reaches only what it owns run the first `pulumi up`."""
    deployer = settings.deployer
    if deployer is None:
        command = f"pulumi config set --stack {stack} identity-manager:deployer OBJECT_ID"
        return [f"Name the identity that deploys, or it will own nothing: {command}"]
    commands = []
    if deployer not in {one.id for one in found.owners}:
        commands.append(f"az ad app owner add --id {found.application.id} --owner-object-id {deployer}")
    if found.principal is not None and deployer not in {one.id for one in found.principal_owners}:
        commands.append(
            f"az rest --method POST --uri '{graph}/v1.0/servicePrincipals/{found.principal.id}/owners/$ref' "
            f'--body \'{{"@odata.id": "{graph}/v1.0/directoryObjects/{deployer}"}}\''
        )
    if not commands:
        return []
    why = "with Application.ReadWrite.OwnedBy alone it cannot change what it does not own"
    who = "Let an administrator run the first pulumi up, which makes it an owner, or before it"
    return [f"The deployer {deployer} is not an owner yet, and {why}. {who}:", *commands]
