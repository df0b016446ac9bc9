"""`comment`: one Markdown comment about a plan, for the people who review it.

Owns the comment's form: hidden marker, headline, risks, the plain plan folded, and its size. Whatever comes out of the
plan stands in code spans or in a code block, where neither Markdown nor HTML nor a mention works, with every character
that cannot be seen written out. It posts nothing: the pipeline does, with its platform's own command.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from operations.changes import Story, tell
from operations.errors import OperationError
from operations.plan import FORMER, MASKED, UNKNOWN, Change, Kind, Plan, drifted_keys, read_plan
from operations.report import Report

LONGEST = 65_000
"""Bytes of a comment. GitHub takes 65,536 characters, of which none has less than a byte."""

_NOT_VALUES = (MASKED, FORMER, UNKNOWN)
_LONGEST_SPAN = 120
_LONGEST_VALUE = 400
_LONGEST_MESSAGES = 6_000
_MOST_CLAUSES = 12
_MOST_RISKS = 25
_STANDARD_INPUT = Path("-")
_STACK_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", re.ASCII)
_SIGNS: Mapping[Kind, str] = {Kind.CREATE: "+", Kind.DELETE: "-", Kind.UPDATE: "~", Kind.SAME: "~", Kind.REPLACE: "!"}


def comment(stack: str, events: Path) -> Report:
    """Make the comment on a preview.

    Args:
        stack: The stack, named in the comment and its marker.
        events: The preview's event log; `-` for standard input.

    Raises:
        OperationError: There is no event log.
    """
    name = stack_name(stack)
    try:
        text = sys.stdin.read() if events == _STANDARD_INPUT else events.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not in UTF-8"
        raise OperationError(
            f"{events} cannot be read: {reason}.",
            "No comment was made.",
            f"PULUMI_DEBUG_COMMANDS=true pulumi preview --event-log {events} --stack {stack}",
        ) from None
    return report(read_plan(text.splitlines(), str(events)), name, as_markdown=True)


def stack_name(stack: str) -> str:
    """The stack's name alone, without the organization and project that some backends put before it.

    Raises:
        OperationError: It is no stack's name.
    """
    name = stack.rpartition("/")[2]
    if not _STACK_NAME.fullmatch(name):
        raise OperationError(f"{stack!r} is no stack's name.", "Nothing was done.", "pulumi stack ls")
    return name


def report(plan: Plan, name: str, *, as_markdown: bool, notes: Sequence[str] = ()) -> Report:
    """What a command on a plan leaves.

    Args:
        plan: The plan.
        name: The stack's name.
        as_markdown: Whether its text is the comment, or for a terminal.
        notes: How this plan came to be, where a reader has to know.
    """
    plain = tell(plan, visible)
    text = markdown(plan, name, notes) if as_markdown else _terminal(plan, name, plain, notes)
    return Report(
        {
            "changes": {kind.value: count for kind, count in _counts(plan).items()},
            "headline": plain.clauses,
            "risks": plain.risks,
            "errors": [*plan.errors, *plan.violations],
            "markdown": markdown(plan, name, notes),
        },
        findings=[f"The preview of {name} failed: this plan cannot be deployed."] if plan.failed else [],
        text=text,
    )


def markdown(plan: Plan, name: str, notes: Sequence[str] = ()) -> str:
    """The comment.

    Args:
        plan: The plan.
        name: The stack's name.
        notes: How this plan came to be, in Markdown of this project.
    """
    story = tell(plan, span)
    parts = [f"<!-- identity-manager:{name} -->\n### {span(name)}{_headline(plan, story)}"]
    if plan.failed:
        why = "\n\n".join([*plan.errors, *plan.violations]) or "The preview was cut off before its end."
        parts.append(f"The plan below cannot be deployed:\n\n{_block(why, _LONGEST_MESSAGES)}")
    if story.risks:
        parts.append("**Look at this first**\n\n" + _bullets(story.risks, ":warning: "))
    if plan.drifted:
        drifted = [f"{span(_shortened(change))}: {_drift(change)}" for change in plan.drifted]
        parts.append("**Changed in the tenant, not by this stack**\n\n" + _bullets(drifted, ""))
    if warned := [*plan.advice, *plan.warnings]:
        parts.append("Warnings:\n\n" + _block("\n\n".join(warned), _LONGEST_MESSAGES))
    if plan.changes:
        parts.append(_counted(plan))
    tail = "".join(f"\n\n<sub>{note}</sub>" for note in notes)
    whole = "\n\n".join(parts)
    room = LONGEST - len((whole + tail).encode())
    return whole + _folded(list(_lines(plan)), room) + tail + "\n"


def visible(text: str, longest: int = _LONGEST_SPAN) -> str:
    """A text in which every character can be seen, on one line and not too long."""
    shown = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def span(text: str) -> str:
    """A code span that shows a text as it is."""
    shown = visible(text) or " "
    fence = "`" * (_longest_run(shown) + 1)
    # A backtick or space at the edge of a code span needs a space, which Markdown takes off again.
    edge = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{edge}{shown}{edge}{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _headline(plan: Plan, story: Story) -> str:
    if plan.failed:
        return ": the preview failed"
    if not story.clauses:
        return " changes nothing in the directory" if _any(plan) else " changes nothing"
    listed = story.clauses[:_MOST_CLAUSES]
    more = len(story.clauses) - len(listed)
    return " " + "; ".join([*listed, *([f"and {more} more"] if more else [])])


def _any(plan: Plan) -> bool:
    return any(change.is_one for change in plan.changes)


def _bullets(lines: Sequence[str], mark: str) -> str:
    more = len(lines) - _MOST_RISKS
    shown = [f"- {mark}{line}" for line in lines[:_MOST_RISKS]]
    return "\n".join([*shown, *([f"- and {more} more"] if more > 0 else [])])


def _block(text: str, longest: int) -> str:
    shown = "\n".join(visible(line, longest) for line in text.expandtabs().splitlines())
    shown = shown if len(shown) <= longest else f"{shown[:longest]}…"
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}text\n{shown}\n{fence}"


def _counts(plan: Plan) -> dict[Kind, int]:
    return {kind: sum(change.kind is kind for change in plan.changes if change.in_directory) for kind in Kind}


def _counted(plan: Plan) -> str:
    counts = _counts(plan)
    told = [f"{counts[kind]} to {kind}" for kind in Kind if kind is not Kind.SAME and counts[kind]]
    return f"{', '.join([*told, f'{counts[Kind.SAME]} unchanged'])}."


def _drift(change: Change) -> str:
    if change.new is None or change.kind is Kind.DELETE:
        return "gone"
    return f"{', '.join(map(span, drifted_keys(change)))} changed"


def _shortened(change: Change) -> str:
    return f"{change.type.rpartition(':')[2]} {change.name}"


def _folded(lines: list[str], room: int) -> str:
    """The plan, folded, cut where it is longer than the room."""
    if not lines:
        return ""
    longest_fence = "`" * max(3, max(map(_longest_run, lines)) + 1)
    head = f"\n\n<details><summary>The whole plan</summary>\n\n{longest_fence}diff\n"
    foot = f"{longest_fence}\n\n</details>"
    cut = "… {} more lines: see the preview's own output.\n"
    left = room - len((head + foot + cut.format(len(lines))).encode())
    shown: list[str] = []
    for number, line in enumerate(lines):
        left -= len(line.encode()) + 1
        if left < 0:
            return f"{head}{''.join(shown)}{cut.format(len(lines) - number)}{foot}"
        shown.append(f"{line}\n")
    return f"{head}{''.join(shown)}{foot}"


def _lines(plan: Plan) -> Iterator[str]:
    """The plan as a difference: a line per resource, and one per input that changes."""
    for change in plan.changes:
        # A plugin comes and goes with what it manages; only a change of how it is set up is worth a line.
        comes_or_goes = change.kind in (Kind.CREATE, Kind.DELETE)
        if not change.is_one or not change.custom or (comes_or_goes and not change.in_directory):
            continue
        sign = _SIGNS[change.kind]
        fate = "protection only" if change.kind is Kind.SAME else change.kind
        yield f"{sign} {visible(change.type)} {visible(change.name)} ({fate})"
        if change.old and change.new and change.old.protect != change.new.protect:
            yield f"-     protect: {json.dumps(change.old.protect)}"
            yield f"+     protect: {json.dumps(change.new.protect)}"
        before, after = _flat(change.before()), _flat(change.after())
        for path in {**after, **before}:
            old, new = before.get(path, []), after.get(path, [])
            yield from (f"-     {visible(path)}: {value}" for value in old if value not in new)
            yield from (f"+     {visible(path)}: {value}" for value in new if value not in old)


def _flat(inputs: Mapping[str, JsonValue]) -> dict[str, list[str]]:
    """The values of inputs by their paths, as JSON; the values of a plain list have one path, since order is none."""
    found: dict[str, list[str]] = {}
    for path, value in _walk("", dict(inputs)):
        shown = value if isinstance(value, str) and value in _NOT_VALUES else json.dumps(value, ensure_ascii=False)
        found.setdefault(path, []).append(visible(shown, _LONGEST_VALUE))
    return found


def _walk(path: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _walk(f"{path}.{key}" if path else key, one)
    elif isinstance(value, list):
        for place, one in enumerate(value):
            yield from _walk(f"{path}[{place if isinstance(one, dict | list) else ''}]", one)
    else:
        yield path, value


def _terminal(plan: Plan, name: str, story: Story, notes: Sequence[str]) -> str:
    lines = [f"{name}{_headline(plan, story)}.", *(f"!! {risk}" for risk in story.risks)]
    lines += [f"error {line}" for line in [*plan.errors, *plan.violations]]
    return "\n".join([*lines, "", _counted(plan), *_lines(plan), "", *notes]).rstrip() + "\n"
