"""Every HTTP call of the recordings gets the recorded status, and at least the recorded properties."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.tenant.conftest import GRAPH, RunningTenant

_RECORDINGS = Path(__file__).parents[1] / "recordings"
_PLACEHOLDER = re.compile(r"<(?:id|assignment|secret)-\d+>")
_STACKS = (
    ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10"),
    ("11",),
    ("12",),
    ("13", "14"),
    ("15",),
    ("16", "17"),
    ("18", "19", "20", "21", "22", "23", "24"),
    ("25", "26", "27", "28", "29"),
)
"""Recordings that continue one another; each stack begins in a fresh tenant."""
_INJECTED = {("15", "POST", 403), ("13", "POST", 403), ("16", "POST", 429)}


class Replay:
    """Replays recordings, learning what each recorded id is here from the answers."""

    def __init__(self, tenant: RunningTenant, client: httpx.Client) -> None:
        self.tenant = tenant
        self.client = client
        self.known: dict[str, str] = {}
        self.lasting: dict[str, str] = {}

    def begin(self) -> None:
        """A new file numbers its ids afresh."""
        self.known = {}

    def real(self, text: str) -> str:
        text = text.replace("https://tenant", self.tenant.url)
        return _PLACEHOLDER.sub(lambda match: self.known.get(match.group(), match.group()), text)

    def learn(self, recorded: Any, answered: Any) -> None:
        if isinstance(recorded, dict) and isinstance(answered, dict):
            for name, value in recorded.items():
                self.learn(value, answered.get(name))
        elif isinstance(recorded, list) and isinstance(answered, list):
            for one, other in zip(recorded, answered, strict=False):
                self.learn(one, other)
        elif isinstance(recorded, str) and isinstance(answered, str) and _PLACEHOLDER.fullmatch(recorded):
            self.known.setdefault(recorded, answered)


def _missing(recorded: Any, answered: Any, selected: set[str] | None, path: str = "") -> list[str]:
    """The recorded properties that an answer does not have."""
    if isinstance(recorded, dict):
        if not isinstance(answered, dict):
            return [path]
        return [
            gap
            for name, value in recorded.items()
            # The recording's tenant ignored $select; Graph does not.
            if selected is None or name in selected
            for gap in (
                [f"{path}/{name}"] if name not in answered else _missing(value, answered[name], None, f"{path}/{name}")
            )
        ]
    return []


def _calls(number: str) -> list[dict[str, Any]]:
    (file,) = _RECORDINGS.glob(f"{number}-*.json")
    calls: list[dict[str, Any]] = json.loads(file.read_text())["graph"]
    return calls
