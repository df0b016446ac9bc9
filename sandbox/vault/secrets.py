"""The secrets of a vault: names, versions, attributes, soft delete.

Owns their rules and their file, which its owner alone may read.
"""

import json
import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_LONGEST_VALUE = 25 * 1024
_LONGEST_CONTENT_TYPE = 255
_RETENTION_DAYS = 90
_ATTRIBUTES = ("enabled", "nbf", "exp")

Document = dict[str, Any]
"""A JSON object, in the form of Key Vault's own answers."""


class VaultError(Exception):
    """The vault refuses, as Azure would."""

    def __init__(self, status: int, code: str, message: str, inner: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        error: Document = {"code": code, "message": message}
        if inner is not None:
            error["innererror"] = {"code": inner}
        self.body: Document = {"error": error}


class Secrets:
    """All secrets of one vault, each with its versions, oldest first."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = folder / "secrets.json"
        self._url = url
        self._live: dict[str, list[Document]] = {}
        self._deleted: dict[str, Document] = {}
        if self._file.exists():
            kept = json.loads(self._file.read_text())
            self._live, self._deleted = kept["live"], kept["deleted"]

    def put(self, name: str, body: Document) -> Document:
        """A new version of a secret."""
        key = _key(name)
        if key in self._deleted:
            raise VaultError(
                409,
                "Conflict",
                f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in "
                "this state, the secret can only be recovered or purged.",
                "ObjectIsDeletedButRecoverable",
            )
        value = body.get("value")
        if not isinstance(value, str):
            raise VaultError(400, "BadParameter", "The request body is missing the parameter 'value'.")
        if len(value.encode()) > _LONGEST_VALUE:
            raise VaultError(400, "BadParameter", f"The value is longer than {_LONGEST_VALUE} bytes.")
        now = int(time.time())
        version = {
            "name": name,
            "version": secrets.token_hex(16),
            "value": value,
            "attributes": {"enabled": True, "created": now, **_described(body)["attributes"], "updated": now},
            **{part: content for part, content in _described(body).items() if part != "attributes"},
        }
        self._live.setdefault(key, []).append(version)
        self._save()
        return self._shown(version)

    def get(self, name: str, version: str | None) -> Document:
        """A version of a secret with its value, the newest where none is named."""
        found = self._version(name, version)
        if not found["attributes"]["enabled"]:
            raise VaultError(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
        return self._shown(found)

    def update(self, name: str, version: str | None, body: Document) -> Document:
        """Other attributes for a version, whose value stays."""
        found, described = self._version(name, version), _described(body)
        found["attributes"] |= {**described.pop("attributes"), "updated": int(time.time())}
        found |= described
        self._save()
        return self._without_value(found)

    def listed(self) -> list[Document]:
        """The newest version of each secret, without values."""
        return [self._without_value(versions[-1], with_version=False) for versions in self._live.values()]

    def versions(self, name: str) -> list[Document]:
        """All versions of a secret, without values."""
        self._version(name, None)
        return [self._without_value(one) for one in self._live[_key(name)]]

    def delete(self, name: str) -> Document:
        """Delete a secret with all its versions; it can be recovered for some time."""
        self._version(name, None)
        key, now = _key(name), int(time.time())
        self._deleted[key] = {
            "versions": self._live.pop(key),
            "deletedDate": now,
            "scheduledPurgeDate": now + _RETENTION_DAYS * 86400,
        }
        self._save()
        return self.deleted(name)

    def deleted(self, name: str) -> Document:
        """A deleted secret, without its value."""
        kept = self._deleted.get(_key(name))
        if kept is None:
            raise VaultError(404, "SecretNotFound", f"Deleted Secret not found: {name}")
        return {
            **self._without_value(kept["versions"][-1]),
            "recoveryId": f"{self._url}/deletedsecrets/{name}",
            "deletedDate": kept["deletedDate"],
            "scheduledPurgeDate": kept["scheduledPurgeDate"],
        }

    def recover(self, name: str) -> Document:
        """Bring a deleted secret back."""
        self.deleted(name)
        versions = self._deleted.pop(_key(name))["versions"]
        self._live[_key(name)] = versions
        self._save()
        return self._without_value(versions[-1])

    def purge(self, name: str) -> None:
        """Forget a deleted secret."""
        self.deleted(name)
        del self._deleted[_key(name)]
        self._save()

    def _version(self, name: str, version: str | None) -> Document:
        for one in reversed(self._live.get(_key(name), [])):
            if version in (None, one["version"]):
                return one
        shown = f"{name}/{version}" if version else name
        raise VaultError(
            404,
            "SecretNotFound",
            f"A secret with (name/id) {shown} was not found in this key vault. If you recently deleted this secret you "
            "may be able to recover it using the correct recovery command.",
        )

    def _shown(self, version: Document, *, with_version: bool = True) -> Document:
        last = f"/{version['version']}" if with_version else ""
        attributes = {
            **version["attributes"],
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": _RETENTION_DAYS,
        }
        described: Document = {part: version[part] for part in ("value", "contentType", "tags") if part in version}
        return {**described, "id": f"{self._url}/secrets/{version['name']}{last}", "attributes": attributes}

    def _without_value(self, version: Document, *, with_version: bool = True) -> Document:
        shown = self._shown(version, with_version=with_version)
        shown.pop("value")
        return shown

    def _save(self) -> None:
        fresh = self._file.with_suffix(".fresh")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"live": self._live, "deleted": self._deleted}, file)
        fresh.replace(self._file)


def _key(name: str) -> str:
    """The name as a vault compares it, without case."""
    if not _NAME.fullmatch(name):
        raise VaultError(
            400,
            "BadParameter",
            f"The request URI contains an invalid name: {name}. It may hold only alphanumeric characters and dashes.",
        )
    return name.lower()


def _described(body: Document) -> Document:
    """Attributes, content type and tags of a request, checked."""
    attributes = body.get("attributes") or {}
    wrong = [
        name
        for name, value in attributes.items()
        if name not in _ATTRIBUTES or not isinstance(value, bool if name == "enabled" else int)
    ]
    if wrong:
        raise VaultError(400, "BadParameter", f"The attribute {wrong[0]} is invalid.")
    if "nbf" in attributes and "exp" in attributes and attributes["exp"] <= attributes["nbf"]:
        raise VaultError(400, "BadParameter", "The attribute exp must be later than nbf.")
    described: Document = {"attributes": attributes}
    if "contentType" in body:
        content_type = body["contentType"]
        if not isinstance(content_type, str) or len(content_type) > _LONGEST_CONTENT_TYPE:
            raise VaultError(400, "BadParameter", "The contentType is no text, or too long.")
        described["contentType"] = content_type
    if "tags" in body:
        described["tags"] = body["tags"]
    return described
