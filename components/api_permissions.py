"""Application permissions by name.

Owns the way from names, such as `{"MicrosoftGraph": ["Directory.Read.All"]}`, to the app role ids that Microsoft Graph
wants. The names are read from the API's own service principal in the tenant, at preview too: a table of ids kept here
would age, and a name that is skipped because it is unknown would grant less than was declared without a word.

It leaves the service principals of the APIs alone: they are Microsoft's, and a managed one would be deleted on destroy.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import pulumi
import pulumi_azuread as azuread
from pulumi.runtime.settings import get_monitor

CLIENT_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


@dataclass(frozen=True)
class ApiPermission:
    """One application permission of one API, found in the tenant.

    Attributes:
        api: The API as it was declared: its published name, or its client id.
        name: The permission's name, for instance `Directory.Read.All`.
        api_client_id: The API's application (client) id.
        api_object_id: The object id of the API's service principal in this tenant.
        app_role_id: The id of the app role that carries this permission.
    """

    api: str
    name: str
    api_client_id: str
    api_object_id: str
    app_role_id: str


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.5)
    return f"The nearest are {', '.join(near)}." if near else "No name comes near it."


class ApiCatalogue:
    """The APIs of one tenant and their application permissions.

    Each API is looked up once, however many applications ask for it.
    """

    def __init__(self, options: pulumi.InvokeOptions) -> None:
        self._options = options
        self._published: Mapping[str, str] | None = None
        self._found: dict[str, azuread.GetServicePrincipalResult] = {}

    def resolve(self, permissions: Mapping[str, Sequence[str]]) -> list[ApiPermission]:
        """Find the declared permissions in the tenant.

        Args:
            permissions: Names by API. An API is named as azuread's published application ids name it
                (`MicrosoftGraph`, `Office365Management`, ...) or by its client id.

        Returns:
            One entry per permission, ordered by the ids of API and app role, so that the order of the declaration is no
            change to the application.

        Raises:
            pulumi.RunError: An API or a name is not known. All of them are named at once, each with its nearest.
        """
        refusals: list[str] = []
        resolved: dict[tuple[str, str], ApiPermission] = {}
        for api, names in permissions.items():
            client_id = self._client_id(api, refusals)
            if client_id is None:
                continue
            service_principal = self._service_principal(api, client_id)
            for name in names:
                app_role_id = service_principal.app_role_ids.get(name)
                if app_role_id is None:
                    near = _nearest(name, service_principal.app_role_ids)
                    refusals.append(f"{api} has no application permission {name}. {near}")
                else:
                    permission = ApiPermission(api, name, client_id, service_principal.object_id, app_role_id)
                    resolved[client_id, app_role_id] = permission
        if refusals:
            raise pulumi.RunError(
                "These permissions cannot be granted, so nothing was changed:\n"
                + "".join(f"  - {refusal}\n" for refusal in refusals)
                + "Correct the names in identity-manager:additionalPermissions, for instance with\n"
                "  pulumi config set --path 'identity-manager:additionalPermissions.MicrosoftGraph[0]' User.Read.All"
            )
        return [resolved[key] for key in sorted(resolved)]

    def _client_id(self, api: str, refusals: list[str]) -> str | None:
        if CLIENT_ID.fullmatch(api):
            return api.lower()
        if self._published is None:
            self._published = azuread.get_application_published_app_ids(self._options).result
        client_id = self._published.get(api)
        if client_id is None:
            refusals.append(
                f"{api} is no API that Microsoft publishes, and no client id. {_nearest(api, self._published)}"
            )
        return client_id

    def _service_principal(self, api: str, client_id: str) -> azuread.GetServicePrincipalResult:
        if client_id not in self._found:
            try:
                self._found[client_id] = azuread.get_service_principal(client_id=client_id, opts=self._options)
            except Exception as error:
                # The SDK raises a bare Exception for whatever the plugin answered.
                raise pulumi.RunError(
                    f"The permissions of {api} ({client_id}) could not be read from the tenant, so nothing was "
                    f"changed: {error}\n"
                    "Check that the identity that runs Pulumi holds Application.Read.All, which a Privileged Role "
                    "Administrator grants, and that the tenant has the API's service principal: "
                    f"az ad sp show --id {client_id}"
                ) from error
        return self._found[client_id]


_catalogues: WeakKeyDictionary[object, dict[pulumi.ProviderResource | None, ApiCatalogue]] = WeakKeyDictionary()


def catalogue_for(resource: pulumi.Resource) -> ApiCatalogue:
    """The catalogue of the tenant that a resource's azuread provider works on.

    All resources of one run with the same provider share it: a stack of a thousand applications looks Microsoft Graph
    up once.
    """
    of_this_run = _catalogues.setdefault(get_monitor(), {})
    provider = resource.get_provider("azuread:index/application:Application")
    if provider not in of_this_run:
        of_this_run[provider] = ApiCatalogue(pulumi.InvokeOptions(provider=provider))
    return of_this_run[provider]
