"""What makes a value acceptable before anything is asked of Microsoft Graph, in the words of the real plugin."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import urlsplit

from sandbox.azuread.schema import Check
from sandbox.azuread.values import UNKNOWN, Value, is_list, text

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_CLAIM_VALUE = re.compile(r"[A-Za-z0-9:!#$%&'()*+,./;<=>?@\[\]^_`{|}~-]*")
_LONGEST_CLAIM_VALUE = 249
_LONGEST_ADDRESS = 256
_WEB = ("http", "https")
_REDIRECTS = (*_WEB, "ms-appx-web", "brk-multihub")


def uuid(value: Value, name: str) -> str | None:
    """Accepts a UUID."""
    return None if _UUID.fullmatch(text(value)) else f'expected "{name}" to be a valid UUID, got {value}'


def not_empty(value: Value, name: str) -> str | None:
    """Accepts any text but the empty one."""
    return None if value != "" else f'expected "{name}" to not be an empty string, got {value}'


def one_of(*choices: str) -> Check:
    """Accepts one of these texts."""

    def check(value: Value, name: str) -> str | None:
        quoted = " ".join(f'"{choice}"' for choice in choices)
        return None if value in choices else f"expected {name} to be one of [{quoted}], got {value}"

    return check


def length(least: int, most: int) -> Check:
    """Accepts a text of a length between these, both included."""

    def check(value: Value, name: str) -> str | None:
        if least <= len(text(value)) <= most:
            return None
        return f"expected length of {name} to be in the range ({least} - {most}), got {value}"

    return check


def number_in(least: int, most: int) -> Check:
    """Accepts the numbers from one to the other."""

    def check(value: Value, name: str) -> str | None:  # noqa: ARG001 - a Check
        if isinstance(value, (int, float)) and least <= value <= most:
            return None
        return "Value must be one of: " + ", ".join(str(number) for number in range(least, most + 1))

    return check


def each(check: Check) -> Check:
    """Applies a check to every member of a list."""

    def check_all(value: Value, name: str) -> str | None:
        members = value if is_list(value) else []
        return next((wrong for m in members if m is not UNKNOWN and (wrong := check(m, name))), None)

    return check_all


def moment(value: Value, name: str) -> str | None:
    """Accepts a moment in RFC 3339, as the plugin sends and compares it."""
    if _RFC3339.fullmatch(text(value)):
        try:
            datetime.fromisoformat(text(value))
        except ValueError:
            pass
        else:
            return None
    return f'expected "{name}" to be a valid RFC3339 date, got "{value}"'


def application_id(value: Value, name: str) -> str | None:  # noqa: ARG001 - a Check
    """Accepts an application's resource id."""
    given = text(value)
    if re.fullmatch(r"/applications/[^/]+", given):
        return None
    return f'parsing "{given}": expected an ID of the form /applications/<Application>'


def claim_value(value: Value, name: str) -> str | None:  # noqa: ARG001 - a Check
    """Accepts what can stand in the roles or scp claim of a token."""
    given = text(value)
    if len(given) > _LONGEST_CLAIM_VALUE:
        return "Value must be between 0-249 characters in length"
    if given.startswith("."):
        return "Value must not begin with a period"
    if not _CLAIM_VALUE.fullmatch(given):
        return "Value must be alphanumeric with these allowed characters: !#$%&'()*+,-./:;<=>?@[]^+_`{|}~"
    return None


def web_address(value: Value, name: str) -> str | None:
    """Accepts an http or https address."""
    return _address(text(value), name, _WEB, slash=False)


def redirect_uri(*, urn: bool, any_scheme: bool = False) -> Check:
    """Accepts an address to which tokens can be sent."""

    def check(value: Value, name: str) -> str | None:
        given = text(value)
        if urn and re.fullmatch(r"urn:[^:]*:.*", given):
            return None
        wrong = _address(given, name, () if any_scheme else _REDIRECTS, slash=True)
        if wrong is None and len(given) > _LONGEST_ADDRESS:
            return f'URI must be 256 characters or less for "{name}"'
        return wrong

    return check


def _address(given: str, name: str, schemes: tuple[str, ...], *, slash: bool) -> str | None:
    if not given:
        return f'URI must not be empty for "{name}"'
    try:
        parts = urlsplit(given)
    except ValueError:
        return f'URI is in an invalid format for "{name}"'
    if not parts.netloc:
        return f'URI has no host for "{name}"'
    if schemes and slash and not parts.path:
        return f'URI must have a trailing slash when there is no path segment for "{name}"'
    if schemes and parts.scheme not in schemes:
        return f'unexpected URI scheme for "{name}", expected one of: {", ".join(schemes)}'
    return None
