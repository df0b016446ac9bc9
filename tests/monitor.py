"""A Pulumi monitor without an engine, for unit tests of programs and components.

Owns what a program asks of the engine, recorded in order, and the answers of a small tenant. It stands in for the
engine only: what the plugin and the tenant do is tested with the real ones.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi.runtime import mocks, set_all_config
from pulumi.runtime.stack import run_pulumi_func

ROLE_IDS = {
    "Directory.Read.All": "7ab1d382-f21e-4acd-a863-ba3e13f7da61",
    "Directory.ReadWrite.All": "19dbc75e-c2e2-444c-a770-ec69d8559fc7",
    "AuditLog.Read.All": "b0afded3-3588-46d8-8b3d-9842eff778da",
    "User.ReadWrite.All": "741f803b-c850-494e-b5df-cde7c675a1ca",
}
GRAPH = "00000003-0000-0000-c000-000000000000"
MANAGEMENT = "c5393580-f805-4401-95e8-94b7a6ef2fc2"
TENANT = "11111111-1111-4111-8111-111111111111"


@dataclass(frozen=True)
class Registered:
    """One resource as the program declared it."""

    type: str
    name: str
    inputs: Mapping[str, object]
    import_id: str | None = None


@dataclass
class Recorder(mocks.Mocks):
    """Records what a program asks, and answers like a tenant with Microsoft Graph in it."""

    unknown: bool = False
    registered: list[Registered] = field(default_factory=list)
    called: list[str] = field(default_factory=list)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, object], list[tuple[str, str]]]:
        self.called.append(args.token)
        answers: dict[str, dict[str, object]] = {
            "azuread:index/getApplicationPublishedAppIds:getApplicationPublishedAppIds": {
                "id": "appIds",
                "result": {"MicrosoftGraph": GRAPH, "Office365Management": MANAGEMENT},
            },
            "azuread:index/getClientConfig:getClientConfig": {"tenantId": TENANT},
            "azuread:index/getServicePrincipal:getServicePrincipal": {
                "objectId": f"sp-of-{args.args.get('clientId')}",
                "appRoleIds": ROLE_IDS if args.args.get("clientId") == GRAPH else {"ActivityFeed.Read": "role-of-feed"},
            },
        }
        return answers[args.token], []

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
        self.registered.append(Registered(args.typ, args.name, args.inputs, args.resource_id or None))
        if self.unknown:
            return None, dict(args.inputs)
        computed: dict[str, dict[str, object]] = {
            "azuread:index/application:Application": {"clientId": f"client-id-of-{args.name}"},
            "azuread:index/servicePrincipal:ServicePrincipal": {"objectId": f"object-id-of-{args.name}"},
            "azuread:index/applicationPassword:ApplicationPassword": {"value": f"value-of-{args.name}"},
        }
        return f"id-of-{args.name}", {**args.inputs, **computed.get(args.typ, {})}

    def of_type(self, name: str) -> list[Registered]:
        """The resources of one azuread type, such as `Application`."""
        return [one for one in self.registered if one.type.endswith(f":{name}")]


@dataclass(frozen=True)
class Resolved:
    """What became of an Output."""

    value: object
    known: bool
    secret: bool


def run(
    program: Callable[[], Mapping[str, pulumi.Output[object]] | None],
    recorder: Recorder,
    *,
    preview: bool = False,
    config: Mapping[str, str] | None = None,
    secret_keys: Sequence[str] = (),
) -> dict[str, Resolved]:
    """Run a program as the engine would, wait for all that it started, and resolve the outputs that it returns."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    set_all_config(dict(config or {}), list(secret_keys))
    mocks.set_mocks(recorder, project="identity-manager", stack="test", preview=preview)
    outputs: dict[str, pulumi.Output[object]] = {}
    loop.run_until_complete(run_pulumi_func(lambda: outputs.update(program() or {})))

    async def resolve(output: pulumi.Output[object]) -> Resolved:
        return Resolved(await output.future(with_unknowns=True), await output.is_known(), await output.is_secret())

    return {name: loop.run_until_complete(resolve(output)) for name, output in outputs.items()}
