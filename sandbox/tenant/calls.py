"""The log of HTTP calls: one JSON object per line, with nothing secret in it."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from sandbox.tenant.documents import Document

_SECRET = {"secretText", "key", "client_secret", "client_assertion", "password"}


class CallLog:
    """Appends every call on the tenant's own routes to one file."""

    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w", buffering=1)
        self._path = path

    def add(self, identity: str | None, method: str, path: str, status: int, request: object) -> None:
        """Write one call down."""
        entry: Document = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "identity": identity,
            "method": method,
            "path": path,
            "status": status,
        }
        if request is not None:
            entry["request"] = _masked(request)
        self._file.write(json.dumps(entry) + "\n")

    def read(self) -> list[Document]:
        """All calls so far."""
        return [json.loads(line) for line in self._path.read_text().splitlines() if line]


def _masked(value: object) -> object:
    if isinstance(value, dict):
        return {name: "***" if name in _SECRET and item else _masked(item) for name, item in value.items()}
    return [_masked(item) for item in value] if isinstance(value, list) else value
