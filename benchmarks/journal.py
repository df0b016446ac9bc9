"""A state backend that keeps a journal, as Pulumi Cloud does.

A bucket or folder as backend gets the whole state written anew with every step, so the steps of a stack of a thousand
registrations cost ten times those of a hundred. A backend that keeps a journal gets each step once, and an engine that
is killed loses no step either. Owns the part of Pulumi Cloud's protocol that the measured commands need, for as long as
the benchmark runs; stacks are encrypted by passphrase. What a refresh finds deleted is not taken out of dependencies.
"""

import asyncio
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Document = dict[str, object]
OWNER = "fleet"
_VERSION = 3
_STACK = "/api/stacks/{owner}/{project}/{stack}"
_UPDATE = _STACK + "/{kind:str}/{update}"


class Kind(IntEnum):
    """What an entry of the journal says."""

    BEGIN = 0
    SUCCESS = 1
    FAILURE = 2
    REFRESHED = 3
    OUTPUTS = 4
    WRITE = 5
    SECRETS = 6
    REBUILT = 7


class Journal:
    """One stack: the state after its last command, and what the running command has done since."""

    def __init__(self, file: Path) -> None:
        self._lines = file.open("w")
        self.updates = 0
        self.base: Document = {"manifest": {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}}
        self._forget()

    def _forget(self) -> None:
        self._made: list[Document | None] = []
        self._place: dict[int, int] = {}
        self._replaced: dict[int, Document | None] = {}
        self._pending: dict[int, object] = {}

    def add(self, entries: list[Document]) -> None:
        """Keep entries: they are in the file before the engine goes on."""
        for entry in entries:
            self._lines.write(json.dumps(entry) + "\n")
            self._apply(entry)
        self._lines.flush()

    def _apply(self, entry: Document) -> None:
        kind, operation, state = Kind(_number(entry["kind"])), _number(entry["operationID"]), _document(entry, "state")
        if kind is Kind.BEGIN:
            self._pending[operation] = entry.get("operation")
            return
        self._pending.pop(operation, None)
        if kind is Kind.SUCCESS:
            if state is not None:
                self._place[operation] = len(self._made)
                self._made.append(state)
            self._put(entry, None)
            for mark, name in (("delete", "delete"), ("pendingReplacement", "pendingReplacement")):
                self._mark(entry, mark, name)
        elif kind is Kind.REFRESHED or (kind is Kind.OUTPUTS and state is not None):
            self._put(entry, state)
        elif kind is Kind.WRITE:
            self.base = _document(entry, "newSnapshot") or self.base
        elif kind is Kind.SECRETS:
            self.base["secrets_providers"] = entry["secretsProvider"]
        elif kind is Kind.REBUILT:
            self.settle()

    def _put(self, entry: Document, state: Document | None) -> None:
        """Replace, or take away, what the entry names: by place in the last state, or by the operation that made it."""
        old, new = entry.get("removeOld"), entry.get("removeNew")
        if old is not None:
            self._replaced[_number(old)] = state
        if new is not None:
            self._made[self._place[_number(new)]] = state

    def _mark(self, entry: Document, mark: str, name: str) -> None:
        old, new = entry.get(f"{mark}Old"), entry.get(f"{mark}New")
        if old is not None:
            self._resources()[_number(old)][name] = True
        if new is not None and (made := self._made[self._place[_number(new)]]) is not None:
            made[name] = True

    def _resources(self) -> list[Document]:
        found = self.base.get("resources")
        return found if isinstance(found, list) else []

    def state(self) -> Document:
        """The state with all that the journal holds."""
        kept = (self._replaced.get(place, one) for place, one in enumerate(self._resources()))
        resources = [one for one in (*self._made, *kept) if one is not None]
        return {
            **self.base,
            "resources": resources,
            "pending_operations": [one for one in self._pending.values() if one],
        }

    def settle(self) -> None:
        """The journal becomes the state."""
        self.base = self.state()
        self._forget()


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value


def _document(entry: Document, name: str) -> Document | None:
    found = entry.get(name)
    return found if isinstance(found, dict) else None


