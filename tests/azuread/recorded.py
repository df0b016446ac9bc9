"""The recordings of the real plugin, and how what happens is held against them.

Ids, secrets and times differ from run to run: each placeholder in a recording must stand for one and the same thing
throughout a run. Order is compared within a resource, since the engine works on several at once.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

Json = dict[str, Any]

RECORDINGS = Path(__file__).parents[1] / "recordings"
METHODS = ("Check", "Diff", "Create", "Read", "Update", "Delete", "Invoke")

_BOOKKEEPING = {
    "randomSeed", "resourceStatusAddress", "resourceStatusToken", "oldOutputs", "__meta", "__pulumi_raw_state_delta",
    "acceptSecrets", "acceptResources", "sendsOldInputs", "sendsOldInputsToDelete", "innerError",
}  # fmt: skip
_OF_THE_ENGINE = {"name", "type"}
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PLACEHOLDER = re.compile(rf"<(?:id|assignment|secret)-\d+>|<now>|{_UUID}|https://tenant|<access-token>")
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"


@dataclass(frozen=True)
class Difference:
    """What differs on purpose, and why."""

    recordings: tuple[str, ...]
    subject: str
    reason: str

    def covers(self, found: str) -> bool:
        """Whether a disagreement is this difference."""
        return found.startswith(self.recordings) and re.search(self.subject, found) is not None


DIFFERENCES = (
    Difference(
        ("24",),
        r"appRoleAssignment|appRoleAssignedTo",
        "With an application Entra deletes its service principal and what that was granted; the recordings' tenant "
        "kept the grant.",
    ),
    Difference(
        ("28", "29"),
        r"directoryRole|roleAssignments",
        "The recordings' tenant ignored $filter on /directoryRoles, so that the other role was never activated and "
        "its assignment never replaced.",
    ),
)


@dataclass
class Comparison:
    """What in one run stands for the placeholders of a recording, and where they disagree."""

    recording: str
    meanings: dict[str, str] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def compare(self, resource: str, path: str, want: object, got: object) -> None:
        """Hold one value against the recorded one."""
        if isinstance(want, dict) and isinstance(got, dict):
            for name in sorted({*want, *got}):
                self.compare(resource, f"{path}.{name}", want.get(name, "<absent>"), got.get(name, "<absent>"))
        elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
            for index, (one, other) in enumerate(zip(want, got, strict=True)):
                self.compare(resource, f"{path}[{index}]", one, other)
        elif not self._same(want, got):
            self.found.append(f"{self.recording} {resource} {path}: want {want!r}, got {got!r}")

    @property
    def unintended(self) -> list[str]:
        """The disagreements that are no known difference."""
        return [one for one in self.found if not any(known.covers(one) for known in DIFFERENCES)]

    def _same(self, want: object, got: object) -> bool:
        if not isinstance(want, str) or not isinstance(got, str):
            return want == got
        pattern, names = _pattern(want)
        match = re.fullmatch(pattern, got, re.DOTALL)
        if match is None:
            return False
        pairs = list(zip(names, match.groups(), strict=True))
        if any(name != "<now>" and self.meanings.get(name, value) != value for name, value in pairs):
            return False
        self.meanings.update({name: value for name, value in pairs if name != "<now>"})
        return True

    def translated(self, recorded: str) -> str:
        """A recorded text with what its placeholders stand for; those that mean nothing here stay."""
        return _PLACEHOLDER.sub(lambda found: self.meanings.get(found[0], found[0]), recorded)


def _pattern(recorded: str) -> tuple[str, list[str]]:
    """What a recorded text can look like in another run."""
    names = _PLACEHOLDER.findall(recorded)
    pieces = (re.escape(piece) for piece in _PLACEHOLDER.split(recorded))
    groups = (_group(name) for name in names)
    pattern = next(pieces)
    for group, piece in zip(groups, pieces, strict=True):
        pattern += group + piece
    return pattern, names


def _group(name: str) -> str:
    if name == "<now>":
        return f"({_TIME})"
    return f"({_UUID})" if name.startswith("<id") or re.fullmatch(_UUID, name) else "(.+?)"


# ---------------------------------------------------------------------------------------------------- provider calls


def recorded_calls(recording: str) -> list[Json]:
    """The recorded calls between engine and plugin."""
    return cast("list[Json]", _load(recording)["provider"])


def recorded_requests(recording: str) -> list[Json]:
    """The recorded HTTP calls."""
    return cast("list[Json]", _load(recording)["graph"])


def _load(recording: str) -> Json:
    file = next(RECORDINGS.glob(f"{recording}*.json"))
    return cast("Json", json.loads(file.read_text()))


def observed_calls(lines: list[Json]) -> list[Json]:
    """The calls of a run, in the recordings' form."""
    return list(_observed(lines))


