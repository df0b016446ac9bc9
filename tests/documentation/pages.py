"""The pages as the tests read them: their blocks, and what the comments before a block say about it.

Owns the conventions that docs/contributing.md tells to whoever writes a page.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.stack.project import ROOT

DOCS = ROOT / "docs"
FENCE = re.compile(r"^(`{3,})(.*)$")
EXITS = re.compile(r"<!-- exits with (\d+) -->")
LATER = re.compile(r"<!-- (\d+) days later -->")
GOES_ON = re.compile(r"^<!-- goes on after (\S+) -->", re.MULTILINE)
SIGNED_IN = re.compile(r"^<!-- signed in as (\w+) -->", re.MULTILINE)
TOO_MUCH_FOR_A_TEST = re.compile(r"^make (test|bench)\b", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    line: int
    language: str
    text: str
    exits_with: int
    days_later: int | None


@dataclass(frozen=True)
class Page:
    """One page."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def goes_on_after(self) -> str | None:
        found = GOES_ON.search(self.text)
        return found[1] if found else None

    @property
    def identity(self) -> str:
        found = SIGNED_IN.search(self.text)
        return found[1] if found else "deploy"

    @property
    def blocks(self) -> Sequence[Block]:
        return list(_blocks(self.text))

    @property
    def prose(self) -> str:
        """The page without its blocks and inline code."""
        inside = {number for block in self.blocks for number in range(block.line, block.line + block.text.count("\n"))}
        kept = [line for number, line in enumerate(self.text.splitlines(), 1) if number - 1 not in inside]
        return re.sub(r"`[^`\n]+`", "`code`", "\n".join(kept))

    def script(self) -> str:
        """The page's commands as one script for `sh`, which says of each block where it begins."""
        lines = ["set -eu"]
        for block in self.blocks:
            if block.days_later is not None:
                lines.append(f"export IDENTITY_MANAGER_TODAY=$(day_in {block.days_later})")
            if block.language != "sh":
                continue
            lines.append(f"printf '\\n@@ %s\\n' '{self.name}, line {block.line}'")
            commands = TOO_MUCH_FOR_A_TEST.sub(r"make --dry-run \1", block.text)
            if block.exits_with:
                # Behind || or in a condition, a shell would no longer stop at the first failure.
                lines += ["set +e", f"(set -e\n{commands})", "status=$?", "set -e"]
                lines.append(f'test "$status" = {block.exits_with}')
            else:
                lines.append(commands)
        return "\n".join([*lines, "printf '\\n@@ the end\\n'", ""])


def _blocks(text: str) -> Iterator[Block]:
    lines = text.splitlines()
    number = 0
    comments = ""
    while number < len(lines):
        opened = FENCE.match(lines[number])
        if opened:
            start = number + 1
            number = next(at for at in range(start, len(lines)) if lines[at].strip() == opened[1])
            exits, later = EXITS.search(comments), LATER.search(comments)
            yield Block(
                start,
                opened[2].strip(),
                "".join(f"{line}\n" for line in lines[start:number]),
                int(exits[1]) if exits else 0,
                int(later[1]) if later else None,
            )
            comments = ""
        elif lines[number].startswith("<!--"):
            comments += lines[number]
        elif lines[number].strip():
            comments = ""
        number += 1


def pages() -> dict[str, Page]:
    """All pages by their names."""
    paths = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
    return {path.name: Page(path, path.read_text()) for path in paths}


def chains() -> list[list[Page]]:
    """The pages with commands, those that go on after another one behind it."""
    known = pages()
    found = {name: [page] for name, page in known.items() if page.goes_on_after is None}
    waiting = [page for page in known.values() if page.goes_on_after is not None]
    while waiting:
        page = waiting.pop(0)
        chain = next((one for one in found.values() if page.goes_on_after in {each.name for each in one}), None)
        if chain is None:
            assert any(other.name == page.goes_on_after for other in waiting), f"{page.name} goes on after no page"
            waiting.append(page)
        else:
            chain.append(page)
    return [chain for chain in found.values() if any(block.language == "sh" for page in chain for block in page.blocks)]
