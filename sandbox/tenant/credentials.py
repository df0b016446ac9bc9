"""Client secrets and certificates of applications and service principals.

Owns their dates, their form and what is kept of them: of a secret a digest, never the secret. The sign-in room reads
what is kept here; nobody else does.
"""

import base64
import binascii
import hashlib
import secrets
import string
import uuid
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sandbox.tenant.clock import parsed, written
from sandbox.tenant.directory import Answer, Context
from sandbox.tenant.documents import Document
from sandbox.tenant.entities import ENTITIES, GUID, PASSWORD, accept_complex
from sandbox.tenant.errors import GraphError, bad_request, invalid_value, malformed

_LETTERS = string.ascii_letters + string.digits
_DEFAULT_YEARS = 2
"""How long a secret lives when nobody says."""


def digest(secret: str) -> bytes:
    """What is kept of a secret. It is long and random, so a plain hash cannot be reversed by guessing."""
    return hashlib.sha256(secret.encode()).digest()


def new_secret() -> str:
    """A client secret as Entra makes them: 40 letters, the first three shown as its hint."""
    head = "".join(secrets.choice(_LETTERS) for _ in range(3))
    return f"{head}8Q~" + "".join(secrets.choice(_LETTERS + "._~-") for _ in range(34))


def new_password(given: Document, now: datetime, secret: str) -> Document:
    """The password credential for a new secret, with the dates that were given or Graph's defaults.

    Raises:
        GraphError: the dates do not make a time in which the secret works.
    """
    start = parsed(given["startDateTime"]) if given.get("startDateTime") else now
    end = parsed(given["endDateTime"]) if given.get("endDateTime") else _years_after(start)
    _check_dates(start, end, now)
    return {
        "customKeyIdentifier": given.get("customKeyIdentifier"),
        "displayName": given.get("displayName"),
        "endDateTime": written(end),
        "hint": secret[:3],
        "keyId": str(uuid.uuid4()),
        "secretText": None,
        "startDateTime": written(start),
    }


def _years_after(start: datetime) -> datetime:
    try:
        return start.replace(year=start.year + _DEFAULT_YEARS)
    except ValueError:  # the 29th of February
        return start.replace(year=start.year + _DEFAULT_YEARS, month=3, day=1)


def _check_dates(start: datetime, end: datetime, now: datetime) -> None:
    if end <= now:
        raise GraphError(400, "KeyCredentialsInvalidEndDate", "Key credential end date is invalid.")
    if start >= end:
        raise GraphError(400, "KeyCredentialsInvalidStartDate", "Key credential start date is invalid.")


def add_password(context: Context, kind: str, key: str) -> Answer:
    """POST …/addPassword: the one answer that carries the secret."""
    body = context.load(kind, key)
    context.must_own(body)
    unknown = [name for name in context.body if name != "passwordCredential" and "@" not in name]
    if unknown:
        raise malformed(
            f"The parameter '{unknown[0]}' in the request payload is not a valid parameter for the operation "
            "'addPassword'."
        )
    given = context.body.get("passwordCredential")
    if given is not None and not isinstance(given, dict):
        raise malformed("The parameter 'passwordCredential' is not an object.")
    checked = accept_complex(PASSWORD, given or {}, "passwordCredential")
    secret = new_secret()
    credential = new_password(checked, context.directory.clock.now(), secret)
    keep_password(context, body, credential, secret)
    return Answer(
        200,
        {
            "@odata.context": f"{context.root}/$metadata#microsoft.graph.passwordCredential",
            **credential,
            "secretText": secret,
        },
    )


def keep_password(context: Context, body: Document, credential: Document, secret: str) -> None:
    """Add a secret to an object."""
    body["passwordCredentials"] = [*body["passwordCredentials"], credential]
    context.store.replace(body)
    context.store.add_secret(credential["keyId"], body["id"], digest(secret))
    context.directory.replication.created(credential["keyId"])