def _observed(lines: list[Json]) -> Iterator[Json]:
    for line in lines:
        method = line["method"].rpartition("/")[2]
        answered = line.get("response") is not None or line.get("errors")
        if "ResourceProvider/" not in line["method"] or method not in METHODS or not answered:
            continue
        if line.get("metadata", {}).get("mode") != "client":
            continue
        call: Json = {"method": method, "request": _cleaned(line["request"])}
        if line.get("response") is not None:
            call["response"] = _cleaned(line["response"])
        if line.get("errors"):
            call["error"] = line["errors"][0]
        yield call


def _cleaned(value: Any, *, top: bool = True) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        if _SIGNATURE in value and "value" in value:
            return {"secret": _cleaned(value["value"], top=False)}
        dropped = _BOOKKEEPING | (_OF_THE_ENGINE if top else set())
        return {name: _cleaned(item, top=False) for name, item in value.items() if name not in dropped}
    if isinstance(value, list):
        return [_cleaned(item, top=False) for item in value]
    return "<unknown>" if value == _UNKNOWN else value


def _subject(call: Json) -> str:
    request = call["request"]
    if "urn" in request:
        return cast("str", request["urn"])
    return f"{request['tok']} {json.dumps(request['args'], sort_keys=True)}"


def compare_calls(comparison: Comparison, observed: list[Json]) -> None:
    """Hold the calls of a run against the recorded ones, resource by resource and in their order."""
    recorded = [call for call in recorded_calls(comparison.recording) if call["method"] in METHODS]
    got: dict[str, list[Json]] = {}
    for call in observed:
        got.setdefault(_subject(call), []).append(call)
    for call in recorded:
        subject = _subject(call)
        key = subject if subject in got else comparison.translated(subject)
        if not got.get(key):
            comparison.found.append(f"{comparison.recording} {subject}: no {call['method']}")
            continue
        _compare_call(comparison, subject, call, got[key].pop(0))
    for subject, rest in got.items():
        comparison.found += [f"{comparison.recording} {subject}: {call['method']} is not recorded" for call in rest]


def _compare_call(comparison: Comparison, subject: str, want: Json, got: Json) -> None:
    resource = "::".join(subject.split("::")[2:]) or subject
    if want["method"] == "Invoke" and "response" in want and _depends_on_seed(subject):
        want, got = _form(want), _form(got)
    comparison.compare(resource, want["method"], want, got)


def _depends_on_seed(subject: str) -> bool:
    """Whether what a function finds is there from the start, so that only the form of the answer can agree."""
    return any(name in subject for name in ("getServicePrincipal", "getApplicationPublishedAppIds", "getUser"))


def _form(call: Json) -> Json:
    answer = call.get("response", {}).get("return", {})
    form = {name: value if name in ("id", "objectId") else type(value).__name__ for name, value in answer.items()}
    return {**call, "response": form}


# ---------------------------------------------------------------------------------------------------- HTTP calls


def compare_requests(comparison: Comparison, observed: list[Json]) -> None:
    """Hold the HTTP calls of a run against the recorded ones: the same, however often the same thing was read."""
    want = Counter(_request(comparison, call) for call in recorded_requests(comparison.recording))
    got = Counter(_request(comparison, call) for call in observed)
    for request in sorted({*want, *got}):
        counts = want[request], got[request]
        if request.startswith("GET "):
            counts = min(counts[0], 1), min(counts[1], 1)
        if counts[0] != counts[1]:
            comparison.found.append(f"{comparison.recording} {request}: want {counts[0]} times, got {counts[1]}")


def _request(comparison: Comparison, call: Json) -> str:
    body = call.get("request")
    if not isinstance(body, dict) or call["path"].endswith("/token"):
        body = None
    text = f"{call['method']} {call['path']} {json.dumps(body, sort_keys=True)}"
    text = comparison.translated(text)
    text = re.sub(r'TERRAFORM_UPDATE_[^"]+', "TERRAFORM_UPDATE_", text)
    return re.sub(r"https://(localhost:\d+|tenant)/", "https://tenant/", text)
