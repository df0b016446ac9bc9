"""What a plan means to a person: the changes in words, and the risks.

Owns the judgement of a plan: what is worth a reviewer's first look, and why. It judges a permission by its app role id
where it knows the id, and takes every permission that does not plainly only read for one that writes. It leaves alone
how words are laid out: whatever comes out of the plan goes through `quote`, which makes it harmless in the place where
it is printed.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from operations.plan import MASKED, UNKNOWN, Change, Kind, Plan

APPLICATION = "azuread:index/application:Application"
SERVICE_PRINCIPAL = "azuread:index/servicePrincipal:ServicePrincipal"
PASSWORD = "azuread:index/applicationPassword:ApplicationPassword"  # noqa: S105 - a resource type
GRANT = "azuread:index/appRoleAssignment:AppRoleAssignment"
FEDERATED = "azuread:index/applicationFederatedIdentityCredential:ApplicationFederatedIdentityCredential"
_KNOWN = (APPLICATION, SERVICE_PRINCIPAL, PASSWORD, GRANT, FEDERATED)

DIRECTORY_PERMISSIONS: Mapping[str, str] = {
    "7ab1d382-f21e-4acd-a863-ba3e13f7da61": "Directory.Read.All",
    "19dbc75e-c2e2-444c-a770-ec69d8559fc7": "Directory.ReadWrite.All",
}
"""The two of which Identity Manager holds one, by app role id: the same in every tenant."""

_ONLY_READS = re.compile(r"[A-Za-z-]+\.Read(Basic)?(\.[A-Za-z]+)*")
_PERMISSION = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[^-]+)-(.+)", re.IGNORECASE)
_REDIRECTS = ("web", "publicClient", "singlePageApplication")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOST_LISTED = 5

Quote = Callable[[str], str]


@dataclass
class Story:
    """A plan in words.

    Attributes:
        clauses: What changes; each begins with a verb.
        risks: What to look at first, the gravest first.
    """

    clauses: list[str] = field(default_factory=list)
    risks: list[str] = field(default_factory=list)


@dataclass
class _Registration:
    """One application and all that belongs to it, by resource type."""

    parent: str
    members: dict[str, list[Change]] = field(default_factory=dict)

    def of(self, kind: str) -> list[Change]:
        return self.members.get(kind, [])

    @property
    def name(self) -> str:
        for change in self.of(APPLICATION):
            for inputs in (change.after(), change.before()):
                name = inputs.get("displayName")
                if isinstance(name, str) and name != UNKNOWN:
                    return name
        return self.parent.rpartition("::")[2]


@dataclass(frozen=True)
class _Secret:
    connection: str
    ends: str
    change: Change


def tell(plan: Plan, quote: Quote) -> Story:
    """Put a plan into words.

    Args:
        plan: The plan.
        quote: Makes a text that comes out of the plan harmless where it is printed.
    """
    story = Story()
    risks: list[tuple[int, str]] = []
    registrations: dict[str, _Registration] = {}
    unusual = []
    for change in plan.changes:
        if change.type in _KNOWN:
            group = registrations.setdefault(change.parent, _Registration(change.parent))
            group.members.setdefault(change.type, []).append(change)
        elif change.in_directory and change.is_one:
            unusual.append(change)
    for registration in registrations.values():
        teller = _Teller(registration, quote)
        story.clauses += teller.clauses()
        risks += teller.risks
    for change in unusual:
        what = f"{quote(change.type)} {quote(change.name)}"
        story.clauses.append(
            f"{change.kind}s {what}" if change.kind is not Kind.SAME else f"changes protection: {what}"
        )
        risks.append((4, f"Outside of what a registration is made of: {change.kind} {what}."))
    story.risks = [text for _, text in sorted(risks, key=lambda risk: risk[0])]
    return story


class _Teller:
    """The words for one registration."""

    def __init__(self, registration: _Registration, quote: Quote) -> None:
        self._all = registration
        self._quote = quote
        self._name = quote(registration.name)
        self.risks: list[tuple[int, str]] = []

    def clauses(self) -> list[str]:
        """What changes, the application's name once; fills `risks` on the way."""
        phrases = [
            *self._identity(),
            *self._grants(),
            *self._secrets(),
            *self._owners(),
            *self._redirects(),
            *self._federated(),
            *self._rest(),
            *self._protection(),
        ]
        # A phrase that speaks of the application itself carries the name already.
        named = any(preposition == "" for _, preposition in phrases)
        told = []
        for number, (phrase, preposition) in enumerate(phrases):
            told.append(phrase if named or number else f"{phrase} {preposition} {self._name}")
        return told

    def _risk(self, rank: int, text: str) -> None:
        self.risks.append((rank, text))

    def _identity(self) -> list[tuple[str, str]]:
        phrases = []
        for change in self._all.of(APPLICATION):
            if change.kind is Kind.CREATE:
                phrases.append((f"registers {self._name}", ""))
            if change.kind is Kind.DELETE:
                phrases.append((f"removes {self._name}", ""))
                self._risk(0, f"{self._name} is removed: it can sign in no more, and all its secrets and grants go.")
            if change.kind is Kind.REPLACE:
                phrases.append((f"replaces {self._name}", ""))
                self._risk(
                    0,
                    f"{self._name} is replaced: another ApplicationId and other secrets. The agent stops until it "
                    "holds them.",
                )
            if change.kind is Kind.UPDATE and _differs(change, "displayName"):
                before = self._quote(str(change.before().get("displayName")))
                phrases.append((f"renames {before} to {self._name}", ""))
            audience = change.after().get("signInAudience", "AzureADMyOrg")
            if change.is_one and change.new and audience != "AzureADMyOrg":
                self._risk(1, f"{self._name} is open to accounts outside of the tenant: {self._quote(str(audience))}.")
        gone = any(change.kind in (Kind.DELETE, Kind.REPLACE) for change in self._all.of(APPLICATION))
        for change in self._all.of(SERVICE_PRINCIPAL):
            if change.kind in (Kind.DELETE, Kind.REPLACE) and not gone:
                phrases.append((f"{change.kind}s the service principal", "of"))
                self._risk(0, f"The service principal of {self._name} goes, and every permission that it holds.")
        return phrases

    def _grants(self) -> list[tuple[str, str]]:
        granted, revoked, again = [], [], []
        for change in self._all.of(GRANT):
            shown = self._permission(change)
            if change.kind is Kind.CREATE:
                granted.append(shown)
            elif change.kind is Kind.DELETE:
                revoked.append(shown)
            elif change.kind is Kind.REPLACE:
                again.append(shown)
            if change.kind in (Kind.CREATE, Kind.REPLACE):
                self._judge(change, shown)
        phrase = ", ".join(
            f"{verb} {_and(names)}{where}"
            for verb, names, where in (
                ("grants", granted, f" to {self._name}"),
                ("grants again", again, f" to {self._name}"),
                ("revokes", revoked, "" if granted or again else f" from {self._name}"),
            )
            if names
        )
        fate = {change.kind for change in self._all.of(APPLICATION)}
        if fate & {Kind.CREATE, Kind.REPLACE}:
            # The application was named by the phrase before.
            phrase = phrase.replace(f" to {self._name}", "")
        return [(phrase, "")] if phrase and Kind.DELETE not in fate else []

    def _permission(self, change: Change) -> str:
        """A permission's name, its API before it unless that is Microsoft Graph."""
        role, api, name = self._role(change)
        known = DIRECTORY_PERMISSIONS.get(role, name)
        return self._quote(known if api == "MicrosoftGraph" or known != name else f"{api}/{known}")

    def _role(self, change: Change) -> tuple[str, str, str]:
        inputs = change.after() or change.before()
        rest = change.name.removeprefix(f"{self._all.parent.rpartition('::')[2]}-")
        parts = _PERMISSION.fullmatch(rest)
        return str(inputs.get("appRoleId")).lower(), *((parts[1], parts[2]) if parts else ("", rest))

    def _judge(self, change: Change, shown: str) -> None:
        role, _, name = self._role(change)
        known = DIRECTORY_PERMISSIONS.get(role)
        if known is None and name in DIRECTORY_PERMISSIONS.values():
            self._risk(
                1, f"The grant named {self._quote(name)} is for another app role, {self._quote(role)}. Look that up."
            )
        elif not _ONLY_READS.fullmatch(known or name):
            self._risk(2, f"Write permission: {shown} lets {self._name} change things in the tenant.")
        if known is None:
            self._risk(
                3, f"Permission beyond the documented one: {shown}, app role {self._quote(role)}, for {self._name}."
            )

    def _secrets(self) -> list[tuple[str, str]]:
        passwords = self._all.of(PASSWORD)
        # A connection may have another name now; its older secrets that go have the former one.
        renamed = {self._connection(one.former_name): self._connection(one.name) for one in passwords if one.new}
        secrets = [self._secret(change, renamed) for change in passwords]
        many = len({secret.connection for secret in secrets}) > 1
        removed = any(change.kind is Kind.DELETE for change in self._all.of(APPLICATION))
        phrases = []
        for connection in dict.fromkeys(secret.connection for secret in secrets):
            of_one = [secret for secret in secrets if secret.connection == connection]
            whose = f" for {self._quote(connection)}" if many else ""
            for kind, verb, preposition in (
                (Kind.CREATE, "adds", "to"),
                (Kind.REPLACE, "replaces", "of"),
                (Kind.DELETE, "removes", "from"),
            ):
                ends = sorted(secret.ends for secret in of_one if secret.change.kind is kind)
                one = f"{'a' if kind is Kind.CREATE else 'the'} secret that ends"
                dates = _and([end if _DATE.fullmatch(end) else self._quote(end) for end in ends])
                if ends and not removed:
                    what = one if len(ends) == 1 else "secrets that end"
                    phrases.append((f"{verb} {what} {dates}{whose}", preposition))
            held = [secret for secret in of_one if secret.change.old]
            newest = max(held, key=lambda secret: secret.ends, default=None)
            if newest and newest.change.kind in (Kind.DELETE, Kind.REPLACE) and not removed:
                fate = "removed" if newest.change.kind is Kind.DELETE else "replaced"
                self._risk(
                    1,
                    f"The newest secret{whose} of {self._name}, until {self._quote(newest.ends)}, is {fate}: the agent "
                    "holds it, and cannot sign in until it holds another.",
                )
        return phrases

    def _secret(self, change: Change, renamed: Mapping[str, str]) -> _Secret:
        inputs = change.before() if change.kind is Kind.DELETE else change.after()
        connection = self._connection(change.name)
        return _Secret(renamed.get(connection, connection), str(inputs.get("endDate", ""))[:10], change)

    def _connection(self, name: str) -> str:
        rest = name.removeprefix(f"{self._all.parent.rpartition('::')[2]}-")
        return re.sub(r"-\d{4}-\d{2}-\d{2}$", "", rest)

    def _owners(self) -> list[tuple[str, str]]:
        changes = [
            change
            for kind in (APPLICATION, SERVICE_PRINCIPAL)
            for change in self._all.of(kind)
            if change.kind in (Kind.UPDATE, Kind.REPLACE)
        ]
        before, after = (
            {one for change in changes for one in _texts(inputs(change).get("owners"))}
            for inputs in (Change.before, Change.after)
        )
        phrases = []
        if added := sorted(after - before):
            phrases.append((f"adds owner{_s(added)} {_and(map(self._quote, added))}", "to"))
        if removed := sorted(before - after):
            listed = _and(map(self._quote, removed))
            phrases.append((f"takes {listed} off the owners", "of"))
            left = "" if after else " Nobody is left."
            self._risk(
                2,
                f"Owner{_s(removed)} removed from {self._name}: {listed}.{left} An identity that deploys with "
                "Application.ReadWrite.OwnedBy locks itself out when it is no owner.",
            )
        return phrases

    def _redirects(self) -> list[tuple[str, str]]:
        phrases = []
        for change in self._all.of(APPLICATION):
            before, after = (
                [uri for platform in _REDIRECTS for uri in _redirect_uris(inputs.get(platform))]
                for inputs in (change.before(), change.after())
            )
            if change.kind is Kind.DELETE or before == after:
                continue
            if added := [uri for uri in after if uri not in before]:
                listed = _and(map(self._quote, added))
                phrases.append((f"adds redirect URI{_s(added)} {listed}", "to"))
                self._risk(3, f"Redirect URI added to {self._name}: {listed}. Sign-ins can be sent there.")
            if removed := [uri for uri in before if uri not in after]:
                phrases.append((f"removes redirect URI{_s(removed)} {_and(map(self._quote, removed))}", "from"))
        return phrases

    def _federated(self) -> list[tuple[str, str]]:
        phrases = []
        for change in self._all.of(FEDERATED):
            if change.kind is Kind.SAME:
                continue
            inputs = change.after() or change.before()
            subject, issuer = (self._quote(str(inputs.get(key))) for key in ("subject", "issuer"))
            phrases.append((f"{change.kind}s the federated credential for {subject}", "of"))
            if change.new:
                self._risk(2, f"Whoever {issuer} calls {subject} signs in as {self._name}, without a secret.")
        return phrases

    def _rest(self) -> list[tuple[str, str]]:
        """Whatever else changes on application and service principal, by its name."""
        told = {"displayName", "owners", *(_REDIRECTS if self._redirect_uris_only() else ())}
        if any(change.kind is not Kind.SAME for change in self._all.of(GRANT)):
            told.add("requiredResourceAccesses")
        keys = {
            key
            for kind in (APPLICATION, SERVICE_PRINCIPAL)
            for change in self._all.of(kind)
            if change.kind is Kind.UPDATE
            for key in {*change.before(), *change.after()} - told
            if _differs(change, key)
        }
        return [(f"changes {_and(map(self._quote, sorted(keys)))}", "of")] if keys else []

    def _redirect_uris_only(self) -> bool:
        """Whether nothing but redirect URIs changes on the application's platforms."""
        return all(
            _without_uris(change.before().get(platform)) == _without_uris(change.after().get(platform))
            for change in self._all.of(APPLICATION)
            for platform in _REDIRECTS
        )

    def _protection(self) -> list[tuple[str, str]]:
        changes = [change for kind in (APPLICATION, SERVICE_PRINCIPAL) for change in self._all.of(kind)]
        if any(change.loses_protection for change in changes):
            self._risk(3, f"{self._name} loses its protection from deletion.")
            return [("takes off the protection from deletion", "of")]
        if any(change.old and change.new and change.new.protect and not change.old.protect for change in changes):
            return [("puts on the protection from deletion", "of")]
        return []


def _differs(change: Change, key: str) -> bool:
    return change.before().get(key) != change.after().get(key)


def _texts(value: JsonValue) -> list[str]:
    if value == MASKED:
        return [MASKED]
    return [str(one) for one in value] if isinstance(value, list) else []


def _redirect_uris(platform: JsonValue) -> list[str]:
    return _texts(platform.get("redirectUris")) if isinstance(platform, dict) else []


def _without_uris(platform: JsonValue) -> JsonValue:
    if isinstance(platform, dict):
        return {key: value for key, value in platform.items() if key != "redirectUris"}
    return platform or {}


def _and(names: Iterable[str]) -> str:
    listed: Sequence[str] = list(names)
    if len(listed) > _MOST_LISTED:
        return f"{', '.join(listed[:_MOST_LISTED])} and {len(listed) - _MOST_LISTED} more"
    return " and ".join(filter(None, (", ".join(listed[:-1]), listed[-1]))) if listed else ""


def _s(names: Sequence[str]) -> str:
    return "" if len(names) == 1 else "s"
