"""What the vendors provide to a job: their tokens, and their addresses for comments and pull requests.

Owns one HTTP server on loopback in the place of GitHub's token endpoint, GitLab and Azure DevOps. A call without the
right token is refused, as the vendor would.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "vendor-token"
THREADS = "/collection/project/_apis/git/repositories/repository/pullRequests/7/threads"
PULL_REQUESTS = "/collection/project/_apis/git/repositories/repository/pullrequests"
NOTES = "/api/v4/projects/5/merge_requests/7/notes"


class Platform:
    """The vendors' own side of a pull request.

    Attributes:
        comments: The comments on the pull request, in their order.
        pull_requests: The pull requests that were opened.
        oidc_token: The token that says which job it is.
    """

    def __init__(self) -> None:
        self.comments: list[str] = []
        self.pull_requests: list[dict[str, Any]] = []
        self.oidc_token = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, target: str, token: str | None, body: bytes, kind: str) -> tuple[int, object]:
        """The status and body of the answer to a call."""
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        if token != TOKEN:
            return 401, {"message": "401 Unauthorized"}
        if method == "GET" and path == "/oidc":
            exchanged = query == {"api-version": ["2.0"], "audience": ["api://AzureADTokenExchange"]}
            return (200, {"value": self.oidc_token}) if exchanged else (400, {})
        if path.startswith("/collection/") and query != {"api-version": ["7.1"]}:
            return 400, {"message": "no api-version"}
        if path.startswith("/collection/") and method != "GET" and kind != "application/json":
            return 415, {"message": "The request contains an entity body of an unsupported media type."}
        return self._comment(method, path, body, kind)

    def _comment(self, method: str, path: str, body: bytes, kind: str) -> tuple[int, object]:
        numbered = list(enumerate(self.comments, 1))
        if (method, path) == ("GET", NOTES):
            return 200, [{"id": number, "body": text} for number, text in numbered]
        if (method, path) == ("GET", THREADS):
            listed = [{"id": number, "comments": [{"id": 1, "content": text}]} for number, text in numbered]
            return 200, {"value": [{"id": 99, "isDeleted": True, "comments": []}, *listed]}
        if (method, path) == ("POST", NOTES):
            self.comments.append(form(body, kind)["body"])
        elif (method, path) == ("POST", THREADS):
            self.comments.append(json.loads(body)["comments"][0]["content"])
        elif method == "PUT" and (note := re.fullmatch(rf"{NOTES}/(\d+)", path)):
            self.comments[int(note[1]) - 1] = form(body, kind)["body"]
        elif method == "PATCH" and (thread := re.fullmatch(rf"{THREADS}/(\d+)/comments/1", path)):
            self.comments[int(thread[1]) - 1] = json.loads(body)["content"]
        elif (method, path) == ("POST", PULL_REQUESTS):
            self.pull_requests.append(json.loads(body))
        else:
            return 404, {"message": f"{method} {path}"}
        return 200, {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                bearer = (self.headers.get("Authorization") or "").split(" ")[-1]
                token = self.headers.get("PRIVATE-TOKEN") or bearer
                kind = self.headers.get("Content-Type") or ""
                status, answer = platform.answer(self.command, self.path, token, self.rfile.read(length), kind)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                return

        return Handler


def form(body: bytes, kind: str) -> dict[str, str]:
    """The fields of a form as curl sends it."""
    boundary = b"--" + kind.rpartition("boundary=")[2].encode()
    fields = {}
    for part in body.split(boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        [name] = re.findall(rb'name="(\w+)"', head)
        fields[name.decode()] = content.removesuffix(b"\r\n").decode()
    return fields