class Service:
    """The stacks of one run, and the answers to the engine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stacks: dict[tuple[str, str], Journal] = {}

    @property
    def application(self) -> Starlette:
        """The routes that the measured commands ask for."""
        return Starlette(
            routes=[
                Route("/api/user", self._user),
                Route("/api/capabilities", self._nothing),
                Route("/api/stacks/{owner}/{project}", self._create, methods=["POST"]),
                Route(_STACK, self._show),
                Route(_STACK, self._remove, methods=["DELETE"]),
                Route(f"{_STACK}/export", self._export),
                Route(f"{_STACK}/tags", self._nothing, methods=["PATCH"]),
                Route(f"{_STACK}/{{kind}}", self._prepare, methods=["POST"]),
                Route(_UPDATE, self._start, methods=["POST"]),
                Route(f"{_UPDATE}/journalentries", self._keep, methods=["PATCH"]),
                Route(f"{_UPDATE}/complete", self._complete, methods=["POST"]),
                Route(f"{_UPDATE}/events/batch", self._nothing, methods=["POST"]),
                Route(f"{_UPDATE}/renew_lease", self._start, methods=["POST"]),
            ]
        )

    def _journal(self, request: Request) -> Journal | None:
        return self._stacks.get((request.path_params["project"], request.path_params["stack"]))

    async def _user(self, _: Request) -> Response:
        return JSONResponse({"githubLogin": OWNER, "organizations": [{"githubLogin": OWNER}]})

    async def _nothing(self, _: Request) -> Response:
        return JSONResponse({})

    async def _create(self, request: Request) -> Response:
        project, stack = request.path_params["project"], (await _body(request))["stackName"]
        self._stacks[project, str(stack)] = Journal(self._folder / f"{project}-{stack}.jsonl")
        return JSONResponse({})

    async def _show(self, request: Request) -> Response:
        journal, names = self._journal(request), request.path_params
        if journal is None:
            return JSONResponse({"code": 404, "message": "no such stack"}, 404)
        name = {"orgName": names["owner"], "projectName": names["project"], "stackName": names["stack"]}
        return JSONResponse({**name, "version": journal.updates, "tags": {}})

    async def _remove(self, request: Request) -> Response:
        del self._stacks[request.path_params["project"], request.path_params["stack"]]
        return Response(status_code=204)

    async def _export(self, request: Request) -> Response:
        journal = self._journal(request)
        return JSONResponse({"version": _VERSION, "deployment": journal.state() if journal else None})

    async def _prepare(self, request: Request) -> Response:
        if journal := self._journal(request):
            # What a command left that was killed: the engine goes on from the state with all of it.
            journal.settle()
        return JSONResponse({"updateID": "running"})

    async def _start(self, request: Request) -> Response:
        journal = self._journal(request)
        return JSONResponse({"version": journal.updates if journal else 0, "token": "lease", "journalVersion": 1})

    async def _keep(self, request: Request) -> Response:
        journal, entries = self._journal(request), (await _body(request)).get("entries")
        if journal and isinstance(entries, list):
            journal.add(entries)
        return JSONResponse({})

    async def _complete(self, request: Request) -> Response:
        if journal := self._journal(request):
            journal.settle()
            journal.updates += 1
        return JSONResponse({})


async def _body(request: Request) -> Document:
    body = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    parsed: Document = json.loads(body)
    return parsed


@contextmanager
def journal_backend(folder: Path) -> Iterator[dict[str, str]]:
    """Serve, and give the variables that lead the engine here."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Service(folder).application, log_level="error", lifespan="off", ws="none"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    try:
        yield {
            "PULUMI_BACKEND_URL": f"http://127.0.0.1:{listening.getsockname()[1]}",
            "PULUMI_ACCESS_TOKEN": "benchmark",
            # Beside the journal the engine would put together, and throw away, the whole state at each step. The
            # journal itself is kept step by step all the same.
            "PULUMI_SKIP_CHECKPOINTS": "true",
        }
    finally:
        server.should_exit = True
        thread.join()
