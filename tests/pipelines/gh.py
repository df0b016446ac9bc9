"""The parts of `gh` that the workflows use, on a file in the place of GitHub. An option it does not know ends it."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    store = Path(os.environ["GH_STORE"])
    hub: dict[str, Any] = json.loads(store.read_text())
    parser = argparse.ArgumentParser(allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    api = commands.add_parser("api", allow_abbrev=False)
    api.add_argument("path")
    for flag in ("--paginate", "--silent"):
        api.add_argument(flag, action="store_true")
    api.add_argument("--jq")
    api.add_argument("--method", default="GET")
    api.add_argument("--field")
    requests = commands.add_parser("pr", allow_abbrev=False)
    verbs = requests.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser("list", allow_abbrev=False)
    for option in ("--head", "--state", "--json", "--jq"):
        listing.add_argument(option, required=True)
    creation = verbs.add_parser("create", allow_abbrev=False)
    for option in ("--head", "--title", "--body"):
        creation.add_argument(option, required=True)
    given = parser.parse_args(arguments)
    if os.environ["GH_TOKEN"] != hub["token"]:
        sys.exit("gh: Bad credentials (HTTP 401)")
    if given.command == "api":
        answer = call(hub, given)
    elif given.verb == "list":
        answer = [one for one in hub["pullRequests"] if one["head"] == given.head and one["state"] == given.state]
    else:
        hub["pullRequests"].append({"head": given.head, "title": given.title, "body": given.body, "state": "open"})
        answer = None
    store.write_text(json.dumps(hub))
    if getattr(given, "jq", None):
        subprocess.run(["jq", "--raw-output", given.jq], input=json.dumps(answer), text=True, check=True)


def call(hub: dict[str, Any], given: argparse.Namespace) -> object:
    comments: list[dict[str, Any]] = hub["comments"]
    if given.method == "GET":
        assert given.path == "repos/contoso/identity/issues/7/comments", given.path
        return comments
    key, _, file = given.field.partition("=@")
    assert key == "body"
    body = Path(file).read_text()
    if given.method == "POST":
        assert given.path == "repos/contoso/identity/issues/7/comments", given.path
        comments.append({"id": 100 + len(comments), "user": {"login": "github-actions[bot]"}, "body": body})
    else:
        assert given.method == "PATCH"
        [wanted] = [one for one in comments if given.path == f"repos/contoso/identity/issues/comments/{one['id']}"]
        wanted["body"] = body
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
