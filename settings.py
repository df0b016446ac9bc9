"""The settings of a stack: what `Pulumi.<stack>.yaml` may say, and every rule about it.

Owns the way from stack configuration to settings, those of this project (`StackSettings`) and of any other
(`Settings`): names, types, defaults, rules, and the text of each refusal. All refusals come at once and before the
first resource, so that nothing reaches the tenant. It declares no resource and never reads the clock: the same commit
gives the same settings on any day.
"""

import difflib
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, ClassVar, Literal, NotRequired, Self, TypedDict, get_args, get_origin
from urllib.parse import SplitResult, urlsplit

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

GRAPH_BY_ENVIRONMENT: Mapping[str, str] = {
    "public": "https://graph.microsoft.com",
    "global": "https://graph.microsoft.com",
    "usgovernment": "https://graph.microsoft.us",
    "usgovernmentl4": "https://graph.microsoft.us",
    "usgovernmentl5": "https://dod-graph.microsoft.us",
    "dod": "https://dod-graph.microsoft.us",
    "china": "https://microsoftgraph.chinacloudapi.cn",
}
"""Microsoft Graph by the cloud names that azuread's `environment` knows.

Source: https://learn.microsoft.com/graph/deployments."""

MICROSOFT_GRAPH = ("MicrosoftGraph", "00000003-0000-0000-c000-000000000000")
DIRECTORY_PERMISSIONS = ("Directory.Read.All", "Directory.ReadWrite.All")
LONGEST_NOTES = 1024
LONGEST_ORGANIZATION = 120 - len("Identity Manager  Secret 2027-11-24")
GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class RefusedSettings(pulumi.RunError):
    """The stack's settings break rules; the text names each, and the command that mends it."""


def refusal(rule: str, mend: Literal["set", "rm"] = "set") -> PydanticCustomError:
    """Make the refusal of one value.

    Args:
        rule: What is wrong with the value, to be read after it.
        mend: Whether setting another value mends it, or removing this one.
    """
    return PydanticCustomError("refused", "{rule}", {"rule": rule, "mend": mend})


def text(value: str) -> str:
    """The rule for any text that is shown: not empty, no spaces around it, nothing that cannot be seen."""
    if not value.strip():
        raise refusal("is empty")
    if value != value.strip() or not value.isprintable():
        raise refusal("has spaces around it, or characters that cannot be seen")
    return value


def _organization(value: str) -> str:
    text(value)
    if value.lower().startswith("identity manager"):
        raise refusal(f"is more than the organization: the display name would be 'Identity Manager {value}'")
    if "'" in value:
        raise refusal(
            "has a straight apostrophe, on which azuread's check for duplicate names fails; "
            "write \N{RIGHT SINGLE QUOTATION MARK} for it"
        )
    if len(value) > LONGEST_ORGANIZATION:
        raise refusal(f"is longer than {LONGEST_ORGANIZATION} characters, so a secret's name would not fit")
    return value


def _notes(value: str | pulumi.Output[str]) -> str | pulumi.Output[str]:
    if isinstance(value, str) and not 0 < len(value.strip()) <= len(value) <= LONGEST_NOTES:
        raise refusal(f"is not a text of 1 to {LONGEST_NOTES:,} characters")
    return value


def _reference(value: str | pulumi.Output[str]) -> str | pulumi.Output[str]:
    return text(value) if isinstance(value, str) else value


