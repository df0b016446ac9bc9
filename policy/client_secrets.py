"""How long a client secret lasts, and which one must stay.

The engine hands a pack what is declared, never what the plan takes away. What would be lost is therefore found by
comparing the declaration with the stack's state before the run. In a preview, also in the one that `pulumi up` starts
with, that comes in time. With `--skip-preview` the engine asks only after it has deleted: the run fails, the secret is
gone. A secret that no stack knows cannot be seen at all.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime

from pulumi_policy import (
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
)

from policy import clock
from policy.plan import (
    APPLICATION,
    APPLICATION_PASSWORD,
    ROOT,
    SERVICE_PRINCIPAL_PASSWORD,
    known,
    resource_policy,
    stack_policy,
)
from policy.stack import Stack, StackError, StateResource

_DATED = re.compile(r"(.+)-\d{4}-\d{2}-\d{2}")


def _within_lifetime(args: ResourceValidationArgs, report: ReportViolation) -> None:
    if args.resource_type == ROOT:
        # Reads the state before anything changes; _newest_stays says so if it cannot be read.
        with suppress(StackError):
            Stack.of(args.urn).state()
    if args.resource_type in (APPLICATION_PASSWORD, SERVICE_PRINCIPAL_PASSWORD):
        end = args.props.get("endDate")
    elif args.resource_type == APPLICATION and args.props.get("password") is not None:
        end = args.props["password"].get("endDate")
    else:
        return
    latest = clock.two_years_from_today()
    if not end:
        report(
            f"{args.name} declares no end. Give it an endDate of {latest} or earlier: pulumi config set --path "
            f"'identity-manager:secrets[0]' {latest}",
            None,
        )
        return
    last_day = _day(end)
    if last_day <= clock.today():
        report(
            f"{args.name} ended on {last_day}: nobody could sign in with it. Take the date out of "
            f"identity-manager:secrets, and see that a later one is there, {latest} at the latest.",
            None,
        )
    elif last_day > latest:
        report(
            f"{args.name} would last until {last_day}, longer than two years. Choose {latest} or earlier in "
            "identity-manager:secrets.",
            None,
        )


def _day(moment: str) -> date:
    """The day in UTC of a moment as azuread writes it."""
    return datetime.fromisoformat(moment).astimezone(UTC).date()


@dataclass(frozen=True)
class _Secret:
    """A client secret in the state."""

    name: str
    key_id: str
    end: datetime
    series: tuple[str, str]
    """Its application and, where its name ends in a date, the connection it is for: its successors share it."""


def _newest_stays(declared: Sequence[PolicyResource], config: Mapping[str, object], report: ReportViolation) -> None:
    if not declared:
        return
    let_go = config["letGo"]
    assert isinstance(let_go, Sequence)  # noqa: S101 - the schema says so
    try:
        state = Stack.of(declared[0].urn).state()
    except StackError as error:
        report(
            "The stack's state could not be read, so this plan might take a living secret away. Run pulumi where "
            f"`pulumi stack export` works on this stack, with PULUMI_ORGANIZATION where it is not your own. {error}",
            None,
        )
        return
    newest: dict[tuple[str, str], datetime] = {}
    living = list(_living_secrets(state, declared))
    for secret in living:
        newest[secret.series] = max(secret.end, newest.get(secret.series, secret.end))
    kept = {known(one.props, "keyId") for one in declared if one.resource_type == APPLICATION_PASSWORD}
    for secret in living:
        lost = secret.key_id not in kept and secret.name not in let_go
        if lost and secret.end == newest[secret.series]:
            report(
                f"{secret.name}, which ends on {secret.end.date()}, is the newest living secret of its connection, and "
                "this plan deletes or replaces it: an agent that uses it could not sign in any more. Leave its date in "
                "identity-manager:secrets and add a later one, run pulumi up, give the agent the new secret, and take "
                "the old date out only then. If it is gone from the tenant already, run pulumi refresh first. If it is "
                f'to go all the same, add "{secret.name}" to letGo of newest-secret-stays in the pack\'s config.json.',
                None,
            )


def _living_secrets(state: Iterable[StateResource], declared: Iterable[PolicyResource]) -> Iterator[_Secret]:
    """The secrets in the state that have not ended, but not those of an application that goes as a whole.

    Whether an application may go is said by `protect`.
    """
    applications = [one for one in declared if one.resource_type == APPLICATION]
    staying = {one.urn for one in applications} | {str(known(one.props, "id")) for one in applications}
    going = {
        one.get("id")
        for one in state
        if one["type"] == APPLICATION and one["urn"] not in staying and one.get("id") not in staying
    }
    for one in state:
        outputs = one.get("outputs") or {}
        if one["type"] != APPLICATION_PASSWORD or outputs.get("applicationId") in going:
            continue
        end = datetime.fromisoformat(str(outputs["endDate"])).astimezone(UTC)
        if end.date() > clock.today():
            name = one["urn"].rpartition("::")[2]
            dated = _DATED.fullmatch(name)
            series = (str(outputs["applicationId"]), dated[1] if dated else "")
            yield _Secret(name, str(outputs["keyId"]), end, series)


POLICIES = [
    resource_policy("secret-lifetime", "A client secret ends in the future, within two years.", _within_lifetime),
    stack_policy(
        "newest-secret-stays",
        "The newest living client secret is neither deleted nor replaced.",
        _newest_stays,
        schema=PolicyConfigSchema(
            {
                "letGo": {
                    "type": "array",
                    "description": "Resource names of secrets that may go all the same.",
                    "items": {"type": "string"},
                }
            },
            ["letGo"],
        ),
    ),
]