def remove_password(context: Context, kind: str, key: str) -> Answer:
    """POST …/removePassword."""
    body = context.load(kind, key)
    context.must_own(body)
    key_id = context.body.get("keyId")
    if not isinstance(key_id, str) or not GUID.fullmatch(key_id):
        raise bad_request("The parameter 'keyId' is missing or is not a GUID.")
    kept = [one for one in body["passwordCredentials"] if one["keyId"] != key_id.lower()]
    if len(kept) == len(body["passwordCredentials"]):
        raise bad_request(f"No password credential found with keyId '{key_id}'.")
    body["passwordCredentials"] = kept
    context.store.replace(body)
    context.store.remove_secret(key_id.lower())
    return Answer(204)


def patched_passwords(context: Context, before: list[Document], given: list[Document]) -> list[Document]:
    """The password credentials after PATCH, which can only leave some out.

    Raises:
        GraphError: PATCH would add or change one.
    """
    known = {one["keyId"]: one for one in before}
    kept = []
    for one in given:
        old = known.get(str(one.get("keyId")))
        if old is None:
            raise bad_request("New password credentials must be generated with service actions.")
        if any(value is not None and name != "secretText" and value != old.get(name) for name, value in one.items()):
            raise bad_request(f"Update to existing credential with KeyId '{old['keyId']}' is not allowed.")
        kept.append(old)
    for key_id in known.keys() - {one["keyId"] for one in kept}:
        context.store.remove_secret(key_id)
    return kept


def patched_keys(before: list[Document], given: list[Document], now: datetime, kind: str) -> list[Document]:
    """The key credentials after PATCH: the ones known by their id as they are, the others made from certificates.

    Raises:
        GraphError: one is not a certificate, or its dates leave the certificate's.
    """
    known = {one["keyId"]: one for one in before}
    result, label = [], ENTITIES[kind].label
    for one in given:
        old = known.get(str(one.get("keyId")))
        if old is not None:
            if one.get("key") not in (None, old["key"]):
                raise bad_request(f"Update to existing credential with KeyId '{old['keyId']}' is not allowed.")
            result.append(old)
        else:
            result.append(_new_key(one, now, label))
    if len({one["keyId"] for one in result}) != len(result):
        raise bad_request("Request contains a property with duplicate values.")
    return result


def _new_key(given: Document, now: datetime, label: str) -> Document:
    if given.get("type") not in ("AsymmetricX509Cert", "X509CertAndPassword") or given.get("usage") not in (
        "Verify",
        "Sign",
    ):
        raise invalid_value("keyCredentials", label)
    certificate = read_certificate(given.get("key"))
    if certificate is None:
        raise GraphError(400, "KeyCredentialsInvalidValue", "Key value is invalid certificate.")
    first = certificate.not_valid_before_utc
    last = certificate.not_valid_after_utc
    start = parsed(given["startDateTime"]) if given.get("startDateTime") else first
    end = parsed(given["endDateTime"]) if given.get("endDateTime") else last
    _check_dates(start, end, now)
    # Callers round the certificate's dates to a second or to a day's end of another zone; a day's slack is Entra's.
    if end > last + timedelta(days=1):
        raise GraphError(400, "KeyCredentialsInvalidEndDate", "Key credential end date is invalid.")
    if start < first - timedelta(days=1):
        raise GraphError(400, "KeyCredentialsInvalidStartDate", "Key credential start date is invalid.")
    der = certificate.public_bytes(Encoding.DER)
    thumbprint = hashlib.sha1(der, usedforsecurity=False).digest()
    return {
        "customKeyIdentifier": given.get("customKeyIdentifier") or base64.b64encode(thumbprint).decode(),
        "displayName": given.get("displayName") or certificate.subject.rfc4514_string(),
        "endDateTime": written(end.astimezone(UTC)),
        "key": base64.b64encode(der).decode(),
        "keyId": given.get("keyId") or str(uuid.uuid4()),
        "startDateTime": written(start.astimezone(UTC)),
        "type": given["type"],
        "usage": given["usage"],
    }


def read_certificate(key: object) -> x509.Certificate | None:
    """The certificate in a key credential: base64 of DER, or of PEM as the azuread plugin sends it."""
    if not isinstance(key, str):
        return None
    try:
        raw = base64.b64decode(key.replace("-", "+").replace("_", "/"), validate=True)
        return x509.load_pem_x509_certificate(raw) if b"-----BEGIN" in raw else x509.load_der_x509_certificate(raw)
    except (ValueError, binascii.Error):
        return None