def _connection(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", value):
        raise refusal(
            "is no connection identifier: a letter, then letters and digits only, since it becomes part of the names "
            "of files, environment variables and Key Vault secrets"
        )
    return value


def _expiry_date(value: str) -> str:
    try:
        written_as_asked = date.fromisoformat(value).isoformat() == value
    except ValueError:
        written_as_asked = False
    if not written_as_asked:
        raise refusal('is no date of the calendar written as "YYYY-MM-DD", with the quotation marks in the stack file')
    return value


def _object_id(value: str) -> str:
    if not GUID.fullmatch(value):
        raise refusal("is no object id, as the portal shows it on the Overview of a user or an enterprise application")
    if not value.strip("0-"):
        raise refusal("is the empty object id, which nobody has")
    return value.lower()


def _assignment_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{20,64}", value):
        raise refusal("is no id of an app role assignment, as Microsoft Graph lists them: letters, digits, - and _")
    return value


def _grant(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]+/[A-Za-z0-9_.-]+", value):
        raise refusal("is no grant: write API/permission, such as MicrosoftGraph/Directory.Read.All", mend="rm")
    return value


def _permission(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
        raise refusal("is no permission's name, such as User.Read.All")
    return value


def address(value: str) -> SplitResult:
    """The rule for any address: a host, and nothing that names a user or a place in a page."""
    parts = urlsplit(value) if value.isprintable() and not re.search(r"\s", value) else urlsplit("")
    if not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise refusal("is no address: https://, a host, no user name, no #, no spaces")
    return parts


def _graph_api_url(value: str) -> str:
    parts = address(value)
    path = parts.path.rstrip("/")
    if parts.scheme != "https" or parts.query or path not in ("/v1.0", "/beta"):
        raise refusal("is no https:// address of Microsoft Graph that ends with its version, /v1.0/ or /beta/")
    return f"https://{parts.netloc}{path}/"


def _response_uri(value: str) -> str:
    parts = address(value)
    if "*" in value or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
        raise refusal("is no redirect URI that Entra takes: https://, or http:// for localhost alone, and no *")
    # azuread takes a URI without a path only with the slash at its end.
    return value if parts.path else parts._replace(path="/").geturl()


def _one_or_more(value: list[str]) -> list[str]:
    if not value:
        raise refusal("names none")
    return value


def each_once(value: list[str]) -> list[str]:
    """The rule for lists of names."""
    seen: set[str] = set()
    for one in value:
        if one.lower() in seen:
            raise refusal(f"names {one} twice; upper and lower case count as the same")
        seen.add(one.lower())
    return value


def _beyond_the_directory_permission(value: dict[str, list[str]]) -> dict[str, list[str]]:
    for api, names in value.items():
        text(api)
        for name in names:
            if api in MICROSOFT_GRAPH and name in DIRECTORY_PERMISSIONS:
                raise refusal(
                    f"names {name}, of which the application holds exactly one: set fulfillment to true for "
                    "Directory.ReadWrite.All, to false for Directory.Read.All",
                    mend="rm",
                )
    return value


ObjectId = Annotated[str, AfterValidator(_object_id)]
ApiPermissions = Annotated[
    list[Annotated[str, AfterValidator(_permission)]], AfterValidator(_one_or_more), AfterValidator(each_once)
]


class AdoptedIds(TypedDict):
    """The ids that are adopted."""

    application: NotRequired[str]
    service_principal: NotRequired[str]
    grants: NotRequired[Mapping[str, str]]


def _something(value: "Adopt | None") -> "Adopt | None":
    if value is not None and not value.given:
        raise refusal("names nothing to adopt", mend="rm")
    return value


class Adopt(BaseModel):
    """What `python -m operations adopt` writes: the ids of what was made by hand and is taken over."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    application: ObjectId | None = Field(
        default=None,
        description="Object id of the application.",
        examples=["55555555-5555-4555-8555-555555555555"],
    )
    service_principal: ObjectId | None = Field(
        default=None,
        description="Object id of its service principal.",
        examples=["66666666-6666-4666-8666-666666666666"],
    )
    grants: dict[Annotated[str, AfterValidator(_grant)], Annotated[str, AfterValidator(_assignment_id)]] = Field(
        default_factory=dict,
        description="Ids of app role assignments by API and permission.",
        examples=["Zm9ydHktdHdvLWNoYXJhY3RlcnMtb2YtYmFzZTY0"],
    )

    @property
    def given(self) -> AdoptedIds:
        """What is named, and nothing else."""
        given: AdoptedIds = {}
        if self.application:
            given["application"] = self.application
        if self.service_principal:
            given["service_principal"] = self.service_principal
        if self.grants:
            given["grants"] = self.grants
        return given


class StackConfiguration(PydanticBaseSettingsSource):
    """A settings source over the stack's configuration, `pulumi.Config`.

    Every key of the namespace is handed on, so that the model refuses the unknown ones. A value arrives as text from
    the engine; it is read as JSON unless its field is text. A secret value stays an Output.
    """

    def __init__(self, settings_cls: type[BaseSettings], namespace: str) -> None:
        super().__init__(settings_cls)
        self._namespace = namespace

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[object, str, bool]:
        """Read one value.

        Args:
            field: The field of the model.
            field_name: The key in the stack file.

        Returns:
            The value, the key, and whether the value still has to be decoded (never).
        """
        config = pulumi.Config(self._namespace)
        if is_config_secret(config.full_key(field_name)):
            return config.require_secret(field_name), field_name, False
        value = config.require(field_name)
        if field.annotation in (str, str | None, str | pulumi.Output[str] | None):
            return value, field_name, False
        try:
            return json.loads(value), field_name, False
        except json.JSONDecodeError:
            return value, field_name, False

    def __call__(self) -> dict[str, object]:
        """Read all keys of the namespace."""
        by_key = {field.alias: field for field in self.settings_cls.model_fields.values()}
        prefix = f"{self._namespace}:"
        keys = [key.removeprefix(prefix) for key in CONFIG.get() if key.startswith(prefix)]
        return {key: self.get_field_value(by_key.get(key, FieldInfo(annotation=str)), key)[0] for key in keys}


class Settings(BaseSettings):
    """The settings of one stack of one project: a namespace, and what every project's stacks may say."""

    model_config = SettingsConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=False,
        arbitrary_types_allowed=True,
    )

    namespace: ClassVar[str]
    in_the_sandbox: ClassVar[str]
    """The command that runs the project in the sandbox."""
    pulumi_command: ClassVar[str] = "pulumi"
    """How Pulumi is called for this project."""

    sandbox: bool = Field(
        default=False,
        description="The stack belongs to the sandbox and never reaches a real tenant.",
        examples=["false"],
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the stack's configuration as the only source: what is not in the commit changes no plan."""
        return (StackConfiguration(settings_cls, cls.namespace),)

    @classmethod
    def load(cls) -> Self:
        """Read and check the settings of the stack that runs.

        Raises:
            RefusedSettings: One or more settings break a rule, or a stack of the sandbox runs outside of it.
        """
        try:
            settings = cls()
        except ValidationError as error:
            raise RefusedSettings(_explain(cls, error.errors())) from None
        if settings.sandbox and not _tenant_is_on_this_machine():
            raise RefusedSettings(
                f"The stack {pulumi.get_stack()} belongs to the sandbox ({cls.namespace}:sandbox is true), and "
                "this run would reach a real tenant. Nothing was changed.\n"
                f"Run it in the sandbox with:\n  {cls.in_the_sandbox}\n"
                f"For a real tenant, make a stack of your own:\n  {cls.pulumi_command} stack init prod"
            )
        return settings


class StackSettings(Settings):
    """The settings of one stack, as its `Pulumi.<stack>.yaml` gives them in the namespace `identity-manager`."""

    namespace = "identity-manager"
    in_the_sandbox = "make up"

    organization: Annotated[str, AfterValidator(_organization)] = Field(
        description="The organization, as in the display name `Identity Manager <organization>`.", examples=["Contoso"]
    )
    fulfillment: bool = Field(
        default=False,
        description="Grants Directory.ReadWrite.All, to write the directory, instead of Directory.Read.All.",
        examples=["true"],
    )
    connections: Annotated[
        list[Annotated[str, AfterValidator(_connection)]], AfterValidator(_one_or_more), AfterValidator(each_once)
    ] = Field(
        default_factory=list,
        description="Identifiers of the agent's connections, each with its own client secret; by default the one that "
        "the product's documentation uses.",
        examples=["MicrosoftEntraIDExport"],
    )
    secrets: Annotated[
        list[Annotated[str, AfterValidator(_expiry_date)]], AfterValidator(_one_or_more), AfterValidator(each_once)
    ] = Field(
        description="Expiry dates of the client secrets, `YYYY-MM-DD`; the newest is handed to the agent.",
        examples=["2027-11-24"],
    )
    deployer: ObjectId | None = Field(
        default=None,
        description="Object id of the identity that applies the stack; always an owner of what it makes.",
        examples=["33333333-3333-4333-8333-333333333333"],
    )
    owners: Annotated[list[ObjectId], AfterValidator(each_once)] = Field(
        default_factory=list,
        description="Object ids of people who see the application under Owned applications.",
        examples=["44444444-4444-4444-8444-444444444444"],
    )
    additional_permissions: Annotated[dict[str, ApiPermissions], AfterValidator(_beyond_the_directory_permission)] = (
        Field(
            default_factory=dict,
            description="Application permissions by API, beyond the documented one.",
            examples=["AuditLog.Read.All"],
        )
    )
    graph_api_url: Annotated[str, AfterValidator(_graph_api_url)] | None = Field(
        default=None,
        description="Microsoft Graph's address in the agent's settings; that of the tenant's cloud by default.",
        examples=["https://graph.microsoft.com/v1.0/"],
    )
    response_uri: Annotated[str, AfterValidator(_response_uri)] | None = Field(
        default=None,
        description="ResponseUri in the agent's settings, registered as redirect URI.",
        examples=["https://agent.contoso.example"],
    )
    notes: Annotated[str | pulumi.Output[str] | None, AfterValidator(_notes)] = Field(
        default=None, description="Notes on the application.", examples=["Reads the directory"]
    )
    service_management_reference: Annotated[str | pulumi.Output[str] | None, AfterValidator(_reference)] = Field(
        default=None,
        description="Where the organization's service management knows the application.",
        examples=["CMDB-4711"],
    )
    protect: bool = Field(
        default=True, description="Protects application and service principal from deletion.", examples=["true"]
    )

    adopt: Annotated[Adopt | None, AfterValidator(_something)] = Field(
        default=None,
        description="Ids of a registration made by hand that is taken over; written by `python -m operations adopt`. "
        "While it is there, application, service principal and these grants are protected.",
        examples=["55555555-5555-4555-8555-555555555555"],
    )

    @property
    def all_owners(self) -> list[str]:
        """Object ids of the owners, the deployer among them, in an order that never changes by itself."""
        return sorted({*self.owners, *([self.deployer] if self.deployer else [])})

    @property
    def graph_api_base(self) -> str:
        """Microsoft Graph's address for the agent, with version and trailing slash.

        Raises:
            RefusedSettings: The cloud is one whose Microsoft Graph is not known here.
        """
        if self.graph_api_url:
            return self.graph_api_url
        environment = pulumi.Config("azuread").get("environment") or os.environ.get("ARM_ENVIRONMENT") or "public"
        if environment not in GRAPH_BY_ENVIRONMENT:
            raise RefusedSettings(
                f"Microsoft Graph's address in the cloud {environment} is not known here, so the agent would be sent "
                "nowhere. Nothing was changed.\n"
                f"Say it with:\n  {_command(type(self), 'set', 'graphApiUrl', 'https://graph.example/v1.0/')}"
            )
        return f"{GRAPH_BY_ENVIRONMENT[environment]}/v1.0/"


def _tenant_is_on_this_machine() -> bool:
    host = pulumi.Config("azuread").get("metadataHost") or os.environ.get("ARM_METADATA_HOSTNAME") or ""
    return urlsplit(f"//{host}").hostname in LOOPBACK


PLAIN_RULES: Mapping[str, str] = {
    "bool_type": "is neither true nor false",
    "string_type": "is not a text",
    "list_type": "is not a list",
    "dict_type": "does not map APIs to permissions, or permissions to grants",
    "model_type": "does not map kinds of resources to ids",
}
"""What the model's own type errors mean to a person, by pydantic's error type."""

WRITTEN_BY: Mapping[str, str] = {"adopt": "python -m operations adopt"}
"""Settings that a command writes: taking them out and running it again mends whatever is wrong in them."""


def _command(model: type[Settings], verb: Literal["set", "rm"], path: str, value: str = "") -> str:
    plain = path.isalnum()
    key = f"{model.namespace}:{path}" if plain else f"--path '{model.namespace}:{path}'"
    quoted = value if re.fullmatch(r"[\w.:/-]*", value) else f"'{value}'"
    return f"{model.pulumi_command} config {verb} --stack {pulumi.get_stack()} {key} {quoted}".rstrip()


def _path(location: Sequence[int | str]) -> str:
    # pydantic marks that it is the key of a map that is wrong.
    key, *rest = (part for part in location if part != "[key]")
    return str(key) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def _explain_one(model: type[Settings], error: ErrorDetails) -> str:
    location, value = error["loc"], error["input"]
    key, name = str(location[0]), f"{model.namespace}:{location[0]}"
    fields = _fields(model)
    if error["type"] == "missing":
        rule = f"{name} is missing. {fields[key].description}"
    elif error["type"] == "extra_forbidden":
        known = _fields(_inner(fields[key])) if len(location) > 1 else fields
        path = _path(location)
        nearest = _nearest(str(location[-1]), list(known))
        return f"{model.namespace}:{path} is not a setting. {nearest}\n      {_command(model, 'rm', path)}"
    elif isinstance(value, pulumi.Output):
        rule = f"{name} is stored as a secret, but is shown in names and plans: set it without --secret."
    else:
        shown = json.dumps(value, ensure_ascii=False)
        shown = shown if len(shown) <= 60 else f"{shown[:60]}…"  # noqa: PLR2004 - keeps the refusal on a line
        said = PLAIN_RULES.get(error["type"], error["msg"])
        rule = f"{model.namespace}:{_path(location)} = {shown} {said}."
    return "\n      ".join([rule, *_mend(model, error, fields[key])])


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {str(field.alias): field for field in model.model_fields.values()}


def _inner(field: FieldInfo) -> type[BaseModel]:
    """The model of a setting that has keys of its own."""
    return next(one for one in get_args(field.annotation) if isinstance(one, type) and issubclass(one, BaseModel))


def _nearest(key: str, known: Sequence[str]) -> str:
    by_lower_case = {one.lower(): one for one in known}
    near = difflib.get_close_matches(re.sub("[_-]", "", key).lower(), by_lower_case, n=1)
    # Those of every project, such as sandbox, come last.
    in_order = sorted(known, key=lambda one: one in Settings.model_fields)
    return f"Did you mean {by_lower_case[near[0]]}?" if near else f"The known keys are {', '.join(in_order)}."


def _mend(model: type[Settings], error: ErrorDetails, field: FieldInfo) -> list[str]:
    location = error["loc"]
    path = _path(location)
    if location[0] in WRITTEN_BY:
        key = str(location[0])
        return [_command(model, "rm", key), f"{WRITTEN_BY[key]} --stack {pulumi.get_stack()}"]
    if error.get("ctx", {}).get("mend") == "rm":
        return [_command(model, "rm", path)]
    # The engine sets no item of a value that is no list: such a value has to go first.
    first = [_command(model, "rm", path)] if error["type"] in ("list_type", "dict_type") else []
    kind = get_origin(field.annotation)
    if kind is dict and len(location) == 1:
        path = f"{path}.MicrosoftGraph"
    if kind in (list, dict) and not isinstance(location[-1], int):
        path = f"{path}[0]"
    return [*first, _command(model, "set", path, str((field.examples or [""])[0]))]


def _explain(model: type[Settings], errors: Sequence[ErrorDetails]) -> str:
    count = "One setting is" if len(errors) == 1 else f"{len(errors)} settings are"
    told = "\n".join(f"  - {_explain_one(model, error)}" for error in errors)
    return f"{count} refused, so nothing was changed:\n{told}"
