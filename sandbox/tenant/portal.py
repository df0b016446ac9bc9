"""The portal page: what the directory holds, for people, in server-rendered HTML without script. Read only.

Owns the page at `/`: the app registrations and, for each, what the product's guide has people look at: the ids under
Overview, Certificates & secrets, API permissions with their consent. Changes are made over Graph, never here.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

from sandbox.tenant.clock import parsed
from sandbox.tenant.directory import Answer, Directory
from sandbox.tenant.documents import Document

_PER_PAGE = 50
_AUDIENCES = {
    "AzureADMyOrg": "My organization only (Single tenant)",
    "AzureADMultipleOrgs": "Multiple organizations",
    "AzureADandPersonalMicrosoftAccount": "All Microsoft account users",
    "PersonalMicrosoftAccount": "Personal Microsoft accounts",
}
_STYLE = Path(__file__).with_name("portal.css")


class Portal:
    """The page at `/`."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def page(self, path: str, query: str) -> Answer | None:
        """The page at a path, if there is one."""
        if path != "/":
            return None
        before = parse_qs(query).get("before", [""])[0]
        position = int(before) if before.isascii() and before.isdigit() and len(before) < 15 else None  # noqa: PLR2004
        rows = self._directory.store.newest("applications", position, _PER_PAGE + 1)
        shown, more = rows[:_PER_PAGE], len(rows) > _PER_PAGE
        content = _document(
            str(self._directory.store.setting("name")),
            self._register([body for _, body in shown]) + _links(position is not None, shown[-1][0] if more else None),
            "".join(self._application(body) for _, body in shown),
        )
        policy = (
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        return Answer(200, content, headers)

    def _register(self, applications: list[Document]) -> str:
        rows = [
            (
                f'<a href="#app-{_text(one["appId"])}">{_text(one["displayName"])}</a>',
                f"<code>{_text(one['appId'])}</code>",
                _text(one["createdDateTime"][:10]),
                self._state(one),
            )
            for one in applications
        ]
        return _table(
            ("Display name", "Application (client) ID", "Created on", "Certificates & secrets"),
            rows,
            "No app registrations.",
        )

    def _state(self, application: Document) -> str:
        credentials = [*application["passwordCredentials"], *application["keyCredentials"]]
        if not credentials:
            return '<span class="quiet">-</span>'
        latest = max(credentials, key=lambda one: parsed(one["endDateTime"]))
        return self._expiry(latest)

    def _expiry(self, credential: Document) -> str:
        day = _text(credential["endDateTime"][:10])
        if parsed(credential["endDateTime"]) <= self._directory.clock.now():
            return f'<span class="warn">⚠ Expired {day}</span>'
        return day

    def _application(self, one: Document) -> str:
        key = _text(one["appId"])
        return (
            f'<article id="app-{key}" aria-labelledby="name-{key}"><h2 id="name-{key}">{_text(one["displayName"])}</h2>'
            f"<h3>Overview</h3>{self._overview(one)}"
            f"<h3>Certificates &amp; secrets</h3>{self._credentials(one)}"
            f"<h3>API permissions</h3>{self._permissions(one)}"
            "</article>"
        )

    def _overview(self, one: Document) -> str:
        owners = self._directory.store.targets(one["id"], "owners")
        lines = (
            ("Display name", _text(one["displayName"])),
            ("Application (client) ID", f"<code>{_text(one['appId'])}</code>"),
            ("Object ID", f"<code>{_text(one['id'])}</code>"),
            ("Directory (tenant) ID", f"<code>{_text(self._directory.tenant_id)}</code>"),
            ("Supported account types", _text(_AUDIENCES[one["signInAudience"]])),
            ("Owners", ", ".join(_text(body["displayName"]) for _, body in owners) or "-"),
        )
        return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in lines) + "</dl>"

    def _credentials(self, one: Document) -> str:
        secrets = [
            (
                _text(secret["displayName"] or "-"),
                self._expiry(secret),
                f"<code>{_text(secret['hint'])}***************</code>",
                f"<code>{_text(secret['keyId'])}</code>",
            )
            for secret in one["passwordCredentials"]
        ]
        content = _table(("Description", "Expires", "Value", "Secret ID"), secrets, "No client secrets.")
        certificates = [
            (_text(key["displayName"] or "-"), self._expiry(key), f"<code>{_text(key['keyId'])}</code>")
            for key in one["keyCredentials"]
        ]
        if certificates:
            content += _table(("Certificate", "Expires", "Certificate ID"), certificates, "")
        trusted = [
            (_text(body["name"]), _text(body["issuer"]), _text(body["subject"]))
            for body in self._directory.store.find("federatedIdentityCredentials", applicationId=one["id"])
        ]
        if trusted:
            content += _table(("Federated credential", "Issuer", "Subject"), trusted, "")
        return content

    def _permissions(self, one: Document) -> str:
        store = self._directory.store
        principals = store.find("servicePrincipals", appId=one["appId"])
        granted = {
            (grant["resourceId"], grant["appRoleId"])
            for principal in principals
            for grant in store.find("appRoleAssignments", principalId=principal["id"])
        }
        asked = {
            (access["resourceAppId"], item["id"]): item["type"]
            for access in one["requiredResourceAccess"]
            for item in access["resourceAccess"]
        }
        rows = [self._permission(api, key, kind, granted, principals) for (api, key), kind in asked.items()]
        for resource_id, role_id in sorted(granted):
            resource = store.get(resource_id, "servicePrincipals")
            if resource and (resource[1]["appId"], role_id) not in asked:
                rows.append(self._permission(resource[1]["appId"], role_id, "Role", granted, principals))
        columns = ("API", "Permission", "Type", "Description", "Status")
        return _table(columns, rows, "No permissions.")

    def _permission(
        self, app_id: str, key: str, kind: str, granted: set[tuple[str, str]], principals: list[Document]
    ) -> tuple[str, ...]:
        store = self._directory.store
        found = store.find("servicePrincipals", appId=app_id)
        api: Document = (
            found[0] if found else {"id": "", "displayName": app_id, "appRoles": [], "oauth2PermissionScopes": []}
        )
        offered = api["appRoles"] if kind == "Role" else api["oauth2PermissionScopes"]
        named: Document = next((one for one in offered if one["id"] == key), {})
        consented = (api["id"], key) in granted
        if kind == "Scope":
            scopes = [
                grant["scope"] or ""
                for principal in principals
                for grant in store.find("oauth2PermissionGrants", clientId=principal["id"])
                if grant["resourceId"] == api["id"]
            ]
            consented = any(named.get("value") in scope.split() for scope in scopes)
        tenant = _text(store.setting("name"))
        status = (
            f'<span class="good">✓ Granted for {tenant}</span>'
            if consented
            else f'<span class="warn">⚠ Not granted for {tenant}</span>'
        )
        return (
            _text(api["displayName"]),
            _text(named.get("value") or key),
            "Application" if kind == "Role" else "Delegated",
            _text(named.get("displayName") or named.get("adminConsentDisplayName") or "-"),
            status,
        )


def _text(value: object) -> str:
    return escape(str(value))


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], empty: str) -> str:
    if not rows:
        return f'<p class="quiet">{escape(empty)}</p>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _links(has_newer: bool, last: int | None) -> str:
    newer = '<a href="/">Newest</a>' if has_newer else ""
    older = f'<a href="/?before={last}">Older</a>' if last is not None else ""
    return f'<nav aria-label="Pages">{newer}{older}</nav>' if newer or older else ""


def _document(tenant: str, register: str, articles: str) -> str:
    name = escape(tenant)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>App registrations - {name}</title><style>{_STYLE.read_text()}</style></head><body>"
        f'<a class="skip" href="#main">Skip to content</a><header><p>{name} | Sandbox tenant</p></header>'
        f'<main id="main"><h1>App registrations</h1>'
        f'<section class="sheet" aria-label="App registrations">{register}</section>'
        f"{articles}</main></body></html>"
    )
